/* pingpong.c - how far apart the host's CPUs are: nanoseconds for a cache line to go to the other CPU and back, best of ten. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

static _Alignas(64) volatile int ball;

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static void *back(void *arg)
{
	for (int i = 0; i < 100000; i++) {
		while (__atomic_load_n(&ball, __ATOMIC_ACQUIRE) != 1)
			;
		__atomic_store_n(&ball, 0, __ATOMIC_RELEASE);
	}
	return NULL;
}

int main(void)
{
	double best = 1e18;

	for (int round = 0; round < 10; round++) {
		pthread_t t;
		double begin;

		pthread_create(&t, NULL, back, NULL);
		begin = now();
		for (int i = 0; i < 100000; i++) {
			__atomic_store_n(&ball, 1, __ATOMIC_RELEASE);
			while (__atomic_load_n(&ball, __ATOMIC_ACQUIRE))
				;
		}
		if (now() - begin < best)
			best = now() - begin;
		pthread_join(t, NULL);
	}
	printf("%.0f\n", best / 100000);
	return 0;
}
