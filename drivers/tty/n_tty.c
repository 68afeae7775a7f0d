/*
 * n_tty.c - the line discipline: what happens to characters between the wire and the program.
 *
 * SHAPE    input goes through n_tty_receive() into a ring. In canonical mode canon_head marks the end of the last whole line and
 *          only bytes before it can be read; is_delim marks line ends (an end-of-file is a delimiter that is not handed out). In
 *          raw mode everything up to head can be read. Output goes through n_tty_output().
 * ECHO     written straight to the driver; what has no room is dropped.
 * LOCKS    the caller holds tty->lock for every function here. Signals are sent under it.
 */
#include "tty_private.h"

#define DISABLED	'\0'	/* _POSIX_VDISABLE */
#define EOF_MARK	'\0'

/* ---- output ---- */

static bool put(struct tty *t, const char *s, unsigned n)
{
	if (t->ops->room(t) < n)
		return false;
	t->ops->write(t, s, n);
	return true;
}

/* One character through OPOST. False: no room for all it becomes. */
static bool output_char(struct tty *t, char c)
{
	switch (c) {
	case '\n':
		if (O_FLAG(t, ONLCR)) {
			if (!put(t, "\r\n", 2))
				return false;
			t->column = t->canon_column = 0;
			return true;
		}
		if (O_FLAG(t, ONLRET))
			t->column = 0;
		t->canon_column = t->column;
		break;
	case '\r':
		if (O_FLAG(t, ONOCR) && !t->column)
			return true;
		if (O_FLAG(t, OCRNL))
			c = '\n';
		if (c == '\r' || O_FLAG(t, ONLRET))
			t->column = t->canon_column = 0;
		break;
	case '\t': {
		unsigned spaces = 8 - (t->column & 7);

		if (O_FLAG(t, TABDLY) == TAB3) {
			if (!put(t, "        ", spaces))
				return false;
			t->column += spaces;
			return true;
		}
		t->column += spaces;
		break;
	}
	case '\b':
		if (t->column)
			t->column--;
		break;
	default:
		if ((unsigned char)c >= ' ' && c != 127) {
			if (O_FLAG(t, OLCUC) && c >= 'a' && c <= 'z')
				c -= 32;
			if (!I_FLAG(t, IUTF8) || (c & 0xc0) != 0x80)
				t->column++;
		}
	}
	return put(t, &c, 1);
}

unsigned n_tty_output(struct tty *t, const char *s, unsigned n)
{
	unsigned used = 0;

	if (t->flow_stopped)
		return 0;
	if (!O_FLAG(t, OPOST)) {
		unsigned room = t->ops->room(t);

		return t->ops->write(t, s, min(n, room));
	}
	while (used < n) {
		unsigned run = 0, room = t->ops->room(t);

		/* A run of plain characters goes out in one piece. */
		while (used + run < n && run < room && (unsigned char)s[used + run] >= ' ' && s[used + run] != 127 && !O_FLAG(t, OLCUC))
			run++;
		if (run) {
			run = t->ops->write(t, s + used, run);
			t->column += run;
			used += run;
			if (!run)
				break;
			continue;
		}
		if (!output_char(t, s[used]))
			break;
		used++;
	}
	return used;
}

/* ---- echo ---- */

static void echo_raw(struct tty *t, const char *s, unsigned n)
{
	for (; n; n--, s++) {
		if (O_FLAG(t, OPOST))
			output_char(t, *s);
		else
			put(t, s, 1);
	}
}

static bool is_ctrl_shown(const struct tty *t, char c)
{
	return L_FLAG(t, ECHOCTL) && ((unsigned char)c < ' ' || c == 127) && c != '\t';
}

static void echo_char(struct tty *t, char c)
{
	char two[2] = { '^', (char)(c ^ 0x40) };

	if (is_ctrl_shown(t, c)) {
		put(t, two, 2);
		t->column += 2;
	} else {
		echo_raw(t, &c, 1);
	}
}

