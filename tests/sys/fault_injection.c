/*
 * Allocations that fail on purpose: /proc/PID/fail-nth, /sys/kernel/debug/fail*. Debian's Linux is built without; there these
 * cases are skipped.
 * Method: the n-th allocation of one operation fails, n rising until it succeeds without a failure. Whatever fails in between, the
 *         operation says ENOMEM (or succeeds all the same), nothing is leaked, and the next try works.
 */
#include "t.h"
#include <sys/mount.h>
#include <sys/shm.h>
#include <sys/swap.h>

static bool set_nth(int n)
{
	char text[16];
	int fd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC), len = snprintf(text, sizeof(text), "%d", n);
	bool ok = fd >= 0 && write(fd, text, len) == len;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* Turn it off; true when it has fired. */
static bool fired(void)
{
	char text[16] = "";
	int fd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	bool done;

	for (int i = 0; fd < 0 && i < 3; i++)		/* the open itself may have met the failure */
		fd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return true;
	done = atoi(text) == 0;
	lseek(fd, 0, SEEK_SET);
	if (write(fd, "0", 1) < 0)
		done = true;
	close(fd);
	return done;
}

#define NEED_INJECTION() do { if (access("/proc/self/fail-nth", W_OK)) SKIP("a kernel without fault injection"); } while (0)
#define MOST 4000

/* op: 0, or -1 with errno. Runs it with each of its allocations failing in turn. */
static void each_fails(int (*op)(void), int extra_errno)
{
	int n;

	for (n = 1; n < MOST; n++) {
		int r, err;
		bool over;

		if (!set_nth(n))
			break;
		errno = 0;
		r = op();
		err = errno;
		over = !fired();
		if (r)
			CHECK(err == ENOMEM || err == EAGAIN || err == extra_errno);
		if (over)
			break;
	}
	CHECK(n > 1 && n < MOST);
	EXPECT_EQ(op(), 0);
}

static int op_fork(void)
{
	pid_t pid = fork();
	int st;

	if (pid < 0)
		return -1;
	if (!pid)
		_exit(0);
	return waitpid(pid, &st, 0) == pid && !st ? 0 : -1;
}

TEST(each_fork)
{
	NEED_INJECTION();
	each_fails(op_fork, 0);
}

static int op_map(void)
{
	size_t len = 64 * PG;
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int err = 0;

	if (p == MAP_FAILED)
		return -1;
	if (mprotect(p + 8 * PG, PG, PROT_READ) || munmap(p + 16 * PG, PG))
		err = errno;
	munmap(p, len);
	errno = err;
	return err ? -1 : 0;
}

TEST(each_mmap)
{
	NEED_INJECTION();
	each_fails(op_map, 0);
}

/* Page tables and pages: a failed fault is tried again once the OOM decision was made, or kills. */
static int op_fault(void)
{
	int fds[2], st;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		return -1;
	if (!pid) {
		char *p = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED)
			_exit(errno);
		for (size_t at = 0; at < 16 << 20; at += 1 << 20)
			p[at] = 1;
		_exit(0);
	}
	(void)fds;
	if (waitpid(pid, &st, 0) != pid)
		return -1;
	errno = ENOMEM;
	return st && !(WIFSIGNALED(st) && (WTERMSIG(st) == SIGBUS || WTERMSIG(st) == SIGSEGV || WTERMSIG(st) == SIGKILL)) ? -1 : 0;
}

TEST(each_fault)
{
	int n;

	NEED_INJECTION();
	for (n = 1; n < 200; n++) {
		pid_t pid = fork();
		int st;

		CHECK(pid >= 0);
		if (!pid) {
			char *p = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

			set_nth(n);
			for (size_t at = 0; at < 16 << 20; at += 2 << 20)
				p[at] = 1;
			_exit(fired() ? 1 : 0);
		}
		waitpid(pid, &st, 0);
		if (WIFEXITED(st) && WEXITSTATUS(st) == 0)
			break;
		CHECK((WIFEXITED(st) && WEXITSTATUS(st) == 1) ||
		      (WIFSIGNALED(st) && (WTERMSIG(st) == SIGBUS || WTERMSIG(st) == SIGSEGV || WTERMSIG(st) == SIGKILL)));
	}
	CHECK(n > 1 && n < 200);
	EXPECT_EQ(op_fault(), 0);
}

