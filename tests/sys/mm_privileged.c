/* mm_privileged.c - instructions only a kernel may use: each ends in SIGSEGV, never in the machine. */
#include "t.h"
#include <sys/io.h>

#define INSN(name, ...)                                                                                            \
	static void do_##name(void *a)                                                                             \
	{                                                                                                          \
		char buf[16] = { 0 };                                                                              \
		unsigned long r = 0;                                                                               \
		__asm__ volatile(__VA_ARGS__ : "+r"(r) : "r"(buf) : "memory", "rax", "rdx", "rcx");                \
	}                                                                                                          \
	TEST(name)                                                                                                 \
	{                                                                                                          \
		FAULT_EQ(t_try(do_##name, NULL), SIGSEGV, SI_KERNEL, 0);                                           \
	}

INSN(hlt, "hlt")
INSN(cli, "cli")
INSN(sti, "sti")
INSN(lgdt, "lgdt (%1)")
INSN(lidt, "lidt (%1)")
INSN(lldt, "xor %%eax, %%eax; lldt %%ax")
INSN(ltr, "xor %%eax, %%eax; ltr %%ax")
INSN(in_port, "mov $0x3f8, %%edx; inb %%dx, %%al")
INSN(out_port, "mov $0xf4, %%edx; mov $0, %%eax; outb %%al, %%dx")
INSN(read_cr0, "mov %%cr0, %0")
INSN(read_cr3, "mov %%cr3, %0")
INSN(write_cr3, "mov %0, %%cr3")
INSN(write_cr4, "mov %0, %%cr4")
INSN(read_dr7, "mov %%dr7, %0")
INSN(rdmsr, "mov $0xc0000080, %%ecx; rdmsr")
INSN(wrmsr, "mov $0xc0000080, %%ecx; xor %%eax, %%eax; xor %%edx, %%edx; wrmsr")
INSN(invlpg, "invlpg (%1)")
INSN(wbinvd, "wbinvd")
INSN(clts, "clts")
INSN(int_0x20, "int $0x20")
INSN(int_0x0e, "int $0x0e")
INSN(bad_segment, "mov $0x1237, %%eax; mov %%ax, %%ds")

/* An interrupt gate a user may call is int3, into, int 0x80 at most; the others are a protection fault. */
static int all_ints(void *a)
{
	unsigned char *code = mmap(NULL, PG, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (code == MAP_FAILED)
		return 1;
	for (int v = 0; v < 256; v++) {
		if (v == 1 || v == 3 || v == 4 || v == 0x80)
			continue;
		code[0] = 0xcd, code[1] = v, code[2] = 0xc3;
		struct t_fault f = t_try(t_do_exec, code);
		if (f.sig != SIGSEGV || f.code != SI_KERNEL)
			t_fail(__LINE__, "int %#x: signal %d code %d", v, f.sig, f.code);
	}
	return 0;
}

TEST(every_software_interrupt)
{
	CHILD_EXITS(all_ints, NULL, 0);
}

static void do_noncanon_ret(void *a)
{
	__asm__ volatile("movabs $0x8000000000000000, %%rax; push %%rax; ret" : : : "rax", "memory");
}

TEST(jump_to_non_canonical)
{
	struct t_fault f = t_try(do_noncanon_ret, NULL);

	EXPECT_EQ(f.sig, SIGSEGV);
}

static int popf_iopl(void *a)
{
	unsigned long fl;

	/* IF and IOPL cannot be changed by a user's popf; it does not fault either. */
	__asm__ volatile("pushf; pop %0" : "=r"(fl));
	__asm__ volatile("push %0; popf" : : "r"((fl | 0x3000) & ~0x200UL) : "cc", "memory");
	__asm__ volatile("pushf; pop %0" : "=r"(fl));
	CHECK(fl & 0x200);
	CHECK(!(fl & 0x3000));
	return 0;
}

TEST(popf_keeps_if_and_iopl)
{
	CHILD_EXITS(popf_iopl, NULL, 0);
}

static int df_and_ac(void *a)
{
	/* The direction and nested-task flags set at a system call must not hurt the kernel. */
	__asm__ volatile("std; mov $39, %%eax; syscall; cld" : : : "rax", "rcx", "r11", "memory");
	__asm__ volatile("pushf; orq $0x4000, (%%rsp); popf; mov $39, %%eax; syscall; pushf; andq $~0x4000, (%%rsp); popf"
			 : : : "rax", "rcx", "r11", "memory");
	return 0;
}

TEST(odd_flags_at_a_system_call)
{
	CHILD_EXITS(df_and_ac, NULL, 0);
}
