/*
 * proto.h - 9P2000.L messages as bytes: writing requests, reading replies. Pure functions; also built on the host.
 *
 * A message is size[4] type[1] tag[2] and a body, little-endian; a string is len[2] and bytes. Nothing a server sends is
 * believed: the reader never runs past what arrived, and one bad field makes the whole reply bad (-EPROTO by the caller).
 */
#ifndef P9_PROTO_H
#define P9_PROTO_H

#include <lib/types.h>

enum p9_type {			/* of the request; the reply is one more */
	P9_TLERROR = 6, P9_RLERROR = 7,
	P9_TSTATFS = 8, P9_TLOPEN = 12, P9_TLCREATE = 14, P9_TSYMLINK = 16, P9_TMKNOD = 18, P9_TRENAME = 20,
	P9_TREADLINK = 22, P9_TGETATTR = 24, P9_TSETATTR = 26, P9_TXATTRWALK = 30, P9_TXATTRCREATE = 32,
	P9_TREADDIR = 40, P9_TFSYNC = 50, P9_TLOCK = 52, P9_TGETLOCK = 54, P9_TLINK = 70, P9_TMKDIR = 72,
	P9_TRENAMEAT = 74, P9_TUNLINKAT = 76, P9_TVERSION = 100, P9_TAUTH = 102, P9_TATTACH = 104, P9_TFLUSH = 108,
	P9_TWALK = 110, P9_TREAD = 116, P9_TWRITE = 118, P9_TCLUNK = 120, P9_TREMOVE = 122,
};

#define P9_HEADER	7		/* size, type, tag */
#define P9_NOTAG	0xffff
#define P9_NOFID	0xffffffffu
#define P9_NONUNAME	0xffffffffu
#define P9_MAXWELEM	16

enum { P9_QTDIR = 0x80, P9_QTAPPEND = 0x40, P9_QTEXCL = 0x20, P9_QTSYMLINK = 0x02, P9_QTFILE = 0x00 };

struct p9_qid {
	u8	type;
	u32	version;
	u64	path;
};

/* A request being written: `bad` is set when it outgrows cap. */
struct p9_writer {
	u8	*data;
	u32	len, cap;
	bool	bad;
};

/* A reply being read: `bad` is set by the first field that is not all there; later fields then read as 0. */
struct p9_reader {
	const u8 *data;
	u32	at, len;
	bool	bad;
};

void p9_begin(struct p9_writer *w, u8 *buf, u32 cap, enum p9_type type, u16 tag);
void p9_w8(struct p9_writer *w, u8 v);
void p9_w16(struct p9_writer *w, u16 v);
void p9_w32(struct p9_writer *w, u32 v);
void p9_w64(struct p9_writer *w, u64 v);
void p9_wstr(struct p9_writer *w, const char *s, size_t len);
/* Fill in the size: of the body so far plus `payload` bytes that follow elsewhere. */
void p9_end(struct p9_writer *w, u32 payload);

u8 p9_r8(struct p9_reader *r);
u16 p9_r16(struct p9_reader *r);
u32 p9_r32(struct p9_reader *r);
u64 p9_r64(struct p9_reader *r);
/* Points into the message; not terminated. NULL when bad. */
const char *p9_rstr(struct p9_reader *r, u16 *len);
void p9_rqid(struct p9_reader *r, struct p9_qid *q);

/*
 * Check a reply's header against its request and place the reader after it.
 *   got: bytes that arrived in buf; whole: bytes the device wrote in all (buf plus payload elsewhere).
 * 0; the server's error as a negative errno for Rlerror; -EPROTO for anything that does not fit.
 */
int p9_reply(struct p9_reader *r, const u8 *buf, u32 got, u32 whole, enum p9_type request, u16 tag) must_check;

struct p9_attr {		/* Rgetattr */
	u64	valid;
	struct p9_qid qid;
	u32	mode, uid, gid;
	u64	nlink, rdev, size, blksize, blocks;
	u64	atime_sec, atime_nsec, mtime_sec, mtime_nsec, ctime_sec, ctime_nsec, btime_sec, btime_nsec;
};
int p9_read_attr(struct p9_reader *r, struct p9_attr *a) must_check;	/* 0 or -EPROTO */

struct p9_dirent {
	struct p9_qid qid;
	u64	offset;		/* of the entry after it */
	u8	type;
	const char *name;
	u16	name_len;
};
/* Next entry of a directory buffer. 1: one; 0: end; -EPROTO: malformed (an empty name, one with '/', one cut short). */
int p9_read_dirent(struct p9_reader *r, struct p9_dirent *e) must_check;

/* 9P2000.L's device numbers and errors are Linux's own encodings. */
u32 p9_rdev_to_dev(u64 rdev);

#endif
