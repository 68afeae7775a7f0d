/*
 * xarray.c - a sparse array of pointers with marks: a radix tree of 64-slot nodes.
 *
 * SHAPE       depth 0: root is the entry of index 0 (most small files need no node). depth d: root is a node with shift
 *             6(d-1); its slots are nodes with 6 less, down to shift 0, whose slots are entries.
 * INVARIANTS  X1 count = slots in use; a node in the tree has count > 0, or is reserved. X2 the marks of a node, or-ed,
 *             are the bit of its slot in the parent; of the root node, root_marks.              [xa_validate()]
 * LOCKS       everything under xa->lock. When nodes run out under the lock, it is dropped, nodes are allocated (perhaps
 *             sleeping) into a spare list, and the walk starts again: allocation policy stays outside.
 * NOT CHOSEN  lockless readers: they need deferred freeing of nodes and pages; the lock is one exchange.
 */
#include <abi/errno.h>
#include <lib/bitmap.h>
#include <lib/xarray.h>

#define XA_MASK		(XA_SLOTS - 1)

void xa_init(struct xarray *xa)
{
	spin_lock_init(&xa->lock, "xarray", LOCK_XARRAY);
	xa->depth = 0;
	xa->root_marks = 0;
	xa->root = NULL;
}

/* Largest index that a tree of this depth can hold. */
static inline unsigned long depth_max(unsigned depth)
{
	return depth * XA_BITS >= BITS_PER_LONG ? ~0UL : (1UL << (depth * XA_BITS)) - 1;
}

/* The node of shift 0 that holds index's slot, or NULL. depth > 0. */
static inline struct xa_node *leaf_of(struct xarray *xa, unsigned long index)
{
	struct xa_node *n = xa->root;

	if (index > depth_max(xa->depth))
		return NULL;
	while (n && n->shift)
		n = n->slots[index >> n->shift & XA_MASK];
	return n;
}

void *xa_load_locked(struct xarray *xa, unsigned long index)
{
	struct xa_node *n;

	if (!xa->depth)
		return index ? NULL : xa->root;
	n = leaf_of(xa, index);
	return n ? n->slots[index & XA_MASK] : NULL;
}

void *xa_load(struct xarray *xa, unsigned long index)
{
	void *entry;

	xa_lock(xa);
	entry = xa_load_locked(xa, index);
	xa_unlock(xa);
	return entry;
}

/* ---- growing and shrinking ------------------------------------------------------------------------------------ */

/* Nodes allocated while the lock was dropped, linked through parent. */
struct spares {
	struct xa_node *list;
};

static struct xa_node *take_node(struct xarray *xa, struct spares *spare)
{
	struct xa_node *n = spare ? spare->list : NULL;

	if (!n)
		return xa_node_alloc(0);		/* without sleeping: the lock is held */
	spare->list = n->parent;
	n->parent = NULL;
	return n;
}

static void free_spares(struct spares *spare)
{
	struct xa_node *n;

	while ((n = spare->list)) {
		spare->list = n->parent;
		xa_node_free(n);
	}
}

/* One level more on top: what was the root becomes slot 0 of the new one. */
static int grow(struct xarray *xa, struct spares *spare)
{
	struct xa_node *n;

	if (!xa->root && !xa->depth) {
		xa->depth = 1;			/* nothing to keep: the walk below makes the node */
		return 0;
	}
	if (xa->root) {
		n = take_node(xa, spare);
		if (!n)
			return -ENOMEM;
		n->shift = (u8)(xa->depth * XA_BITS);
		n->slots[0] = xa->root;
		n->count = 1;
		for (unsigned m = 0; m < NR_XA_MARKS; m++)
			n->marks[m] = xa->root_marks >> m & 1;
		if (xa->depth)
			((struct xa_node *)xa->root)->parent = n;
		xa->root = n;
	}
	xa->depth++;
	return 0;
}

/* The leaf for index, made with all nodes above it. NULL when out of memory (nodes made so far stay, pruned later). */
static struct xa_node *make_leaf(struct xarray *xa, unsigned long index, struct spares *spare)
{
	struct xa_node *n, *parent = NULL;
	void **link = &xa->root;
	unsigned shift;

	while (!xa->depth || index > depth_max(xa->depth))
		if (grow(xa, spare))
			return NULL;
	for (shift = xa->depth * XA_BITS; shift; parent = n) {
		shift -= XA_BITS;
		n = *link;
		if (!n) {
			n = take_node(xa, spare);
			if (!n)
				return NULL;
			n->shift = (u8)shift;
			n->parent = parent;
			if (parent) {
				n->offset = (u8)((index >> parent->shift) & XA_MASK);
				parent->count++;
			}
			*link = n;
		}
		link = &n->slots[index >> shift & XA_MASK];
	}
	return parent;
}

