/*
 * exec_stack.c - the first stack of a program: strings, auxiliary vector, environment, arguments.
 *
 *	top    8 bytes of 0
 *	       the path given to execve             <- AT_EXECFN
 *	       environment strings                  <- env_start
 *	       argument strings                     <- arg_start
 *	       "x86_64", 16 random bytes            <- AT_PLATFORM, AT_RANDOM
 *	       auxiliary vector, envp[], argv[], argc   <- rsp, 16-byte aligned
 *
 * The strings are still in the caller's memory: they are measured first, then streamed through one bounce page
 * into the new address space, lowest address first, so that the copy needs no memory in proportion to them. Another
 * thread of the caller may change them in between; what was measured bounds the copy.
 *
 * SOURCE      System V ABI, AMD64 supplement, section 3.4.1; execve(2) for the limits; getauxval(3).
 */
#include <abi/resource.h>
#include <arch/elf.h>
#include <kernel/panic.h>
#include <kernel/random.h>
#include <lib/string.h>
#include <mm/slab.h>
#include <proc/process.h>

#include "exec.h"

#define STACK_RANDOM_PAGES	0x3fffff	/* 34 bits of address, as on Linux */

/* Count a NULL-terminated user array of strings and the bytes they need, NULs included. */
static int strings_measure(const char __user *const __user *array, int *count, size_t *bytes, size_t limit)
{
	*count = 0;
	if (!array)
		return 0;
	for (;;) {
		const char __user *s;
		size_t len;

		if (get_user(s, &array[*count]))
			return -EFAULT;
		if (!s)
			return 0;
		len = strnlen_user(s, EXEC_MAX_STRING);
		if (len == 0)
			return -EFAULT;
		if (len > EXEC_MAX_STRING)
			return -E2BIG;
		*bytes += len;
		(*count)++;
		if (*bytes + (size_t)*count * sizeof(void *) > limit)
			return -E2BIG;
		if ((*count & 255) == 0) {
			cond_resched();
			if (fatal_signal_pending())
				return -EINTR;
		}
	}
}

/* A quarter of the stack limit, at least 128 KiB, at most 6 MiB: execve(2). */
static size_t exec_string_limit(void)
{
	unsigned long stack = task_rlimit(current, RLIMIT_STACK);

	return clamp(stack / 4, 32 * PAGE_SIZE, (unsigned long)MIB(6));
}

int exec_count_strings(struct exec *e)
{
	size_t limit = exec_string_limit();
	int err;

	e->string_bytes = 0;
	for (const char *const *s = e->kernel_env; s && *s; s++) {
		e->string_bytes += strlen(*s) + 1;
		e->nr_kernel_env++;
	}
	err = strings_measure(e->argv, &e->argc, &e->string_bytes, limit);
	if (!err)
		err = strings_measure(e->envp, &e->envc, &e->string_bytes, limit - e->argc * sizeof(void *));
	return err;
}

/* Writes upwards into another address space through one page. */
struct stream {
	struct mm	*mm;
	vaddr_t		at;		/* where buf[0] goes */
	vaddr_t		end;		/* never write at or past this */
	char		*buf;		/* one page */
	size_t		fill;
};

static vaddr_t stream_pos(const struct stream *s)
{
	return s->at + s->fill;
}

static int stream_flush(struct stream *s)
{
	if (s->fill && mm_access(s->mm, s->at, s->buf, s->fill, true, true) != (ssize_t)s->fill)
		return -ENOMEM;
	s->at += s->fill;
	s->fill = 0;
	return 0;
}

static int stream_put(struct stream *s, const void *data, size_t n)
{
	const char *p = data;

	if (n > s->end - stream_pos(s))
		return -E2BIG;
	while (n) {
		size_t part = min(n, PAGE_SIZE - s->fill);

		memcpy(s->buf + s->fill, p, part);
		s->fill += part;
		p += part;
		n -= part;
		if (s->fill == PAGE_SIZE && stream_flush(s))
			return -ENOMEM;
	}
	return 0;
}

