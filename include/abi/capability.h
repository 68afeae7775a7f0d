/*
 * capability.h (abi) - CAP_*, capget and capset, prctl and personality numbers, from the headers Linux exports.
 */
#ifndef ABI_CAPABILITY_H
#define ABI_CAPABILITY_H
#include <linux/capability.h>
#include <linux/prctl.h>
#include <linux/securebits.h>
#endif
