/*
 * trampoline.S - what another CPU runs first: real mode, at physical page 0 (copied there; nobody needs the BIOS's
 * interrupt vectors any more), to the kernel's page tables in long mode.
 */
#include <arch/layout.h>

#define OFF(sym)	(sym - trampoline_start)

	.section .init.text, "ax"
	.balign 16
	.globl trampoline_start, trampoline_end
	.globl trampoline_cr3, trampoline_cr4, trampoline_efer, trampoline_stack, trampoline_gs, trampoline_entry
	.code16
trampoline_start:
	cli
	cld
	xorw %ax, %ax
	movw %ax, %ds
	lgdtl OFF(trampoline_gdt_pointer)
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $SEL_KERNEL32_CS, $OFF(trampoline_32)

	.code32
trampoline_32:
	movl $SEL_KERNEL_DS, %eax
	movl %eax, %ds
	movl %eax, %ss
	movl OFF(trampoline_cr4), %eax
	movl %eax, %cr4
	movl OFF(trampoline_cr3), %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	movl OFF(trampoline_efer), %eax
	xorl %edx, %edx
	wrmsr
	movl $0x80010023, %eax		/* PG WP NE MP PE */
	movl %eax, %cr0
	ljmpl $SEL_KERNEL_CS, $OFF(trampoline_64)

	.code64
trampoline_64:
	xorl %eax, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %fs
	movl %eax, %gs
	movl $0xc0000101, %ecx
	movl OFF(trampoline_gs), %eax
	movl OFF(trampoline_gs) + 4, %edx
	wrmsr
	movq OFF(trampoline_stack), %rsp
	movq OFF(trampoline_entry), %rax
	xorl %ebp, %ebp
	pushq %rbp
	jmp *%rax

	.balign 8
trampoline_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff
	.quad 0x00af9b000000ffff
	.quad 0x00cf93000000ffff
trampoline_gdt_pointer:
	.short . - trampoline_gdt - 1
	.long OFF(trampoline_gdt)
	.balign 8
trampoline_cr3:		.long 0
trampoline_cr4:		.long 0
trampoline_efer:	.long 0
	.balign 8
trampoline_stack:	.quad 0
trampoline_gs:		.quad 0
trampoline_entry:	.quad 0
trampoline_end:
	.section .note.GNU-stack, "", @progbits
