/*
 * dcache.c - names that were looked up: a hash of (parent, name), the tree, and a list of unused ones.
 *
 * WHY      a path walk should touch nothing but this table; the file system is asked once for each name, also for names
 *          that do not exist (negative dentries).
 * LIFE     dentry_alloc (refs 1, in the tree, not hashed) -> d_instantiate, d_rehash -> refs 0: on the unused list, still
 *          found -> shrinker or umount: killed. An unhashed dentry dies with its last reference.
 * LOCKS    dcache_lock (LOCK_DCACHE): tree links, parent and name changes, unused list, mount table. bucket lock
 *          (LOCK_DCACHE_BUCKET): one chain, and for its dentries the step 1 -> 0 of refs, 0 -> 1 in a lookup, flags, hash_link.
 *          dcache_lock before bucket lock. No RCU: a chain is walked under its lock, which is two instructions when free.
 * INVARIANTS
 *  D1  refs == 0  =>  hashed and on the unused list, or being killed under both locks.
 *  D2  a child holds a reference to its parent, so a parent is never killed before its children.
 *  D3  whoever holds a reference may read d->inode: it does not turn NULL before the reference is dropped (d_delete makes a
 *      dentry negative only when the caller's reference is the only one).
 *  D4  name, parent change only in d_move/d_exchange under dcache_lock and both bucket locks.
 */
#include "internal.h"
#include <lib/hash.h>
#include <mm/memcg.h>
#include <mm/page_alloc.h>
#include <mm/reclaim.h>

struct bucket {
	spinlock_t	lock;
	struct list	chain;
};

spinlock_t dcache_lock = SPINLOCK_INIT("dcache", LOCK_DCACHE);
static struct slab_cache *dentry_cache;
static struct bucket *buckets;
static unsigned bucket_mask;
static struct list lru = LIST_INIT(lru);
static unsigned long nr_lru;

/* Bucket lock held; the walk reads flags without it. */
static inline void flags_change(struct dentry *d, u32 clear, u32 set)
{
	WRITE_ONCE(d->flags, (d->flags & ~clear) | set);
}

/* ---- names and buckets ---- */

void qstr_init(struct qstr *q, const char *name, u32 len)
{
	u32 h = 0;

	for (u32 i = 0; i < len; i++)
		h = (h ^ (u8)name[i]) * 0x01000193u;
	*q = (struct qstr){ name, len, qstr_hash_finish(h, len) };
}

static inline u32 bucket_index(const struct dentry *parent, u32 hash)
{
	return (u32)hash_u64(((u64)(uintptr_t)parent >> 6) + hash, 24) & bucket_mask;
}

/* Rename may move d to another bucket while we wait for the lock. */
static struct bucket *bucket_lock(struct dentry *d)
{
	for (;;) {
		u32 n = READ_ONCE(d->bucket);

		spin_lock(&buckets[n].lock);
		if (likely(n == READ_ONCE(d->bucket)))
			return &buckets[n];
		spin_unlock(&buckets[n].lock);
	}
}

static bool name_equal(const struct dentry *d, const struct qstr *q)
{
	const char *a = d->name.name, *b = q->name;

	if (d->name.len != q->len)
		return false;
	for (u32 n = q->len; n; n--)
		if (*a++ != *b++)
			return false;
	return true;
}

struct dentry *d_lookup(struct dentry *parent, const struct qstr *q)
{
	struct bucket *b = &buckets[bucket_index(parent, q->hash)];
	struct dentry *d;

	spin_lock(&b->lock);
	list_for_each(d, &b->chain, hash_link)
		if (d->name.hash == q->hash && d->parent == parent && name_equal(d, q)) {
			atomic_inc(&d->refs);
			spin_unlock(&b->lock);
			return d;
		}
	spin_unlock(&b->lock);
	return NULL;
}

/* ---- birth ---- */

static struct dentry *dentry_new(const struct qstr *q)
{
	struct dentry *d = slab_alloc(dentry_cache, GFP_KERNEL | GFP_ZERO);
	char *name;

