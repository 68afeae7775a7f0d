/*
 * vma.c - areas of an address space: the tree, free space, split and merge.
 *
 * SHAPE       mm->vmas, a red-black tree by address, and the same areas chained by prev and next. Each node also knows the
 *             largest unmapped stretch right below any area of its subtree, so a fitting hole is found in O(depth).
 * INVARIANTS  V1 areas are page-aligned, not empty, sorted, disjoint.          V2 list and tree agree, nr_vmas counts them.
 *             V3 subtree_gap is right.     V4 neighbours that could be one area are one (as Linux shows in /proc/PID/maps;
 *             kept by vma_merge() at each change, not checked).
 * LOCKS       mm->mmap_lock for writing, by mm_write_lock(), to change anything; faults may look without it (mm/fault.c). Bounds and pgoff also change under the file's i_mmap_lock and
 *             the anon_vma's lock, since walks from a page to its entries read them without mmap_lock. Areas being merged
 *             overlap for a moment there: the survivor grows before the others shrink, so no walk misses an entry.
 * MERGING     never allocates: the survivor of a merge is always an existing area.
 * READ NEXT   mm/mmap.c, mm/rmap.c
 */
#include "internal.h"

struct slab_cache *vma_cache;

/* ---- the tree --------------------------------------------------------------------------------------------- */

static inline struct vma *node_vma(struct rb_node *n)
{
	return rb_entry(n, struct vma, node);
}

/* Where the guard gap below a growing stack begins: nothing else may be placed above it. */
vaddr_t vma_guard_start(const struct vma *v)
{
	if (likely(!(v->flags & VM_GROWSDOWN)))
		return v->start;
	return v->start > STACK_GUARD_GAP ? v->start - STACK_GUARD_GAP : 0;
}

static vaddr_t vma_own_gap(const struct vma *v)
{
	vaddr_t below = v->prev ? v->prev->end : 0, start = vma_guard_start(v);

	return start > below ? start - below : 0;
}

static void vma_gap_update(struct rb_node *n)
{
	struct vma *v = node_vma(n);
	vaddr_t gap = vma_own_gap(v);

	if (n->left && node_vma(n->left)->subtree_gap > gap)
		gap = node_vma(n->left)->subtree_gap;
	if (n->right && node_vma(n->right)->subtree_gap > gap)
		gap = node_vma(n->right)->subtree_gap;
	v->subtree_gap = gap;
}

/* The gap below v changed; ancestors are revisited only as far as something changes. */
static void vma_gap_changed(struct vma *v)
{
	struct rb_node *n = &v->node;

	while (n) {
		vaddr_t before = node_vma(n)->subtree_gap;

		vma_gap_update(n);
		if (node_vma(n)->subtree_gap == before)
			break;
		n = rb_parent(n);
	}
}

struct vma *vma_find(struct mm *mm, vaddr_t addr)
{
	struct vma *v = READ_ONCE(mm->last_vma), *found = NULL;
	struct rb_node *n;

