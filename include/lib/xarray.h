/*
 * xarray.h - a sparse array of pointers indexed by unsigned long, with marks.
 *
 * A radix tree of 64-slot nodes, as deep as its largest index needs. Each present entry has three marks; a node keeps for each
 * slot whether anything below it is marked, so marked entries are found without visiting the rest.
 *
 * Entries are pointers, or numbers made with xa_value(). NULL means absent.
 *
 * Plain functions take the array's lock (LOCK_XARRAY, spinning) themselves. The _locked ones want it held:
 * whoever must do something to an entry before it can go away (take a reference) holds the lock across both.
 */
#ifndef LIB_XARRAY_H
#define LIB_XARRAY_H

#include <kernel/lock.h>
#include <lib/types.h>

enum xa_mark { XA_DIRTY, XA_WRITEBACK, XA_TOWRITE, NR_XA_MARKS };
#define XA_NO_MARK	NR_XA_MARKS

#define XA_BITS		6
#define XA_SLOTS	(1u << XA_BITS)

struct xa_node {
	u8		shift;			/* index bits below this node's */
	u8		offset;			/* its slot in the parent */
	u8		count;			/* slots in use */
	struct xa_node	*parent;
	u64		marks[NR_XA_MARKS];	/* bit per slot */
	void		*slots[XA_SLOTS];	/* nodes, or entries when shift is 0 */
};

struct xarray {
	spinlock_t	lock;
	u8		depth;			/* 0: `root` is the entry of index 0; else levels of nodes */
	u8		root_marks;		/* bit per mark: anything marked (depth 0: the entry itself) */
	void		*root;
};

void xa_init(struct xarray *xa);
/* Forget all entries and free the nodes. */
void xa_destroy(struct xarray *xa);

static inline bool xa_empty(const struct xarray *xa)
{
	return !READ_ONCE(xa->root);
}

static inline void xa_lock(struct xarray *xa)
{
	spin_lock(&xa->lock);
}
static inline void xa_unlock(struct xarray *xa)
{
	spin_unlock(&xa->lock);
}

/* Numbers as entries: up to the size of long less one bit. */
static inline void *xa_value(unsigned long v)
{
	return (void *)(v << 1 | 1);
}
static inline bool xa_is_value(const void *entry)
{
	return (unsigned long)entry & 1;
}
static inline unsigned long xa_to_value(const void *entry)
{
	return (unsigned long)entry >> 1;
}

void *xa_load(struct xarray *xa, unsigned long index);
/* Replaces what is there; NULL erases. Marks of a new entry are clear, those of a replaced one stay. 0 or -ENOMEM. May sleep if gfp lets it. */
int xa_store(struct xarray *xa, unsigned long index, void *entry, unsigned gfp) must_check;
/* Only when absent: else -EEXIST. */
int xa_insert(struct xarray *xa, unsigned long index, void *entry, unsigned gfp) must_check;
void *xa_erase(struct xarray *xa, unsigned long index);		/* what was there */

/* First entry at or after *index and not past last; NULL when none. *index is where it was. */
void *xa_find(struct xarray *xa, unsigned long *index, unsigned long last);
void *xa_find_marked(struct xarray *xa, unsigned long *index, unsigned long last, enum xa_mark mark);
/* Marks of an absent entry stay clear. */
void xa_set_mark(struct xarray *xa, unsigned long index, enum xa_mark mark);
void xa_clear_mark(struct xarray *xa, unsigned long index, enum xa_mark mark);
bool xa_get_mark(struct xarray *xa, unsigned long index, enum xa_mark mark);
static inline bool xa_marked(const struct xarray *xa, enum xa_mark mark)
{
	return READ_ONCE(xa->root_marks) >> mark & 1;
}

/*
 * Up to n entries from *index to last, marked with `mark` (XA_NO_MARK: all), for which take() says yes; take runs under the
 * lock, so it can get a reference. index[] (may be NULL) gets their places; *index moves past the last one looked at.
 */
unsigned xa_gather(struct xarray *xa, unsigned long *index, unsigned long last, enum xa_mark mark,
		   bool (*take)(void *entry), void **out, unsigned long *indexes, unsigned n);
/* Set `to` on all entries of [first, last] that have `from`. Returns how many. */
unsigned long xa_tag_range(struct xarray *xa, unsigned long first, unsigned long last, enum xa_mark from, enum xa_mark to);

/* The lock is held. xa_store_locked and xa_insert_locked do not sleep: xa_reserve() before locking makes them sure. */
void *xa_load_locked(struct xarray *xa, unsigned long index);
int xa_store_locked(struct xarray *xa, unsigned long index, void *entry) must_check;
int xa_insert_locked(struct xarray *xa, unsigned long index, void *entry) must_check;
void *xa_erase_locked(struct xarray *xa, unsigned long index);
void *xa_find_locked(struct xarray *xa, unsigned long *index, unsigned long last, enum xa_mark mark);
void xa_set_mark_locked(struct xarray *xa, unsigned long index, enum xa_mark mark);
void xa_clear_mark_locked(struct xarray *xa, unsigned long index, enum xa_mark mark);
bool xa_get_mark_locked(struct xarray *xa, unsigned long index, enum xa_mark mark);

/*
 * Make the nodes for index exist; xa_release_reserve() when it stayed empty. 0 or -ENOMEM. Another task that erases the last
 * neighbour meanwhile takes the node along, so a -ENOMEM of xa_store_locked() means: reserve again.
 */
int xa_reserve(struct xarray *xa, unsigned long index, unsigned gfp) must_check;
void xa_release_reserve(struct xarray *xa, unsigned long index);

#define xa_for_each_range(xa, index, entry, first, last)				\
	for (index = (first), entry = xa_find(xa, &index, last); entry;			\
	     entry = index++ < (last) ? xa_find(xa, &index, last) : NULL)
#define xa_for_each(xa, index, entry)	xa_for_each_range(xa, index, entry, 0, ~0UL)
#define xa_for_each_marked(xa, index, entry, mark)					\
	for (index = 0, entry = xa_find_marked(xa, &index, ~0UL, mark); entry;		\
	     entry = index++ < ~0UL ? xa_find_marked(xa, &index, ~0UL, mark) : NULL)

unsigned long xa_nr_nodes(struct xarray *xa);		/* for tests and reports */
/* Violations of the tree's rules (counts, parents, marks); 0 when sound. */
unsigned xa_validate(struct xarray *xa);

/* Border: nodes come from the memory system (a slab cache). Cleared; NULL when out of memory. */
struct xa_node *xa_node_alloc(unsigned gfp);
void xa_node_free(struct xa_node *n);

#endif
