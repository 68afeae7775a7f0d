/*
 * test_vfs.c - path walk, names and tmpfs on the host machine, against a naive model; hostile archives.
 */
#include "../../fs/internal.h"
#include "../../fs/cpio.h"
#include "../../fs/inflate.h"
#include <lib/printf.h>
#include <mm/page_alloc.h>
#define file host_file		/* the host machine has a struct of that name for tests of mm/ alone */
#include "unit.h"
#undef file

void host_mm_start(void);

void namei_init(void);

static void vfs_machine(struct t *t, unsigned cpus)
{
	t_machine(t, 64, cpus);
	host_mm_start();
	inode_cache_init();
	dcache_init();
	file_cache_init();
	fdtable_init();
	namei_init();
	mount_init();
	pipe_init();
	locks_init();
	tmpfs_init();
	anon_init();
	current->cred = &cred_root;
	mount_init_rootfs();
	current->files = files_create();
}

static int make_dir(const char *name)
{
	struct path parent;
	struct dentry *d;
	int err = path_create_begin(AT_FDCWD, name, true, &parent, &d);

	if (err)
		return err;
	err = vfs_mkdir(parent.dentry->inode, d, 0755);
	path_create_end(&parent, d);
	return err;
}

static int make_symlink(const char *target, const char *name)
{
	struct path parent;
	struct dentry *d;
	int err = path_create_begin(AT_FDCWD, name, false, &parent, &d);

	if (err)
		return err;
	err = vfs_symlink(parent.dentry->inode, d, target);
	path_create_end(&parent, d);
	return err;
}

static int make_file(const char *name)
{
	struct file *f;
	int err = vfs_open(name, O_WRONLY | O_CREAT | O_EXCL, 0644, &f);

	if (!err)
		file_put(f);
	return err;
}

static int look(const char *name, unsigned flags)
{
	struct path p;
	int err = path_lookup(AT_FDCWD, name, flags, &p);

	if (!err)
		path_put(p);
	return err;
}

/* The name as getcwd would say it. */
static const char *full_name(const char *name)
{
	static char buf[4096];
	struct path p;
	char *s;

	if (path_lookup(AT_FDCWD, name, LOOKUP_FOLLOW, &p))
		return "?";
	s = path_name(&p, &kernel_fs_context.root, buf, sizeof(buf));
	path_put(p);
	return s ? s : "??";
}

/* Goal: every step of the walk gives Linux's error, in Linux's order. */
TEST(vfs, path_walk)
{
	char longest[300], path[5000];

	vfs_machine(t, 1);
	EXPECT_EQ(t, make_dir("/a"), 0);
	EXPECT_EQ(t, make_dir("/a/b"), 0);
	EXPECT_EQ(t, make_dir("a/b/c/"), 0);
	EXPECT_EQ(t, make_file("/a/f"), 0);
	EXPECT_EQ(t, make_dir("/a"), -EEXIST);
	EXPECT_EQ(t, make_dir("/"), -EEXIST);
	EXPECT_EQ(t, make_dir("/a/."), -EEXIST);
	EXPECT_EQ(t, make_file("/a/new/"), -EISDIR);
	EXPECT_EQ(t, look("", 0), -ENOENT);
	EXPECT_EQ(t, look("/x/y", 0), -ENOENT);
	EXPECT_EQ(t, look("/a/f/y", 0), -ENOTDIR);
	EXPECT_EQ(t, look("/a/f/", 0), -ENOTDIR);
	EXPECT_EQ(t, look("/a/f/.", 0), -ENOTDIR);
	EXPECT_EQ(t, look("//a///b//", 0), 0);
	EXPECT_EQ(t, look("/a/f", LOOKUP_DIRECTORY), -ENOTDIR);
	EXPECT_STR(t, full_name("/a/b/c/../.."), "/a");
	EXPECT_STR(t, full_name("/../../a/./b"), "/a/b");
	EXPECT_STR(t, full_name("/"), "/");
	memset(longest, 'n', sizeof(longest));
	longest[256] = 0;
	EXPECT_EQ(t, look(longest, 0), -ENAMETOOLONG);
	longest[255] = 0;
	EXPECT_EQ(t, look(longest, 0), -ENOENT);
	EXPECT_EQ(t, make_file(longest), 0);
	EXPECT_EQ(t, look(longest, 0), 0);
	path[0] = 0;
	for (int n = 0; n < 800; n++)
		strcat(path, "/a/..");
	EXPECT_EQ(t, look(path, 0), 0);
}

