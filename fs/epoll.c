/*
 * epoll.c - interest lists that remember: epoll_create, epoll_ctl, epoll_wait.
 *
 * SHAPE    an item per (file, descriptor) in a tree of the eventpoll; its wait entries hang on the queues the file's poll operation
 *          names. A wake-up puts the item on the ready list and wakes sleepers; epoll_wait takes items from there, asks the file
 *          again, and puts level-triggered ones back.
 * LIFE     the item goes with EPOLL_CTL_DEL, with the eventpoll, or with the watched file's last reference
 *          (epoll_file_released). It holds no reference to the file.
 * NESTED   an eventpoll can be watched itself. Its watchers are woken outside of the wake-up that made it ready, at a safe point (a deferred
 *          handler), so wait-queue locks never nest in a circle.
 * LOCKS    epoll_mutex (LOCK_EPOLL), one for all: shape changes and release. ep->mutex (LOCK_EPOLL, nested): items and harvest.
 *          ep->lock (LOCK_EPOLL_READY): ready list and sleepers, taken in wait-queue callbacks.
 */
#include "internal.h"
#include <kernel/irq.h>
#include <kernel/signal.h>
#include <lib/rbtree.h>
#include <lib/text.h>
#include <abi/epoll.h>
#include <linux/poll.h>

#define MAX_NESTS	4
#define EVENT_BITS	(POLLIN | POLLOUT | POLLPRI | POLLERR | POLLHUP | POLLRDNORM | POLLRDBAND | POLLWRNORM | POLLWRBAND | POLLMSG | EPOLLRDHUP)
#define PRIVATE_BITS	(EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)

struct eventpoll {
	struct mutex	mutex;
	spinlock_t	lock;
	struct list	ready;		/* [lock] */
	struct waitq	wait;		/* epoll_wait sleepers; its lock has rank LOCK_EPOLL_READY */
	struct waitq	poll_wait;	/* who watches this eventpoll */
	struct rb_root	items;		/* [mutex] by (file, fd) */
	struct file	*file;		/* [b] its own */
	struct list	deferred;	/* on the list of those whose watchers must be woken */
	bool		deferred_queued;
	atomic_t	refs;		/* the file, and the deferred list */
};

struct epitem;
struct epwait {
	struct wait_entry	wait;
	struct waitq		*q;
	struct epitem		*item;
	struct epwait		*next;
};

struct epitem {
	struct rb_node		node;
	struct eventpoll	*ep;
	struct file		*file;		/* [b] */
	int			fd;
	struct list		ready_link;	/* [ep->lock] self-linked: not ready */
	struct list		file_link;	/* file->epoll_links */
	struct epoll_event	event;
	struct epwait		*waits;
	struct epwait		first;
};

struct ep_poll_table {
	struct poll_table	pt;
	struct epitem		*item;
	int			err;
};

static struct slab_cache *item_cache;
static struct mutex epoll_mutex = MUTEX_INIT(epoll_mutex, "epoll", LOCK_EPOLL);
static spinlock_t deferred_lock = SPINLOCK_INIT("epoll_deferred", LOCK_LEAF);
static struct list deferred_eps = LIST_INIT(deferred_eps);
static int deferred_slot = -1;
static const struct file_ops epoll_fops;

static void ep_put(struct eventpoll *ep)
{
	if (atomic_dec_and_test(&ep->refs))
		kfree(ep);
}

/* Safe point: wake those who watch eventpolls that became ready. */
static void run_deferred(void *unused_arg)
{
	for (;;) {
		struct eventpoll *ep;

		spin_lock(&deferred_lock);
		ep = list_first_entry(&deferred_eps, struct eventpoll, deferred);
		if (ep) {
			list_remove(&ep->deferred);
			ep->deferred_queued = false;
		}
		spin_unlock(&deferred_lock);
		if (!ep)
			return;
		waitq_wake_key(&ep->poll_wait, S32_MAX, POLLIN | POLLRDNORM);
		ep_put(ep);
	}
}

