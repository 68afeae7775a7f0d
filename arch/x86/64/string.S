/*
 * string.S - memcpy, memmove, memset: %rdi %rsi %rdx, result %rax.
 *
 * Plain 64-bit moves, 64 bytes a turn: emulators run those several times faster than rep movs/stos, and on
 * hardware the difference is small at the sizes a kernel copies.
 */
	.text
	.balign 16
	.globl memmove, memcpy
memmove:
	movq %rdi, %rax
	movq %rdi, %rcx
	subq %rsi, %rcx
	cmpq %rdx, %rcx			/* unsigned: dst - src < n means dst lies inside src */
	jb copy_backwards
memcpy:
	movq %rdi, %rax
	subq $64, %rdx
	jb 2f
1:	movq (%rsi), %rcx
	movq 8(%rsi), %r8
	movq 16(%rsi), %r9
	movq 24(%rsi), %r10
	movq %rcx, (%rdi)
	movq %r8, 8(%rdi)
	movq %r9, 16(%rdi)
	movq %r10, 24(%rdi)
	movq 32(%rsi), %rcx
	movq 40(%rsi), %r8
	movq 48(%rsi), %r9
	movq 56(%rsi), %r10
	movq %rcx, 32(%rdi)
	movq %r8, 40(%rdi)
	movq %r9, 48(%rdi)
	movq %r10, 56(%rdi)
	addq $64, %rsi
	addq $64, %rdi
	subq $64, %rdx
	jae 1b
2:	addl $56, %edx			/* 64 more was taken than there was */
	js 4f
3:	movq (%rsi), %rcx
	movq %rcx, (%rdi)
	addq $8, %rsi
	addq $8, %rdi
	subl $8, %edx
	jns 3b
4:	addl $8, %edx
	jz 6f
5:	movb (%rsi), %cl
	movb %cl, (%rdi)
	incq %rsi
	incq %rdi
	decl %edx
	jnz 5b
6:	ret

copy_backwards:
	addq %rdx, %rsi
	addq %rdx, %rdi
	subq $8, %rdx
	jb 2f
1:	subq $8, %rsi
	subq $8, %rdi
	movq (%rsi), %rcx
	movq %rcx, (%rdi)
	subq $8, %rdx
	jae 1b
2:	addl $8, %edx
	jz 4f
3:	decq %rsi
	decq %rdi
	movb (%rsi), %cl
	movb %cl, (%rdi)
	decl %edx
	jnz 3b
4:	ret

	.balign 16
	.globl memset
memset:
	movq %rdi, %rax
	movzbl %sil, %esi
	movabsq $0x0101010101010101, %rcx
	imulq %rcx, %rsi
	subq $64, %rdx
	jb 2f
1:	movq %rsi, (%rdi)
	movq %rsi, 8(%rdi)
	movq %rsi, 16(%rdi)
	movq %rsi, 24(%rdi)
	movq %rsi, 32(%rdi)
	movq %rsi, 40(%rdi)
	movq %rsi, 48(%rdi)
	movq %rsi, 56(%rdi)
	addq $64, %rdi
	subq $64, %rdx
	jae 1b
2:	addl $56, %edx
	js 4f
3:	movq %rsi, (%rdi)
	addq $8, %rdi
	subl $8, %edx
	jns 3b
4:	addl $8, %edx
	jz 6f
5:	movb %sil, (%rdi)
	incq %rdi
	decl %edx
	jnz 5b
6:	ret
	.section .note.GNU-stack, "", @progbits
