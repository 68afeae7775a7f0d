/*
 * proc_kpage.c - /proc/kpagecount, kpageflags, pagetypeinfo: one page of ours, found through pagemap.
 */
#include "t.h"
#include <fcntl.h>
#include <linux/kernel-page-flags.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

static uint64_t word(const char *file, uint64_t index)
{
	uint64_t w = ~0ull;
	int fd = open(file, O_RDONLY);

	if (fd < 0 || pread(fd, &w, 8, (off_t)index * 8) != 8)
		w = ~0ull;
	close(fd);
	return w;
}

static uint64_t pfn_of(const void *p)
{
	return word("/proc/self/pagemap", (uintptr_t)p / 4096) & ((1ull << 55) - 1);
}

TEST(anonymous_page)
{
	char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint64_t pfn, flags;
	int st, pipefd[2];
	char c;

	if (getuid())
		return;			/* frame numbers are root's to see */
	*p = 1;
	pfn = pfn_of(p);
	CHECK(pfn);
	CHECK(word("/proc/kpagecount", pfn) == 1);
	flags = word("/proc/kpageflags", pfn);
	CHECK(flags >> KPF_ANON & 1);
	CHECK(flags >> KPF_MMAP & 1);
	CHECK(flags >> KPF_SWAPBACKED & 1);
	CHECK(!(flags >> KPF_SLAB & 1));
	CHECK(!(flags >> KPF_BUDDY & 1));
	CHECK(pipe(pipefd) == 0);
	if (!fork()) {
		c = *p;
		read(pipefd[0], &c, 1);
		_exit(0);
	}
	CHECK(word("/proc/kpagecount", pfn) == 2);
	CHECK(write(pipefd[1], "x", 1) == 1);
	wait(&st);
	CHECK(word("/proc/kpagecount", pfn) == 1);
}

TEST(alignment_and_end)
{
	uint64_t w;
	int fd = open("/proc/kpagecount", O_RDONLY);

	if (fd < 0 && getuid())
		return;
	CHECK(pread(fd, &w, 7, 0) == -1 && errno == EINVAL);
	CHECK(pread(fd, &w, 8, 4) == -1 && errno == EINVAL);
	CHECK(pread(fd, &w, 8, 1ll << 50) == 0);
	close(fd);
}

TEST(pagetypeinfo)
{
	char buf[8192];
	int fd = open("/proc/pagetypeinfo", O_RDONLY);
	ssize_t n;

	if (fd < 0 && getuid())
		return;
	n = read(fd, buf, sizeof(buf) - 1);
	CHECK(n > 0);
	buf[n > 0 ? n : 0] = 0;
	CHECK(strstr(buf, "Page block order: 9\nPages per block:  512\n"));
	CHECK(strstr(buf, "type    Unmovable "));
	CHECK(strstr(buf, "Number of blocks type "));
	close(fd);
}

