/*
 * exec.c - execve(2): replace the program of a process.
 *
 * LIFE        open and check -> read the head -> count strings -> follow #! -> map ELF into a new mm -> build its stack
 *             -> commit: other threads die, the old mm goes, signal handlers and close-on-exec files are dropped.
 * INVARIANTS  E1 until exec_commit() nothing of the running program has changed, so every error is returned to it. Linux
 *             has a point of no return before mapping and kills instead; ours comes after all that can fail but one
 *             wait for the other threads.
 * LOCKS       none across the whole; the pieces take their own.
 * LINUX       a script's interpreter may be a script, five deep; then ELOOP. An empty argv gets one empty string.
 * SOURCE      execve(2), credentials(7).
 * READ NEXT   proc/elf.c, proc/exec_stack.c
 */
#include <arch/thread.h>
#include <kernel/printk.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <linux/personality.h>
#include <mm/slab.h>
#include <proc/process.h>

#include "exec.h"
#include "ptrace.h"

/* ---- opening ---- */

int exec_open(const struct path *where, struct file **out)
{
	struct inode *inode = where->dentry->inode;
	struct file *f;
	int err;

	if (!S_ISREG(inode->mode))
		return -EACCES;
	err = inode_permission(inode, MAY_EXEC);
	if (err)
		return err;
	if (mount_flags(where->mnt) & MS_NOEXEC)
		return -EACCES;
	err = file_open_path(where, O_RDONLY | O_LARGEFILE, &f);
	if (err)
		return err;
	err = file_deny_write(f);
	if (err) {
		file_put(f);
		return err;
	}
	*out = f;
	return 0;
}

void exec_close(struct file *f)
{
	if (!f)
		return;
	file_allow_write(f);
	file_put(f);
}

void exe_file_release(struct file *f)
{
	exec_close(f);
}

int exe_file_dup(struct file *f)
{
	int err = file_deny_write(f);

	if (!err)
		file_get(f);
	return err;
}

static int exec_read_head(struct exec *e)
{
	ssize_t n;

	memset(e->head, 0, sizeof(e->head));
	n = file_read_kernel(e->file, e->head, EXEC_HEAD_BYTES, 0);
	if (n < 0)
		return (int)n;
	e->head_len = n;
	return 0;
}

/* ---- scripts ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * Parse "#! interpreter [argument]". The line ends at a newline or at the end of what was read; an interpreter name cut by that is
 * an error, a cut argument is not. 0, or -ENOEXEC.
 */
static int script_parse(const struct exec *e, const char **interp, size_t *interp_len, const char **arg, size_t *arg_len)
{
	const char *p = (const char *)e->head + 2, *end = memchr(p, '\n', e->head_len - 2);
	bool cut = !end;

	if (!end)
		end = (const char *)e->head + strnlen((const char *)e->head, e->head_len);
	while (p < end && is_blank(*p))
		p++;
	*interp = p;
	while (p < end && !is_blank(*p) && *p)
		p++;
	*interp_len = p - *interp;
	if (!*interp_len || (cut && p == end && e->head_len == EXEC_HEAD_BYTES))
		return -ENOEXEC;
	while (p < end && is_blank(*p))
		p++;
	while (end > p && (is_blank(end[-1]) || end[-1] == '\0'))
		end--;
	*arg = p;
	*arg_len = end - p;
	return 0;
}

static char *dup_bytes(const char *s, size_t n)
{
	char *d = kmalloc(n + 1, GFP_KERNEL);

	if (d) {
		memcpy(d, s, n);
		d[n] = '\0';
	}
	return d;
}

/* Put `interp [arg] script` in front, in place of what was argument 0. */
static int script_prefix(struct exec *e, char *interp, char *arg, const char *script)
{
	char *name = kstrdup(script, GFP_KERNEL);
	unsigned add = arg ? 3 : 2, keep = e->nr_prefix ? e->nr_prefix - 1 : 0;

	if (!name)
		return -ENOMEM;
	if (e->nr_prefix)
		kfree(e->prefix[0]);
	memmove(&e->prefix[add], &e->prefix[1], keep * sizeof(e->prefix[0]));
	e->prefix[0] = interp;
	if (arg)
		e->prefix[1] = arg;
	e->prefix[add - 1] = name;
	e->nr_prefix = keep + add;
	return 0;
}

