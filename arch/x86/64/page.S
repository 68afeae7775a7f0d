/*
 * page.S - clear and copy one page with unrolled 64-bit moves (see string.S for why not rep).
 */
	.text
	.balign 16
	.globl clear_page
clear_page:
	xorl %eax, %eax
	movl $4096 / 128, %ecx
1:
	.irp off, 0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 80, 88, 96, 104, 112, 120
	movq %rax, \off(%rdi)
	.endr
	addq $128, %rdi
	decl %ecx
	jnz 1b
	ret

	.balign 16
	.globl copy_page
copy_page:
	movl $4096 / 64, %ecx
1:
	.irp off, 0, 32
	movq \off(%rsi), %rax
	movq \off + 8(%rsi), %rdx
	movq \off + 16(%rsi), %r8
	movq \off + 24(%rsi), %r9
	movq %rax, \off(%rdi)
	movq %rdx, \off + 8(%rdi)
	movq %r8, \off + 16(%rdi)
	movq %r9, \off + 24(%rdi)
	.endr
	addq $64, %rsi
	addq $64, %rdi
	decl %ecx
	jnz 1b
	ret
	.section .note.GNU-stack, "", @progbits
