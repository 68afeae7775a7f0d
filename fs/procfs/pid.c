/*
 * pid.c - /proc/PID, /proc/PID/task/TID and what is below: made when looked up, gone when nobody uses them.
 *
 * An inode here holds a task_id (number and start time), never a task: a directory that is open does not keep a dead
 * process, and a reused number is not mistaken for it (ESRCH). Dentries are not cached; listing goes by the number of the
 * last entry, so processes may come and go meanwhile.
 */
#include <abi/errno.h>
#include <kernel/panic.h>
#include <kernel/sched.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <mm/slab.h>

#include "procfs_private.h"

#define PROC_MAGIC	0x9fa0
#define MAX_TABLES	8

enum pid_kind { PID_DIR, PID_TASK_DIR, PID_FD_DIR, PID_FDINFO_DIR, PID_FILE, PID_LINK, PID_FD_LINK, PID_FDINFO_FILE };

struct pid_node {
	struct task_id		id;
	enum pid_kind		kind;
	int			fd;
	const struct proc_pid_file *file;
};

static struct pid_node *node(const struct inode *i)
{
	return i->priv;
}

/* Tables that proc/ registered, in order; an entry's number is its place in all of them. */
static struct { const struct proc_pid_file *files; unsigned nr; } tables[MAX_TABLES];
static unsigned nr_tables;

void proc_register_pid(const struct proc_pid_file *files, unsigned n)
{
	if (nr_tables == MAX_TABLES)
		panic("too many tables of /proc/PID files");
	tables[nr_tables].files = files;
	tables[nr_tables++].nr = n;
}

static const struct proc_pid_file *nth_file(unsigned n, bool thread)
{
	for (unsigned t = 0; t < nr_tables; t++)
		for (unsigned k = 0; k < tables[t].nr; k++) {
			const struct proc_pid_file *f = &tables[t].files[k];

			if ((!thread || f->per_task) && !n--)
				return f;
		}
	return NULL;
}

static unsigned file_number(const struct proc_pid_file *f)
{
	unsigned n = 0;

	for (unsigned t = 0; t < nr_tables; n += tables[t++].nr)
		if (f >= tables[t].files && f < tables[t].files + tables[t].nr)
			return n + (f - tables[t].files);
	return n;
}

struct task *task_id_get(const struct task_id *id)
{
	struct task *t = id->tid ? proc_find_thread(id->pid, id->tid) : proc_find_process(id->pid);

	if (t && t->start_time != id->start) {
		task_put(t);
		t = NULL;
	}
	return t;
}

struct task *proc_dir_task(const struct file *f)
{
	struct inode *i = f->inode;

	if (!i || i->sb->magic != PROC_MAGIC || !inode_is_pid(i) || node(i)->kind != PID_DIR)
		return NULL;
	return task_id_get(&node(i)->id);
}

/* ---- inodes ---- */

static const struct inode_ops pid_dir_iops, pid_task_iops, pid_fd_iops, pid_file_iops, pid_link_iops;
static const struct file_ops pid_dir_fops, pid_task_fops, pid_fd_fops, pid_file_fops;

static u64 pid_ino(const struct pid_node *n)
{
	u64 who = (u64)(n->id.tid ? n->id.tid : n->id.pid);
	u64 what = n->kind == PID_FILE || n->kind == PID_LINK ? 16 + file_number(n->file) :
		   n->kind == PID_FD_LINK || n->kind == PID_FDINFO_FILE ? 0x1000 + n->fd * 2ul + (n->kind == PID_FDINFO_FILE) :
		   (u64)n->kind + 1;

	return (who + 1) << 24 | (n->id.tid != 0) << 23 | what;
}

