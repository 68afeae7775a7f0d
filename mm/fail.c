/*
 * fail.c - allocations that fail on purpose, so that the code behind a failed allocation runs at all.
 *
 * WHAT        user: system calls that get memory for a program (brk, mmap, mremap, fork and its like, shmget, memfd_create) answer
 *             ENOMEM. page, slab: the kernel's own requests on behalf of a program return NULL.
 * WHICH       the n-th; every n-th; each with a probability, from a generator with a seed, so that the same program meets the same
 *             failures again. Linux's knobs (probability, interval, times, space, task-filter …) are the same attributes.
 * WHO         threads of programs, from their exec on. Never init, kernel threads, GFP_NOFAIL, or pages for user space, whose want is no
 *             ENOMEM but the OOM killer: a program cannot see it.
 * HOOK        alloc_fail_countdown, which the hot paths look at anyway: above 0 it counts down to one failure of any request (for unit
 *             tests), below 0 the attributes are asked.
 * TOLD        every failure has a line in /proc/ledger/failures: when, who, the call or the place in the kernel, how large.
 * LOCKS       one leaf lock around counters and the list; CPUs only see it while something is armed.
 * SOURCE      Documentation/fault-injection/fault-injection.rst of Linux
 */
#include <abi/errno.h>
#include <kernel/printk.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <lib/random.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/fail.h>
#include <mm/page_alloc.h>

#define KEPT		64		/* failures whose lines are kept: the first ones, which cause the others */
#define P_ONE		1000000u

struct fail_attr fail_attrs[NR_FAIL_KINDS] = {
	[FAIL_USER] = { .times = 1, .verbose = 1 },
	[FAIL_PAGE] = { .times = 1, .verbose = 1, .ignore_gfp_wait = 1, .min_order = 1 },
	[FAIL_SLAB] = { .times = 1, .verbose = 1, .ignore_gfp_wait = 1 },
};
bool fail_user_armed;

/* What fail_configure() set; the kernel's two kinds share one count then. */
static struct {
	char		spec[64];
	bool		set, kernel;
	u32		nth, every, p;		/* p in millionths; one of the three */
	u64		seed, state;
	long		times;			/* left; -1: no end */
	unsigned long	seen;
} plan;

struct failure {
	u64		time;
	int		tid, pid;
	char		comm[TASK_COMM_LEN];
	enum fail_kind	kind;
	unsigned long	number;			/* which request of its kind it was */
	size_t		size;
	const char	*call;			/* user: the system call */
	vaddr_t		ip;
	struct alloc_site *site;		/* kernel */
};
static struct failure kept[KEPT];
static unsigned long nr_failures;
static spinlock_t lock = SPINLOCK_INIT("fail", LOCK_LEAF);

static const char *const kind_names[] = { "fail_user", "fail_page_alloc", "failslab" };

/* lock held. */
static bool plan_says(enum fail_kind kind)
{
	bool hit;

	if (!plan.set || plan.kernel != (kind != FAIL_USER))
		return false;
	plan.seen++;
	if (!plan.times)
		return false;
	hit = plan.nth ? plan.seen == plan.nth : plan.every ? plan.seen % plan.every == 0 :
	      prng_next(&plan.state) % P_ONE < plan.p;
	if (hit && plan.times > 0)
		plan.times--;
	return hit;
}

/* lock held. Linux's order of questions. */
static bool attr_says(enum fail_kind kind, size_t size, gfp_t gfp)
{
	static u64 state;
	struct fail_attr *a = &fail_attrs[kind];

	if ((!a->probability && !a->nth) || !a->times || (a->task_filter && !current->make_it_fail) ||
	    (a->ignore_gfp_wait && (gfp & GFP_WAIT)) || (kind == FAIL_PAGE && size < PAGE_SIZE << a->min_order))
		return false;
	a->seen++;
	if (a->nth)
		return a->seen == (unsigned long)a->nth;
	if (a->space > 0) {
		a->space -= (int)min(size, (size_t)a->space);
		return false;
	}
	if (a->interval > 1 && a->seen % (unsigned long)a->interval)
		return false;
	if (a->probability < 100 && prng_next(&state) % 100 >= (u64)a->probability)
		return false;
	if (a->times > 0)
		a->times--;
	return true;
}

