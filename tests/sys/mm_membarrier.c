/* mm_membarrier.c - membarrier and rseq: query, register, use, errnos. */
#include "t.h"
#include <stddef.h>
#include <linux/membarrier.h>
#include <linux/rseq.h>

#define RSEQ_SIG 0x53053053

static long membarrier(int cmd, unsigned flags)
{
	return syscall(SYS_membarrier, cmd, flags, 0);
}

TEST(query)
{
	long q = membarrier(MEMBARRIER_CMD_QUERY, 0);

	if (q < 0 && errno == ENOSYS)
		SKIP("no membarrier");
	CHECK(q & MEMBARRIER_CMD_GLOBAL);
	CHECK(q & MEMBARRIER_CMD_PRIVATE_EXPEDITED);
	EXPECT_ERR(membarrier(MEMBARRIER_CMD_QUERY, 1), EINVAL);
	EXPECT_ERR(membarrier(1 << 30, 0), EINVAL);
}

TEST(private_expedited)
{
	if (membarrier(MEMBARRIER_CMD_QUERY, 0) < 0)
		SKIP("no membarrier");
	EXPECT_ERR(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), EPERM);
	EXPECT_OK(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0));
	EXPECT_OK(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0));
	EXPECT_OK(membarrier(MEMBARRIER_CMD_GLOBAL, 0));
}

TEST(rseq_cpu_id)
{
	extern const ptrdiff_t __rseq_offset;
	extern const unsigned __rseq_size;
	struct rseq *r = (void *)((char *)__builtin_thread_pointer() + __rseq_offset);

	if (!__rseq_size)
		SKIP("rseq not registered by libc");
	for (int i = 0; i < 20; i++) {
		CHECK(r->cpu_id < 4096);
		CHECK(r->cpu_id_start == r->cpu_id);
		sched_yield();
	}
	EXPECT_ERR(syscall(SYS_rseq, r, 32, 0, 0), EPERM);
	EXPECT_ERR(syscall(SYS_rseq, r, 32, 0, RSEQ_SIG), EBUSY);
}

TEST(rseq_errnos)
{
	static struct rseq mine __attribute__((aligned(32)));

	if (syscall(SYS_rseq, &mine, 32, 0, 0x1234) == -1 && errno == ENOSYS)
		SKIP("no rseq");
	EXPECT_ERR(syscall(SYS_rseq, &mine, 32, 4, 0), EINVAL);
	EXPECT_ERR(syscall(SYS_rseq, &mine, 7, 0, 0), EINVAL);
}

TEST(which_cpu)
{
	unsigned cpu = 9999, node = 9999;

	EXPECT_OK(syscall(SYS_getcpu, &cpu, &node, NULL));
	CHECK(cpu < 4096 && node < 64);
	EXPECT_OK(syscall(SYS_getcpu, NULL, NULL, NULL));
	EXPECT_ERR(syscall(SYS_getcpu, (void *)8, NULL, NULL), EFAULT);
	CHECK(sched_getcpu() >= 0);
}
