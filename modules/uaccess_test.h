/*
 * uaccess_test.h - what /dev/uaccess_test understands: one user-access function, called on an address of the caller's choice.
 */
#ifndef MODULES_UACCESS_TEST_H
#define MODULES_UACCESS_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum uaccess_op {
	UA_ACCESS_OK, UA_COPY_TO, UA_COPY_FROM, UA_CLEAR, UA_STRNLEN, UA_STRNCPY, UA_GET, UA_PUT, NR_UA_OPS,
	/* the kernel's side too small: an object of 64 bytes, a frame with an array of 64, a block of two pages */
	UA_SLAB_OVERRUN, UA_STACK_OVERRUN, UA_PAGES_OVERRUN,
};

#define UA_ROOM		(3 * 4096)
#define UA_CANARY	0xa5

struct uaccess_call {
	__u32	op;
	__u32	nofault;
	__u64	address;
	__u64	n;		/* bytes; for get and put 1, 2, 4, 8 */
	__u64	value;		/* in: for put. out: of get */
	__s64	result;
	__u64	filled;		/* of the module's buffer: bytes that are no longer the canary, counted to the last one */
};

#define UA_CALL		_IOWR('q', 16, struct uaccess_call)
/* read() and write() reach the module's buffer; it begins as UA_CANARY throughout before each UA_COPY_FROM and UA_STRNCPY. */

#endif
