/*
 * entry.S - the ways into the kernel from user mode and from interrupts, and back.
 *
 * Every entry from user mode builds a complete struct trapframe at the top of the task's kernel stack, so that signals, fork
 * and exec see all registers. A system call returns by SYSRET as long as nobody touched its frame (trap_frame_changed() sets a
 * work bit that sends it through IRET); %rcx and %r11 are lost to SYSRET as the ABI says.
 *
 * GS: user mode runs with its own GS base; SWAPGS on each crossing. NMI, double fault and machine check may hit between the
 * crossing and the SWAPGS, so they find the right base by the CPU's number (a segment limit) and put the old one back.
 */
#include <arch/asm.h>
#include <arch/layout.h>

#define THIS_CPU(v)	%gs:v

	.section .entry.text, "ax"

/* After the exception frame and orig_ax: the other registers, and a clean frame pointer and direction flag. */
.macro push_rest rdi_pushed=0
	.if \rdi_pushed == 0
	pushq %rdi
	.endif
	pushq %rsi
	pushq %rdx
	pushq %rcx
	pushq %rax
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
.endm

/* User access must not stay open because the interrupted code (a program can set AC) had it open. */
.macro clac
661:	.byte 0x0f, 0x01, 0xca
	.pushsection .smap_sites, "aw"
	.long 661b - .
	.popsection
.endm

.macro pop_all
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rax
	popq %rcx
	popq %rdx
	popq %rsi
	popq %rdi
	addq $8, %rsp
.endm

/* ---- system calls --------------------------------------------------------------------------------------------- */
	.balign 64
	.globl syscall_entry
syscall_entry:
	swapgs
	movq %rsp, THIS_CPU(entry_user_sp)
	movq THIS_CPU(cpu_stack_top), %rsp
	pushq $SEL_USER_DS
	pushq THIS_CPU(entry_user_sp)
	pushq %r11
	pushq $SEL_USER_CS
	pushq %rcx
	pushq %rax
	pushq %rdi
	pushq %rsi
	pushq %rdx
	pushq %rcx
	pushq $-38			/* ax: -ENOSYS */
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	sti
	xorl %ebp, %ebp
	cmpq THIS_CPU(syscall_limit), %rax
	jae syscall_not_direct
	movq %r10, %rcx
	call *sys_call_table(, %rax, 8)
	movq %rax, FRAME_AX(%rsp)
syscall_done:
	cli
	movq THIS_CPU(current_task), %rcx
	cmpq $0, TASK_WORK(%rcx)
	jne slow_return
	/* rbx and r12-r15 are as the program left them: C functions preserve them. */
	movq FRAME_BP(%rsp), %rbp
	movq FRAME_R10(%rsp), %r10
	movq FRAME_R9(%rsp), %r9
	movq FRAME_R8(%rsp), %r8
	movq FRAME_AX(%rsp), %rax
	movq FRAME_DX(%rsp), %rdx
	movq FRAME_SI(%rsp), %rsi
	movq FRAME_DI(%rsp), %rdi
	movq FRAME_IP(%rsp), %rcx
	movq FRAME_FLAGS(%rsp), %r11
	movq FRAME_SP(%rsp), %rsp
	swapgs
	sysretq

/* A number that does not exist, or a debugger looks on. */
syscall_not_direct:
	movq %rsp, %rdi
	call syscall_beyond
	movq %rax, FRAME_AX(%rsp)
	jmp syscall_done

/* Interrupts off, frame at %rsp, work to do. Comes back with all work done; the frame may be another. */
slow_return:
	movq %rsp, %rdi
	call return_to_user_slow
return_to_user:
	swapgs
restore_and_iret:
	pop_all
	.globl iret_instruction
iret_instruction:
	iretq

/* ---- exceptions ----------------------------------------------------------------------------------------------- */
.macro exception vector, name, has_code=0
	.balign 16
	.globl \name
\name:
	.if \has_code == 0
	pushq $-1
	.endif
	pushq %rdi
	movl $\vector, %edi
	jmp exception_common
.endm

exception_common:
	cld
	clac
	push_rest rdi_pushed=1
	movl %edi, %esi
	movq %rsp, %rdi
	testb $3, FRAME_CS(%rsp)
	jz exception_in_kernel
	swapgs
	xorl %ebp, %ebp
	call exception_handler
exception_return:
	cli
	movq THIS_CPU(current_task), %rcx
	cmpq $0, TASK_WORK(%rcx)
	jne slow_return
	jmp return_to_user

exception_in_kernel:
	cmpq $iret_instruction, FRAME_IP(%rsp)
	je exception_in_iret
	call exception_handler
	jmp restore_and_iret

/* The frame given back to user mode was no good. Kernel segment, user GS. */
exception_in_iret:
	swapgs
	call bad_iret			/* returns the user frame, completed and on the right stack */
	movq %rax, %rsp
	jmp exception_return

	exception 0, trap_divide
	exception 3, trap_int3
	exception 4, trap_overflow
	exception 5, trap_bound
	exception 6, trap_invalid_op
	exception 7, trap_no_device
	exception 10, trap_tss, 1
	exception 11, trap_segment, 1
	exception 12, trap_stack, 1
	exception 13, trap_protection, 1
	exception 16, trap_fpu
	exception 17, trap_alignment, 1
	exception 19, trap_simd
	exception 21, trap_control, 1

