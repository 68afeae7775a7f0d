/*
 * heap.c - what valgrind is asked about: known peaks, known leaks, one use of a value never set, one write past the end, threads, a
 * fork, and faults that a handler answers.
 *
 *	peak of the heap	10 blocks of 100,000 bytes	fill()
 *	lost at the end		3 of those, 40 and 123 bytes	main()
 *	errors			main() reads text[3]; past() writes behind 10 bytes and after free()
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static sigjmp_buf back;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	siglongjmp(back, info->si_addr == (void *)8 ? 1 : 2);
}

__attribute__((noinline)) static void *fill(size_t n)
{
	return memset(malloc(n), 1, n);
}

__attribute__((noinline)) static void past(void)
{
	char *p = malloc(10);

	((volatile char *)p)[10] = 1;
	free(p);
	((volatile char *)p)[0] = 2;
}

static void *thread(void *arg)
{
	for (int i = 0; i < 20; i++)
		free(fill(1000 * (i + 1)));
	return arg;
}

static void blocks(void)
{
	void *v[10];

	for (int i = 0; i < 10; i++)
		v[i] = fill(100000);
	for (int i = 0; i < 7; i++)
		free(v[i]);
	memset(v, 0, sizeof(v));
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	volatile int faults = 0;
	pthread_t t;
	char *text;

	blocks();
	pthread_create(&t, NULL, thread, NULL);
	pthread_join(t, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	for (volatile int i = 0; i < 3; i++)
		if (!sigsetjmp(back, 1))
			*(volatile int *)8 = 1;
		else
			faults++;
	if (fork() == 0)
		_exit(0);
	wait(NULL);
	text = malloc(40);
	if (text[3] == 7)
		puts("odd");
	text = malloc(123);
	past();
	text = NULL;
	printf("%d faults\n", faults);
	return 3;
}
