/*
 * test_rbtree.c - red-black trees against an array, plain and augmented.
 */
#include <lib/rbtree.h>
#include "unit.h"

#define N 400

struct item {
	struct rb_node	node;
	unsigned	key, sum;	/* sum of the keys in the subtree */
	bool		in;
};

static struct item items[N];

static struct item *item(struct rb_node *n)
{
	return rb_entry_or_null(n, struct item, node);
}

static void update_sum(struct rb_node *n)
{
	struct item *l = item(n->left), *r = item(n->right);

	item(n)->sum = item(n)->key + (l ? l->sum : 0) + (r ? r->sum : 0);
}

static void insert(struct rb_root *root, struct item *i, bool augmented)
{
	struct rb_node **link = &root->node, *parent = NULL;

	while (*link) {
		parent = *link;
		link = i->key < item(parent)->key ? &parent->left : &parent->right;
	}
	if (augmented)
		rb_insert_augmented(root, &i->node, parent, link, update_sum);
	else
		rb_insert(root, &i->node, parent, link);
	i->in = true;
}

static void check(struct t *t, struct rb_root *root, bool augmented)
{
	struct rb_node *n;
	unsigned k = 0, total = 0;

	EXPECT_EQ(t, rb_validate(root), 0);
	rb_for_each(n, root) {
		while (k < N && !items[k].in)
			k++;
		EXPECT(t, k < N && item(n) == &items[k]);
		if (rb_prev(n))
			EXPECT(t, rb_next(rb_prev(n)) == n);
		total += item(n)->key;
		k++;
	}
	while (k < N)
		EXPECT(t, !items[k++].in);
	if (augmented && root->node)
		EXPECT_EQ(t, item(root->node)->sum, total);
	if (augmented)
		rb_for_each(n, root) {
			unsigned sum = item(n)->sum;

			update_sum(n);
			EXPECT_EQ(t, item(n)->sum, sum);
		}
}

static void churn(struct t *t, bool augmented)
{
	struct rb_root root = RB_ROOT_INIT;

	for (unsigned i = 0; i < N; i++)
		items[i] = (struct item){ .key = i };
	for (unsigned round = 0; round < 6000; round++) {
		struct item *i = &items[t_random() % N];

		if (!i->in)
			insert(&root, i, augmented);
		else if (augmented)
			rb_erase_augmented(&root, &i->node, update_sum);
		else
			rb_erase(&root, &i->node);
		if (!rb_is_linked(&i->node))
			i->in = false;
		if (round % 50 == 0 || round < 200)
			check(t, &root, augmented);
	}
	for (unsigned i = 0; i < N; i++)
		if (items[i].in) {
			items[i].in = false;
			if (augmented)
				rb_erase_augmented(&root, &items[i].node, update_sum);
			else
				rb_erase(&root, &items[i].node);
		}
	EXPECT(t, rb_empty(&root) && !rb_first(&root) && !rb_last(&root));
}

TEST(rbtree, plain)
{
	churn(t, false);
}

TEST(rbtree, augmented)
{
	churn(t, true);
}
