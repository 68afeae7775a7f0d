/*
 * client.c - 9P2000.L requests over a virtio channel.
 *
 * SHAPE       struct p9_call: one request with small buffers inside. A large body (file data, directories) never passes
 *             through them: its pages are segments of their own behind the header, so data moves between QEMU and the
 *             page cache without a copy of ours.
 * LIFE        call_new (tag) -> write fields -> call_run (submit, wait, check) -> read fields -> call_free.
 *             Clunks are not waited for: they free themselves when reaped, at most ASYNC_MAX at a time.
 * LOCKS       c->lock (LOCK_DRIVER: taken when a clunk is reaped under the channel's lock) guards tags and fid numbers.
 * HOSTILE     replies go through proto.c's bounded reader; counts in them are compared with what was asked and with
 *             what the device says it wrote.
 */
#include <abi/errno.h>
#include <drivers/virtio_9p.h>
#include <kernel/printk.h>
#include <kernel/wait.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/slab.h>

#include "client.h"

#define NR_TAGS		128
#define ASYNC_MAX	32
#define TX_INLINE	544		/* with it four calls fit a page: a single page is there while reclaiming, too */
#define RX_INLINE	264		/* Rwalk of 16 names: 217; Rgetattr: 160 */
#define IO_REPLY	11		/* header and count of Rread, and the whole of Rlerror */
#define IO_REQUEST	23		/* Twrite before its data */
#define DEFAULT_MSIZE	524288
#define FEW_SEGS	4

struct p9_client {
	struct virtio_9p	*ch;
	u32			msize;
	spinlock_t		lock;
	unsigned long		tags[NR_TAGS / 64];
	unsigned		nr_async;
	u32			next_fid;
	unsigned		nr_malformed;
	struct waitq		tag_room;
	struct list		link;		/* all sessions, for /proc/fs/9p; clients_lock */
	struct { u64 calls, ns; } count[64];	/* per message type / 2; approximate with several CPUs */
	char			tag[40];
	struct virtio_9p_stats	stats;		/* in the report's copy only */
};

static struct list clients = LIST_INIT(clients);
static spinlock_t clients_lock = SPINLOCK_INIT("9p-clients", LOCK_FS);

struct p9_call {
	struct virtio_9p_request io;		/* first: completion casts back */
	struct p9_client	*c;
	struct p9_writer	tx;
	struct p9_reader	rx;
	enum p9_type		type;
	u16			tag;
	u32			rx_cap;		/* of the header segment */
	u8			*tx_big;
	struct virtio_seg	few[FEW_SEGS];
	struct virtio_seg	*segs;
	u8			rx_buf[RX_INLINE];
	u8			tx_buf[TX_INLINE];
};

_Static_assert(sizeof(struct p9_call) <= 1008, "four to a page");

static struct slab_cache *call_cache;

static int tag_take(struct p9_client *c)
{
	int tag = -1;

	spin_lock(&c->lock);
	for (unsigned i = 0; i < NR_TAGS && tag < 0; i++)
		if (!test_and_set_bit(i, c->tags))
			tag = i;
	spin_unlock(&c->lock);
	return tag;
}

static void tag_give(struct p9_client *c, u16 tag)
{
	if (tag < NR_TAGS)
		clear_bit(tag, c->tags);
	if (waitq_active(&c->tag_room))
		waitq_wake_one(&c->tag_room);
}

/* tx_room: bytes of body the caller will write. NULL: out of memory. */
static struct p9_call *call_new(struct p9_client *c, enum p9_type type, size_t tx_room)
{
	struct p9_call *k = slab_alloc(call_cache, GFP_NOFS);
	size_t cap = TX_INLINE;
	int tag;