/* Append one user string with its NUL. -EFAULT when it changed so that no NUL is left in the measured room. */
static int stream_put_user_string(struct stream *s, const char __user *str)
{
	for (;;) {
		size_t room = min((size_t)(s->end - stream_pos(s)), PAGE_SIZE - s->fill);
		ssize_t n;

		if (!room)
			return -EFAULT;
		n = strncpy_from_user(s->buf + s->fill, str, room);
		if (n < 0)
			return (int)n;
		if ((size_t)n < room) {
			s->fill += n + 1;
			return s->fill == PAGE_SIZE ? stream_flush(s) : 0;
		}
		s->fill += n;
		str += n;
		if (s->fill == PAGE_SIZE && stream_flush(s))
			return -ENOMEM;
	}
}

/* Strings first … count-1 of a user array; their places go to starts[]. */
static int stream_put_user_strings(struct stream *s, const char __user *const __user *array, int first, int count,
				   vaddr_t *starts)
{
	for (int i = first; i < count; i++) {
		const char __user *str;
		int err;

		if (get_user(str, &array[i]) || !str)
			return -EFAULT;
		*starts++ = stream_pos(s);
		err = stream_put_user_string(s, str);
		if (err)
			return err;
	}
	return 0;
}

/* The caller's arguments that survive: all, or without argv[0] for a script. */
static unsigned caller_args(const struct exec *e)
{
	return e->argc - (e->drop_argv0 && e->argc ? 1 : 0);
}

static size_t prefix_bytes(const struct exec *e)
{
	size_t n = 0;

	for (unsigned i = 0; i < e->nr_prefix; i++)
		n += strlen(e->prefix[i]) + 1;
	return n;
}

/*
 * Lay the strings down, ending at `top`. With a script the caller's argv[0] makes way for the prefix, so the measured bytes
 * may be more than needed: the gap then lies between the environment and the path, which nothing reads.
 */
static int put_strings(struct exec *e, struct stream *s, vaddr_t top, vaddr_t *starts)
{
	size_t path_len = strlen(e->path) + 1;
	int err = 0;

	e->execfn = top - sizeof(u64) - path_len;
	s->at = e->execfn - e->string_bytes - prefix_bytes(e);
	s->end = e->execfn;
	e->arg_start = s->at;
	for (unsigned i = 0; i < e->nr_prefix && !err; i++) {
		*starts++ = stream_pos(s);
		err = stream_put(s, e->prefix[i], strlen(e->prefix[i]) + 1);
	}
	if (!err)
		err = stream_put_user_strings(s, e->argv, e->drop_argv0, e->argc, starts);
	starts += caller_args(e);
	e->env_start = stream_pos(s);
	for (unsigned i = 0; i < e->nr_kernel_env && !err; i++) {
		*starts++ = stream_pos(s);
		err = stream_put(s, e->kernel_env[i], strlen(e->kernel_env[i]) + 1);
	}
	if (!err)
		err = stream_put_user_strings(s, e->envp, 0, e->envc, starts);
	e->env_end = stream_pos(s);
	if (!err)
		err = stream_flush(s);
	s->at = e->execfn;
	s->end = top;
	if (!err)
		err = stream_put(s, e->path, path_len);
	return err ? err : stream_flush(s);
}

#define AUX_MAX	24	/* entries, the closing AT_NULL included */

struct aux {
	u64	v[2 * AUX_MAX];
	unsigned n;
};

static void aux_put(struct aux *a, u64 type, u64 value)
{
	assert(a->n + 2 <= ARRAY_SIZE(a->v));
	a->v[a->n++] = type;
	a->v[a->n++] = value;
}

