/*
 * procfs.h - how subsystems put files into /proc (and /sys).
 *
 * A plain entry is a function that prints the whole file into a text buffer at open (first read), as seq_file does for
 * small files. Per-process entries are registered by proc/ in the same way with the process as argument.
 */
#ifndef FS_PROCFS_H
#define FS_PROCFS_H

#include <fs/fs.h>
#include <lib/text.h>

struct module;
struct task;

/* path: "meminfo", "sys/vm/swappiness", "pressure/memory": directories are made on the way. */
struct proc_file {
	const char	*path;
	u32		mode;			/* 0444, 0644 … */
	int		(*show)(struct text *out, void *arg);			/* 0 or -errno */
	ssize_t		(*write)(const char *buf, size_t n, void *arg);	/* NUL-terminated copy; bytes used or -errno */
	const struct file_ops *ops;		/* instead of show/write, for big or seekable files */
	void		*arg;
	struct module	*owner;			/* an open file holds a reference to it; with ops, their release() puts it */
	atomic_t	*opens;			/* may be NULL: open files of it; with ops, their release() counts down */
};
void proc_register(const struct proc_file *f);			/* boot time; panics on failure */
int proc_try_register(const struct proc_file *f) must_check;	/* later: 0, -ENOMEM */
int proc_try_mkdir(const char *path) must_check;
void proc_unregister(const char *path);				/* nobody opens it any more; a directory goes with all below */
void proc_register_all(const struct proc_file *f, unsigned n);
void proc_mkdir(const char *path);
int proc_symlink(const char *path, const char *target);
/* read(2) on the directory itself gives this file's text, as `cat /proc/ledger` does. */
void proc_directory_text(const char *path, const struct proc_file *f);
/* Integer sysctls: min/max checked, -EINVAL outside. */
void proc_register_int(const char *path, u32 mode, int *value, int lo, int hi);
void proc_register_ulong(const char *path, u32 mode, unsigned long *value);

/* Per-process files: under /proc/PID and, with task set, /proc/PID/task/TID too. Registered by proc/. */
struct proc_pid_file {
	const char	*name;
	u32		mode;
	bool		per_task;
	int		(*show)(struct text *out, struct task *t);
	ssize_t		(*write)(const char *buf, size_t n, struct task *t);
	int		(*link)(struct task *t, struct path *out);	/* magic symlink */
	const struct file_ops *ops;		/* f->priv = struct task * with a reference, which ops->release puts */
};
void proc_register_pid(const struct proc_pid_file *files, unsigned n);

/* f is an open /proc/PID directory: its process's leader, with a reference. 0, -EBADF when f is something else, -ESRCH. */
int proc_dir_process(struct file *f, struct task **out) must_check;

/* border, defined by proc/: iterate over processes and threads for readdir and lookup. Return a reference or NULL. */
struct task *proc_find_process(int pid);			/* a leader */
struct task *proc_find_thread(int pid, int tid);		/* pid 0: of whatever process */
struct task *proc_next_process(int after_pid);		/* lowest pid above */
struct task *proc_next_thread(int pid, int after_tid);
void proc_task_owner(struct task *t, u32 *uid, u32 *gid);
struct files *proc_task_files(struct task *t);			/* a reference, or NULL when it exited: for fd/ and fdinfo/ */

unsigned long vmstat_event(const char *name);		/* one number of /proc/vmstat, by its name there */
int oom_report_events(struct text *out);		/* kills so far, each with its table of scores */
/* Time of all tasks so far in ns, tasks ever made, tasks now: for stat and loadavg. */
void proc_totals(u64 *utime, u64 *stime, u64 *forks, unsigned *nr_tasks);
/* The process whose /proc/PID directory f is, with a reference; NULL when f is something else or the process is gone. */
struct task *proc_dir_task(const struct file *f);

/* The same for sysfs: path below /sys. */
void sysfs_register(const struct proc_file *f);
int sysfs_try_register(const struct proc_file *f) must_check;
int sysfs_try_mkdir(const char *path) must_check;
int sysfs_try_symlink(const char *path, const char *target) must_check;	/* target stays */
void sysfs_unregister(const char *path);
void sysfs_mkdir(const char *path);			/* names in it may be hidden later */
void sysfs_hide(const char *path, bool hide);		/* a directory inside one of those */

#endif
