/*
 * rbtree.c - red-black trees.
 *
 * INVARIANTS  R1 the root is black.  R2 a red node has no red child.  R3 every path from a node down to a missing
 *             child passes the same number of black nodes.                                  [rb_validate()]
 * SHAPE       colour and parent share a word; a missing child is NULL and counts as black.
 * AUGMENT     a rotation leaves the value of the whole rotated subtree as it was, so only the two nodes that
 *             changed places are recomputed there; insertion and removal recompute one path to the root.
 */
#include <lib/rbtree.h>

#define BLACK	1UL

static inline bool is_red(const struct rb_node *n)
{
	return n && !(n->parent_color & BLACK);
}

static inline void set_parent(struct rb_node *n, struct rb_node *parent)
{
	n->parent_color = (unsigned long)parent | (n->parent_color & BLACK);
}

static inline void paint_black(struct rb_node *n)
{
	n->parent_color |= BLACK;
}

static inline void paint_red(struct rb_node *n)
{
	n->parent_color &= ~BLACK;
}

/* Make whoever pointed at `old` (its parent's link, or the root) point at `fresh`. */
static inline void replace_child(struct rb_root *root, struct rb_node *parent, struct rb_node *old,
				 struct rb_node *fresh)
{
	if (!parent)
		root->node = fresh;
	else if (parent->left == old)
		parent->left = fresh;
	else
		parent->right = fresh;
}

static void rotate_left(struct rb_root *root, struct rb_node *x, rb_update_fn update)
{
	struct rb_node *y = x->right, *parent = rb_parent(x);

	x->right = y->left;
	if (y->left)
		set_parent(y->left, x);
	y->left = x;
	set_parent(y, parent);
	set_parent(x, y);
	replace_child(root, parent, x, y);
	if (update) {
		update(x);
		update(y);
	}
}

static void rotate_right(struct rb_root *root, struct rb_node *x, rb_update_fn update)
{
	struct rb_node *y = x->left, *parent = rb_parent(x);

	x->left = y->right;
	if (y->right)
		set_parent(y->right, x);
	y->right = x;
	set_parent(y, parent);
	set_parent(x, y);
	replace_child(root, parent, x, y);
	if (update) {
		update(x);
		update(y);
	}
}

/* `n` is red and may have a red parent: push the clash upwards or rotate it away. */
static void insert_fix(struct rb_root *root, struct rb_node *n, rb_update_fn update)
{
	struct rb_node *parent, *grand, *uncle;

	while ((parent = rb_parent(n)) && is_red(parent)) {
		grand = rb_parent(parent);	/* exists: the root is black */
		uncle = parent == grand->left ? grand->right : grand->left;
		if (is_red(uncle)) {
			paint_black(parent);
			paint_black(uncle);
			paint_red(grand);
			n = grand;
			continue;
		}
		if (parent == grand->left) {
			if (n == parent->right) {
				rotate_left(root, parent, update);
				parent = n;
			}
			paint_black(parent);
			paint_red(grand);
			rotate_right(root, grand, update);
		} else {
			if (n == parent->left) {
				rotate_right(root, parent, update);
				parent = n;
			}
			paint_black(parent);
			paint_red(grand);
			rotate_left(root, grand, update);
		}
		break;
	}
	paint_black(root->node);
}

void rb_propagate(struct rb_node *n, rb_update_fn update)
{
	for (; n; n = rb_parent(n))
		update(n);
}

static always_inline void insert(struct rb_root *root, struct rb_node *n, struct rb_node *parent,
				 struct rb_node **link, rb_update_fn update)
{
	n->left = n->right = NULL;
	n->parent_color = (unsigned long)parent;	/* red */
	*link = n;
	if (update)
		rb_propagate(n, update);
	insert_fix(root, n, update);
}

void rb_insert(struct rb_root *root, struct rb_node *n, struct rb_node *parent, struct rb_node **link)
{
	insert(root, n, parent, link, NULL);
}

void rb_insert_augmented(struct rb_root *root, struct rb_node *n, struct rb_node *parent, struct rb_node **link,
			 rb_update_fn update)
{
	insert(root, n, parent, link, update);
}

/*
 * The subtree at `n` (perhaps missing), child of `parent`, is one black node short. Borrow from the sibling
 * or move the shortage up.
 */
