/*
 * tracefs.c - /sys/kernel/tracing: turn trace events on, filter them, read them; formats as in Linux 6.1.
 *
 * SHAPE    a tree of small text files, made when tracefs is first mounted. Per event: enable, filter, trigger, format, id.
 *          `trace` shows what is in the rings, all CPUs merged by time, and leaves it there; `trace_pipe` takes it out and waits for more.
 * LOCKS    trace_mutex (LOCK_SLEEP_LEAF): settings. The rings have their own (kernel/trace.c).
 * LINUX    one tracer (nop), one clock, no instances, no raw per-CPU pages. Triggers: stacktrace, traceon, traceoff, each with a count.
 */
#include <abi/errno.h>
#include <abi/fs.h>
#include <fs/procfs.h>
#include <kernel/cpu.h>
#include <kernel/main.h>
#include <kernel/panic.h>
#include <kernel/trace.h>
#include <kernel/wait.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <linux/poll.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>

#include "../procfs/procfs_private.h"
#include "private.h"

#define TRACEFS_MAGIC	0x74726163

static struct mutex trace_mutex = MUTEX_INIT(trace_mutex, "tracefs", LOCK_PROCESS);
static struct pnode *trace_tree;
static size_t ring_bytes;			/* per CPU, once expanded */
static char filter_text[NR_TRACE_EVENTS][256], trigger_filter_text[NR_TRACE_EVENTS][128];

/* The CPU (one, or -1 for all) whose next record is the oldest; -1: none has any. */
static int oldest_cpu(int only, u64 pos[], bool consume)
{
	int best = -1;
	u64 best_ts = 0;

	for_each_cpu(cpu) {
		u64 ts;

		if ((only >= 0 && cpu != (unsigned)only) || !trace_peek_ts(cpu, &pos[cpu], consume, &ts))
			continue;
		if (best < 0 || ts < best_ts) {
			best = (int)cpu;
			best_ts = ts;
		}
	}
	return best;
}

/* ---- trace ---- */

static int trace_show(struct text *out, void *arg)
{
	int only = (int)(long)arg - 1, cpu;
	u64 entries = 0, written = 0, *pos = kcalloc(MAX_CPUS, sizeof(u64), GFP_KERNEL);
	char *rec = kmalloc(TRACE_RECORD_MAX, GFP_KERNEL);

	if (!pos || !rec) {
		kfree(pos);
		kfree(rec);
		return -ENOMEM;
	}
	for_each_cpu(n) {
		struct trace_stats s;

		if (only >= 0 && n != (unsigned)only)
			continue;
		trace_stats(n, &s);
		entries += s.entries;
		written += s.written;
	}
	text_printf(out, "# tracer: nop\n#\n# entries-in-buffer/entries-written: %llu/%llu   #P:%u\n#\n", (unsigned long long)entries,
		    (unsigned long long)written, nr_cpus);
	text_puts(out, "#                                _-----=> irqs-off/BH-disabled\n"
		       "#                               / _----=> need-resched\n"
		       "#                              | / _---=> hardirq/softirq\n"
		       "#                              || / _--=> preempt-depth\n"
		       "#                              ||| / _-=> migrate-disable\n"
		       "#                              |||| /     delay\n"
		       "#           TASK-PID     CPU#  |||||  TIMESTAMP  FUNCTION\n"
		       "#              | |         |   |||||     |         |\n");
	/* What is emitted while we print is left for the next time: stop after as many as there were. */
	while (entries-- && (cpu = oldest_cpu(only, pos, false)) >= 0) {
		if (!trace_read((unsigned)cpu, &pos[cpu], false, rec))
			break;
		trace_print(out, (const struct trace_record *)rec);
		cond_resched();
	}
	kfree(rec);
	kfree(pos);
	return 0;
}

static ssize_t trace_write(const char *buf, size_t n, void *arg)
{
	trace_clear((int)(long)arg - 1);
	return (ssize_t)n;
}

/* ---- trace_pipe ---- */

