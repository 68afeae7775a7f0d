/*
 * panic.h - stopping when the kernel itself is wrong.
 * Border: open to arch.
 *
 * assert() is kept in release builds: use it where it is cheap. debug_assert() is for hot paths.
 * Neither ever judges user input.
 */
#ifndef KERNEL_PANIC_H
#define KERNEL_PANIC_H

#include <lib/types.h>

noreturn void panic(const char *fmt, ...) printf_like(1, 2);
noreturn void bug_at(const char *what, const char *file, int line);
void warn_at(const char *what, const char *file, int line);	/* message and backtrace; boot option panic_on_warn stops */
void dump_stack(void);

#define BUG()		bug_at("BUG", __FILE__, __LINE__)
#define BUG_ON(c)	do { if (unlikely(c)) bug_at("BUG: " #c, __FILE__, __LINE__); } while (0)
#define WARN_ON(c) ({							\
	bool warn_c = !!(c);						\
	if (unlikely(warn_c))						\
		warn_at(#c, __FILE__, __LINE__);			\
	unlikely(warn_c); })
#define WARN_ON_ONCE(c) ({						\
	static bool warned_once;					\
	bool warn_c = !!(c);						\
	if (unlikely(warn_c && !warned_once)) {				\
		warned_once = true;					\
		warn_at(#c, __FILE__, __LINE__);			\
	}								\
	unlikely(warn_c); })

#ifndef assert
#define assert(c)	do { if (unlikely(!(c))) bug_at("assert: " #c, __FILE__, __LINE__); } while (0)
#endif
#ifdef DEBUG
#define debug_assert(c)	assert(c)
#else
#define debug_assert(c)	((void)0)
#endif

/* How the machine ends. quire (the host command) reads these from QEMU's status, which is code * 2 + 1. */
enum machine_exit_code {
	MACHINE_EXIT_OK		= 0x10,		/* power off: QEMU status 33 */
	MACHINE_EXIT_REBOOT	= 0x11,		/* 35 */
	MACHINE_EXIT_HALT	= 0x12,		/* 37 */
	MACHINE_EXIT_PANIC	= 0x50,		/* 161 */
};
noreturn void machine_power_off(void);
noreturn void machine_restart(void);
noreturn void machine_halt(void);

/* Names for addresses, from the table made at link time; good until the CPU looks up another. NULL when unknown. */
const char *kallsyms_lookup(vaddr_t addr, unsigned long *offset, unsigned long *size);
bool kallsyms_nth(u32 i, vaddr_t *addr, char *type, char *name, size_t size);	/* in address order; false past the last */
void backtrace_print(vaddr_t frame_pointer, vaddr_t pc);

#endif
