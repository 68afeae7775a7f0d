/*
 * unix_socket.h - AF_UNIX sockets, below the system calls. Private to ipc/.
 */
#ifndef IPC_UNIX_SOCKET_H
#define IPC_UNIX_SOCKET_H

#include <abi/socket.h>
#include <fs/fs.h>
#include <kernel/wait.h>
#include <mm/ledger.h>

enum usock_state { USOCK_NEW, USOCK_LISTENING, USOCK_CONNECTED, USOCK_CLOSED };

/* Ancillary data on its way: descriptors as references, and who sent them. */
struct scm {
	struct ucred_k	creds;
	unsigned	nr_files;
	struct file	*files[];
};

/* One message, or one run of bytes of a stream. */
struct packet {
	struct list	link;
	size_t		len, off;	/* off: bytes a stream reader has taken */
	struct scm	*scm;		/* may be NULL */
	struct ucred_k	creds;
	struct usock	*sender;	/* datagram: for the address, a reference; NULL when unnamed */
	size_t		sock_bytes;	/* counted as `sock` of a cgroup: of networks, 0 for AF_UNIX, as for Linux */
	owner_t		payer;		/* of that */
	char		data[];
};

/*
 * Guards: [c] constant after creation  [l] lock  [r] read_lock serialises readers (LOCK_PIPE, sleeps)
 */
struct usock {
	atomic_t	refs;
	int		type;		/* [c] SOCK_* */
	int		family;		/* [c] AF_UNIX, or AF_INET, AF_INET6 on the loopback (inet.c) */
	u8		ip[16];		/* the latter's address, IPv4 mapped */
	u64		options[3];	/* on/off options by number: of the socket, TCP, IP */
	spinlock_t	lock;		/* LOCK_FS; two (connect, pair) by address */
	struct mutex	read_lock;
	enum usock_state state;		/* [l] */
	struct usock	*peer;		/* [l] a reference */
	struct list	queue;		/* [l] packets, or embryos of accepted sockets (accept_link) */
	size_t		queued_bytes;	/* [l] */
	size_t		rcvbuf, sndbuf;
	bool		shut_rd, shut_wr;	/* [l] */
	struct list	backlog;	/* [l] listening: connected, not accepted, through accept_link */
	struct list	accept_link;
	unsigned	nr_backlog, max_backlog;
	struct waitq	wait;		/* everything that changes wakes this */
	struct waitq	space_wait;	/* writers to us */
	int		error;		/* [l] SO_ERROR */
	bool		passcred;
	ktime_t		rcvtimeo, sndtimeo;
	struct ucred_k	creds, peer_creds;
	/* its name */
	struct sockaddr_un addr;	/* [l] */
	int		addr_len;	/* [l] 0: unnamed */
	struct path	path;		/* [l] bound in the file system: a reference */
	struct list	bound_link;	/* in the table of names */
};

struct usock *usock_create(int type) must_check;
void usock_get(struct usock *s);
void usock_put(struct usock *s);
void usock_close(struct usock *s);		/* its file is gone */
void usock_pair(struct usock *a, struct usock *b);
int usock_bind(struct usock *s, const struct sockaddr_un *addr, int len) must_check;
int usock_connect(struct usock *s, const struct sockaddr_un *addr, int len, bool nonblock) must_check;
int usock_listen(struct usock *s, int backlog) must_check;
int usock_accept(struct usock *s, bool nonblock, struct usock **out) must_check;	/* a reference */
int usock_shutdown(struct usock *s, int how) must_check;
/* to: explicit destination of a datagram, or NULL. Consumes scm on success. Bytes sent or -errno. */
ssize_t usock_send(struct usock *s, struct io_iter *from, struct scm *scm, const struct sockaddr_un *to, int to_len,
		   bool nonblock) must_check;
struct usock_received {
	struct scm		*scm;		/* the caller's to deliver and free */
	struct ucred_k		creds;
	struct sockaddr_un	from;
	int			from_len;
	unsigned		flags;		/* MSG_TRUNC, MSG_EOR */
	size_t			full_len;	/* of the datagram */
};
ssize_t usock_recv(struct usock *s, struct io_iter *to, unsigned flags, bool nonblock, struct usock_received *out) must_check;
u32 usock_poll(struct usock *s, struct file *f, struct poll_table *pt);
size_t usock_readable(struct usock *s);		/* FIONREAD */
void scm_free(struct scm *scm);

#endif
