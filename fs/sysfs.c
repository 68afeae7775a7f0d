/*
 * sysfs.c - /sys: the tree machinery of procfs with another root, and the entries that programs look for.
 */
#include <abi/errno.h>
#include <fs/procfs.h>
#include <kernel/cpu.h>
#include <kernel/main.h>
#include <kernel/panic.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>

#include "procfs/procfs_private.h"

#define SYSFS_MAGIC	0x62656572
#define DEBUGFS_MAGIC	0x64626720

static struct pnode *sys_tree;

static struct pnode *tree(void)
{
	if (!sys_tree)
		sys_tree = pnode_root();
	return sys_tree;
}

void sysfs_register(const struct proc_file *f)
{
	pnode_add(tree(), f->path, S_IFREG | f->mode)->file = f;
}

int sysfs_try_register(const struct proc_file *f)
{
	return pnode_try_file(tree(), f);
}

int sysfs_try_mkdir(const char *path)
{
	return pnode_try_dir(tree(), path);
}

int sysfs_try_symlink(const char *path, const char *target)
{
	return pnode_try_link(tree(), path, target);
}

void sysfs_unregister(const char *path)
{
	pnode_remove(tree(), path);
}

void sysfs_mkdir(const char *path)
{
	pnode_dir(tree(), path, strlen(path))->changing = true;
}

void sysfs_hide(const char *path, bool hide)
{
	pnode_dir(tree(), path, strlen(path))->hidden = hide;
}

/* ---- CPUs and the one memory node ---- */

static void range(struct text *out, unsigned n)
{
	if (n > 1)
		text_printf(out, "0-%u\n", n - 1);
	else
		text_puts(out, "0\n");
}

static int cpus_show(struct text *out, void *arg)
{
	range(out, nr_cpus);
	return 0;
}

static int kernel_max_show(struct text *out, void *arg)
{
	text_printf(out, "%d\n", MAX_CPUS - 1);
	return 0;
}

static int fixed_show(struct text *out, void *arg)
{
	text_puts(out, arg);
	return 0;
}

static int number_show(struct text *out, void *arg)
{
	text_printf(out, "%lu\n", (unsigned long)arg);
	return 0;
}

static int cpumap_show(struct text *out, void *arg)
{
	text_printf(out, "%lx\n", nr_cpus >= 64 ? ~0ul : BIT(nr_cpus) - 1);
	return 0;
}

static int one_bit_show(struct text *out, void *arg)
{
	text_printf(out, "%lx\n", BIT((unsigned long)arg));
	return 0;
}

int meminfo_node_show(struct text *out, void *arg);	/* procfs/machine.c */

static const struct proc_file fixed_files[] = {
	{ .path = "devices/system/cpu/online", .mode = 0444, .show = cpus_show },
	{ .path = "devices/system/cpu/possible", .mode = 0444, .show = cpus_show },
	{ .path = "devices/system/cpu/present", .mode = 0444, .show = cpus_show },
	{ .path = "devices/system/cpu/offline", .mode = 0444, .show = fixed_show, .arg = "\n" },
	{ .path = "devices/system/cpu/isolated", .mode = 0444, .show = fixed_show, .arg = "\n" },
	{ .path = "devices/system/cpu/kernel_max", .mode = 0444, .show = kernel_max_show },
	{ .path = "devices/system/node/online", .mode = 0444, .show = fixed_show, .arg = "0\n" },
	{ .path = "devices/system/node/possible", .mode = 0444, .show = fixed_show, .arg = "0\n" },
	{ .path = "devices/system/node/has_cpu", .mode = 0444, .show = fixed_show, .arg = "0\n" },
	{ .path = "devices/system/node/has_memory", .mode = 0444, .show = fixed_show, .arg = "0\n" },
	{ .path = "devices/system/node/has_normal_memory", .mode = 0444, .show = fixed_show, .arg = "0\n" },
	{ .path = "devices/system/node/node0/cpulist", .mode = 0444, .show = cpus_show },
	{ .path = "devices/system/node/node0/cpumap", .mode = 0444, .show = cpumap_show },
	{ .path = "devices/system/node/node0/distance", .mode = 0444, .show = fixed_show, .arg = "10\n" },
	{ .path = "devices/system/node/node0/meminfo", .mode = 0444, .show = meminfo_node_show },
	{ .path = "kernel/mm/transparent_hugepage/enabled", .mode = 0444, .show = fixed_show, .arg = "always madvise [never]\n" },
	{ .path = "kernel/mm/transparent_hugepage/defrag", .mode = 0444, .show = fixed_show,
	  .arg = "always defer defer+madvise madvise [never]\n" },
	{ .path = "kernel/mm/transparent_hugepage/shmem_enabled", .mode = 0444, .show = fixed_show,
	  .arg = "always within_size advise [never] deny force\n" },
	{ .path = "kernel/mm/transparent_hugepage/hpage_pmd_size", .mode = 0444, .show = number_show, .arg = (void *)0x200000ul },
};

