/*
 * compact.c - what moving a page costs while N threads of its program run on other CPUs: `compact N`. Run by bench/compact.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGES	8192
#define PAGE	4096UL

static volatile int stop;
static char *m;

static void *reads(void *arg)
{
	unsigned long sum = 0, x = (unsigned long)arg;

	while (!stop) {
		x = x * 6364136223846793005UL + 1;
		sum += (unsigned long)m[((x >> 40) % (PAGES / 2)) * 2 * PAGE + PAGE];
	}
	return (void *)sum;
}

static unsigned long moved(void)
{
	FILE *f = fopen("/proc/vmstat", "r");
	unsigned long n = 0;
	char line[200];

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "pgmigrate_success %lu", &n);
	fclose(f);
	return n;
}

static unsigned long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (unsigned long)t.tv_sec * 1000000000UL + (unsigned long)t.tv_nsec;
}

int main(int argc, char **argv)
{
	long threads = argc > 1 ? atol(argv[1]) : 0;
	int fd = open("/proc/sys/vm/compact_memory", O_WRONLY);
	unsigned long before, began, took;
	pthread_t t[8];

	m = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memset(m, 1, PAGES * PAGE);
	for (int i = 0; i < PAGES; i += 2)
		madvise(m + i * PAGE, PAGE, MADV_DONTNEED);
	for (long i = 0; i < threads; i++)
		pthread_create(&t[i], NULL, reads, (void *)(i + 1));
	usleep(10000);
	before = moved();
	began = now();
	if (write(fd, "1", 1) != 1)
		perror("compact_memory");
	took = now() - began;
	stop = 1;
	for (long i = 0; i < threads; i++)
		pthread_join(t[i], NULL);
	before = moved() - before;
	printf("%ld threads: %lu pages moved, %lu instructions each\n", threads, before, before ? took / before : 0);
	return !before;
}
