/*
 * procfs_mem.c - /proc/PID/{maps,smaps,smaps_rollup,pagemap,clear_refs,mem}.
 *
 * mm/ makes the text and the numbers; here are permissions and file operations. mem and pagemap are read through the
 * address space of the process as it was when the file was opened, as on Linux.
 *
 * SOURCE      proc(5); Documentation/admin-guide/mm/pagemap.rst of Linux for the 64-bit entries
 */
#include <abi/errno.h>
#include <fs/procfs.h>
#include <kernel/main.h>
#include <kernel/sched.h>
#include <lib/string.h>
#include <mm/mm.h>
#include <mm/slab.h>
#include <proc/process.h>

static int show_smaps_rollup(struct text *out, struct task *t)
{
	struct mm *mm;
	int err;

	if (task_may_access(t))
		return -EACCES;
	mm = task_get_mm(t);
	if (!mm)
		return 0;
	err = mm_report_rollup(mm, out);
	mm_put(mm);
	return err;
}

static ssize_t write_clear_refs(const char *buf, size_t n, struct task *t)
{
	struct mm *mm;
	s64 what;
	int err;

	if (str_parse_s64(buf, 10, &what) || what < 1 || what > 5)
		return -EINVAL;
	if (task_may_access(t))
		return -EACCES;
	mm = task_get_mm(t);
	if (!mm)
		return -ESRCH;
	err = mm_clear_refs(mm, (int)what);
	mm_put(mm);
	return err ? err : (ssize_t)n;
}

/* ---- files that hold on to the address space ---- */

/* Of the task in f->priv; NULL when it has none any more. */
static int hold_mm(struct file *f, struct mm **out)
{
	if (task_may_access(f->priv))
		return -EACCES;
	*out = task_get_mm(f->priv);
	if (*out) {
		mm_grab(*out);	/* the struct, not the pages: an open mem file must not keep a dead program's memory */
		mm_put(*out);
	}
	return 0;
}

static int mem_open(struct inode *i, struct file *f)
{
	struct mm *mm;
	int err = hold_mm(f, &mm);

	if (err)
		return err;
	task_put(f->priv);
	f->priv = mm;
	return 0;
}

static void mem_release(struct file *f)
{
	if (f->priv)
		mm_drop(f->priv);
}

static ssize_t mem_transfer(struct mm *mm, struct io_iter *it, loff_t *pos, bool write)
{
	ssize_t done = 0;
	char *page;

	if (!mm || !mm_try_get(mm))
		return 0;
	page = kmalloc(PAGE_SIZE, GFP_KERNEL);
	if (!page) {
		mm_put(mm);
		return -ENOMEM;
	}
	while (it->left) {
		size_t n = min(it->left, PAGE_SIZE - ((size_t)*pos & (PAGE_SIZE - 1)));
		ssize_t moved;

		if (write) {
			n = io_iter_get(page, it, n);
			moved = n ? mm_access(mm, *pos, page, n, true, true) : -EFAULT;
		} else {
			moved = mm_access(mm, *pos, page, n, false, true);
			if (moved > 0)
				moved = io_iter_put(it, page, moved) ?: -EFAULT;
		}
		if (moved <= 0) {
			done = done ? done : -EIO;
			break;
		}
		done += moved;
		*pos += moved;
		cond_resched();
	}
	kfree(page);
	mm_put(mm);
	return done;
}

static ssize_t mem_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	return mem_transfer(f->priv, to, pos, false);
}

static ssize_t mem_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	return mem_transfer(f->priv, from, pos, true);
}

/* Addresses of the upper half are positions too: no check against a file size. */
static loff_t mem_llseek(struct file *f, loff_t off, int whence)
{
	if (whence == SEEK_SET)
		f->pos = off;
	else if (whence == SEEK_CUR)
		f->pos += off;
	else
		return -EINVAL;
	return f->pos;
}

static ssize_t pagemap_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	struct mm *mm = f->priv;
	ssize_t n;

	if ((*pos | to->left) & 7)
		return -EINVAL;
	if (!mm || !mm_try_get(mm))
		return 0;
	n = mm_pagemap(mm, *pos, to->left, to);
	if (n > 0)
		*pos += n;
	mm_put(mm);
	return n;
}