	if (!d)
		return NULL;
	name = q->len < DNAME_INLINE ? d->inline_name : kmalloc(q->len + 1, GFP_KERNEL);
	if (!name) {
		slab_free(dentry_cache, d);
		return NULL;
	}
	memcpy(name, q->name, q->len);
	name[q->len] = 0;
	d->name = (struct qstr){ name, q->len, q->hash };
	atomic_set(&d->refs, 1);
	d->parent = d;
	list_init(&d->hash_link);
	list_init(&d->sibling);
	list_init(&d->children);
	list_init(&d->lru);
	return d;
}

struct dentry *dentry_alloc(struct dentry *parent, const struct qstr *name)
{
	struct dentry *d = dentry_new(name);

	if (!d)
		return NULL;
	d->parent = dentry_get(parent);
	d->sb = parent->sb;
	d->bucket = bucket_index(parent, name->hash);
	spin_lock(&dcache_lock);
	d->cookie = ++parent->next_cookie;
	list_append(&parent->children, &d->sibling);
	spin_unlock(&dcache_lock);
	return d;
}

struct dentry *dentry_alloc_anon(struct super_block *sb, const char *name)
{
	struct qstr q;
	struct dentry *d;

	qstr_init(&q, name, (u32)strlen(name));
	d = dentry_new(&q);
	if (d) {
		d->sb = sb;
		d->flags = DCACHE_NOCACHE;
	}
	return d;
}

/* Locks of directories rank below those of files; an inode learns what it is after it was made. */
static void rank_directory(struct inode *i)
{
#ifdef DEBUG
	if (i && S_ISDIR(i->mode) && i->rwsem.debug.rank == LOCK_INODE)	/* else the file system gave it one */
		rwsem_init(&i->rwsem, "directory", LOCK_INODE_DIR);
#endif
}

struct dentry *d_make_root(struct inode *i)
{
	struct dentry *d;

	if (!i)
		return NULL;
	d = dentry_alloc_anon(i->sb, "/");
	if (!d) {
		inode_put(i);
		return NULL;
	}
	rank_directory(i);
	d->inode = i;
	return d;
}

void d_instantiate(struct dentry *d, struct inode *i)
{
	struct bucket *b;
	struct inode *old;

	rank_directory(i);
	b = bucket_lock(d);
	old = d->inode;

	smp_wmb();
	WRITE_ONCE(d->inode, i);
	flags_change(d, DCACHE_UNLINKED, 0);
	spin_unlock(&b->lock);
	if (old)
		inode_put(old);
}

static void unhash(struct dentry *d)
{
	if (d->flags & DCACHE_HASHED) {
		list_remove(&d->hash_link);
		flags_change(d, DCACHE_HASHED, 0);
	}
}

void d_drop(struct dentry *d)
{
	struct bucket *b = bucket_lock(d);

	unhash(d);
	spin_unlock(&b->lock);
}

void d_rehash(struct dentry *d)
{
	struct bucket *b = bucket_lock(d);

	if (!(d->flags & DCACHE_HASHED)) {
		flags_change(d, DCACHE_UNLINKED, DCACHE_HASHED);
		list_push(&b->chain, &d->hash_link);
	}
	spin_unlock(&b->lock);
}

void d_set_flag(struct dentry *d, u32 flag)
{
	struct bucket *b = bucket_lock(d);

	flags_change(d, 0, flag);
	spin_unlock(&b->lock);
}

void d_clear_flag(struct dentry *d, u32 flag)
{
	struct bucket *b = bucket_lock(d);

	flags_change(d, flag, 0);
	spin_unlock(&b->lock);
}

/* ---- death ---- */

static void lru_remove(struct dentry *d)
{
	if (d->flags & DCACHE_LRU) {
		flags_change(d, DCACHE_LRU, 0);
		list_remove(&d->lru);
		nr_lru--;
	}
}

/* Both locks held, refs 0. Afterwards only the caller knows d; dentry_free() finishes outside the locks. */
static void dentry_unlink_locked(struct dentry *d)
{
	unhash(d);
	lru_remove(d);
	list_remove(&d->sibling);
}

