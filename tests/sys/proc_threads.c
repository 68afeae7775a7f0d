/* proc_threads.c - threads: creation, join, identity, exit of one and of all, thread-local data. */
#include "t.h"
#include <pthread.h>
#include <semaphore.h>

static __thread int tls = 5;

static void *body(void *arg)
{
	if (tls != 5)
		return (void *)-1L;
	tls = (long)arg;
	for (int i = 0; i < 20; i++) {
		sched_yield();
		if (tls != (long)arg)
			return (void *)-2L;
	}
	return arg;
}

TEST(create_join)
{
	pthread_t t[16];
	void *r;

	for (long i = 0; i < 16; i++)
		if (pthread_create(&t[i], NULL, body, (void *)(i + 100)))
			REQUIRE(!"pthread_create");
	for (long i = 0; i < 16; i++) {
		pthread_join(t[i], &r);
		EXPECT_EQ((long)r, i + 100);
	}
	EXPECT_EQ(tls, 5);
}

static void *ids(void *arg)
{
	long *out = arg;

	out[0] = getpid(), out[1] = gettid(), out[2] = getppid();
	return NULL;
}

TEST(identity)
{
	long out[3];
	pthread_t t;

	pthread_create(&t, NULL, ids, out);
	pthread_join(t, NULL);
	EXPECT_EQ(out[0], getpid());
	CHECK(out[1] != getpid() && out[1] > 0);
	EXPECT_EQ(out[2], getppid());
	EXPECT_EQ(gettid(), getpid());
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static long counter;

static void *count(void *arg)
{
	for (int i = 0; i < 2000; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

TEST(mutex_excludes)
{
	pthread_t t[4];

	counter = 0;
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, count, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	EXPECT_EQ(counter, 8000);
}

static int turn;

static void *ping(void *arg)
{
	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&mutex);
		while (turn != (long)arg)
			pthread_cond_wait(&cond, &mutex);
		turn = !turn;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

TEST(condition_ping_pong)
{
	pthread_t a, b;

	pthread_create(&a, NULL, ping, (void *)0);
	pthread_create(&b, NULL, ping, (void *)1);
	pthread_join(a, NULL), pthread_join(b, NULL);
	EXPECT_EQ(turn, 0);
}

static void *forever(void *arg)
{
	for (;;)
		pause();
	return NULL;
}

static int exit_with_threads(void *arg)
{
	pthread_t t;

	for (int i = 0; i < 4; i++)
		pthread_create(&t, NULL, forever, NULL);
	_exit(17);
}

TEST(exit_group_ends_all)
{
	CHILD_EXITS(exit_with_threads, NULL, 17);
}

static void *exit_from_thread(void *arg)
{
	_exit(18);
}

static int thread_exits(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, exit_from_thread, NULL);
	forever(NULL);
	return 1;
}

TEST(exit_group_from_a_thread)
{
	CHILD_EXITS(thread_exits, NULL, 18);
}

static void *late(void *arg)
{
	t_msleep(20);
	_exit(19);
}

static int leader_first(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, late, NULL);
	syscall(SYS_exit, 3);
	return 1;
}

TEST(leader_exits_first)
{
	CHILD_EXITS(leader_first, NULL, 19);
}

static void *segv(void *arg)
{
	t_do_read(NULL);
	return NULL;
}

static int thread_faults(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, segv, NULL);
	forever(NULL);
	return 0;
}

TEST(fault_in_a_thread_kills_all)
{
	CHILD_DIES(thread_faults, NULL, SIGSEGV);
}

static int fork_in_thread_result;

static void *forker(void *arg)
{
	int st;
	pid_t pid = fork();

	if (pid == 0)
		_exit(gettid() == getpid() ? 4 : 5);
	waitpid(pid, &st, 0);
	fork_in_thread_result = WEXITSTATUS(st);
	return NULL;
}