TEST(vfs, symlinks)
{
	char name[64], target[64];

	vfs_machine(t, 1);
	make_dir("/d");
	make_dir("/d/e");
	make_file("/d/e/f");
	EXPECT_EQ(t, make_symlink("/d", "/abs"), 0);
	EXPECT_EQ(t, make_symlink("e", "/d/rel"), 0);
	EXPECT_EQ(t, make_symlink("../d/rel/f", "/d/up"), 0);
	EXPECT_EQ(t, make_symlink("loop2", "/loop1"), 0);
	EXPECT_EQ(t, make_symlink("loop1", "/loop2"), 0);
	EXPECT_EQ(t, make_symlink("nowhere", "/dangling"), 0);
	EXPECT_EQ(t, make_symlink("d/e/f/", "/slash"), 0);
	EXPECT_STR(t, full_name("/abs/rel/f"), "/d/e/f");
	EXPECT_STR(t, full_name("/d/up"), "/d/e/f");
	EXPECT_STR(t, full_name("/abs/"), "/d");
	EXPECT_STR(t, full_name("/abs/.."), "/");
	EXPECT_STR(t, full_name("/d/rel/.."), "/d");
	EXPECT_EQ(t, look("/loop1", LOOKUP_FOLLOW), -ELOOP);
	EXPECT_EQ(t, look("/loop1", 0), 0);
	EXPECT_EQ(t, look("/loop1/", 0), -ELOOP);
	EXPECT_EQ(t, look("/dangling", LOOKUP_FOLLOW), -ENOENT);
	EXPECT_EQ(t, look("/dangling", 0), 0);
	EXPECT_EQ(t, look("/slash", LOOKUP_FOLLOW), -ENOTDIR);
	EXPECT_EQ(t, make_dir("/dangling"), -EEXIST);
	EXPECT_EQ(t, make_file("/dangling"), -EEXIST);
	/* Exactly 40 links may be followed. */
	for (int n = 0; n < 41; n++) {
		ksnprintf(name, sizeof(name), "/l%d", n);
		ksnprintf(target, sizeof(target), n ? "l%d" : "d", n - 1);
		make_symlink(target, name);
	}
	EXPECT_EQ(t, look("/l39", LOOKUP_FOLLOW), 0);
	EXPECT_EQ(t, look("/l40", LOOKUP_FOLLOW), -ELOOP);
	EXPECT_EQ(t, look("/l39/e/f", LOOKUP_FOLLOW), 0);
	EXPECT_EQ(t, look("/d/e/f", LOOKUP_NO_SYMLINKS), 0);
	EXPECT_EQ(t, look("/abs/e", LOOKUP_NO_SYMLINKS), -ELOOP);
	EXPECT_EQ(t, look("/d/..", LOOKUP_BENEATH), -EXDEV);
	EXPECT_EQ(t, look("d/../..", LOOKUP_BENEATH), -EXDEV);
	EXPECT_EQ(t, look("d/..", LOOKUP_BENEATH), 0);
}

