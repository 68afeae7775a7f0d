/*
 * test_9p.c - the 9P client against servers that answer rightly, wrongly and maliciously; virtqueues against a device that does.
 *
 * The channel is replaced: a request's segments are handed to a server function of the test, which fills the reply's.
 */
#include <abi/errno.h>
#include <drivers/virtio_9p.h>
#include <lib/string.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include "../../fs/9p/client.h"
#include "unit.h"

/* ---- the channel ---- */

struct virtio_9p {
	int dummy;
};

/* Gets the whole request; writes a reply of at most cap bytes, returns how many it says it wrote. */
static u32 (*server)(const u8 *req, u32 len, u8 *reply, u32 cap);
static struct virtio_9p channel;

static u32 gather(const struct virtio_seg *s, unsigned n, u8 *buf, u32 cap)
{
	u32 at = 0;

	for (unsigned i = 0; i < n; i++) {
		u32 len = min(s[i].len, cap - at);

		memcpy(buf + at, phys_to_virt(s[i].addr), len);
		at += len;
	}
	return at;
}

static void scatter(const struct virtio_seg *s, unsigned n, const u8 *buf, u32 len)
{
	for (unsigned i = 0; i < n && len; i++) {
		u32 here = min(s[i].len, len);

		memcpy(phys_to_virt(s[i].addr), buf, here);
		buf += here;
		len -= here;
	}
}

#define BIG (KIB(600))
static u8 req_buf[BIG], reply_buf[BIG];

int virtio_9p_open(const char *tag, struct virtio_9p **out)
{
	*out = &channel;
	return strcmp(tag, "none") ? 0 : -ENOENT;
}
void virtio_9p_close(struct virtio_9p *ch) { }
int virtio_9p_submit(struct virtio_9p *ch, struct virtio_9p_request *r)
{
	u32 len = gather(r->segs, r->nr_out, req_buf, BIG), cap = 0;

	for (unsigned i = 0; i < r->nr_in; i++)
		cap += r->segs[r->nr_out + i].len;
	r->reply_len = server(req_buf, len, reply_buf, cap);
	scatter(r->segs + r->nr_out, r->nr_in, reply_buf, min(min(r->reply_len, cap), (u32)BIG));
	r->done = true;
	if (r->complete)
		r->complete(r);
	return 0;
}
int virtio_9p_wait(struct virtio_9p *ch, struct virtio_9p_request *r) { return r->err; }
void virtio_9p_reap(struct virtio_9p *ch) { }
bool virtio_9p_broken(const struct virtio_9p *ch) { return false; }
unsigned virtio_9p_max_segs(const struct virtio_9p *ch) { return 1000; }
void virtio_9p_stats(const struct virtio_9p *ch, struct virtio_9p_stats *out) { }

/* ---- servers ---- */

static u32 put(u8 *p, u32 at, u64 v, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		p[at + i] = v >> 8 * i;
	return at + n;
}

static u32 reply_head(u8 *reply, const u8 *req, u32 size)
{
	put(reply, 0, size, 4);
	reply[4] = req[4] + 1;
	reply[5] = req[5];
	reply[6] = req[6];
	return size;
}

/* Answers every message as a server with one file of 10000 bytes would. */
static u32 good_server(const u8 *req, u32 len, u8 *reply, u32 cap)
{
	u32 at = 7, count;

	memset(reply, 0, min(cap, 512u));
	switch (req[4]) {
	case P9_TVERSION:
		at = put(reply, at, 524288, 4);
		at = put(reply, at, 8, 2);
		memcpy(reply + at, "9P2000.L", 8);
		at += 8;
		break;
	case P9_TATTACH: case P9_TLOPEN: case P9_TLCREATE:
		at += 13 + (req[4] == P9_TATTACH ? 0 : 4);
		break;
	case P9_TWALK:
		at = put(reply, at, req[15] | req[16] << 8, 2) + 13;
		break;
	case P9_TGETATTR:
		put(reply, 7 + 8 + 13 + 12 + 16, 10000, 8);
		at = 160;
		break;
	case P9_TREAD: case P9_TREADDIR:
		count = req[19] | req[20] << 8 | req[21] << 16;
		count = min(count, 10000u);
		at = put(reply, at, count, 4);
		memset(reply + at, 'x', count);
		at += count;
		break;
	case P9_TWRITE:
		at = put(reply, at, len - 23, 4);
		break;
	case P9_TREADLINK:
		at = put(reply, at, 6, 2);
		memcpy(reply + at, "target", 6);
		at += 6;
		break;
	case P9_TSTATFS:
		at += 60;
		break;
	case P9_TXATTRWALK:
		at += 8;
		break;
	}
	return reply_head(reply, req, at);
}

