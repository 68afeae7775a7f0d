/* mm_compact.c - /proc/sys/vm/compact_memory: large blocks come together, contents stay. In a machine of its own, as root. */
#include "t.h"
#include <pthread.h>

#define KNOB	"/proc/sys/vm/compact_memory"
#define NEED_COMPACTION() do { if (access(KNOB, W_OK) || sysconf(_SC_PHYS_PAGES) > 1L << 18) SKIP("no compaction in a machine of our own"); } while (0)

/* Free blocks of order 9 and more, in pages. */
static long large_blocks(void)
{
	char *s = t_get("/proc/buddyinfo");
	long sum = 0;

	for (char *line = strtok(s, "\n"); line; line = strtok(NULL, "\n")) {
		char *p = strstr(line, "zone");
		long n[11];

		if (p && sscanf(p, "zone %*s %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld %ld", n, n + 1, n + 2, n + 3, n + 4, n + 5, n + 6, n + 7,
				n + 8, n + 9, n + 10) == 11)
			sum += (n[9] << 9) + (n[10] << 10);
	}
	return sum;
}

/* As many pages as leave little free, then every second one given back: nothing large is left. */
static char *fragment(size_t *pages, size_t most)
{
	char *p;

	*pages = (size_t)t_proc("/proc/meminfo", "MemAvailable") / 4 * 85 / 100;
	if (*pages > most)
		*pages = most;
	p = t_map(*pages, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
	if (p == MAP_FAILED)
		return NULL;
	madvise(p, *pages * PG, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < *pages; i++)
		*(size_t *)(p + i * PG) = i;
	for (size_t i = 0; i < *pages; i += 2)
		madvise(p + i * PG, PG, MADV_DONTNEED);
	return p;
}

static size_t wrong(const char *p, size_t pages)
{
	size_t bad = 0;

	for (size_t i = 1; i < pages; i += 2)
		bad += *(size_t *)(p + i * PG) != i;
	return bad;
}

TEST(blocks_grow)
{
	size_t pages;
	long before, moved;
	char *p;

	NEED_COMPACTION();
	REQUIRE((p = fragment(&pages, 32768)));
	before = large_blocks();
	moved = t_proc("/proc/vmstat", "pgmigrate_success");
	EXPECT_OK(t_put(KNOB, "1", 0200));
	CHECK(large_blocks() > before + (long)pages / 4);
	moved = t_proc("/proc/vmstat", "pgmigrate_success") - moved;
	CHECK(moved > (long)pages / 8 && moved < (long)pages * 2);
	CHECK(t_proc("/proc/vmstat", "compact_migrate_scanned") >= moved);
	CHECK(t_proc("/proc/vmstat", "compact_isolated") >= moved);
	EXPECT_EQ(wrong(p, pages), 0);
	munmap(p, pages * PG);
}

/* ---- while programs go on ---- */

/* Few pages: each that moves while its program runs is an interrupt for another CPU. */
#define SPAN	32			/* pages for each worker */
#define WORKERS	5

static volatile struct {
	bool		stop;
	unsigned long	rounds[WORKERS], bad[WORKERS];
} *board;

/* Write a new value to each page, read all of them back; give some away and take them anew. */
static void work(unsigned id, volatile unsigned long *area)
{
	for (unsigned long round = 1; !board->stop; round++) {
		for (size_t i = 0; i < SPAN; i++)
			area[i * 512 + round % 512] = (unsigned long)id << 56 | round << 16 | i;
		for (size_t i = 0; i < SPAN; i++)
			board->bad[id] += area[i * 512 + round % 512] != ((unsigned long)id << 56 | round << 16 | i);
		if (id < 2 && round % 8 == 0)
			madvise((void *)(area + SPAN / 2 * 512), SPAN / 2 * PG, MADV_DONTNEED);
		board->rounds[id] = round;
	}
}

static void *second_thread(void *area)
{
	work(2, area);
	return NULL;
}

/* 0: private pages. 1, 2: the same, two threads of one process. 3, 4: pages of a file. */
static int worker(unsigned id, int fd)
{
	pthread_t t;

	if (id == 1)
		pthread_create(&t, NULL, second_thread, t_anon(SPAN));
	work(id, id < 3 ? (void *)t_anon(SPAN) : mmap(NULL, SPAN * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(id - 3) * SPAN * PG));
	if (id == 1)
		pthread_join(t, NULL);
	return 0;
}

/* Pages shared by fork: read again and again, some stored to. */
static int sharer(char *p)
{
	size_t mine = 0;

	while (!board->stop || mine < SPAN) {
		for (size_t i = 0; i < SPAN; i++)
			if (*(size_t *)(p + i * PG) != (i < mine ? ~i : i))
				return 1;
		if (mine < SPAN)
			*(size_t *)(p + mine * PG) = ~mine;
		mine += mine < SPAN;
		t_msleep(2);
	}
	return 0;
}

static unsigned long all_rounds(void)
{
	unsigned long least = -1UL;

	for (unsigned i = 0; i < WORKERS; i++)
		least = board->rounds[i] < least ? board->rounds[i] : least;
	return least;
}

TEST(contents_stay)
{
	char *shared = t_anon(SPAN), *locked = t_anon(SPAN), *p;
	pid_t kids[WORKERS + 2];
	size_t pages;
	int fd, st, n = 0;

	NEED_COMPACTION();
	board = t_map(1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	EXPECT_OK(ftruncate(fd, 2 * SPAN * PG));
	for (size_t i = 0; i < SPAN; i++)
		*(size_t *)(shared + i * PG) = i;
	memset(locked, 0x5a, SPAN * PG);
	EXPECT_OK(mlock(locked, SPAN * PG));
	for (unsigned i = 0; i < WORKERS; i++)
		if (i != 2 && !(kids[n++] = fork()))
			_exit(worker(i, fd));
	for (int i = 0; i < 2; i++)
		if (!(kids[n++] = fork()))
			_exit(sharer(shared));
	REQUIRE((p = fragment(&pages, 2048)));	/* nobody shares these */
	for (int i = 0; i < 4; i++) {
		unsigned long was = all_rounds();

		EXPECT_OK(t_put(KNOB, "1", 0200));
		WAIT_FOR(all_rounds() >= was + 2);
		for (size_t k = 1 + 2 * (size_t)i; k < pages; k += 64)	/* holes again, other ones */
			madvise(p + k * PG, PG, MADV_DONTNEED);
	}
	board->stop = true;
	while (n--) {
		EXPECT_EQ(waitpid(kids[n], &st, 0), kids[n]);
		EXPECT_EQ(st, 0);
	}
	for (unsigned i = 0; i < WORKERS; i++)
		EXPECT_EQ(board->bad[i], 0);
	for (size_t i = 0; i < SPAN; i++)
		EXPECT_EQ(*(size_t *)(shared + i * PG), i);
	for (size_t i = 0; i < SPAN * PG; i++)
		if (locked[i] != 0x5a)
			t_fail(__LINE__, "locked page changed at %zu", i);
	EXPECT_EQ(t_proc("/proc/self/status", "VmLck"), SPAN * 4);
	munlock(locked, SPAN * PG);
	close(fd);
	munmap(p, pages * PG);
}

static unsigned long frame_of(const void *p)
{
	unsigned long e = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY);

	if (pread(fd, &e, 8, (off_t)((uintptr_t)p / PG * 8)) != 8)
		e = 0;
	close(fd);
	return e & ((1UL << 55) - 1);
}

/* Locked pages stay in memory, but where they are is the kernel's matter unless the knob says so. */
TEST(locked_pages)
{
	char *spread, *q;
	unsigned moved = 0;
	size_t pages, n = 0;
	unsigned long was[64];

	NEED_COMPACTION();
	REQUIRE((spread = fragment(&pages, 8192)));
	for (size_t i = 1; n < 64 && i < pages; i += pages / 64 | 1)
		if (i % 2 && mlock(spread + i * PG, PG) == 0)
			was[n++] = i;
	EXPECT_OK(t_put("/proc/sys/vm/compact_unevictable_allowed", "0", 0644));
	unsigned long frames[64];
	for (size_t i = 0; i < n; i++)
		frames[i] = frame_of(spread + was[i] * PG);
	EXPECT_OK(t_put(KNOB, "1", 0200));
	for (size_t i = 0; i < n; i++)
		moved += frames[i] != frame_of(spread + was[i] * PG);
	EXPECT_EQ(moved, 0);
	EXPECT_OK(t_put("/proc/sys/vm/compact_unevictable_allowed", "1", 0644));
	for (size_t i = 0; i < n; i++)
		CHECK(mincore(q = spread + was[i] * PG, PG, (unsigned char *)&moved) == 0);
	EXPECT_OK(t_put(KNOB, "1", 0200));
	EXPECT_EQ(wrong(spread, pages), 0);
	munmap(spread, pages * PG);
}
