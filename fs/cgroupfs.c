/*
 * cgroupfs.c - the cgroup2 file system: a directory for each cgroup, mkdir makes one, files show and set.
 *
 * SHAPE       one tree (struct memcg, mm/memcg.c) shared by all mounts. Directory and file inodes are made at lookup and not
 *             cached; each holds a reference to its cgroup, so an open file outlives rmdir and then says ENODEV.
 * LINUX       cgroup v2 with the one controller that this kernel has, memory. A cgroup has memory files when its parent's
 *             cgroup.subtree_control has "memory"; a cgroup other than the root cannot both hold processes and
 *             delegate a controller.
 * SOURCE      cgroups(7), the kernel's cgroup-v2 document
 */
#include "internal.h"
#include "procfs/procfs_private.h"
#include <fs/cgroup.h>
#include <kernel/main.h>
#include <lib/printf.h>

#define CGROUP2_MAGIC	0x63677270

struct cg_file {
	const char	*name;
	u32		mode;
	u8		flags;			/* CG_* */
	int		(*show)(struct text *out, struct memcg *m);
	int		(*write)(struct memcg *m, char *text);	/* NUL-terminated, without the newline. 0 or -errno */
	size_t		pages;			/* not 0: where in struct memcg the number of pages is that stands in for a function left out */
};
enum { CG_NOT_ROOT = 1, CG_MEMORY = 2, CG_PRESSURE = 4 };	/* not in the root; only with the memory controller; while stalls are counted */

struct cg_node {				/* priv of every inode here */
	struct memcg		*m;
	const struct cg_file	*file;		/* NULL: the directory */
	struct proc_file	text;		/* what text_open() wants; arg is this node */
};

static struct super_block *cg_sb;
static bool local_events;		/* mount option memory_localevents */

/* ---- numbers in and out ---- */

static int show_pages(struct text *out, long pages)
{
	if (pages >= MEMCG_NO_LIMIT)
		text_puts(out, "max\n");
	else
		text_printf(out, "%ld\n", pages << PAGE_SHIFT);
	return 0;
}

/* "max", or bytes with K, M, G; rounded down to pages. */
static int parse_pages(const char *s, long *pages)
{
	const char *end;
	u64 v;

	if (!strcmp(s, "max")) {
		*pages = MEMCG_NO_LIMIT;
		return 0;
	}
	v = str_to_size(s, &end);
	if (end == s || *end || *s == '-')
		return -EINVAL;
	*pages = (long)min(v >> PAGE_SHIFT, (u64)MEMCG_NO_LIMIT);
	return 0;
}

/* ---- cgroup.* ---- */

static int procs_show(struct text *out, struct memcg *m)
{
	cgroup_list(out, m, false);
	return 0;
}

static int threads_show(struct text *out, struct memcg *m)
{
	cgroup_list(out, m, true);
	return 0;
}

static int procs_write(struct memcg *m, char *text)
{
	const char *end;
	u64 pid = str_to_u64(text, &end, 10);
	int err;

	if (end == text || *end || pid > S32_MAX)
		return -EINVAL;
	memcg_lock();
	err = m != &memcg_root && m->subtree_memory ? -EBUSY : cgroup_attach((int)pid, m);
	memcg_unlock();
	return err;
}

static bool has_memory(const struct memcg *m)
{
	return !m->parent || m->parent->subtree_memory;
}

static int controllers_show(struct text *out, struct memcg *m)
{
	text_puts(out, has_memory(m) ? "memory\n" : "\n");
	return 0;
}

static int subtree_show(struct text *out, struct memcg *m)
{
	text_puts(out, m->subtree_memory ? "memory\n" : "\n");
	return 0;
}

static bool child_delegates(struct memcg *m)
{
	struct memcg *c;

	list_for_each(c, &m->children, sibling)
		if (c->subtree_memory)
			return true;
	return false;
}

