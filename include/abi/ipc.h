/*
 * ipc.h (abi) - System V IPC, from the headers Linux exports.
 */
#ifndef ABI_IPC_H
#define ABI_IPC_H
#include <linux/types.h>
#include <asm/msgbuf.h>
#include <asm/sembuf.h>
#include <asm/shmbuf.h>
#include <linux/ipc.h>
#include <linux/msg.h>
#include <linux/sem.h>
#include <linux/shm.h>

typedef __kernel_key_t key_t;

/* Of the mode field, and the attach granularity: in the C library's headers only. */
#define SHM_DEST	01000
#define SHM_LOCKED	02000
#define SHMLBA		4096
#endif
