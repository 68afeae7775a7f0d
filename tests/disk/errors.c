/*
 * errors.c - what a program sees of disks that fail. Runs in the guest, where tests/disk/failing.py has made sure that they do.
 *
 *	errors swap-read [BAD]		memory goes to swap; slot BAD of area 0 cannot be read (none given: it came back at the second try)
 *	errors swap-write		memory that cannot go to swap stays
 *	errors swap-mixed BAD		the neighbours of a page in zswap, one of which is unreadable
 *	errors shmem-read BAD		as swap-read, for a memfd
 *	errors file FILE PAGE		page PAGE of FILE cannot be written
 *	errors show			what it wrote there, for who compares
 *
 * Prints "fine" at the end; else what was wrong, and exits 1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#define PG	4096ul
#define NR	400ul			/* pages of a region */
#define PAGEOUT	21			/* MADV_PAGEOUT */
#define CHECK(c) do { if (!(c)) { printf("errors.c:%d: %s (errno %s)\n", __LINE__, #c, strerror(errno)); fflush(stdout); _exit(1); } } while (0)
#define IS(call, want) do { long is_r = (call); int is_e = is_r < 0 ? errno : 0; if (is_e != (want)) { \
	printf("errors.c:%d: %s: %s, not %s\n", __LINE__, #call, strerror(is_e), strerror(want)); fflush(stdout); _exit(1); } } while (0)

/* Words that do not compress, the same for the same page. */
static void fill(unsigned char *p, unsigned long page, bool compressible)
{
	uint64_t x = page * 0x9e3779b97f4a7c15ull + 1, *w = (void *)p;

	for (unsigned i = 0; i < PG / 8; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		w[i] = compressible ? page : x;
	}
}

static bool same(const unsigned char *p, unsigned long page, bool compressible)
{
	unsigned char want[PG];

	fill(want, page, compressible);
	return !memcmp(p, want, PG);
}

static sigjmp_buf out;
static void *fault_at;
static int fault_code;

static void on_bus(int sig, siginfo_t *i, void *u)
{
	fault_at = i->si_addr;
	fault_code = i->si_code;
	siglongjmp(out, 1);
}

static void catch_bus(void)
{
	struct sigaction a = { .sa_sigaction = on_bus, .sa_flags = SA_SIGINFO | SA_NODEFER };

	sigaction(SIGBUS, &a, NULL);
}

/* The slot of a page in area 0, or 0: it is in memory. */
static unsigned long slot_of(const void *p)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t e;

	CHECK(fd >= 0 && pread(fd, &e, 8, (uintptr_t)p / PG * 8) == 8);
	close(fd);
	return e >> 62 & 1 && (e & 31) == 0 ? (e & ((1ull << 55) - 1)) >> 5 : 0;
}

