/*
 * locks.c - advisory locks: POSIX ranges (of a process), OFD ranges (of an open file), flock (of an open file).
 *
 * SHAPE    inode->locks points to two lists, ranges sorted by start and flocks, and one wait queue: whoever is refused sleeps there
 *          and tries again when anything was released. Owners are compared by pointer: the descriptor table for POSIX, the
 *          struct file for the other two.
 * DEADLOCK a POSIX waiter notes which owner it waits for; a cycle of such notes is EDEADLK.
 * LOCKS    locks_lock (LOCK_FS), one for all: advisory locks are rare.
 */
#include "internal.h"
#include <kernel/signal.h>

#define OFFSET_MAX	S64_MAX

struct file_lock {
	struct list	link;
	void		*owner;
	int		pid;		/* for F_GETLK; -1: OFD */
	int		type;		/* F_RDLCK, F_WRLCK */
	loff_t		start, end;	/* inclusive */
};

struct file_lock_context {
	struct list	ranges, flocks;
	struct waitq	wait;
};

struct lock_waiter {			/* on the waiting task's stack */
	struct list	link;
	void		*owner, *blocker;
};

static spinlock_t locks_lock = SPINLOCK_INIT("file_locks", LOCK_FS);
static struct list waiters = LIST_INIT(waiters);
static struct slab_cache *lock_cache;

void locks_init(void)
{
	lock_cache = slab_cache_create("file_lock", sizeof(struct file_lock), 0, SLAB_PANIC, NULL);
}

static struct file_lock_context *context(struct inode *i)
{
	struct file_lock_context *c = READ_ONCE(i->locks);

	if (c)
		return c;
	c = kmalloc(sizeof(*c), GFP_KERNEL);
	if (!c)
		return NULL;
	list_init(&c->ranges);
	list_init(&c->flocks);
	waitq_init(&c->wait);
	if (cmpxchg(&i->locks, NULL, c))
		kfree(c);
	return i->locks;
}

void locks_free_context(struct inode *i)
{
	kfree(i->locks);
	i->locks = NULL;
}

static bool conflict(const struct file_lock *a, const struct file_lock *b)
{
	return a->owner != b->owner && a->start <= b->end && b->start <= a->end && (a->type == F_WRLCK || b->type == F_WRLCK);
}

static struct file_lock *find_conflict(struct list *head, const struct file_lock *want)
{
	struct file_lock *l;

	list_for_each(l, head, link)
		if (conflict(l, want))
			return l;
	return NULL;
}

static void insert_sorted(struct list *head, struct file_lock *n)
{
	struct file_lock *l;

	list_for_each(l, head, link)
		if (l->start > n->start)
			break;
	list_insert_between(&n->link, l->link.prev, &l->link);
}

/*
 * The owner's ranges become: what they were outside [start, end], `want` inside (nothing for F_UNLCK). Neighbours of one type
 * merge. spare: two locks that may be used (set NULL then); freed ones go to `dead`. True when something was released.
 */
static bool apply_range(struct list *head, const struct file_lock *want, struct file_lock *spare[2], struct list *dead)
{
	struct file_lock *l, *next, n = *want;
	bool released = false, set = want->type != F_UNLCK;

	list_for_each_safe(l, next, head, link) {
		if (l->owner != want->owner)
			continue;
		if (set && l->type == want->type) {
			/* Touching or overlapping: swallow it. */
			if ((n.start && l->end < n.start - 1) || (n.end != OFFSET_MAX && l->start > n.end + 1))
				continue;
			n.start = min(n.start, l->start);
			n.end = max(n.end, l->end);
			list_move_to_end(dead, &l->link);
			continue;
		}
		if (l->end < want->start || l->start > want->end)
			continue;
		released = true;
		if (l->start < want->start && l->end > want->end) {	/* split */
			struct file_lock *right = spare[1];

			spare[1] = NULL;
			*right = *l;
			right->start = want->end + 1;
			l->end = want->start - 1;
			insert_sorted(head, right);
		} else if (l->start < want->start) {
			l->end = want->start - 1;
		} else if (l->end > want->end) {
			l->start = want->end + 1;
			list_remove(&l->link);
			insert_sorted(head, l);
		} else {
			list_move_to_end(dead, &l->link);
		}
	}
	if (set) {
		struct file_lock *new = spare[0];

		spare[0] = NULL;
		*new = n;
		insert_sorted(head, new);
	}
	return released;
}

static void free_list(struct list *dead)
{
	struct file_lock *l, *next;

	list_for_each_safe(l, next, dead, link)
		slab_free(lock_cache, l);
}

/* Would waiting for `blocker` close a circle back to `owner`? locks_lock held. */
static bool deadlock(void *owner, void *blocker)
{
	for (int depth = 0; depth < 64; depth++) {
		struct lock_waiter *w;
		void *next = NULL;

		if (blocker == owner)
			return true;
		list_for_each(w, &waiters, link)
			if (w->owner == blocker)
				next = w->blocker;
		if (!next)
			return false;
		blocker = next;
	}
	return false;
}

