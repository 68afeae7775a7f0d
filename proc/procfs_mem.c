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

static int with_mm(struct text *out, struct task *t, int (*report)(struct mm *, struct text *))
{
	struct mm *mm;
	int err;

	if (task_may_access(t))
		return -EACCES;
	mm = task_get_mm(t);
	if (!mm)
		return 0;
	err = report(mm, out);
	mm_put(mm);
	return err;
}

static int report_smaps(struct mm *mm, struct text *out)
{
	return mm_report_smaps(mm, out, false);
}

static int report_rollup(struct mm *mm, struct text *out)
{
	return mm_report_smaps(mm, out, true);
}

static int show_maps(struct text *out, struct task *t)
{
	return with_mm(out, t, mm_report_maps);
}

static int show_smaps(struct text *out, struct task *t)
{
	return with_mm(out, t, report_smaps);
}

static int show_smaps_rollup(struct text *out, struct task *t)
{
	return with_mm(out, t, report_rollup);
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

static int mem_open(struct inode *i, struct file *f)
{
	struct task *t = f->priv;
	int err = task_may_access(t);
	struct mm *mm;

	if (err)
		return -EACCES;
	mm = task_get_mm(t);
	if (mm) {
		mm_grab(mm);	/* the struct, not the pages: an open mem file must not keep a dead program's memory */
		mm_put(mm);
	}
	task_put(t);
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

static const struct file_ops mem_ops = {
	.open = mem_open, .release = mem_release, .read = mem_read, .write = mem_write, .llseek = mem_llseek,
};
static const struct file_ops pagemap_ops = {
	.open = mem_open, .release = mem_release, .read = pagemap_read, .llseek = mem_llseek,
};

static const struct proc_pid_file mem_files[] = {
	{ "maps", 0444, true, show_maps },
	{ "smaps", 0444, true, show_smaps },
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
