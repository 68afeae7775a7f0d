/*
 * rbtree.h - red-black trees; the node lives inside the element.
 *
 * The caller walks down to the empty link where its element belongs (it knows the order), then calls
 * rb_insert(). Augmented trees keep a value per subtree: `update` recomputes a node's value from its own element and
 * its two children, and is called for every node whose subtree changed, children first.
 */
#ifndef LIB_RBTREE_H
#define LIB_RBTREE_H

#include <lib/types.h>

struct rb_node {
	unsigned long	parent_color;	/* parent pointer | 1 when black */
	struct rb_node	*left, *right;
};

struct rb_root {
	struct rb_node	*node;
};

#define RB_ROOT_INIT	{ NULL }

typedef void (*rb_update_fn)(struct rb_node *n);

#define rb_entry(n, type, member)	container_of(n, type, member)
/* NULL for NULL. */
#define rb_entry_or_null(n, type, member) ({						\
	struct rb_node *reon = (n);							\
	reon ? container_of(reon, type, member) : NULL; })

static inline bool rb_empty(const struct rb_root *r)
{
	return !r->node;
}

static inline struct rb_node *rb_parent(const struct rb_node *n)
{
	return (struct rb_node *)(n->parent_color & ~1UL);
}

/* A node that is in no tree, so that rb_is_linked() can tell. rb_erase() leaves it so. */
static inline void rb_node_init(struct rb_node *n)
{
	n->parent_color = (unsigned long)n;
}

static inline bool rb_is_linked(const struct rb_node *n)
{
	return n->parent_color != (unsigned long)n;
}

/* Put `n` at *link, which is `parent`'s empty left or right (or &root->node with parent NULL), and rebalance. */
void rb_insert(struct rb_root *root, struct rb_node *n, struct rb_node *parent, struct rb_node **link);
void rb_insert_augmented(struct rb_root *root, struct rb_node *n, struct rb_node *parent, struct rb_node **link,
			 rb_update_fn update);
void rb_erase(struct rb_root *root, struct rb_node *n);
void rb_erase_augmented(struct rb_root *root, struct rb_node *n, rb_update_fn update);
/* The element of `n` changed its own value: bring the values of all ancestors up to date. */
void rb_propagate(struct rb_node *n, rb_update_fn update);

/* In order; NULL at the ends. */
struct rb_node *rb_first(const struct rb_root *root);
struct rb_node *rb_last(const struct rb_root *root);
struct rb_node *rb_next(const struct rb_node *n);
struct rb_node *rb_prev(const struct rb_node *n);

/* Number of violations of the red-black rules and of parent links; 0 for a sound tree. For tests and audits. */
unsigned rb_validate(const struct rb_root *root);

#define rb_for_each(n, root)	for (n = rb_first(root); n; n = rb_next(n))

#endif