	if (v && v->start <= addr && addr < v->end)
		return v;
	for (n = mm->vmas.node; n; ) {
		v = node_vma(n);
		if (v->end > addr) {
			found = v;
			if (v->start <= addr)
				break;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	if (found)
		WRITE_ONCE(mm->last_vma, found);
	return found;
}

struct vma *vma_at(struct mm *mm, vaddr_t addr)
{
	struct vma *v = vma_find(mm, addr);

	return v && v->start <= addr ? v : NULL;
}

static void vma_tree_insert(struct mm *mm, struct vma *v, struct vma *prev)
{
	struct vma *next = prev ? prev->next : mm->first;
	struct rb_node **link, *parent;

	/* Right after prev in order: prev's right child if it has none, else next's left. */
	if (prev && !prev->node.right) {
		parent = &prev->node;
		link = &prev->node.right;
	} else if (next) {
		parent = &next->node;
		link = &next->node.left;
	} else {
		parent = NULL;
		link = &mm->vmas.node;
	}
	v->prev = prev;
	v->next = next;
	if (prev)
		prev->next = v;
	else
		mm->first = v;
	if (next)
		next->prev = v;
	rb_insert_augmented(&mm->vmas, &v->node, parent, link, vma_gap_update);
	if (next)
		vma_gap_changed(next);
	mm->nr_vmas++;
}

static void vma_tree_remove(struct mm *mm, struct vma *v)
{
	struct vma *next = v->next;

	rb_erase_augmented(&mm->vmas, &v->node, vma_gap_update);
	if (v->prev)
		v->prev->next = next;
	else
		mm->first = next;
	if (next) {
		next->prev = v->prev;
		vma_gap_changed(next);
	}
	if (mm->last_vma == v)
		mm->last_vma = NULL;
	mm->nr_vmas--;
}

/* ---- the file's index of areas ---------------------------------------------------------------------------- */

static inline struct vma *inode_vma(struct rb_node *n)
{
	return rb_entry(n, struct vma, i_mmap_node);
}

static void i_mmap_update(struct rb_node *n)
{
	struct vma *v = inode_vma(n);
	pgoff_t last = v->pgoff + vma_pages(v) - 1;

	if (n->left)
		last = max(last, inode_vma(n->left)->i_mmap_last);
	if (n->right)
		last = max(last, inode_vma(n->right)->i_mmap_last);
	v->i_mmap_last = last;
}

static void i_mmap_insert(struct vma *v)
{
	struct rb_node **link = &v->mapping->i_mmap.node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = v->pgoff < inode_vma(parent)->pgoff ? &parent->left : &parent->right;
	}
	rb_insert_augmented(&v->mapping->i_mmap, &v->i_mmap_node, parent, link, i_mmap_update);
}

static bool vma_shared_writable(const struct vma *v)
{
	return (v->flags & (VM_SHARED | VM_MAYWRITE)) == (VM_SHARED | VM_MAYWRITE);
}

void vma_file_link(struct vma *v)
{
	if (!v->mapping)
		return;
	mutex_lock(&v->mapping->i_mmap_lock);
	i_mmap_insert(v);
	if (vma_shared_writable(v))
		v->mapping->nr_shared_writable++;
	mutex_unlock(&v->mapping->i_mmap_lock);
}

void vma_file_unlink(struct vma *v)
{
	if (!v->mapping)
		return;
	mutex_lock(&v->mapping->i_mmap_lock);
	rb_erase_augmented(&v->mapping->i_mmap, &v->i_mmap_node, i_mmap_update);
	if (vma_shared_writable(v))
		v->mapping->nr_shared_writable--;
	mutex_unlock(&v->mapping->i_mmap_lock);
}

/* ---- making and placing ----------------------------------------------------------------------------------- */

struct vma *vma_alloc(struct mm *mm)
{
	struct vma *v = slab_alloc(vma_cache, GFP_KERNEL | GFP_ZERO);

	if (v) {
		v->mm = mm;
		list_init(&v->anon_link);
	}
	return v;
}

struct vma *vma_dup(const struct vma *v)
{
	struct vma *d = slab_alloc(vma_cache, GFP_KERNEL);

