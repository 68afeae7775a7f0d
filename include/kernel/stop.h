/*
 * stop.h - running something while nothing else in the machine does.
 */
#ifndef KERNEL_STOP_H
#define KERNEL_STOP_H

#include <lib/types.h>

/*
 * Run fn(arg) on this CPU while every other CPU spins in a thread of its own, between two pieces of kernel work: no other
 * code is half-way through anything except where it sleeps. Interrupts stay on; fn must not sleep. 0 or -ENOMEM.
 * May sleep before and after. Calls queue up.
 */
int stop_machine(void (*fn)(void *arg), void *arg) must_check;

#endif
