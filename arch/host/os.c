/*
 * os.c - the operating system under the host machine: memory, threads, time. Only the C library's headers here.
 */
#define _GNU_SOURCE
#include <execinfo.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "os.h"

_Static_assert(sizeof(pthread_mutex_t) <= sizeof(struct os_mutex), "room for a mutex");
_Static_assert(sizeof(pthread_cond_t) <= sizeof(struct os_cond), "room for a condition");

static int ram_fd = -1;
static size_t ram_bytes;

/* Where RAM is mapped, so that a forked copy of the machine can get RAM of its own. */
static struct ram_map { char *at; size_t offset, len; } *maps;
static size_t nr_maps, max_maps;
static pthread_mutex_t maps_lock = PTHREAD_MUTEX_INITIALIZER;

static void note_map(char *at, size_t offset, size_t len)
{
	pthread_mutex_lock(&maps_lock);
	if (nr_maps == max_maps) {
		max_maps = max_maps ? 2 * max_maps : 64;
		maps = realloc(maps, max_maps * sizeof(*maps));
		if (!maps)
			os_abort();
	}
	maps[nr_maps++] = (struct ram_map){ at, offset, len };
	pthread_mutex_unlock(&maps_lock);
}

static void forget_map(char *at, size_t len)
{
	size_t kept = 0;

	pthread_mutex_lock(&maps_lock);
	for (size_t i = 0; i < nr_maps; i++)
		if (maps[i].at < at || maps[i].at >= at + len)
			maps[kept++] = maps[i];
	nr_maps = kept;
	pthread_mutex_unlock(&maps_lock);
}

static void *check(void *p, const char *what)
{
	if (p == MAP_FAILED) {
		perror(what);
		os_abort();
	}
	return p;
}

void *os_reserve(size_t len, size_t align)
{
	char *p = check(mmap(NULL, len + align, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), "reserve");

	return (void *)(((uintptr_t)p + align - 1) & ~(uintptr_t)(align - 1));
}

void os_commit(void *at, size_t len)
{
	check(mmap(at, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0), "commit");
}

void os_ram_create(size_t bytes)
{
	ram_bytes = bytes;
	ram_fd = memfd_create("ram", MFD_CLOEXEC);
	if (ram_fd < 0 || ftruncate(ram_fd, (off_t)bytes)) {
		perror("memfd");
		os_abort();
	}
}

void os_ram_map(void *at, size_t offset, size_t len)
{
	check(mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ram_fd, (off_t)offset), "map RAM");
	note_map(at, offset, len);
}

/* After fork: what this process does to its RAM is nobody else's business. */
static void ram_unshare(void)
{
	int old = ram_fd;
	off_t at = 0, end;

	if (old < 0)
		return;
	os_ram_create(ram_bytes);
	while ((at = lseek(old, at, SEEK_DATA)) >= 0) {
		static char buf[1 << 16];
		ssize_t n;

		end = lseek(old, at, SEEK_HOLE);
		for (; at < end; at += n) {
			n = pread(old, buf, (size_t)(end - at) < sizeof(buf) ? (size_t)(end - at) : sizeof(buf), at);
			if (n <= 0 || pwrite(ram_fd, buf, (size_t)n, at) != n)
				os_abort();
		}
	}
	for (size_t i = 0; i < nr_maps; i++)
		check(mmap(maps[i].at, maps[i].len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, ram_fd,
			   (off_t)maps[i].offset), "map RAM");
	close(old);
}

void os_unmap(void *at, size_t len)
{
	forget_map(at, len);
	check(mmap(at, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0), "unmap");
}

void os_mutex_init(struct os_mutex *m)
{
	pthread_mutex_init((pthread_mutex_t *)m, NULL);
}
void os_mutex_lock(struct os_mutex *m)
{
	pthread_mutex_lock((pthread_mutex_t *)m);
}
void os_mutex_unlock(struct os_mutex *m)
{
	pthread_mutex_unlock((pthread_mutex_t *)m);
}
void os_cond_init(struct os_cond *c)
{
	pthread_cond_init((pthread_cond_t *)c, NULL);
}
void os_cond_wait(struct os_cond *c, struct os_mutex *m, long long timeout_ns)
{
	struct timespec ts;

	if (timeout_ns < 0) {
		pthread_cond_wait((pthread_cond_t *)c, (pthread_mutex_t *)m);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	timeout_ns += ts.tv_nsec;
	ts.tv_sec += (time_t)(timeout_ns / 1000000000);
	ts.tv_nsec = (long)(timeout_ns % 1000000000);
	pthread_cond_timedwait((pthread_cond_t *)c, (pthread_mutex_t *)m, &ts);
}
void os_cond_signal(struct os_cond *c)
{
	pthread_cond_broadcast((pthread_cond_t *)c);
}

struct start { void (*fn)(void *); void *arg; pthread_t thread; };

static void *start(void *p)
{
	struct start *s = p;

	s->fn(s->arg);
	return NULL;
}

void *os_thread_start(void (*fn)(void *), void *arg)
{
	struct start *s = malloc(sizeof(*s));

	if (!s)
		os_abort();
	s->fn = fn;
	s->arg = arg;
	if (pthread_create(&s->thread, NULL, start, s))
		os_abort();
	return s;
}

void os_thread_join(void *thread)
{
	struct start *s = thread;

	pthread_join(s->thread, NULL);
	free(s);
}

void os_yield(void)
{
	sched_yield();
}

long long os_time_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

void os_log(const char *s, size_t n)
{
	if (write(2, s, n) < 0)
		return;
}

void os_abort(void)
{
	void *frames[32];

	backtrace_symbols_fd(frames, backtrace(frames, 32), 2);
	_exit(99);
}

void os_exit(int status)
{
	_exit(status);
}

int os_run_in_child(void (*fn)(void *), void *arg)
{
	int status = 0;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		os_abort();
	if (!pid) {
		alarm(120);
		ram_unshare();
		fn(arg);
		_exit(0);
	}
	while (waitpid(pid, &status, 0) < 0)
		;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
