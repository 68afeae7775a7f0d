/*
 * os.h - what the host machine asks of the operating system under it. Included by files of either world: plain C types only, so
 * that the C library's headers and the kernel's never meet.
 */
#ifndef ARCH_HOST_OS_H
#define ARCH_HOST_OS_H

#include <stddef.h>

struct os_mutex { _Alignas(16) char opaque[64]; };
struct os_cond { _Alignas(16) char opaque[64]; };

void *os_reserve(size_t len, size_t align);		/* addresses without memory */
void os_commit(void *at, size_t len);			/* zeroed memory at reserved addresses */
void os_ram_create(size_t bytes);			/* one file that is the machine's RAM */
void os_ram_map(void *at, size_t offset, size_t len);	/* the same RAM may appear at several addresses */
void os_unmap(void *at, size_t len);			/* back to reserved */

void os_mutex_init(struct os_mutex *m);
void os_mutex_lock(struct os_mutex *m);
void os_mutex_unlock(struct os_mutex *m);
void os_cond_init(struct os_cond *c);
void os_cond_wait(struct os_cond *c, struct os_mutex *m, long long timeout_ns);	/* < 0: for ever */
void os_cond_signal(struct os_cond *c);

void *os_thread_start(void (*fn)(void *), void *arg);
void os_thread_join(void *thread);
void os_yield(void);
long long os_time_ns(void);
void os_log(const char *s, size_t n);
_Noreturn void os_abort(void);
_Noreturn void os_exit(int status);
int os_run_in_child(void (*fn)(void *), void *arg);	/* exit status, or 128 + signal; 0 when fn returned */

#endif