TEST(vfs, rename_rules)
{
	vfs_machine(t, 1);
	make_dir("/a");
	make_dir("/a/b");
	make_dir("/c");
	make_file("/f");
	make_file("/c/g");
	EXPECT_EQ(t, rename_names(AT_FDCWD, "/a", AT_FDCWD, "/a/b/x", 0), -EINVAL);
	EXPECT_EQ(t, rename_names(AT_FDCWD, "/a/b", AT_FDCWD, "/a", 0), -ENOTEMPTY);
	EXPECT_EQ(t, rename_names(AT_FDCWD, "/f", AT_FDCWD, "/a", 0), -EISDIR);
	EXPECT_EQ(t, rename_names(AT_FDCWD, "/a", AT_FDCWD, "/f", 0), -ENOTDIR);
	EXPECT_EQ(t, rename_names(AT_FDCWD, "/a", AT_FDCWD, "/c", 0), -ENOTEMPTY);
	EXPECT_EQ(t, rename_names(AT_FDCWD, "/f", AT_FDCWD, "/f2/", 0), -ENOTDIR);
	EXPECT_EQ(t, rename_names(AT_FDCWD, "/a/.", AT_FDCWD, "/z", 0), -EBUSY);
	EXPECT_EQ(t, rename_names(AT_FDCWD, "/f", AT_FDCWD, "/c/g", RENAME_NOREPLACE), -EEXIST);
	EXPECT_EQ(t, rename_names(AT_FDCWD, "/f", AT_FDCWD, "/none", RENAME_EXCHANGE), -ENOENT);
	EXPECT_EQ(t, rename_names(AT_FDCWD, "/a", AT_FDCWD, "/c/g", RENAME_EXCHANGE), 0);
	EXPECT_STR(t, full_name("/c/g/b"), "/c/g/b");
	EXPECT_EQ(t, look("/a", LOOKUP_DIRECTORY), -ENOTDIR);
	EXPECT_EQ(t, rename_names(AT_FDCWD, "/f", AT_FDCWD, "/a", 0), 0);
	EXPECT_EQ(t, look("/f", 0), -ENOENT);
	EXPECT_EQ(t, rename_names(AT_FDCWD, "/a", AT_FDCWD, "/c/w", RENAME_WHITEOUT), 0);
	EXPECT_EQ(t, look("/a", 0), 0);			/* the whiteout */
	EXPECT_EQ(t, remove_name(AT_FDCWD, "/c/g", true), -ENOTEMPTY);
	EXPECT_EQ(t, remove_name(AT_FDCWD, "/c/g", false), -EISDIR);
	EXPECT_EQ(t, remove_name(AT_FDCWD, "/c/g/b", true), 0);
	EXPECT_EQ(t, remove_name(AT_FDCWD, "/c/g/", true), 0);
	EXPECT_EQ(t, remove_name(AT_FDCWD, "/c/w", true), -ENOTDIR);
	EXPECT_EQ(t, remove_name(AT_FDCWD, "/c/.", true), -EINVAL);
	EXPECT_EQ(t, remove_name(AT_FDCWD, "/c/..", true), -ENOTEMPTY);
	EXPECT_EQ(t, remove_name(AT_FDCWD, "/", true), -EBUSY);
}

/* Goal: an unlinked file lives while it is open; its pages go with the last close. */
TEST(vfs, unlinked_file)
{
	static char page[PAGE_SIZE];
	struct file *f;
	long before;

	vfs_machine(t, 1);
	EXPECT_EQ(t, vfs_open("/f", O_RDWR | O_CREAT, 0600, &f), 0);
	before = ledger_frames(ACCT_SHMEM);
	for (int n = 0; n < 16; n++) {
		memset(page, n, sizeof(page));
		EXPECT_EQ(t, file_write_kernel(f, page, sizeof(page), n * (loff_t)PAGE_SIZE), sizeof(page));
	}
	EXPECT_EQ(t, ledger_frames(ACCT_SHMEM) - before, 16);
	EXPECT_EQ(t, remove_name(AT_FDCWD, "/f", false), 0);
	EXPECT_EQ(t, look("/f", 0), -ENOENT);
	EXPECT_EQ(t, file_read_kernel(f, page, sizeof(page), 7 * PAGE_SIZE), sizeof(page));
	EXPECT_EQ(t, page[100], 7);
	EXPECT_EQ(t, f->inode->nlink, 0);
	file_put(f);
	EXPECT_EQ(t, ledger_frames(ACCT_SHMEM), before);
}