static bool wants_any(enum fail_kind k)
{
	const struct fail_attr *a = &fail_attrs[k];

	return (a->probability || a->nth) && a->times;
}

/* Threads with a /proc/PID/fail-nth of their own. */
static atomic_t nr_fail_nth;

void fail_changed(void)
{
	bool kernel = (plan.set && plan.kernel) || wants_any(FAIL_PAGE) || wants_any(FAIL_SLAB) || atomic_read(&nr_fail_nth);

	fail_user_armed = (plan.set && !plan.kernel) || wants_any(FAIL_USER) || atomic_read(&nr_fail_nth);
	if (kernel)
		atomic_set(&alloc_fail_countdown, -1);
	else if (atomic_read(&alloc_fail_countdown) < 0)
		atomic_set(&alloc_fail_countdown, 0);
}

void fail_nth_set(struct task *t, unsigned n)
{
	atomic_add(&nr_fail_nth, (n ? 1 : 0) - (t->fail_nth ? 1 : 0));
	t->fail_nth = n;
	fail_changed();
}

/* A thread that is not finished counting: 0 afterwards means that it has had its failure. */
static bool own_count_says(void)
{
	if (!current->fail_nth || --current->fail_nth)
		return false;
	atomic_sub(&nr_fail_nth, 1);
	return true;
}

static void say(const struct failure *f)
{
	if (f->kind == FAIL_USER)
		pr_warn("FAULT_INJECTION: forcing a failure. name %s, %s #%lu, %zu bytes, ip %#lx, task %s[%d]\n",
			kind_names[f->kind], f->call, f->number, f->size, f->ip, f->comm, f->tid);
	else
		pr_warn("FAULT_INJECTION: forcing a failure. name %s, #%lu, %zu bytes at %s:%u %s, task %s[%d]\n",
			kind_names[f->kind], f->number, f->size, f->site->file, f->site->line, f->site->func, f->comm, f->tid);
}

/* lock held. Fills *f, which goes to the log once the lock is dropped. */
static void note(struct failure *f, enum fail_kind kind, size_t size)
{
	f->time = (u64)ktime_get();
	f->tid = current->tid;
	f->pid = task_pid(current);
	memcpy(f->comm, current->comm, sizeof(f->comm));
	f->kind = kind;
	f->size = size;
	f->number = plan.set ? plan.seen : fail_attrs[kind].seen;
	fail_attrs[kind].injected++;
	if (nr_failures < KEPT)
		kept[nr_failures] = *f;
	nr_failures++;
}

static bool exempt(void)
{
	return !current || !current->may_fail || (current->flags & TF_EXITING);
}

static bool decide(struct failure *f, enum fail_kind kind, size_t size, gfp_t gfp)
{
	bool hit;

	if (exempt())
		return false;
	spin_lock(&lock);
	hit = plan_says(kind);
	if (attr_says(kind, size, gfp))		/* each is asked: each counts */
		hit = true;
	if (own_count_says())
		hit = true;
	if (hit)
		note(f, kind, size);
	spin_unlock(&lock);
	if (hit && fail_attrs[kind].verbose && !(gfp & GFP_NOWARN))
		say(f);
	return hit;
}

bool fail_allocation(enum fail_kind kind, size_t size, gfp_t gfp, struct alloc_site *site)
{
	struct failure f = { .site = site };

	if (atomic_read(&alloc_fail_countdown) >= 0)
		return atomic_read(&alloc_fail_countdown) > 0 && atomic_sub_return(&alloc_fail_countdown, 1) == 0;
	if ((gfp & GFP_NOFAIL) || (kind == FAIL_PAGE && (gfp & GFP_MOVABLE)))
		return false;
	return decide(&f, kind, size, gfp);
}

bool fail_user_slow(const char *call, size_t size)
{
	struct failure f = { .call = call, .ip = task_user_ip(current) };

	return decide(&f, FAIL_USER, size, GFP_KERNEL);
}