/*
 * Debug exceptions in kernel mode are a debugger's watchpoint on memory that the kernel touches for the program. They may
 * hit before SWAPGS (a MOV SS holds them back until after SYSCALL), so nothing that needs GS is done about them.
 */
	.balign 16
	.globl trap_debug
trap_debug:
	testb $3, 8(%rsp)
	jnz 1f
	pushq %rax
	movl $0xffff0ff0, %eax
	movq %rax, %db6
	popq %rax
	iretq
1:	pushq $-1
	pushq %rdi
	movl $1, %edi
	jmp exception_common

/* Page faults are many: no dispatch, and interrupts on again as soon as the address is read. */
	.balign 64
	.globl trap_page_fault
trap_page_fault:
	cld
	clac
	push_rest
	movq %cr2, %rsi
	movq %rsp, %rdi
	movq FRAME_ORIG_AX(%rsp), %rdx
	movq $-1, FRAME_ORIG_AX(%rsp)	/* not a system call */
	testb $3, FRAME_CS(%rsp)
	jz 1f
	swapgs
	xorl %ebp, %ebp
	sti
	call page_fault
	jmp exception_return
1:	cmpq $iret_instruction, FRAME_IP(%rsp)
	je exception_in_iret
	call kernel_page_fault
	jmp restore_and_iret

/* ---- interrupts ----------------------------------------------------------------------------------------------- */
interrupt_common:
	cld
	clac
	push_rest rdi_pushed=1
	movl %edi, %esi
	movq %rsp, %rdi
	testb $3, FRAME_CS(%rsp)
	jz 1f
	swapgs
	xorl %ebp, %ebp
	call interrupt_handler
	jmp exception_return
1:	call interrupt_handler
	jmp restore_and_iret

.macro interrupt vector
	.balign 16
	pushq $-1
	pushq %rdi
	movl $\vector, %edi
	jmp interrupt_common
.endm

	.balign 16
	.globl device_interrupts, system_interrupts
device_interrupts:			/* 16 bytes each, one per device vector */
	vector = VECTOR_DEVICE
	.rept NR_DEVICE_VECTORS
	interrupt vector
	vector = vector + 1
	.endr
	.balign 16
system_interrupts:			/* in the order of system_vectors[] in arch/x86/idt.c */
	interrupt VECTOR_TIMER
	interrupt VECTOR_CALL
	interrupt VECTOR_STOP
	interrupt VECTOR_RESCHEDULE
	interrupt VECTOR_ERROR
	interrupt VECTOR_SPURIOUS

/* ---- NMI, double fault, machine check: own stacks, either GS ---------------------------------------------------- */
.macro paranoid vector, name, has_code=0
	.balign 16
	.globl \name
\name:
	.if \has_code == 0
	pushq $-1
	.endif
	pushq %rdi
	movl $\vector, %edi
	jmp paranoid_common
.endm

paranoid_common:
	cld
	clac
	push_rest rdi_pushed=1
	movl %edi, %r12d
	movl $0xc0000101, %ecx		/* GS base */
	rdmsr
	movl %eax, %r13d
	movl %edx, %r14d
	movl $SEL_CPU, %eax
	lsll %eax, %eax
	andl $0xfff, %eax
	movq percpu_offset(, %rax, 8), %rax
	movq %rax, %rdx
	shrq $32, %rdx
	wrmsr
	movq %rsp, %rdi
	movl %r12d, %esi
	call exception_handler
	movl $0xc0000101, %ecx
	movl %r13d, %eax
	movl %r14d, %edx
	wrmsr
	jmp restore_and_iret

	paranoid 2, trap_nmi
	paranoid 8, trap_double_fault, 1
	paranoid 18, trap_machine_check

/* ---- switching between tasks ------------------------------------------------------------------------------------ */

/* rdi: prev, rsi: next. Returns prev, on next's stack. */
	.balign 16
	.globl switch_stacks
switch_stacks:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, TASK_SP(%rdi)
	movq TASK_SP(%rsi), %rsp
	movq %rdi, %rax
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret

/* First code of a kernel thread: rbx = function, r12 = argument, rax = the task before. */
	.globl kernel_thread_start
kernel_thread_start:
	movq %rax, %rdi
	call sched_first_run
	sti
	movq %r12, %rdi
	call *%rbx
	movl %eax, %edi
	call task_exit
	ud2

/* First code of a forked user thread; its frame is right above. */
	.globl user_thread_start
user_thread_start:
	movq %rax, %rdi
	call sched_first_run
	jmp exception_return

/* rdi: frame. The current stack is given up. */
	.globl enter_user
enter_user:
	movq %rdi, %rsp
	xorl %ebp, %ebp
	jmp exception_return

	.section .note.GNU-stack, "", @progbits