/* Goal: making, moving and removing names undoes itself wherever memory runs out. */
TEST(vfs, fail_each_alloc)
{
	vfs_machine(t, 1);
	make_dir("/keep");
	FAIL_EACH_ALLOC(t) {
		struct file *f;

		if (!make_dir("/keep/d")) {
			if (!make_symlink("/keep/d/a-name-that-does-not-fit-into-the-dentry-itself", "/keep/l"))
				remove_name(AT_FDCWD, "/keep/l", false) ? t_fail(t, __FILE__, __LINE__, "unlink") : (void)0;
			if (!vfs_open("/keep/d/a-name-that-does-not-fit-into-the-dentry-itself", O_RDWR | O_CREAT, 0600, &f)) {
				file_write_kernel(f, "x", 1, 0);
				file_put(f);
				if (!rename_names(AT_FDCWD, "/keep/d/a-name-that-does-not-fit-into-the-dentry-itself", AT_FDCWD, "/keep/x", 0))
					while (remove_name(AT_FDCWD, "/keep/x", false) == -ENOMEM)
						;
				else
					while (remove_name(AT_FDCWD, "/keep/d/a-name-that-does-not-fit-into-the-dentry-itself", false) == -ENOMEM)
						;
			} else {
				/* Made, but not opened. */
				while (remove_name(AT_FDCWD, "/keep/d/a-name-that-does-not-fit-into-the-dentry-itself", false) == -ENOMEM)
					;
			}
			while (remove_name(AT_FDCWD, "/keep/d", true) == -ENOMEM)
				;
		}
		d_prune_tree(kernel_fs_context.root.dentry);
		t_settle();
	}
}

/* ---- a naive model: 40 possible names in a tree of depth 3; random changes to both, the same answers ---- */

#define NODES 40

struct model {
	enum { NONE, FILE_, DIR_ } kind[NODES];
};

/* Node n is child (n-1)%3 of node (n-1)/3; node 0 is the root. */
static int parent_of(int n) { return (n - 1) / 3; }

static void name_of(int n, char *buf)
{
	if (!n) {
		buf[0] = 0;
		return;
	}
	name_of(parent_of(n), buf);
	ksnprintf(buf + strlen(buf), 8, "/%c", 'a' + (n - 1) % 3);
}

/* -ENOENT or -ENOTDIR when the path to n breaks off. */
static int m_parent(const struct model *m, int n)
{
	int p = parent_of(n), err = p ? m_parent(m, p) : 0;

	if (err)
		return err;
	return m->kind[p] == DIR_ ? 0 : m->kind[p] == NONE ? -ENOENT : -ENOTDIR;
}

static bool m_empty(const struct model *m, int n)
{
	for (int c = 3 * n + 1; c <= 3 * n + 3 && c < NODES; c++)
		if (m->kind[c] != NONE)
			return false;
	return true;
}

static int m_make(struct model *m, int n, int kind)
{
	int err = m_parent(m, n);

	if (err)
		return err;
	if (m->kind[n] != NONE)
		return -EEXIST;
	m->kind[n] = kind;
	return 0;
}

static int m_remove(struct model *m, int n, bool dir)
{
	int err = m_parent(m, n);

	if (err)
		return err;
	if (m->kind[n] == NONE)
		return -ENOENT;
	if (dir != (m->kind[n] == DIR_))
		return dir ? -ENOTDIR : -EISDIR;
	if (dir && !m_empty(m, n))
		return -ENOTEMPTY;
	m->kind[n] = NONE;
	return 0;
}

static bool m_under(int n, int top)
{
	for (; n; n = parent_of(n))
		if (n == top)
			return true;
	return !top;
}

static void m_move_tree(struct model *m, int from, int to)
{
	m->kind[to] = m->kind[from];
	m->kind[from] = NONE;
	for (int k = 1; k <= 3; k++) {
		int f = 3 * from + k, g = 3 * to + k;

		if (f < NODES && g < NODES)
			m_move_tree(m, f, g);
	}
}

static int depth_below(const struct model *m, int n)
{
	int d = 0;

	for (int c = 3 * n + 1; c <= 3 * n + 3 && c < NODES; c++)
		if (m->kind[c] != NONE)
			d = max(d, 1 + depth_below(m, c));
	return d;
}

static int depth_of(int n)
{
	return n ? 1 + depth_of(parent_of(n)) : 0;
}

static int m_rename(struct model *m, int a, int b)
{
	int err = m_parent(m, a);

	if (!err)
		err = m_parent(m, b);
	if (err)
		return err;
	if (m->kind[a] == NONE)
		return -ENOENT;
	if (m->kind[a] == DIR_ && m_under(parent_of(b), a))
		return -EINVAL;
	if (m->kind[b] == DIR_ && m_under(parent_of(a), b))
		return -ENOTEMPTY;
	if (a == b)
		return 0;
	if (m->kind[b] != NONE && (m->kind[a] == DIR_) != (m->kind[b] == DIR_))
		return m->kind[a] == DIR_ ? -ENOTDIR : -EISDIR;
	if (m->kind[b] == DIR_ && !m_empty(m, b))
		return -ENOTEMPTY;
	m_move_tree(m, a, b);
	return 0;
}

