/*
 * exec.h - what the parts of execve share. Private to proc/.
 */
#ifndef PROC_EXEC_H
#define PROC_EXEC_H

#include <abi/elf.h>
#include <fs/fs.h>
#include <kernel/cred.h>
#include <mm/mm.h>

#define EXEC_HEAD_BYTES		256		/* of the file, to tell its format */
#define EXEC_MAX_SCRIPTS	5		/* an interpreter that is a script that … */
#define EXEC_MAX_STRING		(32 * PAGE_SIZE)	/* MAX_ARG_STRLEN */

/*
 * One execve in the making. Everything in here is private to the caller until exec_commit(): a failure before
 * that leaves the old program as it was.
 */
struct exec {
	/* what to run */
	struct file	*file;		/* the program, or its #! interpreter; writes denied */
	char		*path;		/* as the caller named it: AT_EXECFN, comm */
	u8		head[EXEC_HEAD_BYTES + 1];
	size_t		head_len;
	unsigned	depth;		/* scripts so far */

	/* strings that scripts put before the caller's arguments; kmalloc'ed */
	char		*prefix[2 * EXEC_MAX_SCRIPTS + 1];
	unsigned	nr_prefix;
	bool		drop_argv0;

	/* the caller's strings, still in its memory */
	const char __user *const __user *argv, *const __user *envp;
	const char *const *kernel_env;	/* instead of envp, for init; NULL-terminated */
	unsigned	nr_kernel_env;
	int		argc, envc;
	size_t		string_bytes;

	/* the new program */
	struct mm	*mm;
	struct cred	*cred;
	bool		secure;		/* set-id: AT_SECURE */
	bool		exec_stack;
	vaddr_t		entry;		/* first instruction: the interpreter's when there is one */
	vaddr_t		program_entry, phdr, interp_base;
	u16		phnum;
	vaddr_t		sp;
	vaddr_t		arg_start, env_start, env_end, execfn;
};

/* proc/elf.c: map e->file (and its interpreter) into e->mm. 0, -ENOEXEC when it is no ELF for us, or another errno. */
int elf_load(struct exec *e) must_check;
/* proc/exec_stack.c: count strings; copy them; build argc, argv, envp, auxv. 0 or -E2BIG, -EFAULT, -ENOMEM. */
int exec_count_strings(struct exec *e) must_check;
int exec_build_stack(struct exec *e) must_check;
/* proc/exec.c: open a program by path for execution: permissions, ETXTBSY. */
int exec_open(const struct path *where, struct file **out) must_check;
void exec_close(struct file *f);

/* proc/vdso.c: give a new address space the vDSO and its data page; sets mm->vdso. 0 or -ENOMEM. */
int vdso_map(struct mm *mm) must_check;
/* Run a program from the kernel, with kernel strings: how process 1 starts. 0: the task's frame is the program's. */
int kernel_execve(const char *path, const char *const *argv, const char *const *envp) must_check;

bool exec_aslr(void);		/* addresses of the new program are random */

#endif
