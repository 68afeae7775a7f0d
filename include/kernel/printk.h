/*
 * printk.h - the kernel log.
 * Border: open to arch.
 *
 * One line per call, terminated by '\n'. Every line goes to a ring (dmesg, /dev/kmsg) with a time stamp; lines more
 * urgent than the console level also go to the consoles. Callable from anywhere, interrupts and panic included.
 */
#ifndef KERNEL_PRINTK_H
#define KERNEL_PRINTK_H

#include <stdarg.h>
#include <lib/printf.h>
#include <lib/types.h>

enum log_level { LOG_EMERG, LOG_ALERT, LOG_CRIT, LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO, LOG_DEBUG };

void printk(enum log_level level, const char *fmt, ...) printf_like(2, 3);
void vprintk(enum log_level level, const char *fmt, va_list ap);

#define pr_emerg(...)	printk(LOG_EMERG, __VA_ARGS__)
#define pr_err(...)	printk(LOG_ERR, __VA_ARGS__)
#define pr_warn(...)	printk(LOG_WARNING, __VA_ARGS__)
#define pr_notice(...)	printk(LOG_NOTICE, __VA_ARGS__)
#define pr_info(...)	printk(LOG_INFO, __VA_ARGS__)
#define pr_debug(...)	printk(LOG_DEBUG, __VA_ARGS__)
#define pr_warn_once(...) do {				\
	static bool warned_once;			\
	if (!warned_once) {				\
		warned_once = true;			\
		pr_warn(__VA_ARGS__);			\
	}						\
} while (0)

/* Where lines are shown. write() must not sleep, allocate, or take a lock other than one of rank LOCK_CONSOLE. */
struct console {
	const char	*name;
	void		(*write)(const char *s, size_t len);
	struct console	*next;
};
void console_register(struct console *c);	/* replays the log so far */
void console_set_level(int level);		/* lines with a number below it are shown */
int console_get_level(void);

/*
 * Read the ring: copies whole lines "<level>[time] text\n" starting at *pos, advances *pos, returns bytes (0: at the end).
 * A *pos that was overwritten jumps to the oldest line. raw=false leaves out "<level>".
 */
size_t printk_read(u64 *pos, char *buf, size_t size, bool raw);
struct printk_cursor {			/* a reader's place: between two lines */
	u64	pos, seq;		/* seq: the number of the next line */
};
/* The next line with its level, and past it: its bytes, 0 at the end; -EPIPE when lines were lost before it (then it goes on). */
int printk_next(struct printk_cursor *c, char *line, size_t size);
void printk_seek(struct printk_cursor *c, bool end);
void printk_notify(int slot);			/* a deferred handler to raise after each line (kernel/irq.h) */
u64 printk_end(void);
size_t printk_ring_size(void);

#endif
