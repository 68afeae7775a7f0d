/*
 * tty.c - terminals: files, sessions, job control, ioctls. The line discipline is n_tty.c; drivers are console.c and pty.c.
 *
 * LIFE     a tty has one reference for each open file, each process whose controlling terminal it is, and its driver. After a
 *          hang-up reads give end of file, writes EIO; files stay until they are closed.
 * JOBS     tty->session is the session it controls, tty->pgrp the foreground group. A background process that reads gets
 *          SIGTTIN; one that writes (with TOSTOP) or changes settings gets SIGTTOU; orphaned groups get EIO instead.
 * LOCKS    read_mutex (LOCK_TTY), then tty->lock (LOCK_FS, spinning): everything else. User memory is touched with
 *          neither... only read_mutex held.
 */
#include "tty_private.h"

#define CHUNK	512

/* ---- life ---- */

static const struct ktermios default_termios = {
	.c_iflag = ICRNL | IXON,
	.c_oflag = OPOST | ONLCR,
	.c_cflag = B38400 | CS8 | CREAD | HUPCL,
	.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN,
	.c_cc = { [VINTR] = 3, [VQUIT] = 28, [VERASE] = 127, [VKILL] = 21, [VEOF] = 4, [VMIN] = 1, [VSTART] = 17, [VSTOP] = 19,
		  [VSUSP] = 26, [VREPRINT] = 18, [VDISCARD] = 15, [VWERASE] = 23, [VLNEXT] = 22 },
	.c_ispeed = 38400, .c_ospeed = 38400,
};

int tty_setup(struct tty *t, const char *name, u32 major, u32 minor, const struct tty_ops *ops, void *drv)
{
	memset(t, 0, sizeof(*t));
	t->buf = kmalloc(N_TTY_BUF, GFP_KERNEL);
	t->is_delim = kzalloc(N_TTY_BUF / 8, GFP_KERNEL);
	if (!t->buf || !t->is_delim) {
		tty_teardown(t);
		return -ENOMEM;
	}
	atomic_set(&t->refs, 1);
	strscpy(t->name, name, sizeof(t->name));
	t->major = major;
	t->minor = minor;
	t->ops = ops;
	t->drv = drv;
	spin_lock_init(&t->own_lock, "tty", LOCK_FS);
	t->lock = &t->own_lock;
	mutex_init(&t->read_mutex, "tty_read", LOCK_TTY);
	waitq_init(&t->read_wait);
	waitq_init(&t->write_wait);
	t->termios = default_termios;
	return 0;
}

void tty_teardown(struct tty *t)
{
	kfree(t->buf);
	kfree(t->is_delim);
	t->buf = NULL;
	t->is_delim = NULL;
}

struct tty *tty_get(struct tty *t)
{
	atomic_inc(&t->refs);
	return t;
}

void tty_put(struct tty *t)
{
	if (t && atomic_dec_and_test(&t->refs) && t->ops->destroyed)
		t->ops->destroyed(t);
}

u32 tty_device_number(struct tty *t)
{
	return (t->minor & 0xff) | t->major << 8 | (t->minor & ~0xffu) << 12;
}

int tty_foreground_group(struct tty *t)
{
	int pgrp = READ_ONCE(t->pgrp);

	return pgrp ? pgrp : -1;
}

/* ---- sessions and job control ---- */

static bool is_controlling(const struct tty *t)
{
	return t->session && t->session == process_session();
}

void tty_set_controlling(struct tty *t, bool force)
{
	struct tty *mine = process_tty_get();

	if (mine) {
		tty_put(mine);
		return;
	}
	spin_lock(t->lock);
	if (t->session && !force) {
		spin_unlock(t->lock);
		return;
	}
	t->session = process_session();
	t->pgrp = process_group();
	spin_unlock(t->lock);
	process_tty_set(t);
}

/* May current, perhaps in the background, go on? 0, -EIO, or -ERESTARTSYS with its group stopped. */
int tty_check_background(struct tty *t, int sig)
{
	int pgrp = process_group(), fg = READ_ONCE(t->pgrp);

	if (!is_controlling(t) || !fg || fg == pgrp)
		return 0;
	if (signal_ignored_or_blocked(sig))
		return sig == SIGTTIN ? -EIO : 0;
	if (process_group_orphaned(pgrp))
		return -EIO;
	signal_send_pgrp(pgrp, sig);
	return -ERESTARTSYS;
}

