/*
 * test_vmalloc.c - areas, guards, reuse of addresses, kernel stacks.
 */
#include <lib/string.h>
#include <lib/text.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include "unit.h"

TEST(vmalloc, contents_and_pages)
{
	u8 *p;

	t_machine(t, 15, 1);
	p = vzalloc(10 * PAGE_SIZE + 1);
	EXPECT(t, p && is_vmalloc_addr(p) && IS_ALIGNED((vaddr_t)p, PAGE_SIZE));
	EXPECT(t, !mem_find_other(p, 0, 11 * PAGE_SIZE));
	EXPECT_EQ(t, ledger_frames(ACCT_VMALLOC), 11);
	memset(p, 0x42, 11 * PAGE_SIZE);
	for (unsigned i = 0; i < 11; i++)
		EXPECT(t, !mem_find_other(page_address(vmalloc_to_page(p + i * PAGE_SIZE)), 0x42, PAGE_SIZE));
	EXPECT(t, !vmalloc_to_page(p + 11 * PAGE_SIZE));	/* the guard */
	vfree(p);
	EXPECT_EQ(t, ledger_frames(ACCT_VMALLOC), 0);
	EXPECT(t, !vmalloc(0));
	EXPECT(t, !vmalloc(GIB(1)));
	vfree(NULL);
}

/* Goal: live areas never overlap, whatever the order of frees; addresses come back. */
TEST(vmalloc, churn)
{
	struct { u8 *p; size_t n; u8 stamp; } a[40] = { 0 };

	t_machine(t, 31, 1);
	for (unsigned round = 0; round < 4000; round++) {
		unsigned k = t_random() % 40;

		if (a[k].p) {
			EXPECT(t, !mem_find_other(a[k].p, a[k].stamp, a[k].n));
			vfree(a[k].p);
			a[k].p = NULL;
			continue;
		}
		a[k].n = (1 + t_random() % 12) * PAGE_SIZE;
		a[k].stamp = (u8)t_random();
		a[k].p = vmalloc(a[k].n);
		EXPECT(t, a[k].p);
		memset(a[k].p, a[k].stamp, a[k].n);
		EXPECT(t, (vaddr_t)a[k].p < vmalloc_base + MIB(32));	/* lowest gap first: the space does not creep up */
	}
	t_audit(t);
	for (unsigned k = 0; k < 40; k++)
		vfree(a[k].p);
}

TEST(vmalloc, allocation_fails)
{
	t_machine(t, 15, 1);
	FAIL_EACH_ALLOC(t) {
		void *a = vmalloc(20 * PAGE_SIZE), *b = kstack_alloc();

		vfree(a);
		kstack_free(b);
	}
}

static void overflow(void *p)
{
	*(u64 *)p = 0;
	kstack_free(p);
}

static void touch(void *p)
{
	*(volatile u8 *)p = 1;
}

/* The guard below a stack faults: the child process dies of it. */
TEST(vmalloc, stack_guard)
{
	u8 *stack;

	t_machine(t, 15, 1);
	stack = kstack_alloc();
	memset(stack + 8, 1, KSTACK_SIZE - 8);
	EXPECT(t, !vmalloc_to_page(stack - 1));
	EXPECT(t, !t_panics(touch, stack));
	EXPECT_PANIC(t, overflow, stack);
	kstack_free(stack);
	EXPECT_EQ(t, kstack_alloc() == (void *)stack, true);	/* a free one is kept at hand */
	kstack_free(stack);
}

static void free_twice(void *p)
{
	vfree(p);
	vfree(p);
}

TEST(vmalloc, double_free)
{
	void *p;

	t_machine(t, 15, 1);
	p = vmalloc(PAGE_SIZE);
	EXPECT_PANIC(t, free_twice, p);
	vfree(p);
}

TEST(vmalloc, ioremap_and_report)
{
	char buf[2048];
	struct text out;
	u8 *io;

	t_machine(t, 15, 1);
	io = ioremap(0xfee00010, 100, PROT_KERNEL_IO);
	EXPECT_EQ(t, (vaddr_t)io & (PAGE_SIZE - 1), 0x10);
	text_init_fixed(&out, buf, sizeof(buf));
	EXPECT_EQ(t, vmalloc_report(&out), 0);
	EXPECT(t, strstr(text_str(&out), "phys=0x00000000fee00000 ioremap"));
	iounmap(io);
}

static void churn_cpu(unsigned cpu, void *arg)
{
	for (unsigned i = 0; i < 300; i++) {
		u32 *p = vmalloc((1 + i % 5) * PAGE_SIZE), *s = kstack_alloc();

		if (!p || !s)
			panic("out of memory");
		*p = s[100] = cpu * 1000 + i;
		if (*p != cpu * 1000 + i || s[100] != *p)
			panic("memory shared by mistake");
		vfree(p);
		kstack_free(s);
	}
	kstack_cache_drain();
}

TEST(vmalloc, many_cpus)
{
	t_machine(t, 31, 4);
	host_on_cpus(4, churn_cpu, NULL);
	EXPECT_EQ(t, ledger_frames(ACCT_KSTACK), 0);
	EXPECT_EQ(t, ledger_frames(ACCT_VMALLOC), 0);
}