struct pipe_reader {
	int		cpu;		/* -1: all */
	struct mutex	lock;		/* LOCK_PIPE */
	char		rec[TRACE_RECORD_MAX];
	struct text	text;		/* printed, not yet read */
	size_t		done;
};

static bool anything(int only)
{
	u64 ts, pos;

	for_each_cpu(cpu) {
		pos = 0;
		if ((only < 0 || cpu == (unsigned)only) && trace_peek_ts(cpu, &pos, true, &ts))
			return true;
	}
	return false;
}

static int pipe_open(struct inode *i, struct file *f)
{
	struct pipe_reader *p = kzalloc(sizeof(*p), GFP_KERNEL);
	const struct proc_file *pf = f->priv;

	if (!p)
		return -ENOMEM;
	p->cpu = pf ? (int)(long)pf->arg - 1 : -1;
	mutex_init(&p->lock, "trace_pipe", LOCK_PIPE);
	text_init(&p->text, &text_kernel_ops);
	f->priv = p;
	f->mode |= FMODE_STREAM;
	return 0;
}

static void pipe_release(struct file *f)
{
	struct pipe_reader *p = f->priv;

	text_free(&p->text);
	kfree(p);
}

/* Take records out until about `want` bytes are printed. */
static void pipe_fill(struct pipe_reader *p, size_t want)
{
	u64 pos[MAX_CPUS] = { 0 };
	int cpu;

	p->text.len = p->done = 0;
	while (p->text.len < want && (cpu = oldest_cpu(p->cpu, pos, true)) >= 0)
		if (trace_read((unsigned)cpu, &pos[cpu], true, p->rec))
			trace_print(&p->text, (const struct trace_record *)p->rec);
}

static ssize_t pipe_read(struct file *f, struct io_iter *to, loff_t *unused_pos)
{
	struct pipe_reader *p = f->priv;
	size_t n, got;

	for (;;) {
		mutex_lock(&p->lock);
		if (p->done == p->text.len)
			pipe_fill(p, min(to->left, (size_t)4096));
		n = min(p->text.len - p->done, to->left);
		if (n)
			break;
		mutex_unlock(&p->lock);
		if (!to->left)
			return 0;
		if (f->flags & O_NONBLOCK)
			return -EAGAIN;
		__atomic_fetch_add(&trace_waiters, 1, __ATOMIC_SEQ_CST);
		n = (size_t)wait_event_interruptible(trace_waitq(), anything(p->cpu));
		__atomic_fetch_sub(&trace_waiters, 1, __ATOMIC_SEQ_CST);
		if (n)
			return -512;		/* ERESTARTSYS */
	}
	got = io_iter_put(to, p->text.buf + p->done, n);
	p->done += got;
	mutex_unlock(&p->lock);
	return got ? (ssize_t)got : -EFAULT;
}

static u32 pipe_poll(struct file *f, struct poll_table *pt)
{
	struct pipe_reader *p = f->priv;

	poll_wait(f, trace_waitq(), pt);
	return p->done < p->text.len || anything(p->cpu) ? POLLIN | POLLRDNORM : 0;
}

static const struct file_ops trace_pipe_fops = { .open = pipe_open, .release = pipe_release, .read = pipe_read, .poll = pipe_poll };

/* ---- rings ---- */

static int expand(size_t bytes)
{
	for_each_cpu(cpu) {
		void *mem = NULL, *old;

		if (trace_ring_size(cpu) == bytes)
			continue;
		if (bytes) {
			mem = kvmalloc(bytes, GFP_KERNEL | GFP_NOACCOUNT);
			if (!mem)
				return -ENOMEM;
		}
		old = trace_ring_set(cpu, mem, bytes);
		kvfree(old);
	}
	return 0;
}

/* The first event that is turned on brings the rings: 1/256 of RAM for all CPUs, at most 1 MiB each. */
static int ensure_rings(void)
{
	if (!ring_bytes) {
		size_t want = nr_total_pages() * PAGE_SIZE / 256 / nr_cpus, size = 16 * 1024;

		while (size * 2 <= want && size < 1024 * 1024)
			size *= 2;
		ring_bytes = size;
	}
	return expand(ring_bytes);
}