static void set_ops(struct inode *i, struct pid_node *n)
{
	switch (n->kind) {
	case PID_DIR:
		i->ops = &pid_dir_iops;
		i->fops = &pid_dir_fops;
		i->mode = S_IFDIR | 0555;
		break;
	case PID_TASK_DIR:
		i->ops = &pid_task_iops;
		i->fops = &pid_task_fops;
		i->mode = S_IFDIR | 0555;
		break;
	case PID_FD_DIR:
	case PID_FDINFO_DIR:
		i->ops = &pid_fd_iops;
		i->fops = &pid_fd_fops;
		i->mode = S_IFDIR | (n->kind == PID_FD_DIR ? 0500 : 0555);
		break;
	case PID_LINK:
	case PID_FD_LINK:
		i->ops = &pid_link_iops;
		i->mode = S_IFLNK | 0777;
		break;
	case PID_FILE:
	case PID_FDINFO_FILE:
		i->ops = &pid_file_iops;
		i->fops = &pid_file_fops;
		i->mode = S_IFREG | (n->file ? n->file->mode : 0444);
		break;
	}
	i->nlink = S_ISDIR(i->mode) ? 2 : 1;
}

/* Consumes t. Gives d an inode for that entry of t. */
static int instantiate(struct inode *dir, struct dentry *d, struct task *t, struct pid_node proto)
{
	struct pid_node *n = kmalloc(sizeof(*n), GFP_KERNEL);
	struct inode *i = n ? inode_alloc(dir->sb) : NULL;

	if (!i) {
		kfree(n);
		task_put(t);
		return -ENOMEM;
	}
	*n = proto;
	n->id.start = t->start_time;
	i->priv = n;
	i->ino = pid_ino(n);
	set_ops(i, n);
	proc_task_owner(t, &i->uid, &i->gid);
	task_put(t);
	d->flags |= DCACHE_NOCACHE;
	d_instantiate(d, i);
	return 0;
}

int proc_dir_process(struct file *f, struct task **out)
{
	if (f->inode->ops != &pid_dir_iops || node(f->inode)->kind != PID_DIR || node(f->inode)->id.tid)
		return -EBADF;
	*out = task_id_get(&node(f->inode)->id);
	return *out ? 0 : -ESRCH;
}

/* An error, not a negative dentry: creating a name here is ENOENT, as on Linux. */
static int absent(struct dentry *d)
{
	return -ENOENT;
}

bool inode_is_pid(const struct inode *i)
{
	return i->ops == &pid_dir_iops || i->ops == &pid_task_iops || i->ops == &pid_fd_iops || i->ops == &pid_file_iops ||
	       i->ops == &pid_link_iops;
}

void pid_evict(struct inode *i)
{
	if (inode_is_pid(i))
		kfree(i->priv);
}

/* A decimal number without leading zeros; -1 otherwise. */
static long name_number(const struct dentry *d)
{
	long v = 0;

	if (!d->name.len || d->name.len > 9 || (d->name.name[0] == '0' && d->name.len > 1))
		return -1;
	for (unsigned k = 0; k < d->name.len; k++) {
		unsigned digit = d->name.name[k] - '0';

		if (digit > 9)
			return -1;
		v = v * 10 + digit;
	}
	return v;
}

/* ---- lookup ---- */

int pid_lookup(struct inode *root, struct dentry *d)
{
	long pid = name_number(d);
	struct task *t = pid > 0 ? proc_find_process(pid) : NULL;

	if (!t && pid > 0) {
		t = proc_find_thread(0, pid);	/* a thread's number works too, though it is not listed */
		if (t)
			return instantiate(root, d, t, (struct pid_node){ .kind = PID_DIR, .id = { task_pid(t), pid, 0 } });
	}
	return t ? instantiate(root, d, t, (struct pid_node){ .kind = PID_DIR, .id = { pid, 0, 0 } }) : absent(d);
}

static bool name_is(const struct dentry *d, const char *s)
{
	return d->name.len == strlen(s) && !memcmp(d->name.name, s, d->name.len);
}