	if (!d)
		return NULL;
	*d = *v;
	d->anon_vma = NULL;
	list_init(&d->anon_link);
	if (d->file)
		vma_file_get(d->file);
	return d;
}

void vma_free(struct vma *v)
{
	anon_vma_unlink(v);
	if (v->file) {
		v->next = v->mm->dead;
		v->mm->dead = v;
	} else {
		slab_free(vma_cache, v);
	}
}

/* Letting go of a file may need locks below mmap_lock: only when it is released. */
void mm_free_dead(struct mm *mm)
{
	struct vma *v = mm->dead, *next;

	mm->dead = NULL;
	for (; v; v = next) {
		next = v->next;
		vma_file_put(v->file);
		slab_free(vma_cache, v);
	}
}

void mm_write_unlock(struct mm *mm)
{
	struct vma *v = mm->dead, *next;

	mm->dead = NULL;
	rwsem_write_unlock(&mm->mmap_lock);
	for (; v; v = next) {
		next = v->next;
		vma_file_put(v->file);
		slab_free(vma_cache, v);
	}
}

void vma_insert_after(struct mm *mm, struct vma *v, struct vma *prev)
{
	debug_assert(!prev || prev->end <= v->start);
	vma_tree_insert(mm, v, prev);
	vma_file_link(v);
}

void vma_insert(struct mm *mm, struct vma *v)
{
	struct vma *next = vma_find(mm, v->start);
	struct vma *prev = NULL;

	if (next) {
		prev = next->prev;
	} else {
		struct rb_node *last = rb_last(&mm->vmas);

		prev = last ? node_vma(last) : NULL;
	}
	vma_insert_after(mm, v, prev);
}

void vma_remove(struct mm *mm, struct vma *v)
{
	vma_file_unlink(v);
	vma_tree_remove(mm, v);
}

/* Change bounds in place. Order among the neighbours stays. */
void vma_resize(struct vma *v, vaddr_t start, vaddr_t end, pgoff_t pgoff)
{
	struct address_space *m = v->mapping;
	struct anon_vma *av = v->anon_vma;
	bool start_moved = start != v->start, end_moved = end != v->end;

	if (m) {
		mutex_lock(&m->i_mmap_lock);
		rb_erase_augmented(&m->i_mmap, &v->i_mmap_node, i_mmap_update);
	}
	if (av)
		rwsem_write_lock(&av->lock);
	v->start = start;
	v->end = end;
	v->pgoff = pgoff;
	if (av)
		rwsem_write_unlock(&av->lock);
	if (m) {
		i_mmap_insert(v);
		mutex_unlock(&m->i_mmap_lock);
	}
	if (start_moved)
		vma_gap_changed(v);
	if (end_moved && v->next)
		vma_gap_changed(v->next);
}

void vma_set_prot(struct vma *v)
{
	u32 f = v->flags;
	bool write = (f & VM_WRITE) && (f & VM_SHARED) && !(f & VM_SOFTCLEAN) && !vma_tracks_dirty(v);

	v->prot = pgprot_user(f & VM_READ, write, f & VM_EXEC);
	if ((f & VM_WRITE) && !(f & (VM_READ | VM_EXEC)) && !write)	/* write-only: readable, as on every x86 */
		v->prot = pgprot_user(true, false, false);
}

/* ---- split and merge -------------------------------------------------------------------------------------- */

/*
 * Make two areas of one, at addr strictly inside. v keeps the upper part when new_below, else the lower one.
 * Returns 0, -ENOMEM (also when the mm has sysctl_max_map_count areas).
 */
int vma_split(struct mm *mm, struct vma *v, vaddr_t addr, bool new_below)
{
	pgoff_t upper_pgoff = vma_pgoff(v, addr);
	struct vma *d;

	debug_assert(v->start < addr && addr < v->end);
	if (mm->nr_vmas >= sysctl_max_map_count)
		return -ENOMEM;
	d = vma_dup(v);
	if (!d)
		return -ENOMEM;
	if (new_below) {
		d->end = addr;
	} else {
		d->start = addr;
		d->pgoff = upper_pgoff;
	}
	anon_vma_join(d, v->anon_vma);		/* visible to walks before v lets go of the part */
	if (new_below) {
		struct vma *prev = v->prev;

		vma_file_link(d);
		vma_resize(v, addr, v->end, upper_pgoff);
		vma_tree_insert(mm, d, prev);
	} else {
		vma_file_link(d);
		vma_resize(v, v->start, addr, v->pgoff);
		vma_tree_insert(mm, d, v);
	}
	if (d->ops && d->ops->open)
		d->ops->open(d);
	return 0;
}

#define VM_NO_MERGE (VM_IO | VM_DONTEXPAND | VM_PFNMAP | VM_MIXEDMAP)

void vma_key_of(const struct vma *v, struct vma_key *k)
{
	*k = (struct vma_key){ .flags = v->flags, .file = v->file, .mapping = v->mapping, .ops = v->ops, .priv = v->priv,
			       .anon_vma = v->anon_vma, .pgoff = v->pgoff, .name = v->name };
}

static bool vma_matches(const struct vma *v, const struct vma_key *k, pgoff_t pgoff)
{
	return !((v->flags ^ k->flags) & ~VM_SOFTCLEAN) && v->file == k->file && v->mapping == k->mapping && v->ops == k->ops &&
	       v->priv == k->priv && v->pgoff == pgoff &&
	       (v->anon_vma == k->anon_vma || !v->anon_vma || !k->anon_vma) && v->name == k->name;
}

static void vma_absorb(struct mm *mm, struct vma *gone)
{
	vma_remove(mm, gone);
	if (gone->ops && gone->ops->close)
		gone->ops->close(gone);
	vma_free(gone);
}

/* Half of a merged area is new: all of it counts as written. */
static void join_soft_dirty(struct vma *v, u32 flags)
{
	if (likely(!((v->flags ^ flags) & VM_SOFTCLEAN)))
		return;
	v->flags &= ~VM_SOFTCLEAN;
	vma_set_prot(v);
}

struct vma *vma_merge(struct mm *mm, struct vma *prev, vaddr_t start, vaddr_t end, const struct vma_key *k)
{
	struct vma *cur = NULL, *next, *all[3];
	bool prev_ok, next_ok;
	pgoff_t pages = (end - start) >> PAGE_SHIFT;
	struct anon_vma *av = k->anon_vma;