static int buffer_size_show(struct text *out, void *arg)
{
	size_t each = ring_bytes ? ring_bytes : 0;

	if (arg)
		text_printf(out, "%lu\n", each * nr_cpus / 1024);
	else if (trace_ring_size(0))
		text_printf(out, "%lu\n", each / 1024);
	else
		text_puts(out, "0 (expanded: 1024)\n");
	return 0;
}

static ssize_t buffer_size_write(const char *buf, size_t n, void *arg)
{
	const char *end;
	u64 kb = str_to_u64(buf, &end, 10);
	size_t size = 4096;
	int err;

	if (end == buf || !kb || kb > 1024 * 1024)
		return -EINVAL;
	while (size < kb * 1024)
		size *= 2;
	mutex_lock(&trace_mutex);
	ring_bytes = size;
	err = expand(size);
	mutex_unlock(&trace_mutex);
	return err ? err : (ssize_t)n;
}

/* ---- enable ---- */

static bool is_enabled(unsigned e)
{
	return trace_on[e] & 1;
}

static int set_event(unsigned e, bool on)
{
	int err = on ? ensure_rings() : 0;

	if (!err)
		trace_set((enum trace_event)e, on);
	return err;
}

/* arg: event + 1, or 0x100 + system, or NULL for all. */
static bool covers(void *arg, unsigned e)
{
	unsigned long a = (unsigned long)arg;

	return !a || (a >= 0x100 ? !strcmp(trace_events[e].system, trace_systems[a - 0x100]) : a - 1 == e);
}

static int enable_show(struct text *out, void *arg)
{
	unsigned on = 0, all = 0;

	for (unsigned e = 0; e < NR_TRACE_EVENTS; e++)
		if (covers(arg, e)) {
			all++;
			on += is_enabled(e);
		}
	text_printf(out, "%s\n", on == 0 ? "0" : on == all ? "1" : "X");
	return 0;
}

static ssize_t enable_write(const char *buf, size_t n, void *arg)
{
	int err = 0;

	if ((buf[0] != '0' && buf[0] != '1') || (buf[1] && buf[1] != '\n'))
		return -EINVAL;
	mutex_lock(&trace_mutex);
	for (unsigned e = 0; e < NR_TRACE_EVENTS && !err; e++)
		if (covers(arg, e))
			err = set_event(e, buf[0] == '1');
	mutex_unlock(&trace_mutex);
	return err ? err : (ssize_t)n;
}

static int set_event_show(struct text *out, void *arg)
{
	for (unsigned e = 0; e < NR_TRACE_EVENTS; e++)
		if (!arg ? is_enabled(e) : true)
			text_printf(out, "%s:%s\n", trace_events[e].system, trace_events[e].name);
	return 0;
}

static bool word_matches(const char *w, size_t n, unsigned e)
{
	const char *colon = memchr(w, ':', n), *name = colon ? colon + 1 : w;
	size_t system_len = colon ? (size_t)(colon - w) : 0, name_len = n - (size_t)(name - w);

	if (colon && !(system_len == 1 && *w == '*') &&
	    (strlen(trace_events[e].system) != system_len || strncmp(w, trace_events[e].system, system_len)))
		return false;
	if (!name_len || (name_len == 1 && *name == '*'))
		return true;
	if (strlen(trace_events[e].name) == name_len && !strncmp(name, trace_events[e].name, name_len))
		return true;
	return !colon && strlen(trace_events[e].system) == name_len && !strncmp(name, trace_events[e].system, name_len);
}

