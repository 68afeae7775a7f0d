/*
 * agent_util.c - messages to the host, and a console line for when there is no host to talk to.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "user/agent.h"

int control_fd = -1;

/* Write it all, waiting where a non-blocking descriptor is full. */
bool write_all(int fd, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		ssize_t n = write(fd, p, len);

		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else if (n < 0 && errno == EAGAIN) {
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, 100);
		} else if (n < 0 && errno != EINTR) {
			return false;
		}
	}
	return true;
}

void send_message(enum wire_type type, const void *data, size_t len)
{
	struct wire_head head = {.type = type, .len = (uint32_t)len};

	if (control_fd < 0)
		return;
	if (write_all(control_fd, &head, sizeof(head)) && len)
		write_all(control_fd, data, len);
}

void send_text(enum wire_type type, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(text) - 1)
		n = sizeof(text) - 1;
	send_message(type, text, (size_t)n);
}

/* Send a whole /proc file as one message; nothing when it does not exist. */
void send_file(enum wire_type type, const char *path)
{
	size_t size = 1 << 16, len = 0;
	char *text = malloc(size);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	while (fd >= 0 && text) {
		ssize_t n = read(fd, text + len, size - len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
		if (len == size) {
			char *larger = realloc(text, size * 2);

			if (!larger)
				break;
			text = larger;
			size *= 2;
		}
	}
	if (fd >= 0) {
		close(fd);
		send_message(type, text, len);
	}
	free(text);
}

void console_line(const char *fmt, ...)
{
	char text[256];
	va_list ap;
	int n, fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text) - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(text) - 2)
		n = sizeof(text) - 2;
	text[n++] = '\n';
	write_all(fd >= 0 ? fd : 2, text, (size_t)n);
	if (fd >= 0)
		close(fd);
}

/* For files under /proc whose absence is no error. */
bool write_small_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) > 0;
	close(fd);
	return ok;
}

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}
