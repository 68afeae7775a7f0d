/*
 * text.c - files whose contents a function prints.
 *
 * A read at position 0 prints the text anew; reads behind it go on in the same text, so a reader with a small buffer sees
 * one consistent picture, and one that rewinds sees the present. The text is shared by reference, not by a lock: printing
 * may take any lock, and the copy to user memory may fault.
 */
#include <abi/errno.h>
#include <kernel/module.h>
#include <kernel/sched.h>
#include <lib/string.h>
#include <mm/slab.h>

#include "procfs_private.h"

#define WRITE_MAX	KIB(64)

struct snapshot {
	atomic_t	refs;
	struct text	text;
};

struct text_file {
	const struct proc_file	*file;
	struct module		*owner;		/* of file; held until release */
	atomic_t		*opens;		/* the same */
	const struct proc_pid_file *pid_file;
	struct task_id		id;
	spinlock_t		lock;		/* LOCK_FS: the pointer */
	struct snapshot		*now;
};

static void snapshot_put(struct snapshot *s)
{
	if (s && atomic_dec_and_test(&s->refs)) {
		text_free(&s->text);
		kfree(s);
	}
}

static int show(struct text_file *t, struct text *out)
{
	struct task *task;
	int err;

	if (t->file)
		return t->file->show ? t->file->show(out, t->file->arg) : -EINVAL;
	if (!t->pid_file->show)
		return -EINVAL;
	task = task_id_get(&t->id);
	if (!task)
		return -ESRCH;
	err = t->pid_file->show(out, task);
	task_put(task);
	return err;
}

static int print(struct text_file *t)
{
	struct snapshot *s = kzalloc(sizeof(*s), GFP_KERNEL), *old;
	int err;

	if (!s)
		return -ENOMEM;
	atomic_set(&s->refs, 1);
	text_init(&s->text, &text_kernel_ops);
	err = show(t, &s->text);
	if (err < 0 || s->text.cut) {
		snapshot_put(s);
		return err < 0 ? err : -ENOMEM;
	}
	spin_lock(&t->lock);
	old = t->now;
	t->now = s;
	spin_unlock(&t->lock);
	snapshot_put(old);
	return 0;
}

static struct snapshot *current_snapshot(struct text_file *t)
{
	struct snapshot *s;

	spin_lock(&t->lock);
	s = t->now;
	if (s)
		atomic_inc(&s->refs);
	spin_unlock(&t->lock);
	return s;
}

static ssize_t text_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	struct text_file *t = f->priv;
	struct snapshot *s;
	size_t n, done = 0;
	int err;

	if (*pos == 0 || !t->now) {
		err = print(t);
		if (err)
			return err;
	}
	s = current_snapshot(t);
	if (*pos < (loff_t)s->text.len) {
		n = min(s->text.len - (size_t)*pos, to->left);
		done = io_iter_put(to, s->text.buf + *pos, n);
		*pos += done;
		if (n && !done) {
			snapshot_put(s);
			return -EFAULT;
		}
	}
	snapshot_put(s);
	return done;
}

static ssize_t do_write(struct text_file *t, const char *buf, size_t n)
{
	struct task *task;
	ssize_t r;

	if (t->file)
		return t->file->write ? t->file->write(buf, n, t->file->arg) : -EIO;
	if (!t->pid_file->write)
		return -EIO;
	task = task_id_get(&t->id);
	if (!task)
		return -ESRCH;
	r = t->pid_file->write(buf, n, task);
	task_put(task);
	return r;
}

static ssize_t text_write_op(struct file *f, struct io_iter *from, loff_t *pos)
{
	size_t n = min(from->left, (size_t)WRITE_MAX);
	char *buf = kmalloc(n + 1, GFP_KERNEL);
	ssize_t r;

	if (!buf)
		return -ENOMEM;
	if (io_iter_get(buf, from, n) != n) {
		kfree(buf);
		return -EFAULT;
	}
	buf[n] = 0;
	r = do_write(f->priv, buf, n);
	if (r > 0)
		*pos += r;
	kfree(buf);
	return r;
}

static loff_t text_llseek(struct file *f, loff_t off, int whence)
{
	loff_t pos = whence == SEEK_SET ? off : whence == SEEK_CUR ? f->pos + off : -1;

	if (pos < 0)
		return -EINVAL;
	return f->pos = pos;
}

static void text_release(struct file *f)
{
	struct text_file *t = f->priv;

	snapshot_put(t->now);
	if (t->opens)
		atomic_dec(t->opens);
	module_put(t->owner);
	kfree(t);
}

const struct file_ops text_fops = { .read = text_read, .write = text_write_op, .llseek = text_llseek, .release = text_release };

int text_open(struct file *f, const struct proc_file *pf, const struct proc_pid_file *pid_pf, const struct task_id *id)
{
	struct text_file *t = kzalloc(sizeof(*t), GFP_KERNEL);

	if (!t)
		return -ENOMEM;
	t->file = pf;
	t->owner = pf ? pf->owner : NULL;	/* both taken by the caller */
	t->opens = pf ? pf->opens : NULL;
	t->pid_file = pid_pf;
	if (id)
		t->id = *id;
	spin_lock_init(&t->lock, "proc-text", LOCK_FS);
	f->priv = t;
	if (!f->inode || !S_ISDIR(f->inode->mode))
		f->ops = &text_fops;
	return 0;
}