	if (!k)
		return NULL;
	k->tx_big = NULL;
	if (tx_room + P9_HEADER > TX_INLINE) {
		cap = tx_room + P9_HEADER;
		k->tx_big = kmalloc(cap, GFP_NOFS);
		if (!k->tx_big) {
			slab_free(call_cache, k);
			return NULL;
		}
	}
	if (type == P9_TVERSION)
		tag = P9_NOTAG;
	else
		while ((tag = tag_take(c)) < 0)
			wait_event_timeout(&c->tag_room, c->tags[0] != ~0ul || c->tags[1] != ~0ul, NSEC_PER_SEC / 100);
	k->c = c;
	k->type = type;
	k->tag = tag;
	k->rx_cap = RX_INLINE;
	k->segs = k->few;
	k->io = (struct virtio_9p_request){ 0 };
	p9_begin(&k->tx, k->tx_big ? k->tx_big : k->tx_buf, cap, type, tag);
	return k;
}

static void call_free(struct p9_call *k)
{
	tag_give(k->c, k->tag);
	if (k->segs != k->few)
		kfree(k->segs);
	kfree(k->tx_big);
	slab_free(call_cache, k);
}

/* Room for nr payload segments beside the two of the headers. */
static int call_segs(struct p9_call *k, unsigned nr)
{
	if (nr + 2 <= FEW_SEGS)
		return 0;
	k->segs = kmalloc((nr + 2) * sizeof(*k->segs), GFP_NOFS);
	if (k->segs)
		return 0;
	k->segs = k->few;
	return -ENOMEM;
}

/* Header segments around nr payload segments that stand at segs[1] (out) or segs[2] (in) already. */
static void call_frame(struct p9_call *k, unsigned out, unsigned in)
{
	k->segs[0] = virtio_seg_of(k->tx.data, k->tx.len);
	k->segs[1 + out] = virtio_seg_of(k->rx_buf, k->rx_cap);
	k->io.segs = k->segs;
	k->io.nr_out = 1 + out;
	k->io.nr_in = 1 + in;
}

static int call_run_payload(struct p9_call *k, unsigned out, unsigned in, size_t out_bytes)
{
	ktime_t start;
	int err;

	if (k->tx.bad || k->tx.len + out_bytes > k->c->msize)
		return -ENAMETOOLONG;
	p9_end(&k->tx, out_bytes);
	call_frame(k, out, in);
	start = ktime_get();
	err = virtio_9p_submit(k->c->ch, &k->io);
	if (!err)
		err = virtio_9p_wait(k->c->ch, &k->io);
	k->c->count[k->type / 2].calls++;
	k->c->count[k->type / 2].ns += ktime_get() - start;
	if (err)
		return err;
	err = p9_reply(&k->rx, k->rx_buf, k->rx_cap, k->io.reply_len, k->type, k->tag);
	if (err == -EPROTO && k->c->nr_malformed++ < 8)		/* a bad server must not flood the log */
		pr_err("9p: %s: malformed reply to message type %u\n", k->c->tag, k->type);
	return err;
}

static int call_run(struct p9_call *k)
{
	return call_run_payload(k, 0, 0, 0);
}

/* After the last field was read: a reply that was too short. */
static int call_checked(struct p9_call *k, int err)
{
	return err ? err : k->rx.bad ? -EPROTO : 0;
}

u32 p9_fid_new(struct p9_client *c)
{
	u32 fid;

	spin_lock(&c->lock);
	if (++c->next_fid == P9_NOFID)		/* four billion files later the oldest numbers are long free */
		c->next_fid = 1;
	fid = c->next_fid;
	spin_unlock(&c->lock);
	return fid;
}

u32 p9_msize(const struct p9_client *c)
{
	return c->msize;
}

/* ---- session ---- */

static int negotiate(struct p9_client *c)
{
	static const char version[] = "9P2000.L";
	struct p9_call *k = call_new(c, P9_TVERSION, 32);
	const char *got;
	u32 msize;
	u16 len;
	int err;

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, c->msize);
	p9_wstr(&k->tx, version, sizeof(version) - 1);
	err = call_run(k);
	if (!err) {
		msize = p9_r32(&k->rx);
		got = p9_rstr(&k->rx, &len);
		if (k->rx.bad || len != sizeof(version) - 1 || memcmp(got, version, len) || msize < 4096)
			err = -EPROTO;
		else
			c->msize = min(c->msize, msize);
	}
	call_free(k);
	return err;
}