static const struct proc_pid_file *find_file(const struct dentry *d, bool thread)
{
	const struct proc_pid_file *f;

	for (unsigned k = 0; (f = nth_file(k, thread)); k++)
		if (name_is(d, f->name))
			return f;
	return NULL;
}

static int pid_dir_lookup(struct inode *dir, struct dentry *d)
{
	struct pid_node *n = node(dir), proto = { .id = n->id };
	struct task *t = task_id_get(&n->id);

	if (!t)
		return -ESRCH;
	if (name_is(d, "fd")) {
		proto.kind = PID_FD_DIR;
	} else if (name_is(d, "fdinfo")) {
		proto.kind = PID_FDINFO_DIR;
	} else if (name_is(d, "task") && !n->id.tid) {
		proto.kind = PID_TASK_DIR;
	} else {
		proto.file = find_file(d, n->id.tid != 0);
		if (!proto.file) {
			task_put(t);
			return absent(d);
		}
		proto.kind = proto.file->link ? PID_LINK : PID_FILE;
	}
	return instantiate(dir, d, t, proto);
}

static int pid_task_lookup(struct inode *dir, struct dentry *d)
{
	int pid = node(dir)->id.pid;
	long tid = name_number(d);
	struct task *t = tid > 0 ? proc_find_thread(pid, tid) : NULL;

	return t ? instantiate(dir, d, t, (struct pid_node){ .kind = PID_DIR, .id = { pid, tid, 0 } }) : absent(d);
}

static int task_file(const struct pid_node *n, int fd, struct file **out)
{
	struct task *t = task_id_get(&n->id);
	struct files *fs;

	if (!t)
		return -ESRCH;
	fs = proc_task_files(t);
	task_put(t);
	if (!fs)
		return -ENOENT;
	*out = files_get_file(fs, fd);
	files_put(fs);
	return *out ? 0 : -ENOENT;
}

static int pid_fd_lookup(struct inode *dir, struct dentry *d)
{
	struct pid_node *n = node(dir), proto = { .id = n->id };
	long fd = name_number(d);
	struct inode *i;
	struct file *f;
	struct task *t;
	int err;

	if (fd < 0 || task_file(n, fd, &f))
		return absent(d);
	t = task_id_get(&n->id);
	if (!t) {
		file_put(f);
		return -ESRCH;
	}
	proto.fd = fd;
	proto.kind = n->kind == PID_FD_DIR ? PID_FD_LINK : PID_FDINFO_FILE;
	err = instantiate(dir, d, t, proto);
	if (!err && proto.kind == PID_FD_LINK) {	/* the link's bits say how it is open */
		i = d->inode;
		i->mode = S_IFLNK | (f->mode & FMODE_READ ? 0500 : 0) | (f->mode & FMODE_WRITE ? 0300 : 0);
	}
	file_put(f);
	return err;
}

static const struct inode_ops pid_dir_iops = { .lookup = pid_dir_lookup, .setattr = pseudo_setattr };
static const struct inode_ops pid_task_iops = { .lookup = pid_task_lookup, .setattr = pseudo_setattr };
static const struct inode_ops pid_fd_iops = { .lookup = pid_fd_lookup, .setattr = pseudo_setattr };
static const struct inode_ops pid_file_iops = { .setattr = pseudo_setattr };

/* ---- links ---- */

static int pid_follow(struct inode *i, struct path *out)
{
	struct pid_node *n = node(i);
	struct task *t;
	struct file *f;
	int err;

	if (n->kind == PID_FD_LINK) {
		err = task_file(n, n->fd, &f);
		if (err)
			return err;
		*out = path_get(f->path);
		file_put(f);
		return 0;
	}
	t = task_id_get(&n->id);
	if (!t)
		return -ESRCH;
	err = n->file->link(t, out);
	task_put(t);
	return err;
}

