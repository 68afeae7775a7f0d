/*
 * head.S - from the loader's 32-bit protected mode to C in the high half.
 *
 * Two doors: pvh_entry (QEMU -kernel and friends: EBX = start_info) and multiboot2_entry (GRUB: EBX = tag
 * list). Both arrive with paging off and flat segments. We learn one thing from the command line here,
 * `no5lvl`, because the paging depth cannot be changed once in long mode.
 *
 * Early tables map the first 4 GiB with 2 MiB pages three times: identity, direct map, and (its first
 * GiB) the kernel image. arch_mm_init() replaces them; they live in .init.bss.
 */
#include <arch/layout.h>

#define PHYS(sym)	(sym - KERNEL_BASE)

#define CR0_PE		0x1
#define CR0_MP		0x2
#define CR0_NE		0x20
#define CR0_WP		0x10000
#define CR0_PG		0x80000000
#define CR4_PAE		0x20
#define CR4_LA57	0x1000
#define MSR_EFER	0xc0000080
#define EFER_SCE	0x1
#define EFER_LME	0x100
#define EFER_NXE	0x800

	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 4, 18			/* name size, value size, XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.long PHYS(pvh_entry)

	.section .head.multiboot, "ax"
	.balign 8
mb2_header:
	.long 0xe85250d6, 0, mb2_header_end - mb2_header
	.long -(0xe85250d6 + 0 + (mb2_header_end - mb2_header))
	.balign 8
	.short 3, 0			/* entry address */
	.long 12, PHYS(multiboot2_entry)
	.balign 8
	.short 6, 0			/* modules page-aligned */
	.long 8
	.balign 8
	.short 0, 0
	.long 8
mb2_header_end:

	.section .head.text, "ax"
	.code32
	.globl pvh_entry, multiboot2_entry
pvh_entry:
	cli
	cld
	movl $PHYS(early_stack_end), %esp
	movl $BOOT_BY_PVH, %ebp
	movl 24(%ebx), %esi		/* start_info.cmdline_paddr */
	jmp have_cmdline

multiboot2_entry:
	cli
	cld
	movl $PHYS(early_stack_end), %esp
	movl $BOOT_BY_MULTIBOOT2, %ebp
	leal 8(%ebx), %edi
next_tag:
	xorl %esi, %esi
	movl (%edi), %eax
	testl %eax, %eax
	jz have_cmdline
	leal 8(%edi), %esi
	cmpl $1, %eax			/* command line */
	je have_cmdline
	addl 4(%edi), %edi
	addl $7, %edi
	andl $~7, %edi
	jmp next_tag

have_cmdline:				/* ESI = command line or 0; EDI becomes "5 levels wanted" */
	movl $1, %edi
	testl %esi, %esi
	jz cmdline_done
1:	cmpb $0, (%esi)
	je cmdline_done
	cmpl $0x6c356f6e, (%esi)	/* "no5l" */
	jne 2f
	cmpw $0x6c76, 4(%esi)		/* "vl" */
	jne 2f
	xorl %edi, %edi
	jmp cmdline_done
2:	incl %esi
	jmp 1b
cmdline_done:

	/* 2048 entries of 2 MiB: present, write, large. Accessed and dirty are preset to spare the CPU the work. */
	pushl %ebx
	movl $PHYS(early_pd), %eax
	movl $0xe3, %ecx
1:	movl %ecx, (%eax)
	addl $8, %eax
	addl $0x200000, %ecx
	jnc 1b
	movl $PHYS(early_pdpt), %eax
	movl $PHYS(early_pd) + 0x63, %ecx
	movl $4, %edx
1:	movl %ecx, (%eax)
	addl $0x1000, %ecx
	addl $8, %eax
	decl %edx
	jnz 1b
	movl $PHYS(early_pd) + 0x63, PHYS(early_pdpt_high) + 510 * 8
	movl $PHYS(early_pdpt) + 0x63, PHYS(early_p4)
	movl $PHYS(early_pdpt) + 0x63, PHYS(early_p4) + 273 * 8
	movl $PHYS(early_pdpt_high) + 0x63, PHYS(early_p4) + 511 * 8

	movl $CR4_PAE, %esi
	movl $PHYS(early_p4), %eax
	testl %edi, %edi
	jz have_root
	xorl %eax, %eax
	cpuid
	cmpl $7, %eax
	movl $PHYS(early_p4), %eax
	jb have_root
	movl $7, %eax
	xorl %ecx, %ecx
	cpuid
	movl $PHYS(early_p4), %eax
	btl $16, %ecx
	jnc have_root
	orl $CR4_LA57, %esi
	leal 0x63(%eax), %ecx
	movl $PHYS(early_p5), %eax
	movl %ecx, (%eax)
	movl %ecx, 273 * 8(%eax)
	movl %ecx, 511 * 8(%eax)
have_root:
	popl %ebx
	movl %esi, %cr4
	movl %eax, %cr3
	pushl %ebx
	movl $0x80000001, %eax
	cpuid
	movl $EFER_LME | EFER_SCE, %esi
	btl $20, %edx
	jnc 1f
	orl $EFER_NXE, %esi
1:	popl %ebx
	movl $MSR_EFER, %ecx
	movl %esi, %eax
	xorl %edx, %edx
	wrmsr
	movl $CR0_PE | CR0_MP | CR0_NE | CR0_WP | CR0_PG, %eax
	movl %eax, %cr0
	lgdt PHYS(early_gdt_pointer)
	ljmp $SEL_KERNEL_CS, $PHYS(early_long_mode)

	.code64
early_long_mode:
	movq $early_high, %rax
	jmp *%rax
early_high:
	movl $SEL_KERNEL_DS, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	xorl %eax, %eax
	movl %eax, %fs
	movl %eax, %gs
	movq $early_stack_end, %rsp
	movl %ebp, %edi			/* how we came */
	movl %ebx, %esi			/* physical address of what the loader says */
	xorl %ebp, %ebp
	pushq %rbp			/* ends backtraces */
	call x86_start
1:	hlt
	jmp 1b

	.section .init.data, "aw"
	.balign 8
early_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff	/* 08: 32-bit code */
	.quad 0x00af9b000000ffff	/* 10: 64-bit code */
	.quad 0x00cf93000000ffff	/* 18: data */
early_gdt_pointer:
	.short . - early_gdt - 1
	.quad PHYS(early_gdt)

	.section .init.bss, "aw", @nobits
	.balign 4096
early_p5:		.skip 4096
early_p4:		.skip 4096
early_pdpt:		.skip 4096
early_pdpt_high:	.skip 4096
early_pd:		.skip 4 * 4096
	.section .bss.page_aligned, "aw", @nobits
	.balign 4096
	.globl boot_stack, early_stack_end
boot_stack:		.skip 16384
early_stack_end:
	.section .note.GNU-stack, "", @progbits
