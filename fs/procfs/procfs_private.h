/*
 * procfs_private.h - shared by the files of this folder and sysfs: a tree of named nodes that is made at boot, and files
 * whose text a function prints.
 */
#ifndef PROCFS_PRIVATE_H
#define PROCFS_PRIVATE_H

#include <fs/procfs.h>

/* A name in the static tree. Never freed: one that goes is hidden, and filled anew when it comes again. `file` and `target` NULL: a directory. */
struct pnode {
	struct pnode	*parent;
	struct list	children, sibling;	/* pnode_lock */
	u32		mode, ino;
	const struct proc_file *file;		/* for a directory: what reading it gives */
	const char	*target;		/* symlink */
	int		(*readlink)(char *buf, size_t n);	/* symlink that depends on who asks */
	u32		nr_subdirs;
	bool		changing;		/* a directory whose names may be hidden and shown again */
	bool		hidden;
	u32		name_len;
	char		name[];
};

struct pnode *pnode_root(void);			/* a new, empty tree. Panics: boot time */
struct pnode *pnode_dir(struct pnode *root, const char *path, size_t len);	/* panics */
struct pnode *pnode_add(struct pnode *root, const char *path, u32 mode);	/* panics */
int pnode_try_file(struct pnode *root, const struct proc_file *f) must_check;
int pnode_try_dir(struct pnode *root, const char *path) must_check;
int pnode_try_link(struct pnode *root, const char *path, const char *target) must_check;
void pnode_remove(struct pnode *root, const char *path);
struct pnode *pnode_find(struct pnode *dir, const char *name, u32 len);
struct pnode *pnode_nth(struct pnode *dir, u64 n);	/* NULL past the end */
int pnode_inode(struct super_block *sb, struct pnode *n, struct inode **out) must_check;
/* A file_system_type's mount operation for a tree of pnodes: a new super block with it as the root. 0 or -ENOMEM. */
int pnode_mount(struct file_system_type *t, const struct super_ops *ops, u32 magic, struct pnode *tree, u32 flags, struct super_block **out) must_check;
int pnode_lookup(struct inode *dir, struct dentry *d);
/* A number with its sign; behind it the end, a line end or a blank. 0 or -EINVAL. */
int sysctl_parse(const char *buf, bool *negative, u64 *v);
int pseudo_setattr(struct inode *i, const struct iattr *a);
/* "." ".." and the node's children from ctx->pos; *full: the caller's buffer is. Positions below PNODE_POS_END. */
#define PNODE_POS_END 0x10000
int pnode_iterate(struct file *f, struct pnode *dir, struct dir_context *ctx, bool *full);

/* Which process or thread; survives the reuse of its number. */
struct task_id {
	int	pid, tid;	/* tid 0: the process itself */
	u64	start;
};
struct task *task_id_get(const struct task_id *id);	/* reference, NULL when it is gone */

/* Text files: priv of an open file. Exactly one of file and pid_file. */
int text_open(struct file *f, const struct proc_file *pf, const struct proc_pid_file *pid_pf, const struct task_id *id);
extern const struct file_ops text_fops;

/* pressure.c: operations of files that show a group's stalls; f->priv is theirs. */
struct psi_group;
ssize_t pressure_read_group(struct psi_group *g, struct io_iter *to, loff_t *pos);
ssize_t pressure_write_group(struct psi_group *g, struct file *f, struct io_iter *from);
u32 pressure_poll(struct file *f, struct poll_table *pt);
void pressure_release(struct file *f);

/* pid.c: the dynamic part of the root. */
int pid_lookup(struct inode *root, struct dentry *d);
int pid_iterate(struct dir_context *ctx);
void pid_evict(struct inode *i);
bool inode_is_pid(const struct inode *i);

#endif
