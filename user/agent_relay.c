/*
 * agent_relay.c - carry bytes between a virtio port and a pipe or terminal, never blocking.
 * WHY         the program must see true pipes (S_ISFIFO, SIGPIPE, end of file), which a port is not; and the
 *             agent must keep answering the host while a slow reader holds the output up.
 * INVARIANTS  R1 what was read is written, in order, before anything more is read.
 */
#include <errno.h>
#include <unistd.h>
#include "user/agent.h"

/* A port reads as 0 while the host end is not there; a terminal fails with EIO when its last user left. */
static void stream_fill(struct stream *s)
{
	ssize_t n = read(s->from, s->buf, sizeof(s->buf));

	if (n > 0) {
		s->start = 0;
		s->len = (size_t)n;
		s->total += (uint64_t)n;
		return;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (s->from_is_port)
		return; /* the end of input comes as a message, in bytes */
	close(s->from);
	s->from = -1;
}

static void stream_drain(struct stream *s)
{
	while (s->len) {
		ssize_t n = write(s->to, s->buf + s->start, s->len);

		if (n > 0) {
			s->start += (size_t)n;
			s->len -= (size_t)n;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			s->len = 0;
			close(s->to);
			s->to = -1;
		}
		return;
	}
}

/* Move what can be moved now. */
void stream_pump(struct stream *s)
{
	if (s->len && s->to >= 0)
		stream_drain(s);
	if (!s->len && s->from >= 0) {
		stream_fill(s);
		if (s->len && s->to >= 0)
			stream_drain(s);
		else if (s->to < 0)
			s->len = 0;
	}
}

bool stream_idle(const struct stream *s)
{
	return s->len == 0;
}
