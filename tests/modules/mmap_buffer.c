/*
 * mmap_buffer.c - the driver's pages in several processes at different addresses: each sees what any of them stores.
 */
#include "../sys/t.h"

static volatile unsigned char *map_at(void *where, size_t len, off_t off)
{
	int fd = open("/dev/mmap_buffer", O_RDWR);
	void *p = mmap(where, len, PROT_READ | PROT_WRITE, MAP_SHARED | (where ? MAP_FIXED_NOREPLACE : 0), fd, off);

	close(fd);			/* the mapping stays */
	return p;
}

TEST(drivers_text_is_there)
{
	volatile unsigned char *p = map_at(NULL, 4 * PG, 0);

	REQUIRE(p != MAP_FAILED);
	CHECK(!memcmp((char *)p, "from the driver", 16));
	munmap((void *)p, 4 * PG);
}

TEST(many_processes_many_addresses)
{
	volatile unsigned char *mine = map_at(NULL, 4 * PG, 0);
	int status, bad = 0;

	REQUIRE(mine != MAP_FAILED);
	for (int i = 0; i < 8; i++) {
		pid_t pid = fork();

		if (!pid) {
			void *where = (void *)(0x10000000000ul + (unsigned long)i * 0x123450000ul);
			volatile unsigned char *p = map_at(where, 3 * PG, PG);

			if (p != where)
				_exit(1);
			p[i] = (unsigned char)(100 + i);		/* the second page of the buffer */
			p[PG + 8 * i] = (unsigned char)i;
			_exit(mine[PG + i] == 100 + i ? 0 : 2);		/* inherited: the same frames */
		}
		waitpid(pid, &status, 0);
		bad += status != 0;
	}
	EXPECT_EQ(bad, 0);
	for (int i = 0; i < 8; i++)
		CHECK(mine[PG + i] == 100 + i && mine[2 * PG + 8 * i] == i);
	munmap((void *)mine, 4 * PG);
}

TEST(not_beyond_its_end)
{
	int fd = open("/dev/mmap_buffer", O_RDWR);

	REQUIRE(fd >= 0);
	CHECK(mmap(NULL, 5 * PG, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EINVAL);
	CHECK(mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, 4 * PG) == MAP_FAILED && errno == EINVAL);
	close(fd);
}
