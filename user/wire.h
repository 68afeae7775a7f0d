/*
 * wire.h - what the host command and the guest agent say to each other.
 * WHY         argv, environment, cwd and umask must arrive verbatim, so they travel in a message, never on a
 *             command line; and the end of each byte stream must be exact, so it is told in bytes.
 * SHAPE       five virtio-serial ports, by number: control, stdin, stdout, stderr, ledger. The middle three carry raw
 *             bytes and nothing else; the last belongs to the kernel (include/abi/ledger_stream.h). Control carries messages: struct wire_head, then len bytes.
 *             A JOB message is a list of fields: struct wire_field, then len bytes, packed.
 * LIFE        guest HELLO -> host JOB -> guest STARTED | EXEC_FAILED | ERROR -> BEAT each second, signals and
 *             stream ends both ways -> guest EXIT -> LEDGER, AUDIT -> DONE, then the machine stops.
 * INVARIANTS  W1 both sides come from one build: WIRE_VERSION is compared once, in HELLO.
 *             W2 after EXIT exactly out_bytes and err_bytes have been or will be readable on the ports.
 * READ NEXT   cli/guest.c, user/agent.c
 */
#ifndef USER_WIRE_H
#define USER_WIRE_H

#include <stdint.h>

#define WIRE_VERSION 11u
#define WIRE_MAX_MESSAGE (16u << 20)

enum wire_port {
	PORT_CONTROL = 1, /* port 0 is reserved for a console by the virtio specification */
	PORT_STDIN = 2,
	PORT_STDOUT = 3,
	PORT_STDERR = 4,
	PORT_LEDGER = 5, /* written by the kernel */
	PORT_COUNT = 6
};

enum wire_type {
	/* guest to host */
	WIRE_HELLO = 1,	  /* u32 version */
	WIRE_BEAT,	  /* nothing: I am alive */
	WIRE_STARTED,	  /* nothing: execve succeeded */
	WIRE_EXEC_FAILED, /* u32 errno */
	WIRE_ERROR,	  /* text: the agent could not set the job up */
	WIRE_STDIN_CLOSED,/* nothing: nobody will read standard input any more */
	WIRE_EXIT,	  /* struct wire_exit */
	WIRE_LEDGER_START,/* text of /proc/ledger/summary, taken just before the program starts */
	WIRE_LEDGER,	  /* the same, taken when all programs are gone */
	WIRE_TIMELINE,	  /* text of /proc/ledger/timeline */
	WIRE_AUDIT,	  /* text of /proc/ledger/audit or its like */
	WIRE_MODULES,	  /* text of /proc/ledger/modules when the job's modules are unloaded */
	WIRE_EVENTS,	  /* text of /proc/ledger/events: injected failures, pressure, OOM kills, reclaim, swap areas */
	WIRE_CGROUP,	  /* text: "FILE LINE" for each line of the files of the program's cgroup */
	WIRE_HEAP,	  /* struct wire_heap, then a part of a file of --heap (user/heap/heap_file.h) */
	WIRE_PROCESSES,	  /* text of /proc/ledger/processes */
	WIRE_FILES,	  /* text of /proc/ledger/files */
	WIRE_LIVE,	  /* text of /proc/ledger/summary: the answer to WIRE_ASK */
	WIRE_NOTE,	  /* text: a warning for the user */
	WIRE_DONE,	  /* nothing: files are written back, the machine stops */
	/* host to guest */
	WIRE_JOB = 64,	  /* fields, see enum wire_field_type */
	WIRE_SIGNAL,	  /* u32 signal number */
	WIRE_WINSIZE,	  /* struct wire_winsize */
	WIRE_STDIN_EOF,	  /* u64 bytes sent on the stdin port in all */
	WIRE_ASK,	  /* nothing: somebody watches */
	WIRE_OUTPUT_GONE, /* u32 PORT_STDOUT or PORT_STDERR: the host's reader went away */
};

struct wire_head {
	uint32_t type;
	uint32_t len;
};

struct wire_exit {
	uint32_t status; /* as from wait(2) */
	uint32_t unused;
	uint64_t out_bytes, err_bytes;
	uint64_t run_ns;	   /* from execve to exit, guest clock */
	uint64_t user_us, system_us; /* the program and the children it waited for */
	uint64_t max_rss_kib;
};

struct wire_heap {
	uint32_t process; /* counts from 0 */
	uint32_t pad;
	uint64_t offset;
};

struct wire_winsize {
	uint16_t rows, cols, xpixel, ypixel;
};

enum wire_field_type {
	FIELD_ARG = 1,	/* text, one an argument */
	FIELD_ENV,	/* text, one a variable */
	FIELD_CWD,	/* text */
	FIELD_UMASK,	/* u32 */
	FIELD_IDS,	/* u32 uid, u32 gid, then u32 a supplementary group */
	FIELD_RLIMIT,	/* struct wire_rlimit */
	FIELD_TTY,	/* struct wire_winsize: the program gets a terminal instead of pipes */
	FIELD_MOUNT,	/* struct wire_mount, then guest path */
	FIELD_SWAP,	/* struct wire_swap, one an area */
	FIELD_CGROUP,	/* text "memory.max=64M": a file of the program's own cgroup, and what to write */
	FIELD_KNOB,	/* text "/proc/sys/vm/swappiness=100": a file, and what to write just before the program starts */
	FIELD_KEEP_ROOT,/* nothing: stay in the initramfs, mount no host files */
	FIELD_HOSTNAME, /* text */
	FIELD_IGNORED,	/* u64, bit n-1: signal n starts out ignored */
	FIELD_MODULE,	/* texts name and parameters, each with its NUL, then the .ko: loaded before the program starts */
	FIELD_WANTED,	/* u32 of WANT_*: what to tell after the end */
};

/* The ledger's peaks then count from the program's start, not from power-on. The audit walks all of memory. */
enum { WANT_LEDGER = 1, WANT_AUDIT = 2, WANT_TIMELINE = 4, WANT_STREAM = 8, WANT_PAGES = 16, WANT_HEAP = 32 };

struct wire_field {
	uint32_t type;
	uint32_t len;
};

struct wire_rlimit {
	uint32_t resource;
	uint32_t unused;
	uint64_t cur, max;
};

struct wire_swap {
	char device[24]; /* without /dev/; its swap header is there */
	int32_t priority; /* -1: the kernel chooses */
	uint64_t zram_bytes; /* not 0: a compressed disk that is to be made first */
};

enum wire_mount_kind {
	MOUNT_RW,      /* the host's folder itself, writable */
	MOUNT_RO,      /* the host's folder itself, read-only */
	MOUNT_OVERLAY, /* the host's folder below, changes in guest memory */
};

struct wire_mount {
	uint32_t kind;
	char tag[28]; /* 9p mount tag */
};

#endif