/* A good answer with some bytes, its size or the device's count changed. */
static u32 hostile_server(const u8 *req, u32 len, u8 *reply, u32 cap)
{
	u32 n = good_server(req, len, reply, cap), r = t_random() % 16;

	if (req[4] == P9_TVERSION && r < 12)
		return n;
	switch (r) {
	case 0: case 1: case 2: case 3:
		for (unsigned k = 0; k < 1 + r; k++)
			reply[t_random() % min(n, 200u)] = t_random();
		return n;
	case 4:
		return t_random() % (n + 1);
	case 5:
		return t_random();		/* claims more than there is room for */
	case 6:
		put(reply, 0, t_random(), 4);
		return n;
	case 7:
		reply[4] = P9_RLERROR;
		return n;
	case 8:
		reply[4] = P9_RLERROR;
		put(reply, 0, 11, 4);
		put(reply, 7, t_random() % 5000, 4);
		return 11;
	case 9:
		put(reply, 7, t_random(), 4);	/* counts and lengths */
		return n;
	case 10:
		put(reply, 7, t_random(), 2);
		return n;
	}
	return n;
}

static struct p9_client *client(struct t *t)
{
	struct p9_client *c;

	server = good_server;
	return p9_client_create("root", 524288, &c) ? NULL : c;
}

/* ---- tests ---- */

TEST(p9, bytes_round_trip)
{
	u8 buf[64];
	struct p9_writer w;
	struct p9_reader r;
	const char *s;
	u16 len;

	p9_begin(&w, buf, sizeof(buf), P9_TWALK, 0x1234);
	p9_w8(&w, 0xab);
	p9_w16(&w, 0xcdef);
	p9_w32(&w, 0x12345678);
	p9_w64(&w, 0x1122334455667788);
	p9_wstr(&w, "name", 4);
	p9_end(&w, 100);
	EXPECT(t, !w.bad);
	r = (struct p9_reader){ .data = buf, .len = w.len };
	EXPECT_EQ(t, p9_r32(&r), w.len + 100);
	EXPECT_EQ(t, p9_r8(&r), P9_TWALK);
	EXPECT_EQ(t, p9_r16(&r), 0x1234);
	EXPECT_EQ(t, p9_r8(&r), 0xab);
	EXPECT_EQ(t, p9_r16(&r), 0xcdef);
	EXPECT_EQ(t, p9_r32(&r), 0x12345678);
	EXPECT_EQ(t, p9_r64(&r), 0x1122334455667788);
	s = p9_rstr(&r, &len);
	EXPECT(t, len == 4 && !memcmp(s, "name", 4) && !r.bad);
	p9_r8(&r);
	EXPECT(t, r.bad);
	for (unsigned cap = 0; cap < w.len; cap++) {
		struct p9_writer small;

		p9_begin(&small, buf, cap, P9_TWALK, 1);
		p9_wstr(&small, "0123456789012345678901234567890123456789", 40);
		EXPECT(t, small.bad);
		p9_end(&small, 0);
	}
}

TEST(p9, reply_headers)
{
	static const struct { u32 size; u8 type; u16 tag; u32 got, whole; int want; } rows[] = {
		{ 7, P9_TCLUNK + 1, 5, 7, 7, 0 },
		{ 7, P9_TCLUNK + 1, 5, 264, 7, 0 },
		{ 7, P9_TCLUNK + 1, 6, 7, 7, -EPROTO },		/* another tag */
		{ 7, P9_TWALK + 1, 5, 7, 7, -EPROTO },		/* another type */
		{ 8, P9_TCLUNK + 1, 5, 7, 7, -EPROTO },		/* longer than what came */
		{ 6, P9_TCLUNK + 1, 5, 7, 7, -EPROTO },
		{ 7, P9_TCLUNK + 1, 5, 7, 6, -EPROTO },
		{ 7, P9_TCLUNK + 1, 5, 7, 0, -EPROTO },
		{ 11, P9_RLERROR, 5, 11, 11, -2 },
		{ 10, P9_RLERROR, 5, 11, 11, -EPROTO },		/* error number cut off */
	};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		u8 buf[264] = { 0 };
		struct p9_reader r;

		put(buf, 0, rows[i].size, 4);
		buf[4] = rows[i].type;
		put(buf, 5, rows[i].tag, 2);
		put(buf, 7, 2, 4);
		EXPECT_EQ(t, p9_reply(&r, buf, rows[i].got, rows[i].whole, P9_TCLUNK, 5), rows[i].want);
	}
}