static void defer_poll_wake(struct eventpoll *ep)
{
	spin_lock(&deferred_lock);
	if (!ep->deferred_queued) {
		ep->deferred_queued = true;
		atomic_inc(&ep->refs);
		list_append(&deferred_eps, &ep->deferred);
	}
	spin_unlock(&deferred_lock);
	deferred_raise(deferred_slot);
}

void epoll_init(void)
{
	item_cache = slab_cache_create("eventpoll_epi", sizeof(struct epitem), 0, SLAB_PANIC, NULL);
	deferred_slot = deferred_register("epoll", run_deferred, NULL);
	if (deferred_slot < 0)
		panic("epoll: no deferred slot");
}

/* ---- becoming ready ---- */

static void make_ready(struct epitem *i)
{
	struct eventpoll *ep = i->ep;

	spin_lock(&ep->lock);
	if (!list_is_linked(&i->ready_link))
		list_append(&ep->ready, &i->ready_link);
	spin_unlock(&ep->lock);
	waitq_wake_one(&ep->wait);
	if (!list_empty(&ep->poll_wait.waiters))
		defer_poll_wake(ep);
}

/* Runs under the watched queue's lock. */
static bool ep_callback(struct wait_entry *w, unsigned long key)
{
	struct epwait *e = container_of(w, struct epwait, wait);
	struct epitem *i = e->item;
	u32 events = READ_ONCE(i->event.events);

	if (!(events & ~PRIVATE_BITS))
		return false;				/* ONESHOT that has fired */
	if (key && !(key & (events | POLLERR | POLLHUP)))
		return false;
	make_ready(i);
	return true;
}

static void ep_queue(struct poll_table *pt, struct file *f, struct waitq *q)
{
	struct ep_poll_table *t = container_of(pt, struct ep_poll_table, pt);
	struct epitem *i = t->item;
	struct epwait *w = i->waits ? kmalloc(sizeof(*w), GFP_KERNEL) : &i->first;

	if (!w) {
		t->err = -ENOMEM;
		return;
	}
	wait_entry_init(&w->wait);
	w->wait.wake = ep_callback;
	w->wait.exclusive = i->event.events & EPOLLEXCLUSIVE;
	w->q = q;
	w->item = i;
	w->next = i->waits;
	i->waits = w;
	waitq_add(q, &w->wait);
}

static u32 item_poll(struct epitem *i, struct poll_table *pt)
{
	if (pt)
		pt->key = i->event.events;
	return vfs_poll(i->file, pt) & i->event.events;
}

/* ---- items ---- */

static int item_cmp(const struct epitem *i, struct file *f, int fd)
{
	if (i->file != f)
		return i->file < f ? -1 : 1;
	return i->fd - fd;
}

static struct epitem *item_find(struct eventpoll *ep, struct file *f, int fd)
{
	struct rb_node *n = ep->items.node;

	while (n) {
		struct epitem *i = container_of(n, struct epitem, node);
		int c = item_cmp(i, f, fd);

		if (!c)
			return i;
		n = c > 0 ? n->left : n->right;
	}
	return NULL;
}

static void item_insert(struct eventpoll *ep, struct epitem *new)
{
	struct rb_node **link = &ep->items.node, *parent = NULL;

	while (*link) {
		struct epitem *i = container_of(*link, struct epitem, node);

		parent = *link;
		link = item_cmp(i, new->file, new->fd) > 0 ? &parent->left : &parent->right;
	}
	rb_insert(&ep->items, &new->node, parent, link);
}

/* ep->mutex held. */
static void item_remove(struct epitem *i)
{
	struct eventpoll *ep = i->ep;
	struct epwait *w = i->waits, *next;

	for (; w; w = next) {
		next = w->next;
		waitq_remove(w->q, &w->wait);
		if (w != &i->first)
			kfree(w);
	}
	spin_lock(&i->file->epoll_lock);
	list_remove(&i->file_link);
	spin_unlock(&i->file->epoll_lock);
	rb_erase(&ep->items, &i->node);
	spin_lock(&ep->lock);
	list_remove(&i->ready_link);
	spin_unlock(&ep->lock);
	slab_free(item_cache, i);
}

