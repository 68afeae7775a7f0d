/*
 * mm_softdirty.c - which pages were written since I last asked? clear_refs 4 and bit 55 of pagemap. Skipped on kernels without it.
 */
#include "t.h"
#include <stdint.h>

#define PAGES 16

static int dirty(const void *p)
{
	uint64_t w = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (pread(fd, &w, 8, (off_t)((uintptr_t)p / 4096 * 8)) != 8)
		w = 0;
	close(fd);
	return w >> 55 & 1;
}

static int clear(void)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY), n = write(fd, "4", 1);

	close(fd);
	return n == 1 ? 0 : -1;
}

static int here(void)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int r;

	*p = 1;
	r = dirty(p);
	munmap(p, 4096);
	return r;
}

/* Bits of the pages of an area as a mask. */
static unsigned mask(const char *p)
{
	unsigned m = 0;

	for (int i = 0; i < PAGES; i++)
		m |= (unsigned)dirty(p + i * 4096) << i;
	return m;
}

TEST(private)
{
	char *p, *q;
	int st;

	if (!here())
		SKIP("no soft-dirty tracking");
	p = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mask(p) == 0xffff);		/* a new area counts as written, all of it */
	memset(p, 1, 8 * 4096);
	CHECK(clear() == 0);
	CHECK(mask(p) == 0);
	p[3 * 4096] = 2;			/* was there */
	p[9 * 4096] = 2;			/* was not */
	(void)*(volatile char *)(p + 10 * 4096);
	CHECK(mask(p) == (1u << 3 | 1u << 9));
	CHECK(p[0] == 1 && p[3 * 4096] == 2 && p[10 * 4096] == 0);
	CHECK(mprotect(p, PAGES * 4096, PROT_READ) == 0);
	CHECK(mprotect(p, PAGES * 4096, PROT_READ | PROT_WRITE) == 0);
	p[4 * 4096] = 2;
	CHECK(mask(p) == (1u << 3 | 1u << 4 | 1u << 9));
	CHECK(clear() == 0);
	if (fork() == 0) {
		p[5 * 4096] = 3;
		_exit(mask(p) != 1u << 5);
	}
	wait(&st);
	CHECK(st == 0);
	CHECK(mask(p) == 0);			/* the child's store is not ours */
	p[6 * 4096] = 3;
	CHECK(mask(p) == 1u << 6);
	q = mremap(p, PAGES * 4096, PAGES * 4096, MREMAP_MAYMOVE | MREMAP_FIXED, mmap(NULL, PAGES * 4096, PROT_NONE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	CHECK(q != MAP_FAILED);
	CHECK((mask(q) & 0xff) == 0xff);	/* moved pages count as written */
	munmap(q, PAGES * 4096);
}

TEST(shared)
{
	char *p;

	if (!here())
		SKIP("no soft-dirty tracking");
	p = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(p, 1, 8 * 4096);
	CHECK(clear() == 0);
	CHECK(mask(p) == 0);
	p[2 * 4096] = 5;
	p[12 * 4096] = 5;
	(void)*(volatile char *)(p + 14 * 4096);
	p[14 * 4096] = 5;
	CHECK(mask(p) == (1u << 2 | 1u << 12 | 1u << 14));
	munmap(p, PAGES * 4096);
}

/* The kernel's own stores count: read(2) into a clean page. */
TEST(by_the_kernel)
{
	char *p;
	int fd;

	if (!here())
		SKIP("no soft-dirty tracking");
	p = mmap(NULL, PAGES * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(p, 1, PAGES * 4096);
	CHECK(clear() == 0);
	fd = open("/proc/self/stat", O_RDONLY);
	CHECK(read(fd, p + 7 * 4096, 100) > 0);
	close(fd);
	CHECK(mask(p) == 1u << 7);
	munmap(p, PAGES * 4096);
}

TEST(bad_values)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY);

	CHECK(write(fd, "0", 1) == -1 && errno == EINVAL);
	CHECK(write(fd, "6", 1) == -1 && errno == EINVAL);
	CHECK(write(fd, "1", 1) == 1);
	CHECK(write(fd, "5", 1) == 1);
	close(fd);
}