static void erase_fix(struct rb_root *root, struct rb_node *n, struct rb_node *parent, rb_update_fn update)
{
	struct rb_node *sib;

	while (parent && !is_red(n)) {
		bool left = parent->left == n;

		sib = left ? parent->right : parent->left;	/* exists: that side has a black node more */
		if (is_red(sib)) {
			paint_black(sib);
			paint_red(parent);
			if (left)
				rotate_left(root, parent, update);
			else
				rotate_right(root, parent, update);
			sib = left ? parent->right : parent->left;
		}
		if (!is_red(sib->left) && !is_red(sib->right)) {
			paint_red(sib);
			n = parent;
			parent = rb_parent(n);
			continue;
		}
		if (left ? !is_red(sib->right) : !is_red(sib->left)) {
			paint_black(left ? sib->left : sib->right);
			paint_red(sib);
			if (left)
				rotate_right(root, sib, update);
			else
				rotate_left(root, sib, update);
			sib = left ? parent->right : parent->left;
		}
		if (is_red(parent))
			paint_red(sib);
		else
			paint_black(sib);
		paint_black(parent);
		paint_black(left ? sib->right : sib->left);
		if (left)
			rotate_left(root, parent, update);
		else
			rotate_right(root, parent, update);
		return;
	}
	if (n)
		paint_black(n);
}

static always_inline void erase(struct rb_root *root, struct rb_node *n, rb_update_fn update)
{
	struct rb_node *child, *parent, *next;
	bool lost_black;

	if (n->left && n->right) {
		/* The successor, which has no left child, leaves its place and takes n's. */
		for (next = n->right; next->left; next = next->left)
			;
		child = next->right;
		parent = rb_parent(next);
		lost_black = !is_red(next);
		if (parent == n) {
			parent = next;
		} else {
			parent->left = child;
			if (child)
				set_parent(child, parent);
			next->right = n->right;
			set_parent(n->right, next);
		}
		next->left = n->left;
		set_parent(n->left, next);
		next->parent_color = n->parent_color;
		replace_child(root, rb_parent(n), n, next);
	} else {
		child = n->left ? n->left : n->right;
		parent = rb_parent(n);
		lost_black = !is_red(n);
		if (child)
			set_parent(child, parent);
		replace_child(root, parent, n, child);
	}
	if (update)
		rb_propagate(parent, update);
	if (lost_black)
		erase_fix(root, child, parent, update);
	rb_node_init(n);
}

void rb_erase(struct rb_root *root, struct rb_node *n)
{
	erase(root, n, NULL);
}

void rb_erase_augmented(struct rb_root *root, struct rb_node *n, rb_update_fn update)
{
	erase(root, n, update);
}

struct rb_node *rb_first(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->left)
		n = n->left;
	return n;
}

struct rb_node *rb_last(const struct rb_root *root)
{
	struct rb_node *n = root->node;

	while (n && n->right)
		n = n->right;
	return n;
}

struct rb_node *rb_next(const struct rb_node *n)
{
	const struct rb_node *parent;

	if (n->right) {
		for (n = n->right; n->left; n = n->left)
			;
		return (struct rb_node *)n;
	}
	while ((parent = rb_parent(n)) && parent->right == n)
		n = parent;
	return (struct rb_node *)parent;
}

struct rb_node *rb_prev(const struct rb_node *n)
{
	const struct rb_node *parent;

	if (n->left) {
		for (n = n->left; n->right; n = n->right)
			;
		return (struct rb_node *)n;
	}
	while ((parent = rb_parent(n)) && parent->left == n)
		n = parent;
	return (struct rb_node *)parent;
}

/* Black height of the subtree; adds what is wrong with it to *bad. */
static unsigned validate(const struct rb_node *n, const struct rb_node *parent, unsigned *bad)
{
	unsigned l, r;

	if (!n)
		return 0;
	*bad += rb_parent(n) != parent;
	*bad += is_red(n) && (is_red(n->left) || is_red(n->right));
	l = validate(n->left, n, bad);
	r = validate(n->right, n, bad);
	*bad += l != r;
	return l + !is_red(n);
}

unsigned rb_validate(const struct rb_root *root)
{
	unsigned bad = is_red(root->node);

	validate(root->node, NULL, &bad);
	return bad;
}
