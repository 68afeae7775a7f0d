/* tty.h (abi) - termios, terminal ioctls, window sizes. */
#ifndef ABI_TTY_H
#define ABI_TTY_H
#include <lib/types.h>
#include <asm/termbits.h>
#include <asm/ioctls.h>

struct winsize {
	unsigned short ws_row, ws_col, ws_xpixel, ws_ypixel;
};

#define TIOCPKT_FLUSHREAD	1
#define TIOCPKT_FLUSHWRITE	2
#define TIOCPKT_STOP		4
#define TIOCPKT_START		8
#define TIOCPKT_NOSTOP		16
#define TIOCPKT_DOSTOP		32
#define TIOCPKT_IOCTL		64
#endif
