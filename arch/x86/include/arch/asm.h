/*
 * asm.h - numbers that assembly and C must agree on; checked by static_assert in arch/x86/64/thread.c.
 */
#ifndef ARCH_ASM_H
#define ARCH_ASM_H

/* struct task */
#define TASK_WORK	0
#define TASK_SP		8

/* struct trapframe */
#define FRAME_R15	0
#define FRAME_R14	8
#define FRAME_R13	16
#define FRAME_R12	24
#define FRAME_BP	32
#define FRAME_BX	40
#define FRAME_R11	48
#define FRAME_R10	56
#define FRAME_R9	64
#define FRAME_R8	72
#define FRAME_AX	80
#define FRAME_CX	88
#define FRAME_DX	96
#define FRAME_SI	104
#define FRAME_DI	112
#define FRAME_ORIG_AX	120
#define FRAME_IP	128
#define FRAME_CS	136
#define FRAME_FLAGS	144
#define FRAME_SP	152
#define FRAME_SS	160
#define FRAME_SIZE	168

/* Interrupt vectors. Device line n uses VECTOR_DEVICE + n. */
#define VECTOR_DEVICE		0x30
#define NR_DEVICE_VECTORS	64
#define VECTOR_TIMER		0xec
#define VECTOR_CALL		0xfb
#define VECTOR_STOP		0xfc
#define VECTOR_RESCHEDULE	0xfd
#define VECTOR_ERROR		0xfe
#define VECTOR_SPURIOUS		0xff

#endif
