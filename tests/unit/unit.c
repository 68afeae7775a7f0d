/*
 * unit.c - the kernel's side of the test runner: expectations, failing allocations, machines.
 */
#include <kernel/cpu.h>
#include <lib/printf.h>
#include <lib/random.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include "../../arch/host/machine.h"
#include "main.h"
#include "unit.h"

extern const struct unit_test *const __start_unit_tests[], *const __stop_unit_tests[];

static u64 seed = 1;

int unit_count(void)
{
	return (int)(__stop_unit_tests - __start_unit_tests);
}

const char *unit_name(int i, char *buf, unsigned long size)
{
	ksnprintf(buf, size, "%s.%s", __start_unit_tests[i]->suite, __start_unit_tests[i]->name);
	return buf;
}

void unit_setup(int verbose, unsigned long long s)
{
	host_verbose = verbose;
	seed = s;
}

int unit_run(int i)
{
	struct t t = { 0 };

	__start_unit_tests[i]->fn(&t);
	if (host_started && !t.no_audit && !t.failures)
		t_audit(&t);
	return t.failures;
}

u64 t_random(void)
{
	return prng_next(&seed);
}

void t_fail(struct t *t, const char *file, int line, const char *fmt, ...)
{
	char buf[512];
	va_list ap;
	int n = ksnprintf(buf, sizeof(buf), "# %s:%d: ", file, line);

	va_start(ap, fmt);
	n += kvsnprintf(buf + n, sizeof(buf) - (size_t)n - 1, fmt, ap);
	va_end(ap);
	n = min(n, (int)sizeof(buf) - 1);
	buf[n++] = '\n';
	if (t->failures++ < 20)
		os_log(buf, (size_t)n);
}

struct panic_call {
	void	(*fn)(void *);
	void	*arg;
};

static void call_and_expect_panic(void *p)
{
	struct panic_call *c = p;

	host_expect_panic = true;
	c->fn(c->arg);
}

bool t_panics(void (*fn)(void *), void *arg)
{
	struct panic_call c = { fn, arg };

	return os_run_in_child(call_and_expect_panic, &c) == HOST_PANIC_STATUS;
}

void t_machine(struct t *t, unsigned mib, unsigned cpus)
{
	struct host_config c = { .ram = { { 0, KIB(640) }, { MIB(1), MIB(mib) } }, .nr_cpus = cpus };

	host_start(&c);
}

static void settle_cpu(unsigned cpu, void *arg)
{
	kstack_cache_drain();
	slab_shrink_all();
}

void t_settle(void)
{
	vmalloc_purge();
	host_on_cpus(nr_cpus, settle_cpu, NULL);
	vmalloc_purge();
	slab_shrink_all();
}

void t_audit(struct t *t)
{
	static char buf[4096];
	struct text out;

	text_init_fixed(&out, buf, sizeof(buf));
	if (ledger_audit(&out)) {
		t_fail(t, __FILE__, __LINE__, "the audit found differences");
		os_log(buf, out.len);
	}
}

static long frames_in_use(void)
{
	t_settle();
	return (long)(nr_ram_pages() - nr_free_pages());
}

void t_fail_begin(struct t *t)
{
	t->pass = -1;
}

bool t_fail_next(struct t *t, const char *file, int line)
{
	bool failed_one = atomic_read(&alloc_fail_countdown) <= 0;
	long frames;

	atomic_set(&alloc_fail_countdown, 0);
	if (t->pass >= 0) {
		frames = frames_in_use();
		if (t->pass == 0)
			t->frames = frames;
		else if (frames != t->frames)
			t_fail(t, file, line, "failing allocation %d leaves %ld frames more in use", t->pass, frames - t->frames);
		if ((t->pass > 0 && !failed_one) || t->failures)
			return false;
	}
	atomic_set(&alloc_fail_countdown, ++t->pass);
	return true;
}