/* Files of one CPU: each is alone in its core, all in one package. */
static void register_cpu(unsigned cpu)
{
	enum { NUMBER, ONE_BIT, ALL_BITS, ALL_LIST, ZERO, ONE };
	static const struct { const char *leaf; u8 what; } leaves[] = {
		{ "topology/core_id", NUMBER }, { "topology/physical_package_id", ZERO }, { "topology/die_id", ZERO },
		{ "topology/thread_siblings", ONE_BIT }, { "topology/thread_siblings_list", NUMBER },
		{ "topology/core_cpus", ONE_BIT }, { "topology/core_cpus_list", NUMBER },
		{ "topology/core_siblings", ALL_BITS }, { "topology/core_siblings_list", ALL_LIST },
		{ "topology/package_cpus", ALL_BITS }, { "topology/package_cpus_list", ALL_LIST }, { "online", ONE } };

	for (unsigned k = 0; k < ARRAY_SIZE(leaves); k++) {
		struct proc_file *f = kzalloc(sizeof(*f) + 80, GFP_KERNEL | GFP_NOACCOUNT);
		char *path = (char *)(f + 1);

		if (!f)
			panic("no memory for /sys");
		ksnprintf(path, 80, "devices/system/cpu/cpu%u/%s", cpu, leaves[k].leaf);
		*f = (struct proc_file){ .path = path, .mode = 0444, .show = number_show, .arg = (void *)(unsigned long)cpu };
		switch (leaves[k].what) {
		case ONE_BIT:
			f->show = one_bit_show;
			break;
		case ALL_BITS:
			f->show = cpumap_show;
			break;
		case ALL_LIST:
			f->show = cpus_show;
			break;
		case ZERO: case ONE:
			f->arg = (void *)(unsigned long)(leaves[k].what == ONE);
			break;
		}
		sysfs_register(f);
	}
}

/* ---- the super block ---- */

static int sysfs_statfs(struct super_block *sb, struct statfs_k *st)
{
	st->type = sb->magic;
	st->bsize = st->frsize = PAGE_SIZE;
	st->namelen = 255;
	return 0;
}

static const struct super_ops sysfs_super_ops = { .statfs = sysfs_statfs };

static int sysfs_mount(struct file_system_type *t, u32 flags, const char *source, const char *data, struct super_block **out)
{
	return pnode_mount(t, &sysfs_super_ops, SYSFS_MAGIC, tree(), flags, out);
}

static struct file_system_type sysfs_type = { .name = "sysfs", .mount = sysfs_mount };

/* debugfs is /sys/kernel/debug: its files are there whether it is mounted or not. */
static int debugfs_mount(struct file_system_type *t, u32 flags, const char *source, const char *data, struct super_block **out)
{
	return pnode_mount(t, &sysfs_super_ops, DEBUGFS_MAGIC, pnode_dir(tree(), "kernel/debug", strlen("kernel/debug")), flags, out);
}

static struct file_system_type debugfs_type = { .name = "debugfs", .mount = debugfs_mount };

static int sysfs_init(void)
{
	static const char *const dirs[] = { "fs/cgroup", "class/virtio-ports", "class/net", "class/tty", "block", "bus", "dev/block",
		"dev/char", "devices/virtual", "firmware", "kernel/mm/hugepages", "kernel/tracing", "kernel/debug", "module", "power" };

	for (unsigned i = 0; i < ARRAY_SIZE(dirs); i++)
		sysfs_mkdir(dirs[i]);
	for (unsigned i = 0; i < ARRAY_SIZE(fixed_files); i++)
		sysfs_register(&fixed_files[i]);
	for_each_cpu(cpu)
		register_cpu(cpu);
	fs_register(&sysfs_type);
	fs_register(&debugfs_type);
	return 0;
}
initcall(sysfs_init, 2);