static int item_add(struct eventpoll *ep, struct file *f, int fd, const struct epoll_event *ev)
{
	struct ep_poll_table t = { .pt.queue = ep_queue };
	struct epitem *i = slab_alloc(item_cache, GFP_KERNEL | GFP_ZERO);
	u32 mask;

	if (!i)
		return -ENOMEM;
	i->ep = ep;
	i->file = f;
	i->fd = fd;
	i->event = *ev;
	list_init(&i->ready_link);
	item_insert(ep, i);
	spin_lock(&f->epoll_lock);
	list_append(&f->epoll_links, &i->file_link);
	spin_unlock(&f->epoll_lock);
	t.item = i;
	mask = item_poll(i, &t.pt);
	if (t.err) {
		item_remove(i);
		return t.err;
	}
	if (mask)
		make_ready(i);
	return 0;
}

static int item_modify(struct epitem *i, const struct epoll_event *ev)
{
	WRITE_ONCE(i->event.events, ev->events);
	i->event.data = ev->data;
	smp_mb();
	if (item_poll(i, NULL))
		make_ready(i);
	return 0;
}

/* The watched file has no references left: nobody can look it up any more. */
void epoll_file_released(struct file *f)
{
	mutex_lock(&epoll_mutex);
	for (;;) {
		struct epitem *i;
		struct eventpoll *ep;

		spin_lock(&f->epoll_lock);
		i = list_first_entry(&f->epoll_links, struct epitem, file_link);
		spin_unlock(&f->epoll_lock);
		if (!i)
			break;
		ep = i->ep;
		mutex_lock_nested(&ep->mutex);
		item_remove(i);
		mutex_unlock(&ep->mutex);
	}
	mutex_unlock(&epoll_mutex);
}

/* ---- the file ---- */

static void ep_release(struct file *f)
{
	struct eventpoll *ep = f->priv;
	struct rb_node *n;

	mutex_lock(&epoll_mutex);
	mutex_lock_nested(&ep->mutex);
	while ((n = rb_first(&ep->items)))
		item_remove(container_of(n, struct epitem, node));
	mutex_unlock(&ep->mutex);
	mutex_unlock(&epoll_mutex);
	ep_put(ep);
}

/* Readable when a ready item is still ready; asking may be wrong after a race, so ask each. */
static u32 ep_poll(struct file *f, struct poll_table *pt)
{
	struct eventpoll *ep = f->priv;

	poll_wait(f, &ep->poll_wait, pt);
	return list_empty(&ep->ready) ? 0 : POLLIN | POLLRDNORM;
}

static void ep_fdinfo(struct file *f, struct text *out)
{
	struct eventpoll *ep = f->priv;

	mutex_lock(&ep->mutex);
	for (struct rb_node *n = rb_first(&ep->items); n; n = rb_next(n)) {
		struct epitem *i = container_of(n, struct epitem, node);

		text_printf(out, "tfd: %8d events: %8x data: %16llx\n", i->fd, i->event.events, (unsigned long long)i->event.data);
	}
	mutex_unlock(&ep->mutex);
}

static const struct file_ops epoll_fops = { .release = ep_release, .poll = ep_poll, .fdinfo = ep_fdinfo };

/* ---- epoll_create, epoll_ctl ---- */

static long do_create(unsigned flags)
{
	struct eventpoll *ep = kzalloc(sizeof(*ep), GFP_KERNEL);
	struct file *f;
	int err;

	if (!ep)
		return -ENOMEM;
	mutex_init(&ep->mutex, "eventpoll", LOCK_EPOLL);
	spin_lock_init(&ep->lock, "eventpoll", LOCK_EPOLL_READY);
	list_init(&ep->ready);
	list_init(&ep->deferred);
	waitq_init(&ep->wait);
	spin_lock_init(&ep->wait.lock, "eventpoll_wait", LOCK_EPOLL_READY);
	waitq_init(&ep->poll_wait);
	atomic_set(&ep->refs, 1);
	err = file_open_anon("anon_inode:[eventpoll]", &epoll_fops, ep, O_RDWR, &f);
	if (err) {
		kfree(ep);
		return err;
	}
	ep->file = f;
	return fd_alloc_install(f, flags);
}