static void aux_fill(struct aux *a, const struct exec *e, vaddr_t random, vaddr_t platform)
{
	const struct cred *c = e->cred;

	if (e->mm->vdso)
		aux_put(a, AT_SYSINFO_EHDR, e->mm->vdso);
	aux_put(a, AT_MINSIGSTKSZ, arch_min_sigstack());
	aux_put(a, AT_HWCAP, arch_hwcap());
	aux_put(a, AT_PAGESZ, PAGE_SIZE);
	aux_put(a, AT_CLKTCK, USER_HZ);
	aux_put(a, AT_PHDR, e->phdr);
	aux_put(a, AT_PHENT, sizeof(Elf64_Phdr));
	aux_put(a, AT_PHNUM, e->phnum);
	aux_put(a, AT_BASE, e->interp_base);
	aux_put(a, AT_FLAGS, 0);
	aux_put(a, AT_ENTRY, e->program_entry);
	aux_put(a, AT_UID, c->uid);
	aux_put(a, AT_EUID, c->euid);
	aux_put(a, AT_GID, c->gid);
	aux_put(a, AT_EGID, c->egid);
	aux_put(a, AT_SECURE, e->secure);
	aux_put(a, AT_RANDOM, random);
	aux_put(a, AT_HWCAP2, arch_hwcap2());
	aux_put(a, AT_EXECFN, e->execfn);
	if (platform)
		aux_put(a, AT_PLATFORM, platform);
	aux_put(a, AT_NULL, 0);
}

/* argc, argv[], envp[], auxv below the strings. Sets e->sp. */
static int put_vectors(struct exec *e, struct stream *s, const vaddr_t *starts)
{
	unsigned argc = e->nr_prefix + caller_args(e), envc = e->envc + e->nr_kernel_env;
	vaddr_t platform = (e->arg_start - sizeof(ELF_PLATFORM)) & ~15UL;
	vaddr_t random = platform - 16;
	struct aux aux = { .n = 0 };
	u64 seed[2] = { random_u64(), random_u64() };
	u64 count = argc, null = 0;
	size_t bytes;
	int err;

	aux_fill(&aux, e, random, platform);
	memcpy(e->mm->saved_auxv, aux.v, aux.n * sizeof(u64));
	bytes = (1 + argc + 1 + envc + 1 + aux.n) * sizeof(u64);
	e->sp = (random - bytes) & ~15UL;
	s->at = e->sp;
	s->end = e->arg_start;
	err = stream_put(s, &count, sizeof(count));
	if (!err)
		err = stream_put(s, starts, argc * sizeof(u64));
	if (!err)
		err = stream_put(s, &null, sizeof(null));
	if (!err)
		err = stream_put(s, starts + argc, envc * sizeof(u64));
	if (!err)
		err = stream_put(s, &null, sizeof(null));
	if (!err)
		err = stream_put(s, aux.v, aux.n * sizeof(u64));
	if (!err)
		err = stream_flush(s);
	s->at = random;
	if (!err)
		err = stream_put(s, seed, sizeof(seed));
	if (!err)
		err = stream_put(s, ELF_PLATFORM, sizeof(ELF_PLATFORM));
	return err ? err : stream_flush(s);
}

int exec_build_stack(struct exec *e)
{
	struct stream s = { .mm = e->mm };
	vaddr_t top = TASK_SIZE;
	struct vma *stack;
	vaddr_t *starts;
	int err;

	if (exec_aslr())
		top -= (random_u64() & STACK_RANDOM_PAGES) << PAGE_SHIFT;
	err = mm_setup_stack(e->mm, top, e->exec_stack, &stack);
	if (err)
		return err;
	s.buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
	starts = kvmalloc((e->nr_prefix + e->argc + e->envc + e->nr_kernel_env + 1) * sizeof(*starts), GFP_KERNEL);
	err = s.buf && starts ? 0 : -ENOMEM;
	/* Up to 8 KiB of colouring below the top, as Linux does, so that stacks do not all share cache sets. */
	if (exec_aslr())
		top -= random_u64() & 0x1ff0;
	if (!err)
		err = put_strings(e, &s, top, starts);
	if (!err)
		err = put_vectors(e, &s, starts);
	kvfree(starts);
	kfree(s.buf);
	e->mm->start_stack = e->sp;
	e->mm->arg_start = e->arg_start;
	e->mm->arg_end = e->mm->env_start = e->env_start;
	e->mm->env_end = e->env_end;
	return err;
}
