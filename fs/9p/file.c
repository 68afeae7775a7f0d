/*
 * file.c - open files of 9p: data through the page cache, directories from the server.
 *
 * READING     a run of missing pages becomes Treads of up to msize, straight into the pages. A read that ends before the
 *             size we believe in means the file was cut on the server: pages beyond get -EIO (SIGBUS in a mapping), and
 *             the attributes are asked for again at the next chance.
 * WRITING     write(2) and mappings dirty the cache; dirty pages go out at close, fsync, sync, by the write-back thread and
 *             before eviction. The server's view of size and mtime lags until then (p9_inode.size_ahead).
 */
#include <abi/errno.h>
#include <lib/string.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>

#include "p9.h"

/* ---- open fids ---- */

static int open_read(struct inode *i, struct p9_inode *pi)
{
	struct p9_qid q;
	int err = p9_lopen(p9_c(i), pi->fid, O_RDONLY, &q);

	if (!err) {
		pi->rfid = pi->fid;
		if (q.version != pi->version)
			pi->attr_time = ktime_get() - 3600 * NSEC_PER_SEC;
	}
	return err;
}

static int open_write(struct inode *i, struct p9_inode *pi)
{
	struct p9_client *c = p9_c(i);
	u32 fid = p9_fid_new(c);
	bool reads = true;
	struct p9_qid q;
	int err = p9_clone(c, pi->fid, fid);

	if (err)
		return err;
	err = p9_lopen(c, fid, O_RDWR, &q);
	if (err == -EACCES) {
		reads = false;
		err = p9_lopen(c, fid, O_WRONLY, &q);
	}
	if (err) {
		p9_clunk(c, fid);
		return err;
	}
	pi->wfid = fid;
	pi->wfid_reads = reads;
	return 0;
}

int p9_open_fid(struct inode *i, bool write)
{
	struct p9_inode *pi = p9_i(i);
	int err = 0;

	if (write ? pi->wfid != 0 : pi->rfid || (pi->wfid && pi->wfid_reads))
		return 0;
	mutex_lock(&pi->lock);
	if (write && !pi->wfid)
		err = open_write(i, pi);
	else if (!write && !pi->rfid && !(pi->wfid && pi->wfid_reads))
		err = open_read(i, pi);
	mutex_unlock(&pi->lock);
	return err;
}

static u32 read_fid(const struct p9_inode *pi)
{
	u32 w = READ_ONCE(pi->wfid);

	return pi->rfid ? pi->rfid : pi->wfid_reads ? w : 0;
}

/* The last writer is gone: the host may want to run the file. A reader gets a fid of its own first. */
void p9_drop_wfid(struct inode *i)
{
	struct p9_inode *pi = p9_i(i);
	u32 fid = 0;

	mutex_lock(&pi->lock);
	if (pi->wfid && !atomic_read(&pi->writers) && i->nlink) {
		if (pi->rfid || !open_read(i, pi)) {
			fid = pi->wfid;
			WRITE_ONCE(pi->wfid, 0);
		}
	}
	mutex_unlock(&pi->lock);
	if (fid)
		p9_clunk(p9_c(i), fid);
}

static int p9_file_open(struct inode *i, struct file *f)
{
	struct p9_inode *pi = p9_i(i);
	bool write = f->mode & FMODE_WRITE;
	int err = p9_refresh(i, p9_sb(i->sb)->open_ttl);

	if (err && !(err == -ESTALE || err == -ENOENT))
		return err;
	if (err)		/* the name means another file now, or none; what we hold open still works */
		err = read_fid(pi) && !write ? 0 : -ESTALE;
	if (!err && write)
		err = p9_open_fid(i, true);
	if (!err && (f->mode & FMODE_READ))
		err = p9_open_fid(i, false);
	if (err)
		return err;
	f->ra.max_pages = 128;		/* a round trip costs as much as copying that many; the window adapts to memory */
	if (write)
		atomic_inc(&pi->writers);
	return 0;
}

/* All dirty pages to the server, and what it then says about the file as our new base. */
static int write_back(struct inode *i)
{
	struct p9_inode *pi = p9_i(i);
	struct p9_attr a;
	int err;

	if (!pi->size_ahead && !pi->wrote)
		return 0;
	pi->size_ahead = false;
	err = filemap_write_range(&i->data, 0, S64_MAX, true);
	if (!err && i->nlink && !pi->stale_fid && !p9_getattr(p9_c(i), pi->fid, &a)) {
		pi->wrote = false;
		pi->version = a.qid.version;
		pi->srv_size = a.size;
		pi->srv_mtime = a.mtime_sec;
		pi->srv_mtime_nsec = a.mtime_nsec;
		pi->attr_time = ktime_get();
		i->blocks = a.blocks;
		i->mtime = p9_time(a.mtime_sec, a.mtime_nsec);
	}
	return err;
}

static int p9_file_flush(struct file *f)
{
	int err = 0;

	if (f->mode & FMODE_WRITE) {
		err = write_back(f->inode);
		if (!err)
			err = filemap_check_errors(f->mapping, &f->wb_err);
	}
	return err;
}

