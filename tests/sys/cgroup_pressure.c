/* cgroup_pressure.c - memory.pressure of a cgroup: its form, whose stalls it counts, full against some, triggers, the switch. */
#include "cg.h"
#include <poll.h>

struct psi {
	unsigned long some, full;	/* µs */
};

static struct psi psi_of(const char *cg)
{
	struct psi p = { -1UL, -1UL };
	float f;
	const char *s = get(cg, "memory.pressure");

	if (s)
		sscanf(s, "some avg10=%f avg60=%f avg300=%f total=%lu\nfull avg10=%f avg60=%f avg300=%f total=%lu\n", &f, &f, &f, &p.some,
		       &f, &f, &f, &p.full);
	return p;
}

#define NEED_PRESSURE(cg) do { if (!get(cg, "memory.pressure")) { rmdir(at(cg, "")); SKIP("no pressure information"); } } while (0)

/* In a cgroup of half the size, with swap: it stalls all the time. */
static void thrash(void)
{
	size_t bytes = 16 << 20;
	char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (;;)
		for (size_t i = 0; i < bytes; i += 4096)
			p[i]++;
}

static void spin(void)
{
	for (;;)
		sink++;
}

static void make_small(const char *cg)
{
	make(cg);
	EXPECT_OK(put(cg, "memory.max", "8M"));
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
}

/* Nobody is left: nothing is counted any more. */
static void gone(const char *cg)
{
	struct psi a;

	WAIT_FOR(strstr(get(cg, "cgroup.events"), "populated 0") != NULL);
	t_msleep(20);
	a = psi_of(cg);
	t_msleep(50);
	EXPECT_EQ(psi_of(cg).some, a.some);
	EXPECT_EQ(psi_of(cg).full, a.full);
	EXPECT_OK(rmdir(at(cg, "")));
}

TEST(form)
{
	NEED_CGROUPS();
	make("f");
	NEED_PRESSURE("f");
	CHECK(!strcmp(get("f", "memory.pressure"), "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
						   "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"));
	CHECK(get(".", "memory.pressure") != NULL);
	EXPECT_OK(rmdir(at("f", "")));
}

TEST(counts_its_own_and_those_below)
{
	struct psi p, q, none;
	pid_t pid;

	NEED_CGROUPS();
	NEED_SWAP(64);
	make("u");
	NEED_PRESSURE("u");
	EXPECT_OK(put("u", "cgroup.subtree_control", "+memory"));
	make_small("u/v");
	make("u/w");
	pid = child_in("u/v", thrash);
	WAIT_FOR(psi_of("u/v").some >= 20000 && psi_of("u/v").full > 0);
	end(pid);
	p = psi_of("u");
	q = psi_of("u/v");
	none = psi_of("u/w");
	CHECK(q.full <= q.some);
	EXPECT_EQ(p.some, q.some);
	EXPECT_EQ(p.full, q.full);
	EXPECT_EQ(none.some, 0);
	CHECK(psi_of(".").some >= q.some);
	gone("u/v");
	gone("u/w");
	EXPECT_OK(rmdir(at("u", "")));
}

/* Somebody in the cgroup works: it is never stalled as a whole, and what runs outside does not matter. */
TEST(full_only_when_nobody_in_it_works)
{
	pid_t busy, outside, pid;
	unsigned long full;

	NEED_CGROUPS();
	NEED_SWAP(64);
	make_small("w");
	NEED_PRESSURE("w");
	outside = fork();
	if (!outside)
		spin();
	pid = child_in("w", thrash);
	WAIT_FOR(psi_of("w").full >= 2000);
	end(pid);
	busy = child_in("w", spin);
	WAIT_FOR(strstr(get("w", "cgroup.procs"), "\n") != NULL);
	full = psi_of("w").full;
	pid = child_in("w", thrash);
	unsigned long before = psi_of("w").some;
	WAIT_FOR(psi_of("w").some >= before + 20000);
	EXPECT_EQ(psi_of("w").full, full);
	end(pid);
	end(busy);
	end(outside);
	gone("w");
}

/* A process that moves while it stalls is counted where it goes. */
TEST(moves_while_it_stalls)
{
	char number[16];
	pid_t pid;

	NEED_CGROUPS();
	NEED_SWAP(64);
	make_small("a");
	NEED_PRESSURE("a");
	make_small("b");
	pid = child_in("a", thrash);
	snprintf(number, sizeof(number), "%d", pid);
	for (int i = 0; i < 20; i++) {
		struct psi was = psi_of(i % 2 ? "b" : "a");

		WAIT_FOR(psi_of(i % 2 ? "b" : "a").some >= was.some + 500);
		EXPECT_OK(put(i % 2 ? "a" : "b", "cgroup.procs", number));
	}
	EXPECT_OK(put("b", "cgroup.procs", number));
	struct psi a = psi_of("a");
	t_msleep(30);
	EXPECT_EQ(psi_of("a").some, a.some);
	end(pid);
	gone("a");
	gone("b");
}

TEST(a_trigger)
{
	struct pollfd p = { .events = POLLPRI };
	pid_t pid;

	NEED_CGROUPS();
	NEED_SWAP(64);
	make_small("t");
	NEED_PRESSURE("t");
	p.fd = open(at("t", "memory.pressure"), O_RDWR);
	EXPECT_ERR(write(p.fd, "some 2000000 1000000", 21), EINVAL);
	EXPECT_EQ(write(p.fd, "some 5000 1000000", 18), 18);
	EXPECT_ERR(write(p.fd, "some 5000 1000000", 18), EBUSY);
	EXPECT_EQ(poll(&p, 1, 200), 0);
	pid = child_in("t", thrash);
	EXPECT_EQ(poll(&p, 1, 60000), 1);
	CHECK(p.revents & POLLPRI);
	end(pid);
	close(p.fd);
	gone("t");
}

TEST(the_switch)
{
	char c;
	int fd;

	NEED_CGROUPS();
	make_small("s");
	NEED_PRESSURE("s");
	if (!get("s", "cgroup.pressure")) {
		rmdir(at("s", ""));
		SKIP("no cgroup.pressure");
	}
	CHECK(!strcmp(get("s", "cgroup.pressure"), "1\n"));
	CHECK(!strcmp(get(".", "cgroup.pressure"), "1\n"));
	CHECK(put("s", "cgroup.pressure", "2") != 0);
	fd = open(at("s", "memory.pressure"), O_RDONLY);
	EXPECT_OK(put("s", "cgroup.pressure", "0"));
	EXPECT_ERR(open(at("s", "memory.pressure"), O_RDONLY), ENOENT);
	EXPECT_ERR(read(fd, &c, 1), ENODEV);
	EXPECT_OK(put("s", "cgroup.pressure", "1"));
	EXPECT_EQ(read(fd, &c, 1), 1);
	close(fd);
	gone("s");
}
