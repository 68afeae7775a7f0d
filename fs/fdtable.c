/*
 * fdtable.c - descriptors: the table from small numbers to open files, and the calls that only move entries.
 *
 * SHAPE    an array of file pointers, a bitmap of numbers taken and one of close-on-exec; 64 inline, doubled on demand.
 *          A number is taken (fd_reserve) before its file is there (fd_install).
 * LOCKS    files->lock. A task that is alone in its table reads it without: nobody else can close behind its back. Others
 *          (threads, /proc) take the lock and a reference.
 */
#include "internal.h"

#define NR_OPEN		1048576u
#define WORD(fd)	((fd) / 64)
#define MASK(fd)	(1UL << ((fd) % 64))

static struct slab_cache *files_cache;

void fdtable_init(void)
{
	files_cache = slab_cache_create("files_cache", sizeof(struct files), 0, SLAB_PANIC, NULL);
}

struct files *files_create(void)
{
	struct files *fs = slab_alloc(files_cache, GFP_KERNEL | GFP_ZERO);

	if (!fs)
		return NULL;
	atomic_set(&fs->refs, 1);
	spin_lock_init(&fs->lock, "files", LOCK_FILES);
	fs->max = FDS_INLINE;
	fs->fds = fs->fds_inline;
	fs->open = fs->open_inline;
	fs->cloexec = fs->cloexec_inline;
	return fs;
}

struct files *files_get(struct files *fs)
{
	atomic_inc(&fs->refs);
	return fs;
}

static void free_arrays(struct files *fs)
{
	if (fs->fds != fs->fds_inline) {
		kvfree(fs->fds);
		kvfree(fs->open);
	}
}

static void file_close(struct file *f, struct files *fs)
{
	if (!(f->mode & FMODE_PATH)) {
		if (f->ops->flush)
			f->ops->flush(f);
		if (f->inode->locks)
			locks_remove_posix(f, fs);
	}
	file_put(f);
}

void files_put(struct files *fs)
{
	if (!fs || !atomic_dec_and_test(&fs->refs))
		return;
	for (unsigned w = 0; w < fs->max / 64; w++)
		for (unsigned long bits = fs->open[w]; bits; bits &= bits - 1) {
			unsigned fd = w * 64 + (unsigned)__builtin_ctzl(bits);

			if (fs->fds[fd])
				file_close(fs->fds[fd], fs);
		}
	free_arrays(fs);
	slab_free(files_cache, fs);
}

/* A table with room for fd. The lock is held before and after, dropped while memory is allocated. */
static int grow(struct files *fs, unsigned fd)
{
	unsigned max = max(fs->max * 2, 64u);
	struct file **fds;
	unsigned long *bits;

	while (max <= fd)
		max *= 2;
	spin_unlock(&fs->lock);
	fds = kvmalloc(max * sizeof(*fds), GFP_KERNEL | GFP_ZERO);
	bits = kvmalloc(max / 8 * 2, GFP_KERNEL | GFP_ZERO);
	spin_lock(&fs->lock);
	if (!fds || !bits || fs->max >= max) {
		spin_unlock(&fs->lock);
		kvfree(fds);
		kvfree(bits);
		spin_lock(&fs->lock);
		return fs->max > fd ? 0 : fs->max >= max ? 0 : -ENOMEM;
	}
	memcpy(fds, fs->fds, fs->max * sizeof(*fds));
	memcpy(bits, fs->open, fs->max / 8);
	memcpy(bits + max / 64, fs->cloexec, fs->max / 8);
	{
		struct file **old = fs->fds;
		unsigned long *old_bits = fs->open;
		bool heap = old != fs->fds_inline;

		fs->fds = fds;
		fs->open = bits;
		fs->cloexec = bits + max / 64;
		fs->max = max;
		if (heap) {
			spin_unlock(&fs->lock);
			kvfree(old);
			kvfree(old_bits);
			spin_lock(&fs->lock);
		}
	}
	return 0;
}

static void copy_entries(struct files *to, struct files *from, unsigned max)
{
	memcpy(to->open, from->open, max / 8);
	memcpy(to->cloexec, from->cloexec, max / 8);
	for (unsigned w = 0; w < max / 64; w++)
		for (unsigned long bits = to->open[w]; bits; bits &= bits - 1) {
			unsigned fd = w * 64 + (unsigned)__builtin_ctzl(bits);
			struct file *f = from->fds[fd];

			if (f)
				to->fds[fd] = file_get(f);
			else		/* reserved by a call that is still running */
				to->open[w] &= ~MASK(fd);
		}
	to->next = from->next;
}

