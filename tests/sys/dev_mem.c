/*
 * dev_mem.c - /dev/mem, /dev/port, /proc/iomem, /dev/kmsg: who may open them, what of the machine they show. Linux's rules with
 * STRICT_DEVMEM. Not where the devices are missing, as in containers.
 */
#include "t.h"

struct range {
	unsigned long long start, end;
	char name[64];
};

static struct range ranges[256];
static int nr_ranges;

static void read_iomem(void)
{
	FILE *f = fopen("/proc/iomem", "r");
	char line[256];

	nr_ranges = 0;
	REQUIRE(f != NULL);
	while (nr_ranges < 256 && fgets(line, sizeof(line), f)) {
		struct range *r = &ranges[nr_ranges];

		if (sscanf(line, " %llx-%llx : %63[^\n]", &r->start, &r->end, r->name) == 3)
			nr_ranges++;
	}
	fclose(f);
}

static int open_mem(int flags)
{
	int fd = open("/dev/mem", flags);

	if (fd < 0)
		t_skip = "no /dev/mem here";
	return fd;
}

/* A page of RAM well above 1 MiB; 0: none. */
static unsigned long long ram_page(void)
{
	for (int i = 0; i < nr_ranges; i++)
		if (!strcmp(ranges[i].name, "System RAM") && ranges[i].start >= 1 << 20 && ranges[i].end - ranges[i].start > 16 << 20)
			return (ranges[i].start + (8 << 20)) & ~4095ull;
	return 0;
}

static unsigned long long end_of_ram(void)
{
	unsigned long long end = 0;

	for (int i = 0; i < nr_ranges; i++)
		if (!strcmp(ranges[i].name, "System RAM") && ranges[i].end >= end)
			end = ranges[i].end + 1;
	return end;
}

static bool in_any_range(unsigned long long at)
{
	for (int i = 0; i < nr_ranges; i++)
		if (at + 4095 >= ranges[i].start && at <= ranges[i].end)
			return true;
	return false;
}

TEST(ram_is_refused)
{
	int fd = open_mem(O_RDWR);
	unsigned long long at;
	char byte = 0;

	if (fd < 0)
		return;
	read_iomem();
	at = ram_page();
	if (!at)
		SKIP("/proc/iomem shows no RAM");
	EXPECT_ERR(pread(fd, &byte, 1, (off_t)at), EPERM);
	EXPECT_ERR(pwrite(fd, &byte, 1, (off_t)at), EPERM);
	CHECK(mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, (off_t)at) == MAP_FAILED && errno == EPERM);
	close(fd);
}

TEST(the_first_mebibyte)
{
	int fd = open_mem(O_RDWR);
	unsigned char page[PG], zeros[PG] = {0};

	if (fd < 0)
		return;
	memset(page, 1, PG);
	EXPECT_EQ(pread(fd, page, PG, 0x10000), (ssize_t)PG);
	CHECK(!memcmp(page, zeros, PG));			/* RAM: its bytes are not shown */
	memset(page, 0x77, PG);
	EXPECT_EQ(pwrite(fd, page, PG, 0x10000), (ssize_t)PG);	/* nor changed */
	EXPECT_EQ(pread(fd, page, PG, 0x10000), (ssize_t)PG);
	CHECK(!memcmp(page, zeros, PG));
	EXPECT_EQ(pread(fd, page, 16, 0xf0000), 16);		/* the firmware's */
	EXPECT_EQ(pread(fd, page, 100, 0x10ff0), 100);		/* over a page border */
	close(fd);
}

TEST(beyond_ram)
{
	int fd = open_mem(O_RDWR);
	unsigned long long end;
	char byte;

	if (fd < 0)
		return;
	read_iomem();
	end = end_of_ram();
	if (!end)
		SKIP("/proc/iomem shows no RAM");
	EXPECT_ERR(pread(fd, &byte, 1, (off_t)(end + (64ull << 30))), EFAULT);
	EXPECT_ERR(pwrite(fd, &byte, 1, (off_t)(end + (64ull << 30))), EFAULT);
	CHECK(mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, (off_t)(1ull << 60)) == MAP_FAILED && errno == EINVAL);
	close(fd);
}

TEST(devices_map)
{
	int fd = open_mem(O_RDWR | O_SYNC);
	unsigned long long at = 0xfd000000;
	volatile uint32_t *p;

	if (fd < 0)
		return;
	read_iomem();
	while (at < 0xfe000000 && in_any_range(at))
		at += PG;
	p = mmap(NULL, 2 * PG, PROT_READ, MAP_SHARED, fd, (off_t)at);
	CHECK(p != MAP_FAILED);
	if (p != MAP_FAILED) {
		(void)p[0];			/* nobody answers, nothing breaks */
		munmap((void *)p, 2 * PG);
	}
	close(fd);
}

TEST(seeking)
{
	int fd = open_mem(O_RDONLY);

	if (fd < 0)
		return;
	EXPECT_EQ(lseek(fd, 0x1000, SEEK_SET), 0x1000);
	EXPECT_EQ(lseek(fd, 0x10, SEEK_CUR), 0x1010);
	EXPECT_ERR(lseek(fd, 0, SEEK_END), EINVAL);
	close(fd);
}

TEST(needs_rawio)
{
	int fd = open_mem(O_RDONLY), status;
	pid_t pid;

	if (fd < 0)
		return;
	close(fd);
	pid = fork();
	if (!pid) {
		if (setgid(15) || setuid(65534))	/* kmem's group may read the node, but CAP_SYS_RAWIO is missing */
			_exit(2);
		fd = open("/dev/mem", O_RDONLY);
		_exit(fd < 0 && (errno == EPERM || errno == EACCES) ? 0 : 1);
	}
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
}

TEST(iomem_hides_addresses)
{
	int status;
	pid_t pid;

	if (geteuid())
		SKIP("not root");
	pid = fork();
	if (!pid) {
		if (setuid(65534))
			_exit(2);
		read_iomem();
		for (int i = 0; i < nr_ranges; i++)
			if (ranges[i].start || ranges[i].end)
				_exit(1);
		_exit(nr_ranges ? 0 : 3);
	}
	waitpid(pid, &status, 0);
	EXPECT_EQ(status, 0);
}

TEST(ports)
{
	int fd = open("/dev/port", O_RDWR);
	unsigned char bytes[4];

	if (fd < 0)
		SKIP("no /dev/port here");
	EXPECT_EQ(pread(fd, bytes, 1, 0x80), 1);
	EXPECT_EQ(pwrite(fd, bytes, 1, 0x80), 1);
	EXPECT_EQ(pread(fd, bytes, 4, 0xfffe), 2);
	EXPECT_EQ(pread(fd, bytes, 1, 0x10000), 0);
	close(fd);
}

TEST(nodes)
{
	static const struct { const char *path; unsigned minor, mode; } nodes[] = {
		{ "/dev/mem", 1, 0640 }, { "/dev/port", 4, 0640 }, { "/dev/null", 3, 0666 }, { "/dev/zero", 5, 0666 },
		{ "/dev/full", 7, 0666 },
	};
	struct stat st;

	for (size_t i = 0; i < ARRAY_LEN(nodes); i++) {
		if (stat(nodes[i].path, &st) < 0)
			continue;
		EXPECT_EQ(st.st_rdev, (dev_t)(1 << 8 | nodes[i].minor));
		CHECK((st.st_mode & 0777) == nodes[i].mode || (st.st_mode & 0777) == 0666 || (st.st_mode & 0777) == 0600);
	}
}
