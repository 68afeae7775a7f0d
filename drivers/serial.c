/*
 * serial.c - the 16550 UART at 0x3f8.
 */
#include <abi/errno.h>
#include <arch/cpu.h>
#include <arch/io.h>
#include <drivers/serial.h>
#include <kernel/irq.h>
#include <kernel/printk.h>

#define COM1		0x3f8
#define REG_DATA	0
#define REG_IER		1
#define REG_FCR		2
#define REG_LCR		3
#define REG_MCR		4
#define REG_LSR		5
#define REG_SCRATCH	7
#define LSR_DATA	0x01
#define LSR_CAN_SEND	0x20

static bool present;

static void send(char c)
{
	for (int i = 0; i < 100000 && !(inb(COM1 + REG_LSR) & LSR_CAN_SEND); i++)
		cpu_relax();
	outb(COM1 + REG_DATA, (u8)c);
}

void serial_write(const char *s, size_t len)
{
	if (!present)
		return;
	while (len--)
		send(*s++);
}

/* The log goes to a terminal in raw mode, hence the carriage return. */
static void serial_console_write(const char *s, size_t len)
{
	for (; present && len--; s++) {
		if (*s == '\n')
			send('\r');
		send(*s);
	}
}

static struct console serial_console = { .name = "ttyS0", .write = serial_console_write };

void serial_early_init(void)
{
	outb(COM1 + REG_SCRATCH, 0x5a);
	present = inb(COM1 + REG_SCRATCH) == 0x5a;
	if (!present)
		return;
	outb(COM1 + REG_IER, 0);
	outb(COM1 + REG_LCR, 0x80);		/* divisor latch */
	outb(COM1 + REG_DATA, 1);		/* 115200 baud */
	outb(COM1 + REG_IER, 0);
	outb(COM1 + REG_LCR, 0x03);		/* 8n1 */
	outb(COM1 + REG_FCR, 0xc7);		/* FIFOs on and empty */
	outb(COM1 + REG_MCR, 0x0b);		/* DTR, RTS, interrupt line on */
	console_register(&serial_console);
}

bool serial_present(void)
{
	return present;
}

bool serial_can_read(void)
{
	return present && (inb(COM1 + REG_LSR) & LSR_DATA);
}

int serial_read(void)
{
	return serial_can_read() ? inb(COM1 + REG_DATA) : -1;
}

int serial_listen(void (*fn)(void *arg), void *arg)
{
	int err;

	if (!present)
		return -ENODEV;
	err = irq_request(SERIAL_IRQ, "ttyS0", NULL, fn, arg);
	if (!err)
		outb(COM1 + REG_IER, 1);	/* receive interrupts */
	return err;
}
