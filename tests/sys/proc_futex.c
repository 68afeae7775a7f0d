/* proc_futex.c - futex operations, time-outs, requeue, shared memory, robust lists. */
#include "t.h"
#include <linux/futex.h>
#include <pthread.h>

static long futex(int *u, int op, int val, void *t, int *u2, int v3)
{
	return syscall(SYS_futex, u, op, val, t, u2, v3);
}

static int word, word2;
static volatile int woken, tid_of[4];

TEST(value_differs)
{
	word = 1;
	EXPECT_ERR(futex(&word, FUTEX_WAIT, 2, NULL, NULL, 0), EAGAIN);
	EXPECT_ERR(futex(&word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0), EAGAIN);
	EXPECT_EQ(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
}

TEST(timeouts)
{
	struct timespec ts = { 0, 5000000 }, bad = { 0, 2000000000 }, now;

	word = 1;
	EXPECT_ERR(futex(&word, FUTEX_WAIT, 1, &ts, NULL, 0), ETIMEDOUT);
	EXPECT_ERR(futex(&word, FUTEX_WAIT, 1, &bad, NULL, 0), EINVAL);
	clock_gettime(CLOCK_MONOTONIC, &now);
	EXPECT_ERR(futex(&word, FUTEX_WAIT_BITSET, 1, &now, NULL, -1), ETIMEDOUT);
	clock_gettime(CLOCK_REALTIME, &now);
	EXPECT_ERR(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 1, &now, NULL, -1), ETIMEDOUT);
	ts = (struct timespec){ 0, 0 };
	EXPECT_ERR(futex(&word, FUTEX_WAIT, 1, &ts, NULL, 0), ETIMEDOUT);
}

TEST(errnos)
{
	word = 1;
	EXPECT_ERR(futex((int *)((char *)&word + 1), FUTEX_WAIT, 1, NULL, NULL, 0), EINVAL);
	EXPECT_ERR(futex((int *)8, FUTEX_WAIT, 1, NULL, NULL, 0), EFAULT);
	EXPECT_ERR(futex(&word, FUTEX_WAIT, 1, (void *)8, NULL, 0), EFAULT);
	EXPECT_ERR(futex(&word, 99, 1, NULL, NULL, 0), ENOSYS);
	EXPECT_ERR(futex(&word, FUTEX_WAIT_BITSET, 1, NULL, NULL, 0), EINVAL);
	EXPECT_ERR(futex(&word, FUTEX_CMP_REQUEUE, 1, (void *)1, &word2, 2), EAGAIN);
	EXPECT_ERR(futex((int *)0xffff888000000000, FUTEX_WAIT, 1, NULL, NULL, 0), EFAULT);
}

static void *waiter(void *arg)
{
	long me = (long)arg;

	tid_of[me] = gettid();
	while (futex(&word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0) && errno == EINTR)
		;
	__atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static int sleeping(int i)
{
	return tid_of[i] && t_state(tid_of[i]) == 'S';
}

TEST(wake_counts)
{
	pthread_t t[4];

	word = 1, woken = 0;
	memset((void *)tid_of, 0, sizeof(tid_of));
	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, waiter, (void *)i);
	for (int i = 0; i < 4; i++)
		WAIT_FOR(sleeping(i));
	EXPECT_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
	WAIT_FOR(woken == 1);
	EXPECT_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0), 2);
	WAIT_FOR(woken == 3);
	EXPECT_EQ(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0), 1);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
}

TEST(requeue)
{
	pthread_t t[3];

	word = 1, woken = 0, word2 = 1;
	memset((void *)tid_of, 0, sizeof(tid_of));
	for (long i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, waiter, (void *)i);
	for (int i = 0; i < 3; i++)
		WAIT_FOR(sleeping(i));
	EXPECT_EQ(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)10, &word2, 1), 3);
	WAIT_FOR(woken == 1);
	EXPECT_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 0);
	EXPECT_EQ(futex(&word2, FUTEX_WAKE_PRIVATE, 10, NULL, NULL, 0), 2);
	for (int i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
}

TEST(wake_op)
{
	pthread_t t;

	word = 1, woken = 0, word2 = 10, tid_of[0] = 0;
	pthread_create(&t, NULL, waiter, (void *)0);
	WAIT_FOR(sleeping(0));
	EXPECT_EQ(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1, &word2,
			FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 10)), 1);
	EXPECT_EQ(word2, 15);
	pthread_join(t, NULL);
}