/* The arguments are copied through page faults: E2BIG on Linux, EFAULT here, when one cannot be served. */
TEST(each_exec)
{
	int n;

	NEED_INJECTION();
	for (n = 1; n < 1000; n++) {
		pid_t pid = fork();
		int st;

		CHECK(pid >= 0);
		if (!pid) {
			set_nth(n);
			execl("/proc/self/exe", "fault_injection", "--nothing", NULL);
			_exit(errno == ENOMEM || errno == EAGAIN || errno == E2BIG || errno == EFAULT ? 7 : 128 + errno);
		}
		waitpid(pid, &st, 0);
		if (WIFEXITED(st) && WEXITSTATUS(st) == 9)
			break;			/* it ran, and the failure was still to come */
		if (WIFEXITED(st) && WEXITSTATUS(st) > 128)
			printf("# execve: %s\n", strerror(WEXITSTATUS(st) - 128));
		CHECK((WIFEXITED(st) && (WEXITSTATUS(st) == 7 || WEXITSTATUS(st) == 10 || WEXITSTATUS(st) == 127)) || WIFSIGNALED(st));
	}
	CHECK(n > 3 && n < 1000);
}

/* What exec() starts: 9 when its countdown still runs, 10 when it met the failure on the way. */
__attribute__((constructor)) static void nothing(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "--nothing"))
		_exit(fired() ? 10 : 9);
}

static int op_file(void)
{
	char buf[3 * PG];
	int fd = open("f", O_RDWR | O_CREAT, 0600), err = 0;

	if (fd < 0)
		return -1;
	memset(buf, 7, sizeof(buf));
	if (write(fd, buf, sizeof(buf)) < 0 || fsync(fd) || pread(fd, buf, sizeof(buf), 0) < 0)
		err = errno;
	close(fd);
	if (unlink("f"))
		err = errno;
	errno = err;
	return err ? -1 : 0;
}

TEST(each_files)
{
	NEED_INJECTION();
	each_fails(op_file, ENOSPC);
	unlink("f");
}

static int op_shm(void)
{
	int id = shmget(IPC_PRIVATE, 16 * PG, 0600), err = 0;
	char *p;

	if (id < 0)
		return -1;
	p = shmat(id, NULL, 0);
	if (p == (void *)-1)
		err = errno;
	else
		shmdt(p);
	shmctl(id, IPC_RMID, NULL);
	errno = err;
	return err ? -1 : 0;
}

TEST(each_shm)
{
	NEED_INJECTION();
	each_fails(op_shm, 0);
}

static int op_pipe(void)
{
	int fds[2];
	char c = 1;

	if (pipe(fds))
		return -1;
	if (write(fds[1], &c, 1) < 0) {
		int err = errno;

		close(fds[0]);
		close(fds[1]);
		errno = err;
		return -1;
	}
	close(fds[0]);
	close(fds[1]);
	return 0;
}

TEST(each_pipe)
{
	NEED_INJECTION();
	each_fails(op_pipe, ENFILE);
}

static int swap_areas(void)
{
	FILE *f = fopen("/proc/swaps", "r");
	char line[128];
	int lines = 0;

	while (f && fgets(line, sizeof(line), f))
		lines++;
	if (f)
		fclose(f);
	return lines ? lines - 1 : 0;
}