SYSCALL(epoll_create1, int flags)
{
	return flags & ~EPOLL_CLOEXEC ? -EINVAL : do_create((unsigned)flags);
}

SYSCALL(epoll_create, int size)
{
	return size <= 0 ? -EINVAL : do_create(0);
}

/* Depth of eventpolls below f; more than MAX_NESTS, or `top` among them, is a loop. epoll_mutex held. */
static int nest_depth(struct file *f, struct eventpoll *top, int depth)
{
	struct eventpoll *ep = f->priv;
	int deepest = depth;

	if (ep == top || depth > MAX_NESTS)
		return MAX_NESTS + 1;
	for (struct rb_node *n = rb_first(&ep->items); n; n = rb_next(n)) {
		struct epitem *i = container_of(n, struct epitem, node);

		if (i->file->ops == &epoll_fops)
			deepest = max(deepest, nest_depth(i->file, top, depth + 1));
		if (deepest > MAX_NESTS)
			break;
	}
	return deepest;
}

/* How many eventpolls stand above this one. */
static int height_above(struct file *f, int depth)
{
	struct epitem *i;
	int highest = depth;

	if (depth > MAX_NESTS)
		return depth;
	list_for_each(i, &f->epoll_links, file_link)
		highest = max(highest, height_above(i->ep->file, depth + 1));
	return highest;
}

static int check_events(int op, const struct file *f, const struct epoll_event *ev)
{
	if (!(ev->events & EPOLLEXCLUSIVE))
		return 0;
	if (op == EPOLL_CTL_MOD || f->ops == &epoll_fops)
		return -EINVAL;
	if (ev->events & ~(EPOLLEXCLUSIVE | EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET))
		return -EINVAL;
	return 0;
}

static int do_ctl(struct eventpoll *ep, int op, struct file *f, int fd, struct epoll_event *ev)
{
	struct epitem *i = item_find(ep, f, fd);

	ev->events |= POLLERR | POLLHUP;
	switch (op) {
	case EPOLL_CTL_ADD:
		return i ? -EEXIST : item_add(ep, f, fd, ev);
	case EPOLL_CTL_DEL:
		if (!i)
			return -ENOENT;
		item_remove(i);
		return 0;
	case EPOLL_CTL_MOD:
		if (!i)
			return -ENOENT;
		return i->event.events & EPOLLEXCLUSIVE ? -EINVAL : item_modify(i, ev);
	}
	return -EINVAL;
}

SYSCALL(epoll_ctl, int epfd, int op, int fd, struct epoll_event __user *uev)
{
	struct epoll_event ev = { 0 };
	struct file *epf, *f;
	struct eventpoll *ep;
	int err = -EBADF;

	if (op != EPOLL_CTL_DEL && copy_from_user(&ev, uev, sizeof(ev)))
		return -EFAULT;
	epf = fd_get_io(epfd);
	f = fd_get_io(fd);
	if (!epf || !f)
		goto out;
	err = -EPERM;
	if (!f->ops->poll)
		goto out;
	err = -EINVAL;
	if (f == epf || epf->ops != &epoll_fops)
		goto out;
	err = check_events(op, f, &ev);
	if (err)
		goto out;
	ep = epf->priv;
	if (f->ops == &epoll_fops && op == EPOLL_CTL_ADD) {
		mutex_lock(&epoll_mutex);
		if (nest_depth(f, ep, 1) + height_above(epf, 0) > MAX_NESTS + 1)
			err = -ELOOP;
		if (!err) {
			mutex_lock_nested(&ep->mutex);
			err = do_ctl(ep, op, f, fd, &ev);
			mutex_unlock(&ep->mutex);
		}
		mutex_unlock(&epoll_mutex);
	} else {
		mutex_lock(&ep->mutex);
		err = do_ctl(ep, op, f, fd, &ev);
		mutex_unlock(&ep->mutex);
	}
out:
	if (f)
		file_put(f);
	if (epf)
		file_put(epf);
	return err;
}

/* ---- epoll_wait ---- */

