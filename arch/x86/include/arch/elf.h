/*
 * elf.h - what a program is told about the CPU through its auxiliary vector.
 */
#ifndef ARCH_ELF_H
#define ARCH_ELF_H

#include <lib/types.h>

#define ELF_PLATFORM	"x86_64"

u64 arch_hwcap(void);		/* AT_HWCAP: CPUID leaf 1, edx */
u64 arch_hwcap2(void);		/* AT_HWCAP2: bit 1, FSGSBASE usable in user mode */
u64 arch_min_sigstack(void);	/* AT_MINSIGSTKSZ: bytes of the largest signal frame */
u64 arch_random_u64(void);	/* from the CPU's generator; 0 when it has none */

#endif