/* Free empty nodes from n upwards, then levels at the top that hold only slot 0. */
static void prune(struct xarray *xa, struct xa_node *n)
{
	while (n && !n->count) {
		struct xa_node *parent = n->parent;

		if (parent) {
			parent->slots[n->offset] = NULL;
			parent->count--;
		} else {
			xa->root = NULL;
			xa->depth = 0;
		}
		xa_node_free(n);
		n = parent;
	}
	while (xa->depth && xa->root) {
		n = xa->root;
		if (n->count != 1 || !n->slots[0])
			break;
		xa->root = n->slots[0];
		if (n->shift)
			((struct xa_node *)xa->root)->parent = NULL;
		xa->depth--;
		xa_node_free(n);
	}
	if (!xa->root)
		xa->depth = 0;
}

/* ---- marks ---------------------------------------------------------------------------------------------------- */

static void mark_up(struct xarray *xa, struct xa_node *n, unsigned slot, unsigned m)
{
	for (; n; slot = n->offset, n = n->parent) {
		if (n->marks[m] >> slot & 1)
			return;
		n->marks[m] |= 1ull << slot;
	}
	xa->root_marks |= (u8)(1u << m);
}

static void unmark_up(struct xarray *xa, struct xa_node *n, unsigned slot, unsigned m)
{
	for (; n; slot = n->offset, n = n->parent) {
		n->marks[m] &= ~(1ull << slot);
		if (n->marks[m])
			return;
	}
	xa->root_marks &= (u8)~(1u << m);
}

void xa_set_mark_locked(struct xarray *xa, unsigned long index, enum xa_mark mark)
{
	struct xa_node *n;

	if (!xa->depth) {
		if (!index && xa->root)
			xa->root_marks |= (u8)(1u << mark);
		return;
	}
	n = leaf_of(xa, index);
	if (n && n->slots[index & XA_MASK])
		mark_up(xa, n, index & XA_MASK, mark);
}

void xa_clear_mark_locked(struct xarray *xa, unsigned long index, enum xa_mark mark)
{
	struct xa_node *n;

	if (!xa->depth) {
		if (!index)
			xa->root_marks &= (u8)~(1u << mark);
		return;
	}
	n = leaf_of(xa, index);
	if (n && n->marks[mark] >> (index & XA_MASK) & 1)
		unmark_up(xa, n, index & XA_MASK, mark);
}

bool xa_get_mark_locked(struct xarray *xa, unsigned long index, enum xa_mark mark)
{
	struct xa_node *n;

	if (!xa->depth)
		return !index && xa->root_marks >> mark & 1;
	n = leaf_of(xa, index);
	return n && n->marks[mark] >> (index & XA_MASK) & 1;
}

void xa_set_mark(struct xarray *xa, unsigned long index, enum xa_mark mark)
{
	xa_lock(xa);
	xa_set_mark_locked(xa, index, mark);
	xa_unlock(xa);
}

void xa_clear_mark(struct xarray *xa, unsigned long index, enum xa_mark mark)
{
	xa_lock(xa);
	xa_clear_mark_locked(xa, index, mark);
	xa_unlock(xa);
}

bool xa_get_mark(struct xarray *xa, unsigned long index, enum xa_mark mark)
{
	bool r;

	xa_lock(xa);
	r = xa_get_mark_locked(xa, index, mark);
	xa_unlock(xa);
	return r;
}

/* ---- storing and erasing -------------------------------------------------------------------------------------- */

void *xa_erase_locked(struct xarray *xa, unsigned long index)
{
	struct xa_node *n;
	unsigned slot = index & XA_MASK;
	void *old;

	if (!xa->depth) {
		if (index)
			return NULL;
		old = xa->root;
		xa->root = NULL;
		xa->root_marks = 0;
		return old;
	}
	n = leaf_of(xa, index);
	old = n ? n->slots[slot] : NULL;
	if (!old)
		return NULL;
	for (unsigned m = 0; m < NR_XA_MARKS; m++)
		if (n->marks[m] >> slot & 1)
			unmark_up(xa, n, slot, m);
	n->slots[slot] = NULL;
	n->count--;
	prune(xa, n);
	return old;
}

void *xa_erase(struct xarray *xa, unsigned long index)
{
	void *old;

	xa_lock(xa);
	old = xa_erase_locked(xa, index);
	xa_unlock(xa);
	return old;
}

/* One attempt. 0, -EEXIST (only when `fresh`), -ENOMEM. */
static int store(struct xarray *xa, unsigned long index, void *entry, bool fresh, struct spares *spare)
{
	struct xa_node *n;
	void **slot;

	if (!entry) {
		xa_erase_locked(xa, index);
		return 0;
	}
	if (!xa->depth && !index) {
		slot = &xa->root;
		n = NULL;
	} else {
		n = make_leaf(xa, index, spare);
		if (!n)
			return -ENOMEM;
		slot = &n->slots[index & XA_MASK];
	}
	if (*slot && fresh)
		return -EEXIST;
	if (!*slot && n)
		n->count++;
	*slot = entry;
	return 0;
}

