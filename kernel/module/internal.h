/*
 * internal.h - shared by the files of kernel/module/.
 */
#ifndef KERNEL_MODULE_INTERNAL_H
#define KERNEL_MODULE_INTERNAL_H

#include <kernel/module.h>
#include <kernel/version.h>

int module_build(struct module *m, const void *image, size_t len, unsigned flags) must_check;
void module_report_leaks(const struct module *m);

#endif