/* Returns the parent whose reference d held; NULL for a root. */
static struct dentry *dentry_free(struct dentry *d)
{
	struct dentry *parent = d->parent == d ? NULL : d->parent;

	if (d->inode)
		inode_put(d->inode);
	if (d->name.name != d->inline_name)
		kfree(d->name.name);
	slab_free(dentry_cache, d);
	return parent;
}

/* The last reference of a dentry that is not simply cached: first use, unhashed, or a root. True: d was unlinked, free it. */
static bool put_last_slow(struct dentry *d)
{
	struct bucket *b;
	bool kill = false;

	spin_lock(&dcache_lock);
	b = bucket_lock(d);
	if (!atomic_dec_and_test(&d->refs))
		goto out;
	if ((d->flags & DCACHE_HASHED) && !(d->flags & DCACHE_NOCACHE)) {
		if (!(d->flags & DCACHE_LRU)) {
			flags_change(d, 0, DCACHE_LRU);
			list_push(&lru, &d->lru);
			nr_lru++;
		}
	} else {
		dentry_unlink_locked(d);
		kill = true;
	}
out:
	spin_unlock(&b->lock);
	spin_unlock(&dcache_lock);
	return kill;
}

void dentry_put(struct dentry *d)
{
	while (d) {
		struct bucket *b;

		if (atomic_add_unless(&d->refs, -1, 1))
			return;
		b = bucket_lock(d);
		if ((d->flags & (DCACHE_LRU | DCACHE_HASHED | DCACHE_NOCACHE)) == (DCACHE_LRU | DCACHE_HASHED)) {
			atomic_dec(&d->refs);
			flags_change(d, 0, DCACHE_REFERENCED);
			spin_unlock(&b->lock);
			return;
		}
		spin_unlock(&b->lock);
		if (!put_last_slow(d))
			return;
		d = dentry_free(d);
	}
}

static unsigned long dcache_count(struct shrinker *s)
{
	return READ_ONCE(nr_lru) * (unsigned long)sysctl_vfs_cache_pressure / 100;
}

/* Move up to nr dead dentries from the unused list's tail to `out`. Used ones and those whose inode has pages go round. */
static unsigned long lru_isolate(unsigned long nr, struct super_block *sb, bool force, struct list *out)
{
	unsigned long n = 0, look;

	spin_lock(&dcache_lock);
	look = force ? nr_lru : min(nr_lru, nr * 4);
	while (n < nr && look--) {
		struct dentry *d = list_last_entry(&lru, struct dentry, lru);
		struct bucket *b = bucket_lock(d);

		if (atomic_read(&d->refs) || (sb && d->sb != sb) ||
		    (!force && ((d->flags & DCACHE_REFERENCED) || (d->inode && d->inode->data.nr_pages)))) {
			flags_change(d, DCACHE_REFERENCED, 0);
			list_move_to_front(&lru, &d->lru);
		} else {
			dentry_unlink_locked(d);
			list_append(out, &d->lru);
			n++;
		}
		spin_unlock(&b->lock);
	}
	spin_unlock(&dcache_lock);
	return n;
}

static unsigned long dispose(struct list *dead)
{
	unsigned long n = 0;
	struct list *l;

	while ((l = list_first(dead))) {
		struct dentry *d = list_entry(l, struct dentry, lru);

		list_remove(l);
		dentry_put(dentry_free(d));
		n++;
	}
	return n;
}

/* The same where there are cgroups: those of others, and what is protected, keep their place. */
static unsigned long lru_isolate_memcg(unsigned long nr, struct memcg_scope *who, struct list *out)
{
	struct dentry *d, *prev;
	unsigned long n = 0;

	who->m = NULL;
	spin_lock(&dcache_lock);
	for (d = list_last_entry(&lru, struct dentry, lru); d && n < nr; d = prev) {
		struct bucket *b;

		prev = d->lru.prev == &lru ? NULL : list_entry(d->lru.prev, struct dentry, lru);
		if (memcg_spares(who, slab_object_owner(d), 0, true))
			continue;
		b = bucket_lock(d);
		if (atomic_read(&d->refs) || (d->flags & DCACHE_REFERENCED) || (d->inode && d->inode->data.nr_pages)) {
			flags_change(d, DCACHE_REFERENCED, 0);
		} else {
			dentry_unlink_locked(d);
			list_append(out, &d->lru);
			n++;
		}
		spin_unlock(&b->lock);
	}
	spin_unlock(&dcache_lock);
	return n;
}