	if ((k->flags & VM_NO_MERGE) || (k->ops && k->ops->close))
		return NULL;
	next = prev ? prev->next : mm->first;
	if (prev && prev->end > start) {	/* the range is the upper part of prev */
		cur = prev;
		prev = NULL;
	} else if (next && next->start < end) {
		cur = next;
		next = cur->next;
	}
	if (cur && cur->end != end)
		next = NULL;
	prev_ok = prev && prev->end == start && vma_matches(prev, k, k->pgoff - vma_pages(prev));
	next_ok = next && next->start == end && vma_matches(next, k, k->pgoff + pages);
	if (prev_ok && next_ok && prev->anon_vma && next->anon_vma && prev->anon_vma != next->anon_vma)
		next_ok = false;
	if (prev_ok) {
		all[0] = cur && cur->end == end ? cur : NULL;
		all[1] = next_ok ? next : NULL;
		if (!av && next_ok)
			av = next->anon_vma;
		if (!prev->anon_vma && av)
			anon_vma_join(prev, av);
		join_soft_dirty(prev, k->flags);
		if (next_ok)
			join_soft_dirty(prev, next->flags);
		vma_resize(prev, prev->start, next_ok ? next->end : end, prev->pgoff);
		if (cur && cur->end > end)
			vma_resize(cur, end, cur->end, vma_pgoff(cur, end));
		for (int i = 0; i < 2; i++)
			if (all[i])
				vma_absorb(mm, all[i]);
		if (prev->next)
			vma_gap_changed(prev->next);
		return prev;
	}
	if (next_ok) {
		if (!next->anon_vma && av)
			anon_vma_join(next, av);
		join_soft_dirty(next, k->flags);
		vma_resize(next, start, next->end, k->pgoff);
		if (cur && cur->start < start)
			vma_resize(cur, cur->start, start, cur->pgoff);
		else if (cur)
			vma_absorb(mm, cur);
		vma_gap_changed(next);
		return next;
	}
	return NULL;
}

/* ---- free space ------------------------------------------------------------------------------------------- */

/* The area above the topmost fitting hole that ends at or below `high`; limit checks are the caller's. */
static struct vma *gap_descend_top(struct mm *mm, size_t len, vaddr_t low, vaddr_t high)
{
	struct rb_node *n = mm->vmas.node;
	struct vma *v;