int p9_client_create(const char *tag, u32 msize, struct p9_client **out)
{
	struct p9_client *c = kzalloc(sizeof(*c), GFP_KERNEL);
	u32 most;
	int err;

	if (!c)
		return -ENOMEM;
	if (!call_cache)
		call_cache = slab_cache_create("p9_call", sizeof(struct p9_call), 16, SLAB_PANIC, NULL);
	spin_lock_init(&c->lock, "9p-client", LOCK_DRIVER);
	waitq_init(&c->tag_room);
	err = virtio_9p_open(tag, &c->ch);
	if (err) {
		kfree(c);
		return err;
	}
	/* A payload of scattered pages needs a segment each, besides the headers'. */
	most = (virtio_9p_max_segs(c->ch) - 3) * PAGE_SIZE;
	c->msize = min(msize ? msize : DEFAULT_MSIZE, most);
	strscpy(c->tag, tag, sizeof(c->tag));
	spin_lock(&clients_lock);
	list_append(&clients, &c->link);
	spin_unlock(&clients_lock);
	err = negotiate(c);
	if (err) {
		p9_client_destroy(c);
		return err;
	}
	*out = c;
	return 0;
}

void p9_client_destroy(struct p9_client *c)
{
	while (READ_ONCE(c->nr_async)) {	/* unanswered clunks */
		virtio_9p_reap(c->ch);
		cond_resched();
		if (virtio_9p_broken(c->ch))
			break;
	}
	spin_lock(&clients_lock);
	list_remove(&c->link);
	spin_unlock(&clients_lock);
	virtio_9p_close(c->ch);
	kfree(c);
}

/* Only numbers are read under the lock; the text may grow (and sleep) only outside. */
static bool nth_client(unsigned n, struct p9_client *copy)
{
	struct p9_client *c;
	bool found = false;

	spin_lock(&clients_lock);
	list_for_each(c, &clients, link)
		if (!n--) {
			*copy = *c;
			virtio_9p_stats(c->ch, &copy->stats);
			found = true;
			break;
		}
	spin_unlock(&clients_lock);
	return found;
}

int p9_report(struct text *out)
{
	static const struct { u8 type; const char *name; } names[] = {
		{ P9_TSTATFS, "statfs" }, { P9_TLOPEN, "lopen" }, { P9_TLCREATE, "lcreate" }, { P9_TSYMLINK, "symlink" },
		{ P9_TMKNOD, "mknod" }, { P9_TREADLINK, "readlink" }, { P9_TGETATTR, "getattr" }, { P9_TSETATTR, "setattr" },
		{ P9_TXATTRWALK, "xattrwalk" }, { P9_TREADDIR, "readdir" }, { P9_TFSYNC, "fsync" }, { P9_TLINK, "link" },
		{ P9_TMKDIR, "mkdir" }, { P9_TRENAMEAT, "renameat" }, { P9_TUNLINKAT, "unlinkat" }, { P9_TVERSION, "version" },
		{ P9_TATTACH, "attach" }, { P9_TWALK, "walk" }, { P9_TREAD, "read" }, { P9_TWRITE, "write" }, { P9_TCLUNK, "clunk" } };
	struct p9_client *c = kmalloc(sizeof(*c), GFP_KERNEL);

	if (!c)
		return -ENOMEM;
	for (unsigned n = 0; nth_client(n, c); n++) {
		text_printf(out, "%s: msize %u requests %llu polled %llu slept %llu bytes_out %llu bytes_in %llu\n", c->tag, c->msize,
			    (unsigned long long)c->stats.requests, (unsigned long long)c->stats.polled,
			    (unsigned long long)c->stats.slept, (unsigned long long)c->stats.bytes_out,
			    (unsigned long long)c->stats.bytes_in);
		for (unsigned t = 0; t < ARRAY_SIZE(names); t++)
			if (c->count[names[t].type / 2].calls)
				text_printf(out, "  %-10s %8llu calls %10llu us\n", names[t].name,
					    (unsigned long long)c->count[names[t].type / 2].calls,
					    (unsigned long long)(c->count[names[t].type / 2].ns / 1000));
	}
	kfree(c);
	return 0;
}