static int pid_readlink(struct inode *i, char *buf, size_t n)
{
	struct path p;
	char *page, *name;
	int err = pid_follow(i, &p);

	if (err)
		return err;
	page = kmalloc(PATH_MAX, GFP_KERNEL);
	name = page ? path_name(&p, current->fs ? &current->fs->root : NULL, page, PATH_MAX) : NULL;
	if (name) {
		err = min(strlen(name), n);
		memcpy(buf, name, err);
	} else {
		err = page ? -ENAMETOOLONG : -ENOMEM;
	}
	kfree(page);
	path_put(p);
	return err;
}

static const struct inode_ops pid_link_iops = { .readlink = pid_readlink, .follow = pid_follow, .setattr = pseudo_setattr };

/* ---- files ---- */

static int fdinfo_show(struct text *out, void *arg)
{
	struct pid_node *n = arg;
	struct file *f;
	int err = task_file(n, n->fd, &f);

	if (err)
		return err;
	text_printf(out, "pos:\t%lld\nflags:\t0%o\nmnt_id:\t%d\nino:\t%llu\n", (long long)f->pos, f->flags, 0,
		    (unsigned long long)(f->inode ? f->inode->ino : 0));
	if (f->ops->fdinfo)
		f->ops->fdinfo(f, out);
	file_put(f);
	return 0;
}

/* fdinfo: printed once at open into the text machinery through a proc_file of its own. */
struct fdinfo_file {
	struct proc_file file;
	struct pid_node	node;
};

static void fdinfo_release(struct file *f);
static const struct file_ops fdinfo_fops;

static int fdinfo_open(struct file *f, const struct pid_node *n)
{
	struct fdinfo_file *x = kzalloc(sizeof(*x), GFP_KERNEL);
	int err;

	if (!x)
		return -ENOMEM;
	x->node = *n;
	x->file = (struct proc_file){ .show = fdinfo_show, .arg = &x->node };
	err = text_open(f, &x->file, NULL, NULL);
	if (err) {
		kfree(x);
		return err;
	}
	f->ops = &fdinfo_fops;
	return 0;
}

static void fdinfo_release(struct file *f)
{
	const struct proc_file *pf = *(const struct proc_file **)f->priv;	/* text_file's first member */

	text_fops.release(f);
	kfree(container_of(pf, struct fdinfo_file, file));
}

static ssize_t fdinfo_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	return text_fops.read(f, to, pos);
}

static const struct file_ops fdinfo_fops = { .read = fdinfo_read, .release = fdinfo_release };

static int pid_file_open(struct inode *i, struct file *f)
{
	struct pid_node *n = node(i);
	struct task *t;
	int err;

	if (n->kind == PID_FDINFO_FILE)
		return fdinfo_open(f, n);
	if (!n->file->ops)
		return text_open(f, NULL, n->file, &n->id);
	t = task_id_get(&n->id);
	if (!t)
		return -ESRCH;
	f->ops = n->file->ops;
	f->priv = t;
	err = f->ops->open ? f->ops->open(i, f) : 0;
	if (err)
		task_put(t);
	return err;
}

static const struct file_ops pid_file_fops = { .open = pid_file_open };

/* ---- directories ---- */

static bool emit_dots(struct dir_context *ctx, u64 ino, u64 parent)
{
	if (ctx->pos == 0) {
		if (!ctx->emit(ctx, ".", 1, 0, ino, 4))
			return false;
		ctx->pos = 1;
	}
	if (ctx->pos == 1) {
		if (!ctx->emit(ctx, "..", 2, 1, parent, 4))
			return false;
		ctx->pos = 2;
	}
	return true;
}

static bool emit_number(struct dir_context *ctx, long v, u64 ino, unsigned type)
{
	char name[16];
	int len = kscnprintf(name, sizeof(name), "%ld", v);

	return ctx->emit(ctx, name, len, ctx->pos, ino, type);
}