/* "kmem:kmalloc", "kmem:*", "kmem", "!kmem:kfree", several apart by blanks; an empty write turns all off. */
static ssize_t set_event_write(const char *buf, size_t n, void *arg)
{
	const char *p = buf;
	bool any = false;
	int err = 0;

	mutex_lock(&trace_mutex);
	while (*p && !err) {
		size_t len = strcspn(p, " \t\n,");
		bool off = *p == '!', found = false;

		if (!len) {
			p++;
			continue;
		}
		any = true;
		for (unsigned e = 0; e < NR_TRACE_EVENTS && !err; e++)
			if (word_matches(p + off, len - off, e)) {
				found = true;
				err = set_event(e, !off);
			}
		if (!found)
			err = -EINVAL;
		p += len;
	}
	for (unsigned e = 0; e < NR_TRACE_EVENTS && !any && !err; e++)
		err = set_event(e, false);
	mutex_unlock(&trace_mutex);
	return err ? err : (ssize_t)n;
}

/* ---- format, id ---- */

static unsigned event_of(void *arg)
{
	return (unsigned)(long)arg - 1;
}

static int id_show(struct text *out, void *arg)
{
	text_printf(out, "%u\n", 100 + event_of(arg));
	return 0;
}

static int format_show(struct text *out, void *arg)
{
	const struct trace_event_type *e = &trace_events[event_of(arg)];
	unsigned at = 8;

	text_printf(out, "name: %s\nID: %u\nformat:\n", e->name, 100 + event_of(arg));
	text_puts(out, "\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
		       "\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"
		       "\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"
		       "\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n");
	for (const struct trace_field *f = e->fields; f->name; f++) {
		at = ALIGN_UP(at, (unsigned)f->size);
		if (f->value == 5)
			text_printf(out, "\tfield:__data_loc char[] %s;\toffset:%u;\tsize:4;\tsigned:0;\n", f->name, at);
		else
			text_printf(out, "\tfield:%s%s%s;\toffset:%u;\tsize:%u;\tsigned:%d;\n", f->type,
				    f->type[strlen(f->type) - 1] == '*' ? "" : " ", f->name, at, f->size, f->is_signed);
		at += f->size;
	}
	text_printf(out, "\nprint fmt: %s\n", e->print_fmt);
	return 0;
}

/* ---- filters ---- */

static int filter_show(struct text *out, void *arg)
{
	mutex_lock(&trace_mutex);
	text_printf(out, "%s\n", filter_text[event_of(arg)][0] ? filter_text[event_of(arg)] : "none");
	mutex_unlock(&trace_mutex);
	return 0;
}

static ssize_t filter_write(const char *buf, size_t n, void *arg)
{
	unsigned e = event_of(arg);
	struct trace_filter *f = NULL;
	const char *p = buf;
	size_t len;
	int err = 0;

	while (*p == ' ' || *p == '\t' || *p == '\n')
		p++;
	len = strlen(p);
	while (len && (p[len - 1] == '\n' || p[len - 1] == ' '))
		len--;
	if (len >= sizeof(filter_text[0]))
		return -EINVAL;
	mutex_lock(&trace_mutex);
	if (!(len == 1 && *p == '0') && len)
		err = trace_filter_parse(p, e, &f);
	if (!err) {
		kfree(trace_set_filter((enum trace_event)e, f));
		memcpy(filter_text[e], p, f ? len : 0);
		filter_text[e][f ? len : 0] = 0;
	}
	mutex_unlock(&trace_mutex);
	return err ? err : (ssize_t)n;
}

/* ---- triggers ---- */

static const struct { const char *name; unsigned bit; } trigger_names[] = {
	{ "stacktrace", TRIGGER_STACKTRACE }, { "traceoff", TRIGGER_TRACEOFF }, { "traceon", TRIGGER_TRACEON },
};