/* ---- maps, smaps: printed area by area, as far as somebody reads ---- */

#define PIECE_MOST	KIB(256)

struct areas_file {
	struct mm	*mm;		/* may be NULL */
	bool		smaps;
	struct mutex	lock;
	struct text	text;		/* a piece of the file ... */
	loff_t		at;		/* ... from here on */
	vaddr_t		next;		/* what follows it */
};

static int areas_open(struct inode *i, struct file *f, bool smaps)
{
	struct areas_file *a = kzalloc(sizeof(*a), GFP_KERNEL);
	int err;

	if (!a)
		return -ENOMEM;
	err = hold_mm(f, &a->mm);
	if (err) {
		kfree(a);
		return err;
	}
	a->smaps = smaps;
	mutex_init(&a->lock, "proc-areas", LOCK_PROCESS);
	text_init(&a->text, &text_kernel_ops);
	task_put(f->priv);
	f->priv = a;
	return 0;
}

static int maps_open(struct inode *i, struct file *f)
{
	return areas_open(i, f, false);
}

static int smaps_open(struct inode *i, struct file *f)
{
	return areas_open(i, f, true);
}

static void areas_release(struct file *f)
{
	struct areas_file *a = f->priv;

	text_free(&a->text);
	if (a->mm)
		mm_drop(a->mm);
	kfree(a);
}

/* The next piece instead of this one: 1, 0 at the end, -ENOMEM. */
static int next_piece(struct areas_file *a, size_t wanted)
{
	a->at += (loff_t)a->text.len;
	a->text.len = 0;
	if (a->next == MM_NO_MORE_AREAS || !a->mm || !mm_try_get(a->mm))
		return 0;
	a->next = mm_report_areas(a->mm, &a->text, a->next, min(max(wanted, PAGE_SIZE), (size_t)PIECE_MOST), a->smaps);
	mm_put(a->mm);
	return a->text.cut ? -ENOMEM : a->text.len != 0;
}

static ssize_t areas_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	struct areas_file *a = f->priv;
	size_t done = 0;
	int more = 1;

	mutex_lock(&a->lock);
	if (*pos < a->at || !*pos) {		/* from the beginning, as it is now */
		a->at = 0;
		a->text.len = 0;
		a->text.cut = false;
		a->next = 0;
	}
	while (to->left && more > 0) {
		size_t off = (size_t)(*pos - a->at), n, put;

		if (off >= a->text.len) {
			more = next_piece(a, to->left);
			continue;
		}
		n = min(a->text.len - off, to->left);
		put = io_iter_put(to, a->text.buf + off, n);
		done += put;
		*pos += put;
		if (put < n)
			more = -EFAULT;
	}
	mutex_unlock(&a->lock);
	return done || more >= 0 ? (ssize_t)done : more;
}

static loff_t areas_llseek(struct file *f, loff_t off, int whence)
{
	return whence == SEEK_SET && off < 0 ? -EINVAL : mem_llseek(f, off, whence);
}

static const struct file_ops maps_ops = {
	.open = maps_open, .release = areas_release, .read = areas_read, .llseek = areas_llseek,
};
static const struct file_ops smaps_ops = {
	.open = smaps_open, .release = areas_release, .read = areas_read, .llseek = areas_llseek,
};
static const struct file_ops mem_ops = {
	.open = mem_open, .release = mem_release, .read = mem_read, .write = mem_write, .llseek = mem_llseek,
};
static const struct file_ops pagemap_ops = {
	.open = mem_open, .release = mem_release, .read = pagemap_read, .llseek = mem_llseek,
};

static const struct proc_pid_file mem_files[] = {
	{ "maps", 0444, true, .ops = &maps_ops },
	{ "smaps", 0444, true, .ops = &smaps_ops },
	{ "smaps_rollup", 0444, true, show_smaps_rollup },
	{ "clear_refs", 0200, true, NULL, write_clear_refs },
	{ "mem", 0600, true, .ops = &mem_ops },
	{ "pagemap", 0400, true, .ops = &pagemap_ops },
};

static int mem_files_init(void)
{
	proc_register_pid(mem_files, ARRAY_SIZE(mem_files));
	return 0;
}
initcall(mem_files_init, 2);
