/* sched.h (abi) - clone flags and scheduling policies, from the headers Linux exports. */
#ifndef ABI_SCHED_H
#define ABI_SCHED_H
#include <linux/sched.h>
#define SCHED_OTHER	SCHED_NORMAL
#endif
