/* fs_attrs.c - stat and statx, modes and owners, times, permissions, xattrs, statfs, access. */
#include "t.h"
#include <sys/statfs.h>
#include <sys/xattr.h>
#include <sys/sysmacros.h>

TEST(stat_fields)
{
	int fd = t_file("f", 5000);
	struct stat a, b, c;

	EXPECT_OK(stat("f", &a));
	EXPECT_OK(fstat(fd, &b));
	EXPECT_OK(lstat("f", &c));
	CHECK(!memcmp(&a, &b, sizeof(a)) && !memcmp(&a, &c, sizeof(a)));
	CHECK(a.st_size == 5000 && a.st_nlink == 1 && S_ISREG(a.st_mode));
	CHECK(a.st_uid == geteuid() && a.st_gid == getegid());
	CHECK(a.st_blksize >= 512 && a.st_ino > 0);
	EXPECT_ERR(stat("missing", &a), ENOENT);
	EXPECT_ERR(syscall(SYS_stat, "f", (void *)8), EFAULT);
	EXPECT_ERR(fstat(9999, &a), EBADF);
	close(fd);
}

TEST(statx_call)
{
	struct statx x;
	struct stat st;

	t_put("sx", "12345", 0640);
	memset(&x, 0, sizeof(x));
	if (syscall(SYS_statx, AT_FDCWD, "sx", 0, STATX_BASIC_STATS, &x) && errno == ENOSYS)
		SKIP("no statx");
	stat("sx", &st);
	CHECK((x.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
	CHECK(x.stx_size == 5 && x.stx_ino == st.st_ino && x.stx_mode == st.st_mode && x.stx_nlink == 1);
	CHECK(x.stx_dev_major == major(st.st_dev) && x.stx_dev_minor == minor(st.st_dev));
	CHECK(x.stx_mtime.tv_sec == st.st_mtim.tv_sec && x.stx_mtime.tv_nsec == (unsigned)st.st_mtim.tv_nsec);
	EXPECT_ERR(syscall(SYS_statx, AT_FDCWD, "sx", 0, 0x80000000U, &x), EINVAL);
	EXPECT_ERR(syscall(SYS_statx, AT_FDCWD, "", 0, STATX_SIZE, &x), ENOENT);
	EXPECT_OK(syscall(SYS_statx, 0, "", AT_EMPTY_PATH, STATX_SIZE, &x));
	EXPECT_ERR(syscall(SYS_statx, AT_FDCWD, "sx", 0, STATX_SIZE, (void *)8), EFAULT);
}

TEST(chmod_and_umask)
{
	struct stat st;
	mode_t old = umask(027);

	close(open("um", O_CREAT | O_RDWR, 0777));
	stat("um", &st);
	EXPECT_EQ(st.st_mode & 07777, 0750);
	mkdir("umd", 0777);
	stat("umd", &st);
	EXPECT_EQ(st.st_mode & 07777, 0750);
	EXPECT_EQ(umask(old), 027);
	EXPECT_OK(chmod("um", 04711));
	stat("um", &st);
	EXPECT_EQ(st.st_mode & 07777, 04711);
	int fd = open("um", O_RDONLY);
	EXPECT_OK(fchmod(fd, 0600));
	EXPECT_OK(fchmodat(AT_FDCWD, "um", 0640, 0));
	stat("um", &st);
	EXPECT_EQ(st.st_mode & 07777, 0640);
	EXPECT_ERR(chmod("missing", 0600), ENOENT);
	EXPECT_ERR(fchmod(9999, 0600), EBADF);
	close(fd);
}

TEST(chown_calls)
{
	struct stat st;

	if (geteuid())
		SKIP("needs root");
	t_put("ow", "", 06755);
	EXPECT_OK(chown("ow", 1000, 2000));
	stat("ow", &st);
	CHECK(st.st_uid == 1000 && st.st_gid == 2000);
	EXPECT_EQ(st.st_mode & 07777, 0755);	/* set-id bits go */
	EXPECT_OK(chown("ow", -1, 3000));
	stat("ow", &st);
	CHECK(st.st_uid == 1000 && st.st_gid == 3000);
	symlink("ow", "owl");
	EXPECT_OK(lchown("owl", 7, 7));
	lstat("owl", &st);
	EXPECT_EQ(st.st_uid, 7);
	stat("ow", &st);
	EXPECT_EQ(st.st_uid, 1000);
	EXPECT_OK(fchownat(AT_FDCWD, "ow", 0, 0, 0));
}

static int nobody(void *arg)
{
	struct stat st;
	int fd;

	if (setgroups(0, NULL) || setgid(65534) || setuid(65534))
		return 77;
	EXPECT_ERR(open("secret", O_RDONLY), EACCES);
	fd = open("readable", O_RDONLY);
	CHECK(fd >= 0);
	EXPECT_ERR(open("readable", O_WRONLY), EACCES);
	EXPECT_ERR(open("newfile", O_CREAT | O_RDWR, 0644), EACCES);
	EXPECT_ERR(open("closed/x", O_RDONLY), EACCES);
	EXPECT_ERR(stat("closed/x", &st), EACCES);
	EXPECT_OK(stat("secret", &st));
	EXPECT_ERR(unlink("readable"), EACCES);
	EXPECT_ERR(chmod("readable", 0777), EPERM);
	EXPECT_ERR(chown("readable", 65534, -1), EPERM);
	EXPECT_ERR(utimensat(AT_FDCWD, "readable", (struct timespec[]){ { 1, 0 }, { 1, 0 } }, 0), EPERM);
	EXPECT_ERR(utimensat(AT_FDCWD, "readable", NULL, 0), EACCES);
	EXPECT_ERR(access("secret", R_OK), EACCES);
	EXPECT_OK(access("secret", F_OK));
	EXPECT_ERR(unlink("sticky/other"), EPERM);
	fd = open("sticky/mine", O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0);
	EXPECT_OK(unlink("sticky/mine"));
	EXPECT_ERR(chdir("closed"), EACCES);
	EXPECT_OK(chdir("xonly"));
	EXPECT_ERR(open(".", O_RDONLY), EACCES);
	return 0;
}

#include <grp.h>

TEST(permissions)
{
	if (geteuid())
		SKIP("needs root to become nobody");
	chmod(".", 0755);
	t_put("secret", "s", 0600), t_put("readable", "r", 0644);
	mkdir("closed", 0700), t_put("closed/x", "", 0644);
	mkdir("xonly", 0711);
	mkdir("sticky", 0), chmod("sticky", 01777), t_put("sticky/other", "", 0666);
	CHILD_EXITS(nobody, NULL, 0);
}

TEST(setgid_directories)
{
	struct stat st;

	if (geteuid())
		SKIP("needs root");
	mkdir("sg", 0755);
	EXPECT_OK(chown("sg", 0, 777));
	EXPECT_OK(chmod("sg", 02755));
	t_put("sg/f", "", 0644), mkdir("sg/d", 0755);
	stat("sg/f", &st);
	EXPECT_EQ(st.st_gid, 777);
	stat("sg/d", &st);
	CHECK(st.st_gid == 777 && (st.st_mode & S_ISGID));
}

TEST(times)
{
	struct timespec ts[2] = { { 1000, 5 }, { 2000, 7 } }, now;
	struct stat st;

	t_put("tm", "x", 0644);
	EXPECT_OK(utimensat(AT_FDCWD, "tm", ts, 0));
	stat("tm", &st);
	CHECK(st.st_atim.tv_sec == 1000 && st.st_mtim.tv_sec == 2000);
	CHECK(st.st_mtim.tv_nsec == 7);
	ts[0].tv_nsec = UTIME_OMIT, ts[1].tv_nsec = UTIME_NOW;
	EXPECT_OK(utimensat(AT_FDCWD, "tm", ts, 0));
	stat("tm", &st);
	clock_gettime(CLOCK_REALTIME, &now);
	CHECK(st.st_atim.tv_sec == 1000 && llabs(st.st_mtim.tv_sec - now.tv_sec) < 30);
	int fd = open("tm", O_WRONLY);
	ts[0] = ts[1] = (struct timespec){ 500, 0 };
	EXPECT_OK(futimens(fd, ts));
	EXPECT_EQ(write(fd, "yy", 2), 2);
	fstat(fd, &st);
	CHECK(st.st_mtim.tv_sec > 500);	/* a write sets it */
	ts[0].tv_nsec = 1000000000;
	EXPECT_ERR(futimens(fd, ts), EINVAL);
	EXPECT_ERR(utimensat(AT_FDCWD, "missing", NULL, 0), ENOENT);
	close(fd);
	mkdir("td", 0755);
	ts[0] = ts[1] = (struct timespec){ 500, 0 };
	utimensat(AT_FDCWD, "td", ts, 0);
	t_put("td/new", "", 0644);
	stat("td", &st);
	CHECK(st.st_mtim.tv_sec > 500);
}

TEST(access_call)
{
	t_put("ac", "", 0644), chmod("ac", 0644);
	EXPECT_OK(access("ac", F_OK | R_OK | W_OK));
	EXPECT_ERR(access("ac", X_OK), EACCES);
	EXPECT_ERR(access("missing", F_OK), ENOENT);
	EXPECT_ERR(access("ac", 99), EINVAL);
	EXPECT_OK(access(".", X_OK));
}

TEST(xattrs_or_errnos)
{
	char buf[32];
	int fd = t_file("xa", 1);

	if (setxattr("xa", "user.test", "value", 5, 0)) {
		CHECK(errno == EOPNOTSUPP || errno == ENOSYS);
		close(fd);
		SKIP("no user xattrs here");
	}
	EXPECT_EQ(getxattr("xa", "user.test", buf, sizeof(buf)), 5);
	EXPECT_EQ(fgetxattr(fd, "user.test", NULL, 0), 5);
	EXPECT_ERR(getxattr("xa", "user.test", buf, 2), ERANGE);
	EXPECT_ERR(getxattr("xa", "user.none", buf, 2), ENODATA);
	CHECK(listxattr("xa", buf, sizeof(buf)) >= 10);
	EXPECT_ERR(setxattr("xa", "user.test", "v", 1, XATTR_CREATE), EEXIST);
	EXPECT_OK(removexattr("xa", "user.test"));
	close(fd);
}

TEST(missing_xattr_is_enodata)
{
	char buf[32];

	t_put("xb", "", 0644);
	CHECK(getxattr("xb", "security.capability", buf, 32) == -1 && (errno == ENODATA || errno == EOPNOTSUPP));
	EXPECT_ERR(getxattr("missing", "user.x", buf, 32), ENOENT);
	CHECK(listxattr("xb", NULL, 0) >= 0 || errno == EOPNOTSUPP);
}

TEST(statfs_call)
{
	struct statfs s, t;
	int fd = open(".", O_RDONLY);

	EXPECT_OK(statfs(".", &s));
	EXPECT_OK(fstatfs(fd, &t));
	CHECK(s.f_type == t.f_type && s.f_bsize > 0 && s.f_namelen >= 255 && s.f_bfree <= s.f_blocks);
	EXPECT_OK(statfs("/proc", &s));
	EXPECT_EQ(s.f_type, 0x9fa0);
	EXPECT_ERR(statfs("missing", &s), ENOENT);
	EXPECT_ERR(statfs(".", (void *)8), EFAULT);
	close(fd);
}

TEST(special_files)
{
	struct stat st;

	EXPECT_OK(mkfifo("ff", 0600));
	stat("ff", &st);
	CHECK(S_ISFIFO(st.st_mode));
	EXPECT_ERR(mkfifo("ff", 0600), EEXIST);
	EXPECT_OK(mknod("plain", S_IFREG | 0600, 0));
	stat("plain", &st);
	CHECK(S_ISREG(st.st_mode));
	EXPECT_ERR(mknod("bad", S_IFDIR | 0600, 0), EPERM);
	EXPECT_OK(stat("/dev/null", &st));
	CHECK(S_ISCHR(st.st_mode) && major(st.st_rdev) == 1 && minor(st.st_rdev) == 3);
}

TEST(directory_link_counts)
{
	struct stat st;

	mkdir("n", 0755), mkdir("n/1", 0755), mkdir("n/2", 0755);
	stat("n", &st);
	CHECK(st.st_nlink == 4 || st.st_nlink == 1);
}