static unsigned char *region(int compressible_page)
{
	unsigned char *p = mmap(NULL, NR * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(p != MAP_FAILED);
	for (unsigned long i = 0; i < NR; i++)
		fill(p + i * PG, i, (int)i == compressible_page);
	return p;
}

/* Touch every page: exactly page `bad` (or none: NR) is SIGBUS, the others hold what they held. */
static void touch_all(unsigned char *p, unsigned long bad, int compressible_page)
{
	volatile unsigned long i;

	for (i = 0; i < NR; i++) {
		if (sigsetjmp(out, 1)) {
			CHECK(i == bad && fault_at == p + i * PG && fault_code == BUS_ADRERR);
			continue;
		}
		CHECK(same(p + i * PG, i, (int)i == compressible_page));
		CHECK(i != bad);
	}
}

static void in_child(void (*fn)(unsigned char *, unsigned long, int), unsigned char *p, unsigned long bad, int c)
{
	pid_t pid = fork();
	int st;

	if (!pid) {
		fn(p, bad, c);
		_exit(0);
	}
	CHECK(waitpid(pid, &st, 0) == pid && st == 0);
}

static void page_out(unsigned char *p)
{
	unsigned long in = NR;

	for (int tries = 0; in && tries < 20; tries++) {
		CHECK(madvise(p, NR * PG, PAGEOUT) == 0);
		in = 0;
		for (unsigned long i = 0; i < NR; i++)
			in += !slot_of(p + i * PG);
	}
	CHECK(in == 0);
}

static unsigned long page_in_slot(unsigned char *p, unsigned long slot)
{
	for (unsigned long i = 0; i < NR; i++)
		if (slot_of(p + i * PG) == slot)
			return i;
	return NR;
}

static void bad_buffer(unsigned char *p, unsigned long bad, int c)
{
	int fds[2];

	(void)c;
	CHECK(pipe(fds) == 0);
	IS(write(fds[1], p + bad * PG, 16), EFAULT);
	CHECK(write(fds[1], p + (bad + 1) * PG, 16) == 16);
}

static void killed(unsigned char *p, unsigned long bad)
{
	pid_t pid = fork();
	int st;

	if (!pid) {
		signal(SIGBUS, SIG_DFL);
		*(volatile unsigned char *)(p + bad * PG);
		_exit(0);
	}
	CHECK(waitpid(pid, &st, 0) == pid && WIFSIGNALED(st) && WTERMSIG(st) == SIGBUS);
}

static void swap_read(int slot)
{
	unsigned char *p = region(-1), *q = region(-1);
	unsigned long bad = NR;

	page_out(p);
	if (slot) {
		bad = page_in_slot(p, (unsigned long)slot);
		CHECK(bad < NR);
		killed(p, bad);
		in_child(bad_buffer, p, bad, 0);
	}
	in_child(touch_all, p, bad, -1);	/* a child has the same entries: each owner hears of it by itself */
	touch_all(p, bad, -1);
	touch_all(q, NR, -1);
	if (slot)
		touch_all(p, bad, -1);		/* and again */
	IS(swapoff("/dev/vda"), 0);		/* brings back the rest */
	touch_all(p, bad, -1);
	in_child(touch_all, p, bad, -1);	/* fork copies what stands for it */
	if (bad < NR) {
		CHECK(mmap(p + bad * PG, PG, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
		fill(p + bad * PG, bad, false);
	}
	touch_all(p, NR, -1);			/* a new page in its place */
}

static void swap_write(void)
{
	unsigned char *p = region(-1), here[NR];
	unsigned long in = 0;

	for (int round = 0; round < 3; round++) {
		madvise(p, NR * PG, PAGEOUT);
		in_child(touch_all, p, NR, -1);
		touch_all(p, NR, -1);
	}
	madvise(p, NR * PG, PAGEOUT);
	CHECK(mincore(p, NR * PG, here) == 0);
	for (unsigned long i = 0; i < NR; i++)
		in += here[i] & 1;
	printf("resident %lu\n", in);
	IS(swapoff("/dev/vda"), 0);
	touch_all(p, NR, -1);
}

static void set_zswap(const char *v)
{
	int fd = open("/sys/module/zswap/parameters/enabled", O_WRONLY);

	CHECK(fd >= 0 && write(fd, v, 1) == 1);
	close(fd);
}

/* One page is in the pool, all others are on the disk; it is read together with a neighbour that fails. */
static void swap_mixed(int slot)
{
	unsigned long c = (unsigned long)slot - 64 + 1, bad;	/* pages go out in order, page 0 to slot 64: the first whole cluster */
	unsigned char *p;

	set_zswap("1");
	p = region((int)c);
	page_out(p);
	bad = page_in_slot(p, (unsigned long)slot);
	CHECK(bad < NR && bad != c);
	printf("bad page %lu, in the pool %lu in slot %lu\n", bad, c, slot_of(p + c * PG));
	CHECK(slot_of(p + c * PG) / 8 == (unsigned long)slot / 8);
	CHECK(same(p + c * PG, c, true));
	touch_all(p, bad, (int)c);
	IS(swapoff("/dev/vda"), 0);
	touch_all(p, bad, (int)c);
}

/* ---- shared memory ---------------------------------------------------------------------------------------------- */

static void shmem_read(int slot)
{
	int fd = memfd_create("m", 0), other = memfd_create("o", 0);
	unsigned char *p, *q, buf[PG];
	unsigned long bad;

	CHECK(ftruncate(fd, NR * PG) == 0 && ftruncate(other, NR * PG) == 0);
	p = mmap(NULL, NR * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	q = mmap(NULL, NR * PG, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0);
	CHECK(p != MAP_FAILED && q != MAP_FAILED);
	for (unsigned long i = 0; i < NR; i++)
		fill(p + i * PG, i, false), fill(q + i * PG, i, false);
	CHECK(madvise(p, NR * PG, PAGEOUT) == 0);
	/* The first pages to go have the first slots; which page has the bad one only reading tells. */
	for (bad = 0; bad < NR && pread(fd, buf, PG, (off_t)(bad * PG)) == (ssize_t)PG; bad++)
		CHECK(same(buf, bad, false));
	if (!slot) {
		CHECK(bad == NR);
	} else {
		CHECK(bad < NR);
		IS(pread(fd, buf, PG, (off_t)(bad * PG)), EIO);
		IS(pwrite(fd, buf, 1, (off_t)(bad * PG)), EIO);
	}
	touch_all(p, bad, -1);
	in_child(touch_all, p, bad, -1);
	touch_all(q, NR, -1);
	IS(swapoff("/dev/vda"), 0);
	touch_all(p, bad, -1);
	if (bad < NR) {
		IS(pread(fd, buf, PG, (off_t)(bad * PG)), EIO);
		CHECK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(bad * PG), PG) == 0);
		CHECK(pread(fd, buf, PG, (off_t)(bad * PG)) == (ssize_t)PG && buf[0] == 0);
		fill(p + bad * PG, bad, false);
	}
	touch_all(p, NR, -1);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static void dirty(int fd)
{
	unsigned char buf[PG];

	for (unsigned long i = 0; i < 32; i++) {
		fill(buf, i + 1000, false);
		CHECK(pwrite(fd, buf, PG, (off_t)(i * PG)) == (ssize_t)PG);
	}
}

/* The disk fails each write of that page. */
static void file_errors(const char *name, unsigned long bad)
{
	int a = open(name, O_RDWR), b = open(name, O_RDONLY), c = open(name, O_RDWR), d, e = open(name, O_RDWR), s1 = open(".", O_RDONLY), s2 = open(".", O_RDONLY), late;
	unsigned char *m = mmap(NULL, 32 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, c, 0), buf[PG];

	CHECK(a >= 0 && b >= 0 && c >= 0 && e >= 0 && s1 >= 0 && s2 >= 0 && m != MAP_FAILED);
	dirty(a);
	IS(fsync(a), EIO);			/* once to each file that was open */
	IS(fsync(a), 0);
	IS(fdatasync(b), EIO);			/* also to one that cannot write */
	IS(fdatasync(b), 0);
	IS(msync(m, PG, MS_SYNC), EIO);		/* the mapping's file */
	IS(msync(m, PG, MS_SYNC), 0);
	IS(fsync(c), 0);			/* which is the same one */
	IS(sync_file_range(e, 0, PG, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER), EIO);
	IS(fsync(e), 0);
	IS(syncfs(s1), EIO);			/* and once to each file of the file system that asks for all */
	IS(syncfs(s1), 0);
	IS(syncfs(s2), EIO);
	late = open(name, O_RDWR);		/* everybody was told: nothing is new for this one */
	IS(fsync(late), 0);
	IS(syncfs(late), 0);
	/* What is in memory is what was written, and reads go on. */
	CHECK(pread(a, buf, PG, (off_t)(bad * PG)) == (ssize_t)PG && same(buf, bad + 1000, false));

	dirty(a);
	sync();					/* tells nobody */
	d = open(name, O_RDWR);			/* nobody has been told: so this one is */
	IS(fsync(d), EIO);
	IS(fsync(a), EIO);
	IS(close(d), 0);
	dirty(a);
	IS(close(a), 0);			/* writes nothing, says nothing */
	IS(fsync(b), EIO);
	fill(m + bad * PG, 7, false);		/* a store is written as a write */
	IS(msync(m, 32 * PG, MS_SYNC), EIO);
}

/* What `file` writes, for who compares. */
static int show(void)
{
	unsigned char buf[PG];

	for (unsigned long i = 0; i < 32; i++) {
		fill(buf, i + 1000, false);
		CHECK(fwrite(buf, PG, 1, stdout) == 1);
	}
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	catch_bus();
	if (!strcmp(what, "swap-read"))
		swap_read(n);
	else if (!strcmp(what, "swap-write"))
		swap_write();
	else if (!strcmp(what, "swap-mixed"))
		swap_mixed(n);
	else if (!strcmp(what, "shmem-read"))
		shmem_read(n);
	else if (!strcmp(what, "file") && argc == 4)
		file_errors(argv[2], (unsigned long)atoi(argv[3]));
	else if (!strcmp(what, "show"))
		return show();
	else
		return 2;
	puts("fine");
	return 0;
}