TEST(p9, directory_entries)
{
	u8 buf[256];
	struct p9_reader r;
	struct p9_dirent e;
	u32 n = put(buf, 13, 77, 8);

	memset(buf, 0, 13);
	n = put(buf, n, 8, 1);
	n = put(buf, n, 3, 2);
	memcpy(buf + n, "abc", 3);
	n += 3;
	for (u32 len = 0; len <= n; len++) {
		r = (struct p9_reader){ .data = buf, .len = len };
		EXPECT_EQ(t, p9_read_dirent(&r, &e), len == 0 ? 0 : len == n ? 1 : -EPROTO);
	}
	EXPECT(t, e.offset == 77 && e.name_len == 3);
	buf[n - 2] = '/';
	r = (struct p9_reader){ .data = buf, .len = n };
	EXPECT_EQ(t, p9_read_dirent(&r, &e), -EPROTO);
}

/* Goal:   every call works with a good server; an allocation that fails gives -ENOMEM and leaks nothing. */
TEST(p9, calls)
{
	struct page *pages[3];

	t_machine(t, 63, 1);
	for (unsigned i = 0; i < 3; i++)
		pages[i] = page_alloc(GFP_KERNEL, 0, ACCT_PAGE_CACHE);
	FAIL_EACH_ALLOC(t) {
		struct p9_client *c = client(t);
		struct p9_attr a;
		struct p9_qid q;
		char link[16];
		ssize_t n;

		if (!c)
			continue;
		n = p9_walk(c, 1, p9_fid_new(c), "name", 4, &q);
		EXPECT(t, n == 0 || n == -ENOMEM);
		n = p9_getattr(c, 2, &a);
		EXPECT(t, n == -ENOMEM || (n == 0 && a.size == 10000));
		n = p9_read_pages(c, 2, 0, pages, 3, 3 * PAGE_SIZE);
		EXPECT(t, n == -ENOMEM || n == 10000);
		n = p9_write_pages(c, 2, 0, pages, 3, 9000);
		EXPECT(t, n == -ENOMEM || n == 9000);
		n = p9_readlink(c, 2, link, sizeof(link));
		EXPECT(t, n == -ENOMEM || (n == 6 && !memcmp(link, "target", 6)));
		p9_clunk(c, 2);
		p9_client_destroy(c);
	}
	for (unsigned i = 0; i < 3; i++)
		page_put(pages[i]);
}

static void call_everything(struct p9_client *c, struct page **pages, u8 *buf)
{
	struct statfs_k st;
	struct p9_attr a;
	struct p9_qid q;
	u64 size;
	ssize_t n;
	int err;

	err = p9_attach(c, 1, "u", "", 0, &q);
	err |= p9_walk(c, 1, p9_fid_new(c), "name", 4, &q);
	err |= p9_clone(c, 1, p9_fid_new(c));
	err |= p9_getattr(c, 2, &a);
	err |= p9_lopen(c, 2, 0, &q);
	err |= p9_lcreate(c, 2, "x", 1, 0, 0, 0, &q);
	err |= p9_statfs(c, 2, &st);
	err |= p9_xattrwalk(c, 2, 3, "user.x", &size);
	err |= p9_unlinkat(c, 2, "x", 1, 0);
	n = p9_read_pages(c, 2, 0, pages, 3, 3 * PAGE_SIZE);
	n |= p9_write_pages(c, 2, 0, pages, 3, 9000);
	n |= p9_read(c, 2, 0, buf, 700);
	n |= p9_readlink(c, 2, (char *)buf, 100);
	n = p9_readdir(c, 2, 0, buf, 4096);
	if (n > 0) {
		struct p9_reader r = { .data = buf, .len = n };
		struct p9_dirent e;

		while (p9_read_dirent(&r, &e) > 0)
			;
	}
	p9_clunk(c, 2);
	(void)err;
}

