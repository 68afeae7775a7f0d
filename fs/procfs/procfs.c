/*
 * procfs.c - /proc: registration, the super block, self and thread-self.
 *
 * SHAPE    a static tree (tree.c) for the machine, processes found by number (pid.c) at its root, and text files (text.c).
 * LIFE     registering works from the first initcall on, whether or not anything is mounted; there is one tree, and each
 *          mount is a view of it.
 */
#include <abi/errno.h>
#include <kernel/cred.h>
#include <kernel/main.h>
#include <kernel/panic.h>
#include <kernel/sched.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <mm/slab.h>

#include "procfs_private.h"

#define PROC_MAGIC	0x9fa0

static struct pnode *proc_tree;

static struct pnode *tree(void)
{
	if (!proc_tree)
		proc_tree = pnode_root();
	return proc_tree;
}

/* ---- registration ---- */

void proc_register(const struct proc_file *f)
{
	pnode_add(tree(), f->path, S_IFREG | f->mode)->file = f;
}

int proc_try_register(const struct proc_file *f)
{
	return pnode_try_file(tree(), f);
}

int proc_try_mkdir(const char *path)
{
	return pnode_try_dir(tree(), path);
}

void proc_unregister(const char *path)
{
	pnode_remove(tree(), path);
}

void proc_register_all(const struct proc_file *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		proc_register(&f[i]);
}

void proc_mkdir(const char *path)
{
	pnode_dir(tree(), path, strlen(path));
}

int proc_symlink(const char *path, const char *target)
{
	pnode_add(tree(), path, S_IFLNK | 0777)->target = target;
	return 0;
}

void proc_directory_text(const char *path, const struct proc_file *f)
{
	pnode_dir(tree(), path, strlen(path))->file = f;
}

/* ---- sysctls ---- */

struct sysctl {
	struct proc_file file;
	void		*value;
	long		lo, hi;
	bool		is_int;
};

static int sysctl_show(struct text *out, void *arg)
{
	struct sysctl *s = arg;

	if (s->is_int)
		text_printf(out, "%d\n", READ_ONCE(*(int *)s->value));
	else
		text_printf(out, "%lu\n", READ_ONCE(*(unsigned long *)s->value));
	return 0;
}

int sysctl_parse(const char *buf, bool *negative, u64 *v)
{
	const char *end;

	while (*buf == ' ' || *buf == '\t')
		buf++;
	*negative = *buf == '-';
	*v = str_to_u64(buf + *negative, &end, 0);
	return end == buf + *negative || (*end && *end != '\n' && *end != ' ' && *end != '\t') ? -EINVAL : 0;
}

static ssize_t sysctl_write(const char *buf, size_t n, void *arg)
{
	struct sysctl *s = arg;
	bool negative;
	u64 v;

	if (sysctl_parse(buf, &negative, &v))
		return -EINVAL;
	if (!s->is_int) {
		if (negative)
			return -EINVAL;
		WRITE_ONCE(*(unsigned long *)s->value, v);
		return n;
	}
	if (v > S32_MAX || (negative ? -(long)v : (long)v) < s->lo || (negative ? -(long)v : (long)v) > s->hi)
		return -EINVAL;
	WRITE_ONCE(*(int *)s->value, negative ? -(int)v : (int)v);
	return n;
}

static void sysctl_register(const char *path, u32 mode, void *value, bool is_int, long lo, long hi)
{
	struct sysctl *s = kzalloc(sizeof(*s), GFP_KERNEL | GFP_NOACCOUNT);

	if (!s)
		panic("no memory for /proc/%s", path);
	*s = (struct sysctl){ .value = value, .is_int = is_int, .lo = lo, .hi = hi,
		.file = { .path = path, .mode = mode, .show = sysctl_show, .write = sysctl_write, .arg = s } };
	proc_register(&s->file);
}

void proc_register_int(const char *path, u32 mode, int *value, int lo, int hi)
{
	sysctl_register(path, mode, value, true, lo, hi);
}

void proc_register_ulong(const char *path, u32 mode, unsigned long *value)
{
	sysctl_register(path, mode, value, false, 0, 0);
}

/* ---- self ---- */

static int self_readlink(char *buf, size_t n)
{
	char num[16];
	int len = kscnprintf(num, sizeof(num), "%d", task_pid(current));

	len = min(len, (int)n);
	memcpy(buf, num, len);
	return len;
}

static int thread_self_readlink(char *buf, size_t n)
{
	char num[40];
	int len = kscnprintf(num, sizeof(num), "%d/task/%d", task_pid(current), current->tid);

	len = min(len, (int)n);
	memcpy(buf, num, len);
	return len;
}

/* ---- the super block ---- */

static int proc_statfs(struct super_block *sb, struct statfs_k *st)
{
	st->type = PROC_MAGIC;
	st->bsize = st->frsize = PAGE_SIZE;
	st->namelen = 255;
	return 0;
}

static const struct super_ops proc_super_ops = { .statfs = proc_statfs, .evict = pid_evict };

static int proc_mount(struct file_system_type *t, u32 flags, const char *source, const char *data, struct super_block **out)
{
	return pnode_mount(t, &proc_super_ops, PROC_MAGIC, tree(), flags, out);
}

static struct file_system_type proc_type = { .name = "proc", .mount = proc_mount };

static int procfs_init(void)
{
	pnode_add(tree(), "self", S_IFLNK | 0777)->readlink = self_readlink;
	pnode_add(tree(), "thread-self", S_IFLNK | 0777)->readlink = thread_self_readlink;
	fs_register(&proc_type);
	return 0;
}
initcall(procfs_init, 2);