static int trigger_show(struct text *out, void *arg)
{
	unsigned e = event_of(arg), bits;
	long count;

	mutex_lock(&trace_mutex);
	bits = trace_get_trigger((enum trace_event)e, &count);
	for (unsigned n = 0; n < ARRAY_SIZE(trigger_names); n++)
		if (bits & trigger_names[n].bit) {
			text_puts(out, trigger_names[n].name);
			if (count < 0)
				text_puts(out, ":unlimited");
			else
				text_printf(out, ":count=%ld", count);
			text_printf(out, "%s%s\n", *trigger_filter_text[e] ? " if " : "", trigger_filter_text[e]);
		}
	if (!bits)
		text_puts(out, "# Available triggers:\n# traceon traceoff stacktrace\n");
	mutex_unlock(&trace_mutex);
	return 0;
}

/* NAME[:COUNT] [if FILTER]; with ! before it, it goes. */
struct trigger {
	unsigned	bit;
	bool		off;
	long		count;
	char		filter[sizeof(trigger_filter_text[0])];
};

static int parse_trigger(const char *p, struct trigger *t)
{
	const char *end;
	unsigned k = 0;
	size_t len = 0;

	*t = (struct trigger){ .off = *p == '!', .count = -1 };
	p += t->off;
	for (; k < ARRAY_SIZE(trigger_names); k++) {
		len = strlen(trigger_names[k].name);
		if (!strncmp(p, trigger_names[k].name, len) && (!p[len] || strchr(": \t\n", p[len])))
			break;
	}
	if (k == ARRAY_SIZE(trigger_names))
		return -EINVAL;
	t->bit = trigger_names[k].bit;
	p += len;
	if (*p == ':') {
		t->count = (long)str_to_u64(p + 1, &end, 10);
		if (end == p + 1)
			return -EINVAL;
		p = end;
	}
	while (*p == ' ' || *p == '\t' || *p == '\n')
		p++;
	if (!*p)
		return 0;
	if (strncmp(p, "if ", 3))
		return -EINVAL;
	len = strlen(p + 3);
	while (len && (p[2 + len] == '\n' || p[2 + len] == ' '))
		len--;
	if (!len || len >= sizeof(t->filter))
		return -EINVAL;
	memcpy(t->filter, p + 3, len);
	return 0;
}

/* trace_mutex held. An event's triggers share one condition: another one is refused while some are set. */
static int apply_trigger(unsigned e, const struct trigger *t)
{
	struct trace_filter *f = NULL;
	unsigned bits;
	long now;
	int err;

	bits = trace_get_trigger((enum trace_event)e, &now);
	if (t->off) {
		if (!(bits & t->bit))
			return -ENOENT;
		bits &= ~t->bit;
	} else {
		if ((bits & ~t->bit) && strcmp(t->filter, trigger_filter_text[e]))
			return -EBUSY;
		err = ensure_rings();
		if (!err && *t->filter)
			err = trace_filter_parse(t->filter, e, &f);
		if (err)
			return err;
		bits |= t->bit;
	}
	if (!t->off || !bits) {
		kfree(trace_set_trigger_filter((enum trace_event)e, f));
		strscpy(trigger_filter_text[e], t->off ? "" : t->filter, sizeof(trigger_filter_text[e]));
	}
	trace_set_trigger((enum trace_event)e, bits, t->off ? now : t->count);
	return 0;
}

static ssize_t trigger_write(const char *buf, size_t n, void *arg)
{
	struct trigger t;
	int err = parse_trigger(buf, &t);

	if (err)
		return err;
	mutex_lock(&trace_mutex);
	err = apply_trigger(event_of(arg), &t);
	mutex_unlock(&trace_mutex);
	return err ? err : (ssize_t)n;
}

/* ---- the small ones ---- */

static int on_show(struct text *out, void *arg)
{
	text_printf(out, "%d\n", trace_running());
	return 0;
}

static ssize_t on_write(const char *buf, size_t n, void *arg)
{
	if (*buf != '0' && *buf != '1')
		return -EINVAL;
	trace_set_running(*buf == '1');
	return (ssize_t)n;
}

static int stack_option_show(struct text *out, void *arg)
{
	text_printf(out, "%d\n", trace_stack_option());
	return 0;
}

static ssize_t stack_option_write(const char *buf, size_t n, void *arg)
{
	if (*buf != '0' && *buf != '1')
		return -EINVAL;
	trace_set_stack_option(*buf == '1');
	return (ssize_t)n;
}