TEST(p9, hostile_server)
{
	struct p9_client *c;
	struct page *pages[3];
	u8 *buf;

	t_machine(t, 63, 1);
	c = client(t);
	buf = kmalloc(8192, GFP_KERNEL);
	if (!c || !buf) {
		EXPECT(t, false);
		return;
	}
	for (unsigned i = 0; i < 3; i++)
		pages[i] = page_alloc(GFP_KERNEL | GFP_NOFAIL, 0, ACCT_PAGE_CACHE);
	server = hostile_server;
	for (unsigned round = 0; round < 3000; round++)
		call_everything(c, pages, buf);
	for (unsigned round = 0; round < 200; round++) {
		struct p9_client *other;

		if (!p9_client_create("root", t_random(), &other))
			p9_client_destroy(other);
	}
	for (unsigned i = 0; i < 3; i++)
		page_put(pages[i]);
	kfree(buf);
	p9_client_destroy(c);
}

/* ---- virtqueues ---- */

#include <linux/virtio_ring.h>

static unsigned fake_queue_max(struct virtio_device *d, unsigned index) { return 8; }
static struct vring_used *fake_used;
static struct vring_avail *fake_avail;
static int fake_enable(struct virtio_device *d, struct virtqueue *q, paddr_t desc, paddr_t avail, paddr_t used)
{
	fake_used = phys_to_virt(used);
	fake_avail = phys_to_virt(avail);
	return 0;
}
static void fake_notify(struct virtqueue *q) { }
static const struct virtio_transport fake_transport = { .queue_max = fake_queue_max, .queue_enable = fake_enable, .notify = fake_notify };

static void give_back(u32 id, u32 len)
{
	fake_used->ring[fake_used->idx % 8].id = id;
	fake_used->ring[fake_used->idx % 8].len = len;
	fake_used->idx++;
}

TEST(virtqueue, fill_and_drain)
{
	struct virtio_device d = { .transport = &fake_transport, .name = "fake" };
	struct virtio_seg s[3];
	struct virtqueue *q;
	int tokens[8];
	void *mem;
	u32 len;

	t_machine(t, 15, 1);
	t->no_audit = true;		/* rings are never given back */
	if (virtqueue_create(&d, 0, 128, NULL, NULL, &q)) {
		EXPECT(t, false);
		return;
	}
	mem = kmalloc(64, GFP_KERNEL);
	for (unsigned i = 0; i < 3; i++)
		s[i] = virtio_seg_of(mem, 16);
	for (unsigned round = 0; round < 50; round++) {
		EXPECT_EQ(t, virtqueue_add(q, s, 1, 2, &tokens[0]), 0);
		EXPECT_EQ(t, virtqueue_add(q, s, 2, 0, &tokens[1]), 0);
		EXPECT_EQ(t, virtqueue_add(q, s, 0, 3, &tokens[2]), 0);
		EXPECT_EQ(t, virtqueue_free(q), 0);
		EXPECT_EQ(t, virtqueue_add(q, s, 1, 0, &tokens[3]), -ENOSPC);
		for (unsigned k = 3; k--;)		/* out of order */
			give_back(fake_avail->ring[(fake_avail->idx - 3 + k) % 8], k);
		for (unsigned k = 3; k--;) {
			EXPECT(t, virtqueue_get(q, &len) == &tokens[k]);
			EXPECT_EQ(t, len, k);
		}
		EXPECT(t, !virtqueue_get(q, &len));
		EXPECT_EQ(t, virtqueue_free(q), 8);
	}
	kfree(mem);
}

TEST(virtqueue, lying_device)
{
	static const u32 ids[] = { 8, 0xffffffff, 7, 1 };	/* out of range, or not in flight */

	for (unsigned k = 0; k < ARRAY_SIZE(ids); k++) {
		struct virtio_device d = { .transport = &fake_transport, .name = "fake" };
		struct virtio_seg s;
		struct virtqueue *q;
		void *mem;
		int token;
		u32 len;

		if (!k) {
			t_machine(t, 15, 1);
			t->no_audit = true;
		}
		if (virtqueue_create(&d, 0, 8, NULL, NULL, &q)) {
			EXPECT(t, false);
			return;
		}
		mem = kmalloc(64, GFP_KERNEL);
		s = virtio_seg_of(mem, 16);
		EXPECT_EQ(t, virtqueue_add(q, &s, 1, 0, &token), 0);
		give_back(ids[k], 4);
		EXPECT(t, !virtqueue_get(q, &len));
		EXPECT(t, virtqueue_broken(q));
		EXPECT_EQ(t, virtqueue_add(q, &s, 1, 0, &token), -EIO);
		kfree(mem);
	}
}
