/*
 * create.c - files of modules in /proc: proc_create() with Linux's proc_ops, and seq_file on a text that is printed whole.
 *
 * An adapter as drivers/chardev.c is: each entry carries a copy of the table, and an open file leads to its entry through f->ops.
 * LIFE        an open file holds the module (fs/procfs/tree.c) and the entry. proc_remove() takes the name away and waits for calls
 *             into the driver that are under way; files that are still open get EIO from then on. The last of all frees the entry.
 * LOCKS       entries_lock (LOCK_FS): the list of entries, `gone`, `calls`.
 */
#include <abi/errno.h>
#include <drivers/driver.h>
#include <lib/printf.h>

#include "procfs_private.h"

struct proc_dir_entry {
	struct list		link;
	struct proc_file	file;
	struct file_ops		table;
	struct proc_ops		ops;
	struct module		*owner;
	void			*data;
	int			(*single)(struct seq_file *s, void *v);
	atomic_t		users;		/* the name, and open files */
	unsigned		calls;
	bool			gone;
	char			path[];
};

static struct list entries = LIST_INIT(entries);
static spinlock_t entries_lock = SPINLOCK_INIT("proc entries", LOCK_FS);
static struct waitq calls_done = WAITQ_INIT(calls_done);

static struct proc_dir_entry *entry_of(const struct file *f)
{
	return container_of(f->ops, struct proc_dir_entry, table);
}

static bool call_begin(struct proc_dir_entry *e)
{
	bool ok;

	spin_lock(&entries_lock);
	ok = !e->gone;
	e->calls += ok;
	spin_unlock(&entries_lock);
	return ok;
}

static void call_end(struct proc_dir_entry *e)
{
	spin_lock(&entries_lock);
	e->calls--;
	spin_unlock(&entries_lock);
	waitq_wake_all(&calls_done);
}

static void entry_put(struct proc_dir_entry *e)
{
	if (atomic_dec_and_test(&e->users))
		kfree(e);
}

/* The call, with the driver held to its place; else `otherwise`. */
#define CALL(e, call, otherwise) ({						\
	typeof(call) call_result = (otherwise);					\
	if (call_begin(e)) {							\
		call_result = (call);						\
		call_end(e);							\
	}									\
	call_result; })

static int entry_open(struct inode *i, struct file *f)
{
	struct proc_dir_entry *e = entry_of(f);
	struct module *owner = e->owner;
	int err = 0;

	f->priv = NULL;
	if (e->single)
		err = CALL(e, single_open(f, e->single, e->data), -ENOENT);
	else if (e->ops.proc_open)
		err = CALL(e, e->ops.proc_open(i, f), -ENOENT);
	if (err) {
		entry_put(e);
		module_put(owner);
	}
	return err;
}

static void entry_release(struct file *f)
{
	struct proc_dir_entry *e = entry_of(f);
	struct module *owner = e->owner;

	if (e->single)
		(void)seq_release(f->inode, f);
	else if (e->ops.proc_release)
		(void)e->ops.proc_release(f->inode, f);
	entry_put(e);
	module_put(owner);
}

static ssize_t entry_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	struct proc_dir_entry *e = entry_of(f);
	size_t n = to->left;
	char __user *at;
	ssize_t got;

	if (to->kind != ITER_USER || (!e->single && !e->ops.proc_read))
		return -EINVAL;
	if (!n)
		return 0;
	at = io_iter_user_run(to, &n);
	got = CALL(e, e->single ? seq_read(f, at, n, pos) : e->ops.proc_read(f, at, n, pos), -EIO);
	if (got > 0)
		io_iter_advance(to, (size_t)got);
	return got;
}

static ssize_t entry_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	struct proc_dir_entry *e = entry_of(f);
	size_t n = from->left;
	const char __user *at;
	ssize_t got;

	if (!e->ops.proc_write)
		return -EIO;
	if (from->kind != ITER_USER)
		return -EINVAL;
	at = n ? io_iter_user_run(from, &n) : NULL;
	got = CALL(e, e->ops.proc_write(f, at, n, pos), -EIO);
	if (got > 0)
		io_iter_advance(from, (size_t)got);
	return got;
}

static loff_t entry_llseek(struct file *f, loff_t off, int whence)
{
	struct proc_dir_entry *e = entry_of(f);

	if (e->single || !e->ops.proc_lseek)
		return seq_lseek(f, off, whence);
	return CALL(e, e->ops.proc_lseek(f, off, whence), -EIO);
}

static u32 entry_poll(struct file *f, struct poll_table *pt)
{
	struct proc_dir_entry *e = entry_of(f);

	return e->ops.proc_poll ? CALL(e, e->ops.proc_poll(f, pt), 8u /* POLLERR */) : 0x145;
}

static long entry_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct proc_dir_entry *e = entry_of(f);

	return e->ops.proc_ioctl ? CALL(e, e->ops.proc_ioctl(f, cmd, arg), (long)-EIO) : -ENOTTY;
}

/* ---- making and removing -------------------------------------------------------------------------------------------------- */

static struct proc_dir_entry *entry_create(const char *name, struct proc_dir_entry *parent, struct module *owner)
{
	size_t room = strlen(name) + (parent ? strlen(parent->path) + 1 : 0) + 1;
	struct proc_dir_entry *e = kzalloc(sizeof(*e) + room, GFP_KERNEL);

	if (!e)
		return NULL;
	ksnprintf(e->path, room, "%s%s%s", parent ? parent->path : "", parent ? "/" : "", name);
	e->owner = owner;
	atomic_set(&e->users, 1);
	e->table = (struct file_ops){
		.open = entry_open, .release = entry_release, .read = entry_read, .write = entry_write, .llseek = entry_llseek,
		.poll = entry_poll, .ioctl = entry_ioctl,
	};
	return e;
}