/* The file is a script: replace it by its interpreter. */
static int exec_follow_script(struct exec *e)
{
	const char *interp, *arg, *script = e->nr_prefix ? e->prefix[0] : e->path;
	char *interp_str, *arg_str = NULL;
	size_t interp_len, arg_len;
	struct path where;
	int err;

	if (e->depth++ >= EXEC_MAX_SCRIPTS)
		return -ELOOP;
	err = script_parse(e, &interp, &interp_len, &arg, &arg_len);
	if (err)
		return err;
	interp_str = dup_bytes(interp, interp_len);
	if (arg_len)
		arg_str = dup_bytes(arg, arg_len);
	err = -ENOMEM;
	if (!interp_str || (arg_len && !arg_str))
		goto free_strings;
	err = script_prefix(e, interp_str, arg_str, script);
	if (err)
		goto free_strings;
	/* From here the strings belong to e->prefix. */
	exec_close(e->file);
	e->file = NULL;
	e->drop_argv0 = true;
	err = path_lookup(AT_FDCWD, interp_str, LOOKUP_FOLLOW, &where);
	if (err)
		return err;
	err = exec_open(&where, &e->file);
	path_put(where);
	return err ? err : exec_read_head(e);
free_strings:
	kfree(interp_str);
	kfree(arg_str);
	return err;
}

/* ---- credentials ---- */

