/*
 * mem.c - mem [-r] PHYS [LEN]: bytes at a physical address, mapped from /dev/mem and dumped.
 *
 *	mem 0xfee00020 16	the local APIC's identity and version
 *	mem -r 0xf0000 64	by read() instead of mmap()
 *	mem -W VALUE PHYS	store a 32-bit word
 *
 * Device registers want whole words, so what is aligned is read four bytes at a time. Runs on any Linux.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void usage(void)
{
	fputs("Usage: mem [-r] PHYS [LEN]      dump LEN (256) bytes at physical address PHYS; -r: by read()\n"
	      "       mem -W VALUE PHYS        store a 32-bit word there\n", stderr);
	exit(2);
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t v = strtoull(text, &end, 0);

	if (end == text || *end)
		usage();
	return v;
}

static void die(const char *what, uint64_t phys)
{
	fprintf(stderr, "mem: %s %#llx: %s\n", what, (unsigned long long)phys, strerror(errno));
	exit(1);
}

static void dump(uint64_t phys, const unsigned char *bytes, size_t len)
{
	for (size_t at = 0; at < len; at += 16) {
		size_t n = len - at < 16 ? len - at : 16;

		printf("%012llx ", (unsigned long long)(phys + at));
		for (size_t i = 0; i < 16; i++)
			i < n ? printf("%s%02x", i == 8 ? "  " : " ", bytes[at + i]) : printf("%s  ", i == 8 ? "  " : " ");
		printf("  |");
		for (size_t i = 0; i < n; i++)
			putchar(isprint(bytes[at + i]) ? bytes[at + i] : '.');
		puts("|");
	}
}

static volatile unsigned char *map(int fd, uint64_t phys, size_t len, int prot)
{
	uint64_t page = phys & ~(uint64_t)4095;
	void *p = mmap(NULL, len + (size_t)(phys - page), prot, MAP_SHARED, fd, (off_t)page);

	if (p == MAP_FAILED)
		die("mmap", phys);
	return (volatile unsigned char *)p + (phys - page);
}

static void copy_out(unsigned char *to, const volatile unsigned char *from, size_t len)
{
	size_t at = 0;

	for (; (uintptr_t)from % 4 == 0 && at + 4 <= len; at += 4) {
		uint32_t v = *(const volatile uint32_t *)(from + at);

		memcpy(to + at, &v, 4);
	}
	for (; at < len; at++)
		to[at] = from[at];
}

int main(int argc, char **argv)
{
	int by_read = 0, store = 0, opt, fd;
	uint32_t value = 0;
	uint64_t phys, len;
	unsigned char *bytes;

	while ((opt = getopt(argc, argv, "rW:")) >= 0) {
		if (opt == 'r') {
			by_read = 1;
		} else if (opt == 'W') {
			store = 1;
			value = (uint32_t)number(optarg);
		} else {
			usage();
		}
	}
	if (optind >= argc || argc - optind > 2)
		usage();
	phys = number(argv[optind]);
	len = argc - optind > 1 ? number(argv[optind + 1]) : 256;
	fd = open("/dev/mem", (store ? O_RDWR : O_RDONLY) | O_SYNC);
	if (fd < 0) {
		fprintf(stderr, "mem: /dev/mem: %s\n", strerror(errno));
		return 1;
	}
	if (store) {
		*(volatile uint32_t *)map(fd, phys, 4, PROT_READ | PROT_WRITE) = value;
		return 0;
	}
	bytes = malloc(len ? len : 1);
	if (!bytes)
		usage();
	if (by_read) {
		ssize_t n = pread(fd, bytes, len, (off_t)phys);

		if (n < 0)
			die("read", phys);
		len = (uint64_t)n;
	} else {
		copy_out(bytes, map(fd, phys, len, PROT_READ), len);
	}
	dump(phys, bytes, len);
	return 0;
}
