/*
 * trap.c - exceptions: signals for user mode, the exception table or the end for the kernel.
 *
 * Page faults of user mode do not come here: entry code calls mm's page_fault() at once. Those of the kernel pass
 * kernel_page_fault(), which sorts out addresses that can only be our own mistakes.
 */
#include <abi/signal.h>
#include <arch/asm.h>
#include <arch/cpu.h>
#include <arch/desc.h>
#include <arch/layout.h>
#include <arch/machine.h>
#include <arch/mmu.h>
#include <arch/trap.h>
#include <arch/upcalls.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/task.h>
#include <lib/string.h>
#include <mm/vmalloc.h>

/* work bit of our own: leave by IRET. Above those of enum task_work. */
#define WORK_IRET	BIT(62)

struct ex_entry {
	s32 from, to;		/* relative to their own place */
};
extern const struct ex_entry ex_table_start[], ex_table_end[];

void exception_handler(struct trapframe *f, unsigned vector);
void kernel_page_fault(struct trapframe *f, vaddr_t addr, unsigned long code);
struct trapframe *bad_iret(struct trapframe *f);
void return_to_user_slow(struct trapframe *f);

static const struct {
	const char *name;
	int signo, code;
} traps[32] = {
	[TRAP_DE] = { "divide error", SIGFPE, FPE_INTDIV },
	[TRAP_DB] = { "debug", SIGTRAP, TRAP_TRACE },
	[TRAP_NMI] = { "NMI", 0, 0 },
	[TRAP_BP] = { "int3", SIGTRAP, SI_KERNEL },
	[TRAP_OF] = { "overflow", SIGSEGV, SI_KERNEL },
	[TRAP_BR] = { "bounds", SIGSEGV, SI_KERNEL },
	[TRAP_UD] = { "invalid opcode", SIGILL, ILL_ILLOPN },
	[TRAP_NM] = { "device not available", SIGSEGV, SI_KERNEL },
	[TRAP_DF] = { "double fault", 0, 0 },
	[TRAP_TS] = { "invalid TSS", SIGSEGV, SI_KERNEL },
	[TRAP_NP] = { "segment not present", SIGBUS, SI_KERNEL },
	[TRAP_SS] = { "stack segment", SIGBUS, SI_KERNEL },
	[TRAP_GP] = { "general protection fault", SIGSEGV, SI_KERNEL },
	[TRAP_PF] = { "page fault", SIGSEGV, SI_KERNEL },
	[TRAP_MF] = { "x87 exception", SIGFPE, FPE_FLTINV },
	[TRAP_AC] = { "alignment check", SIGBUS, BUS_ADRALN },
	[TRAP_MC] = { "machine check", 0, 0 },
	[TRAP_XM] = { "SIMD exception", SIGFPE, FPE_FLTINV },
	[TRAP_CP] = { "control protection", SIGSEGV, SI_KERNEL },
};

bool trap_fixup(struct trapframe *f)
{
	for (const struct ex_entry *e = ex_table_start; e < ex_table_end; e++) {
		if ((unsigned long)&e->from + e->from == f->ip) {
			f->ip = (unsigned long)&e->to + e->to;
			return true;
		}
	}
	return trap_fixup_module(f);
}

void trap_frame_changed(struct trapframe *f)
{
	(void)f;
	__atomic_fetch_or(&current->work, WORK_IRET, __ATOMIC_RELAXED);
}

void trap_frame_changed_of(struct task *t)
{
	__atomic_fetch_or(&t->work, WORK_IRET, __ATOMIC_RELAXED);
}

static void print_registers(const struct trapframe *f, vaddr_t addr)
{
	pr_emerg("CPU: %u PID: %d Comm: %s\n", cpu_id(), current ? current->tid : 0, current ? current->comm : "boot");
	pr_emerg("RIP: %04lx:%pS (%016lx)  CR2: %016lx  error: %lx\n", f->cs, (void *)f->ip, f->ip, addr, f->orig_ax);
	pr_emerg("RSP: %04lx:%016lx EFLAGS: %08lx CR3: %016lx\n", f->ss, f->sp, f->flags, read_cr3());
	pr_emerg("RAX: %016lx RBX: %016lx RCX: %016lx RDX: %016lx\n", f->ax, f->bx, f->cx, f->dx);
	pr_emerg("RSI: %016lx RDI: %016lx RBP: %016lx R08: %016lx\n", f->si, f->di, f->bp, f->r8);
	pr_emerg("R09: %016lx R10: %016lx R11: %016lx R12: %016lx\n", f->r9, f->r10, f->r11, f->r12);
	pr_emerg("R13: %016lx R14: %016lx R15: %016lx\n", f->r13, f->r14, f->r15);
}

noreturn void trap_oops(struct trapframe *f, const char *what, vaddr_t addr)
{
	irq_disable();
	console_set_level(LOG_DEBUG + 1);
	pr_emerg("Oops: %s\n", what);
	print_registers(f, addr);
	pr_emerg("Where:\n");
	backtrace_print(f->bp, f->ip);
	panic("Fatal exception: %s", what);
}