static struct proc_dir_entry *entry_show(struct proc_dir_entry *e, u16 mode)
{
	e->file = (struct proc_file){ .path = e->path, .mode = mode ? mode : 0444, .ops = &e->table, .arg = e, .owner = e->owner, .opens = &e->users };
	if (proc_try_register(&e->file)) {
		kfree(e);
		return NULL;
	}
	spin_lock(&entries_lock);
	list_append(&entries, &e->link);
	spin_unlock(&entries_lock);
	return e;
}

struct proc_dir_entry *proc_create_owned(const char *name, u16 mode, struct proc_dir_entry *parent, const struct proc_ops *ops, void *data,
					 struct module *owner)
{
	struct proc_dir_entry *e = entry_create(name, parent, owner);

	if (!e)
		return NULL;
	e->ops = *ops;
	e->data = data;
	return entry_show(e, mode);
}

struct proc_dir_entry *proc_create_single_owned(const char *name, u16 mode, struct proc_dir_entry *parent,
						int (*show)(struct seq_file *s, void *v), void *data, struct module *owner)
{
	struct proc_dir_entry *e = entry_create(name, parent, owner);

	if (!e)
		return NULL;
	e->single = show;
	e->data = data;
	return entry_show(e, mode);
}

struct proc_dir_entry *proc_mkdir_owned(const char *name, struct proc_dir_entry *parent, struct module *owner)
{
	struct proc_dir_entry *e = entry_create(name, parent, owner);

	if (e && proc_try_mkdir(e->path)) {
		kfree(e);
		return NULL;
	}
	if (e) {
		spin_lock(&entries_lock);
		list_append(&entries, &e->link);
		spin_unlock(&entries_lock);
	}
	return e;
}

void proc_remove(struct proc_dir_entry *e)
{
	if (!e)
		return;
	proc_unregister(e->path);
	spin_lock(&entries_lock);
	list_remove(&e->link);
	e->gone = true;
	spin_unlock(&entries_lock);
	wait_event(&calls_done, !READ_ONCE(e->calls));
	spin_lock(&entries_lock);	/* whoever ended the last call is through with e */
	spin_unlock(&entries_lock);
	entry_put(e);
}

void remove_proc_entry(const char *name, struct proc_dir_entry *parent)
{
	struct proc_dir_entry *e, *found = NULL;
	size_t n = parent ? strlen(parent->path) : 0;

	spin_lock(&entries_lock);
	list_for_each(e, &entries, link)
		if (strncmp(e->path, parent ? parent->path : "", n) == 0 && strcmp(e->path + n + (n > 0), name) == 0)
			found = e;
	spin_unlock(&entries_lock);
	proc_remove(found);
}

void *pde_data(const struct inode *i)
{
	const struct proc_file *f = ((struct pnode *)i->priv)->file;

	return f ? ((struct proc_dir_entry *)f->arg)->data : NULL;
}

/* ---- seq_file --------------------------------------------------------------------------------------------------------------- */

static struct seq_file *seq_create(struct file *f)
{
	struct seq_file *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (s) {
		text_init(&s->text, &text_kernel_ops);
		(mutex_init)(&s->lock, "seq_file", LOCK_REPORT);
		f->priv = s;
	}
	return s;
}

int seq_open(struct file *f, const struct seq_operations *op)
{
	struct seq_file *s = seq_create(f);

	if (s)
		s->op = op;
	return s ? 0 : -ENOMEM;
}

int single_open(struct file *f, int (*show)(struct seq_file *s, void *v), void *data)
{
	struct seq_file *s = seq_create(f);

	if (!s)
		return -ENOMEM;
	s->single = show;
	s->private = data;
	return 0;
}

/* The whole text; a driver's list is walked under its own lock, from start() to stop(). */
static int seq_print(struct seq_file *s)
{
	loff_t pos = 0;
	int err = 0;
	void *v;

	text_free(&s->text);
	text_init(&s->text, &text_kernel_ops);
	if (s->single)
		err = s->single(s, NULL);
	else {
		for (v = s->op->start(s, &pos); v && !IS_ERR(v) && err >= 0; v = s->op->next(s, v, &pos)) {
			size_t before = s->text.len;

			err = s->op->show(s, v);
			if (err)
				s->text.len = before;		/* SEQ_SKIP, or an error: not this one */
		}
		err = IS_ERR(v) ? (int)PTR_ERR(v) : min(err, 0);
		s->op->stop(s, v);
	}
	return err ? err : s->text.cut ? -ENOMEM : 0;
}

ssize_t seq_read(struct file *f, char __user *buf, size_t n, loff_t *pos)
{
	struct seq_file *s = f->priv;
	ssize_t done = 0;

	mutex_lock(&s->lock);
	if (!*pos || !s->text.buf)
		done = seq_print(s);
	if (!done && *pos < (loff_t)s->text.len) {
		n = min(n, s->text.len - (size_t)*pos);
		done = copy_to_user(buf, s->text.buf + *pos, n) ? -EFAULT : (ssize_t)n;
		*pos += max(done, (ssize_t)0);
	}
	mutex_unlock(&s->lock);
	return done;
}

loff_t seq_lseek(struct file *f, loff_t off, int whence)
{
	loff_t to = whence == SEEK_SET ? off : whence == SEEK_CUR ? f->pos + off : -1;

	return to < 0 ? -EINVAL : (f->pos = to);
}

int seq_release(struct inode *i, struct file *f)
{
	struct seq_file *s = f->priv;

	if (s) {
		text_free(&s->text);
		kfree(s);
	}
	return 0;
}
