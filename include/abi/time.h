/* time.h (abi) - clocks, timers, timespec and friends, from the headers Linux exports. */
#ifndef ABI_TIME_H
#define ABI_TIME_H
#include <linux/time.h>
#include <linux/time_types.h>
#include <linux/times.h>
#endif