/* "+memory", "-memory", several words; all or nothing. */
static int subtree_write(struct memcg *m, char *text)
{
	int want = -1, err = 0;

	while (*text) {
		size_t n = strcspn(text, " ");

		if (n && (n != 7 || strncmp(text + 1, "memory", 6) || (*text != '+' && *text != '-')))
			return -EINVAL;
		if (n)
			want = *text == '+';
		text += n + (text[n] == ' ');
	}
	if (want < 0)
		return 0;
	memcg_lock();
	if (want && !has_memory(m))
		err = -ENOENT;
	else if (want && m->parent && atomic_read(&m->nr_procs))
		err = -EBUSY;
	else if (!want && child_delegates(m))
		err = -EBUSY;
	else
		m->subtree_memory = want;
	memcg_unlock();
	return err;
}

static int events_show(struct text *out, struct memcg *m)
{
	text_printf(out, "populated %d\nfrozen 0\n", cgroup_populated(m));
	return 0;
}

static unsigned count_below(struct memcg *m)
{
	struct memcg *c;
	unsigned n = 0;

	list_for_each(c, &m->children, sibling)
		n += 1 + count_below(c);
	return n;
}

static int stat_show(struct text *out, struct memcg *m)
{
	memcg_lock();
	text_printf(out, "nr_descendants %u\nnr_dying_descendants 0\n", count_below(m));
	memcg_unlock();
	return 0;
}

static int type_show(struct text *out, struct memcg *m)
{
	text_puts(out, "domain\n");
	return 0;
}

static int max_show(struct text *out, struct memcg *m)
{
	text_puts(out, "max\n");
	return 0;
}

static int pressure_show(struct text *out, struct memcg *m)
{
	text_printf(out, "%d\n", !memcg_psi(m)->off);
	return 0;
}

static int pressure_switch(struct memcg *m, char *text)
{
	if ((*text != '0' && *text != '1') || text[1])
		return -EINVAL;
	psi_group_switch(memcg_psi(m), *text == '1');
	return 0;
}

static int kill_write(struct memcg *m, char *text)
{
	if (strcmp(text, "1"))
		return -EINVAL;
	cgroup_kill(m);
	return 0;
}

/* ---- memory.* ---- */

static int current_show(struct text *out, struct memcg *m)
{
	memcg_slab_sync();
	return show_pages(out, m->pages);
}

static int peak_show(struct text *out, struct memcg *m)
{
	memcg_slab_sync();
	return show_pages(out, m->peak);
}

/* What is over the new limit goes: by reclaim, then by killing, as long as there is somebody to kill. */
static int memmax_write(struct memcg *m, char *text)
{
	long pages;
	int err = parse_pages(text, &pages);

	if (err)
		return err;
	m->max = pages;
	while (READ_ONCE(m->pages) > pages) {
		memcg_shrink(m, pages, GFP_KERNEL);
		if (READ_ONCE(m->pages) <= pages || fatal_signal_pending() || !memcg_oom ||
		    !memcg_oom(m, GFP_KERNEL, 0))
			break;
	}
	return 0;
}

static int high_write(struct memcg *m, char *text)
{
	long pages;
	int err = parse_pages(text, &pages);

	if (err)
		return err;
	m->high = pages;
	memcg_shrink(m, pages, GFP_KERNEL);
	return 0;
}

static int protection_write(char *text, long *limit)
{
	int err = parse_pages(text, limit);

	if (!err && *limit)
		memcg_protects = true;
	return err;
}

static int min_write(struct memcg *m, char *text)
{
	return protection_write(text, &m->min);
}

static int low_write(struct memcg *m, char *text)
{
	return protection_write(text, &m->low);
}

static int group_show(struct text *out, struct memcg *m)
{
	text_printf(out, "%d\n", m->oom_group);
	return 0;
}

static int group_write(struct memcg *m, char *text)
{
	if ((*text != '0' && *text != '1') || text[1])
		return -EINVAL;
	m->oom_group = *text == '1';
	return 0;
}

