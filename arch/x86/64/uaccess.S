/*
 * uaccess.S - copies to and from user memory. Arguments as C passes them; result: bytes that were not copied.
 *
 * Words first, 64 bytes a turn (see string.S for why not rep), then bytes. A fault in the fast loop goes back to copying
 * bytes from where the turn began: so the count is exact, and a page that is half there is used to its last byte.
 */
#include <abi/errno.h>

	.text

.macro stac
661:	.byte 0x0f, 0x01, 0xcb
	.pushsection .smap_sites, "aw"
	.long 661b - .
	.popsection
.endm
.macro clac
661:	.byte 0x0f, 0x01, 0xca
	.pushsection .smap_sites, "aw"
	.long 661b - .
	.popsection
.endm
.macro extable from, to
	.pushsection __ex_table, "a"
	.balign 4
	.long (\from) - ., (\to) - .
	.popsection
.endm
/* One instruction that may fault. */
.macro try fixup, insn:vararg
771:	\insn
	extable 771b, \fixup
.endm

/* rdi: to, rsi: from, rdx: bytes. Both directions may fault: one of the two pointers is the user's. */
	.balign 16
	.globl raw_copy_to_user, raw_copy_from_user
raw_copy_to_user:
raw_copy_from_user:
	stac
	subq $64, %rdx
	jb 2f
1:
	.irp off, 0, 32
	try 90f, movq \off(%rsi), %rcx
	try 90f, movq \off + 8(%rsi), %r8
	try 90f, movq \off + 16(%rsi), %r9
	try 90f, movq \off + 24(%rsi), %r10
	try 90f, movq %rcx, \off(%rdi)
	try 90f, movq %r8, \off + 8(%rdi)
	try 90f, movq %r9, \off + 16(%rdi)
	try 90f, movq %r10, \off + 24(%rdi)
	.endr
	addq $64, %rsi
	addq $64, %rdi
	subq $64, %rdx
	jae 1b
2:	addq $56, %rdx			/* 64 too many were taken */
	js 4f
3:	try 91f, movq (%rsi), %rcx
	try 91f, movq %rcx, (%rdi)
	addq $8, %rsi
	addq $8, %rdi
	subq $8, %rdx
	jns 3b
4:	addq $8, %rdx
	jz 6f
5:	try 92f, movb (%rsi), %cl
	try 92f, movb %cl, (%rdi)
	incq %rsi
	incq %rdi
	decq %rdx
	jnz 5b
6:	clac
	xorl %eax, %eax
	ret
90:	addq $64, %rdx			/* back to byte by byte, to the exact place */
	jmp 5b
91:	addq $8, %rdx
	jmp 5b
92:	movq %rdx, %rax
	clac
	ret

/* rdi: to, rsi: bytes */
	.balign 16
	.globl raw_clear_user
raw_clear_user:
	stac
	xorl %eax, %eax
	subq $64, %rsi
	jb 2f
1:
	.irp off, 0, 8, 16, 24, 32, 40, 48, 56
	try 90f, movq %rax, \off(%rdi)
	.endr
	addq $64, %rdi
	subq $64, %rsi
	jae 1b
2:	addq $56, %rsi
	js 4f
3:	try 91f, movq %rax, (%rdi)
	addq $8, %rdi
	subq $8, %rsi
	jns 3b
4:	addq $8, %rsi
	jz 6f
5:	try 92f, movb %al, (%rdi)
	incq %rdi
	decq %rsi
	jnz 5b
6:	clac
	ret
90:	addq $64, %rsi
	jmp 5b
91:	addq $8, %rsi
	jmp 5b
92:	movq %rsi, %rax
	clac
	ret

/* rdi: string, rsi: most bytes. Length including NUL; rsi + 1 without one; 0 on a fault. */
	.balign 16
	.globl raw_strnlen_user
raw_strnlen_user:
	stac
	xorl %eax, %eax
1:	cmpq %rsi, %rax
	jae 2f
	try 3f, cmpb $0, (%rdi, %rax)
	leaq 1(%rax), %rax
	jne 1b
	clac
	ret
2:	clac
	leaq 1(%rsi), %rax
	ret
3:	clac
	xorl %eax, %eax
	ret

/* rdi: to, rsi: from, rdx: most bytes. Length without NUL; rdx without one; -EFAULT. Words while they hold no NUL. */
	.balign 16
	.globl raw_strncpy_from_user
raw_strncpy_from_user:
	stac
	xorl %eax, %eax
	movabsq $0x0101010101010101, %r8
	movabsq $0x8080808080808080, %r9
1:	leaq 8(%rax), %rcx
	cmpq %rdx, %rcx
	ja 2f
	try 2f, movq (%rsi, %rax), %r10	/* may run past the string's end into a bad page: bytes then */
	movq %r10, %r11
	movq %r10, %rcx
	subq %r8, %r11
	notq %rcx
	andq %rcx, %r11
	testq %r9, %r11
	jnz 2f
	movq %r10, (%rdi, %rax)
	addq $8, %rax
	jmp 1b
2:	cmpq %rdx, %rax
	jae 3f
	try 4f, movb (%rsi, %rax), %cl
	movb %cl, (%rdi, %rax)
	testb %cl, %cl
	jz 3f
	incq %rax
	jmp 2b
3:	clac
	ret
4:	clac
	movq $-EFAULT, %rax
	ret

/* rdi: user address, esi: expected, edx: new, rcx: where to store what was found. 0 or -EFAULT. */
	.balign 16
	.globl raw_cmpxchg_user32
raw_cmpxchg_user32:
	movl %esi, %eax
	stac
	try 1f, lock cmpxchgl %edx, (%rdi)
	clac
	movl %eax, (%rcx)
	xorl %eax, %eax
	ret
1:	clac
	movl $-EFAULT, %eax
	ret
	.section .note.GNU-stack, "", @progbits
