/*
 * load_bench.c - a driver of ordinary size (20 KiB loaded) that does nothing: what loading and unloading costs. bench/modules builds
 * this one source for Quire and for stock Linux.
 *
 * Sixty-four functions that call the kernel's, two tables of pointers to them, texts, data and bss: the relocations and
 * symbols that such a driver has.
 */
#ifdef __QUIRE__
#include <drivers/driver.h>
#else
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#endif

#define STEPS(X)								\
	X(00) X(01) X(02) X(03) X(04) X(05) X(06) X(07) X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17)	\
	X(20) X(21) X(22) X(23) X(24) X(25) X(26) X(27) X(30) X(31) X(32) X(33) X(34) X(35) X(36) X(37)	\
	X(40) X(41) X(42) X(43) X(44) X(45) X(46) X(47) X(50) X(51) X(52) X(53) X(54) X(55) X(56) X(57)	\
	X(60) X(61) X(62) X(63) X(64) X(65) X(66) X(67) X(70) X(71) X(72) X(73) X(74) X(75) X(76) X(77)

struct request {
	char name[24];
	unsigned long state, seen;
};

static unsigned long counters[512];

#define FUNCTION(n)								\
static noinline int step_##n(struct request *r, unsigned long arg)	\
{										\
	if (strlen(r->name) > arg && memcmp(r->name, "step " #n, 7) == 0) {	\
		pr_info("load_bench: step " #n " wants %lu\n", arg);		\
		return -1;							\
	}									\
	memset(r->name, 0, sizeof(r->name));					\
	memcpy(r->name, "step " #n " was here", 17);				\
	counters[0 ## n] += arg;						\
	r->seen++;								\
	r->state = r->state * 31 + counters[(arg + 0 ## n) & 511];		\
	return (int)(r->state >> 7);						\
}
STEPS(FUNCTION)

struct step {
	const char *name;
	int (*run)(struct request *r, unsigned long arg);
	unsigned long flags;
};

#define ROW(n) { "load_bench_step_" #n, step_##n, 0 ## n },
static const struct step steps[] = { STEPS(ROW) };
static struct step changeable[] = { STEPS(ROW) };

static int __init load_bench_init(void)
{
	struct request *r = kmalloc(sizeof(*r), GFP_KERNEL);
	int sum = 0;

	if (!r)
		return -ENOMEM;
	memset(r, 0, sizeof(*r));
	for (int i = 0; i < 2; i++)
		sum += steps[i].run(r, 100) + changeable[i + 2].run(r, 100);
	counters[511] = (unsigned long)sum;
	kfree(r);
	return 0;
}

static void __exit load_bench_exit(void)
{
	counters[510] = 0;
}

module_init(load_bench_init);
module_exit(load_bench_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("an ordinary driver's size");
