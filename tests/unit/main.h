/* main.h - between the runner's two sides: the C library's and the kernel's. */
#ifndef TESTS_UNIT_MAIN_H
#define TESTS_UNIT_MAIN_H

int unit_count(void);
const char *unit_name(int i, char *buf, unsigned long size);
void unit_setup(int verbose, unsigned long long seed);
int unit_run(int i);			/* number of failures */

#endif