/* Set-user-ID and set-group-ID of the program file; capabilities follow root. credentials(7), capabilities(7). */
static int exec_prepare_creds(struct exec *e)
{
	const struct inode *inode = e->file->inode;
	struct cred *c = cred_copy(current->cred, current->cred->nr_groups);

	if (!c)
		return -ENOMEM;
	e->cred = c;
	/* Under a debugger nobody gains rights that the debugger would then have. */
	if (!current->no_new_privs && !trace_limits_exec() && !(mount_flags(e->file->path.mnt) & MS_NOSUID)) {
		if (inode->mode & S_ISUID)
			c->euid = inode->uid;
		if ((inode->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
			c->egid = inode->gid;
	}
	c->suid = c->fsuid = c->euid;
	c->sgid = c->fsgid = c->egid;
	if (c->euid == 0 || c->uid == 0)
		c->cap_permitted = c->cap_bounding | c->cap_inheritable;
	else
		c->cap_permitted = c->cap_ambient;
	c->cap_effective = c->euid == 0 ? c->cap_permitted : c->cap_ambient;
	e->secure = c->uid != c->euid || c->gid != c->egid;
	return 0;
}

/* ---- the whole ---- */

static void exec_free(struct exec *e)
{
	for (unsigned i = 0; i < e->nr_prefix; i++)
		kfree(e->prefix[i]);
	exec_close(e->file);
	if (e->mm)
		mm_put(e->mm);
	if (e->cred)
		cred_put(e->cred);
	kfree(e->path);
	kfree(e);
}

/* comm: the last part of the path the caller gave, also for scripts. */
static void exec_set_comm(const char *path)
{
	const char *slash = strrchr(path, '/');

	strscpy(current->comm, slash ? slash + 1 : path, TASK_COMM_LEN);
	ledger_owner_rename(current->owner, current->comm);
}

/* Nothing in here fails except waiting for the other threads. */
static int exec_commit(struct exec *e)
{
	struct mm *old = current->mm;
	int err, old_tid = current->tid;

	err = process_exec_single();
	if (err)
		return err;
	task_mm_release(current);
	spin_lock(siglock(current->process));	/* task_get_mm() of others */
	current->mm = e->mm;
	spin_unlock(siglock(current->process));
	mm_activate(e->mm);
	e->mm = NULL;
	if (old)
		mm_put(old);
	files_close_on_exec(current->files);
	signal_exec_reset();
	timers_exec_reset();
	cred_put(current->cred);
	cred_put(current->real_cred);
	current->cred = e->cred;
	current->real_cred = cred_get(e->cred);
	e->cred = NULL;
	current->flags &= ~(TF_FORKNOEXEC | TF_KTHREAD);
	current->may_fail = !current->process->is_init;
	exec_set_comm(e->path);
	process_exec_done(e->secure);
	if (e->secure)
		current->process->personality &= ~ADDR_NO_RANDOMIZE;
	arch_exec_start(current->frame, e->entry, e->sp);
	if (unlikely(current->tracer))
		trace_exec(old_tid);
	return 0;
}

/* Debuggers ask for the same addresses each time. */
bool exec_aslr(void)
{
	return sysctl_randomize_va_space && !(current->process->personality & ADDR_NO_RANDOMIZE);
}

/* Load e->file, following scripts, into a fresh address space. */
static int exec_load(struct exec *e)
{
	int err;

	while (e->head_len >= 2 && e->head[0] == '#' && e->head[1] == '!') {
		err = exec_follow_script(e);
		if (err)
			return err;
	}
	err = exec_prepare_creds(e);
	if (err)
		return err;
	e->mm = mm_create();
	if (!e->mm)
		return -ENOMEM;
	e->mm->owner = current->owner;
	mm_set_layout(e->mm, task_rlimit(current, RLIMIT_STACK), exec_aslr());
	err = elf_load(e);
	if (!err)
		err = vdso_map(e->mm);
	if (!err)
		err = exec_build_stack(e);
	if (err)
		return err;
	e->mm->exe_file = e->file;	/* with its denied write */
	e->file = NULL;
	return 0;
}

/* An empty argument list becomes one empty string: programs that read argv[0] blindly must not run into envp. */
static int exec_fix_empty_argv(struct exec *e)
{
	if (e->argc || e->nr_prefix)
		return 0;
	e->prefix[0] = kstrdup("", GFP_KERNEL);
	if (!e->prefix[0])
		return -ENOMEM;
	e->nr_prefix = 1;
	return 0;
}

/* Execute what `where` names. Consumes path (kmalloc'ed) and e. */
static int exec_run(struct exec *e, const struct path *where)
{
	int err = exec_open(where, &e->file);

	if (!err)
		err = exec_read_head(e);
	if (!err)
		err = exec_count_strings(e);
	if (!err)
		err = exec_fix_empty_argv(e);
	if (!err)
		err = exec_load(e);
	if (!err)
		err = exec_commit(e);
	exec_free(e);
	return err;
}

/* AT_EXECFN for execveat(fd, …): /dev/fd/N or /dev/fd/N/name, as Linux names it. */
static char *exec_fd_path(int fd, char *name)
{
	size_t n = strlen(name) + 32;
	char *p = kmalloc(n, GFP_KERNEL);

	if (p)
		ksnprintf(p, n, name[0] ? "/dev/fd/%d/%s" : "/dev/fd/%d", fd, name);
	kfree(name);
	return p;
}

static int exec_path_from_user(const char __user *upath, bool may_be_empty, char **out)
{
	int err = path_name_from_user(upath, out);

	if (err != -ENOENT || !may_be_empty)
		return err;
	*out = kstrdup("", GFP_KERNEL);
	return *out ? 0 : -ENOMEM;
}

static long do_execveat(int dirfd, const char __user *upath, const char __user *const __user *argv,
			const char __user *const __user *envp, int flags)
{
	unsigned lookup = flags & AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct path where;
	struct exec *e;
	char *name;
	int err;

	if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	err = exec_path_from_user(upath, flags & AT_EMPTY_PATH, &name);
	if (err)
		return err;
	err = path_lookup(dirfd, name, lookup | (flags & AT_EMPTY_PATH ? LOOKUP_EMPTY : 0), &where);
	if (err) {
		kfree(name);
		return err;
	}
	if (S_ISLNK(where.dentry->inode->mode)) {
		path_put(where);
		kfree(name);
		return -ELOOP;
	}
	if (dirfd != AT_FDCWD && name[0] != '/')
		name = exec_fd_path(dirfd, name);
	e = name ? kzalloc(sizeof(*e), GFP_KERNEL) : NULL;
	if (!e) {
		path_put(where);
		kfree(name);
		return -ENOMEM;
	}
	e->path = name;
	e->argv = argv;
	e->envp = envp;
	err = exec_run(e, &where);
	path_put(where);
	return err;
}

SYSCALL(execve, const char __user *path, const char __user *const __user *argv, const char __user *const __user *envp)
{
	return do_execveat(AT_FDCWD, path, argv, envp, 0);
}

SYSCALL(execveat, int dirfd, const char __user *path, const char __user *const __user *argv,
	const char __user *const __user *envp, int flags)
{
	return do_execveat(dirfd, path, argv, envp, flags);
}

/* Defined for init: see proc/init.c. */
int kernel_execve(const char *path, const char *const *argv, const char *const *envp)
{
	struct exec *e = kzalloc(sizeof(*e), GFP_KERNEL);
	struct path where;
	int err = 0;

	if (!e)
		return -ENOMEM;
	e->path = kstrdup(path, GFP_KERNEL);
	if (!e->path)
		err = -ENOMEM;
	for (; *argv && !err; argv++) {
		if (e->nr_prefix == ARRAY_SIZE(e->prefix))
			break;
		e->prefix[e->nr_prefix] = kstrdup(*argv, GFP_KERNEL);
		if (e->prefix[e->nr_prefix])
			e->nr_prefix++;
		else
			err = -ENOMEM;
	}
	e->kernel_env = envp;
	if (!err)
		err = path_lookup(AT_FDCWD, path, LOOKUP_FOLLOW, &where);
	if (err) {
		exec_free(e);
		return err;
	}
	err = exec_run(e, &where);
	path_put(where);
	return err;
}
