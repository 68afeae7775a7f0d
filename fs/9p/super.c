/*
 * super.c - mounting a 9p tree: options, the session, the root.
 *
 * Options are Linux's; those that choose what we do anyway (trans=virtio, version=9p2000.L, access=any) are checked and
 * otherwise ignored. cache=none|mmap|loose sets how long names and attributes are believed, nothing else: data always goes
 * through the page cache.
 */
#include <abi/errno.h>
#include <fs/fs.h>
#include <fs/procfs.h>
#include <kernel/main.h>
#include <kernel/printk.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/slab.h>

#include "p9.h"

struct p9_options {
	u32		msize;
	enum p9_cache	cache;
	char		uname[32], aname[256];
	u32		uid;
};

/* The value when opt (len bytes) is `key=value`, else NULL. */
static const char *value_of(const char *opt, size_t len, const char *key, size_t *vlen)
{
	size_t k = strlen(key);

	if (len <= k || memcmp(opt, key, k) || opt[k] != '=')
		return NULL;
	*vlen = len - k - 1;
	return opt + k + 1;
}

static bool value_is(const char *v, size_t len, const char *want)
{
	return len == strlen(want) && !memcmp(v, want, len);
}

static int copy_value(char *dst, size_t size, const char *v, size_t len)
{
	if (len >= size)
		return -EINVAL;
	memcpy(dst, v, len);
	dst[len] = 0;
	return 0;
}

static int parse_cache(struct p9_options *o, const char *v, size_t len)
{
	if (value_is(v, len, "none") || value_is(v, len, "0"))
		o->cache = P9_CACHE_NONE;
	else if (value_is(v, len, "mmap") || value_is(v, len, "readahead"))
		o->cache = P9_CACHE_MMAP;
	else if (value_is(v, len, "loose") || value_is(v, len, "fscache"))
		o->cache = P9_CACHE_LOOSE;
	else
		return -EINVAL;
	return 0;
}

static int parse_option(struct p9_options *o, const char *opt, size_t len)
{
	size_t n = 0;
	const char *v;

	if ((v = value_of(opt, len, "trans", &n)))
		return value_is(v, n, "virtio") ? 0 : -ENODEV;
	if ((v = value_of(opt, len, "version", &n)))
		return value_is(v, n, "9p2000.L") ? 0 : -EINVAL;
	if ((v = value_of(opt, len, "cache", &n)))
		return parse_cache(o, v, n);
	if ((v = value_of(opt, len, "msize", &n))) {
		o->msize = str_to_u64(v, NULL, 0);
		return o->msize >= 8192 ? 0 : -EINVAL;
	}
	if ((v = value_of(opt, len, "uname", &n)))
		return copy_value(o->uname, sizeof(o->uname), v, n);
	if ((v = value_of(opt, len, "aname", &n)))
		return copy_value(o->aname, sizeof(o->aname), v, n);
	return 0;			/* Linux ignores what it does not know, too */
}

static int parse_options(struct p9_options *o, const char *data)
{
	*o = (struct p9_options){ .cache = P9_CACHE_LOOSE, .uid = P9_NONUNAME };
	strscpy(o->uname, "nobody", sizeof(o->uname));
	while (data && *data) {
		const char *end = strchr(data, ',');
		size_t len = end ? (size_t)(end - data) : strlen(data);
		int err = parse_option(o, data, len);

		if (err)
			return err;
		data += len + (end != NULL);
	}
	return 0;
}

static void set_times(struct p9_sb *s, u32 flags)
{
	switch (s->cache) {
	case P9_CACHE_NONE:
		s->name_ttl = s->open_ttl = 0;
		break;
	case P9_CACHE_MMAP:
		s->name_ttl = s->open_ttl = NSEC_PER_SEC;
		break;
	default:
		s->name_ttl = 5 * NSEC_PER_SEC;
		s->open_ttl = (flags & MS_RDONLY ? 2 : 1) * NSEC_PER_SEC;
	}
}

static int p9_statfs_op(struct super_block *sb, struct statfs_k *st)
{
	int err = p9_statfs(p9_sb(sb)->client, p9_i(sb->root->inode)->fid, st);

	if (!err && !st->type)
		st->type = P9_MAGIC;
	return err;
}

static void p9_put_super(struct super_block *sb)
{
	struct p9_sb *s = p9_sb(sb);

	p9_client_destroy(s->client);
	kfree(s);
}

static int p9_show_options(struct super_block *sb, struct text *out)
{
	static const char *const names[] = { "none", "mmap", "loose" };
	struct p9_sb *s = p9_sb(sb);

	text_printf(out, ",access=any,msize=%u,cache=%s,trans=virtio", p9_msize(s->client), names[s->cache]);
	return 0;
}

static const struct super_ops p9_super_ops = {
	.evict = p9_evict,
	.statfs = p9_statfs_op,
	.put_super = p9_put_super,
	.show_options = p9_show_options,
};

static int attach_root(struct super_block *sb, const struct p9_options *o)
{
	struct p9_client *c = p9_sb(sb)->client;
	u32 fid = p9_fid_new(c);
	struct inode *root;
	struct p9_qid q;
	int err = p9_attach(c, fid, o->uname, o->aname, o->uid, &q);

	if (err)
		return err;
	err = p9_inode_get(sb, fid, &root);
	if (err)
		return err;
	sb->root = d_make_root(root);
	return sb->root ? 0 : -ENOMEM;
}

static int p9_mount(struct file_system_type *t, u32 flags, const char *source, const char *data, struct super_block **out)
{
	struct p9_options *o = kmalloc(sizeof(*o), GFP_KERNEL);
	struct p9_sb *s = kzalloc(sizeof(*s), GFP_KERNEL);
	struct super_block *sb = NULL;
	int err = -ENOMEM;

	if (!o || !s)
		goto free;
	err = parse_options(o, data);
	if (err)
		goto free;
	err = source && *source ? p9_client_create(source, o->msize, &s->client) : -EINVAL;
	if (err)
		goto free;
	s->cache = o->cache;
	strscpy(s->tag, source, sizeof(s->tag));
	set_times(s, flags);
	mutex_init(&s->new_lock, "9p-new", LOCK_SLEEP_LEAF);
	sb = sb_alloc(t, &p9_super_ops, flags);
	if (!sb) {
		err = -ENOMEM;
		p9_client_destroy(s->client);
		goto free;
	}
	sb->priv = s;
	sb->magic = P9_MAGIC;
	sb->max_bytes = S64_MAX;
	err = attach_root(sb, o);
	kfree(o);
	if (err) {
		sb_put(sb);		/* put_super frees s and the session */
		return err;
	}
	*out = sb;
	return 0;
free:
	kfree(o);
	kfree(s);
	return err;
}

static struct file_system_type p9_type = { .name = "9p", .mount = p9_mount };

static int report_show(struct text *out, void *arg)
{
	return p9_report(out);
}

static const struct proc_file report_file = { .path = "fs/9p", .mode = 0444, .show = report_show };

static int p9_fs_init(void)
{
	proc_register(&report_file);
	fs_register(&p9_type);
	return 0;
}
initcall(p9_fs_init, 2);