void tty_session_leader_exit(struct tty *t)
{
	int pgrp;

	spin_lock(t->lock);
	pgrp = t->pgrp;
	if (t->session == process_session())
		t->session = t->pgrp = 0;
	spin_unlock(t->lock);
	if (pgrp) {
		signal_send_pgrp(pgrp, SIGHUP);
		signal_send_pgrp(pgrp, SIGCONT);
	}
}

void tty_hangup(struct tty *t)
{
	int session, pgrp;

	spin_lock(t->lock);
	session = t->session;
	pgrp = t->pgrp;
	t->session = t->pgrp = 0;
	t->hung_up = true;
	n_tty_flush_input(t);
	spin_unlock(t->lock);
	if (session) {
		/* The leader first, then the foreground group. */
		signal_send_pgrp(session, SIGHUP);
		signal_send_pgrp(session, SIGCONT);
		if (pgrp && pgrp != session) {
			signal_send_pgrp(pgrp, SIGHUP);
			signal_send_pgrp(pgrp, SIGCONT);
		}
		session_tty_clear(session);
	}
	waitq_wake_all(&t->read_wait);
	waitq_wake_all(&t->write_wait);
}

/* ---- flow ---- */

void tty_stop(struct tty *t)
{
	if (!t->flow_stopped) {
		t->flow_stopped = true;
		t->packet_status = (t->packet_status & ~(unsigned)TIOCPKT_START) | TIOCPKT_STOP;
	}
}

void tty_start(struct tty *t)
{
	if (t->flow_stopped) {
		t->flow_stopped = false;
		t->packet_status = (t->packet_status & ~(unsigned)TIOCPKT_STOP) | TIOCPKT_START;
		waitq_wake_all(&t->write_wait);
	}
}

/* ---- open, close ---- */

int tty_open_file(struct tty *t, struct file *f)
{
	int err = 0;

	spin_lock(t->lock);
	if (t->exclusive && t->open_files && !capable(CAP_SYS_ADMIN))
		err = -EBUSY;
	else if (t->hung_up)
		err = -EIO;
	else
		t->open_files++;
	spin_unlock(t->lock);
	if (err) {
		tty_put(t);
		return err;
	}
	f->priv = t;
	f->ops = &tty_fops;
	if (!(f->flags & O_NOCTTY) && (f->mode & FMODE_READ) && process_is_session_leader() && !t->session)
		tty_set_controlling(t, false);
	return 0;
}

static void tty_release(struct file *f)
{
	struct tty *t = f->priv;
	bool last;

	spin_lock(t->lock);
	last = !--t->open_files;
	if (last)
		t->exclusive = false;
	spin_unlock(t->lock);
	if (last && t->ops->closed)
		t->ops->closed(t);
	tty_put(t);
}

/* ---- read ---- */

static bool readable(struct tty *t)
{
	bool yes;

	spin_lock(t->lock);
	yes = t->hung_up || n_tty_input_available(t);
	spin_unlock(t->lock);
	return yes;
}

/* VMIN, VTIME of raw mode: how many bytes end the call, and how long to wait for the next (KTIME_MAX: for ever). */
static void read_rules(struct tty *t, size_t want, size_t *minimum, ktime_t *first, ktime_t *between)
{
	ktime_t time = (ktime_t)CC(t, VTIME) * (NSEC_PER_SEC / 10);

	*minimum = 1;
	*first = *between = KTIME_MAX;
	if (L_FLAG(t, ICANON))
		return;
	*minimum = CC(t, VMIN);
	if (!*minimum) {
		*minimum = 1;
		*first = time;			/* 0: do not wait at all */
	} else if (time) {
		*between = time;
	}
	*minimum = min(*minimum, want);
}

static ssize_t wait_readable(struct tty *t, struct file *f, ktime_t how_long)
{
	ktime_t left;

	if (f->flags & O_NONBLOCK)
		return -EAGAIN;
	if (!how_long)
		return 0;
	left = wait_event_interruptible_timeout(&t->read_wait, readable(t), how_long);
	return left < 0 ? -ERESTARTSYS : left ? 1 : 0;
}

