/* errno.h - Linux's error numbers. */
#ifndef ABI_ERRNO_H
#define ABI_ERRNO_H
#include <asm/errno.h>
#endif
