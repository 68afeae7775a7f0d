/*
 * uaccess.S - copies to and from user memory. Arguments as C passes them; result: bytes that were not copied.
 *
 * Words first, then bytes. A fault among the words goes on byte by byte: so the count is exact, and a page that is half
 * there is used to its last byte. rep movsq costs an emulator half more time than an unrolled loop (1.5 against 1.0 us a
 * page), but a tenth of rep movsb, and three instructions.
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

#define BULK	64			/* from here on rep is worth its start */

/* rdi: to, rsi: from, rdx: bytes. Both directions may fault: one of the two pointers is the user's. */
	.balign 16
	.globl raw_copy_to_user, raw_copy_from_user
raw_copy_to_user:
raw_copy_from_user:
	stac
	cmpq $BULK, %rdx
	jae 8f
1:	subq $8, %rdx
	js 3f
2:	try 91f, movq (%rsi), %rcx
	try 91f, movq %rcx, (%rdi)
	addq $8, %rsi
	addq $8, %rdi
	subq $8, %rdx
	jns 2b
3:	addq $8, %rdx
	jz 5f
4:	try 92f, movb (%rsi), %cl
	try 92f, movb %cl, (%rdi)
	incq %rsi
	incq %rdi
	decq %rdx
	jnz 4b
5:	clac
	xorl %eax, %eax
	ret
8:	movq %rdx, %rcx
	shrq $3, %rcx
	andl $7, %edx
	try 90f, rep movsq
	testl %edx, %edx
	jnz 4b
	clac
	xorl %eax, %eax
	ret
90:	leaq (%rdx, %rcx, 8), %rdx	/* on byte by byte, to the exact place */
	jmp 4b
91:	addq $8, %rdx
	jmp 4b
92:	movq %rdx, %rax
	clac
	ret

/* rdi: to, rsi: bytes */
	.balign 16
	.globl raw_clear_user
raw_clear_user:
	stac
	xorl %eax, %eax
	movq %rsi, %rcx
	shrq $3, %rcx
	andl $7, %esi
	try 90f, rep stosq
1:	testq %rsi, %rsi
	jz 3f
2:	try 92f, movb %al, (%rdi)
	incq %rdi
	decq %rsi
	jnz 2b
3:	clac
	ret
90:	leaq (%rsi, %rcx, 8), %rsi
	jmp 2b
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

/*
 * rdi: to, rsi: from, rcx: words; no other register changes. rcx becomes the bytes not copied. What begins in the user's half and
 * is a page at most ends in it or in the hole behind.
 */
	.balign 16
	.globl copy_to_user_words, copy_from_user_words
copy_to_user_words:
	testq %rdi, %rdi
	js 8f
	stac
	try 90f, rep movsq
	clac
	ret
	.balign 16
copy_from_user_words:
	testq %rsi, %rsi
	js 8f
	stac
	try 90f, rep movsq
	clac
	ret
8:	shlq $3, %rcx
	ret
90:	shlq $3, %rcx			/* on byte by byte, to the exact place */
	pushq %rax
2:	try 3f, movb (%rsi), %al
	try 3f, movb %al, (%rdi)
	incq %rsi
	incq %rdi
	decq %rcx
	jnz 2b
3:	popq %rax
	clac
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