static void *bit_waiter(void *arg)
{
	tid_of[0] = gettid();
	futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 1, NULL, NULL, 4);
	woken = 1;
	return NULL;
}

TEST(bitset)
{
	pthread_t t;

	word = 1, woken = 0, tid_of[0] = 0;
	pthread_create(&t, NULL, bit_waiter, NULL);
	WAIT_FOR(sleeping(0));
	EXPECT_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 3), 0);
	EXPECT_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 6), 1);
	pthread_join(t, NULL);
}

/* Two processes, the same frame at different addresses. */
TEST(shared_between_processes)
{
	int fd = t_file("f", PG), st;
	int *a = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	pid_t pid;

	a[0] = 1;
	pid = fork();
	if (pid == 0) {
		int *b = mmap(NULL, PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

		while (b[0] == 1)
			futex(b, FUTEX_WAIT, 1, NULL, NULL, 0);
		_exit(b[0] == 2 && b != a ? 0 : 1);
	}
	WAIT_FOR(t_state(pid) == 'S');
	a[0] = 2;
	EXPECT_EQ(futex(a, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
	waitpid(pid, &st, 0);
	EXPECT_EQ(st, 0);
	munmap(a, PG), close(fd);
}

TEST(shared_anonymous)
{
	int *a = t_map(1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS), st;
	pid_t pid;

	a[0] = 1;
	pid = fork();
	if (pid == 0) {
		while (a[0] == 1)
			futex(a, FUTEX_WAIT, 1, NULL, NULL, 0);
		_exit(0);
	}
	WAIT_FOR(t_state(pid) == 'S');
	a[0] = 2;
	EXPECT_EQ(futex(a, FUTEX_WAKE, 1, NULL, NULL, 0), 1);
	waitpid(pid, &st, 0);
	EXPECT_EQ(st, 0);
	munmap(a, PG);
}

static void nothing(int sig)
{
}

TEST(interrupted)
{
	struct sigaction sa = { .sa_handler = nothing };
	pid_t me = getpid(), pid;

	word = 1;
	sigaction(SIGUSR1, &sa, NULL);
	pid = fork();
	if (pid == 0) {
		WAIT_FOR(t_state(me) == 'S');
		kill(me, SIGUSR1);
		_exit(0);
	}
	EXPECT_ERR(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0), EINTR);
	waitpid(pid, NULL, 0);
	signal(SIGUSR1, SIG_DFL);
}

static pthread_mutex_t robust;

static void *dies_with_lock(void *arg)
{
	pthread_mutex_lock(&robust);
	return NULL;
}

TEST(robust_in_threads)
{
	pthread_mutexattr_t a;
	pthread_t t;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &a);
	pthread_create(&t, NULL, dies_with_lock, NULL);
	pthread_join(t, NULL);
	EXPECT_EQ(pthread_mutex_lock(&robust), EOWNERDEAD);
	EXPECT_EQ(pthread_mutex_consistent(&robust), 0);
	EXPECT_EQ(pthread_mutex_unlock(&robust), 0);
}

TEST(robust_in_processes)
{
	pthread_mutex_t *m = t_map(1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	volatile int *held = (int *)((char *)m + 2048);
	pthread_mutexattr_t a;
	pid_t pid;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(m, &a);
	pid = fork();
	if (pid == 0) {
		pthread_mutex_lock(m);
		*held = 1;
		kill(getpid(), SIGKILL);
	}
	WAIT_FOR(*held);
	EXPECT_EQ(pthread_mutex_lock(m), EOWNERDEAD);
	waitpid(pid, NULL, 0);
	pthread_mutex_consistent(m), pthread_mutex_unlock(m);
	munmap(m, PG);
}

TEST(robust_list_calls)
{
	struct robust_list_head *h = NULL;
	size_t len = 0;

	EXPECT_OK(syscall(SYS_get_robust_list, 0, &h, &len));
	EXPECT_EQ(len, sizeof(*h));
	CHECK(h != NULL);
	EXPECT_ERR(syscall(SYS_set_robust_list, h, 1), EINVAL);
	EXPECT_ERR(syscall(SYS_get_robust_list, 999999, &h, &len), ESRCH);
}

TEST(clear_child_tid)
{
	static int tid_word;
	static char stack[32768] __attribute__((aligned(16)));
	pid_t pid;

	tid_word = 99;
	pid = fork();
	if (pid == 0) {
		/* Alone with its own memory nobody hears the wake-up, but the word of shared memory is cleared. */
		syscall(SYS_set_tid_address, &tid_word);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	EXPECT_EQ(tid_word, 99);
}

/* ---- futex_waitv ---- */

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct word {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};
#define WAITV_32 2
#define WAITV_PRIVATE 128

static long waitv(struct word *w, unsigned n, struct timespec *until, int clock)
{
	return syscall(SYS_futex_waitv, w, n, 0, until, clock);
}

static uint32_t three[3];

static void *waits_for_three(void *arg)
{
	struct word w[3];

	for (int i = 0; i < 3; i++)
		w[i] = (struct word){ 0, (uintptr_t)&three[i], WAITV_32 | WAITV_PRIVATE, 0 };
	return (void *)waitv(w, 3, NULL, 0);
}

TEST(waitv_says_which_one)
{
	for (int i = 0; i < 3; i++) {
		pthread_t t;
		void *got;

		pthread_create(&t, NULL, waits_for_three, NULL);
		while (!syscall(SYS_futex, &three[i], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0))
			sched_yield();
		pthread_join(t, &got);
		EXPECT_EQ((long)got, i);
	}
}

TEST(waitv_shared_between_processes)
{
	uint32_t *m = t_map(1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
	struct word w[2] = { { 0, (uintptr_t)m, WAITV_32, 0 }, { 0, (uintptr_t)(m + 1), WAITV_32, 0 } };
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit((int)waitv(w, 2, NULL, 0));
	while (!syscall(SYS_futex, m + 1, FUTEX_WAKE, 1, NULL, NULL, 0))
		sched_yield();
	waitpid(pid, &status, 0);
	EXPECT_EQ(WEXITSTATUS(status), 1);
	munmap(m, PG);
}

TEST(waitv_times_out_and_refuses)
{
	struct word w[2] = { { 0, (uintptr_t)&three[0], WAITV_32, 0 }, { 0, (uintptr_t)&three[1], WAITV_32, 0 } };
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += 20000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	EXPECT_ERR(waitv(w, 2, &ts, CLOCK_MONOTONIC), ETIMEDOUT);
	clock_gettime(CLOCK_REALTIME, &ts);
	EXPECT_ERR(waitv(w, 2, &ts, CLOCK_REALTIME), ETIMEDOUT);
	EXPECT_ERR(waitv(w, 2, &ts, CLOCK_BOOTTIME), EINVAL);
	ts.tv_nsec = 1000000000;
	EXPECT_ERR(waitv(w, 2, &ts, CLOCK_MONOTONIC), EINVAL);
	EXPECT_ERR(waitv(w, 2, (void *)8, CLOCK_MONOTONIC), EFAULT);
	w[1].val = 5;
	EXPECT_ERR(waitv(w, 2, NULL, 0), EAGAIN);
	w[1].val = 0;
	EXPECT_ERR(waitv(w, 0, NULL, 0), EINVAL);
	EXPECT_ERR(waitv(w, 129, NULL, 0), EINVAL);
	EXPECT_ERR(waitv(NULL, 1, NULL, 0), EINVAL);
	EXPECT_ERR(waitv((void *)8, 1, NULL, 0), EFAULT);
	EXPECT_ERR(syscall(SYS_futex_waitv, w, 2, 1, NULL, 0), EINVAL);
	w[0].flags = WAITV_PRIVATE;		/* no size */
	EXPECT_ERR(waitv(w, 1, NULL, 0), EINVAL);
	w[0].flags = WAITV_32 | 64;
	EXPECT_ERR(waitv(w, 1, NULL, 0), EINVAL);
	w[0].flags = WAITV_32, w[0].reserved = 1;
	EXPECT_ERR(waitv(w, 1, NULL, 0), EINVAL);
	w[0].reserved = 0, w[0].uaddr++;
	EXPECT_ERR(waitv(w, 1, NULL, 0), EINVAL);
	w[0].uaddr = 8;
	EXPECT_ERR(waitv(w, 1, NULL, 0), EFAULT);
}
