/*
 * proto.c - 9P2000.L messages as bytes. See proto.h for the theory. No allocation, no locks; the host build fuzzes it.
 */
#include <abi/errno.h>
#include <lib/string.h>

#include "proto.h"

static u8 *grow(struct p9_writer *w, u32 n)
{
	u8 *p = w->data + w->len;

	if (w->bad || n > w->cap - w->len) {
		w->bad = true;
		return NULL;
	}
	w->len += n;
	return p;
}

static void put_le(u8 *p, u64 v, unsigned n)
{
	for (unsigned i = 0; p && i < n; i++)
		p[i] = v >> 8 * i;
}

void p9_w8(struct p9_writer *w, u8 v)
{
	put_le(grow(w, 1), v, 1);
}

void p9_w16(struct p9_writer *w, u16 v)
{
	put_le(grow(w, 2), v, 2);
}

void p9_w32(struct p9_writer *w, u32 v)
{
	put_le(grow(w, 4), v, 4);
}

void p9_w64(struct p9_writer *w, u64 v)
{
	put_le(grow(w, 8), v, 8);
}

void p9_wstr(struct p9_writer *w, const char *s, size_t len)
{
	u8 *p;

	if (len > U16_MAX) {
		w->bad = true;
		return;
	}
	p9_w16(w, len);
	p = grow(w, len);
	if (p)
		memcpy(p, s, len);
}

void p9_begin(struct p9_writer *w, u8 *buf, u32 cap, enum p9_type type, u16 tag)
{
	*w = (struct p9_writer){ .data = buf, .cap = cap };
	p9_w32(w, 0);
	p9_w8(w, type);
	p9_w16(w, tag);
}

void p9_end(struct p9_writer *w, u32 payload)
{
	if (!w->bad)
		put_le(w->data, (u64)w->len + payload, 4);
}

static const u8 *take(struct p9_reader *r, u32 n)
{
	const u8 *p = r->data + r->at;

	if (r->bad || n > r->len - r->at) {
		r->bad = true;
		return NULL;
	}
	r->at += n;
	return p;
}

static u64 get_le(const u8 *p, unsigned n)
{
	u64 v = 0;

	for (unsigned i = 0; p && i < n; i++)
		v |= (u64)p[i] << 8 * i;
	return v;
}

u8 p9_r8(struct p9_reader *r)
{
	return get_le(take(r, 1), 1);
}

u16 p9_r16(struct p9_reader *r)
{
	return get_le(take(r, 2), 2);
}

u32 p9_r32(struct p9_reader *r)
{
	return get_le(take(r, 4), 4);
}

u64 p9_r64(struct p9_reader *r)
{
	return get_le(take(r, 8), 8);
}

const char *p9_rstr(struct p9_reader *r, u16 *len)
{
	const u8 *p;

	*len = p9_r16(r);
	p = take(r, *len);
	if (!p)
		*len = 0;
	return (const char *)p;
}

void p9_rqid(struct p9_reader *r, struct p9_qid *q)
{
	q->type = p9_r8(r);
	q->version = p9_r32(r);
	q->path = p9_r64(r);
}

int p9_reply(struct p9_reader *r, const u8 *buf, u32 got, u32 whole, enum p9_type request, u16 tag)
{
	u32 size, err;
	u8 type;

	*r = (struct p9_reader){ .data = buf, .len = min(got, whole) };
	size = p9_r32(r);
	type = p9_r8(r);
	if (p9_r16(r) != tag || r->bad || size < P9_HEADER || size > whole)
		return -EPROTO;
	r->len = min(r->len, size);
	if (type == P9_RLERROR) {
		err = p9_r32(r);
		return r->bad || !err || err > 4095 ? -EPROTO : -(int)err;
	}
	return type == request + 1 ? 0 : -EPROTO;
}

int p9_read_attr(struct p9_reader *r, struct p9_attr *a)
{
	a->valid = p9_r64(r);
	p9_rqid(r, &a->qid);
	a->mode = p9_r32(r);
	a->uid = p9_r32(r);
	a->gid = p9_r32(r);
	a->nlink = p9_r64(r);
	a->rdev = p9_r64(r);
	a->size = p9_r64(r);
	a->blksize = p9_r64(r);
	a->blocks = p9_r64(r);
	a->atime_sec = p9_r64(r);
	a->atime_nsec = p9_r64(r);
	a->mtime_sec = p9_r64(r);
	a->mtime_nsec = p9_r64(r);
	a->ctime_sec = p9_r64(r);
	a->ctime_nsec = p9_r64(r);
	a->btime_sec = p9_r64(r);
	a->btime_nsec = p9_r64(r);
	p9_r64(r);			/* generation */
	p9_r64(r);			/* data version */
	return r->bad || a->size > (u64)S64_MAX ? -EPROTO : 0;
}

int p9_read_dirent(struct p9_reader *r, struct p9_dirent *e)
{
	if (!r->bad && r->at == r->len)
		return 0;
	p9_rqid(r, &e->qid);
	e->offset = p9_r64(r);
	e->type = p9_r8(r);
	e->name = p9_rstr(r, &e->name_len);
	if (r->bad || !e->name_len || e->name_len > 255)
		return -EPROTO;
	return memchr(e->name, '/', e->name_len) || memchr(e->name, 0, e->name_len) ? -EPROTO : 1;
}

/* dev_t of the server's stat(2): minor bits 0-7 and 20-43, major bits 8-19 and 44-63. */
u32 p9_rdev_to_dev(u64 rdev)
{
	u32 major = (rdev >> 8 & 0xfff) | (u32)(rdev >> 32 & 0xfffff000);
	u32 minor = (rdev & 0xff) | (u32)(rdev >> 12 & 0xffffff00);

	return major << 20 | (minor & 0xfffff);
}
