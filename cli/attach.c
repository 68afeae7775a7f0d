/*
 * attach.c - a running `quire run` answers `quire top --guest`: what stands where in its guest, now.
 * WHY         the guest's agent is already connected to us; a second person at another terminal is not.
 * SHAPE       an abstract local socket "quire-UID-PID": nothing to clean up. The client writes a byte for each reading it
 *             wants; we ask the agent (WIRE_ASK), and pass its answer on as u32 length, then the text of /proc/ledger/summary.
 * INVARIANTS  O1 only the same user, or root, is let in.  O2 a client that does not read is dropped: it never holds up the run.
 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>
#include "cli/quire.h"

static socklen_t address(struct sockaddr_un *a, int pid)
{
	*a = (struct sockaddr_un){.sun_family = AF_UNIX};
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   (size_t)snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1, "quire-%u-%d", getuid(), pid));
}

/* -1 when it cannot be had: then nobody attaches, and that is all. */
int attach_listen(void)
{
	struct sockaddr_un a;
	socklen_t len = address(&a, getpid());
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd >= 0 && (bind(fd, (struct sockaddr *)&a, len) < 0 || listen(fd, 4) < 0)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* -> the client's descriptor, or -1. */
int attach_accept(int listener)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (fd >= 0 && (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 || (peer.uid != getuid() && peer.uid != 0))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* false: the client is not reading; drop it. */
bool attach_answer(int client, const char *text, size_t len)
{
	uint32_t n = (uint32_t)len;
	struct iovec v[] = {{&n, sizeof(n)}, {(void *)text, len}};
	struct msghdr m = {.msg_iov = v, .msg_iovlen = 2};

	return sendmsg(client, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)(sizeof(n) + len);
}

/* The pid of the one running guest, from the kernel's list of sockets. 0: none; -1: several, said on stderr. */
int attach_find(void)
{
	FILE *f = fopen("/proc/net/unix", "re");
	char line[512];
	int found = 0;

	while (f && fgets(line, sizeof(line), f)) {
		const char *name = strstr(line, "@quire-");
		unsigned int uid;
		int pid;

		if (!name || sscanf(name, "@quire-%u-%d", &uid, &pid) != 2 || uid != getuid() || pid == found)
			continue;
		if (found) {
			warn_user("top: several guests run: give --guest=%d or --guest=%d", found, pid);
			fclose(f);
			return -1;
		}
		found = pid;
	}
	if (f)
		fclose(f);
	return found;
}

int attach_connect(int pid)
{
	struct sockaddr_un a;
	socklen_t len = address(&a, pid);
	struct timeval limit = {.tv_sec = 20};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (struct sockaddr *)&a, len) < 0) {
		close(fd);
		fd = -1;
	}
	if (fd >= 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	return fd;
}

/* One reading; the caller frees it. NULL: the run is over. */
char *attach_ask(int fd)
{
	uint32_t len, got = 0;
	char *text;

	if (send(fd, "?", 1, MSG_NOSIGNAL) != 1 || recv(fd, &len, sizeof(len), MSG_WAITALL) != sizeof(len) || len > WIRE_MAX_MESSAGE)
		return NULL;
	text = must_alloc(malloc((size_t)len + 1));
	while (got < len) {
		ssize_t n = recv(fd, text + got, len - got, 0);

		if (n <= 0) {
			free(text);
			return NULL;
		}
		got += (uint32_t)n;
	}
	text[len] = 0;
	return text;
}
