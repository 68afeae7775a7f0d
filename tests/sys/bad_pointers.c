/*
 * bad_pointers.c - each system call with pointers that lead nowhere: NULL, kernel, non-canonical, half-mapped,
 * read-only.
 * SHAPE       a table of calls with one pointer argument under test, everything else valid; the answer must be
 *             EFAULT. Then a sweep: every call number with nothing but bad pointers, as a user without rights;
 *             any errno will do, but the machine must live, and so must the process.
 */
#include "t.h"
#include <grp.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <termios.h>

#ifndef SYS_mseal
#define SYS_mseal 462
#endif

enum { IN = 1, OUT = 2, PATH = 4, NULL_OK = 8, NO_HALF = 16 };

static int file_fd, pipe_r, pipe_w, ep_fd, zero_fd;
static char good[8192] __attribute__((aligned(4096)));
static const char path[] = "f";
#define P 0xbadbadL	/* stands for the pointer under test */

struct call {
	const char *name;
	long nr, arg[6];
	int flags;
	size_t size;	/* bytes that the call reads or writes there */
};

#define C(n, fl, sz, ...) { #n, SYS_##n, { __VA_ARGS__ }, fl, sz }
#define G ((long)good)
#define F (long)path

static struct call *table(size_t *nr)
{
	static struct call t[256];
	struct call list[] = {
		C(read, OUT, 8, zero_fd, P, 8), C(write, IN, 8, pipe_w, P, 8), C(pread64, OUT, 8, file_fd, P, 8, 0),
		C(pwrite64, IN, 8, file_fd, P, 8, 0), C(readv, IN, 16, zero_fd, P, 1), C(writev, IN, 16, pipe_w, P, 1),
		C(open, PATH, 0, P, O_RDONLY), C(openat, PATH, 0, AT_FDCWD, P, O_RDONLY), C(stat, PATH, 0, P, G),
		C(stat, OUT, 144, F, P), C(fstat, OUT, 144, file_fd, P), C(lstat, OUT, 144, F, P),
		C(newfstatat, OUT, 144, AT_FDCWD, F, P, 0), C(newfstatat, PATH, 0, AT_FDCWD, P, G, 0),
		C(statx, OUT, 256, AT_FDCWD, F, 0, 0x7ff, P), C(access, PATH, 0, P, 0), C(faccessat, PATH, 0, AT_FDCWD, P, 0),
		C(poll, IN | OUT, 8, P, 1, 0), C(ppoll, IN | NULL_OK, 16, 0, 0, P, 0), C(pipe, OUT, 8, P),
		C(pipe2, OUT, 8, P, 0), C(select, IN | OUT | NULL_OK, 8, 8, P, 0, 0, G),
		C(rt_sigaction, IN | NULL_OK, 32, SIGUSR1, P, 0, 8), C(rt_sigaction, OUT | NULL_OK, 32, SIGUSR1, 0, P, 8),
		C(rt_sigprocmask, IN | NULL_OK, 8, SIG_BLOCK, P, 0, 8), C(rt_sigprocmask, OUT | NULL_OK, 8, 0, 0, P, 8),
		C(rt_sigpending, OUT, 8, P, 8), C(rt_sigtimedwait, IN, 8, P, 0, 0, 8), C(rt_sigsuspend, IN, 8, P, 8),
		C(rt_sigqueueinfo, IN, 128, 0x3ffffff, SIGUSR1, P), C(sigaltstack, IN | NULL_OK, 24, P, 0),
		C(sigaltstack, OUT | NULL_OK, 24, 0, P), C(ioctl, OUT, 4, pipe_r, FIONREAD, P),
		C(nanosleep, IN, 16, P, 0), C(clock_gettime, OUT, 16, CLOCK_MONOTONIC, P),
		C(clock_getres, OUT | NULL_OK, 16, CLOCK_MONOTONIC, P), C(clock_nanosleep, IN, 16, CLOCK_MONOTONIC, 0, P, 0),
		C(gettimeofday, OUT | NULL_OK, 16, P, 0), C(time, OUT | NULL_OK, 8, P), C(times, OUT | NULL_OK, 32, P),
		C(getitimer, OUT, 32, ITIMER_REAL, P), C(setitimer, IN | NULL_OK, 32, ITIMER_REAL, P, 0),
		C(timer_create, OUT, 4, CLOCK_MONOTONIC, 0, P), C(timerfd_settime, IN, 32, 9999, 0, P, 0),
		C(uname, OUT, 390, P), C(sysinfo, OUT, 112, P), C(getrusage, OUT, 144, RUSAGE_SELF, P),
		C(getrlimit, OUT, 16, RLIMIT_CORE, P), C(setrlimit, IN, 16, RLIMIT_CORE, P),
		C(prlimit64, OUT | NULL_OK, 16, 0, RLIMIT_CORE, 0, P), C(prlimit64, IN | NULL_OK, 16, 0, RLIMIT_CORE, P, 0),
		C(getcwd, OUT, 8, P, 4096), C(chdir, PATH, 0, P), C(mkdir, PATH, 0, P, 0700), C(rmdir, PATH, 0, P),
		C(unlink, PATH, 0, P), C(unlinkat, PATH, 0, AT_FDCWD, P, 0), C(rename, PATH, 0, P, F), C(rename, PATH, 0, F, P),
		C(renameat2, PATH, 0, AT_FDCWD, F, AT_FDCWD, P, 0), C(link, PATH, 0, P, F), C(link, PATH, 0, F, P),
		C(symlink, PATH, 0, P, F), C(symlink, PATH, 0, F, P), C(readlink, PATH, 0, P, G, 10),
		C(readlink, OUT, 1, (long)"/proc/self/exe", P, 10), C(chmod, PATH, 0, P, 0600), C(chown, PATH, 0, P, -1, -1),
		C(truncate, PATH, 0, P, 0), C(utimensat, PATH | NULL_OK, 0, AT_FDCWD, P, 0, 0),
		C(utimensat, IN | NULL_OK, 32, AT_FDCWD, F, P, 0), C(statfs, PATH, 0, P, G), C(statfs, OUT, 120, F, P),
		C(fstatfs, OUT, 120, file_fd, P), C(getdents64, OUT | NO_HALF, 24, -1, P, 1000),
		C(execve, PATH, 0, P, 0, 0), C(execve, IN | NULL_OK, 8, (long)"/proc/self/exe", P, 0),
		C(futex, IN | NO_HALF, 4, P, 0, 0, 0), C(futex, IN | NULL_OK, 16, G, 0, 0, P),
		C(get_robust_list, OUT, 8, 0, P, G), C(get_robust_list, OUT, 8, 0, G, P),
		C(sched_getaffinity, OUT, 8, 0, 128, P), C(sched_setaffinity, IN, 8, 0, 128, P), C(sched_getparam, OUT, 4, 0, P),
		C(getcpu, OUT | NULL_OK, 4, P, 0, 0), C(getrandom, OUT | NO_HALF, 8, P, 8, 0), C(memfd_create, PATH, 0, P, 0),
		C(epoll_ctl, IN, 12, ep_fd, EPOLL_CTL_ADD, pipe_r, P), C(epoll_wait, OUT | NO_HALF, 12, ep_fd, P, -1, 0),
		C(mincore, OUT, 2, G, 8192, P), C(sendfile, IN | NULL_OK, 8, pipe_w, file_fd, P, 0),
		C(getresuid, OUT, 4, P, G, G),
		C(getresgid, OUT, 4, G, G, P), C(capget, IN | NO_HALF, 8, P, 0), C(process_vm_readv, IN, 16, 0, P, 1, G, 1, 0),
		C(set_robust_list, IN | NULL_OK | NO_HALF, 24, P, 1), C(mount, PATH, 0, G, P, G, 0, 0), C(umount2, PATH, 0, P, 0),
		C(arch_prctl, OUT, 8, 0x1003, P), C(clone3, IN, 64, P, 64), C(setgroups, IN, 4, 1, P),
		C(copy_file_range, IN | NULL_OK, 8, file_fd, P, file_fd, 0, 0, 0), C(signalfd4, IN, 8, -1, P, 8, 0),
		C(getxattr, PATH, 0, F, P, G, 8), C(setxattr, PATH, 0, F, P, G, 8, 0), C(mknod, PATH, 0, P, S_IFIFO | 0600, 0),
	};

