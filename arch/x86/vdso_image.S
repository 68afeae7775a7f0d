/*
 * vdso_image.S - the vDSO inside the kernel: mapped page by page into processes, so it has pages of its own.
 */
	.section .rodata.page_aligned, "a"
	.balign 4096
	.globl vdso_start, vdso_end
vdso_start:
	.incbin VDSO_FILE
vdso_end:
	.balign 4096
	.section .note.GNU-stack, "", @progbits
