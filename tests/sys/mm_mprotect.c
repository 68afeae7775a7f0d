/* mm_mprotect.c - mprotect: flips, splits and merges, errnos, and what faults then say. */
#include "t.h"

#define RW (PROT_READ | PROT_WRITE)

TEST(read_only_and_back)
{
	char *p = t_anon(4);

	memset(p, 1, 4 * PG);
	EXPECT_OK(mprotect(p, 4 * PG, PROT_READ));
	NO_FAULT(READ_OF(p));
	FAULT_EQ(WRITE_OF(p + PG + 5), SIGSEGV, SEGV_ACCERR, p + PG + 5);
	EXPECT_OK(mprotect(p, 4 * PG, RW));
	NO_FAULT(WRITE_OF(p + PG + 5));
	EXPECT_EQ(p[2 * PG], 1);
	munmap(p, 4 * PG);
}

TEST(none_keeps_contents)
{
	char *p = t_anon(2);

	memset(p, 42, 2 * PG);
	EXPECT_OK(mprotect(p, 2 * PG, PROT_NONE));
	FAULT_EQ(READ_OF(p), SIGSEGV, SEGV_ACCERR, p);
	EXPECT_OK(mprotect(p, 2 * PG, PROT_READ));
	EXPECT_EQ(p[PG], 42);
	munmap(p, 2 * PG);
}

TEST(split_and_merge)
{
	char *p = t_anon(6), perm[5];

	EXPECT_OK(mprotect(p + 2 * PG, 2 * PG, PROT_READ));
	EXPECT_EQ(t_areas(p + PG, p + 5 * PG, NULL), 3);
	EXPECT_EQ(t_areas(p + 2 * PG, p + 4 * PG, perm), 1);
	CHECK(!strcmp(perm, "r--p"));
	EXPECT_OK(mprotect(p + 2 * PG, 2 * PG, RW));
	EXPECT_EQ(t_areas(p + PG, p + 5 * PG, perm), 1);
	CHECK(!strcmp(perm, "rw-p"));
	munmap(p, 6 * PG);
}

TEST(errnos)
{
	char *p = t_anon(4);
	int fd = t_file("f", PG), ro;

	EXPECT_ERR(mprotect(p + 1, PG, PROT_READ), EINVAL);
	EXPECT_OK(mprotect(p, 0, PROT_READ));
	NO_FAULT(WRITE_OF(p));
	munmap(p + PG, PG);
	EXPECT_ERR(mprotect(p + PG, PG, PROT_READ), ENOMEM);
	EXPECT_ERR(mprotect(p, 4 * PG, PROT_READ), ENOMEM);
	EXPECT_ERR(mprotect(p, PG, 0x40), EINVAL);
	EXPECT_ERR(mprotect(p, ~0UL - 2 * PG, PROT_READ), ENOMEM);
	close(fd);
	ro = open("f", O_RDONLY);
	char *m = mmap(NULL, PG, PROT_READ, MAP_SHARED, ro, 0);
	REQUIRE(m != MAP_FAILED);
	EXPECT_ERR(mprotect(m, PG, RW), EACCES);
	munmap(m, PG);
	m = mmap(NULL, PG, PROT_READ, MAP_PRIVATE, ro, 0);
	EXPECT_OK(mprotect(m, PG, RW));
	m[0] = 'z';
	munmap(m, PG), munmap(p, 4 * PG), close(ro);
}

TEST(before_touch)
{
	char *p = t_anon(2);

	EXPECT_OK(mprotect(p, 2 * PG, PROT_READ));
	EXPECT_EQ(p[0], 0);
	FAULT_EQ(WRITE_OF(p), SIGSEGV, SEGV_ACCERR, p);
	EXPECT_OK(mprotect(p, 2 * PG, RW));
	NO_FAULT(WRITE_OF(p));
	EXPECT_EQ(p[0], 1);
	munmap(p, 2 * PG);
}

/* A handler that repairs the protection and returns: the access is done again. */
static char *repair_page;
static int repaired;

static void repair(int sig, siginfo_t *si, void *uc)
{
	CHECK(si->si_code == SEGV_ACCERR);
	CHECK((char *)si->si_addr == repair_page + 100);
	mprotect(repair_page, PG, RW);
	repaired++;
}

TEST(handler_repairs)
{
	struct sigaction sa = { .sa_sigaction = repair, .sa_flags = SA_SIGINFO };

	repair_page = t_map(1, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
	sigaction(SIGSEGV, &sa, NULL);
	for (int i = 0; i < 10; i++) {
		mprotect(repair_page, PG, PROT_READ);
		t_do_write(repair_page + 100);
	}
	signal(SIGSEGV, SIG_DFL);
	EXPECT_EQ(repaired, 10);
	EXPECT_EQ(repair_page[100], 1);
	munmap(repair_page, PG);
}

TEST(zero_page_then_write)
{
	char *p = t_anon(1);

	EXPECT_EQ(*(volatile char *)p, 0);
	EXPECT_OK(mprotect(p, PG, PROT_READ));
	EXPECT_OK(mprotect(p, PG, RW));
	*p = 4;
	EXPECT_EQ(*p, 4);
	char *q = t_anon(1);
	EXPECT_EQ(*(volatile char *)q, 0);
	munmap(p, PG), munmap(q, PG);
}

TEST(cow_page_stays_private_after_flip)
{
	char *p = t_anon(1);
	pid_t pid;
	int st;

	*p = 1;
	pid = fork();
	if (pid == 0) {
		mprotect(p, PG, PROT_READ);
		mprotect(p, PG, RW);
		*p = 2;
		_exit(*p == 2 ? 0 : 1);
	}
	waitpid(pid, &st, 0);
	EXPECT_EQ(st, 0);
	EXPECT_EQ(*p, 1);
	munmap(p, PG);
}

TEST(growsdown_flag)
{
	char *p = t_anon(4);

	EXPECT_ERR(mprotect(p + PG, PG, PROT_READ | PROT_GROWSDOWN), EINVAL);
	EXPECT_ERR(mprotect(p + PG, PG, PROT_READ | PROT_GROWSDOWN | PROT_GROWSUP), EINVAL);
	munmap(p, 4 * PG);
}
