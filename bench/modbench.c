/*
 * modbench.c - /init of bench/modules, on Quire and on stock Linux alike: loads and unloads a module between the marks that
 * bench/count-plugin.c sees, and has bench/uaccess_bench.c run its rows. Prints "ROW id ops name", as mmbench.c does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#include "uaccess_bench.h"

#define MARK(kind, id) ({ __asm__ volatile(".byte 0x0f, 0x1f, 0x80, %c0, %c1, 0x45, 0x51" : : "i"(id), "i"(kind) : "memory"); })

static void say(const char *fmt, ...)
{
	char buf[512];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (write(1, buf, n) < 0)
		return;
}

static void end(void)
{
	say("BENCH END\n");
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void die(const char *what)
{
	say("BENCH FAILED %s errno %d\n", what, errno);
	end();
}

static void *whole_file(const char *name, size_t *len)
{
	int fd = open(name, O_RDONLY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		die(name);
	*len = st.st_size;
	char *p = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE, fd, 0);

	if (p == MAP_FAILED)
		die(name);
	close(fd);
	return p;
}

static void load_and_unload(void)
{
	size_t len;
	void *image = whole_file("/load_bench.ko", &len);
	int rounds = 20;

	for (int i = 0; i < 2 * rounds; i++) {
		if (i == rounds)
			MARK(1, 50);
		if (syscall(SYS_init_module, image, len, ""))
			die("init_module");
		if (syscall(SYS_delete_module, "load_bench", O_NONBLOCK))
			die("delete_module");
	}
	MARK(2, 50);
	say("ROW 50 %d init_module + delete_module\n", rounds);
	for (int i = 0; i < rounds; i++) {
		MARK(1, 51);
		if (syscall(SYS_init_module, image, len, ""))
			die("init_module");
		MARK(2, 51);
		if (syscall(SYS_delete_module, "load_bench", O_NONBLOCK))
			die("delete_module");
	}
	say("ROW 51 %d init_module alone\n", rounds);
}

/* Where /dev is not made by itself, /proc/misc knows the number. */
static int open_device(void)
{
	int fd = open("/dev/uaccess_bench", O_RDWR), minor = -1;
	char name[64];

	if (fd >= 0)
		return fd;
	FILE *f = fopen("/proc/misc", "r");

	while (f && fscanf(f, "%d %63s", &minor, name) == 2 && strcmp(name, "uaccess_bench") != 0)
		;
	if (mknod("/uaccess_bench", S_IFCHR | 0600, makedev(10, minor)))
		die("mknod");
	return open("/uaccess_bench", O_RDWR);
}

static const struct {
	int id, n;
	const char *name;
} rows[] = {
	{60, 0, "the loop"},
	{61, 0, "get_user, 1 B"}, {62, 0, "get_user, 4 B"}, {63, 0, "get_user, 8 B"},
	{64, 0, "put_user, 1 B"}, {65, 0, "put_user, 4 B"}, {66, 0, "put_user, 8 B"},
	{70, 0, "copy_from_user, 8 B"}, {71, 0, "copy_from_user, 64 B"}, {72, 0, "copy_from_user, 4 KiB"},
	{73, 0, "copy_to_user, 8 B"}, {74, 0, "copy_to_user, 64 B"}, {75, 0, "copy_to_user, 4 KiB"},
	{76, 8, "copy_from_user, 8 B, length unknown"}, {77, 64, "copy_from_user, 64 B, length unknown"},
	{78, 4096, "copy_from_user, 4 KiB, length unknown"}, {79, 8, "copy_to_user, 8 B, length unknown"},
	{80, 64, "copy_to_user, 64 B, length unknown"}, {81, 4096, "copy_to_user, 4 KiB, length unknown"},
	{90, 0, "kmalloc + kfree, 100 B"}, {91, 0, "kmalloc + kfree, 2,000 B"}, {92, 300, "kmalloc + kfree, 300 B, length unknown"},
};

int main(void)
{
	static char user[8192] __attribute__((aligned(4096)));
	size_t len;
	char smap[8192] = "";

	mkdir("/proc", 0755);
	mkdir("/dev", 0755);
	mount("proc", "/proc", "proc", 0, NULL);
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	int fd = open("/proc/cpuinfo", O_RDONLY);

	if (read(fd, smap, sizeof(smap) - 1) < 0)
		die("/proc/cpuinfo");
	say("SMAP %s\n", strstr(smap, " smap") ? "on" : "off");
	load_and_unload();
	void *image = whole_file("/uaccess_bench.ko", &len);

	if (syscall(SYS_init_module, image, len, ""))
		die("init_module of uaccess_bench");
	memset(user, 1, sizeof(user));
	fd = open_device();
	if (fd < 0)
		die("open of the device");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct uaccess_row r = {(unsigned long)user, rows[i].n};

		if (ioctl(fd, rows[i].id, &r))
			die(rows[i].name);
		say("ROW %d %d %s\n", rows[i].id, UACCESS_OPS, rows[i].name);
	}
	end();
}