/* Run the call, read the qid that its reply is, free it. */
static int call_finish_qid(struct p9_call *k, struct p9_qid *q)
{
	int err = call_run(k);

	if (!err)
		p9_rqid(&k->rx, q);
	err = call_checked(k, err);
	call_free(k);
	return err;
}

int p9_attach(struct p9_client *c, u32 fid, const char *uname, const char *aname, u32 uid, struct p9_qid *q)
{
	struct p9_call *k = call_new(c, P9_TATTACH, 32 + strlen(uname) + strlen(aname));

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, fid);
	p9_w32(&k->tx, P9_NOFID);
	p9_wstr(&k->tx, uname, strlen(uname));
	p9_wstr(&k->tx, aname, strlen(aname));
	p9_w32(&k->tx, uid);
	return call_finish_qid(k, q);
}

/* ---- names ---- */

int p9_walk(struct p9_client *c, u32 fid, u32 newfid, const char *name, u32 len, struct p9_qid *q)
{
	struct p9_call *k = call_new(c, P9_TWALK, 16 + len);
	int err;

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, fid);
	p9_w32(&k->tx, newfid);
	p9_w16(&k->tx, 1);
	p9_wstr(&k->tx, name, len);
	err = call_run(k);
	if (!err) {
		if (p9_r16(&k->rx) != 1)
			err = k->rx.bad ? -EPROTO : -ENOENT;
		else
			p9_rqid(&k->rx, q);
	}
	err = call_checked(k, err);
	call_free(k);
	return err;
}

int p9_clone(struct p9_client *c, u32 fid, u32 newfid)
{
	struct p9_call *k = call_new(c, P9_TWALK, 16);
	int err;

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, fid);
	p9_w32(&k->tx, newfid);
	p9_w16(&k->tx, 0);
	err = call_run(k);
	call_free(k);
	return err;
}

static void clunk_reaped(struct virtio_9p_request *io)
{
	struct p9_call *k = (struct p9_call *)io;
	struct p9_client *c = k->c;

	spin_lock(&c->lock);
	c->nr_async--;
	spin_unlock(&c->lock);
	clear_bit(k->tag, c->tags);		/* those who wait for a tag look again by themselves */
	slab_free(call_cache, k);
}

int p9_clunk_wait(struct p9_client *c, u32 fid)
{
	struct p9_call *k = call_new(c, P9_TCLUNK, 4);
	int err;

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, fid);
	err = call_run(k);
	call_free(k);
	return err;
}

void p9_clunk(struct p9_client *c, u32 fid)
{
	struct p9_call *k;

	if (READ_ONCE(c->nr_async) >= ASYNC_MAX) {
		if (p9_clunk_wait(c, fid))
			pr_debug("9p: clunk failed\n");
		return;
	}
	k = call_new(c, P9_TCLUNK, 4);
	if (!k)
		return;				/* the server keeps the fid until the session ends */
	p9_w32(&k->tx, fid);
	p9_end(&k->tx, 0);
	call_frame(k, 0, 0);
	k->io.complete = clunk_reaped;
	spin_lock(&c->lock);
	c->nr_async++;
	spin_unlock(&c->lock);
	if (virtio_9p_submit(c->ch, &k->io))
		clunk_reaped(&k->io);
}

/* Requests of the form  fid name …  with nothing of interest in the reply. */
static struct p9_call *named_call(struct p9_client *c, enum p9_type type, u32 fid, const char *name, u32 len, size_t more)
{
	struct p9_call *k = call_new(c, type, 16 + len + more);

	if (k) {
		p9_w32(&k->tx, fid);
		p9_wstr(&k->tx, name, len);
	}
	return k;
}

