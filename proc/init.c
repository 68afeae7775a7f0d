/*
 * init.c - how process 1 starts: unpack the initramfs, open the console, run the first program that exists.
 *
 * LINUX       with an initramfs: rdinit= or /init; then init=, /sbin/init, /etc/init, /bin/init, /bin/sh.
 */
#include <arch/thread.h>
#include <arch/trap.h>
#include <fs/fs.h>
#include <kernel/boot_info.h>
#include <kernel/main.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <lib/string.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>

#include "exec.h"


static const char *const init_env[] = { "HOME=/", "TERM=linux", NULL };

/* Process 1 begins as a kernel thread; a user process has its own descriptors and directories. */
static void become_user_process(void)
{
	int err = 0;

	if (!current->files)
		current->files = files_create();
	if (!current->files)
		err = -ENOMEM;
	if (!err && !current->fs)
		err = fs_context_dup(&kernel_fs_context, &current->fs);
	if (err)
		panic("no memory for process 1");
	current->frame = ARCH_FRAME(current->kstack);
}

/* fds 0, 1, 2. Without a console init runs all the same, as on Linux. */
static void open_console(void)
{
	struct file *f;
	int err = vfs_open("/dev/console", O_RDWR, 0, &f);

	if (err) {
		pr_warn("Unable to open an initial console (%d)\n", err);
		return;
	}
	for (int i = 0; i < 3; i++) {
		int fd = fd_reserve(0, false);

		if (fd < 0)
			break;
		fd_install(fd, file_get(f));
	}
	file_put(f);
}

/* 0: the task's frame holds the new program. */
static int try_init(const char *path)
{
	const char *argv[] = { path, NULL };
	int err = kernel_execve(path, argv, init_env);

	if (!err)
		pr_info("Run %s as init process\n", path);
	else if (err != -ENOENT)
		pr_err("%s exists but could not be run (error %d)\n", path, err);
	return err;
}

static void unpack_initramfs(void)
{
	int err;

	if (boot_info.initrd_end <= boot_info.initrd_start)
		return;
	err = initramfs_unpack(phys_to_virt(boot_info.initrd_start), boot_info.initrd_end - boot_info.initrd_start);
	if (err)
		pr_err("Initramfs unpacking failed: error %d\n", err);
	page_alloc_free_reserved(boot_info.initrd_start, boot_info.initrd_end);
}

/* Becomes process 1. Returns only into user mode. */
int start_init(void *unused_arg)
{
	static const char *const fallback[] = { "/sbin/init", "/etc/init", "/bin/init", "/bin/sh" };
	char name[128];

	become_user_process();
	unpack_initramfs();
	open_console();
	if (!cmdline_get("rdinit", name, sizeof(name)))
		strscpy(name, "/init", sizeof(name));
	if (try_init(name) == 0)
		arch_enter_user();
	if (cmdline_get("init", name, sizeof(name))) {
		if (try_init(name) == 0)
			arch_enter_user();
		panic("Requested init %s failed", name);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(fallback); i++)
		if (try_init(fallback[i]) == 0)
			arch_enter_user();
	panic("No working init found. Pass init= on the command line, or an initramfs with /init");
}