static int options_show(struct text *out, void *arg)
{
	text_printf(out, "print-parent\nnosym-offset\nnoverbose\n%sstacktrace\noverwrite\nrecord-cmd\nmarkers\n",
		    trace_stack_option() ? "" : "no");
	return 0;
}

static ssize_t options_write(const char *buf, size_t n, void *arg)
{
	if (str_has_prefix(buf, "stacktrace") || str_has_prefix(buf, "nostacktrace"))
		trace_set_stack_option(*buf == 's');
	return (ssize_t)n;
}

static int constant_show(struct text *out, void *arg)
{
	text_puts(out, arg);
	return 0;
}

/* Only what is in force already can be chosen. */
static ssize_t tracer_write(const char *buf, size_t n, void *arg)
{
	return str_has_prefix(buf, "nop") && (!buf[3] || buf[3] == '\n') ? (ssize_t)n : -EINVAL;
}

static ssize_t clock_write(const char *buf, size_t n, void *arg)
{
	return str_has_prefix(buf, "mono") ? (ssize_t)n : -EINVAL;
}

static ssize_t marker_write(const char *buf, size_t n, void *arg)
{
	mutex_lock(&trace_mutex);
	if (!trace_ring_size(0) && ensure_rings()) {
		mutex_unlock(&trace_mutex);
		return -ENOMEM;
	}
	mutex_unlock(&trace_mutex);
	trace_mark(buf, n);
	return (ssize_t)n;
}

static int stats_show(struct text *out, void *arg)
{
	struct trace_stats s;

	trace_stats((unsigned)(long)arg - 1, &s);
	text_printf(out, "entries: %llu\noverrun: %llu\ncommit overrun: 0\nbytes: %llu\noldest event ts: %5llu.%06llu\n"
		    "now ts: %5llu.%06llu\ndropped events: 0\nread events: %llu\n",
		    (unsigned long long)s.entries, (unsigned long long)s.overrun, (unsigned long long)s.bytes,
		    (unsigned long long)(s.oldest_ts / NSEC_PER_SEC), (unsigned long long)(s.oldest_ts % NSEC_PER_SEC / 1000),
		    (unsigned long long)(ktime_get() / NSEC_PER_SEC), (unsigned long long)(ktime_get() % NSEC_PER_SEC / 1000),
		    (unsigned long long)(s.written - s.entries - s.overrun));
	return 0;
}

/* ---- the tree ---- */

static int add(const char *path, u32 mode, int (*show)(struct text *, void *), ssize_t (*write)(const char *, size_t, void *),
	       const struct file_ops *ops, unsigned long arg)
{
	struct proc_file *f = kzalloc(sizeof(*f) + strlen(path) + 1, GFP_KERNEL | GFP_NOACCOUNT);
	char *copy;

	if (!f)
		return -ENOMEM;
	copy = (char *)(f + 1);
	memcpy(copy, path, strlen(path) + 1);
	*f = (struct proc_file){ .path = copy, .mode = mode, .show = show, .write = write, .ops = ops, .arg = (void *)arg };
	pnode_add(trace_tree, copy, S_IFREG | mode)->file = f;
	return 0;
}

static int add_event(unsigned e)
{
	static const struct { const char *name; u32 mode; int (*show)(struct text *, void *); ssize_t (*write)(const char *, size_t, void *); }
	files[] = {
		{ "enable", 0640, enable_show, enable_write }, { "filter", 0640, filter_show, filter_write },
		{ "trigger", 0640, trigger_show, trigger_write }, { "format", 0440, format_show, NULL }, { "id", 0440, id_show, NULL },
	};
	char path[80];
	int err = 0;

	for (unsigned n = 0; n < ARRAY_SIZE(files) && !err; n++) {
		ksnprintf(path, sizeof(path), "events/%s/%s/%s", trace_events[e].system, trace_events[e].name, files[n].name);
		err = add(path, files[n].mode, files[n].show, files[n].write, NULL, e + 1);
	}
	return err;
}