static int call_finish(struct p9_call *k)
{
	int err = call_run(k);

	call_free(k);
	return err;
}

int p9_unlinkat(struct p9_client *c, u32 dir, const char *name, u32 len, u32 flags)
{
	struct p9_call *k = named_call(c, P9_TUNLINKAT, dir, name, len, 8);

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, flags);
	return call_finish(k);
}

int p9_renameat(struct p9_client *c, u32 old_dir, const char *old, u32 old_len, u32 new_dir, const char *new, u32 new_len)
{
	struct p9_call *k = named_call(c, P9_TRENAMEAT, old_dir, old, old_len, 16 + new_len);

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, new_dir);
	p9_wstr(&k->tx, new, new_len);
	return call_finish(k);
}

int p9_mkdir(struct p9_client *c, u32 dir, const char *name, u32 len, u32 mode, u32 gid)
{
	struct p9_call *k = named_call(c, P9_TMKDIR, dir, name, len, 16);

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, mode);
	p9_w32(&k->tx, gid);
	return call_finish(k);
}

int p9_mknod(struct p9_client *c, u32 dir, const char *name, u32 len, u32 mode, u32 major, u32 minor, u32 gid)
{
	struct p9_call *k = named_call(c, P9_TMKNOD, dir, name, len, 24);

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, mode);
	p9_w32(&k->tx, major);
	p9_w32(&k->tx, minor);
	p9_w32(&k->tx, gid);
	return call_finish(k);
}

int p9_symlink(struct p9_client *c, u32 dir, const char *name, u32 len, const char *target, u32 gid)
{
	size_t target_len = strlen(target);
	struct p9_call *k = named_call(c, P9_TSYMLINK, dir, name, len, 16 + target_len);

	if (!k)
		return -ENOMEM;
	p9_wstr(&k->tx, target, target_len);
	p9_w32(&k->tx, gid);
	return call_finish(k);
}

int p9_link(struct p9_client *c, u32 dir, u32 target, const char *name, u32 len)
{
	struct p9_call *k = call_new(c, P9_TLINK, 16 + len);

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, dir);
	p9_w32(&k->tx, target);
	p9_wstr(&k->tx, name, len);
	return call_finish(k);
}

/* ---- attributes ---- */

int p9_getattr(struct p9_client *c, u32 fid, struct p9_attr *a)
{
	struct p9_call *k = call_new(c, P9_TGETATTR, 16);
	int err;

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, fid);
	p9_w64(&k->tx, 0x7ff);			/* the fields of stat(2) */
	err = call_run(k);
	if (!err)
		err = p9_read_attr(&k->rx, a);
	call_free(k);
	return err;
}

int p9_setattr(struct p9_client *c, u32 fid, const struct p9_setattr *a)
{
	struct p9_call *k = call_new(c, P9_TSETATTR, 64);

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, fid);
	p9_w32(&k->tx, a->valid);
	p9_w32(&k->tx, a->mode);
	p9_w32(&k->tx, a->uid);
	p9_w32(&k->tx, a->gid);
	p9_w64(&k->tx, a->size);
	p9_w64(&k->tx, a->atime_sec);
	p9_w64(&k->tx, a->atime_nsec);
	p9_w64(&k->tx, a->mtime_sec);
	p9_w64(&k->tx, a->mtime_nsec);
	return call_finish(k);
}

int p9_statfs(struct p9_client *c, u32 fid, struct statfs_k *st)
{
	struct p9_call *k = call_new(c, P9_TSTATFS, 4);
	u64 fsid;
	int err;

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, fid);
	err = call_run(k);
	if (!err) {
		st->type = p9_r32(&k->rx);
		st->bsize = st->frsize = p9_r32(&k->rx);
		st->blocks = p9_r64(&k->rx);
		st->bfree = p9_r64(&k->rx);
		st->bavail = p9_r64(&k->rx);
		st->files = p9_r64(&k->rx);
		st->ffree = p9_r64(&k->rx);
		fsid = p9_r64(&k->rx);
		st->fsid[0] = fsid;
		st->fsid[1] = fsid >> 32;
		st->namelen = p9_r32(&k->rx);
	}
	err = call_checked(k, err);
	call_free(k);
	return err;
}

