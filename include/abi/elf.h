/*
 * elf.h (abi) - ELF structures and the auxiliary vector, from the headers Linux exports.
 */
#ifndef ABI_ELF_H
#define ABI_ELF_H
#include <linux/elf.h>
#include <linux/elf-em.h>
#include <linux/auxvec.h>
#include <asm/auxvec.h>
#endif