/* Slots in use, rounded up to a word. lock held. */
static unsigned used_slots(const struct files *fs)
{
	unsigned w = fs->max / 64;

	while (w > 1 && !fs->open[w - 1])
		w--;
	return w * 64;
}

int files_dup(struct files *old, struct files **out)
{
	struct files *fs = files_create();
	int err = 0;

	if (!fs)
		return -ENOMEM;
	spin_lock(&old->lock);
	while (used_slots(old) > fs->max && !err) {
		unsigned need = used_slots(old);

		spin_unlock(&old->lock);
		spin_lock(&fs->lock);
		err = grow(fs, need - 1);
		spin_unlock(&fs->lock);
		spin_lock(&old->lock);
	}
	if (!err)
		copy_entries(fs, old, used_slots(old));
	spin_unlock(&old->lock);
	if (err) {
		files_put(fs);
		return err;
	}
	*out = fs;
	return 0;
}

int files_unshare(void)
{
	struct files *old = current->files, *fs;
	int err;

	if (atomic_read(&old->refs) == 1)
		return 0;
	err = files_dup(old, &fs);
	if (err)
		return err;
	current->files = fs;
	files_put(old);
	return 0;
}

/* ---- entries ---- */

static int find_free(struct files *fs, unsigned from)
{
	for (unsigned w = from / 64; w < fs->max / 64; w++) {
		unsigned long free = ~fs->open[w];

		if (w == from / 64)
			free &= ~0UL << (from % 64);
		if (free)
			return (int)(w * 64 + (unsigned)__builtin_ctzl(free));
	}
	return (int)max(fs->max, from);
}

int fd_reserve(int min, bool cloexec)
{
	struct files *fs = current->files;
	unsigned long limit = min(task_rlimit(current, 7 /* RLIMIT_NOFILE */), (unsigned long)NR_OPEN);
	int fd, err;

	spin_lock(&fs->lock);
	for (;;) {
		fd = find_free(fs, max((unsigned)min, fs->next));
		if ((unsigned long)fd >= limit) {
			spin_unlock(&fs->lock);
			return -EMFILE;
		}
		if ((unsigned)fd < fs->max)
			break;
		err = grow(fs, (unsigned)fd);
		if (err) {
			spin_unlock(&fs->lock);
			return err;
		}
	}
	fs->open[WORD(fd)] |= MASK(fd);
	if (cloexec)
		fs->cloexec[WORD(fd)] |= MASK(fd);
	else
		fs->cloexec[WORD(fd)] &= ~MASK(fd);
	if ((unsigned)min <= fs->next)
		fs->next = (unsigned)fd + 1;
	spin_unlock(&fs->lock);
	return fd;
}

void fd_install(int fd, struct file *f)
{
	struct files *fs = current->files;

	spin_lock(&fs->lock);
	fs->fds[fd] = f;
	spin_unlock(&fs->lock);
}

static void clear_slot(struct files *fs, unsigned fd)
{
	fs->fds[fd] = NULL;
	fs->open[WORD(fd)] &= ~MASK(fd);
	fs->cloexec[WORD(fd)] &= ~MASK(fd);
	if (fd < fs->next)
		fs->next = fd;
}

void fd_unreserve(int fd)
{
	struct files *fs = current->files;

	spin_lock(&fs->lock);
	clear_slot(fs, (unsigned)fd);
	spin_unlock(&fs->lock);
}

int fd_alloc_install(struct file *f, unsigned flags)
{
	int fd = fd_reserve(0, flags & O_CLOEXEC);

	if (fd < 0)
		file_put(f);
	else
		fd_install(fd, f);
	return fd;
}

struct file *files_get_file(struct files *fs, int fd)
{
	struct file *f = NULL;

	spin_lock(&fs->lock);
	if ((unsigned)fd < fs->max && fs->fds[fd])
		f = file_get(fs->fds[fd]);
	spin_unlock(&fs->lock);
	return f;
}

unsigned files_table_size(struct files *fs)
{
	return READ_ONCE(fs->max);
}

int files_next_fd(struct files *fs, int from)
{
	int found = -1;

	spin_lock(&fs->lock);
	for (unsigned fd = (unsigned)from; fd < fs->max; fd++) {
		if (!(fd % 64) && !fs->open[WORD(fd)]) {
			fd += 63;
			continue;
		}
		if (fs->fds[fd]) {
			found = (int)fd;
			break;
		}
	}
	spin_unlock(&fs->lock);
	return found;
}

struct file *fd_get(int fd)
{
	return files_get_file(current->files, fd);
}

struct file *fd_get_io(int fd)
{
	struct file *f = fd_get(fd);