static void finish_erasing(struct tty *t)
{
	if (t->erasing) {
		echo_raw(t, "/", 1);
		t->erasing = false;
	}
}

/* ---- the ring ---- */

static void mark(struct tty *t, unsigned n, bool on)
{
	if (on)
		t->is_delim[RING(n) / 64] |= 1UL << (RING(n) % 64);
	else
		t->is_delim[RING(n) / 64] &= ~(1UL << (RING(n) % 64));
}

static bool is_marked(const struct tty *t, unsigned n)
{
	return t->is_delim[RING(n) / 64] >> (RING(n) % 64) & 1;
}

void n_tty_flush_input(struct tty *t)
{
	t->tail = t->canon_head = t->head;
	t->lnext = t->erasing = false;
	memset(t->is_delim, 0, N_TTY_BUF / 8);
}

unsigned n_tty_input_count(const struct tty *t)
{
	unsigned n = 0;

	if (!L_FLAG(t, ICANON))
		return t->head - t->tail;
	for (unsigned k = t->tail; k != t->canon_head; k++)
		n += !(is_marked(t, k) && t->buf[RING(k)] == EOF_MARK);
	return n;
}

unsigned n_tty_room(const struct tty *t)
{
	unsigned left = N_TTY_BUF - 1 - (t->head - t->tail);

	/* A line too long is cut, but its end must get in. */
	if (!left && L_FLAG(t, ICANON) && t->canon_head == t->tail)
		return 1;
	return left;
}

static void store(struct tty *t, char c)
{
	if (t->head - t->tail >= N_TTY_BUF - 1)
		return;
	t->buf[RING(t->head)] = c;
	mark(t, t->head, false);
	t->head++;
}

bool n_tty_input_available(const struct tty *t)
{
	if (L_FLAG(t, ICANON))
		return t->canon_head != t->tail;
	return t->head != t->tail;
}

/* ---- editing ---- */

/* Columns that the tab at ring position `at` took, by counting what stands before it in the line. */
static unsigned tab_width(struct tty *t, unsigned at)
{
	unsigned col = 0, k = at;
	bool from_start;

	while (k != t->canon_head && t->buf[RING(k - 1)] != '\t')
		k--;
	from_start = k == t->canon_head;
	for (; k != at; k++) {
		char c = t->buf[RING(k)];

		if (is_ctrl_shown(t, c))
			col += 2;
		else if (!I_FLAG(t, IUTF8) || (c & 0xc0) != 0x80)
			col++;
	}
	/* Without another tab before it, the prompt counts too. */
	if (from_start)
		col += t->canon_column;
	return 8 - (col & 7);
}

static void wipe(struct tty *t, char c, unsigned at)
{
	unsigned width = 1;

	if (c == '\t')
		width = tab_width(t, at);
	else if (is_ctrl_shown(t, c))
		width = 2;
	else if ((unsigned char)c < ' ' || c == 127)
		width = 0;
	for (; width; width--) {
		put(t, c == '\t' ? "\b" : "\b \b", c == '\t' ? 1 : 3);
		if (t->column)
			t->column--;
	}
}

/* Take the last character (all bytes of it) off the line being typed. Its first byte, or -1 when the line is empty. */
static int drop_last(struct tty *t)
{
	unsigned head = t->head;
	char c;

	if (head == t->canon_head)
		return -1;
	do {
		head--;
		c = t->buf[RING(head)];
	} while (I_FLAG(t, IUTF8) && (c & 0xc0) == 0x80 && head != t->canon_head);
	t->head = head;
	return (unsigned char)c;
}

static void erase_one(struct tty *t)
{
	int c = drop_last(t);

	if (c < 0)
		return;
	if (!L_FLAG(t, ECHO))
		return;
	if (L_FLAG(t, ECHOPRT)) {
		if (!t->erasing) {
			echo_raw(t, "\\", 1);
			t->erasing = true;
		}
		echo_char(t, (char)c);
	} else if (!L_FLAG(t, ECHOE)) {
		echo_char(t, (char)CC(t, VERASE));
	} else {
		wipe(t, (char)c, t->head);
	}
}

