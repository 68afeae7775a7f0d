/* wait.h (abi) - options of wait4 and waitid, struct rusage, from the headers Linux exports. */
#ifndef ABI_WAIT_H
#define ABI_WAIT_H
#include <linux/wait.h>
#include <linux/resource.h>
#include <linux/fcntl.h>
#endif
