/*
 * internal.h - shared by the files of kernel/module/.
 */
#ifndef KERNEL_MODULE_INTERNAL_H
#define KERNEL_MODULE_INTERNAL_H

#include <kernel/module.h>
#include <kernel/version.h>

int module_build(struct module *m, const void *image, size_t len, unsigned flags) must_check;
void module_report_end(struct module *m);	/* at unload: what it left behind, into the log; its books are closed */

#endif