TEST(fork_in_a_thread)
{
	pthread_t t;

	pthread_create(&t, NULL, forker, NULL);
	pthread_join(t, NULL);
	EXPECT_EQ(fork_in_thread_result, 4);
}

static sem_t sem;

static void *canceled(void *arg)
{
	sem_post(&sem);
	forever(NULL);
	return NULL;
}

TEST(cancel)
{
	pthread_t t;
	void *r;

	sem_init(&sem, 0, 0);
	pthread_create(&t, NULL, canceled, NULL);
	sem_wait(&sem);
	EXPECT_EQ(pthread_cancel(t), 0);
	pthread_join(t, &r);
	CHECK(r == PTHREAD_CANCELED);
}

TEST(proc_task_lists_them)
{
	pthread_t t[3];

	/* A thread that an earlier case joined may still be on its way out. */
	WAIT_FOR(t_proc("/proc/self/status", "Threads") == 1);
	sem_init(&sem, 0, 0);
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, canceled, NULL);
	for (int i = 0; i < 3; i++)
		sem_wait(&sem);
	EXPECT_EQ(t_proc("/proc/self/status", "Threads"), 4);
	for (int i = 0; i < 3; i++) {
		pthread_cancel(t[i]);
		pthread_join(t[i], NULL);
	}
	WAIT_FOR(t_proc("/proc/self/status", "Threads") == 1);
}

static void *exec_it(void *arg)
{
	execl("/proc/self/exe", "self", "no-such-case", NULL);
	return NULL;
}

static int exec_from_thread(void *arg)
{
	pthread_t t;

	pthread_create(&t, NULL, forever, NULL);
	pthread_create(&t, NULL, exec_it, NULL);
	forever(NULL);
	return 1;
}

TEST(exec_in_a_thread_ends_the_others)
{
	CHILD_EXITS(exec_from_thread, NULL, 0);
}

/* Whoever takes the leader's place must find it wholly gone. */
TEST(exec_while_the_leader_ends)
{
	for (int i = 0; i < 150; i++)
		CHILD_EXITS(exec_from_thread, NULL, 0);
}

TEST(many_short_threads)
{
	pthread_t t;

	for (int i = 0; i < 200; i++) {
		if (pthread_create(&t, NULL, body, (void *)3))
			REQUIRE(!"pthread_create");
		pthread_join(t, NULL);
	}
}

static pthread_barrier_t barrier;

static void *at_barrier(void *arg)
{
	for (int i = 0; i < 30; i++)
		pthread_barrier_wait(&barrier);
	return NULL;
}

TEST(barriers)
{
	pthread_t t[4];

	pthread_barrier_init(&barrier, NULL, 4);
	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, at_barrier, NULL);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

/* A thread that is known already and does not run yet is killed with the others: it must wait until it is begun. */
static int nothing(void *arg)
{
	return pause();
}

static void *make_threads(void *arg)
{
	static char stacks[64][8192];
	/* The kernel stores the child's number here before it lets it run; each time that is a fault, which waits for the mapper. */
	char *ids = mmap(NULL, 64 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	for (int i = 0; i < 64; i++)
		clone(nothing, stacks[i] + 8192, CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
		      CLONE_PARENT_SETTID, NULL, ids + i * 4096);
	return NULL;
}

static void *hold_the_map(void *arg)
{
	size_t len = 4 << 20;
	char *m = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	for (int prot = PROT_READ;; prot ^= PROT_WRITE)
		mprotect(m, len, prot);
	return NULL;
}

TEST(exit_while_threads_are_made)
{
	for (int i = 0; i < 60; i++) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			pthread_t t;

			pthread_create(&t, NULL, hold_the_map, NULL);
			pthread_create(&t, NULL, make_threads, NULL);
			usleep(i % 20 * 200);
			_exit(7);
		}
		REQUIRE(waitpid(pid, &status, 0) == pid);
		EXPECT_EQ(WEXITSTATUS(status), 7);
	}
}