/* 0, -EAGAIN, -EDEADLK with *blocker; applies the lock when nothing is in the way. */
static int try_range(struct file_lock_context *c, const struct file_lock *want, bool wait, bool posix, void **blocker)
{
	struct file_lock *spare[2] = { slab_alloc(lock_cache, GFP_KERNEL), slab_alloc(lock_cache, GFP_KERNEL) }, *l = NULL;
	struct list dead = LIST_INIT(dead);
	bool released = false;
	int err = -ENOLCK;

	if (spare[0] && spare[1]) {
		spin_lock(&locks_lock);
		l = want->type == F_UNLCK ? NULL : find_conflict(&c->ranges, want);
		if (l) {
			*blocker = l->owner;
			err = wait && posix && deadlock(want->owner, l->owner) ? -EDEADLK : -EAGAIN;
		} else {
			released = apply_range(&c->ranges, want, spare, &dead);
			err = 0;
		}
		spin_unlock(&locks_lock);
	}
	free_list(&dead);
	slab_free(lock_cache, spare[0]);
	slab_free(lock_cache, spare[1]);
	if (released || (!err && want->type != F_WRLCK))
		waitq_wake_all(&c->wait);
	return err;
}

static bool range_free(struct file_lock_context *c, const struct file_lock *want)
{
	bool yes;

	spin_lock(&locks_lock);
	yes = !find_conflict(&c->ranges, want);
	spin_unlock(&locks_lock);
	return yes;
}

static int set_range(struct file_lock_context *c, const struct file_lock *want, bool wait, bool posix)
{
	for (;;) {
		struct lock_waiter w = { .owner = want->owner };
		int err = try_range(c, want, wait, posix, &w.blocker);

		if (err != -EAGAIN || !wait)
			return err;
		spin_lock(&locks_lock);
		if (posix)
			list_append(&waiters, &w.link);
		spin_unlock(&locks_lock);
		err = wait_event_interruptible(&c->wait, range_free(c, want));
		spin_lock(&locks_lock);
		if (posix)
			list_remove(&w.link);
		spin_unlock(&locks_lock);
		if (err)
			return -ERESTARTSYS;
	}
}

/* ---- fcntl ---- */

static int range_from_flock(struct file *f, const struct flock *u, struct file_lock *l)
{
	loff_t base = u->l_whence == SEEK_CUR ? f->pos : u->l_whence == SEEK_END ? inode_size(f->inode) : 0;

	if (u->l_whence != SEEK_SET && u->l_whence != SEEK_CUR && u->l_whence != SEEK_END)
		return -EINVAL;
	if (__builtin_add_overflow(base, u->l_start, &l->start))
		return -EOVERFLOW;
	if (l->start < 0)
		return -EINVAL;
	if (u->l_len > 0) {
		if (__builtin_add_overflow(l->start, u->l_len - 1, &l->end))
			return -EOVERFLOW;
	} else if (u->l_len < 0) {
		if (l->start + u->l_len < 0)
			return -EINVAL;
		l->end = l->start - 1;
		l->start += u->l_len;
	} else {
		l->end = OFFSET_MAX;
	}
	if (u->l_type != F_RDLCK && u->l_type != F_WRLCK && u->l_type != F_UNLCK)
		return -EINVAL;
	l->type = u->l_type;
	return 0;
}

static long get_lock(struct file *f, struct flock *u, struct flock __user *uarg, struct file_lock *want)
{
	struct file_lock_context *c = f->inode->locks;
	struct file_lock *l = NULL;

	if (want->type == F_UNLCK)
		return -EINVAL;
	spin_lock(&locks_lock);
	if (c)
		l = find_conflict(&c->ranges, want);
	if (l) {
		u->l_type = (short)l->type;
		u->l_whence = SEEK_SET;
		u->l_start = l->start;
		u->l_len = l->end == OFFSET_MAX ? 0 : l->end - l->start + 1;
		u->l_pid = l->pid;
	} else {
		u->l_type = F_UNLCK;
	}
	spin_unlock(&locks_lock);
	return put_user_struct(uarg, u);
}

