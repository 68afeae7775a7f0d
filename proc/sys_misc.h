/* sys_misc.h - parts of prctl that live in other files of proc/. */
#ifndef PROC_SYS_MISC_H
#define PROC_SYS_MISC_H

long prctl_cred(int option, unsigned long a, unsigned long b, unsigned long c);	/* -ENOSYS: not one of its options */

#endif