/* Drop everything that an attempt which ran out of memory left empty. */
static void store_undo(struct xarray *xa, unsigned long index)
{
	xa_release_reserve(xa, index);
}

static int store_sleeping(struct xarray *xa, unsigned long index, void *entry, bool fresh, unsigned gfp)
{
	struct spares spare = { NULL };
	struct xa_node *n;
	int err;

	for (;;) {
		xa_lock(xa);
		err = store(xa, index, entry, fresh, &spare);
		xa_unlock(xa);
		if (err != -ENOMEM)
			break;
		n = xa_node_alloc(gfp);
		if (!n) {
			store_undo(xa, index);
			break;
		}
		n->parent = spare.list;
		spare.list = n;
	}
	free_spares(&spare);
	return err;
}

int xa_store(struct xarray *xa, unsigned long index, void *entry, unsigned gfp)
{
	return store_sleeping(xa, index, entry, false, gfp);
}

int xa_insert(struct xarray *xa, unsigned long index, void *entry, unsigned gfp)
{
	return store_sleeping(xa, index, entry, true, gfp);
}

int xa_store_locked(struct xarray *xa, unsigned long index, void *entry)
{
	return store(xa, index, entry, false, NULL);
}

int xa_insert_locked(struct xarray *xa, unsigned long index, void *entry)
{
	return store(xa, index, entry, true, NULL);
}

int xa_reserve(struct xarray *xa, unsigned long index, unsigned gfp)
{
	struct spares spare = { NULL };
	struct xa_node *n;
	int err = 0;

	for (;;) {
		xa_lock(xa);
		n = make_leaf(xa, index, &spare);
		xa_unlock(xa);
		if (n)
			break;
		n = xa_node_alloc(gfp);
		if (!n) {
			store_undo(xa, index);
			err = -ENOMEM;
			break;
		}
		n->parent = spare.list;
		spare.list = n;
	}
	free_spares(&spare);
	return err;
}

/* Prune along the path to index as deep as it exists. */
void xa_release_reserve(struct xarray *xa, unsigned long index)
{
	struct xa_node *n, *last = NULL;

	xa_lock(xa);
	if (xa->depth && index <= depth_max(xa->depth))
		for (n = xa->root; n; n = n->slots[index >> n->shift & XA_MASK]) {
			last = n;
			if (!n->shift)
				break;
		}
	if (xa->depth)
		prune(xa, last);
	xa_unlock(xa);
}

void xa_destroy(struct xarray *xa)
{
	struct xa_node *n, *parent;

	xa_lock(xa);
	n = xa->depth ? xa->root : NULL;
	while (n) {		/* depth first, without recursion: descend into any child, free on the way up */
		unsigned i = XA_SLOTS;

		if (n->shift)
			for (i = 0; i < XA_SLOTS && !n->slots[i]; i++)
				;
		if (i < XA_SLOTS) {
			n = n->slots[i];
			continue;
		}
		parent = n->parent;
		if (parent)
			parent->slots[n->offset] = NULL;
		xa_node_free(n);
		n = parent;
	}
	xa->root = NULL;
	xa->depth = 0;
	xa->root_marks = 0;
	xa_unlock(xa);
}

/* ---- searching ------------------------------------------------------------------------------------------------ */

/* First slot >= from that is in use (and marked). XA_SLOTS: none. */
static inline unsigned next_slot(const struct xa_node *n, unsigned from, unsigned mark)
{
	if (mark < NR_XA_MARKS) {
		u64 w = from < XA_SLOTS ? n->marks[mark] >> from : 0;

		return w ? from + bit_lowest(w) : XA_SLOTS;
	}
	while (from < XA_SLOTS && !n->slots[from])
		from++;
	return from;
}