static int show_events(struct text *out, const atomic_long_t *e)
{
	static const char *const names[NR_MEMCG_EVENTS] = { "low", "high", "max", "oom", "oom_kill", "oom_group_kill" };

	for (unsigned i = 0; i < NR_MEMCG_EVENTS; i++)
		text_printf(out, "%s %ld\n", names[i], atomic_read(&e[i]));
	return 0;
}

static int memevents_show(struct text *out, struct memcg *m)
{
	return show_events(out, local_events ? m->events_local : m->events);
}

static int memevents_local_show(struct text *out, struct memcg *m)
{
	return show_events(out, m->events_local);
}

static int memstat_show(struct text *out, struct memcg *m)
{
	memcg_stat_show(out, m);
	return 0;
}

static int numa_stat_show(struct text *out, struct memcg *m)
{
	memcg_numa_stat_show(out, m);
	return 0;
}

static int reclaim_write(struct memcg *m, char *text)
{
	long pages;
	int err = parse_pages(text, &pages);

	if (err)
		return err;
	return memcg_reclaim(m, (unsigned long)pages, GFP_KERNEL) >= (unsigned long)pages ? 0 : -EAGAIN;
}

/* ---- memory.swap.*, memory.zswap.* ---- */

static int swap_events_show(struct text *out, struct memcg *m)
{
	text_printf(out, "high %ld\nmax %ld\nfail %ld\n", atomic_read(&m->swap_events[SWAP_HIGH]),
		    atomic_read(&m->swap_events[SWAP_MAX]), atomic_read(&m->swap_events[SWAP_FAIL]));
	return 0;
}

static int zswap_current_show(struct text *out, struct memcg *m)
{
	text_printf(out, "%ld\n", m->zswap_bytes);
	return 0;
}

#define PAGES(name)	offsetof(struct memcg, name)

static const struct cg_file files[] = {
	{ "cgroup.controllers", 0444, 0, controllers_show, NULL },
	{ "cgroup.events", 0444, CG_NOT_ROOT, events_show, NULL },
	{ "cgroup.kill", 0200, CG_NOT_ROOT, NULL, kill_write },
	{ "cgroup.max.depth", 0444, 0, max_show, NULL },
	{ "cgroup.max.descendants", 0444, 0, max_show, NULL },
	{ "cgroup.pressure", 0644, 0, pressure_show, pressure_switch },
	{ "cgroup.procs", 0644, 0, procs_show, procs_write },
	{ "cgroup.stat", 0444, 0, stat_show, NULL },
	{ "cgroup.subtree_control", 0644, 0, subtree_show, subtree_write },
	{ "cgroup.threads", 0444, 0, threads_show, NULL },
	{ "cgroup.type", 0444, CG_NOT_ROOT, type_show, NULL },
	{ "memory.current", 0444, CG_NOT_ROOT | CG_MEMORY, current_show, NULL },
	{ "memory.events", 0444, CG_NOT_ROOT | CG_MEMORY, memevents_show, NULL },
	{ "memory.events.local", 0444, CG_NOT_ROOT | CG_MEMORY, memevents_local_show, NULL },
	{ "memory.high", 0644, CG_NOT_ROOT | CG_MEMORY, NULL, high_write, PAGES(high) },
	{ "memory.low", 0644, CG_NOT_ROOT | CG_MEMORY, NULL, low_write, PAGES(low) },
	{ "memory.max", 0644, CG_NOT_ROOT | CG_MEMORY, NULL, memmax_write, PAGES(max) },
	{ "memory.min", 0644, CG_NOT_ROOT | CG_MEMORY, NULL, min_write, PAGES(min) },
	{ "memory.numa_stat", 0444, CG_MEMORY, numa_stat_show, NULL },
	{ "memory.oom.group", 0644, CG_NOT_ROOT | CG_MEMORY, group_show, group_write },
	{ "memory.peak", 0444, CG_NOT_ROOT | CG_MEMORY, peak_show, NULL },
	{ "memory.pressure", 0644, CG_PRESSURE, NULL, NULL },
	{ "memory.reclaim", 0200, CG_MEMORY, NULL, reclaim_write },
	{ "memory.stat", 0444, CG_MEMORY, memstat_show, NULL },
	{ "memory.swap.current", 0444, CG_NOT_ROOT | CG_MEMORY, NULL, NULL, PAGES(swap_pages) },
	{ "memory.swap.events", 0444, CG_NOT_ROOT | CG_MEMORY, swap_events_show, NULL },
	{ "memory.swap.high", 0644, CG_NOT_ROOT | CG_MEMORY, NULL, NULL, PAGES(swap_high) },
	{ "memory.swap.max", 0644, CG_NOT_ROOT | CG_MEMORY, NULL, NULL, PAGES(swap_max) },
	{ "memory.swap.peak", 0444, CG_NOT_ROOT | CG_MEMORY, NULL, NULL, PAGES(swap_peak) },
	{ "memory.zswap.current", 0444, CG_NOT_ROOT | CG_MEMORY, zswap_current_show, NULL },
	{ "memory.zswap.max", 0644, CG_NOT_ROOT | CG_MEMORY, NULL, NULL, PAGES(zswap_max) },
};