static void compare(struct t *t, const struct model *m)
{
	char name[64];

	for (int n = 1; n < NODES; n++) {
		int err = m_parent(m, n);

		if (!err && m->kind[n] == NONE)
			err = -ENOENT;
		name_of(n, name);
		EXPECT_EQ(t, look(name, 0), err);
		if (!err)
			EXPECT_EQ(t, look(name, LOOKUP_DIRECTORY), m->kind[n] == DIR_ ? 0 : -ENOTDIR);
	}
}

TEST(vfs, model)
{
	struct model m = { .kind = { [0] = DIR_ } };

	vfs_machine(t, 1);
	for (int step = 0; step < 20000 && !t->failures; step++) {
		int n = 1 + (int)(t_random() % (NODES - 1)), k = 1 + (int)(t_random() % (NODES - 1)), got, want;
		char a[64], b[64];

		name_of(n, a);
		name_of(k, b);
		switch (t_random() % 8) {
		case 0: case 1:
			got = make_dir(a);
			want = m_make(&m, n, DIR_);
			break;
		case 2:
			got = make_file(a);
			want = m_make(&m, n, FILE_);
			break;
		case 3:
			got = remove_name(AT_FDCWD, a, false);
			want = m_remove(&m, n, false);
			break;
		case 4:
			got = remove_name(AT_FDCWD, a, true);
			want = m_remove(&m, n, true);
			break;
		case 5: case 6:
			if (depth_of(k) + depth_below(&m, n) > 3)
				continue;		/* the model has no room for it */
			got = rename_names(AT_FDCWD, a, AT_FDCWD, b, 0);
			want = m_rename(&m, n, k);
			break;
		default:
			if (step % 64 == 0)
				d_prune_tree(kernel_fs_context.root.dentry);
			continue;
		}
		if (got != want)
			t_fail(t, __FILE__, __LINE__, "step %d: %s, %s: %d, not %d", step, a, b, got, want);
		if (step % 97 == 0)
			compare(t, &m);
	}
	compare(t, &m);
}

/* Goal: names made, moved, removed and looked up by four CPUs at once: no lost node, no leak; TSan sees no race. */
static void churn(unsigned cpu, void *arg)
{
	char a[32], b[32];
	u64 seed = cpu + 1;

	current->cred = &cred_root;
	current->fs = &kernel_fs_context;
	for (int n = 0; n < 1500; n++) {
		struct file *f;

		seed = seed * 6364136223846793005ull + 1442695040888963407ull;
		ksnprintf(a, sizeof(a), "/s/%c%s", 'a' + (int)(seed >> 60 & 3), seed >> 40 & 1 ? "/x" : "");
		ksnprintf(b, sizeof(b), "/s/%c%s", 'a' + (int)(seed >> 56 & 3), seed >> 41 & 1 ? "/y" : "");
		switch (seed >> 33 & 7) {
		case 0:
			(void)!make_dir(a);
			break;
		case 1:
			(void)!remove_name(AT_FDCWD, a, seed >> 50 & 1);
			break;
		case 2: case 3:
			(void)!rename_names(AT_FDCWD, a, AT_FDCWD, b, seed >> 51 & 1 ? RENAME_EXCHANGE : 0);
			break;
		case 4:
			if (!vfs_open(a, O_RDWR | O_CREAT, 0600, &f)) {
				(void)!file_write_kernel(f, a, sizeof(a), 0);
				file_put(f);
			}
			break;
		case 5:
			if (n % 64 == 0)
				d_prune_tree(kernel_fs_context.root.dentry);
			break;
		default:
			(void)!look(a, LOOKUP_FOLLOW);
		}
	}
	current->fs = NULL;
}

