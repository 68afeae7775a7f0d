/*
 * printk.c - the kernel log: a ring of text, and the consoles that show it.
 *
 * SHAPE       The ring holds lines "<level>[seconds.micros] text\n". Positions are byte counts since boot; position
 *             modulo the ring's size is the place. `log_start` is the oldest whole line still there.
 * LOCKS       One lock of our own with interrupts off, since hard interrupt handlers may print. A panic breaks it.
 */
#include <abi/errno.h>
#include <arch/cpu.h>
#include <kernel/boot_info.h>
#include <kernel/irq.h>
#include <kernel/printk.h>
#include <kernel/time.h>
#include <lib/string.h>

#define RING_SIZE	16384
#define LINE_MAX	512

static char ring[RING_SIZE];
static u64 log_start, log_end;
static u64 first_seq, next_seq;		/* numbers of the line at log_start, and of the next one */
static int notify_slot = -1;
static u32 log_locked;
static struct console *consoles;
static int console_level = LOG_DEBUG;
bool printk_unlocked;		/* set by panic: nobody else runs any more */


static unsigned long log_lock(void)
{
	unsigned long flags = irq_save();

	while (!printk_unlocked && __atomic_exchange_n(&log_locked, 1, __ATOMIC_ACQUIRE))
		cpu_relax();
	return flags;
}

static void log_unlock(unsigned long flags)
{
	__atomic_store_n(&log_locked, 0, __ATOMIC_RELEASE);
	irq_restore(flags);
}

static void ring_put(const char *s, size_t n)
{
	while (log_end + n - log_start > RING_SIZE) {
		while (ring[log_start++ % RING_SIZE] != '\n')
			;
		first_seq++;
	}
	for (size_t i = 0; i < n; i++) {
		ring[log_end++ % RING_SIZE] = s[i];
		next_seq += s[i] == '\n';
	}
}

/* Past "<n>": consoles show the rest. */
static const char *skip_level(const char *line)
{
	return line[0] == '<' && line[2] == '>' ? line + 3 : line;
}

static void show(const char *line, size_t n)
{
	const char *text = skip_level(line);

	for (struct console *c = consoles; c; c = c->next)
		c->write(text, n - (text - line));
}

void vprintk(enum log_level level, const char *fmt, va_list ap)
{
	char line[LINE_MAX];
	u64 us = (u64)ktime_get() / 1000;
	unsigned long flags;
	int n;

	n = kscnprintf(line, sizeof(line) - 1, "<%d>[%5lu.%06lu] ", level, us / 1000000, us % 1000000);
	n += min(kvsnprintf(line + n, sizeof(line) - 1 - n, fmt, ap), (int)sizeof(line) - 2 - n);
	if (line[n - 1] != '\n')
		line[n++] = '\n';
	flags = log_lock();
	ring_put(line, n);
	if ((int)level < console_level)
		show(line, n);
	log_unlock(flags);
	if (notify_slot >= 0)
		deferred_raise(notify_slot);
}

void printk(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintk(level, fmt, ap);
	va_end(ap);
}

static size_t copy_line(u64 *pos, char *out, size_t size)
{
	u64 p = *pos;
	size_t n = 0;

	do {
		if (n == size)
			return 0;
		out[n++] = ring[p++ % RING_SIZE];
	} while (out[n - 1] != '\n');
	*pos = p;
	return n;
}

size_t printk_read(u64 *pos, char *buf, size_t size, bool raw)
{
	unsigned long flags = log_lock();
	size_t done = 0;

	if (*pos < log_start)
		*pos = log_start;
	while (*pos < log_end) {
		size_t n = copy_line(pos, buf + done, size - done);

		if (!n)
			break;
		if (!raw) {
			memmove(buf + done, buf + done + 3, n - 3);
			n -= 3;
		}
		done += n;
	}
	log_unlock(flags);
	return done;
}

int printk_next(struct printk_cursor *c, char *line, size_t size)
{
	unsigned long flags = log_lock();
	int n = 0;

	if (c->pos < log_start) {
		c->pos = log_start;
		c->seq = first_seq;
		n = -EPIPE;
	} else if (c->pos < log_end) {
		n = (int)copy_line(&c->pos, line, size);
		c->seq++;
	}
	log_unlock(flags);
	return n;
}

void printk_seek(struct printk_cursor *c, bool end)
{
	unsigned long flags = log_lock();

	*c = (struct printk_cursor){ end ? log_end : log_start, end ? next_seq : first_seq };
	log_unlock(flags);
}

void printk_notify(int slot)
{
	notify_slot = slot;
}

u64 printk_end(void)
{
	return READ_ONCE(log_end);
}

size_t printk_ring_size(void)
{
	return RING_SIZE;
}

void console_register(struct console *c)
{
	unsigned long flags = log_lock();
	char line[LINE_MAX];

	for (u64 pos = log_start; pos < log_end;) {
		size_t n = copy_line(&pos, line, sizeof(line));

		if (!n)
			break;
		if (line[1] - '0' < console_level)
			c->write(skip_level(line), n - 3);
	}
	c->next = consoles;
	consoles = c;
	log_unlock(flags);
}

void console_set_level(int level)
{
	console_level = level;
}

int console_get_level(void)
{
	return console_level;
}