static void p9_file_release(struct file *f)
{
	struct p9_inode *pi = p9_i(f->inode);

	if (!(f->mode & FMODE_WRITE))
		return;
	if (f->inode->nlink)
		write_back(f->inode);
	if (atomic_dec_and_test(&pi->writers))
		p9_drop_wfid(f->inode);
}

static int p9_file_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	struct p9_inode *pi = p9_i(f->inode);
	int err = write_back(f->inode), seen = filemap_check_errors(f->mapping, &f->wb_err);

	if (!err)
		err = seen;
	if (!err && pi->wfid)
		err = p9_fsync(p9_c(f->inode), pi->wfid, datasync);
	return err;
}

static ssize_t p9_file_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	ssize_t n;

	p9_i(f->inode)->size_ahead = true;	/* before: another's refresh must not cut the file back */
	n = generic_file_write(f, from, pos);
	return n;
}

const struct file_ops p9_file_fops = {
	.open = p9_file_open, .release = p9_file_release, .flush = p9_file_flush,
	.read = generic_file_read, .write = p9_file_write, .llseek = generic_llseek,
	.can_mmap = true, .fsync = p9_file_fsync,
};

/* ---- pages ---- */

static void zero_from(struct page **pages, unsigned nr, size_t from)
{
	for (unsigned k = from / PAGE_SIZE; k < nr; k++) {
		size_t at = k == from / PAGE_SIZE ? from % PAGE_SIZE : 0;

		memset((char *)page_address(pages[k]) + at, 0, PAGE_SIZE - at);
	}
}

static int p9_read_pages_op(struct address_space *m, struct page **pages, unsigned nr)
{
	struct inode *i = m->host;
	struct p9_inode *pi = p9_i(i);
	u64 off = (u64)pages[0]->index << PAGE_SHIFT;
	size_t want = nr * PAGE_SIZE, got = 0;
	u32 fid = read_fid(pi);
	ssize_t n = 0;

	if (!fid) {
		int err = p9_open_fid(i, false);

		if (err)
			return err;
		fid = read_fid(pi);
	}
	if (off + want > (u64)m->size)
		want = off < (u64)m->size ? (u64)m->size - off : 0;
	while (got < want) {
		n = p9_read_pages(p9_c(i), fid, off + got, pages + got / PAGE_SIZE, nr - got / PAGE_SIZE, want - got);
		if (n <= 0)
			break;
		got += n;
		if (got % PAGE_SIZE)
			break;		/* the end of the file on the server */
	}
	if (n < 0 && !got)
		return n;
	if (got < want && !pi->size_ahead) {
		pi->attr_time = ktime_get() - 3600 * NSEC_PER_SEC;
		if (!got)
			return -EIO;
		want = got;		/* pages wholly past it stay not up to date */
	}
	vm_event_add(PGPGIN, DIV_ROUND_UP(got, 1024));
	zero_from(pages, nr, got);
	for (unsigned k = 0; k < nr; k++)
		if (k * PAGE_SIZE < max(want, (size_t)1) || off + want >= (u64)m->size)
			page_set(pages[k], PG_UPTODATE);
	return 0;
}

static int p9_read_page_op(struct address_space *m, struct page *p)
{
	return p9_read_pages_op(m, &p, 1);
}

static int p9_write_pages_op(struct address_space *m, struct page **pages, unsigned nr, size_t len_last)
{
	struct inode *i = m->host;
	struct p9_inode *pi = p9_i(i);
	u64 off = (u64)pages[0]->index << PAGE_SHIFT;
	size_t want = (nr - 1) * PAGE_SIZE + len_last, done = 0;
	int err = p9_open_fid(i, true);

	if (err)
		return err;
	pi->wrote = true;
	while (done < want) {
		unsigned first = done / PAGE_SIZE;
		size_t in_page = done % PAGE_SIZE;
		ssize_t n = in_page ? p9_write(p9_c(i), pi->wfid, off + done, (char *)page_address(pages[first]) + in_page,
					       min(PAGE_SIZE - in_page, want - done))
				    : p9_write_pages(p9_c(i), pi->wfid, off + done, pages + first, nr - first, want - done);

		if (n <= 0)
			return n ? n : -EIO;
		done += n;
	}
	vm_event_add(PGPGOUT, DIV_ROUND_UP(done, 1024));
	return 0;
}

static int p9_write_page_op(struct address_space *m, struct page *p, size_t len)
{
	return p9_write_pages_op(m, &p, 1, len);
}

/* A mapping is about to be written: like write(2), our size and mtime are now the newer ones. */
static int p9_page_mkwrite(struct address_space *m, struct page *p)
{
	p9_i(m->host)->size_ahead = true;
	return 0;
}

const struct mapping_ops p9_aops = {
	.read_page = p9_read_page_op, .read_pages = p9_read_pages_op,
	.write_page = p9_write_page_op, .write_pages = p9_write_pages_op,
	.page_mkwrite = p9_page_mkwrite,
};

/* ---- directories ---- */