/* *leaf becomes the node the entry is in, or NULL when it is the root itself. */
static void *find_from(struct xarray *xa, unsigned long *index, unsigned long last, enum xa_mark mark, struct xa_node **leaf)
{
	unsigned long i = *index;
	struct xa_node *n;
	unsigned slot;

	*leaf = NULL;
	if (i > last)
		return NULL;
	if (!xa->depth) {
		if (i || !xa->root || (mark < NR_XA_MARKS && !(xa->root_marks >> mark & 1)))
			return NULL;
		return xa->root;
	}
	if (i > depth_max(xa->depth))
		return NULL;
	n = xa->root;
	while (n) {
		slot = next_slot(n, i >> n->shift & XA_MASK, mark);
		if (slot == XA_SLOTS) {		/* nothing more here: on to the node's right neighbour */
			unsigned up = n->shift + XA_BITS;

			if (!n->parent || up >= BITS_PER_LONG)
				return NULL;
			i = ((i >> up) + 1) << up;
			if (i > last || !i)
				return NULL;
			n = n->parent;
			while ((i >> n->shift & XA_MASK) == 0) {	/* the step carried past this one too */
				if (!n->parent)
					return NULL;
				n = n->parent;
			}
			continue;
		}
		if (slot != (i >> n->shift & XA_MASK))	/* skipped ahead: lower digits start at 0 */
			i = (((i >> n->shift) & ~(unsigned long)XA_MASK) | slot) << n->shift;
		if (i > last)
			return NULL;
		if (!n->shift) {
			*index = i;
			*leaf = n;
			return n->slots[slot];
		}
		n = n->slots[slot];
	}
	return NULL;
}

void *xa_find_locked(struct xarray *xa, unsigned long *index, unsigned long last, enum xa_mark mark)
{
	struct xa_node *leaf;

	return find_from(xa, index, last, mark, &leaf);
}

void *xa_find(struct xarray *xa, unsigned long *index, unsigned long last)
{
	void *entry;

	xa_lock(xa);
	entry = xa_find_locked(xa, index, last, XA_NO_MARK);
	xa_unlock(xa);
	return entry;
}

void *xa_find_marked(struct xarray *xa, unsigned long *index, unsigned long last, enum xa_mark mark)
{
	void *entry;

	if (!xa_marked(xa, mark))
		return NULL;
	xa_lock(xa);
	entry = xa_find_locked(xa, index, last, mark);
	xa_unlock(xa);
	return entry;
}

unsigned xa_gather(struct xarray *xa, unsigned long *index, unsigned long last, enum xa_mark mark,
		   bool (*take)(void *entry), void **out, unsigned long *indexes, unsigned n)
{
	unsigned got = 0;
	unsigned long i = *index;
	struct xa_node *leaf = NULL;
	void *entry;

	xa_lock(xa);
	while (got < n && i <= last) {
		/* Mostly the right neighbour is there, in the same node: no descent. */
		entry = leaf && (i & XA_MASK) && mark == XA_NO_MARK ? leaf->slots[i & XA_MASK] : NULL;
		if (!entry && !(entry = find_from(xa, &i, last, mark, &leaf)))
			break;
		if (take(entry)) {
			if (indexes)
				indexes[got] = i;
			out[got++] = entry;
		}
		if (i++ == ~0UL)
			break;
	}
	xa_unlock(xa);
	*index = i;
	return got;
}

unsigned long xa_tag_range(struct xarray *xa, unsigned long first, unsigned long last, enum xa_mark from, enum xa_mark to)
{
	unsigned long i = first, n = 0;

	xa_lock(xa);
	while (i <= last && xa_find_locked(xa, &i, last, from)) {
		xa_set_mark_locked(xa, i, to);
		n++;
		if (i++ == ~0UL)
			break;
	}
	xa_unlock(xa);
	return n;
}

/* ---- checking ------------------------------------------------------------------------------------------------- */

static unsigned validate_node(const struct xa_node *n, const struct xa_node *parent, unsigned shift, unsigned *nodes)
{
	unsigned bad = 0, used = 0;

	(*nodes)++;
	bad += n->shift != shift;
	bad += n->parent != parent;
	for (unsigned i = 0; i < XA_SLOTS; i++) {
		const struct xa_node *kid = n->slots[i];

		used += kid != NULL;
		for (unsigned m = 0; m < NR_XA_MARKS; m++) {
			bool bit = n->marks[m] >> i & 1;

			bad += bit && !kid;
			if (kid && shift)
				bad += bit != (kid->marks[m] != 0);
		}
		if (kid && shift) {
			bad += kid->offset != i;
			bad += validate_node(kid, n, shift - XA_BITS, nodes);
		}
	}
	return bad + (used != n->count);
}

unsigned xa_validate(struct xarray *xa)
{
	unsigned bad = 0, nodes = 0;

	xa_lock(xa);
	if (xa->depth && xa->root) {
		const struct xa_node *n = xa->root;

		bad = validate_node(n, NULL, (xa->depth - 1) * XA_BITS, &nodes);
		for (unsigned m = 0; m < NR_XA_MARKS; m++)
			bad += (xa->root_marks >> m & 1) != (n->marks[m] != 0);
	}
	xa_unlock(xa);
	return bad;
}

unsigned long xa_nr_nodes(struct xarray *xa)
{
	unsigned nodes = 0;

	xa_lock(xa);
	if (xa->depth && xa->root)
		validate_node(xa->root, NULL, (xa->depth - 1) * XA_BITS, &nodes);
	xa_unlock(xa);
	return nodes;
}