static unsigned long dcache_scan(struct shrinker *s, unsigned long nr, gfp_t gfp, struct memcg_scope *who)
{
	struct list dead = LIST_INIT(dead);

	if (!(gfp & GFP_FS))
		return 0;
	if (who)
		lru_isolate_memcg(nr, who, &dead);
	else
		lru_isolate(nr, NULL, false, &dead);
	return dispose(&dead);
}

static struct shrinker dcache_shrinker = { .count = dcache_count, .scan = dcache_scan, .name = "dentry" };

/* All unused dentries of root's file system. */
void d_prune_tree(struct dentry *root)
{
	struct list dead = LIST_INIT(dead);

	while (lru_isolate(256, root->sb, true, &dead))
		dispose(&dead);
}

/*
 * The file system goes away and nobody uses it: free every dentry, leaves first. References that remain are the file
 * system's own (pinned names).
 */
void d_destroy_tree(struct dentry *root)
{
	struct dentry *d = root;

	d_prune_tree(root);
	for (;;) {
		struct dentry *child, *parent;
		struct bucket *b;

		spin_lock(&dcache_lock);
		while ((child = list_first_entry(&d->children, struct dentry, sibling)))
			d = child;
		b = bucket_lock(d);
		dentry_unlink_locked(d);
		spin_unlock(&b->lock);
		spin_unlock(&dcache_lock);
		parent = dentry_free(d);
		if (!parent)
			return;			/* that was the root */
		atomic_dec(&parent->refs);
		d = parent;
		cond_resched();
	}
}

/* The directory is being removed: its cached negative children must not keep it. */
void d_prune_children(struct dentry *dir)
{
	struct list dead = LIST_INIT(dead);
	struct dentry *d, *next;

	spin_lock(&dcache_lock);
	list_for_each_safe(d, next, &dir->children, sibling) {
		struct bucket *b = bucket_lock(d);

		if (!atomic_read(&d->refs) && !d->inode) {
			dentry_unlink_locked(d);
			list_append(&dead, &d->lru);
		}
		spin_unlock(&b->lock);
	}
	spin_unlock(&dcache_lock);
	dispose(&dead);
}

/* ---- changes of names ---- */

void d_delete(struct dentry *d)
{
	struct bucket *b = bucket_lock(d);
	struct inode *i = NULL;

	if (atomic_read(&d->refs) == 1 && !(d->flags & (DCACHE_NOCACHE | DCACHE_PINNED))) {
		i = d->inode;
		WRITE_ONCE(d->inode, NULL);
	} else {
		unhash(d);
		flags_change(d, 0, DCACHE_UNLINKED);
	}
	spin_unlock(&b->lock);
	if (i)
		inode_put(i);
}

static void swap_names(struct dentry *a, struct dentry *b)
{
	bool a_inline = a->name.name == a->inline_name, b_inline = b->name.name == b->inline_name;
	char tmp[DNAME_INLINE];
	struct qstr q = a->name;

	memcpy(tmp, a->inline_name, DNAME_INLINE);
	memcpy(a->inline_name, b->inline_name, DNAME_INLINE);
	memcpy(b->inline_name, tmp, DNAME_INLINE);
	a->name = b->name;
	b->name = q;
	if (b_inline)
		a->name.name = a->inline_name;
	if (a_inline)
		b->name.name = b->inline_name;
}

static void two_buckets_lock(u32 x, u32 y)
{
	spin_lock(&buckets[min(x, y)].lock);
	if (x != y)
		spin_lock_nested(&buckets[max(x, y)].lock);
}

static void two_buckets_unlock(u32 x, u32 y)
{
	if (x != y)
		spin_unlock(&buckets[max(x, y)].lock);
	spin_unlock(&buckets[min(x, y)].lock);
}