	if (!n || node_vma(n)->subtree_gap < len)
		return NULL;
	for (;;) {
		v = node_vma(n);
		/* Right first, while something there can fit below high. */
		if (n->right && (v->end <= high - len) && node_vma(n->right)->subtree_gap >= len) {
			n = n->right;
			continue;
		}
check:
		v = node_vma(n);
		{
			vaddr_t below = v->prev ? v->prev->end : 0, top = min(vma_guard_start(v), high);

			below = max(below, low);
			if (top > below && top - below >= len)
				return v;
			if (vma_guard_start(v) <= low)
				return NULL;	/* everything to the left is lower still */
		}
		if (n->left && node_vma(n->left)->subtree_gap >= len) {
			n = n->left;
			continue;
		}
		for (;;) {		/* up, until we came from the right */
			struct rb_node *child = n;

			n = rb_parent(n);
			if (!n)
				return NULL;
			if (n->right == child)
				goto check;
		}
	}
}

static struct vma *last_vma_of(struct mm *mm)
{
	struct rb_node *n = rb_last(&mm->vmas);

	return n ? node_vma(n) : NULL;
}

static vaddr_t gap_top_down(struct mm *mm, size_t len, vaddr_t low, vaddr_t high)
{
	struct vma *last = last_vma_of(mm), *v;
	vaddr_t below = last ? last->end : 0;

	if (high > low && below <= high && high - max(below, low) >= len)
		return high - len;
	v = gap_descend_top(mm, len, low, high);
	return v ? min(vma_guard_start(v), high) - len : 0;
}

/* Lowest hole. Only the fallback and 32-bit hints use it: a walk over the areas is enough. */
static vaddr_t gap_bottom_up(struct mm *mm, size_t len, vaddr_t low, vaddr_t high)
{
	vaddr_t at = low;
	struct vma *v = vma_find(mm, low);

	for (; v; v = v->next) {
		vaddr_t top = min(vma_guard_start(v), high);

		if (top >= at && top - at >= len)
			return at;
		at = max(at, v->end);
		if (at >= high)
			return 0;
	}
	return high >= at && high - at >= len ? at : 0;
}

/* A hole of len bytes inside [low, high); its address, or 0. */
vaddr_t vma_gap_search(struct mm *mm, size_t len, vaddr_t low, vaddr_t high, bool bottom_up)
{
	if (low >= high || high - low < len)
		return 0;
	return bottom_up ? gap_bottom_up(mm, len, low, high) : gap_top_down(mm, len, low, high);
}

/* ---- checks ----------------------------------------------------------------------------------------------- */

static vaddr_t validate_gap(struct rb_node *n)
{
	vaddr_t gap;

	if (!n)
		return 0;
	gap = max(vma_own_gap(node_vma(n)), max(validate_gap(n->left), validate_gap(n->right)));
	assert(node_vma(n)->subtree_gap == gap);			/* V3 */
	return gap;
}

void vma_validate(struct mm *mm)
{
	struct vma *v, *prev = NULL;
	struct rb_node *n = rb_first(&mm->vmas);
	unsigned count = 0;

	assert(rb_validate(&mm->vmas) == 0);
	for (v = mm->first; v; prev = v, v = v->next, n = rb_next(n)) {
		assert(n && node_vma(n) == v);				/* V2 */
		assert(v->mm == mm && v->prev == prev);
		assert(v->start < v->end && !((v->start | v->end) & ~PAGE_MASK));	/* V1 */
		assert(!prev || prev->end <= v->start);
		count++;
	}
	assert(!n && count == mm->nr_vmas);
	validate_gap(mm->vmas.node);
}
