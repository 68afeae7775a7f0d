/*
 * fpu.c - floating-point and vector state of user tasks.
 *
 * SHAPE       Each user task owns a save area in XSAVE's standard format, from a cache sized by CPUID. `fpu_owner` of a
 *             CPU is the area whose contents its registers still hold, so going to a kernel thread and back loads nothing.
 * SIGNALS     The area is stored to the user stack as it is: that is the layout Linux has, with the software bytes at 464
 *             telling the size and a magic number behind the end.
 * NOT CHOSEN  lazy switching by CR0.TS: a trap for each use, and known to leak between processes by speculation.
 *             PKRU is left out of XCR0 until there are protection keys.
 */
#include <abi/errno.h>
#include <arch/cpu.h>
#include <arch/fpu.h>
#include <arch/ptrace.h>
#include <kernel/printk.h>
#include <kernel/task.h>
#include <lib/string.h>
#include <mm/slab.h>
#include <mm/uaccess.h>

#define XCR0_X87	1
#define XCR0_SSE	2
#define XCR0_AVX	4
#define XCR0_AVX512	0xe0

#define FXSAVE_SIZE	512
#define XSAVE_HEADER	64
#define SW_BYTES	464		/* in the FXSAVE area: left to software */
#define FP_XSTATE_MAGIC1 0x46505853u
#define FP_XSTATE_MAGIC2 0x46505845u
#define MXCSR_DEFAULT	0x1f80u

struct fpu_state {
	int	cpu;			/* whose registers may hold this; -1: none */
	u8	area[] aligned_to(64);
};

/* struct _fpx_sw_bytes */
struct sw_bytes {
	u32 magic1, extended_size;
	u64 xfeatures;
	u32 xstate_size, padding[7];
};

static u64 xcr0;
static unsigned area_size;		/* bytes of one area */
static struct slab_cache *fpu_cache;
static DEFINE_PER_CPU(struct fpu_state *, fpu_owner);
static u32 mxcsr_mask = 0xffbf;

static void xsetbv(u64 v)
{
	__asm__ volatile("xsetbv" : : "c"(0), "a"((u32)v), "d"((u32)(v >> 32)));
}

void fpu_init_cpu(void)
{
	if (!cpu_features.xsave) {
		area_size = FXSAVE_SIZE;
		return;
	}
	write_cr4(read_cr4() | CR4_OSXSAVE);
	if (!xcr0) {
		struct cpuid_regs r = cpuid(0xd, 0);
		u64 have = r.eax | (u64)r.edx << 32;

		xcr0 = have & (XCR0_X87 | XCR0_SSE | XCR0_AVX);
		if ((have & XCR0_AVX512) == XCR0_AVX512)
			xcr0 |= XCR0_AVX512;
	}
	xsetbv(xcr0);
	if (!area_size)
		area_size = cpuid(0xd, 0).ebx;
}

bool fpu_has_avx(void)
{
	return xcr0 & XCR0_AVX;
}

