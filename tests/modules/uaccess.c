/*
 * uaccess.c - drives modules/uaccess_test.c: every function of the user-access API over every pair of neighbouring pages, across their
 * border, and over addresses that are none. What must come back is computed here from what each page allows.
 */
#include "../sys/t.h"
#include <pthread.h>
#include <sys/ioctl.h>
#include "../../modules/uaccess_test.h"

enum kind { VALID, READ_ONLY, NONE, UNMAPPED, BEYOND_EOF, SWAPPED, NR_KINDS };

static int fd = -1, file = -1;
static unsigned char *window;		/* two pages, with room on both sides */
static unsigned long nr_calls;

static unsigned char pattern(size_t i)
{
	return (unsigned char)('A' + i % 53);		/* never NUL */
}

static void open_device(void)
{
	if (fd >= 0)
		return;
	fd = open("/dev/uaccess_test", O_RDWR);
	REQUIRE(fd >= 0);
	window = mmap(NULL, 8 * PG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	REQUIRE(window != MAP_FAILED);
	window += 2 * PG;
	file = memfd_create("short", 0);
	REQUIRE(file >= 0);
}

static void make_page(unsigned char *at, size_t index, enum kind k)
{
	munmap(at, PG);
	if (k == UNMAPPED)
		return;
	if (k == BEYOND_EOF) {
		REQUIRE(mmap(at, PG, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == at);
		return;
	}
	REQUIRE(mmap(at, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
	for (size_t i = 0; i < PG; i++)
		at[i] = pattern(index * PG + i);
	if (k == READ_ONLY)
		mprotect(at, PG, PROT_READ);
	if (k == NONE)
		mprotect(at, PG, PROT_NONE);
	if (k == SWAPPED)
		REQUIRE(madvise(at, PG, MADV_PAGEOUT) == 0);
}

static bool resident(void *at)
{
	unsigned char vec = 0;

	return mincore(at, PG, &vec) == 0 && (vec & 1);
}

static bool readable(enum kind k, bool nofault)
{
	return k == VALID || k == READ_ONLY || (k == SWAPPED && !nofault);
}

static bool writable(enum kind k, bool nofault)
{
	return k == VALID || (k == SWAPPED && !nofault);
}

/* Bytes from offset that the function may reach, n at most. */
static size_t reach(bool (*may)(enum kind, bool), enum kind a, enum kind b, bool nofault, size_t off, size_t n)
{
	size_t can = 0;

	if (off < PG && may(a, nofault))
		can = PG - off;
	if ((off >= PG || can) && may(b, nofault))
		can = 2 * PG - off;
	return can < n ? can : n;
}

static struct uaccess_call call(enum uaccess_op op, bool nofault, void *at, size_t n, uint64_t value)
{
	struct uaccess_call c = { .op = op, .nofault = nofault, .address = (uint64_t)(uintptr_t)at, .n = n, .value = value };

	nr_calls++;
	CHECK(ioctl(fd, UA_CALL, &c) == 0);
	return c;
}

static unsigned char kernel_side[UA_ROOM];

static void fetch(void)
{
	REQUIRE(lseek(fd, 0, SEEK_SET) == 0);
	REQUIRE(read(fd, kernel_side, UA_ROOM) == UA_ROOM);
}

#define BAD(what) do { \
	printf("# %s: pages %d %d off %zu n %zu nofault %d: result %lld can %zu\n", what, a, b, off, n, nofault, (long long)c.result, can); \
	t_bad++; } while (0)

static void one_copy_from(enum kind a, enum kind b, size_t off, size_t n, bool nofault)
{
	size_t can = reach(readable, a, b, nofault, off, n);
	struct uaccess_call c = call(UA_COPY_FROM, nofault, window + off, n, 0);

	if (c.result != (long long)(n - can))
		BAD("copy_from_user");
	fetch();
	for (size_t i = 0; i < UA_ROOM; i++) {
		unsigned char want = i < can ? pattern(off + i) : i < n && !nofault ? 0 : UA_CANARY;

		if (kernel_side[i] != want) {
			BAD("copy_from_user: kernel's side");
			break;
		}
	}
}

/* After a call that wrote `with` (a pattern shifted, or zeros) to the first `can` bytes. */
static bool user_side_ok(enum kind a, enum kind b, size_t off, size_t can, bool zeros)
{
	for (size_t page = 0; page < 2; page++) {
		enum kind k = page ? b : a;

		if (k != VALID && k != READ_ONLY && k != SWAPPED)
			continue;
		for (size_t i = page * PG; i < (page + 1) * PG; i++) {
			bool inside = i >= off && i < off + can;

			if (window[i] != (inside ? zeros ? 0 : (unsigned char)(i - off + 1) : pattern(i)))
				return false;
		}
	}
	return true;
}

static void one_write(enum uaccess_op op, enum kind a, enum kind b, size_t off, size_t n, bool nofault)
{
	size_t can = reach(writable, a, b, nofault, off, n);
	struct uaccess_call c = call(op, nofault, window + off, n, 0);

	if (c.result != (long long)(n - can))
		BAD(op == UA_CLEAR ? "clear_user" : "copy_to_user");
	if (!user_side_ok(a, b, off, can, op == UA_CLEAR))
		BAD(op == UA_CLEAR ? "clear_user: user's side" : "copy_to_user: user's side");
}

static void one_string(enum kind a, enum kind b, size_t off, size_t n, bool nofault, size_t nul)
{
	size_t can = reach(readable, a, b, nofault, off, n);
	struct uaccess_call c = call(UA_STRNLEN, nofault, window + off, n, 0);
	bool ends = nul < can;
	long long want = ends ? (long long)nul + 1 : can == n ? (long long)n + 1 : 0;

	if (c.result != want)
		BAD("strnlen_user");
	c = call(UA_STRNCPY, nofault, window + off, n, 0);
	want = ends ? (long long)nul + nofault : can == n ? (long long)n : -EFAULT;
	if (c.result != want)
		BAD("strncpy_from_user");
	if (c.filled > n)
		BAD("strncpy_from_user: too much written");
	fetch();
	for (size_t i = 0; want >= 0 && i < (ends ? nul : n); i++)
		if (kernel_side[i] != (nofault && !ends && i == n - 1 ? 0 : pattern(off + i))) {
			BAD("strncpy_from_user: text");
			break;
		}
}

static void one_value(enum kind a, enum kind b, size_t off, size_t n, bool nofault)
{
	size_t can = reach(readable, a, b, nofault, off, n);
	struct uaccess_call c = call(UA_GET, nofault, window + off, n, 0);
	uint64_t want = 0;

	for (size_t i = 0; can == n && i < n; i++)
		want |= (uint64_t)pattern(off + i) << 8 * i;
	if (c.result != (can == n ? 0 : -EFAULT) || c.value != want)
		BAD("get_user");
	can = reach(writable, a, b, nofault, off, n);
	c = call(UA_PUT, nofault, window + off, n, 0x0807060504030201);
	if (c.result != (can == n ? 0 : -EFAULT))
		BAD("put_user");
	if (can == n && !user_side_ok(a, b, off, n, false))
		BAD("put_user: user's side");
}

static void fresh(enum kind a, enum kind b)
{
	make_page(window, 0, a);
	make_page(window + PG, 1, b);
}

static const size_t offsets[] = { 0, 1, PG - 9, PG - 8, PG - 3, PG - 1 }, lengths[] = { 1, 7, 8, 64, 100, PG + 1 };

static void pair(enum kind a, enum kind b, bool nofault)
{
	for (size_t o = 0; o < ARRAY_LEN(offsets); o++)
		for (size_t l = 0; l < ARRAY_LEN(lengths); l++) {
			size_t off = offsets[o], n = lengths[l];

			fresh(a, b);
			one_copy_from(a, b, off, n, nofault);
			if (a == SWAPPED || b == SWAPPED)
				fresh(a, b);
			one_string(a, b, off, n, nofault, SIZE_MAX);
			for (size_t i = 0; i < UA_ROOM; i++)
				kernel_side[i] = (unsigned char)(i + 1);
			lseek(fd, 0, SEEK_SET);
			REQUIRE(write(fd, kernel_side, UA_ROOM) == UA_ROOM);
			fresh(a, b);
			one_write(UA_COPY_TO, a, b, off, n, nofault);
			fresh(a, b);
			one_write(UA_CLEAR, a, b, off, n, nofault);
			if (n <= 8 && n != 7) {
				fresh(a, b);
				one_value(a, b, off, n, nofault);
			}
		}
}

static void all_pairs(bool nofault)
{
	open_device();
	for (enum kind a = VALID; a < SWAPPED; a++)
		for (enum kind b = VALID; b < SWAPPED; b++)
			pair(a, b, nofault);
}

TEST(valid_readonly_none_unmapped_beyond_eof)
{
	all_pairs(false);
	printf("# %lu calls\n", nr_calls);
}

TEST(the_same_without_faults)
{
	all_pairs(true);
}

TEST(swapped_out)
{
	open_device();
	make_page(window, 0, SWAPPED);
	if (resident(window))
		SKIP("no swap");
	for (int nofault = 0; nofault < 2; nofault++) {
		pair(SWAPPED, VALID, nofault);
		pair(VALID, SWAPPED, nofault);
		pair(SWAPPED, UNMAPPED, nofault);
		pair(SWAPPED, SWAPPED, nofault);
	}
}

TEST(strings_that_end)
{
	static const size_t places[] = { 0, 1, 6, 7, 8, 9, 63 };

	open_device();
	for (size_t o = 0; o < ARRAY_LEN(offsets); o++)
		for (size_t p = 0; p < ARRAY_LEN(places); p++)
			for (enum kind b = VALID; b <= UNMAPPED; b++)
				for (int nofault = 0; nofault < 2; nofault++) {
					size_t off = offsets[o], nul = places[p];

					fresh(VALID, VALID);
					window[off + nul] = 0;
					if (b != VALID && b != READ_ONLY)
						mprotect(window + PG, PG, PROT_NONE);
					one_string(VALID, b, off, 64, nofault, nul);
				}
}

static void nowhere(uint64_t address, size_t n)
{
	void *at = (void *)(uintptr_t)address;

	for (int nofault = 0; nofault < 2; nofault++) {
		EXPECT_EQ(call(UA_COPY_TO, nofault, at, n, 0).result, (long long)n);
		EXPECT_EQ(call(UA_COPY_FROM, nofault, at, n, 0).result, (long long)n);
		EXPECT_EQ(call(UA_CLEAR, nofault, at, n, 0).result, (long long)n);
		EXPECT_EQ(call(UA_STRNLEN, nofault, at, n, 0).result, 0);
		EXPECT_EQ(call(UA_STRNCPY, nofault, at, n, 0).result, -EFAULT);
		for (size_t size = 1; size <= 8; size *= 2) {
			struct uaccess_call c = call(UA_GET, nofault, at, size, 0);

			EXPECT_EQ(c.result, -EFAULT);
			EXPECT_EQ(c.value, 0);
			EXPECT_EQ(call(UA_PUT, nofault, at, size, 1).result, -EFAULT);
		}
	}
}

TEST(kernel_addresses)
{
	open_device();
	nowhere(0xffff888000000000, 64);
	nowhere(0xffff888000000fff, 2);
	nowhere(0xffffffff80200000, 8);
	nowhere(0xffffffffff600000, 8);
	EXPECT_EQ(call(UA_ACCESS_OK, 0, (void *)0xffff888000000000, 1, 0).result, 0);
	EXPECT_EQ(call(UA_ACCESS_OK, 0, window, PG, 0).result, 1);
}

TEST(addresses_that_do_not_exist)
{
	open_device();
	nowhere(0x0000800000000000, 64);		/* the first behind the user half */
	nowhere(0x00007ffffffff000, 16);		/* its last page stays empty */
	nowhere(0x1234567812345678, 100);
	nowhere(0x7ffffffffffffff0, 8);
	nowhere(0x7fffffffffffffff, 8);
	nowhere(0x8000000000000000, 8);
	nowhere(0, 64);
	nowhere(0xfff, 2);
}

TEST(ranges_that_wrap)
{
	open_device();
	nowhere(0xfffffffffffffff8, 64);
	nowhere(0xffffffffffffffff, 2);
	EXPECT_EQ(call(UA_COPY_FROM, 0, window, ~0ull, 0).result, -1);
	EXPECT_EQ(call(UA_CLEAR, 0, window, ~0ull - 7, 0).result, (long long)(~0ull - 7));
	EXPECT_EQ(call(UA_ACCESS_OK, 0, window, ~0ull, 0).result, 0);
	EXPECT_EQ(call(UA_ACCESS_OK, 0, (void *)~0ull, 2, 0).result, 0);
}

TEST(nothing_to_do)
{
	open_device();
	EXPECT_EQ(call(UA_COPY_TO, 0, window, 0, 0).result, 0);
	EXPECT_EQ(call(UA_COPY_FROM, 0, NULL, 0, 0).result, 0);
	EXPECT_EQ(call(UA_CLEAR, 0, NULL, 0, 0).result, 0);
	EXPECT_EQ(call(UA_STRNLEN, 0, window, 0, 0).result, 0);
	EXPECT_EQ(call(UA_STRNCPY, 0, window, 0, 0).result, 0);
}

/* A copy from kernel memory that reaches beyond its object is refused whole. */
TEST(kernel_side_too_small)
{
	open_device();
	fresh(VALID, VALID);
	make_page(window + 2 * PG, 2, VALID);
	EXPECT_EQ(call(UA_SLAB_OVERRUN, 0, window, 64, 0).result, 0);
	EXPECT_EQ(call(UA_SLAB_OVERRUN, 0, window, 65, 0).result, 65);
	EXPECT_EQ(call(UA_SLAB_OVERRUN, 0, window, PG, 0).result, (long long)PG);
	EXPECT_EQ(call(UA_STACK_OVERRUN, 0, window, 64, 0).result, 0);
	EXPECT_EQ(call(UA_STACK_OVERRUN, 0, window, 256, 0).result, 256);
	EXPECT_EQ(call(UA_STACK_OVERRUN, 0, window, 2 * PG, 0).result, 2 * (long long)PG);
	EXPECT_EQ(call(UA_PAGES_OVERRUN, 0, window, PG, 0).result, 0);
	EXPECT_EQ(call(UA_PAGES_OVERRUN, 0, window, PG + 1, 0).result, (long long)PG + 1);
	munmap(window + 2 * PG, PG);
}

static volatile bool stop;

static void *unmapper(void *arg)
{
	unsigned char *at = window + PG;

	while (!stop) {
		if (mmap(at, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_POPULATE, -1, 0) == at)
			memset(at, 'z', 1);
		munmap(at, PG);
	}
	return NULL;
}

/* The first page stays; of the second any part may be reached, and what was not is zero. */
TEST(while_another_thread_unmaps)
{
	unsigned long whole = 0, cut = 0;
	pthread_t t;

	open_device();
	fresh(VALID, VALID);
	stop = false;
	REQUIRE(pthread_create(&t, NULL, unmapper, NULL) == 0);
	for (int i = 0; i < 3000; i++) {
		struct uaccess_call c = call(UA_COPY_FROM, i & 1, window + 100, 2 * PG - 100, 0);
		size_t got = (size_t)(2 * PG - 100 - (unsigned long)c.result);

		CHECK(c.result >= 0 && c.result <= (long long)PG);
		fetch();
		CHECK(kernel_side[0] == pattern(100) && kernel_side[PG - 101] == pattern(PG - 1));
		for (size_t k = got; !(i & 1) && k < 2 * PG - 100; k += 61)
			CHECK(kernel_side[k] == 0);
		whole += c.result == 0;
		cut += c.result != 0;
		CHECK(call(UA_COPY_TO, i & 1, window + PG - 8, 64, 0).result <= 56);
		make_page(window, 0, VALID);
		c = call(UA_GET, i & 1, window + PG - 4, 8, 0);
		CHECK(c.result == 0 || (c.result == -EFAULT && c.value == 0));
		CHECK(call(UA_CLEAR, i & 1, window + 2 * PG - 64, 64, 0).result <= 64);
		CHECK(call(UA_STRNLEN, i & 1, window + PG - 64, 100, 0).result <= 101);
	}
	stop = true;
	pthread_join(t, NULL);
	printf("# %lu whole, %lu cut\n", whole, cut);
}
