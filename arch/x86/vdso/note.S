/* The version of the ABI, as the C library's loader reads it: Linux 6.1. */
	.section .note.Linux, "a", @note
	.balign 4
	.long 6, 4, 0
	.asciz "Linux"
	.balign 4
	.long 0x00060100
	.section .note.GNU-stack, "", @progbits