static void erase_word(struct tty *t)
{
	bool seen = false;

	while (t->head != t->canon_head) {
		char c = t->buf[RING(t->head - 1)];
		bool word = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') || c == '_' || (c & 0x80);

		if (seen && !word)
			break;
		seen |= word;
		erase_one(t);
	}
}

static void kill_line(struct tty *t)
{
	if (L_FLAG(t, ECHO) && L_FLAG(t, ECHOK) && L_FLAG(t, ECHOKE) && L_FLAG(t, ECHOE)) {
		while (t->head != t->canon_head)
			erase_one(t);
		return;
	}
	t->head = t->canon_head;
	if (L_FLAG(t, ECHO)) {
		echo_char(t, (char)CC(t, VKILL));
		if (L_FLAG(t, ECHOK))
			echo_raw(t, "\n", 1);
	}
}

static void reprint(struct tty *t)
{
	finish_erasing(t);
	echo_char(t, (char)CC(t, VREPRINT));
	echo_raw(t, "\n", 1);
	for (unsigned k = t->canon_head; k != t->head; k++)
		echo_char(t, t->buf[RING(k)]);
}

/* ---- input ---- */

static void signal_from_key(struct tty *t, int sig, char c)
{
	if (!L_FLAG(t, NOFLSH)) {
		n_tty_flush_input(t);
		if (t->ops->flush_output)
			t->ops->flush_output(t);
		t->packet_status |= TIOCPKT_FLUSHREAD | TIOCPKT_FLUSHWRITE;
		waitq_wake_all(&t->write_wait);
	}
	if (I_FLAG(t, IXON))
		tty_start(t);
	if (L_FLAG(t, ECHO)) {
		finish_erasing(t);
		echo_char(t, c);
	}
	if (t->pgrp)
		signal_send_pgrp(t->pgrp, sig);
}

static bool key(const struct tty *t, char c, int which)
{
	return (cc_t)c == CC(t, which) && CC(t, which) != DISABLED;
}

static void end_line(struct tty *t, char c)
{
	store(t, c);
	mark(t, t->head - 1, true);
	t->canon_head = t->head;
}

/* Canonical mode's own keys. True: c is dealt with. */
static bool canon_key(struct tty *t, char c)
{
	if (key(t, c, VERASE)) {
		erase_one(t);
		return true;
	}
	if (key(t, c, VKILL)) {
		finish_erasing(t);
		kill_line(t);
		return true;
	}
	if (key(t, c, VLNEXT) && L_FLAG(t, IEXTEN)) {
		t->lnext = true;
		if (L_FLAG(t, ECHO)) {
			finish_erasing(t);
			if (L_FLAG(t, ECHOCTL))
				put(t, "^\b", 2);
		}
		return true;
	}
	if (key(t, c, VWERASE) && L_FLAG(t, IEXTEN)) {
		erase_word(t);
		return true;
	}
	if (key(t, c, VREPRINT) && L_FLAG(t, ECHO) && L_FLAG(t, IEXTEN)) {
		reprint(t);
		return true;
	}
	if (c == '\n') {
		if (L_FLAG(t, ECHO) || L_FLAG(t, ECHONL)) {
			finish_erasing(t);
			echo_raw(t, "\n", 1);
		}
		end_line(t, '\n');
		return true;
	}
	if (key(t, c, VEOF)) {
		end_line(t, EOF_MARK);
		return true;
	}
	if (key(t, c, VEOL) || (key(t, c, VEOL2) && L_FLAG(t, IEXTEN))) {
		if (L_FLAG(t, ECHO))
			echo_char(t, c);
		end_line(t, c);
		return true;
	}
	return false;
}

