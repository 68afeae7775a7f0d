/*
 * kmemleak.h - which kernel objects does nothing in the machine point to any more?
 * Border: open to kernel.
 */
#ifndef MM_KMEMLEAK_H
#define MM_KMEMLEAK_H

#include <lib/types.h>

struct text;

/* Look now. New findings so far unknown, or -ENOMEM, or -EPERM when it is off. May sleep. */
int kmemleak_scan(void) must_check;
/* The findings that are still allocated, as Linux prints them. 0 or -ENOMEM. */
int kmemleak_report(struct text *out);
void kmemleak_clear(void);		/* do not report again what is known now */
void kmemleak_off(void);		/* for good: forget everything, no more scans */
void kmemleak_scan_stacks(bool on);	/* kernel stacks count as references: the default */
/* What is known about the object at (or around) addr goes to the kernel's log. 0 or -EINVAL. */
int kmemleak_dump(vaddr_t addr);

/* Boot: `kmemleak=on`. Objects note when they were made; debug kernels always do. */
extern bool slab_keep_age;

#endif
