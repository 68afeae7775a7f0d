/*
 * tty_private.h - what the files of drivers/tty share.
 */
#ifndef DRIVERS_TTY_PRIVATE_H
#define DRIVERS_TTY_PRIVATE_H

#include <abi/tty.h>
#include <drivers/tty.h>
#include <fs/fs.h>
#include <kernel/cred.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/wait.h>
#include <lib/string.h>
#include <linux/capability.h>
#include <linux/poll.h>
#include <mm/slab.h>

#define N_TTY_BUF	4096		/* input ring; a line is at most one less */
#define RING(n)		((n) & (N_TTY_BUF - 1))

struct tty_ops {
	/* Output; tty->lock held. Bytes taken, at most tty_room()'s. */
	unsigned	(*write)(struct tty *t, const char *s, unsigned n);
	unsigned	(*room)(struct tty *t);
	void		(*flush_output)(struct tty *t);		/* drop what was not sent; may be NULL */
	unsigned	(*pending_output)(struct tty *t);	/* may be NULL */
	void		(*input_taken)(struct tty *t);		/* the reader made room; lock not held; may be NULL */
	void		(*closed)(struct tty *t);		/* last file closed; lock not held; may be NULL */
	void		(*destroyed)(struct tty *t);		/* last reference */
};

struct tty {
	atomic_t		refs;
	char			name[16];
	u32			major, minor;
	const struct tty_ops	*ops;
	void			*drv;
	spinlock_t		*lock;		/* LOCK_FS; the pair of a pty shares one */
	spinlock_t		own_lock;
	struct mutex		read_mutex;	/* LOCK_TTY: one reader at a time */
	struct ktermios		termios;	/* [lock] */
	struct ktermios		locked_bits;	/* [lock] TIOCSLCKTRMIOS */
	struct winsize		winsize;	/* [lock] */
	struct waitq		read_wait, write_wait;
	int			session, pgrp;	/* [lock] 0: none */
	unsigned		open_files;	/* [lock] */
	bool			hung_up, flow_stopped, exclusive;
	unsigned		packet_status;	/* [lock] TIOCPKT_* for the master */
	/* line discipline, [lock] */
	char			*buf;
	unsigned long		*is_delim;	/* bit: this byte ends a line */
	unsigned		head, tail, canon_head;	/* counts, not indexes */
	unsigned		column, canon_column;
	bool			lnext, erasing;
};

#define I_FLAG(t, f)	((t)->termios.c_iflag & (f))
#define O_FLAG(t, f)	((t)->termios.c_oflag & (f))
#define L_FLAG(t, f)	((t)->termios.c_lflag & (f))
#define CC(t, n)	((t)->termios.c_cc[n])

/* tty.c */
int tty_setup(struct tty *t, const char *name, u32 major, u32 minor, const struct tty_ops *ops, void *drv) must_check;
void tty_teardown(struct tty *t);		/* frees the buffers; not t itself */
int tty_open_file(struct tty *t, struct file *f);	/* consumes a reference, also on failure */
void tty_hangup(struct tty *t);
extern const struct file_ops tty_fops;
long tty_ioctl_common(struct tty *t, struct file *f, unsigned cmd, unsigned long arg);
void tty_set_winsize(struct tty *t, const struct winsize *w);
int tty_check_background(struct tty *t, int sig);
void tty_set_controlling(struct tty *t, bool force);

/* n_tty.c: all with tty->lock held */
void n_tty_receive(struct tty *t, const char *s, unsigned n);
unsigned n_tty_room(const struct tty *t);	/* how much n_tty_receive() should be given */
bool n_tty_input_available(const struct tty *t);
unsigned n_tty_copy(struct tty *t, char *to, unsigned n, bool *line_end);
unsigned n_tty_output(struct tty *t, const char *s, unsigned n);	/* with OPOST; bytes of s used up */
void n_tty_flush_input(struct tty *t);
void n_tty_termios_changed(struct tty *t, const struct ktermios *old);
unsigned n_tty_input_count(const struct tty *t);
void tty_start(struct tty *t);
void tty_stop(struct tty *t);

/* pty.c */
struct tty *pty_slave_get(u32 index);
struct tty *pty_slave_of(struct file *master);

#endif
