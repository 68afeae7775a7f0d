/*
 * elf.c - CPU facts for the auxiliary vector, and the CPU's random numbers.
 *
 * SOURCE      getauxval(3); Intel SDM volume 1, 7.3.17 (RDRAND may fail: try again, ten times).
 */
#include <arch/cpu.h>
#include <arch/elf.h>
#include <arch/fpu.h>

#define RDRAND_TRIES		10
#define HWCAP2_FSGSBASE		BIT(1)
/* ucontext, siginfo and return address of a signal frame, and the alignment of its FPU part. */
#define SIGFRAME_BYTES		(440 + 64 + 8 + 64)

u64 arch_hwcap(void)
{
	return cpuid(1, 0).edx;
}

u64 arch_hwcap2(void)
{
	return cpu_features.fsgsbase ? HWCAP2_FSGSBASE : 0;
}

u64 arch_min_sigstack(void)
{
	return ALIGN_UP(SIGFRAME_BYTES + fpu_sigframe_size(), 64);
}

u64 arch_random_u64(void)
{
	if (!cpu_features.rdrand)
		return 0;
	for (int i = 0; i < RDRAND_TRIES; i++) {
		u64 v;
		bool ok;

		__asm__ volatile("rdrand %0" : "=r"(v), "=@ccc"(ok));
		if (ok)
			return v;
	}
	return 0;
}