	if (f && (f->mode & FMODE_PATH)) {
		file_put(f);
		return NULL;
	}
	return f;
}

int fd_close(int fd)
{
	struct files *fs = current->files;
	struct file *f = NULL;

	spin_lock(&fs->lock);
	if ((unsigned)fd < fs->max && fs->fds[fd]) {
		f = fs->fds[fd];
		clear_slot(fs, (unsigned)fd);
	}
	spin_unlock(&fs->lock);
	if (!f)
		return -EBADF;
	file_close(f, fs);
	return 0;
}

bool fd_get_cloexec(int fd)
{
	struct files *fs = current->files;
	bool yes;

	spin_lock(&fs->lock);
	yes = (unsigned)fd < fs->max && (fs->cloexec[WORD(fd)] & MASK(fd));
	spin_unlock(&fs->lock);
	return yes;
}

void fd_set_cloexec(int fd, bool on)
{
	struct files *fs = current->files;

	spin_lock(&fs->lock);
	if ((unsigned)fd < fs->max && fs->fds[fd]) {
		if (on)
			fs->cloexec[WORD(fd)] |= MASK(fd);
		else
			fs->cloexec[WORD(fd)] &= ~MASK(fd);
	}
	spin_unlock(&fs->lock);
}

void files_close_on_exec(struct files *fs)
{
	for (unsigned w = 0; w < fs->max / 64; w++)
		for (unsigned long bits = fs->cloexec[w] & fs->open[w]; bits; bits &= bits - 1)
			fd_close((int)(w * 64 + (unsigned)__builtin_ctzl(bits)));
}

SYSCALL(close, int fd)
{
	return fd_close(fd);
}

SYSCALL(close_range, unsigned first, unsigned last, unsigned flags)
{
	struct files *fs;
	int err, fd;

	if ((flags & ~(2u | 4u)) || first > last)	/* CLOSE_RANGE_UNSHARE, CLOSE_RANGE_CLOEXEC */
		return -EINVAL;
	if (flags & 2u) {
		err = files_unshare();
		if (err)
			return err;
	}
	fs = current->files;
	for (fd = first > S32_MAX ? -1 : files_next_fd(fs, (int)first); fd >= 0 && (unsigned)fd <= last; fd = files_next_fd(fs, fd + 1)) {
		if (flags & 4u)
			fd_set_cloexec(fd, true);
		else
			fd_close(fd);
	}
	return 0;
}

/* ---- dup ---- */

static int do_dup(struct file *f, int min, bool cloexec)	/* consumes f */
{
	int fd = fd_reserve(min, cloexec);

	if (fd < 0)
		file_put(f);
	else
		fd_install(fd, f);
	return fd;
}

int fcntl_dup(struct file *f, unsigned long min, bool cloexec)
{
	if (min >= task_rlimit(current, 7))
		return -EINVAL;
	return do_dup(file_get(f), (int)min, cloexec);
}

SYSCALL(dup, int fd)
{
	struct file *f = fd_get(fd);

	return f ? do_dup(f, 0, false) : -EBADF;
}

static long dup_to(int from, int to, bool cloexec)
{
	struct files *fs = current->files;
	struct file *f, *old = NULL;
	int err = 0;

	if ((unsigned)to >= task_rlimit(current, 7))
		return -EBADF;
	f = fd_get(from);
	if (!f)
		return -EBADF;
	spin_lock(&fs->lock);
	while ((unsigned)to >= fs->max && !err)
		err = grow(fs, (unsigned)to);
	if (!err) {
		old = fs->fds[to];
		if (!old && (fs->open[WORD(to)] & MASK(to)))
			err = -EBUSY;		/* another thread's open() is about to use it */
	}
	if (!err) {
		fs->fds[to] = f;
		fs->open[WORD(to)] |= MASK(to);
		if (cloexec)
			fs->cloexec[WORD(to)] |= MASK(to);
		else
			fs->cloexec[WORD(to)] &= ~MASK(to);
	}
	spin_unlock(&fs->lock);
	if (err) {
		file_put(f);
		return err;
	}
	if (old)
		file_close(old, fs);
	return to;
}

SYSCALL(dup2, int from, int to)
{
	if (from == to) {
		struct fdref r = fdref_any(from);
		bool there = r.file;

		fdref_put(r);
		return there ? to : -EBADF;
	}
	return dup_to(from, to, false);
}

SYSCALL(dup3, int from, int to, int flags)
{
	if ((flags & ~O_CLOEXEC) || from == to)
		return -EINVAL;
	return dup_to(from, to, flags & O_CLOEXEC);
}
