/*
 * held.c - how much memory a program can have: /init of two pages, no library, touches until the kernel says no.
 * WHY         what is left is what the kernel holds; the program itself must not count, so it is this small.
 * METHOD      a child maps and touches 256 KiB at a time, counting in a shared page, until mmap fails or it is
 *             killed. Its parent prints the count.
 */
#include <asm/unistd.h>
#include <stddef.h>

static long call(long n, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "a"(n), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return r;
}

static long map(long len, long flags)
{
	return call(__NR_mmap, 0, len, 3, flags, -1, 0);
}

static void touch_all(volatile long *pages)
{
	long adj = call(__NR_open, (long)"/proc/self/oom_score_adj", 1, 0, 0, 0, 0);

	call(__NR_write, adj, (long)"1000", 4, 0, 0, 0);
	call(__NR_close, adj, 0, 0, 0, 0, 0);
	for (;;) {
		long p = map(64 * 4096, 0x22);

		if (p < 0 && p > -4096)
			break;
		for (int i = 0; i < 64; i++) {
			*(volatile char *)(p + i * 4096) = 1;
			++*pages;
		}
	}
	call(__NR_exit, 0, 0, 0, 0, 0, 0);
}

static void say_number(long fd, long v)
{
	char text[64] = "MEM 00000000 KiB for one program\nBENCH END\n";

	for (int i = 11; i >= 4; i--, v /= 10)
		text[i] = '0' + v % 10;
	call(__NR_write, fd, (long)text, 43, 0, 0, 0);
}

void _start(void)
{
	long fd, pid, *pages;

	call(__NR_mkdir, (long)"/proc", 0755, 0, 0, 0, 0);
	call(__NR_mount, (long)"proc", (long)"/proc", (long)"proc", 0, 0, 0);
	call(__NR_mount, (long)"devtmpfs", (long)"/dev", (long)"devtmpfs", 0, 0, 0);
	fd = call(__NR_open, (long)"/dev/console", 2, 0, 0, 0, 0);
	pages = (long *)map(4096, 0x21);
	pid = call(__NR_fork, 0, 0, 0, 0, 0, 0);
	if (pid == 0)
		touch_all(pages);
	call(__NR_wait4, pid, 0, 0, 0, 0, 0);
	say_number(fd, *pages * 4);
	call(__NR_reboot, 0xfee1dead, 672274793, 0x1234567, 0, 0, 0);
	for (;;)
		call(__NR_pause, 0, 0, 0, 0, 0, 0);
}