/* Pages that went to swap come back, whatever fails on their way. Skipped without swap. */
TEST(each_swap_in)
{
	int n;
	size_t len = 32 * PG;
	unsigned char *p;

	NEED_INJECTION();
	if (!swap_areas())
		SKIP("no swap");
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < len; i++)
		p[i] = (unsigned char)(i >> 3);
	for (n = 1; n < 300; n++) {
		pid_t pid;
		int st;

		madvise(p, len, 21 /* MADV_PAGEOUT */);
		pid = fork();
		if (!pid) {
			bool good = true;

			set_nth(n);
			for (size_t i = 0; i < len; i += 997)
				good &= p[i] == (unsigned char)(i >> 3);
			p[5]++;
			_exit(!good ? 2 : fired() ? 1 : 0);
		}
		waitpid(pid, &st, 0);
		CHECK(!(WIFEXITED(st) && WEXITSTATUS(st) > 1));
		if (WIFEXITED(st) && WEXITSTATUS(st) == 0)
			break;
	}
	CHECK(n < 300);
	for (size_t i = 0; i < len; i++)
		if (p[i] != (unsigned char)(i >> 3)) {
			CHECK(!"the page came back as it was");
			break;
		}
}

/* Pages on their way to swap: they go, or stay, and are what they were. */
TEST(each_swap_out)
{
	size_t len = 96 * PG;
	unsigned char *p;
	int n;

	NEED_INJECTION();
	if (!swap_areas())
		SKIP("no swap");
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(p != MAP_FAILED);
	for (n = 1; n < 300; n++) {
		bool good = true, over;

		for (size_t i = 0; i < len; i += 8)
			p[i] = (unsigned char)(i >> 4);
		set_nth(n);
		madvise(p, len, 21 /* MADV_PAGEOUT */);
		over = !fired();
		for (size_t i = 0; i < len; i += 8)
			good &= p[i] == (unsigned char)(i >> 4);
		CHECK(good);
		if (over)
			break;
	}
	CHECK(n < 300);
	munmap(p, len);
}

/* Shared memory out and back: a page that cannot come back now comes back later. */
TEST(each_swap_shmem)
{
	size_t len = 64 * PG;
	unsigned char *p;
	char c;
	int fd, n;

	NEED_INJECTION();
	if (!swap_areas())
		SKIP("no swap");
	fd = memfd_create("m", 0);
	CHECK(ftruncate(fd, (off_t)len) == 0);
	p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(p != MAP_FAILED);
	for (size_t i = 0; i < len; i += 8)
		p[i] = (unsigned char)(i >> 4);
	for (n = 1; n < 500; n++) {
		bool good = true, over;

		set_nth(n);
		madvise(p, len, 21);
		for (size_t i = 0; i < len; i += PG)
			good &= pread(fd, &c, 1, (off_t)i) == 1 ? c == (char)(i >> 4) : errno == ENOMEM;
		over = !fired();
		for (size_t i = 0; i < len; i += 8)
			good &= p[i] == (unsigned char)(i >> 4);
		CHECK(good);
		if (over)
			break;
	}
	CHECK(n > 1 && n < 500);
	munmap(p, len);
	close(fd);
}

/* tests/disk/run names a disk with a swap header, and one with an ext2 on it. */
static int op_swapon(void)
{
	unsigned char *p;
	int err = 0;

	if (swapon(getenv("SWAP_DISK"), 0))
		return -1;
	p = mmap(NULL, 64 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p != MAP_FAILED) {
		memset(p, 5, 64 * PG);
		madvise(p, 64 * PG, 21);
	}
	while (swapoff(getenv("SWAP_DISK"))) {		/* for want of memory: it is in use as before */
		if (errno != ENOMEM || err)
			return -1;
		err = ENOMEM;
	}
	for (size_t i = 0; p != MAP_FAILED && i < 64; i++)
		if (p[i * PG] != 5 || p[i * PG + PG - 1] != 5)
			err = EBADMSG;
	if (p != MAP_FAILED)
		munmap(p, 64 * PG);
	errno = err;
	return err ? -1 : 0;
}

TEST(each_swapon)
{
	NEED_INJECTION();
	if (!getenv("SWAP_DISK"))
		SKIP("no disk to swap to");
	each_fails(op_swapon, 0);
}