static bool file_exists(const struct cg_file *f, const struct memcg *m)
{
	return !((f->flags & CG_NOT_ROOT) && !m->parent) && !((f->flags & CG_MEMORY) && !has_memory(m)) &&
	       !((f->flags & CG_PRESSURE) && memcg_psi((struct memcg *)m)->off);
}

/* ---- inodes ---- */

static const struct inode_ops cg_dir_iops, cg_file_iops;
static const struct file_ops cg_dir_fops, cg_file_fops, cg_pressure_fops;

static struct cg_node *node(const struct inode *i)
{
	return i->priv;
}

static long *pages_of(const struct cg_node *n)
{
	return (long *)((char *)n->m + n->file->pages);
}

static int node_show(struct text *out, void *arg)
{
	struct cg_node *n = arg;

	return n->file->show ? n->file->show(out, n->m) : show_pages(out, *pages_of(n));
}

static ssize_t node_write(const char *buf, size_t len, void *arg)
{
	struct cg_node *n = arg;
	char *copy = kstrdup(buf, GFP_KERNEL), *text;
	int err;

	if (!copy)
		return -ENOMEM;
	text = str_trim(copy);
	err = n->file->write ? n->file->write(n->m, text) : parse_pages(text, pages_of(n));
	kfree(copy);
	return err ? err : (ssize_t)len;
}

/* Takes its own reference to m. */
static int make_inode(struct super_block *sb, struct memcg *m, const struct cg_file *file, struct inode **out)
{
	struct cg_node *n = kzalloc(sizeof(*n), GFP_KERNEL);
	struct inode *i = n ? inode_alloc(sb) : NULL;

	if (!i) {
		kfree(n);
		return -ENOMEM;
	}
	memcg_get(m);
	n->m = m;
	n->file = file;
	i->priv = n;
	i->ino = m->id * 64 + (file ? (u64)(file - files) + 1 : 0);
	if (file) {
		n->text = (struct proc_file){ .path = file->name, .mode = file->mode, .arg = n,
					      .show = file->mode & 0444 ? node_show : NULL, .write = file->mode & 0222 ? node_write : NULL };
		i->mode = S_IFREG | file->mode;
		i->ops = &cg_file_iops;
		i->fops = file->flags & CG_PRESSURE ? &cg_pressure_fops : &cg_file_fops;
		i->nlink = 1;
	} else {
		i->mode = S_IFDIR | 0755;
		i->ops = &cg_dir_iops;
		i->fops = &cg_dir_fops;
		i->nlink = 2;
	}
	*out = i;
	return 0;
}

static void cg_evict(struct inode *i)
{
	struct cg_node *n = node(i);

	if (n) {
		memcg_put(n->m);
		kfree(n);
	}
}

static int cg_file_open(struct inode *i, struct file *f)
{
	return text_open(f, &node(i)->text, NULL, NULL);
}