static ssize_t read_locked(struct tty *t, struct file *f, struct io_iter *to)
{
	ktime_t first, between;
	size_t minimum, done = 0;
	char chunk[CHUNK];

	spin_lock(t->lock);
	read_rules(t, to->left, &minimum, &first, &between);
	spin_unlock(t->lock);
	for (;;) {
		bool line_end, hung, canon;
		unsigned n;
		ssize_t w;

		w = tty_check_background(t, SIGTTIN);
		if (w)
			return done ? (ssize_t)done : w;
		spin_lock(t->lock);
		canon = L_FLAG(t, ICANON);
		n = n_tty_copy(t, chunk, (unsigned)min(to->left, sizeof(chunk)), &line_end);
		hung = t->hung_up;
		spin_unlock(t->lock);
		if (n && io_iter_put(to, chunk, n) < n)
			return done ? (ssize_t)done : -EFAULT;
		done += n;
		if (line_end || !to->left || (hung && !n))
			break;
		if (n && (canon || n == sizeof(chunk)))
			continue;		/* the rest of a line, or of what is there */
		if (done >= minimum)
			break;
		w = wait_readable(t, f, done ? between : first);
		if (w <= 0)
			return done ? (ssize_t)done : w;
	}
	return (ssize_t)done;
}

static ssize_t tty_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	struct tty *t = f->priv;
	ssize_t n;

	if (t->hung_up)
		return 0;
	if (!to->left)
		return 0;
	n = tty_check_background(t, SIGTTIN);
	if (n)
		return n;
	if (f->flags & O_NONBLOCK) {
		if (!mutex_trylock(&t->read_mutex))
			return -EAGAIN;
	} else if (mutex_lock_interruptible(&t->read_mutex)) {
		return -ERESTARTSYS;
	}
	n = read_locked(t, f, to);
	mutex_unlock(&t->read_mutex);
	if (t->ops->input_taken)
		t->ops->input_taken(t);
	return n;
}

/* ---- write ---- */

static bool writable(struct tty *t)
{
	bool yes;

	spin_lock(t->lock);
	yes = t->hung_up || (!t->flow_stopped && t->ops->room(t) > 1);
	spin_unlock(t->lock);
	return yes;
}

static ssize_t tty_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	struct tty *t = f->priv;
	size_t done = 0;
	char chunk[CHUNK];
	int err = 0;

	if (L_FLAG(t, TOSTOP)) {
		err = tty_check_background(t, SIGTTOU);
		if (err)
			return err;
	}
	while (from->left && !err) {
		unsigned n = (unsigned)io_iter_get(chunk, from, min(from->left, sizeof(chunk))), used = 0;

		if (!n)
			return done ? (ssize_t)done : -EFAULT;
		while (used < n) {
			unsigned k;

			spin_lock(t->lock);
			err = t->hung_up ? -EIO : 0;
			k = err ? 0 : n_tty_output(t, chunk + used, n - used);
			spin_unlock(t->lock);
			used += k;
			if (err || used == n)
				break;
			if (f->flags & O_NONBLOCK)
				err = -EAGAIN;
			else if (wait_event_interruptible(&t->write_wait, writable(t)) < 0)
				err = -ERESTARTSYS;
			if (err)
				break;
		}
		done += used;
	}
	return done ? (ssize_t)done : err;
}

static u32 tty_poll(struct file *f, struct poll_table *pt)
{
	struct tty *t = f->priv;
	u32 mask = 0;

	poll_wait(f, &t->read_wait, pt);
	poll_wait(f, &t->write_wait, pt);
	spin_lock(t->lock);
	if (n_tty_input_available(t))
		mask |= POLLIN | POLLRDNORM;
	if (t->hung_up)
		mask |= POLLIN | POLLRDNORM | POLLHUP | POLLERR | POLLOUT | POLLWRNORM;
	else if (!t->flow_stopped && t->ops->room(t) > 1)
		mask |= POLLOUT | POLLWRNORM;
	spin_unlock(t->lock);
	return mask;
}

/* ---- settings ---- */

/* TIOCSLCKTRMIOS: bits (and characters) set there keep their value. */
static void keep_locked(struct tty *t, const struct ktermios *old)
{
	const struct ktermios *l = &t->locked_bits;
	struct ktermios *k = &t->termios;

	k->c_iflag ^= (k->c_iflag ^ old->c_iflag) & l->c_iflag;
	k->c_oflag ^= (k->c_oflag ^ old->c_oflag) & l->c_oflag;
	k->c_cflag ^= (k->c_cflag ^ old->c_cflag) & l->c_cflag;
	k->c_lflag ^= (k->c_lflag ^ old->c_lflag) & l->c_lflag;
	for (unsigned n = 0; n < NCCS; n++)
		if (l->c_cc[n])
			k->c_cc[n] = old->c_cc[n];
}