/* Copy out up to max events. Number, or -EFAULT when not even one could be stored. */
static int harvest(struct eventpoll *ep, struct epoll_event __user *out, int max)
{
	struct list todo = LIST_INIT(todo);
	int n = 0, err = 0;

	mutex_lock(&ep->mutex);
	spin_lock(&ep->lock);
	list_splice_end(&todo, &ep->ready);
	spin_unlock(&ep->lock);
	while (n < max && !err) {
		struct epitem *i;
		struct epoll_event ev;

		spin_lock(&ep->lock);
		i = list_first_entry(&todo, struct epitem, ready_link);
		if (i)
			list_remove(&i->ready_link);
		spin_unlock(&ep->lock);
		if (!i)
			break;
		ev.events = item_poll(i, NULL);
		if (!ev.events)
			continue;
		ev.data = i->event.data;
		if (copy_to_user(&out[n], &ev, sizeof(ev))) {
			err = n ? 0 : -EFAULT;
			make_ready(i);
			break;
		}
		n++;
		if (i->event.events & EPOLLONESHOT) {
			WRITE_ONCE(i->event.events, i->event.events & PRIVATE_BITS);
		} else if (!(i->event.events & EPOLLET)) {
			spin_lock(&ep->lock);
			if (!list_is_linked(&i->ready_link))
				list_append(&ep->ready, &i->ready_link);
			spin_unlock(&ep->lock);
		}
	}
	spin_lock(&ep->lock);
	if (!list_empty(&todo)) {	/* what was not looked at comes first next time */
		list_splice_end(&todo, &ep->ready);
		list_splice_end(&ep->ready, &todo);
	}
	spin_unlock(&ep->lock);
	mutex_unlock(&ep->mutex);
	return err ? err : n;
}

static int ep_wait(struct eventpoll *ep, struct epoll_event __user *out, int max, ktime_t deadline)
{
	for (;;) {
		ktime_t left = KTIME_MAX;
		int n = list_empty(&ep->ready) ? 0 : harvest(ep, out, max);

		if (n || !deadline)
			return n;
		if (deadline != KTIME_MAX) {
			left = deadline - ktime_get();
			if (left <= 0)
				return 0;
		}
		left = wait_event_interruptible_timeout(&ep->wait, !list_empty(&ep->ready), left);
		if (left < 0)
			return -EINTR;
	}
}

static long do_epoll_wait(int epfd, struct epoll_event __user *out, int max, ktime_t deadline)
{
	struct file *f;
	long n;

	if (max <= 0 || (unsigned long)max > S32_MAX / sizeof(struct epoll_event))
		return -EINVAL;
	if (!access_ok(out, (size_t)max * sizeof(*out)))
		return -EFAULT;
	f = fd_get_io(epfd);
	if (!f)
		return -EBADF;
	n = f->ops == &epoll_fops ? ep_wait(f->priv, out, max, deadline) : -EINVAL;
	file_put(f);
	return n;
}

static ktime_t ms_deadline(int ms)
{
	return ms < 0 ? KTIME_MAX : ms ? ktime_get() + ms * NSEC_PER_MSEC : 0;
}

SYSCALL(epoll_wait, int epfd, struct epoll_event __user *out, int max, int timeout_ms)
{
	return do_epoll_wait(epfd, out, max, ms_deadline(timeout_ms));
}

static long epoll_pwait_common(int epfd, struct epoll_event __user *out, int max, ktime_t deadline, const u64 __user *mask, size_t size)
{
	long n = sigmask_user_set(mask, size);

	if (n)
		return n;
	n = do_epoll_wait(epfd, out, max, deadline);
	sigmask_user_restore(n == -EINTR);
	return n;
}

SYSCALL(epoll_pwait, int epfd, struct epoll_event __user *out, int max, int timeout_ms, const u64 __user *mask, size_t size)
{
	return epoll_pwait_common(epfd, out, max, ms_deadline(timeout_ms), mask, size);
}

SYSCALL(epoll_pwait2, int epfd, struct epoll_event __user *out, int max, const void __user *uts, const u64 __user *mask, size_t size)
{
	ktime_t deadline;
	long err = poll_user_timeout(uts, &deadline);

	return err ? err : epoll_pwait_common(epfd, out, max, deadline, mask, size);
}