static int note_error(long r, int allowed, int *err)
{
	if (r < 0 && errno != allowed && !*err)
		*err = errno;
	return r < 0;
}

/* A bit of everything, on a file system of its own. */
static int op_mounted(const char *source, const char *type)
{
	static char big[20 * PG], link[200];
	int err = 0, fd;

	memset(link, 'l', sizeof(link) - 1);
	memset(big, 'b', sizeof(big));
	if (mount(source, "mnt", type, 0, NULL))
		return -1;
	note_error(mkdir("mnt/d", 0700), EEXIST, &err);
	fd = open("mnt/d/f", O_RDWR | O_CREAT, 0600);
	if (!note_error(fd, 0, &err)) {
		note_error(pwrite(fd, big, sizeof(big), 300 * PG), 0, &err);	/* past the direct blocks */
		note_error(fsync(fd), 0, &err);
		note_error(pread(fd, big, PG, 301 * PG), 0, &err);
		if (!err && big[7] != 'b')
			err = EBADMSG;
		note_error(ftruncate(fd, 100), 0, &err);
		close(fd);
	}
	note_error(symlink(link, "mnt/d/long"), EEXIST, &err);
	note_error(rename("mnt/d/f", "mnt/g"), ENOENT, &err);
	note_error(unlink("mnt/g"), ENOENT, &err);
	note_error(unlink("mnt/d/long"), ENOENT, &err);
	note_error(rmdir("mnt/d"), ENOENT, &err);
	note_error(umount2("mnt", 0), 0, &err);
	errno = err;
	return err ? -1 : 0;
}

/* Failing halfway leaves a file system that the next round finishes, and e2fsck at the end calls clean. */
static void each_mount_of(const char *source, const char *type)
{
	int n;

	mkdir("mnt", 0700);
	for (n = 1; n < MOST; n++) {
		int r, err;
		bool over;

		set_nth(n);
		r = op_mounted(source, type);
		err = errno;
		over = !fired();
		umount2("mnt", 0);
		if (r)
			CHECK(err == ENOMEM || err == ENOSPC || err == ENOTEMPTY);	/* ENOSPC: no inode for tmpfs; Linux says the same */
		if (over)
			break;
	}
	CHECK(n > 5 && n < MOST);
	EXPECT_EQ(op_mounted(source, type), 0);
	rmdir("mnt");
}

TEST(each_mount)
{
	NEED_INJECTION();
	if (geteuid())
		SKIP("only root mounts");
	each_mount_of("none", "tmpfs");
}

TEST(each_mount_ext2)
{
	NEED_INJECTION();
	if (!getenv("EXT2_DISK"))
		SKIP("no disk to mount");
	each_mount_of(getenv("EXT2_DISK"), "ext2");
}

/* Linux's knobs: every slab allocation of a thread that asked for it fails, and of nobody else. */
TEST(each_knobs)
{
	FILE *f;
	int fd, st;
	pid_t pid;

	if (access("/sys/kernel/debug/failslab/probability", W_OK))
		SKIP("a kernel without fault injection, or debugfs not mounted");
#define KNOB(name, value) do { f = fopen("/sys/kernel/debug/failslab/" name, "w"); CHECK(f); fputs(value, f); fclose(f); } while (0)
	KNOB("task-filter", "Y");
	KNOB("ignore-gfp-wait", "N");
	KNOB("interval", "1");
	KNOB("verbose", "0");
	KNOB("times", "-1");
	KNOB("probability", "100");
	EXPECT_EQ(op_pipe(), 0);		/* not us */
	pid = fork();
	if (!pid) {
		fd = open("/proc/self/make-it-fail", O_WRONLY);
		if (write(fd, "1", 1) != 1)
			_exit(1);
		_exit(op_pipe() < 0 && errno == ENOMEM ? 0 : 2);
	}
	CHECK(waitpid(pid, &st, 0) == pid && st == 0);
	EXPECT_EQ(op_pipe(), 0);
	KNOB("probability", "0");
	KNOB("task-filter", "N");
}