static void set_termios(struct tty *t, const struct ktermios *new)
{
	struct ktermios old;

	spin_lock(t->lock);
	old = t->termios;
	t->termios = *new;
	keep_locked(t, &old);
	n_tty_termios_changed(t, &old);
	if ((old.c_iflag ^ new->c_iflag) & IXON || CC(t, VSTART) != old.c_cc[VSTART] || CC(t, VSTOP) != old.c_cc[VSTOP])
		t->packet_status = (t->packet_status & ~(unsigned)(TIOCPKT_DOSTOP | TIOCPKT_NOSTOP)) |
				   ((new->c_iflag & IXON) && new->c_cc[VSTART] == 17 && new->c_cc[VSTOP] == 19 ? TIOCPKT_DOSTOP
													     : TIOCPKT_NOSTOP);
	spin_unlock(t->lock);
	waitq_wake_all(&t->read_wait);	/* what a reader waits for may have changed */
}

static unsigned pending_output(struct tty *t)
{
	unsigned n;

	spin_lock(t->lock);
	n = t->ops->pending_output && !t->hung_up ? t->ops->pending_output(t) : 0;
	spin_unlock(t->lock);
	return n;
}

static int wait_drained(struct tty *t)
{
	return wait_event_interruptible(&t->write_wait, !pending_output(t)) < 0 ? -ERESTARTSYS : 0;
}

static const struct { u32 code, speed; } speeds[] = {
	{ B0, 0 }, { B50, 50 }, { B75, 75 }, { B110, 110 }, { B134, 134 }, { B150, 150 }, { B200, 200 }, { B300, 300 }, { B600, 600 },
	{ B1200, 1200 }, { B1800, 1800 }, { B2400, 2400 }, { B4800, 4800 }, { B9600, 9600 }, { B19200, 19200 }, { B38400, 38400 },
	{ B57600, 57600 }, { B115200, 115200 }, { B230400, 230400 }, { B460800, 460800 }, { B921600, 921600 },
};

static u32 speed_of(u32 cflag, u32 otherwise)
{
	for (unsigned n = 0; n < ARRAY_SIZE(speeds); n++)
		if (speeds[n].code == (cflag & CBAUD))
			return speeds[n].speed;
	return otherwise;
}

enum { SET_WAIT = 1, SET_FLUSH = 2, SET_OLD_TERMIO = 4, SET_TERMIOS2 = 8 };

struct termio_abi {
	unsigned short c_iflag, c_oflag, c_cflag, c_lflag;
	unsigned char c_line, c_cc[8];
};

static int read_user_termios(struct ktermios *k, const void __user *arg, unsigned opt)
{
	if (opt & SET_OLD_TERMIO) {
		struct termio_abi o;

		if (copy_from_user(&o, arg, sizeof(o)))
			return -EFAULT;
		k->c_iflag = (k->c_iflag & ~0xffffu) | o.c_iflag;
		k->c_oflag = (k->c_oflag & ~0xffffu) | o.c_oflag;
		k->c_cflag = (k->c_cflag & ~0xffffu) | o.c_cflag;
		k->c_lflag = (k->c_lflag & ~0xffffu) | o.c_lflag;
		k->c_line = o.c_line;
		memcpy(k->c_cc, o.c_cc, sizeof(o.c_cc));
	} else if (copy_from_user(k, arg, opt & SET_TERMIOS2 ? sizeof(struct termios2) : sizeof(struct termios))) {
		return -EFAULT;
	}
	if (!(opt & SET_TERMIOS2))
		k->c_ispeed = k->c_ospeed = speed_of(k->c_cflag, k->c_ospeed);
	return 0;
}

static long do_set_termios(struct tty *t, const void __user *arg, unsigned opt)
{
	struct ktermios k;
	int err = tty_check_background(t, SIGTTOU);

	if (err)
		return err;
	spin_lock(t->lock);
	k = t->termios;
	spin_unlock(t->lock);
	err = read_user_termios(&k, arg, opt);
	if (!err && (opt & SET_WAIT))
		err = wait_drained(t);
	if (err)
		return err;
	if (opt & SET_FLUSH) {
		spin_lock(t->lock);
		n_tty_flush_input(t);
		spin_unlock(t->lock);
	}
	set_termios(t, &k);
	return 0;
}

static long get_termios(struct tty *t, void __user *arg, unsigned opt)
{
	struct ktermios k;

	spin_lock(t->lock);
	k = t->termios;
	spin_unlock(t->lock);
	if (opt & SET_OLD_TERMIO) {
		struct termio_abi o = { (u16)k.c_iflag, (u16)k.c_oflag, (u16)k.c_cflag, (u16)k.c_lflag, k.c_line, { 0 } };

		memcpy(o.c_cc, k.c_cc, sizeof(o.c_cc));
		return put_user_struct((struct termio_abi __user *)arg, &o);
	}
	return copy_to_user(arg, &k, opt & SET_TERMIOS2 ? sizeof(struct termios2) : sizeof(struct termios)) ? -EFAULT : 0;
}