/* A file opened before cgroup.pressure was set to 0 is gone, as for Linux. */
static ssize_t cg_pressure_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	struct psi_group *g = memcg_psi(node(f->inode)->m);

	return g->off ? -ENODEV : pressure_read_group(g, to, pos);
}

static ssize_t cg_pressure_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	struct psi_group *g = memcg_psi(node(f->inode)->m);

	return g->off ? -ENODEV : pressure_write_group(g, f, from);
}

static struct memcg *child_named(struct memcg *m, const struct qstr *name)
{
	struct memcg *c;

	list_for_each(c, &m->children, sibling)
		if (strlen(c->name) == name->len && !memcmp(c->name, name->name, name->len))
			return c;
	return NULL;
}

static int cg_lookup(struct inode *dir, struct dentry *d)
{
	struct memcg *m = node(dir)->m, *c;
	struct inode *i = NULL;
	int err = 0;

	memcg_lock();
	c = child_named(m, &d->name);
	if (c)
		err = make_inode(dir->sb, c, NULL, &i);
	memcg_unlock();
	for (unsigned f = 0; !c && f < ARRAY_SIZE(files); f++)
		if (file_exists(&files[f], m) && strlen(files[f].name) == d->name.len &&
		    !memcmp(files[f].name, d->name.name, d->name.len)) {
			err = make_inode(dir->sb, m, &files[f], &i);
			break;
		}
	if (err)
		return err;
	d->flags |= DCACHE_NOCACHE;
	d_instantiate(d, i);
	return 0;
}

static int cg_mkdir(struct inode *dir, struct dentry *d, u32 mode)
{
	struct memcg *m = node(dir)->m, *c = NULL;
	struct inode *i = NULL;
	int err = 0;

	if (d->name.len >= MEMCG_NAME_MAX)
		return -ENAMETOOLONG;
	memcg_lock();
	if (m->parent && list_empty(&m->sibling))
		err = -ENODEV;		/* removed */
	if (!err) {
		c = memcg_create(m, d->name.name, d->name.len);
		err = c ? make_inode(dir->sb, c, NULL, &i) : -ENOMEM;
		if (err && c)
			memcg_remove(c);
	}
	memcg_unlock();
	if (err)
		return err;
	d->flags |= DCACHE_NOCACHE;
	d_instantiate(d, i);
	return 0;
}

static int cg_rmdir(struct inode *dir, struct dentry *d)
{
	struct memcg *m = node(d->inode)->m;
	int err = 0;

	memcg_lock();
	if (!m->parent || list_empty(&m->sibling))
		err = -ENODEV;
	else if (atomic_read(&m->nr_procs) || !list_empty(&m->children))
		err = -EBUSY;
	else
		memcg_remove(m);
	memcg_unlock();
	return err;
}

static bool emit(struct dir_context *ctx, const char *name, u64 ino, unsigned type)
{
	if (!ctx->emit(ctx, name, (u32)strlen(name), ctx->pos + 1, ino, type))
		return false;
	ctx->pos++;
	return true;
}

/* Position: 0 and 1 the dots, then the table, then the children in order. */
static int cg_iterate(struct file *f, struct dir_context *ctx)
{
	struct memcg *m = node(f->inode)->m, *c;
	loff_t at = 2 + ARRAY_SIZE(files);

	if (ctx->pos == 0 && !emit(ctx, ".", m->id * 64, 4))
		return 0;
	if (ctx->pos == 1 && !emit(ctx, "..", (m->parent ? m->parent->id : m->id) * 64, 4))
		return 0;
	while (ctx->pos < at) {
		const struct cg_file *file = &files[ctx->pos - 2];

		if (!file_exists(file, m))
			ctx->pos++;
		else if (!emit(ctx, file->name, m->id * 64 + (u64)(ctx->pos - 1), 8))
			return 0;
	}
	memcg_lock();
	list_for_each(c, &m->children, sibling)
		if (at++ >= ctx->pos && !emit(ctx, c->name, c->id * 64, 4))
			break;
	memcg_unlock();
	return 0;
}

