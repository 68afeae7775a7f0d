/* mm_mlock.c - mlock family: residency, limits, errnos, VmLck. */
#include "t.h"
#ifndef MLOCK_ONFAULT
#define MLOCK_ONFAULT 1
#endif

TEST(mlock_makes_resident)
{
	unsigned char vec[4];
	char *p = t_anon(4);

	EXPECT_OK(mlock(p, 4 * PG));
	EXPECT_OK(mincore(p, 4 * PG, vec));
	for (int i = 0; i < 4; i++)
		EXPECT_EQ(vec[i] & 1, 1);
	EXPECT_EQ(t_proc("/proc/self/status", "VmLck"), 16);
	EXPECT_OK(munlock(p, 4 * PG));
	EXPECT_EQ(t_proc("/proc/self/status", "VmLck"), 0);
	munmap(p, 4 * PG);
}

TEST(rounding)
{
	char *p = t_anon(4);

	EXPECT_OK(mlock(p + 100, 10));
	EXPECT_EQ(t_proc("/proc/self/status", "VmLck"), 4);
	EXPECT_OK(munlock(p, 4 * PG));
	munmap(p, 4 * PG);
}

TEST(locked_cannot_be_dropped)
{
	char *p = t_anon(2);

	memset(p, 1, 2 * PG);
	EXPECT_OK(mlock(p, 2 * PG));
	EXPECT_ERR(madvise(p, 2 * PG, MADV_DONTNEED), EINVAL);
	EXPECT_EQ(p[PG], 1);
	munlock(p, 2 * PG), munmap(p, 2 * PG);
}

TEST(errnos)
{
	char *p = t_anon(4);

	munmap(p + PG, PG);
	EXPECT_ERR(mlock(p, 4 * PG), ENOMEM);
	EXPECT_ERR(munlock(p, 4 * PG), ENOMEM);
	EXPECT_OK(mlock(p, 0));
	EXPECT_ERR(mlock(p, ~0UL - 3 * PG), geteuid() ? ENOMEM : EINVAL);	/* more than anybody's limit */
	EXPECT_ERR(syscall(SYS_mlock2, p, PG, 8), EINVAL);
	EXPECT_ERR(mlockall(0), EINVAL);
	EXPECT_ERR(mlockall(0x100), EINVAL);
	munmap(p, 4 * PG);
}

TEST(mlock2_onfault)
{
	char *p = t_anon(4);

	EXPECT_OK(syscall(SYS_mlock2, p, 4 * PG, MLOCK_ONFAULT));
	p[0] = 1;
	EXPECT_EQ(t_proc("/proc/self/status", "VmLck"), 16);
	munmap(p, 4 * PG);
	EXPECT_EQ(t_proc("/proc/self/status", "VmLck"), 0);
}

TEST(map_locked)
{
	char *p = mmap(NULL, 4 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0);
	unsigned char vec[4];

	REQUIRE(p != MAP_FAILED);
	EXPECT_OK(mincore(p, 4 * PG, vec));
	EXPECT_EQ(vec[3] & 1, 1);
	munmap(p, 4 * PG);
}

TEST(mlockall_current_and_future)
{
	unsigned char vec[2];

	EXPECT_OK(mlockall(MCL_CURRENT));
	EXPECT_OK(mlockall(MCL_FUTURE));
	char *p = t_anon(2);
	EXPECT_OK(mincore(p, 2 * PG, vec));
	EXPECT_EQ(vec[1] & 1, 1);
	EXPECT_OK(munlockall());
	EXPECT_EQ(t_proc("/proc/self/status", "VmLck"), 0);
	munmap(p, 2 * PG);
}

static int limited(void *a)
{
	struct rlimit lim = { 4 * PG, 4 * PG };
	char *p = t_anon(8);

	setrlimit(RLIMIT_MEMLOCK, &lim);
	if (setgid(65534) || setuid(65534))
		return 77;
	EXPECT_ERR(mlock(p, 8 * PG), ENOMEM);
	EXPECT_OK(mlock(p, 2 * PG));
	EXPECT_ERR(mmap(NULL, 64 * PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0), EAGAIN);
	lim.rlim_cur = 0;
	setrlimit(RLIMIT_MEMLOCK, &lim);
	EXPECT_ERR(mlock(p + 4 * PG, PG), EPERM);
	return 0;
}

TEST(memlock_limit)
{
	if (geteuid())
		SKIP("needs root to become nobody");
	CHILD_EXITS(limited, NULL, 0);
}

static int child(void *p)
{
	EXPECT_EQ(t_proc("/proc/self/status", "VmLck"), 0);
	return 0;
}

TEST(not_inherited)
{
	char *p = t_anon(2);

	mlock(p, 2 * PG);
	CHILD_EXITS(child, p, 0);
	munmap(p, 2 * PG);
}
