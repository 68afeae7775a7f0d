/*
 * tty.c - the host's terminal during `quire shell`: raw while the guest owns it, as it was afterwards.
 */
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include "cli/quire.h"

static struct termios before;
static bool is_raw;

bool terminal_size(struct wire_winsize *w)
{
	struct winsize ws;

	if (ioctl(STDIN_FILENO, TIOCGWINSZ, &ws) < 0)
		return false;
	*w = (struct wire_winsize){ws.ws_row, ws.ws_col, ws.ws_xpixel, ws.ws_ypixel};
	return true;
}

void terminal_restore(void)
{
	if (is_raw)
		tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	is_raw = false;
}

void terminal_raw(void)
{
	struct termios raw;

	if (is_raw || tcgetattr(STDIN_FILENO, &before) < 0)
		return;
	raw = before;
	cfmakeraw(&raw);
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) < 0)
		return;
	is_raw = true;
	atexit(terminal_restore);
}
