/* fs_names.c - directories, links, rename, unlink while open, path walk, the *at family. */
#include "t.h"
#include <dirent.h>

static int count_dir(const char *path)
{
	DIR *d = opendir(path);
	int n = 0;

	if (!d)
		return -1;
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

TEST(mkdir_rmdir)
{
	struct stat st;

	EXPECT_OK(mkdir("d", 0750));
	EXPECT_OK(stat("d", &st));
	CHECK(S_ISDIR(st.st_mode) && (st.st_mode & 0777) == 0750);
	CHECK(st.st_nlink == 2 || st.st_nlink == 1);
	EXPECT_ERR(mkdir("d", 0755), EEXIST);
	EXPECT_ERR(mkdir("d/e/f", 0755), ENOENT);
	EXPECT_OK(mkdir("d/e", 0755));
	EXPECT_ERR(rmdir("d"), ENOTEMPTY);
	EXPECT_OK(rmdir("d/e/"));
	EXPECT_ERR(unlink("d"), EISDIR);
	EXPECT_OK(rmdir("d"));
	EXPECT_ERR(rmdir("d"), ENOENT);
	t_put("f", "x", 0644);
	EXPECT_ERR(rmdir("f"), ENOTDIR);
	EXPECT_ERR(rmdir("."), EINVAL);
	EXPECT_ERR(rmdir("f/.."), ENOTDIR);
	EXPECT_ERR(mkdir("/", 0755), EEXIST);
}

TEST(getdents)
{
	char name[32], buf[1024];
	int n = 0, fd, r, seen_dot = 0;

	mkdir("many", 0755);
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "many/file-%03d", i);
		t_put(name, "", 0644);
	}
	EXPECT_EQ(count_dir("many"), 102);
	fd = open("many", O_RDONLY | O_DIRECTORY);
	EXPECT_ERR(syscall(SYS_getdents64, fd, buf, 10), EINVAL);
	EXPECT_ERR(syscall(SYS_getdents64, fd, (void *)8, 1024), EFAULT);
	while ((r = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (int o = 0; o < r;) {
			struct dirent64 *d = (void *)(buf + o);

			CHECK(d->d_reclen % 8 == 0 && d->d_reclen >= 24);
			seen_dot += !strcmp(d->d_name, ".") || !strcmp(d->d_name, "..");
			n++, o += d->d_reclen;
		}
	EXPECT_EQ(n, 102);
	EXPECT_EQ(seen_dot, 2);
	EXPECT_EQ(lseek(fd, 0, SEEK_SET), 0);
	CHECK(syscall(SYS_getdents64, fd, buf, sizeof(buf)) > 0);
	close(fd);
	/* Taking entries away while reading must neither loop nor miss the others. */
	DIR *d = opendir("many");
	struct dirent *e;
	n = 0;
	while ((e = readdir(d)) && n < 1000)
		if (e->d_name[0] == 'f') {
			snprintf(buf, sizeof(buf), "many/%s", e->d_name);
			unlink(buf);
			n++;
		}
	closedir(d);
	EXPECT_EQ(n, 100);
	EXPECT_OK(rmdir("many"));
	fd = open("f", O_RDONLY | O_CREAT, 0600);
	EXPECT_ERR(syscall(SYS_getdents64, fd, buf, sizeof(buf)), ENOTDIR);
	close(fd);
}

TEST(hard_links)
{
	struct stat a, b;

	t_put("one", "text", 0644);
	EXPECT_OK(link("one", "two"));
	stat("one", &a), stat("two", &b);
	CHECK(a.st_ino == b.st_ino && a.st_nlink == 2);
	EXPECT_ERR(link("one", "two"), EEXIST);
	EXPECT_ERR(link("missing", "x"), ENOENT);
	mkdir("ld", 0755);
	EXPECT_ERR(link("ld", "ld2"), EPERM);
	EXPECT_OK(unlink("one"));
	CHECK(t_get("two") && !strcmp(t_get("two"), "text"));
	stat("two", &b);
	EXPECT_EQ(b.st_nlink, 1);
	EXPECT_OK(linkat(AT_FDCWD, "two", AT_FDCWD, "three", 0));
}

TEST(symbolic_links)
{
	char buf[64];
	struct stat st;

	t_put("target", "T", 0644);
	EXPECT_OK(symlink("target", "sl"));
	EXPECT_EQ(readlink("sl", buf, sizeof(buf)), 6);
	EXPECT_EQ(readlink("sl", buf, 3), 3);
	EXPECT_ERR(readlink("target", buf, 10), EINVAL);
	EXPECT_ERR(readlink("sl", buf, 0), EINVAL);
	EXPECT_ERR(symlink("", "empty"), ENOENT);
	EXPECT_ERR(symlink("x", "sl"), EEXIST);
	EXPECT_OK(lstat("sl", &st));
	CHECK(S_ISLNK(st.st_mode) && st.st_size == 6);
	EXPECT_OK(stat("sl", &st));
	CHECK(S_ISREG(st.st_mode));
	EXPECT_ERR(open("sl", O_RDONLY | O_NOFOLLOW), ELOOP);
	EXPECT_OK(symlink("nowhere", "dangling"));
	EXPECT_ERR(stat("dangling", &st), ENOENT);
	EXPECT_ERR(open("dangling", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
	int fd = open("dangling", O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0);
	close(fd);
	EXPECT_OK(stat("nowhere", &st));
	EXPECT_OK(symlink("l2", "l1"));
	EXPECT_OK(symlink("l1", "l2"));
	EXPECT_ERR(stat("l1", &st), ELOOP);
	mkdir("dir", 0755);
	t_put("dir/inside", "i", 0644);
	EXPECT_OK(symlink("dir", "dl"));
	EXPECT_OK(stat("dl/inside", &st));
	EXPECT_OK(stat("dl/../target", &st));
	EXPECT_ERR(unlink("dl/"), ENOTDIR);
	EXPECT_ERR(rmdir("dl"), ENOTDIR);
	EXPECT_OK(unlink("dl"));
	EXPECT_OK(stat("dir/inside", &st));
	/* Forty hops are followed, not more. */
	char a[16], b[16];
	t_put("h0", "end", 0644);
	for (int i = 1; i <= 41; i++) {
		snprintf(a, sizeof(a), "h%d", i - 1), snprintf(b, sizeof(b), "h%d", i);
		symlink(a, b);
	}
	EXPECT_OK(stat("h40", &st));
	EXPECT_ERR(stat("h41", &st), ELOOP);
}

TEST(renames)
{
	struct stat st;

	t_put("ra", "A", 0644), t_put("rb", "B", 0644);
	EXPECT_OK(rename("ra", "rb"));
	EXPECT_ERR(stat("ra", &st), ENOENT);
	CHECK(!strcmp(t_get("rb"), "A"));
	EXPECT_ERR(rename("missing", "x"), ENOENT);
	mkdir("rd", 0755), mkdir("rd/sub", 0755), mkdir("re", 0755);
	EXPECT_ERR(rename("rd", "rd/sub/x"), EINVAL);
	EXPECT_ERR(rename("rb", "rd"), EISDIR);
	EXPECT_ERR(rename("rd", "rb"), ENOTDIR);
	EXPECT_ERR(rename("re", "rd"), ENOTEMPTY);
	EXPECT_OK(rename("rd", "re"));
	EXPECT_OK(stat("re/sub", &st));
	EXPECT_OK(rename("re", "re"));
	link("rb", "rc");
	EXPECT_OK(rename("rb", "rc"));	/* the same inode: nothing happens */
	EXPECT_OK(stat("rb", &st));
	EXPECT_ERR(rename("re/.", "x"), EBUSY);
	t_put("n1", "1", 0644), t_put("n2", "2", 0644);
	EXPECT_ERR(renameat2(AT_FDCWD, "n1", AT_FDCWD, "n2", RENAME_NOREPLACE), EEXIST);
	if (renameat2(AT_FDCWD, "n1", AT_FDCWD, "n2", RENAME_EXCHANGE) == 0) {
		CHECK(!strcmp(t_get("n1"), "2"));
		CHECK(!strcmp(t_get("n2"), "1"));
	} else
		EXPECT_EQ(errno, EINVAL);
	EXPECT_ERR(renameat2(AT_FDCWD, "n1", AT_FDCWD, "n2", 0x100), EINVAL);
	mkdir("m1", 0755), mkdir("m2", 0755), mkdir("m1/x", 0755);
	EXPECT_OK(rename("m1/x", "m2/x"));
	EXPECT_OK(stat("m2/x/..", &st));
	struct stat m2;
	stat("m2", &m2);
	EXPECT_EQ(st.st_ino, m2.st_ino);
}

TEST(unlink_while_open)
{
	int fd = t_file("gone", 2 * PG);
	struct stat st;
	char c;

	EXPECT_OK(unlink("gone"));
	EXPECT_OK(fstat(fd, &st));
	EXPECT_EQ(st.st_nlink, 0);
	EXPECT_EQ(pread(fd, &c, 1, PG), 1);
	EXPECT_EQ(c, 'b');
	EXPECT_EQ(pwrite(fd, "Q", 1, PG), 1);
	EXPECT_EQ(pread(fd, &c, 1, PG), 1);
	EXPECT_EQ(c, 'Q');
	EXPECT_OK(ftruncate(fd, 1));
	EXPECT_ERR(open("gone", O_RDWR), ENOENT);
	char path[64], target[PATH_MAX];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, target, sizeof(target) - 1);
	REQUIRE(n > 0);
	target[n] = 0;
	CHECK(strstr(target, "/gone (deleted)"));
	close(fd);
}

TEST(working_directory)
{
	char a[PATH_MAX], b[PATH_MAX];

	REQUIRE(getcwd(a, sizeof(a)));
	EXPECT_ERR(syscall(SYS_getcwd, b, 2), ERANGE);
	mkdir("wd", 0755);
	EXPECT_OK(chdir("wd"));
	REQUIRE(getcwd(b, sizeof(b)));
	CHECK(!strncmp(a, b, strlen(a)) && !strcmp(b + strlen(a), "/wd"));
	EXPECT_OK(rmdir("../wd"));
	EXPECT_ERR(syscall(SYS_getcwd, b, PATH_MAX), ENOENT);
	EXPECT_ERR(open("x", O_CREAT | O_RDWR, 0600), ENOENT);
	EXPECT_OK(chdir(a));
	EXPECT_ERR(chdir("nope"), ENOENT);
	t_put("file", "", 0644);
	EXPECT_ERR(chdir("file"), ENOTDIR);
	int fd = open("/", O_RDONLY);
	EXPECT_OK(fchdir(fd));
	CHECK(!strcmp(getcwd(b, sizeof(b)), "/"));
	EXPECT_OK(chdir(".."));
	CHECK(!strcmp(getcwd(b, sizeof(b)), "/"));
	EXPECT_OK(chdir(a));
	close(fd);
}

TEST(at_family)
{
	int d, fd;
	struct stat st;

	mkdir("atd", 0755);
	d = open("atd", O_RDONLY | O_DIRECTORY);
	fd = openat(d, "f", O_RDWR | O_CREAT, 0644);
	CHECK(fd >= 0);
	close(fd);
	EXPECT_OK(stat("atd/f", &st));
	EXPECT_OK(mkdirat(d, "sub", 0755));
	EXPECT_OK(symlinkat("f", d, "ln"));
	EXPECT_OK(fstatat(d, "ln", &st, AT_SYMLINK_NOFOLLOW));
	CHECK(S_ISLNK(st.st_mode));
	EXPECT_OK(fstatat(d, "", &st, AT_EMPTY_PATH));
	CHECK(S_ISDIR(st.st_mode));
	EXPECT_ERR(fstatat(d, "", &st, 0), ENOENT);
	EXPECT_ERR(fstatat(d, "f", &st, 0x40000000), EINVAL);
	EXPECT_OK(renameat(d, "f", d, "g"));
	EXPECT_OK(unlinkat(d, "g", 0));
	EXPECT_ERR(unlinkat(d, "sub", 0), EISDIR);
	EXPECT_OK(unlinkat(d, "sub", AT_REMOVEDIR));
	EXPECT_ERR(unlinkat(d, "ln", AT_REMOVEDIR), ENOTDIR);
	EXPECT_ERR(openat(9999, "x", O_RDONLY), EBADF);
	fd = open("plain", O_RDWR | O_CREAT, 0600);
	EXPECT_ERR(openat(fd, "x", O_RDONLY), ENOTDIR);
	EXPECT_OK(faccessat(d, "ln", F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno == EINVAL ? 0 : -1);
	close(fd), close(d);
}

TEST(name_limits)
{
	char name[5000];
	struct stat st;

	memset(name, 'n', sizeof(name));
	name[256] = 0;
	EXPECT_ERR(open(name, O_CREAT | O_RDWR, 0600), ENAMETOOLONG);
	name[255] = 0;
	int fd = open(name, O_CREAT | O_RDWR, 0600);
	CHECK(fd >= 0);
	close(fd);
	EXPECT_OK(unlink(name));
	for (int i = 0; i < 4999; i++)
		name[i] = i % 2 ? '/' : '.';
	name[4998] = 0;
	EXPECT_ERR(stat(name, &st), ENAMETOOLONG);
	name[4000] = 0;
	EXPECT_OK(stat(name, &st));
	EXPECT_OK(stat("////./././/", &st));
	EXPECT_OK(stat("/../../..", &st));
}

TEST(creation_in_removed_directory)
{
	int d;

	mkdir("rm", 0755);
	d = open("rm", O_RDONLY);
	rmdir("rm");
	EXPECT_ERR(openat(d, "x", O_CREAT | O_RDWR, 0600), ENOENT);
	EXPECT_ERR(mkdirat(d, "x", 0755), ENOENT);
	close(d);
}

TEST(o_tmpfile)
{
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);
	struct stat st;

	if (fd < 0 && (errno == EOPNOTSUPP || errno == EISDIR))
		SKIP("this file system has no O_TMPFILE");
	REQUIRE(fd >= 0);
	fstat(fd, &st);
	EXPECT_EQ(st.st_nlink, 0);
	EXPECT_EQ(write(fd, "tmp", 3), 3);
	close(fd);
}

TEST(rename_over_an_ancestor)
{
	EXPECT_OK(mkdir("up", 0755));
	EXPECT_OK(mkdir("up/down", 0755));
	EXPECT_ERR(rename("up/down", "up"), ENOTEMPTY);
	EXPECT_ERR(rename("up", "up/down"), EINVAL);
	EXPECT_OK(rmdir("up/down"));
	EXPECT_OK(rmdir("up"));
}