void tty_set_winsize(struct tty *t, const struct winsize *w)
{
	int pgrp = 0;

	spin_lock(t->lock);
	if (memcmp(&t->winsize, w, sizeof(*w))) {
		t->winsize = *w;
		pgrp = t->pgrp;
	}
	spin_unlock(t->lock);
	if (pgrp)
		signal_send_pgrp(pgrp, SIGWINCH);
}

/* ---- ioctl ---- */

static long set_pgrp(struct tty *t, const int __user *arg)
{
	int pgrp, err = tty_check_background(t, SIGTTOU);

	if (err == -EIO)
		return -ENOTTY;
	if (err)
		return err;
	if (!is_controlling(t))
		return -ENOTTY;
	if (get_user(pgrp, arg))
		return -EFAULT;
	if (pgrp < 0)
		return -EINVAL;
	if (!process_group_exists(pgrp))
		return -ESRCH;
	if (!process_group_in_session(pgrp, t->session))
		return signal_send_pgrp(pgrp, 0) == -ESRCH ? -ESRCH : -EPERM;
	spin_lock(t->lock);
	t->pgrp = pgrp;
	spin_unlock(t->lock);
	return 0;
}

static long set_ctty(struct tty *t, unsigned long force)
{
	struct tty *mine;
	int old;

	if (process_is_session_leader() && t->session == process_session())
		return 0;
	mine = process_tty_get();
	tty_put(mine);
	if (!process_is_session_leader() || mine)
		return -EPERM;
	old = t->session;
	if (old) {
		if (force != 1 || !capable(CAP_SYS_ADMIN))
			return -EPERM;
		session_tty_clear(old);		/* stolen */
	}
	tty_set_controlling(t, true);
	return 0;
}

static long give_up_ctty(struct tty *t)
{
	if (!is_controlling(t))
		return -ENOTTY;
	if (process_is_session_leader()) {
		int session = process_session();

		tty_session_leader_exit(t);
		session_tty_clear(session);
	} else {
		process_tty_set(NULL);
	}
	return 0;
}

static long flush_queue(struct tty *t, unsigned long which)
{
	int err = tty_check_background(t, SIGTTOU);

	if (err)
		return err;
	if (which > 2)
		return -EINVAL;
	spin_lock(t->lock);
	if (which != 1)
		n_tty_flush_input(t);
	if (which != 0 && t->ops->flush_output)
		t->ops->flush_output(t);
	spin_unlock(t->lock);
	waitq_wake_all(&t->write_wait);
	if (which != 1 && t->ops->input_taken)
		t->ops->input_taken(t);
	return 0;
}

static long flow_control(struct tty *t, unsigned long what)
{
	int err = tty_check_background(t, SIGTTOU);

	if (err)
		return err;
	if (what > 3)
		return -EINVAL;
	spin_lock(t->lock);
	if (what == 0)
		tty_stop(t);
	else if (what == 1)
		tty_start(t);
	spin_unlock(t->lock);
	return 0;
}