static void registers_save(struct fpu_state *s)
{
	u32 lo = (u32)xcr0, hi = (u32)(xcr0 >> 32);

	if (cpu_features.xsaveopt)
		__asm__ volatile("xsaveopt64 (%0)" : : "r"(s->area), "a"(lo), "d"(hi) : "memory");
	else if (cpu_features.xsave)
		__asm__ volatile("xsave64 (%0)" : : "r"(s->area), "a"(lo), "d"(hi) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" : : "r"(s->area) : "memory");
}

/* For others to read: every component is stored, also those that XSAVEOPT would leave out as unused. */
static void registers_save_whole(struct fpu_state *s)
{
	u32 lo = (u32)xcr0, hi = (u32)(xcr0 >> 32);

	if (cpu_features.xsave)
		__asm__ volatile("xsave64 (%0)" : : "r"(s->area), "a"(lo), "d"(hi) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" : : "r"(s->area) : "memory");
}

static void registers_load(struct fpu_state *s)
{
	u32 lo = (u32)xcr0, hi = (u32)(xcr0 >> 32);

	if (cpu_features.xsave)
		__asm__ volatile("xrstor64 (%0)" : : "r"(s->area), "a"(lo), "d"(hi) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" : : "r"(s->area) : "memory");
}

static void area_init(struct fpu_state *s)
{
	memset(s->area, 0, area_size);
	*(u16 *)s->area = 0x37f;			/* x87 control word */
	*(u32 *)(s->area + 24) = MXCSR_DEFAULT;
	s->cpu = -1;
}

static struct fpu_state *state_alloc(void)
{
	if (!fpu_cache)
		fpu_cache = slab_cache_create("fpu_state", sizeof(struct fpu_state) + area_size, 64,
					      SLAB_PANIC | SLAB_USERCOPY, NULL);
	return slab_alloc(fpu_cache, GFP_KERNEL);
}

/* Current's registers into its area; it stays the owner of the registers. */
static void save_current(struct fpu_state *s)
{
	unsigned long flags = irq_save();

	registers_save_whole(s);
	irq_restore(flags);
}

int fpu_fork(struct task *child, const struct task *parent)
{
	struct fpu_state *s = state_alloc(), *from = parent->arch.fpu;

	if (!s)
		return -ENOMEM;
	if (from) {
		if (parent == current)
			save_current(from);
		memcpy(s->area, from->area, area_size);
		s->cpu = -1;
	} else {
		area_init(s);
	}
	child->arch.fpu = s;
	return 0;
}

int fpu_exec(struct task *t)
{
	unsigned long flags;

	if (!t->arch.fpu) {
		struct fpu_state *s = state_alloc();

		if (!s)
			return -ENOMEM;
		t->arch.fpu = s;
	}
	flags = irq_save();
	area_init(t->arch.fpu);
	registers_load(t->arch.fpu);
	t->arch.fpu->cpu = (int)cpu_id();
	this_cpu_write(fpu_owner, t->arch.fpu);
	irq_restore(flags);
	return 0;
}

void fpu_free(struct task *t)
{
	struct fpu_state *s = t->arch.fpu;

	if (!s)
		return;
	t->arch.fpu = NULL;
	for (unsigned cpu = 0; cpu < nr_cpus; cpu++) {	/* a recycled area must not look loaded */
		struct fpu_state *owner = s;

		__atomic_compare_exchange_n(per_cpu_ptr(fpu_owner, cpu), &owner, NULL, false, __ATOMIC_RELAXED,
					    __ATOMIC_RELAXED);
	}
	slab_free(fpu_cache, s);
}

/* Called by switch_to() with interrupts off. */
void fpu_switch(struct task *prev, struct task *next);
void fpu_switch(struct task *prev, struct task *next)
{
	struct fpu_state *n = next->arch.fpu;

	if (prev->arch.fpu && this_cpu_read(fpu_owner) == prev->arch.fpu)
		registers_save(prev->arch.fpu);
	if (!n || (this_cpu_read(fpu_owner) == n && n->cpu == (int)cpu_id()))
		return;
	registers_load(n);
	n->cpu = (int)cpu_id();
	this_cpu_write(fpu_owner, n);
}

/* ---- for debuggers: of a task that does not run ------------------------------------------------------------------ */

/* What XSAVEOPT left out because it was in its initial state has old bytes in the area. */
static void fill_unsaved(u8 *area)
{
	u64 have = *(u64 *)(area + FXSAVE_SIZE);

	if (!(have & XCR0_X87)) {
		memset(area, 0, 24);
		memset(area + 32, 0, 128);
		*(u16 *)area = 0x37f;
	}
	if (!(have & XCR0_SSE))
		memset(area + 160, 0, 256);
	for (unsigned n = 2; n < 63; n++) {
		struct cpuid_regs r;

		if (!(xcr0 & ~have & BIT(n)))
			continue;
		r = cpuid(0xd, n);
		memset(area + r.ebx, 0, r.eax);
	}
}

unsigned arch_xstate_size(void)
{
	return cpu_features.xsave ? area_size : 0;
}

void arch_xstate_get(const struct task *t, void *buf, unsigned size)
{
	u8 *area = t->arch.fpu->area;

	if (cpu_features.xsave) {
		fill_unsaved(area);
		memset(area + SW_BYTES, 0, FXSAVE_SIZE - SW_BYTES);
		*(u64 *)(area + SW_BYTES) = xcr0;
	}
	memcpy(buf, area, min(size, area_size));
}

int arch_xstate_set(struct task *t, const void *buf, unsigned size)
{
	struct fpu_state *s = t->arch.fpu;
	const u64 *header = (const u64 *)((const u8 *)buf + FXSAVE_SIZE);

	if (*(const u32 *)((const u8 *)buf + 24) & ~mxcsr_mask)
		return -EINVAL;
	if (size > FXSAVE_SIZE) {
		if (size != area_size || header[0] & ~xcr0 || header[1])
			return -EINVAL;
		for (unsigned i = 2; i < XSAVE_HEADER / 8; i++)
			if (header[i])
				return -EINVAL;
	} else if (cpu_features.xsave) {
		fill_unsaved(s->area);
		*(u64 *)(s->area + FXSAVE_SIZE) |= XCR0_X87 | XCR0_SSE;
	}
	memcpy(s->area, buf, size);
	s->cpu = -1;		/* the registers of no CPU hold this */
	return 0;
}

/* ---- signal frames -------------------------------------------------------------------------------------------- */

unsigned fpu_sigframe_size(void)
{
	return area_size + (cpu_features.xsave ? 4 : 0);
}

int fpu_save_user(void __user *buf)
{
	struct fpu_state *s = current->arch.fpu;
	struct sw_bytes *sw = (struct sw_bytes *)(s->area + SW_BYTES);
	int err = 0;

	save_current(s);
	memset(sw, 0, sizeof(*sw));
	if (cpu_features.xsave) {
		*sw = (struct sw_bytes){ FP_XSTATE_MAGIC1, area_size + 4, xcr0, area_size, { 0 } };
		/* x87 and SSE always count as in use, so that a handler that edits them there is heard. */
		*(u64 *)(s->area + FXSAVE_SIZE) |= XCR0_X87 | XCR0_SSE;
		err = put_user(FP_XSTATE_MAGIC2, (u32 __user *)((char __user *)buf + area_size));
	}
	if (err || copy_to_user(buf, s->area, area_size))
		return -EFAULT;
	return 0;
}

/* The area is about to be loaded: what the CPU would refuse is cleared or refused here. */
static int check_area(struct fpu_state *s, size_t have)
{
	u64 *header = (u64 *)(s->area + FXSAVE_SIZE);

	*(u32 *)(s->area + 24) &= mxcsr_mask;
	if (have == FXSAVE_SIZE && cpu_features.xsave) {
		memset(header, 0, area_size - FXSAVE_SIZE);
		header[0] = XCR0_X87 | XCR0_SSE;
	} else if (cpu_features.xsave) {
		if (header[0] & ~xcr0 || header[1])
			return -EINVAL;
		memset(header + 2, 0, XSAVE_HEADER - 16);
	}
	return 0;
}

/* Does the frame hold the whole XSAVE area, or only the old 512 bytes? */
static size_t frame_holds(const void __user *buf)
{
	struct sw_bytes sw;
	u32 magic2;

	if (!cpu_features.xsave || copy_from_user(&sw, (const char __user *)buf + SW_BYTES, sizeof(sw)) ||
	    sw.magic1 != FP_XSTATE_MAGIC1 || sw.xstate_size != area_size || sw.extended_size < area_size + 4 ||
	    get_user(magic2, (const u32 __user *)((const char __user *)buf + area_size)) || magic2 != FP_XSTATE_MAGIC2)
		return FXSAVE_SIZE;
	return area_size;
}

int fpu_restore_user(const void __user *buf)
{
	struct fpu_state *s = current->arch.fpu;
	unsigned long flags;
	size_t have;
	int err;

	if (!buf)
		return fpu_exec(current);
	have = frame_holds(buf);
	/* Not the owner while half-copied: a switch in between must not save registers over it. */
	this_cpu_write(fpu_owner, NULL);
	s->cpu = -1;
	err = copy_from_user(s->area, buf, have) ? -EFAULT : check_area(s, have);
	if (err)
		area_init(s);
	flags = irq_save();
	registers_load(s);
	s->cpu = (int)cpu_id();
	this_cpu_write(fpu_owner, s);
	irq_restore(flags);
	return err;
}