/* A word that may be unmapped, wholly: only to name the culprit. */
static const char *fault_name(const struct trapframe *f, vaddr_t addr, unsigned long code)
{
	if (code & PF_RESERVED)
		return "reserved bit set in a page table";
	if ((code & PF_INSTR) && (long)addr >= 0)
		return "kernel tried to execute user memory";
	if (code & PF_INSTR)
		return "kernel tried to execute data";
	if ((code & PF_PRESENT) && (long)addr < 0)
		return "kernel write to read-only memory";
	if ((long)addr >= 0 && (code & PF_PRESENT))
		return "kernel touched user memory outside user access";
	if (addr < PAGE_SIZE)
		return "kernel NULL pointer dereference";
	return "unable to handle kernel paging request";
}

/* Interrupts off, as the gate left them. */
void kernel_page_fault(struct trapframe *f, vaddr_t addr, unsigned long code)
{
	bool user_address = (long)addr >= 0;

	/* Only user access runs with AC set (where the CPU has SMAP); anything else on a user address is a bug. */
	if (user_address && !(code & (PF_INSTR | PF_RESERVED)) && (!cpu_features.smap || (f->flags & EFLAGS_AC))) {
		if (f->flags & EFLAGS_IF)
			irq_enable();
		page_fault(f, addr, code);
		irq_disable();
		return;
	}
	if (!(code & PF_RESERVED) && trap_fixup(f))
		return;
	f->orig_ax = code;
	trap_oops(f, fault_name(f, addr, code), addr);
}

static void exception_in_kernel(struct trapframe *f, unsigned vector, unsigned long err)
{
	char text[64];

	if (vector == TRAP_GP && trap_fixup(f))		/* a non-canonical user address */
		return;
	if (vector == TRAP_NMI)
		return;
	f->orig_ax = err;
	if (vector == TRAP_DF) {
		vaddr_t cr2 = read_cr2();

		if (current && cr2 < (vaddr_t)current->kstack && cr2 >= (vaddr_t)current->kstack - PAGE_SIZE)
			trap_oops(f, "kernel stack overflow", cr2);
	}
	ksnprintf(text, sizeof(text), "%s (trap %u)", traps[vector].name, vector);
	trap_oops(f, text, read_cr2());
}

/* Which of the unmasked floating-point exceptions it was, as si_code. Status bits: IE DE ZE OE UE PE. */
static int fpe_code(unsigned vector)
{
	unsigned status, masked;
	u16 cw, sw;
	u32 mxcsr;

	if (vector == TRAP_MF) {
		__asm__ volatile("fnstcw %0; fnstsw %1" : "=m"(cw), "=m"(sw));
		status = sw;
		masked = cw;
		__asm__ volatile("fnclex");
	} else {
		__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
		status = mxcsr;
		masked = mxcsr >> 7;
	}
	status &= ~masked;
	if (status & 1)
		return FPE_FLTINV;
	if (status & 4)
		return FPE_FLTDIV;
	if (status & 8)
		return FPE_FLTOVF;
	if (status & (2 | 16))
		return FPE_FLTUND;
	return status & 32 ? FPE_FLTRES : 0;
}

void exception_handler(struct trapframe *f, unsigned vector)
{
	unsigned long err = f->orig_ax;
	vaddr_t addr = 0;
	int code = traps[vector].code;

	f->orig_ax = -1UL;
	if (!trap_from_user(f) || !traps[vector].signo) {
		exception_in_kernel(f, vector, err);
		return;
	}
	if (vector == TRAP_MF || vector == TRAP_XM)
		code = fpe_code(vector);
	if (vector == TRAP_DB) {
		code = debug_exception(f);
		if (!code)
			return;
	}
	irq_enable();
	if (vector == TRAP_DE || vector == TRAP_UD || vector == TRAP_DB || vector == TRAP_MF || vector == TRAP_XM)
		addr = f->ip;
	if (err == -1UL)
		err = 0;
	user_exception(f, traps[vector].signo, code, addr, (int)vector, err);
}

/*
 * IRET refused the frame (a non-canonical address, a bad selector): finish the user frame at the top of the stack from the
 * registers at the fault, and let the program have its SIGSEGV. `f` lies below the user frame and is lost afterwards.
 */
struct trapframe *bad_iret(struct trapframe *f)
{
	struct trapframe *u = ARCH_FRAME(current->kstack);

	memmove(u, f, __builtin_offsetof(struct trapframe, orig_ax));
	u->orig_ax = -1UL;
	irq_enable();
	user_exception(u, SIGSEGV, SI_KERNEL, 0, TRAP_GP, 0);
	irq_disable();
	return u;
}

/* Interrupts off. Everything that keeps current in the kernel is done here, until nothing is left. */
void return_to_user_slow(struct trapframe *f)
{
	for (;;) {
		__atomic_fetch_and(&current->work, ~WORK_IRET, __ATOMIC_RELAXED);
		if (!READ_ONCE(current->work))
			return;
		irq_enable();
		user_return_work(f);
		irq_disable();
	}
}