/* Directories move into each other, so the tree may be deep. Link counts must say how many directories are in each. */
static void remove_tree(struct t *t, const char *dir)
{
	static const char names[] = "abcdxy";
	char path[1024];
	struct path p;

	if (path_lookup(AT_FDCWD, dir, 0, &p))
		return;
	for (int n = 0; names[n]; n++) {
		ksnprintf(path, sizeof(path), "%s/%c", dir, names[n]);
		if (remove_name(AT_FDCWD, path, false) == -EISDIR) {
			EXPECT_EQ(t, p.dentry->inode->nlink >= 3, 1);
			remove_tree(t, path);
		}
	}
	EXPECT_EQ(t, p.dentry->inode->nlink, 2);
	path_put(p);
	EXPECT_EQ(t, remove_name(AT_FDCWD, dir, true), 0);
}

TEST(vfs, four_cpus)
{
	vfs_machine(t, 4);
	make_dir("/s");
	host_on_cpus(4, churn, NULL);
	remove_tree(t, "/s");
	EXPECT_EQ(t, kernel_fs_context.root.dentry->inode->nlink, 2);
}

/* ---- archives ---- */

static size_t add_entry(char *at, const char *name, const char *data, u32 mode)
{
	size_t n = strlen(name) + 1, size = strlen(data), len;

	ksnprintf(at, 111, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 1, mode, 0, 0, 1, 0, (u32)size, 0, 0, 0, 0, (u32)n, 0);
	memcpy(at + 110, name, n);
	len = 110 + n;
	while (len % 4)
		at[len++] = 0;
	memcpy(at + len, data, size);
	len += size;
	while (len % 4)
		at[len++] = 0;
	return len;
}

static size_t make_archive(char *buf)
{
	size_t len = add_entry(buf, "dir", "", S_IFDIR | 0755);

	len += add_entry(buf + len, "dir/file", "contents of the file", S_IFREG | 0644);
	len += add_entry(buf + len, "link", "dir/file", S_IFLNK | 0777);
	return len + add_entry(buf + len, "TRAILER!!!", "", 0);
}

static int count_entries(const char *p, size_t len)
{
	struct cpio_entry e;
	size_t pos = 0;
	int n = 0, r;

	while ((r = cpio_next(p, len, &pos, &e)) == 1) {
		if (e.name < p || e.name + e.name_len >= p + len || (const char *)e.data < p || (const char *)e.data + e.size > p + len)
			return -1000;
		n++;
	}
	return r < 0 ? r : n;
}

TEST(cpio, whole_and_cut)
{
	static char buf[1024];
	size_t len = make_archive(buf);

	EXPECT_EQ(t, count_entries(buf, len), 3);
	for (size_t cut = 0; cut < len; cut++) {
		char *exact = memcpy(__builtin_malloc(cut ? cut : 1), buf, cut);	/* ASan sees the first byte too far */
		int n = count_entries(exact, cut);

		EXPECT(t, n == -EINVAL || (n >= 0 && n <= 3));
		__builtin_free(exact);
	}
}

TEST(cpio, hostile)
{
	static char buf[1024];
	size_t len = make_archive(buf);

	for (int round = 0; round < 20000; round++) {
		char *bad = memcpy(__builtin_malloc(len), buf, len);
		int n;

		for (u64 k = 1 + t_random() % 6; k; k--)
			bad[t_random() % len] = "0123456789abcdefF\0\377g/"[t_random() % 21];
		n = count_entries(bad, len);
		EXPECT(t, n > -1000);
		__builtin_free(bad);
	}
}

/* Goal: whatever the archive says, unpacking makes a tree or reports an error, and the machine stays whole. */
TEST(cpio, unpack)
{
	static char buf[1024], bad[1024], text[32];
	size_t len = make_archive(buf);
	struct file *f;

	vfs_machine(t, 1);
	EXPECT_EQ(t, initramfs_unpack(buf, len), 0);
	EXPECT_EQ(t, vfs_open("/link", O_RDONLY, 0, &f), 0);
	EXPECT_EQ(t, file_read_kernel(f, text, sizeof(text), 0), 20);
	EXPECT_STR(t, text, "contents of the file");
	file_put(f);
	for (int round = 0; round < 2000; round++) {
		memcpy(bad, buf, len);
		for (u64 k = 1 + t_random() % 6; k; k--)
			bad[t_random() % len] = "0123456789abcdefF\0\377g/."[t_random() % 22];
		(void)!initramfs_unpack(bad, len);
	}
}

