/*
 * serial.h - the 16550 UART at 0x3f8: kernel log and, through the tty layer, /dev/ttyS0.
 * Border: open to arch.
 */
#ifndef DRIVERS_SERIAL_H
#define DRIVERS_SERIAL_H

#include <lib/types.h>

#define SERIAL_IRQ	4

void serial_early_init(void);			/* log console; polling */
bool serial_present(void);
void serial_write(const char *s, size_t len);	/* '\n' is not translated */
bool serial_can_read(void);
int serial_read(void);				/* a byte, or -1 */
/* fn runs as a deferred handler whenever input has arrived. 0 or a negative errno. */
int serial_listen(void (*fn)(void *arg), void *arg) must_check;

#endif
