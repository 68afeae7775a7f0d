/* cgroup_kernel.c - the kernel's own memory charged to a cgroup: slab objects, stacks, page tables; memory.stat. */
#include "cg.h"
#include <pthread.h>
#include <sys/msg.h>

#define MESSAGES 200
static int queue;

static void empty(const char *cg)
{
	WAIT_FOR(strstr(get(cg, "cgroup.events"), "populated 0") != NULL);
	EXPECT_OK(rmdir(at(cg, "")));
}

/* Messages of 1 KiB in a queue that outlives the sender. */
static void send_messages(void)
{
	struct { long type; char text[1000]; } m = { 1, "" };

	for (int i = 0; i < MESSAGES; i++)
		if (msgsnd(queue, &m, sizeof(m.text), IPC_NOWAIT))
			_exit(96);
}

static void receive_messages(void)
{
	struct { long type; char text[1000]; } m;

	for (int i = 0; i < MESSAGES; i++)
		EXPECT_EQ(msgrcv(queue, &m, sizeof(m.text), 0, IPC_NOWAIT), 1000);
}

static bool make_queue(void)
{
	struct msqid_ds d;

	queue = msgget(IPC_PRIVATE, 0600);
	if (queue < 0 || msgctl(queue, IPC_STAT, &d))
		return false;
	d.msg_qbytes = MESSAGES * 1024;
	return msgctl(queue, IPC_SET, &d) == 0;
}

/* What one cgroup allocated and another frees goes back to the first. */
TEST(freed_by_another)
{
	long with, now;
	int st;
	pid_t pid;

	NEED_CGROUPS();
	if (!make_queue())
		SKIP("no message queues");
	make("a");
	pid = child_in("a", send_messages);
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	EXPECT_EQ(st, 0);
	WAIT_FOR(strstr(get("a", "cgroup.events"), "populated 0") != NULL);
	with = stat_of("a", "slab_unreclaimable");
	CHECK(with >= MESSAGES * 1000 && with < MESSAGES * 4096);
	EXPECT_EQ(stat_of("a", "slab"), with + stat_of("a", "slab_reclaimable"));
	CHECK(stat_of("a", "kernel") >= with);
	CHECK(atol(get("a", "memory.current")) >= with);
	receive_messages();
	now = stat_of("a", "slab_unreclaimable");
	CHECK(now <= with - MESSAGES * 1000);
	CHECK(atol(get("a", "memory.current")) < 1 << 20);
	msgctl(queue, IPC_RMID, NULL);
	empty("a");
}

/* A removed cgroup's objects are its parent's. */
TEST(removed)
{
	long with;
	pid_t pid;

	NEED_CGROUPS();
	if (!make_queue())
		SKIP("no message queues");
	make("p");
	EXPECT_OK(put("p", "cgroup.subtree_control", "+memory"));
	make("p/q");
	pid = child_in("p/q", send_messages);
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	empty("p/q");
	with = stat_of("p", "slab_unreclaimable");
	CHECK(with >= MESSAGES * 1000);
	receive_messages();
	CHECK(stat_of("p", "slab_unreclaimable") <= with - MESSAGES * 1000);
	msgctl(queue, IPC_RMID, NULL);
	empty("p");
}