/* Processes, after the static part of the root: position PNODE_POS_END + the last pid shown. */
int pid_iterate(struct dir_context *ctx)
{
	struct task *t;

	while ((t = proc_next_process(ctx->pos - PNODE_POS_END))) {
		int pid = task_pid(t);
		struct pid_node n = { .kind = PID_DIR, .id = { pid, 0, 0 } };

		task_put(t);
		if (!emit_number(ctx, pid, pid_ino(&n), 4))
			return 0;
		ctx->pos = PNODE_POS_END + pid;
	}
	return 0;
}

static bool emit_fixed(struct dir_context *ctx, const struct pid_node *n, unsigned k)
{
	static const struct { const char *name; enum pid_kind kind; } dirs[] = {
		{ "task", PID_TASK_DIR }, { "fd", PID_FD_DIR }, { "fdinfo", PID_FDINFO_DIR } };
	struct pid_node e = { .id = n->id, .kind = dirs[k].kind };

	if (k == 0 && n->id.tid)
		return true;
	return ctx->emit(ctx, dirs[k].name, strlen(dirs[k].name), ctx->pos, pid_ino(&e), 4);
}

static int pid_dir_iterate(struct file *f, struct dir_context *ctx)
{
	struct pid_node *n = node(f->inode);
	const struct proc_pid_file *pf;

	if (!emit_dots(ctx, f->inode->ino, 1))
		return 0;
	for (; ctx->pos < 5; ctx->pos++)
		if (!emit_fixed(ctx, n, ctx->pos - 2))
			return 0;
	for (; (pf = nth_file(ctx->pos - 5, n->id.tid != 0)); ctx->pos++) {
		struct pid_node e = { .id = n->id, .file = pf, .kind = pf->link ? PID_LINK : PID_FILE };

		if (!ctx->emit(ctx, pf->name, strlen(pf->name), ctx->pos, pid_ino(&e), pf->link ? 10 : 8))
			return 0;
	}
	return 0;
}

static int pid_task_iterate(struct file *f, struct dir_context *ctx)
{
	int pid = node(f->inode)->id.pid;
	struct task *t;

	if (!emit_dots(ctx, f->inode->ino, f->inode->ino))
		return 0;
	while ((t = proc_next_thread(pid, ctx->pos - 2))) {
		struct pid_node e = { .kind = PID_DIR, .id = { pid, t->tid, 0 } };
		int tid = t->tid;

		task_put(t);
		if (!emit_number(ctx, tid, pid_ino(&e), 4))
			return 0;
		ctx->pos = 2 + tid;
	}
	return 0;
}

static int pid_fd_iterate(struct file *f, struct dir_context *ctx)
{
	struct pid_node *n = node(f->inode);
	struct task *t;
	struct files *fs;
	int fd;

	if (!emit_dots(ctx, f->inode->ino, f->inode->ino))
		return 0;
	t = task_id_get(&n->id);
	if (!t)
		return -ENOENT;
	fs = proc_task_files(t);
	task_put(t);
	if (!fs)
		return 0;
	while ((fd = files_next_fd(fs, ctx->pos - 2)) >= 0) {
		struct pid_node e = { .id = n->id, .fd = fd, .kind = n->kind == PID_FD_DIR ? PID_FD_LINK : PID_FDINFO_FILE };

		if (!emit_number(ctx, fd, pid_ino(&e), n->kind == PID_FD_DIR ? 10 : 8))
			break;
		ctx->pos = fd + 3;
	}
	files_put(fs);
	return 0;
}

static loff_t dir_llseek(struct file *f, loff_t off, int whence)
{
	loff_t pos = whence == SEEK_SET ? off : whence == SEEK_CUR ? f->pos + off : -1;

	if (pos < 0)
		return -EINVAL;
	return f->pos = pos;
}

static const struct file_ops pid_dir_fops = { .iterate = pid_dir_iterate, .llseek = dir_llseek };
static const struct file_ops pid_task_fops = { .iterate = pid_task_iterate, .llseek = dir_llseek };
static const struct file_ops pid_fd_fops = { .iterate = pid_fd_iterate, .llseek = dir_llseek };