	*nr = ARRAY_LEN(list);
	memcpy(t, list, sizeof(list));
	return t;
}

static long invoke(const struct call *c, void *p)
{
	long a[6];

	for (int i = 0; i < 6; i++)
		a[i] = c->arg[i] == P ? (long)p : c->arg[i];
	errno = 0;
	return syscall(c->nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* Answers that Linux gives before it looks at the pointer, for some of the rows above. */
static bool other_reason(const struct call *c, int e)
{
	switch (c->nr) {
	case SYS_set_robust_list:
		return e == EINVAL;
	case SYS_getdents64:
	case SYS_timerfd_settime:
		return e == EBADF || e == EFAULT;
	case SYS_epoll_wait:
		return e == EINVAL || e == EFAULT;
	case SYS_rt_sigqueueinfo:
		return e == ESRCH || e == EPERM;
	case SYS_sendfile:
	case SYS_sched_getparam:
	case SYS_copy_file_range:
		return e == EINVAL;
	case SYS_setgroups:
	case SYS_mount:
	case SYS_umount2:
		return e == EPERM;
	case SYS_rename:
	case SYS_link:
	case SYS_symlink:
		return false;
	}
	return e == ENOSYS || e == EOPNOTSUPP;
}

static void probe(const char *kind, void *p, int want, bool null)
{
	size_t n;
	struct call *t = table(&n);

	for (size_t i = 0; i < n; i++) {
		if (!(t[i].flags & want) || (null && t[i].flags & NULL_OK))
			continue;
		long r = invoke(&t[i], p);
		if ((r != -1 || errno != EFAULT) && !(r == -1 && other_reason(&t[i], errno)))
			t_fail(__LINE__, "%s (row %zu) with a %s pointer gave %ld", t[i].name, i, kind, r);
	}
}

static void prepare(void)
{
	int p[2];

	if (file_fd)
		return;
	file_fd = t_file("f", 100);
	if (pipe(p))
		return;
	pipe_r = p[0], pipe_w = p[1];
	ep_fd = epoll_create1(0);
	zero_fd = open("/dev/zero", O_RDONLY);
	memset(good, 0, sizeof(good));
}

TEST(null)
{
	prepare();
	probe("NULL", NULL, IN | OUT | PATH, true);
}

TEST(kernel_address)
{
	prepare();
	probe("kernel", (void *)0xffff888000100000UL, IN | OUT | PATH, false);
	probe("kernel text", (void *)0xffffffff81000000UL, IN | OUT | PATH, false);
	probe("top", (void *)-4096L, IN | OUT | PATH, false);
}

TEST(non_canonical)
{
	prepare();
	probe("non-canonical", (void *)0x8000000000000000UL, IN | OUT | PATH, false);
	probe("border", (void *)0x00fffffffffff000UL, IN | OUT | PATH, false);
}

TEST(unmapped)
{
	char *p = t_anon(1);

	prepare();
	munmap(p, PG);
	probe("unmapped", p, IN | OUT | PATH, false);
}

TEST(read_only)
{
	char *p = t_map(1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
	size_t n;
	struct call *t = table(&n);

	prepare();
	t = table(&n);
	for (size_t i = 0; i < n; i++) {
		if (!(t[i].flags & OUT) || t[i].flags & IN)
			continue;
		long r = invoke(&t[i], p);
		if ((r != -1 || errno != EFAULT) && !(r == -1 && other_reason(&t[i], errno)))
			t_fail(__LINE__, "%s (row %zu) wrote to read-only memory: %ld", t[i].name, i, r);
	}
	munmap(p, PG);
}

TEST(half_mapped)
{
	char *p = t_anon(2);
	size_t n;
	struct call *t;

	prepare();
	munmap(p + PG, PG);
	t = table(&n);
	for (size_t i = 0; i < n; i++) {
		if (t[i].flags & (PATH | NO_HALF) || t[i].size < 2)
			continue;
		if (t[i].nr == SYS_read || t[i].nr == SYS_pread64 || t[i].nr == SYS_write || t[i].nr == SYS_pwrite64)
			continue;	/* a short count is right, too */
		memset(p, 0, PG);
		long r = invoke(&t[i], p + PG - t[i].size / 2);
		if ((r != -1 || errno != EFAULT) && !(r == -1 && other_reason(&t[i], errno)))
			t_fail(__LINE__, "%s (row %zu) with a half-mapped pointer gave %ld", t[i].name, i, r);
	}
	/* A path that runs into the hole without a NUL. */
	memset(p, 'x', PG);
	for (size_t i = 0; i < n; i++)
		if (t[i].flags & PATH) {
			long r = invoke(&t[i], p + PG - 3);
			if ((r != -1 || errno != EFAULT) && !(r == -1 && other_reason(&t[i], errno)))
				t_fail(__LINE__, "%s (row %zu) with a half-mapped path gave %ld", t[i].name, i, r);
		}
	munmap(p, PG);
}

static bool leave_out(long nr)
{
	static const short skip[] = {
		SYS_exit, SYS_exit_group, SYS_fork, SYS_vfork, SYS_clone, SYS_clone3, SYS_pause, SYS_rt_sigsuspend,
		SYS_rt_sigreturn, SYS_select, SYS_pselect6, SYS_poll, SYS_ppoll, SYS_rt_sigtimedwait, SYS_vhangup, SYS_reboot,
		SYS_kill, SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_pidfd_send_signal, SYS_alarm,
		SYS_munmap, SYS_brk, SYS_mremap, SYS_mprotect, SYS_arch_prctl, SYS_setrlimit, SYS_prlimit64, SYS_close,
		SYS_close_range, SYS_sync, SYS_syncfs, SYS_setuid, SYS_wait4, SYS_waitid, SYS_seccomp, SYS_mseal,
		SYS_prctl, SYS_personality, SYS_unshare, SYS_setns, SYS_modify_ldt, SYS_set_thread_area, SYS_munlockall,
		SYS_mlockall, SYS_ptrace, SYS_rseq, SYS_syslog, SYS_dup2, SYS_dup3, SYS_remap_file_pages, SYS_madvise,
		SYS_userfaultfd, SYS_fsync, SYS_sched_setaffinity, SYS_io_uring_setup, SYS_io_uring_enter,
	};

	if (nr == 335 || nr == 336)	/* uretprobe, uprobe: SIGILL by design */
		return true;
	for (unsigned i = 0; i < ARRAY_LEN(skip); i++)
		if (skip[i] == nr)
			return true;
	return false;
}


static volatile long *at;

static int sweep(void *arg)
{
	long v = (long)arg;

	if (geteuid() == 0 && (setgroups(0, NULL) || setgid(65534) || setuid(65534)))
		return 77;
	for (; *at < 470; ++*at)
		if (!leave_out(*at))
			syscall(*at, v, v, v, v, v, v);
	return 0;
}

TEST(every_number_with_bad_arguments)
{
	static const unsigned long values[] = { 0xffff888000100000UL, 0x8000000000000000UL, ~0UL, 8, 0x7fffffffffffffffUL };

	at = t_map(1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	for (unsigned i = 0; i < ARRAY_LEN(values); i++) {
		*at = 0;
		int st = t_child(sweep, (void *)values[i]);
		if (st != 0)
			t_fail(__LINE__, "value %#lx: call %ld: wait status %#x", values[i], *at, st);
	}
}