static void store_and_echo(struct tty *t, char c)
{
	if (t->head - t->tail >= N_TTY_BUF - 1) {
		if (I_FLAG(t, IMAXBEL))
			put(t, "\a", 1);
		return;
	}
	if (L_FLAG(t, ECHO)) {
		finish_erasing(t);
		if (t->canon_head == t->head)
			t->canon_column = t->column;
		if (c == '\n' && !L_FLAG(t, ICANON))
			echo_raw(t, "\n", 1);
		else
			echo_char(t, c);
	}
	store(t, c);
}

static void receive_one(struct tty *t, char c)
{
	if (t->lnext) {
		t->lnext = false;
		store_and_echo(t, c);
		return;
	}
	if (I_FLAG(t, ISTRIP))
		c &= 0x7f;
	if (I_FLAG(t, IUCLC) && L_FLAG(t, IEXTEN) && c >= 'A' && c <= 'Z')
		c += 32;
	if (I_FLAG(t, IXON)) {
		if (key(t, c, VSTART)) {
			tty_start(t);
			return;
		}
		if (key(t, c, VSTOP)) {
			tty_stop(t);
			return;
		}
		if (t->flow_stopped && I_FLAG(t, IXANY))
			tty_start(t);
	}
	if (L_FLAG(t, ISIG)) {
		int sig = key(t, c, VINTR) ? SIGINT : key(t, c, VQUIT) ? SIGQUIT : key(t, c, VSUSP) ? SIGTSTP : 0;

		if (sig) {
			signal_from_key(t, sig, c);
			return;
		}
	}
	if (c == '\r') {
		if (I_FLAG(t, IGNCR))
			return;
		if (I_FLAG(t, ICRNL))
			c = '\n';
	} else if (c == '\n' && I_FLAG(t, INLCR)) {
		c = '\r';
	}
	if (L_FLAG(t, ICANON) && canon_key(t, c))
		return;
	store_and_echo(t, c);
}

void n_tty_receive(struct tty *t, const char *s, unsigned n)
{
	bool plain = !L_FLAG(t, ICANON | ECHO | ISIG) && !I_FLAG(t, ISTRIP | IUCLC | IXON | IGNCR | ICRNL | INLCR) && !t->lnext;

	while (n) {
		if (plain)
			store(t, *s);
		else
			receive_one(t, *s);
		s++;
		n--;
	}
	if (n_tty_input_available(t) && waitq_active(&t->read_wait))
		waitq_wake_key(&t->read_wait, S32_MAX, POLLIN | POLLRDNORM);
}

/* Up to n bytes to the reader; in canonical mode not beyond a line's end (*line_end). */
unsigned n_tty_copy(struct tty *t, char *to, unsigned n, bool *line_end)
{
	bool canon = L_FLAG(t, ICANON);
	unsigned end = canon ? t->canon_head : t->head, done = 0;

	*line_end = false;
	while (t->tail != end && !*line_end) {
		bool delim = canon && is_marked(t, t->tail);
		char c = t->buf[RING(t->tail)];

		if (delim && c == EOF_MARK) {
			*line_end = true;
			t->tail++;
			break;
		}
		if (done == n) {
			break;
		}
		to[done++] = c;
		t->tail++;
		*line_end = delim;
	}
	return done;
}

/* Changing between canonical and raw keeps what was typed: whole lines as lines, the rest as the line being typed. */
void n_tty_termios_changed(struct tty *t, const struct ktermios *old)
{
	if ((old->c_lflag ^ t->termios.c_lflag) & ICANON) {
		memset(t->is_delim, 0, N_TTY_BUF / 8);
		if (L_FLAG(t, ICANON)) {
			t->canon_head = t->tail;
			/* Lines that came in raw mode are lines. */
			for (unsigned k = t->tail; k != t->head; k++)
				if (t->buf[RING(k)] == '\n') {
					mark(t, k, true);
					t->canon_head = k + 1;
				}
		} else {
			t->canon_head = t->head;
		}
		t->lnext = t->erasing = false;
	}
	if (!I_FLAG(t, IXON) && (old->c_iflag & IXON))
		tty_start(t);
}
