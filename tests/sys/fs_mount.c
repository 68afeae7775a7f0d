/* fs_mount.c - mounts: tmpfs with a size (ENOSPC), over a directory, busy, bind, errnos. In a namespace of its own. */
#include "t.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/statfs.h>

static bool may_mount(void)
{
	static int may = -1;

	if (may < 0) {
		may = geteuid() == 0;
		/* Never in the machine's own namespace, but for a guest that is only for tests. */
		if (may && (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL)))
			may = getenv("QUIRE_GUEST") != NULL;
	}
	return may;
}

TEST(tmpfs_is_full)
{
	struct statfs s;
	static char buf[16 * PG];
	ssize_t n, total = 0;

	if (!may_mount())
		SKIP("may not mount here");
	mkdir("m", 0755);
	EXPECT_OK(mount("tmpfs", "m", "tmpfs", 0, "size=1M"));
	EXPECT_OK(statfs("m", &s));
	EXPECT_EQ(s.f_type, 0x01021994);
	EXPECT_EQ(s.f_blocks * s.f_bsize, 1 << 20);
	int fd = open("m/big", O_RDWR | O_CREAT, 0600);
	while ((n = write(fd, buf, sizeof(buf))) > 0)
		total += n;
	EXPECT_EQ(errno, ENOSPC);
	CHECK(total > 900000 && total <= 1 << 20);
	EXPECT_OK(ftruncate(fd, 0));
	EXPECT_EQ(pwrite(fd, buf, sizeof(buf), 0), sizeof(buf));
	/* A mapping of a full file system: SIGBUS on the page that cannot be had. */
	EXPECT_OK(ftruncate(fd, 2 << 20));
	char *p = mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	int got = 0;
	for (int i = 0; i < 512; i++) {
		struct t_fault f = WRITE_OF(p + i * PG);
		if (f.sig) {
			CHECK(f.sig == SIGBUS && f.code == BUS_ADRERR);
			break;
		}
		got++;
	}
	CHECK(got > 200 && got <= 256);
	munmap(p, 2 << 20);
	EXPECT_ERR(umount("m"), EBUSY);
	close(fd);
	EXPECT_OK(umount("m"));
	EXPECT_ERR(open("m/big", O_RDONLY), ENOENT);
}

TEST(covers_and_uncovers)
{
	struct stat a, b;

	if (!may_mount())
		SKIP("may not mount here");
	mkdir("c", 0755), t_put("c/below", "b", 0644);
	stat("c", &a);
	EXPECT_OK(mount("tmpfs", "c", "tmpfs", 0, NULL));
	stat("c", &b);
	CHECK(a.st_dev != b.st_dev);
	EXPECT_ERR(stat("c/below", &b), ENOENT);
	t_put("c/above", "a", 0644);
	EXPECT_ERR(rename("c/above", "above"), EXDEV);
	EXPECT_ERR(link("c/above", "above"), EXDEV);
	EXPECT_ERR(rmdir("c"), EBUSY);
	EXPECT_OK(stat("c/..", &b));
	CHECK(strstr(t_get("/proc/self/mounts"), "/c tmpfs "));
	EXPECT_OK(umount2("c", MNT_DETACH));
	EXPECT_OK(stat("c/below", &b));
}

TEST(read_only)
{
	if (!may_mount())
		SKIP("may not mount here");
	mkdir("r", 0755);
	EXPECT_OK(mount("tmpfs", "r", "tmpfs", 0, NULL));
	t_put("r/f", "x", 0644);
	EXPECT_OK(mount("tmpfs", "r", "tmpfs", MS_REMOUNT | MS_RDONLY, NULL));
	EXPECT_ERR(open("r/f", O_WRONLY), EROFS);
	EXPECT_ERR(open("r/new", O_CREAT | O_RDWR, 0600), EROFS);
	EXPECT_ERR(mkdir("r/d", 0700), EROFS);
	EXPECT_ERR(unlink("r/f"), EROFS);
	CHECK(!strcmp(t_get("r/f"), "x"));
	EXPECT_OK(umount("r"));
}

TEST(bind)
{
	if (!may_mount())
		SKIP("may not mount here");
	mkdir("from", 0755), mkdir("to", 0755), t_put("from/f", "same", 0644);
	EXPECT_OK(mount("from", "to", NULL, MS_BIND, NULL));
	CHECK(t_get("to/f") && !strcmp(t_get("to/f"), "same"));
	t_put("to/g", "new", 0644);
	CHECK(t_get("from/g") && !strcmp(t_get("from/g"), "new"));
	EXPECT_OK(umount("to"));
	EXPECT_ERR(open("to/f", O_RDONLY), ENOENT);
}

TEST(errnos)
{
	if (!may_mount())
		SKIP("may not mount here");
	mkdir("e", 0755), t_put("file", "", 0644);
	EXPECT_ERR(mount("x", "e", "nosuchfs", 0, NULL), ENODEV);
	EXPECT_ERR(mount("tmpfs", "missing", "tmpfs", 0, NULL), ENOENT);
	EXPECT_ERR(mount("tmpfs", "file", "tmpfs", 0, NULL), ENOTDIR);
	EXPECT_ERR(umount("e"), EINVAL);
	EXPECT_ERR(umount("missing"), ENOENT);
	EXPECT_ERR(mount("tmpfs", "e", "tmpfs", 0, "size=nonsense"), EINVAL);
}

static int no_rights(void *a)
{
	if (setgid(65534) || setuid(65534))
		return 77;
	EXPECT_ERR(mount("tmpfs", "e", "tmpfs", 0, NULL), EPERM);
	EXPECT_ERR(umount("/proc"), EPERM);
	return 0;
}

TEST(rights)
{
	if (geteuid())
		SKIP("needs root");
	chmod(".", 0755), mkdir("e", 0755);
	CHILD_EXITS(no_rights, NULL, 0);
}