static int add_cpu(unsigned cpu)
{
	char path[48];
	int err;

	ksnprintf(path, sizeof(path), "per_cpu/cpu%u/trace", cpu);
	err = add(path, 0640, trace_show, trace_write, NULL, cpu + 1);
	ksnprintf(path, sizeof(path), "per_cpu/cpu%u/trace_pipe", cpu);
	if (!err)
		err = add(path, 0440, NULL, NULL, &trace_pipe_fops, cpu + 1);
	ksnprintf(path, sizeof(path), "per_cpu/cpu%u/stats", cpu);
	return err ? err : add(path, 0440, stats_show, NULL, NULL, cpu + 1);
}

static int build_tree(void)
{
	char path[48];
	int err = 0;

	trace_tree = pnode_root();
	for (unsigned e = 0; e < NR_TRACE_EVENTS && !err; e++)
		err = add_event(e);
	for (unsigned n = 0; n < nr_trace_systems && !err; n++) {
		ksnprintf(path, sizeof(path), "events/%s/enable", trace_systems[n]);
		err = add(path, 0640, enable_show, enable_write, NULL, 0x100 + n);
	}
	for_each_cpu(cpu)
		err = err ? err : add_cpu(cpu);
	if (err)
		return err;
	err |= add("events/enable", 0640, enable_show, enable_write, NULL, 0);
	err |= add("set_event", 0640, set_event_show, set_event_write, NULL, 0);
	err |= add("available_events", 0440, set_event_show, NULL, NULL, 1);
	err |= add("trace", 0640, trace_show, trace_write, NULL, 0);
	err |= add("trace_pipe", 0440, NULL, NULL, &trace_pipe_fops, 0);
	err |= add("trace_marker", 0220, NULL, marker_write, NULL, 0);
	err |= add("tracing_on", 0640, on_show, on_write, NULL, 0);
	err |= add("buffer_size_kb", 0640, buffer_size_show, buffer_size_write, NULL, 0);
	err |= add("buffer_total_size_kb", 0440, buffer_size_show, NULL, NULL, 1);
	err |= add("options/stacktrace", 0640, stack_option_show, stack_option_write, NULL, 0);
	err |= add("trace_options", 0640, options_show, options_write, NULL, 0);
	err |= add("current_tracer", 0640, constant_show, tracer_write, NULL, (unsigned long)"nop\n");
	err |= add("available_tracers", 0440, constant_show, NULL, NULL, (unsigned long)"nop\n");
	err |= add("trace_clock", 0640, constant_show, clock_write, NULL, (unsigned long)"[mono]\n");
	err |= add("README", 0440, constant_show, NULL, NULL, (unsigned long)
		   "tracing mini-HOWTO:\n\n# echo 0 > tracing_on : quick way to disable tracing\n# echo 1 > events/kmem/enable\n"
		   "# cat trace        - the events of all CPUs, kept\n# cat trace_pipe   - the same, taken out\n"
		   "# echo 'bytes_req > 1000' > events/kmem/kmalloc/filter\n# echo stacktrace > events/kmem/kmalloc/trigger\n");
	return err;
}

static const struct super_ops tracefs_sops;

static int tracefs_mount(struct file_system_type *t, u32 flags, const char *source, const char *data, struct super_block **out)
{
	int err = 0;

	mutex_lock(&trace_mutex);
	if (!trace_tree)
		err = build_tree();
	mutex_unlock(&trace_mutex);
	if (err)
		return -ENOMEM;
	return pnode_mount(t, &tracefs_sops, TRACEFS_MAGIC, trace_tree, flags, out);
}

static struct file_system_type tracefs_type = { .name = "tracefs", .mount = tracefs_mount };

static int tracefs_init(void)
{
	int err = trace_init();

	if (!err)
		fs_register(&tracefs_type);
	return err;
}
initcall(tracefs_init, 2);
