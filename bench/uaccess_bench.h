/* uaccess_bench.h - between bench/uaccess_bench.c, the module, and bench/modbench.c, who calls it: ioctl(fd, ROW, &struct uaccess_row). */
#ifndef UACCESS_BENCH_H
#define UACCESS_BENCH_H

#define UACCESS_OPS 1000

struct uaccess_row {
	unsigned long user, n;		/* user memory of 4 KiB; the length of the rows that do not know it */
};

#endif