static const struct inode_ops cg_dir_iops = { .lookup = cg_lookup, .mkdir = cg_mkdir, .rmdir = cg_rmdir };
static const struct inode_ops cg_file_iops = { .setattr = pseudo_setattr };
static const struct file_ops cg_dir_fops = { .iterate = cg_iterate, .llseek = generic_llseek };
static const struct file_ops cg_file_fops = { .open = cg_file_open };
static const struct file_ops cg_pressure_fops = {
	.read = cg_pressure_read, .write = cg_pressure_write, .poll = pressure_poll, .release = pressure_release, .llseek = generic_llseek,
};

static int cg_statfs(struct super_block *sb, struct statfs_k *st)
{
	st->type = CGROUP2_MAGIC;
	st->bsize = st->frsize = PAGE_SIZE;
	st->namelen = MEMCG_NAME_MAX - 1;
	return 0;
}

/* ---- mount options: of the one tree, set anew by each mount ---- */

enum { OPT_RECURSIVE = 1, OPT_LOCAL = 2, OPT_NOTHING_TO_DO = 4 };

static int parse_options(const char *s, unsigned *out)
{
	static const struct { const char *name; unsigned bit; } known[] = {
		{ "memory_recursiveprot", OPT_RECURSIVE }, { "memory_localevents", OPT_LOCAL },
		{ "nsdelegate", OPT_NOTHING_TO_DO }, { "favordynmods", OPT_NOTHING_TO_DO },
	};

	for (*out = 0; s && *s; s += s[strcspn(s, ",")] == ',' ? strcspn(s, ",") + 1 : strcspn(s, ",")) {
		size_t n = strcspn(s, ",");
		unsigned found = 0;

		for (unsigned i = 0; i < ARRAY_SIZE(known); i++)
			if (strlen(known[i].name) == n && !strncmp(s, known[i].name, n))
				found = known[i].bit;
		if (n && !found)
			return -EINVAL;
		*out |= found;
	}
	return 0;
}

static void apply_options(unsigned options)
{
	memcg_recursive_protection = options & OPT_RECURSIVE;
	local_events = options & OPT_LOCAL;
}

static int cg_remount(struct super_block *sb, u32 flags, const char *data)
{
	unsigned options;
	int err = parse_options(data, &options);

	if (!err)
		apply_options(options);
	return err;
}

static int cg_show_options(struct super_block *sb, struct text *out)
{
	if (local_events)
		text_puts(out, ",memory_localevents");
	if (memcg_recursive_protection)
		text_puts(out, ",memory_recursiveprot");
	return 0;
}

static const struct super_ops cg_super_ops = {
	.statfs = cg_statfs, .evict = cg_evict, .remount = cg_remount, .show_options = cg_show_options,
};

static int cg_mount(struct file_system_type *t, u32 flags, const char *source, const char *data, struct super_block **out)
{
	unsigned options;
	struct inode *root;
	int err = parse_options(data, &options);

	if (err)
		return err;
	apply_options(options);
	if (cg_sb) {
		*out = sb_get(cg_sb);
		return 0;
	}
	cg_sb = sb_alloc(t, &cg_super_ops, flags);
	if (!cg_sb)
		return -ENOMEM;
	cg_sb->magic = CGROUP2_MAGIC;
	err = make_inode(cg_sb, &memcg_root, NULL, &root);
	if (!err) {
		cg_sb->root = d_make_root(root);
		err = cg_sb->root ? 0 : -ENOMEM;
	}
	if (err) {
		sb_put(cg_sb);
		cg_sb = NULL;
		return err;
	}
	*out = sb_get(cg_sb);
	return 0;
}

static struct file_system_type cgroup2_type = { .name = "cgroup2", .mount = cg_mount };

/* Without the ledger nothing is charged, so there are no cgroups. */
static int cgroupfs_init(void)
{
	if (memcg_available)
		fs_register(&cgroup2_type);
	return 0;
}
initcall(cgroupfs_init, 2);