/* ---- /proc/ledger/failures ------------------------------------------------------------------------------------ */

/* "0.01" -> 10,000 millionths. */
static int parse_p(const char *s, u32 *out)
{
	u64 whole, unit = P_ONE, v;
	const char *end;

	whole = str_to_u64(s, &end, 10);
	if (end == s || whole > 1)
		return -EINVAL;
	v = whole * P_ONE;
	if (*end == '.')
		for (end++; *end >= '0' && *end <= '9'; end++) {
			unit /= 10;
			v += (u64)(*end - '0') * unit;
		}
	if (*end || v > P_ONE)
		return -EINVAL;
	*out = (u32)v;
	return 0;
}

static int parse_word(const char *w)
{
	u64 n;

	if (!strcmp(w, "kernel")) {
		plan.kernel = true;
		return 0;
	}
	if (str_has_prefix(w, "p="))
		return parse_p(w + 2, &plan.p);
	if (str_has_prefix(w, "every=")) {
		if (str_parse_u64(w + 6, 10, &n) || !n || n > S32_MAX)
			return -EINVAL;
		plan.every = (u32)n;
	} else if (str_has_prefix(w, "seed=")) {
		if (str_parse_u64(w + 5, 0, &plan.seed))
			return -EINVAL;
	} else if (str_has_prefix(w, "times=")) {
		if (str_parse_u64(w + 6, 10, &n) || n > S32_MAX)
			return -EINVAL;
		plan.times = (long)n;
	} else {
		if (str_parse_u64(w, 10, &n) || !n || n > S32_MAX)
			return -EINVAL;
		plan.nth = (u32)n;
	}
	return 0;
}

static int parse_spec(const char *spec)
{
	char word[32];

	while (*spec && *spec != '\n') {
		size_t n = 0;

		while (spec[n] && spec[n] != ',' && spec[n] != '\n')
			n++;
		if (n >= sizeof(word))
			return -EINVAL;
		memcpy(word, spec, n);
		word[n] = 0;
		if (parse_word(word))
			return -EINVAL;
		spec += n + (spec[n] == ',');
	}
	return !!plan.nth + !!plan.every + !!plan.p == 1 ? 0 : -EINVAL;
}

int fail_configure(const char *spec)
{
	size_t len = 0;
	int err = 0;

	while (spec[len] && spec[len] != '\n')
		len++;
	if (len >= sizeof(plan.spec))
		return -EINVAL;
	plan.set = false;
	memset(&plan, 0, sizeof(plan));
	plan.times = -1;
	if (strncmp(spec, "off", 3)) {
		err = parse_spec(spec);
		plan.state = plan.seed;
		memcpy(plan.spec, spec, len);
		nr_failures = 0;
		plan.set = !err;
	}
	fail_changed();
	return err;
}

static void report_one(struct text *out, const struct failure *f)
{
	text_printf(out, "injected %llu %d %d %s %lu %zu ", (unsigned long long)f->time, f->pid, f->tid, kind_names[f->kind],
		    f->number, f->size);
	if (f->kind == FAIL_USER)
		text_printf(out, "%s %#lx ", f->call, f->ip);
	else
		text_printf(out, "%s %s:%u ", f->site->func, f->site->file, f->site->line);
	text_puts_escaped(out, f->comm, " \t\n");
	text_putc(out, '\n');
}

/* Only what happened; nothing when nothing was asked for. */
int fail_report_events(struct text *out)
{
	unsigned long n = min(READ_ONCE(nr_failures), (unsigned long)KEPT);

	if (plan.set || nr_failures)
		text_printf(out, "failures %s %lu %lu\n", plan.set ? plan.spec : "-", plan.seen, nr_failures);
	for (unsigned long i = 0; i < n; i++)
		report_one(out, &kept[i]);
	return 0;
}

int fail_report(struct text *out)
{
	text_printf(out, "set %s\nseen %lu\n", plan.set ? plan.spec : "off", plan.seen);
	return fail_report_events(out);
}