static const u8 gz_dynamic[] = {
	31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 157, 214, 57, 14, 2, 49, 12, 64, 209, 158,
	83, 248, 0, 20, 120, 99, 57, 78, 36, 60, 16, 105, 20, 16, 147, 130, 227, 3, 71, 224,
	215, 214, 175, 252, 148, 120, 237, 163, 228, 32, 143, 69, 154, 204, 122, 79, 153, 247, 54, 229,
	85, 207, 106, 115, 147, 62, 183, 90, 151, 189, 180, 113, 253, 14, 106, 72, 187, 181, 62, 118,
	235, 47, 82, 18, 25, 137, 156, 68, 65, 162, 36, 209, 145, 68, 39, 18, 157, 73, 116, 65,
	203, 101, 36, 144, 9, 69, 40, 20, 169, 80, 196, 66, 145, 11, 69, 48, 20, 201, 80, 68,
	67, 145, 13, 67, 54, 140, 189, 23, 200, 134, 33, 27, 134, 108, 24, 178, 97, 200, 134, 33,
	27, 134, 108, 24, 178, 225, 200, 134, 35, 27, 206, 62, 19, 100, 195, 145, 13, 71, 54, 28,
	217, 112, 100, 195, 145, 13, 71, 54, 2, 217, 8, 100, 35, 144, 141, 96, 151, 6, 178, 17,
	200, 70, 32, 27, 129, 108, 4, 178, 17, 200, 70, 34, 27, 137, 108, 36, 178, 145, 200, 70,
	178, 51, 20, 217, 72, 100, 35, 145, 141, 68, 54, 242, 95, 27, 31, 138, 178, 237, 14, 158,
	12, 0, 0,
};
static const u8 gz_fixed[] = {
	31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 203, 201, 204, 75, 85, 48, 80, 200, 79, 83,
	72, 84, 40, 73, 173, 40, 81, 40, 201, 72, 44, 81, 40, 74, 45, 72, 77, 44, 41, 86,
	200, 44, 41, 78, 205, 73, 211, 81, 72, 204, 75, 1, 74, 164, 230, 41, 36, 166, 39, 102,
	230, 113, 229, 128, 52, 25, 146, 163, 201, 136, 28, 77, 198, 68, 104, 2, 0, 161, 182, 13,
	172, 200, 0, 0, 0,
};

static int unzip(const u8 *in, size_t n, u8 *out, size_t cap, size_t *used)
{
	struct gunzip_work w;
	u8 *exact = memcpy(__builtin_malloc(n), in, n);
	int err = gunzip(exact, n, out, cap, used, &w);

	__builtin_free(exact);
	return err;
}

TEST(inflate, whole_cut_and_damaged)
{
	static u8 out[8192], bad[4096];
	size_t used = 0, size = gunzip_size(gz_dynamic, sizeof(gz_dynamic));
	char want[100];

	EXPECT_EQ(t, unzip(gz_dynamic, sizeof(gz_dynamic), out, sizeof(out), &used), 0);
	EXPECT_EQ(t, used, size);
	ksnprintf(want, sizeof(want), "line %d of a text that repeats itself, and then again\n", 59);
	EXPECT(t, !memcmp(out + used - strlen(want), want, strlen(want)));
	EXPECT_EQ(t, unzip(gz_dynamic, sizeof(gz_dynamic), out, size - 1, &used), -ENOSPC);
	EXPECT_EQ(t, unzip(gz_fixed, sizeof(gz_fixed), out, sizeof(out), &used), 0);
	EXPECT_EQ(t, used, 200);
	for (size_t cut = 1; cut < sizeof(gz_dynamic) - 8; cut++)
		EXPECT(t, unzip(gz_dynamic, cut, out, sizeof(out), &used) < 0);
	for (int round = 0; round < 20000; round++) {
		memcpy(bad, gz_dynamic, sizeof(gz_dynamic));
		for (u64 k = 1 + t_random() % 4; k; k--)
			bad[t_random() % sizeof(gz_dynamic)] = (u8)t_random();
		(void)!unzip(bad, sizeof(gz_dynamic), out, sizeof(out), &used);
	}
}
