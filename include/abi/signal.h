/*
 * signal.h (abi) - signal numbers, flags and structures, from the headers Linux exports.
 */
#ifndef ABI_SIGNAL_H
#define ABI_SIGNAL_H
#include <asm/signal.h>
#include <asm/siginfo.h>
#endif