int p9_xattrwalk(struct p9_client *c, u32 fid, u32 newfid, const char *name, u64 *size)
{
	size_t len = strlen(name);
	struct p9_call *k = call_new(c, P9_TXATTRWALK, 16 + len);
	int err;

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, fid);
	p9_w32(&k->tx, newfid);
	p9_wstr(&k->tx, name, len);
	err = call_run(k);
	if (!err)
		*size = p9_r64(&k->rx);
	err = call_checked(k, err);
	call_free(k);
	return err;
}

int p9_xattrcreate(struct p9_client *c, u32 fid, const char *name, u64 size, u32 flags)
{
	struct p9_call *k = named_call(c, P9_TXATTRCREATE, fid, name, strlen(name), 16);

	if (!k)
		return -ENOMEM;
	p9_w64(&k->tx, size);
	p9_w32(&k->tx, flags);
	return call_finish(k);
}

/* ---- opening, data ---- */

int p9_lopen(struct p9_client *c, u32 fid, u32 flags, struct p9_qid *q)
{
	struct p9_call *k = call_new(c, P9_TLOPEN, 8);

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, fid);
	p9_w32(&k->tx, flags);
	return call_finish_qid(k, q);
}

int p9_lcreate(struct p9_client *c, u32 fid, const char *name, u32 len, u32 flags, u32 mode, u32 gid, struct p9_qid *q)
{
	struct p9_call *k = named_call(c, P9_TLCREATE, fid, name, len, 16);

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, flags);
	p9_w32(&k->tx, mode);
	p9_w32(&k->tx, gid);
	return call_finish_qid(k, q);
}

int p9_fsync(struct p9_client *c, u32 fid, bool datasync)
{
	struct p9_call *k = call_new(c, P9_TFSYNC, 8);

	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, fid);
	p9_w32(&k->tx, datasync);
	return call_finish(k);
}

/* Pages as segments; neighbours in memory become one. */
static unsigned page_segs(struct page **pages, size_t n, struct virtio_seg *segs)
{
	unsigned nr = 0;

	for (unsigned i = 0; n; i++) {
		u32 len = min(n, PAGE_SIZE);
		paddr_t pa = page_to_phys(pages[i]);

		if (nr && segs[nr - 1].addr + segs[nr - 1].len == pa)
			segs[nr - 1].len += len;
		else
			segs[nr++] = (struct virtio_seg){ .addr = pa, .len = len };
		n -= len;
	}
	return nr;
}

/* Tread and Treaddir: the reply's count, checked against what was asked and what arrived. */
static ssize_t run_input(struct p9_call *k, unsigned nr_segs, size_t n)
{
	u32 count;
	int err;

	k->rx_cap = IO_REPLY;
	err = call_run_payload(k, 0, nr_segs, 0);
	if (err)
		return err;
	count = p9_r32(&k->rx);
	if (k->rx.bad || count > n || count + IO_REPLY > k->io.reply_len)
		return -EPROTO;
	return count;
}

static ssize_t run_output(struct p9_call *k, unsigned nr_segs, size_t n)
{
	u32 count;
	int err = call_run_payload(k, nr_segs, 0, n);

	if (err)
		return err;
	count = p9_r32(&k->rx);
	return k->rx.bad || count > n ? -EPROTO : (ssize_t)count;
}

static size_t io_limit(struct p9_client *c, size_t n)
{
	return min(n, (size_t)ALIGN_DOWN(c->msize - IO_REQUEST - 1, (u32)PAGE_SIZE));
}

static struct p9_call *io_call(struct p9_client *c, enum p9_type type, u32 fid, u64 off, size_t n, unsigned nr_segs)
{
	struct p9_call *k = call_new(c, type, 16);

