/*
 * ledger_stream.h - the ledger stream: what the kernel tells the host, record by record, over a port of its own.
 * docs/ledger-stream.md describes it. Kernel and host command include this file, so neither retypes a number.
 *
 * One struct ls_header, then records: struct ls_record, then `len` bytes, always a multiple of 8. Little endian, naturally
 * aligned. A reader skips types it does not know. Times are CLOCK_MONOTONIC nanoseconds and never decrease.
 */
#ifndef ABI_LEDGER_STREAM_H
#define ABI_LEDGER_STREAM_H

#include <linux/types.h>

#define LS_MAGIC	"QLEDGER"	/* with its NUL: 8 bytes */
#define LS_VERSION	1
#define LS_MAX_RECORD	(1u << 20)	/* longer is garbage */

struct ls_header {
	char	magic[8];
	__u32	version;
	__u32	header_len;	/* of all of this: a later version may append */
	__u32	page_size;
	__u32	flags;		/* LS_HAS_* */
	__u64	ram_frames;
	__u64	used_frames;	/* at the start */
	__u64	time_ns;
	__u64	anchor;		/* where the kernel's function ledger_stream_start() is: tells how far its text was moved */
};
#define LS_HAS_PAGES	1	/* PAGES, STACK, MAP, UNMAP and FORK records are there */

enum ls_type {
	LS_ACCOUNT = 1,		/* struct ls_account: before the first record that names it */
	LS_SITE,		/* struct ls_site: the same */
	LS_SNAPSHOT,		/* struct ls_snapshot */
	LS_STACK,		/* struct ls_stack */
	LS_PAGES,		/* struct ls_pages */
	LS_MAP,			/* struct ls_map: a file's code appeared in an address space */
	LS_UNMAP,		/* struct ls_map without a name: it went */
	LS_FORK,		/* struct ls_fork: an address space began as a copy of another */
	LS_END,			/* struct ls_end: nothing follows */
};

struct ls_record {
	__u16	type;
	__u16	cpu;		/* that wrote it */
	__u32	len;
};

enum { LS_SPACE_FREE, LS_SPACE_USER, LS_SPACE_CACHE, LS_SPACE_KERNEL };

struct ls_account {
	__u32	id;
	__u32	space;		/* LS_SPACE_* */
	char	name[24];
};

struct ls_site {
	__u32	id;
	__u32	line;
	__u16	file_len, func_len;	/* lengths of the two texts that follow, file first, no NUL */
	__u32	pad;
};

enum ls_reason { LS_STEP, LS_START, LS_PEAK, LS_STOP };

struct ls_snapshot {
	__u64	time_ns;
	__u64	used;		/* frames */
	__u16	reason;
	__u16	nr_accounts;	/* u32 frames each follow, padded to 8 bytes */
	__u16	nr_owners;	/* then struct ls_owner */
	__u16	nr_sites;	/* then struct ls_holder */
};

struct ls_owner {
	__u32	kind;		/* 0 the machine, 1 a process */
	__s32	pid;
	__u64	frames;
	char	name[16];
};

struct ls_holder {
	__u32	site;
	__u32	pad;
	__u64	frames;
};

/* Registers by their DWARF numbers: ax dx cx bx si di bp sp r8 - r15, and ip. */
enum { LS_REG_BX = 3, LS_REG_BP = 6, LS_REG_SP = 7, LS_REG_IP = 16, LS_REGS };

struct ls_stack {
	__u32	id;		/* that PAGES name; never given twice */
	__u32	mm;		/* address space, 0: none, no user part */
	__s32	pid;
	__u16	nr_kernel;	/* u64 return addresses follow, innermost first */
	__u16	user;		/* 1: then LS_REGS u64 registers, */
	__u32	stack_len;	/* and so many bytes of the stack from sp on, padded to 8 */
	__u32	pad;
	char	comm[16];
};

enum ls_page_op { LS_FREE, LS_ALLOC, LS_MOVE };

struct ls_page {
	__u32	pfn;
	__u8	op;		/* enum ls_page_op */
	__u8	order;		/* 2^order frames from pfn on */
	__u8	account;	/* ALLOC: of it; MOVE: from now on; FREE: the one it leaves */
	__u8	pad;
	__u32	stack;		/* ALLOC: id, 0: unknown */
	__u32	time;		/* ns since the record's time */
};

struct ls_pages {
	__u64	time_ns;
	/* struct ls_page, to the end of the record */
};

struct ls_map {
	__u32	mm;
	__u32	name_len;	/* path in the guest, no NUL, padded to 8 bytes; 0 for UNMAP */
	__u64	start, end;
	__u64	offset;		/* of start in the file */
};

struct ls_fork {
	__u32	mm, parent;
};

struct ls_end {
	__u64	time_ns;
	__u64	records;	/* before this one */
};

#endif
