/*
 * unit.h - tests of mm/ and lib/ on the host machine.
 *
 *	TEST(slab, reuse) { … EXPECT_EQ(t, slab_free_count(), 3); … }
 *
 * Each test runs in a process of its own, so it may start any machine (t_machine()) and may panic. When a test started one,
 * the ledger's audit must be exact at its end.
 */
#ifndef TESTS_UNIT_H
#define TESTS_UNIT_H

#include <kernel/panic.h>
#include <lib/types.h>
#include "../../arch/host/host.h"

struct t {
	int	failures;
	bool	no_audit;
	int	pass;		/* of FAIL_EACH_ALLOC */
	long	frames;
};

struct unit_test {
	const char	*suite, *name;
	void		(*fn)(struct t *t);
};

#define TEST(suite_, name_)								\
	static void test_##suite_##_##name_(struct t *t);				\
	static const struct unit_test unit_##suite_##_##name_ = { #suite_, #name_, test_##suite_##_##name_ }; \
	static const struct unit_test *const unit_p_##suite_##_##name_ used_sym aligned_to(sizeof(void *)) in_section("unit_tests") = \
		&unit_##suite_##_##name_;						\
	static void test_##suite_##_##name_(struct t *t)

void t_fail(struct t *t, const char *file, int line, const char *fmt, ...) printf_like(4, 5);

#define EXPECT(t, c)		do { if (!(c)) t_fail(t, __FILE__, __LINE__, "%s", #c); } while (0)
#define EXPECT_EQ(t, a, b)	do {							\
	long long ee_a = (long long)(a), ee_b = (long long)(b);				\
	if (ee_a != ee_b)								\
		t_fail(t, __FILE__, __LINE__, "%s is %lld, %s is %lld", #a, ee_a, #b, ee_b); \
} while (0)
#define EXPECT_STR(t, a, b)	do {							\
	const char *es_a = (a), *es_b = (b);						\
	if (strcmp(es_a, es_b))								\
		t_fail(t, __FILE__, __LINE__, "\"%s\" is not \"%s\"", es_a, es_b);	\
} while (0)
/* fn(arg) must panic. */
#define EXPECT_PANIC(t, fn, arg) do {							\
	if (!t_panics(fn, arg))								\
		t_fail(t, __FILE__, __LINE__, "%s did not panic", #fn);			\
} while (0)
bool t_panics(void (*fn)(void *), void *arg);

/* A machine with this much RAM above 1 MiB (and 640 KiB below), this many CPUs. */
void t_machine(struct t *t, unsigned mib, unsigned cpus);
/* Give back everything that is only cached. */
void t_settle(void);
void t_audit(struct t *t);
/* Pass 0 fails nothing; pass n fails the n-th allocation. After each, as many frames must be in use as after pass 0. */
#define FAIL_EACH_ALLOC(t)	for (t_fail_begin(t); t_fail_next(t, __FILE__, __LINE__); )
void t_fail_begin(struct t *t);
bool t_fail_next(struct t *t, const char *file, int line);

u64 t_random(void);		/* the same numbers each time, unless UNIT_SEED says otherwise */

#endif
