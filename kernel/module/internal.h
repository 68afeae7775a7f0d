/*
 * internal.h - shared by the files of kernel/module/.
 */
#ifndef KERNEL_MODULE_INTERNAL_H
#define KERNEL_MODULE_INTERNAL_H

#include <kernel/module.h>
#include <kernel/version.h>

#define MODULE_PARAM_MAX	65536	/* elements, or bytes of a text */

int module_build(struct module *m, const void *image, size_t len, unsigned flags) must_check;
void module_report_end(struct module *m);	/* at unload: what it left behind, into the log; its books are closed */

/* All relocations are done: do the tables point into the module? 0 or -ENOEXEC. */
int module_check(const struct module *m, const s32 *smap_sites, unsigned n) must_check;
bool module_sites_ok(const struct module *m);	/* afterwards they are sane, whatever was said */

#endif