static long simulate_input(struct tty *t, const char __user *arg)
{
	char c;

	if (!is_controlling(t) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (get_user(c, arg))
		return -EFAULT;
	spin_lock(t->lock);
	n_tty_receive(t, &c, 1);
	spin_unlock(t->lock);
	return 0;
}

long tty_ioctl_common(struct tty *t, struct file *f, unsigned cmd, unsigned long arg)
{
	void __user *u = (void __user *)arg;
	struct ktermios k;
	struct winsize w;
	int v;

	switch (cmd) {
	case TCGETS:
		return get_termios(t, u, 0);
	case TCGETS2:
		return get_termios(t, u, SET_TERMIOS2);
	case TCGETA:
		return get_termios(t, u, SET_OLD_TERMIO);
	case TCSETS:
		return do_set_termios(t, u, 0);
	case TCSETSW:
		return do_set_termios(t, u, SET_WAIT);
	case TCSETSF:
		return do_set_termios(t, u, SET_WAIT | SET_FLUSH);
	case TCSETS2:
		return do_set_termios(t, u, SET_TERMIOS2);
	case TCSETSW2:
		return do_set_termios(t, u, SET_TERMIOS2 | SET_WAIT);
	case TCSETSF2:
		return do_set_termios(t, u, SET_TERMIOS2 | SET_WAIT | SET_FLUSH);
	case TCSETA:
		return do_set_termios(t, u, SET_OLD_TERMIO);
	case TCSETAW:
		return do_set_termios(t, u, SET_OLD_TERMIO | SET_WAIT);
	case TCSETAF:
		return do_set_termios(t, u, SET_OLD_TERMIO | SET_WAIT | SET_FLUSH);
	case TIOCGWINSZ:
		spin_lock(t->lock);
		w = t->winsize;
		spin_unlock(t->lock);
		return put_user_struct((struct winsize __user *)u, &w);
	case TIOCSWINSZ:
		if (copy_from_user(&w, u, sizeof(w)))
			return -EFAULT;
		tty_set_winsize(t, &w);
		return 0;
	case TCSBRK:
	case TCSBRKP:
		v = tty_check_background(t, SIGTTOU);
		return v ? v : wait_drained(t);
	case TIOCSBRK:
	case TIOCCBRK:
		return 0;
	case TCXONC:
		return flow_control(t, arg);
	case TCFLSH:
		return flush_queue(t, arg);
	case FIONREAD:
		spin_lock(t->lock);
		v = (int)n_tty_input_count(t);
		spin_unlock(t->lock);
		return put_user(v, (int __user *)u);
	case TIOCOUTQ:
		v = (int)pending_output(t);
		return put_user(v, (int __user *)u);
	case TIOCSTI:
		return simulate_input(t, u);
	case TIOCEXCL:
		t->exclusive = true;
		return 0;
	case TIOCNXCL:
		t->exclusive = false;
		return 0;
	case TIOCGEXCL:
		v = t->exclusive;
		return put_user(v, (int __user *)u);
	case TIOCGLCKTRMIOS:
		spin_lock(t->lock);
		k = t->locked_bits;
		spin_unlock(t->lock);
		return copy_to_user(u, &k, sizeof(struct termios)) ? -EFAULT : 0;
	case TIOCSLCKTRMIOS:
		if (!capable(CAP_SYS_ADMIN))
			return -EPERM;
		memset(&k, 0, sizeof(k));
		if (copy_from_user(&k, u, sizeof(struct termios)))
			return -EFAULT;
		spin_lock(t->lock);
		t->locked_bits = k;
		spin_unlock(t->lock);
		return 0;
	case TIOCGETD:
		v = 0;
		return put_user(v, (int __user *)u);
	case TIOCSETD:
		if (get_user(v, (int __user *)u))
			return -EFAULT;
		return v ? -EINVAL : 0;
	}
	return -ENOTTY;
}

static long tty_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct tty *t = f->priv;
	int v;

	if (t->hung_up)
		return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
	switch (cmd) {
	case TIOCSCTTY:
		return set_ctty(t, arg);
	case TIOCNOTTY:
		return give_up_ctty(t);
	case TIOCGPGRP:
		if (!is_controlling(t))
			return -ENOTTY;
		v = t->pgrp;
		return put_user(v, (int __user *)arg);
	case TIOCSPGRP:
		return set_pgrp(t, (const int __user *)arg);
	case TIOCGSID:
		if (!is_controlling(t))
			return -ENOTTY;
		v = t->session;
		return put_user(v, (int __user *)arg);
	case TIOCGDEV:
		return put_user(tty_device_number(t), (u32 __user *)arg);
	case TIOCVHANGUP:
		if (!capable(CAP_SYS_ADMIN))
			return -EPERM;
		tty_hangup(t);
		return 0;
	}
	return tty_ioctl_common(t, f, cmd, arg);
}

const struct file_ops tty_fops = {
	.release = tty_release, .read = tty_read, .write = tty_write, .poll = tty_poll, .ioctl = tty_ioctl,
};

/* ---- /dev/tty, vhangup ---- */

static int dev_tty_open(struct inode *i, struct file *f)
{
	struct tty *t = process_tty_get();

	if (!t)
		return -ENXIO;
	f->flags |= O_NOCTTY;
	return tty_open_file(t, f);
}

const struct file_ops dev_tty_fops = { .open = dev_tty_open };

SYSCALL0(vhangup)
{
	struct tty *t;

	if (!capable(CAP_SYS_TTY_CONFIG))
		return -EPERM;
	t = process_tty_get();
	if (t) {
		tty_hangup(t);
		tty_put(t);
	}
	return 0;
}