	if (!k)
		return NULL;
	if (call_segs(k, nr_segs)) {
		call_free(k);
		return NULL;
	}
	p9_w32(&k->tx, fid);
	p9_w64(&k->tx, off);
	p9_w32(&k->tx, n);
	return k;
}

ssize_t p9_read_pages(struct p9_client *c, u32 fid, u64 off, struct page **pages, unsigned nr, size_t n)
{
	struct p9_call *k;
	ssize_t got;

	n = io_limit(c, min(n, nr * PAGE_SIZE));
	k = io_call(c, P9_TREAD, fid, off, n, nr);
	if (!k)
		return -ENOMEM;
	got = run_input(k, page_segs(pages, n, k->segs + 2), n);
	call_free(k);
	return got;
}

ssize_t p9_write_pages(struct p9_client *c, u32 fid, u64 off, struct page **pages, unsigned nr, size_t n)
{
	struct p9_call *k;
	ssize_t done;

	n = io_limit(c, min(n, nr * PAGE_SIZE));
	k = io_call(c, P9_TWRITE, fid, off, n, nr);
	if (!k)
		return -ENOMEM;
	done = run_output(k, page_segs(pages, n, k->segs + 1), n);
	call_free(k);
	return done;
}

static ssize_t read_kernel(struct p9_client *c, enum p9_type type, u32 fid, u64 off, void *buf, size_t n)
{
	unsigned most = n / PAGE_SIZE + 2;
	struct p9_call *k;
	ssize_t got;

	n = io_limit(c, n);
	k = io_call(c, type, fid, off, n, most);
	if (!k)
		return -ENOMEM;
	got = run_input(k, virtio_segs_of(buf, n, k->segs + 2, most), n);
	call_free(k);
	return got;
}

ssize_t p9_read(struct p9_client *c, u32 fid, u64 off, void *buf, size_t n)
{
	return read_kernel(c, P9_TREAD, fid, off, buf, n);
}

ssize_t p9_readdir(struct p9_client *c, u32 fid, u64 off, void *buf, size_t n)
{
	return read_kernel(c, P9_TREADDIR, fid, off, buf, n);
}

ssize_t p9_write(struct p9_client *c, u32 fid, u64 off, const void *buf, size_t n)
{
	unsigned most = n / PAGE_SIZE + 2;
	struct p9_call *k;
	ssize_t done;

	n = io_limit(c, n);
	k = io_call(c, P9_TWRITE, fid, off, n, most);
	if (!k)
		return -ENOMEM;
	done = run_output(k, virtio_segs_of(buf, n, k->segs + 1, most), n);
	call_free(k);
	return done;
}

/* The target's length is not known before: a reply buffer for the longest one. */
ssize_t p9_readlink(struct p9_client *c, u32 fid, char *buf, size_t n)
{
	size_t cap = PATH_MAX + 64;
	struct p9_call *k;
	const char *target;
	ssize_t got;
	u16 len;
	u8 *big;

	k = call_new(c, P9_TREADLINK, cap - P9_HEADER);	/* reuse the large send buffer for the reply, behind the request */
	if (!k)
		return -ENOMEM;
	p9_w32(&k->tx, fid);
	big = k->tx.data + 16;
	cap -= 16;
	p9_end(&k->tx, 0);
	k->segs[0] = virtio_seg_of(k->tx.data, k->tx.len);
	k->segs[1] = virtio_seg_of(big, cap);
	k->io.segs = k->segs;
	k->io.nr_out = k->io.nr_in = 1;
	got = virtio_9p_submit(c->ch, &k->io);
	if (!got)
		got = virtio_9p_wait(c->ch, &k->io);
	if (!got)
		got = p9_reply(&k->rx, big, cap, k->io.reply_len, P9_TREADLINK, k->tag);
	if (!got) {
		target = p9_rstr(&k->rx, &len);
		got = k->rx.bad ? -EPROTO : (ssize_t)min((size_t)len, n);
		if (got > 0)
			memcpy(buf, target, got);
	}
	call_free(k);
	return got;
}
