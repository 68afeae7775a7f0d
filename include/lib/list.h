/*
 * list.h - circular doubly-linked lists; the node lives inside the element.
 *
 * An empty head points at itself. A node that is on no list is either uninitialised or list_init()ed;
 * list_remove() leaves the node initialised, so that list_is_linked() is always meaningful.
 */
#ifndef LIB_LIST_H
#define LIB_LIST_H

#include <lib/compiler.h>
#include <lib/types.h>

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name)	{ &(name), &(name) }

static inline void list_init(struct list *l)
{
	l->prev = l;
	WRITE_ONCE(l->next, l);
}

static inline bool list_empty(const struct list *l)
{
	return READ_ONCE(l->next) == l;		/* also a look without the list's lock */
}

static inline bool list_is_linked(const struct list *node)
{
	return node->next != node;
}

static inline void list_insert_between(struct list *node, struct list *prev, struct list *next)
{
	node->prev = prev;
	node->next = next;
	WRITE_ONCE(prev->next, node);
	next->prev = node;
}

/* Insert at the front. */
static inline void list_push(struct list *head, struct list *node)
{
	list_insert_between(node, head, head->next);
}

/* Insert at the end. */
static inline void list_append(struct list *head, struct list *node)
{
	list_insert_between(node, head->prev, head);
}

static inline void list_remove(struct list *node)
{
	WRITE_ONCE(node->prev->next, node->next);
	node->next->prev = node->prev;
	list_init(node);
}

static inline void list_move_to_front(struct list *head, struct list *node)
{
	list_remove(node);
	list_push(head, node);
}

static inline void list_move_to_end(struct list *head, struct list *node)
{
	list_remove(node);
	list_append(head, node);
}

/* Move all of `from` to the end of `to`; `from` becomes empty. */
static inline void list_splice_end(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

/* First node, or NULL when empty. */
static inline struct list *list_first(const struct list *head)
{
	return head->next == head ? NULL : head->next;
}

static inline struct list *list_last(const struct list *head)
{
	return head->prev == head ? NULL : head->prev;
}

#define list_entry(node, type, member)	container_of(node, type, member)
#define list_first_entry(head, type, member) \
	(list_empty(head) ? NULL : list_entry((head)->next, type, member))
#define list_last_entry(head, type, member) \
	(list_empty(head) ? NULL : list_entry((head)->prev, type, member))

#define list_for_each(pos, head, member)						\
	for (pos = list_entry((head)->next, typeof(*pos), member);			\
	     &pos->member != (head);							\
	     pos = list_entry(pos->member.next, typeof(*pos), member))

/* The current element may be removed (or freed) in the body. */
#define list_for_each_safe(pos, tmp, head, member)					\
	for (pos = list_entry((head)->next, typeof(*pos), member),			\
	     tmp = list_entry(pos->member.next, typeof(*pos), member);			\
	     &pos->member != (head);							\
	     pos = tmp, tmp = list_entry(tmp->member.next, typeof(*tmp), member))

#endif
