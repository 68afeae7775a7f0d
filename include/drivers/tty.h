/*
 * tty.h - terminals, as far as processes know of them.
 */
#ifndef DRIVERS_TTY_H
#define DRIVERS_TTY_H

#include <lib/types.h>

struct tty;

struct tty *tty_get(struct tty *tty);
void tty_put(struct tty *tty);
/* The leader of the session that tty controls exits: SIGHUP and SIGCONT to the foreground group, tty is nobody's. */
void tty_session_leader_exit(struct tty *tty);
u32 tty_device_number(struct tty *tty);		/* as in /proc/PID/stat: minor's low byte, major, rest of minor. Takes no lock */
int tty_foreground_group(struct tty *tty);	/* -1: none. Takes no lock */

#endif