long fcntl_lock(struct file *f, unsigned cmd, unsigned long arg)
{
	struct flock __user *uarg = (struct flock __user *)arg;
	bool ofd = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
	struct file_lock want = { .owner = ofd ? (void *)f : (void *)current->files, .pid = ofd ? -1 : task_pid(current) };
	struct file_lock_context *c;
	struct flock u;
	int err;

	if (copy_from_user(&u, uarg, sizeof(u)))
		return -EFAULT;
	if (ofd && u.l_pid)
		return -EINVAL;
	err = range_from_flock(f, &u, &want);
	if (err)
		return err;
	if (cmd == F_GETLK || cmd == F_OFD_GETLK)
		return get_lock(f, &u, uarg, &want);
	if ((want.type == F_RDLCK && !(f->mode & FMODE_READ)) || (want.type == F_WRLCK && !(f->mode & FMODE_WRITE)))
		return -EBADF;
	if (want.type == F_UNLCK && !f->inode->locks)
		return 0;
	c = context(f->inode);
	if (!c)
		return -ENOLCK;
	return set_range(c, &want, cmd == F_SETLKW || cmd == F_OFD_SETLKW, !ofd);
}

/* ---- flock ---- */

enum { FLOCK_SH = 1, FLOCK_EX = 2, FLOCK_NB = 4, FLOCK_UN = 8 };

static struct file_lock *flock_conflict(struct file_lock_context *c, struct file *f, int type)
{
	struct file_lock *l;

	list_for_each(l, &c->flocks, link)
		if (l->owner != f && (l->type == F_WRLCK || type == F_WRLCK))
			return l;
	return NULL;
}

static struct file_lock *flock_of(struct file_lock_context *c, struct file *f)
{
	struct file_lock *l;

	list_for_each(l, &c->flocks, link)
		if (l->owner == f)
			return l;
	return NULL;
}

static bool flock_free(struct file_lock_context *c, struct file *f, int type)
{
	bool yes;

	spin_lock(&locks_lock);
	yes = !flock_conflict(c, f, type);
	spin_unlock(&locks_lock);
	return yes;
}

static void flock_drop(struct file_lock_context *c, struct file *f)
{
	struct file_lock *l;

	spin_lock(&locks_lock);
	l = flock_of(c, f);
	if (l)
		list_remove(&l->link);
	spin_unlock(&locks_lock);
	if (l) {
		slab_free(lock_cache, l);
		waitq_wake_all(&c->wait);
	}
}

static int flock_try(struct file_lock_context *c, struct file *f, int type)
{
	struct file_lock *new = slab_alloc(lock_cache, GFP_KERNEL), *l;
	int err = 0;

	if (!new)
		return -ENOLCK;
	*new = (struct file_lock){ .owner = f, .pid = task_pid(current), .type = type, .end = OFFSET_MAX };
	spin_lock(&locks_lock);
	l = flock_of(c, f);
	if (flock_conflict(c, f, type)) {
		err = -EAGAIN;
	} else if (l) {
		l->type = type;
	} else {
		list_append(&c->flocks, &new->link);
		new = NULL;
	}
	spin_unlock(&locks_lock);
	slab_free(lock_cache, new);
	return err;
}

static int do_flock(struct file *f, int op)
{
	struct file_lock_context *c;
	int type = (op & ~FLOCK_NB) == FLOCK_EX ? F_WRLCK : F_RDLCK, err;

	if ((op & ~FLOCK_NB) == FLOCK_UN) {
		if (f->inode->locks)
			flock_drop(f->inode->locks, f);
		return 0;
	}
	if ((op & ~FLOCK_NB) != FLOCK_SH && (op & ~FLOCK_NB) != FLOCK_EX)
		return -EINVAL;
	c = context(f->inode);
	if (!c)
		return -ENOLCK;
	/* Changing a lock lets go of the old one first, as Linux documents. */
	for (;;) {
		err = flock_try(c, f, type);
		if (err != -EAGAIN || (op & FLOCK_NB)) {
			if (err == -EAGAIN)
				flock_drop(c, f);
			return err;
		}
		flock_drop(c, f);
		if (wait_event_interruptible(&c->wait, flock_free(c, f, type)) < 0)
			return -ERESTARTSYS;
	}
}

SYSCALL(flock, int fd, unsigned op)
{
	struct file *f = fd_get_io(fd);
	int err;

	if (!f)
		return -EBADF;
	err = do_flock(f, (int)op);
	file_put(f);
	return err;
}

/* ---- closing ---- */

static void drop_owner(struct file_lock_context *c, void *owner)
{
	struct list dead = LIST_INIT(dead);
	struct file_lock *l, *next;

	spin_lock(&locks_lock);
	list_for_each_safe(l, next, &c->ranges, link)
		if (l->owner == owner)
			list_move_to_end(&dead, &l->link);
	spin_unlock(&locks_lock);
	if (list_empty(&dead))
		return;
	free_list(&dead);
	waitq_wake_all(&c->wait);
}

/* close(2) of any descriptor of the file drops all POSIX locks of the process on it. */
void locks_remove_posix(struct file *f, void *owner)
{
	drop_owner(f->inode->locks, owner);
}

/* The open file is gone. */
void locks_remove_file(struct file *f)
{
	drop_owner(f->inode->locks, f);
	flock_drop(f->inode->locks, f);
}