/* d and t swap name, parent and bucket. Their hash links are set up again by the caller's flags. */
static void exchange_places(struct dentry *d, struct dentry *t, bool keep_target)
{
	u32 x, y;

	spin_lock(&dcache_lock);
	x = d->bucket;
	y = t->bucket;
	two_buckets_lock(x, y);
	unhash(d);
	unhash(t);
	swap_names(d, t);
	if (d->parent != t->parent) {
		struct dentry *p = d->parent;

		d->parent = t->parent;
		t->parent = p;
	}
	list_remove(&d->sibling);
	list_remove(&t->sibling);
	list_append(&d->parent->children, &d->sibling);
	list_append(&t->parent->children, &t->sibling);
	d->cookie = ++d->parent->next_cookie;
	t->cookie = ++t->parent->next_cookie;
	WRITE_ONCE(d->bucket, y);
	WRITE_ONCE(t->bucket, x);
	flags_change(d, 0, DCACHE_HASHED);
	list_push(&buckets[y].chain, &d->hash_link);
	if (keep_target) {
		flags_change(t, 0, DCACHE_HASHED);
		list_push(&buckets[x].chain, &t->hash_link);
	} else if (t->inode) {
		flags_change(t, 0, DCACHE_UNLINKED);
	}
	two_buckets_unlock(x, y);
	spin_unlock(&dcache_lock);
}

void d_move(struct dentry *d, struct dentry *target)
{
	exchange_places(d, target, false);
}

void d_exchange(struct dentry *a, struct dentry *b)
{
	exchange_places(a, b, true);
}

/* ---- the tree ---- */

bool d_is_ancestor(const struct dentry *a, const struct dentry *d)
{
	bool yes = false;

	spin_lock(&dcache_lock);
	for (;; d = d->parent) {
		if (d == a)
			yes = true;
		if (yes || d->parent == d)
			break;
	}
	spin_unlock(&dcache_lock);
	return yes;
}

struct dentry *d_parent_get(struct dentry *d)
{
	struct dentry *p;

	spin_lock(&dcache_lock);
	p = dentry_get(d->parent);
	spin_unlock(&dcache_lock);
	return p;
}

/* Children are in the order of their cookies. prev, when given, is still a child: the directory's rwsem is held. */
struct dentry *d_next_child(struct dentry *dir, struct dentry *prev, u32 from)
{
	struct dentry *found = NULL;
	struct list *l;

	spin_lock(&dcache_lock);
	for (l = prev ? prev->sibling.next : dir->children.next; l != &dir->children; l = l->next) {
		struct dentry *d = list_entry(l, struct dentry, sibling);

		if (d->inode && d->cookie >= from && !(d->flags & DCACHE_UNLINKED)) {
			struct bucket *b = bucket_lock(d);

			found = dentry_get(d);
			spin_unlock(&b->lock);
			break;
		}
	}
	spin_unlock(&dcache_lock);
	dentry_put(prev);
	return found;
}

bool d_has_children(struct dentry *dir)
{
	struct dentry *d;
	bool yes = false;

	spin_lock(&dcache_lock);
	list_for_each(d, &dir->children, sibling)
		if (d->inode && !(d->flags & DCACHE_UNLINKED)) {
			yes = true;
			break;
		}
	spin_unlock(&dcache_lock);
	return yes;
}

void dcache_init(void)
{
	unsigned n = 256;

	while (n < 16384 && n < nr_total_pages() / 32)
		n *= 2;
	dentry_cache = slab_cache_create("dentry", sizeof(struct dentry), 0, SLAB_RECLAIMABLE | SLAB_PANIC, NULL);
	buckets = kvmalloc(n * sizeof(*buckets), GFP_KERNEL);
	if (!buckets)
		panic("no memory for the dentry hash");
	bucket_mask = n - 1;
	for (unsigned i = 0; i < n; i++) {
		spin_lock_init(&buckets[i].lock, "dcache_bucket", LOCK_DCACHE_BUCKET);
		list_init(&buckets[i].chain);
	}
	shrinker_register(&dcache_shrinker);
}