#define DIR_BUFFER	KIB(32)
#define DIR_TRIES	100
#define DIRENT_MAX	(24 + 256)

struct p9_dir {
	u32	len;		/* bytes in buf */
	u32	next;		/* first entry not emitted yet */
	u64	next_off;	/* and its offset */
	bool	end;		/* nothing after what is in buf */
	u8	*buf;
};

/* Tried once per mount, on the first directory that is opened. */
static void try_walk_from_open(struct p9_sb *s, u32 open_fid)
{
	u32 fid = p9_fid_new(s->client);

	if (p9_clone(s->client, open_fid, fid)) {
		s->walk_open = WALK_REFUSED;
		return;
	}
	s->walk_open = WALK_WORKS;
	p9_clunk(s->client, fid);
}

/* The first opener's fid stays open with the inode and serves all: each Treaddir names its own position. */
static int open_dir_fid(struct inode *i, struct p9_inode *pi)
{
	struct p9_sb *s = p9_sb(i->sb);
	struct p9_qid q;
	u32 fid = pi->fid;
	int err = 0;

	if (s->walk_open != WALK_WORKS) {
		fid = p9_fid_new(s->client);
		err = p9_clone(s->client, pi->fid, fid);
	}
	if (!err)
		err = p9_lopen(s->client, fid, O_RDONLY | O_DIRECTORY, &q);
	if (err) {
		if (fid != pi->fid)
			p9_clunk(s->client, fid);
		return err;
	}
	pi->rfid = fid;
	if (s->walk_open == WALK_UNKNOWN)
		try_walk_from_open(s, fid);
	return 0;
}

static int p9_dir_open(struct inode *i, struct file *f)
{
	struct p9_inode *pi = p9_i(i);
	int err = 0;

	mutex_lock(&pi->lock);
	if (!pi->rfid)
		err = open_dir_fid(i, pi);
	mutex_unlock(&pi->lock);
	if (err)
		return err;
	f->priv = kzalloc(sizeof(struct p9_dir), GFP_KERNEL);
	return f->priv ? 0 : -ENOMEM;
}

static void p9_dir_release(struct file *f)
{
	struct p9_dir *d = f->priv;

	if (!d)
		return;
	kvfree(d->buf);
	kfree(d);
}

/*
 * QEMU's server reads names, then looks at each file; when one has gone in between it gives up the whole reply with ENOENT, as if the directory had.
 * An open directory that was really removed is empty, no error: so ask again.
 */
static int fill_buffer(struct file *f, struct p9_dir *d, u64 pos)
{
	int tries = DIR_TRIES;
	ssize_t n;

	if (!d->buf) {
		d->buf = kvmalloc(DIR_BUFFER, GFP_KERNEL);
		if (!d->buf)
			return -ENOMEM;
	}
	do {
		n = p9_readdir(p9_c(f->inode), p9_i(f->inode)->rfid, pos, d->buf, DIR_BUFFER);
	} while (n == -ENOENT && --tries && !fatal_signal_pending());
	if (n < 0)
		return n;
	d->next_off = pos;
	d->len = n;
	d->next = 0;
	d->end = n < DIR_BUFFER - DIRENT_MAX;	/* the server would have put another one in */
	return 0;
}

static int p9_dir_iterate(struct file *f, struct dir_context *ctx)
{
	struct p9_dir *d = f->priv;
	struct p9_dirent e;
	int r, err;

	if (!d->buf || (u64)ctx->pos != d->next_off) {
		err = fill_buffer(f, d, ctx->pos);
		if (err)
			return err;
	}
	for (;;) {
		struct p9_reader rd = { .data = d->buf, .at = d->next, .len = d->len };

		r = p9_read_dirent(&rd, &e);
		if (r < 0)
			return r;
		if (!r && d->end)
			break;
		if (!r) {
			err = fill_buffer(f, d, d->next_off);
			if (err)
				return err;
			continue;
		}
		if (!ctx->emit(ctx, e.name, e.name_len, d->next_off, e.qid.path, e.type))
			return 0;
		d->next = rd.at;
		d->next_off = e.offset;
		ctx->pos = e.offset;
	}
	return 0;
}

static loff_t p9_dir_llseek(struct file *f, loff_t off, int whence)
{
	struct p9_dir *d = f->priv;
	loff_t pos = whence == SEEK_SET ? off : whence == SEEK_CUR ? f->pos + off : -1;

	if (pos < 0)
		return -EINVAL;
	if (pos != f->pos || !pos)
		d->next_off = U64_MAX;		/* a rewound directory is listed anew */
	f->pos = pos;
	return pos;
}

static int p9_dir_fsync(struct file *f, loff_t start, loff_t end, bool datasync)
{
	return p9_fsync(p9_c(f->inode), p9_i(f->inode)->rfid, datasync);
}

const struct file_ops p9_dir_fops = {
	.open = p9_dir_open, .release = p9_dir_release, .iterate = p9_dir_iterate, .llseek = p9_dir_llseek,
	.fsync = p9_dir_fsync,
};