static void many_areas(void)
{
	/* Areas that do not merge: kernel memory alone. */
	for (int i = 0; i < 60000; i++)
		if (mmap(NULL, 4096, i & 1 ? PROT_READ : PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
			_exit(errno == ENOMEM ? 1 : 95);
	_exit(2);
}

/* Nothing but kernel objects: the limit holds for them too. */
TEST(limit)
{
	pid_t pid;
	int st;

	NEED_CGROUPS();
	make("l");
	EXPECT_OK(put("l", "memory.max", "4M"));
	pid = child_in("l", many_areas);
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	CHECK((WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL) || (WIFEXITED(st) && WEXITSTATUS(st) == 1));
	CHECK(event("l", "max") >= 1);
	CHECK(atol(get("l", "memory.peak")) > 3 << 20 && atol(get("l", "memory.peak")) < 5 << 20);
	WAIT_FOR(atol(get("l", "memory.current")) < 1 << 20);
	empty("l");
}

static void *sleeper(void *arg)
{
	pause();
	return NULL;
}

static void threads_and_tables(void)
{
	char *p = mmap(NULL, 64UL << 21, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	pthread_attr_t a;
	pthread_t t;

	for (int i = 0; i < 64; i++)		/* a page table each */
		p[(unsigned long)i << 21] = 1;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 65536);
	for (int i = 0; i < 20; i++)
		pthread_create(&t, &a, sleeper, NULL);
	pause();
}

TEST(stacks_and_tables)
{
	pid_t pid;

	NEED_CGROUPS();
	make("s");
	pid = child_in("s", threads_and_tables);
	WAIT_FOR(stat_of("s", "kernel_stack") >= 21 * 8192);
	CHECK(stat_of("s", "pagetables") >= 64 * 4096);
	CHECK(stat_of("s", "kernel") >= stat_of("s", "kernel_stack") + stat_of("s", "pagetables") + stat_of("s", "slab"));
	CHECK(stat_of("s", "pgfault") >= 64);
	kill(pid, SIGKILL);
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	WAIT_FOR(stat_of("s", "kernel_stack") == 0);
	CHECK(stat_of("s", "pagetables") == 0);
	CHECK(stat_of("s", "slab_unreclaimable") < 65536);
	empty("s");
}

/* Names that were looked up are kept until the cgroup needs the room. */
static void look_up(void)
{
	char name[64];
	struct stat st;

	for (int i = 0; i < 60000; i++) {
		snprintf(name, sizeof(name), "no-such-file-%d", i);
		stat(name, &st);
	}
}

TEST(dentries_make_room)
{
	pid_t pid;
	int st;

	NEED_CGROUPS();
	make("d");
	EXPECT_OK(put("d", "memory.max", "4M"));
	pid = child_in("d", look_up);
	EXPECT_EQ(waitpid(pid, &st, 0), pid);
	EXPECT_EQ(st, 0);
	EXPECT_EQ(event("d", "oom_kill"), 0);
	if (stat_of("d", "slab_reclaimable") > 1 << 20) {	/* this file system remembers them */
		CHECK(event("d", "max") >= 1);
		put("d", "memory.reclaim", "4M");
		CHECK(stat_of("d", "slab_reclaimable") < 1 << 20);
	}
	empty("d");
}

static int page_kinds_fd;
static void page_kinds(void)
{
	char *anon = t_anon(256), *file = mmap(NULL, 128 * PG, PROT_READ | PROT_WRITE, MAP_SHARED, page_kinds_fd, 0);

	memset(anon, 1, 256 * PG);
	memset(file, 1, 128 * PG);
	mlock(anon, 64 * PG);
	pause();
}

TEST(kinds_of_pages)
{
	pid_t pid;

	NEED_CGROUPS();
	make("k");
	page_kinds_fd = open("kinds", O_RDWR | O_CREAT | O_TRUNC, 0600);
	EXPECT_OK(ftruncate(page_kinds_fd, 128 * PG));
	pid = child_in("k", page_kinds);
	WAIT_FOR(stat_of("k", "unevictable") >= 64 * (long)PG);
	CHECK(stat_of("k", "anon") >= 256 * (long)PG);
	CHECK(stat_of("k", "file_mapped") >= 128 * (long)PG);
	CHECK(stat_of("k", "shmem") >= 128 * (long)PG || stat_of("k", "file") >= 128 * (long)PG);
	CHECK(stat_of("k", "inactive_anon") + stat_of("k", "active_anon") >= 192 * (long)PG);
	kill(pid, SIGKILL);
	EXPECT_EQ(waitpid(pid, NULL, 0), pid);
	close(page_kinds_fd);
	unlink("kinds");
	WAIT_FOR(stat_of("k", "anon") == 0 && stat_of("k", "file") == 0);
	empty("k");
}
