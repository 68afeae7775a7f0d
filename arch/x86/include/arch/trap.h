/*
 * trap.h - the registers of an interrupted program, and what a trap handler may ask about them.
 */
#ifndef ARCH_TRAP_H
#define ARCH_TRAP_H

#include <lib/types.h>

struct task;

/* Layout of Linux's struct pt_regs: ptrace, signal frames and the entry code depend on it. */
struct trapframe {
	unsigned long r15, r14, r13, r12, bp, bx;
	unsigned long r11, r10, r9, r8, ax, cx, dx, si, di;
	unsigned long orig_ax;		/* system call number, else -1 */
	unsigned long ip, cs, flags, sp, ss;
};

enum trap_number {
	TRAP_DE = 0, TRAP_DB = 1, TRAP_NMI = 2, TRAP_BP = 3, TRAP_OF = 4, TRAP_BR = 5, TRAP_UD = 6, TRAP_NM = 7,
	TRAP_DF = 8, TRAP_TS = 10, TRAP_NP = 11, TRAP_SS = 12, TRAP_GP = 13, TRAP_PF = 14, TRAP_MF = 16,
	TRAP_AC = 17, TRAP_MC = 18, TRAP_XM = 19, TRAP_CP = 21,
};

/* Error code of a page fault. */
#define PF_PRESENT	1	/* a protection violation, not a missing page */
#define PF_WRITE	2
#define PF_USER		4
#define PF_RESERVED	8
#define PF_INSTR	16
#define PF_PKEY		32

#define EFLAGS_CF	0x1UL
#define EFLAGS_TF	0x100UL
#define EFLAGS_IF	0x200UL
#define EFLAGS_DF	0x400UL
#define EFLAGS_IOPL	0x3000UL
#define EFLAGS_NT	0x4000UL
#define EFLAGS_RF	0x10000UL
#define EFLAGS_AC	0x40000UL
/* What a program may set in its own flags: sigreturn, ptrace. */
#define EFLAGS_USER	0x50dd5UL

static inline bool trap_from_user(const struct trapframe *f)
{
	return f->cs & 3;
}
static inline vaddr_t trap_sp(const struct trapframe *f)
{
	return f->sp;
}

/* All of them by their DWARF numbers: 16 and the instruction pointer. */
static inline void trap_dwarf_regs(const struct trapframe *f, u64 *r)
{
	r[0] = f->ax, r[1] = f->dx, r[2] = f->cx, r[3] = f->bx, r[4] = f->si, r[5] = f->di, r[6] = f->bp, r[7] = f->sp;
	r[8] = f->r8, r[9] = f->r9, r[10] = f->r10, r[11] = f->r11, r[12] = f->r12, r[13] = f->r13, r[14] = f->r14;
	r[15] = f->r15, r[16] = f->ip;
}

/* A kernel instruction with an entry in the exception table: continue at its fix-up. False: it has none. */
bool trap_fixup(struct trapframe *f);
bool trap_fixup_module(struct trapframe *f);	/* the tables of loaded modules */
/* A fault of the kernel's own: registers, backtrace, panic. */
noreturn void trap_oops(struct trapframe *f, const char *what, vaddr_t addr);

/*
 * Whoever changes ip, sp, cs, ss or flags of a frame that system-call entry built must say so: the quick way back to user
 * mode takes ip and flags from where SYSCALL left them. execve, sigreturn and signal delivery call this.
 */
void trap_frame_changed(struct trapframe *f);
void trap_frame_changed_of(struct task *t);	/* the same, of a task that does not run */

#endif
