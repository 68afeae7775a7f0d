/*
 * unix_socket.c - local sockets: streams, datagrams and record streams between processes of one machine.
 *
 * SHAPE       a socket owns the queue of what was sent to it. Connected sockets hold references to each other. A listening socket
 *             queues the server ends that connect() made; accept() hands them out.
 * LIMITS      a sender waits while the receiver's queue holds more than its buffer size (SO_RCVBUF).
 * INVARIANTS  U1 queued_bytes is the sum of len - off over the queue.  U2 peer pointers are mutual for streams.
 * LOCKS       sock->lock for state and queue; two are taken by address. Nothing is allocated or copied under it: a reader holds
 *             read_lock, looks at the head packet, copies, and then takes it off.
 * LINUX       descriptors in flight in a cycle of sockets that nobody can reach are not collected (docs/linux-differences.md).
 * SOURCE      unix(7), socket(7)
 */
#include <abi/errno.h>
#include <kernel/cred.h>
#include <kernel/signal.h>
#include <lib/printf.h>
#include <lib/string.h>
#include <linux/poll.h>
#include <mm/memcg.h>
#include <mm/slab.h>

#include "unix_socket.h"

#define DEFAULT_BUFFER	212992		/* net.core.rmem_default of Linux */
#define MAX_CHUNK	(16 * 1024)	/* bytes of a stream in one packet */
#define MAX_BACKLOG	4096

static spinlock_t names_lock = SPINLOCK_INIT("unix names", LOCK_FILES);
static struct list names = LIST_INIT(names);
static u32 next_auto_name;

static struct ucred_k current_creds(void)
{
	return (struct ucred_k){ .pid = (u32)task_pid(current), .uid = current->cred->euid, .gid = current->cred->egid };
}

struct usock *usock_create(int type)
{
	struct usock *s = kzalloc(sizeof(*s), GFP_KERNEL);

	if (!s)
		return NULL;
	atomic_set(&s->refs, 1);
	s->type = type;
	s->family = AF_UNIX;
	spin_lock_init(&s->lock, "unix socket", LOCK_FS);
	mutex_init(&s->read_lock, "unix read", LOCK_PIPE);
	list_init(&s->queue);
	list_init(&s->backlog);
	list_init(&s->accept_link);
	list_init(&s->bound_link);
	waitq_init(&s->wait);
	waitq_init(&s->space_wait);
	s->rcvbuf = s->sndbuf = DEFAULT_BUFFER;
	s->rcvtimeo = s->sndtimeo = KTIME_MAX;
	s->creds = current_creds();
	return s;
}

void usock_get(struct usock *s)
{
	atomic_inc(&s->refs);
}

void scm_free(struct scm *scm)
{
	if (!scm)
		return;
	for (unsigned i = 0; i < scm->nr_files; i++)
		file_put(scm->files[i]);
	kfree(scm);
}

static void packet_free(struct packet *p)
{
	scm_free(p->scm);
	if (p->sender)
		usock_put(p->sender);
	if (p->sock_bytes)
		memcg_sock_charge(p->payer, -(long)p->sock_bytes);
	kfree(p);
}

static void queue_free(struct list *queue)
{
	struct packet *p, *next;

	list_for_each_safe(p, next, queue, link) {
		list_remove(&p->link);
		packet_free(p);
	}
}

void usock_put(struct usock *s)
{
	if (!atomic_dec_and_test(&s->refs))
		return;
	queue_free(&s->queue);
	kfree(s);
}

static void lock_pair(struct usock *a, struct usock *b)
{
	if (a > b) {
		struct usock *t = a;

		a = b;
		b = t;
	}
	spin_lock(&a->lock);
	if (a != b)
		spin_lock_nested(&b->lock);
}

static void unlock_pair(struct usock *a, struct usock *b)
{
	spin_unlock(&a->lock);
	if (a != b)
		spin_unlock(&b->lock);
}

static void wake(struct usock *s)
{
	waitq_wake_key(&s->wait, S32_MAX, POLLIN | POLLOUT | POLLHUP | POLLERR | POLLRDHUP);
	waitq_wake_all(&s->space_wait);
}

/* The peer with a reference, or NULL. */
static struct usock *peer_get(struct usock *s)
{
	struct usock *p;

	spin_lock(&s->lock);
	p = s->peer;
	if (p)
		usock_get(p);
	spin_unlock(&s->lock);
	return p;
}

void usock_pair(struct usock *a, struct usock *b)
{
	usock_get(a);
	usock_get(b);
	a->peer = b;
	b->peer = a;
	a->state = b->state = USOCK_CONNECTED;
	a->peer_creds = b->creds;
	b->peer_creds = a->creds;
}

/* ---- closing ---- */

/* Break the connection seen from s. The peer reads what is queued, then end of file. */
static void disconnect(struct usock *s)
{
	struct usock *peer = peer_get(s);
	bool had_unread;

	if (!peer)
		return;
	lock_pair(s, peer);
	had_unread = !list_empty(&s->queue);
	s->peer = NULL;
	if (peer->peer == s) {
		peer->shut_rd = peer->shut_wr = true;
		if (had_unread && s->type != SOCK_DGRAM)
			peer->error = ECONNRESET;
	}
	unlock_pair(s, peer);
	wake(peer);
	usock_put(peer);	/* ours */
	usock_put(peer);	/* the link's */
}

static void name_remove(struct usock *s)
{
	struct path where = { 0 };

	spin_lock(&names_lock);
	if (list_is_linked(&s->bound_link)) {
		list_remove(&s->bound_link);
		where = s->path;
		s->path = (struct path){ 0 };
	}
	spin_unlock(&names_lock);
	if (where.dentry)
		path_put(where);
}

void usock_close(struct usock *s)
{
	struct list queue = LIST_INIT(queue), backlog = LIST_INIT(backlog);
	struct usock *embryo, *next;

	name_remove(s);
	disconnect(s);
	spin_lock(&s->lock);
	s->state = USOCK_CLOSED;
	s->shut_rd = s->shut_wr = true;
	list_splice_end(&queue, &s->queue);
	list_splice_end(&backlog, &s->backlog);
	s->queued_bytes = 0;
	s->nr_backlog = 0;
	spin_unlock(&s->lock);
	queue_free(&queue);
	list_for_each_safe(embryo, next, &backlog, accept_link) {
		list_remove(&embryo->accept_link);
		usock_close(embryo);
	}
	wake(s);
	usock_put(s);
}

int usock_shutdown(struct usock *s, int how)
{
	struct usock *peer = peer_get(s);

	if (!peer)
		return -ENOTCONN;
	lock_pair(s, peer);
	if (how == SHUT_RD || how == SHUT_RDWR) {
		s->shut_rd = true;
		peer->shut_wr = true;
	}
	if (how == SHUT_WR || how == SHUT_RDWR) {
		s->shut_wr = true;
		peer->shut_rd = true;
	}
	unlock_pair(s, peer);
	wake(s);
	wake(peer);
	usock_put(peer);
	return 0;
}

/* ---- names ---- */

static bool is_abstract(const struct sockaddr_un *a, int len)
{
	return len > (int)sizeof(a->sun_family) && a->sun_path[0] == '\0';
}

/* Path names end at the first NUL; the buffer has room for one more. */
static void terminate(const struct sockaddr_un *a, int len, char out[UNIX_PATH_MAX + 1])
{
	size_t n = len - sizeof(a->sun_family);

	memcpy(out, a->sun_path, n);
	out[n] = '\0';
}

/* names_lock held. */
static struct usock *find_abstract(const struct sockaddr_un *a, int len)
{
	struct usock *s;

	list_for_each(s, &names, bound_link)
		if (!s->path.dentry && s->addr_len == len && memcmp(&s->addr, a, len) == 0)
			return s;
	return NULL;
}

static int bind_abstract(struct usock *s, const struct sockaddr_un *addr, int len)
{
	int err = 0;

	spin_lock(&names_lock);
	if (find_abstract(addr, len)) {
		err = -EADDRINUSE;
	} else {
		memcpy(&s->addr, addr, len);
		s->addr_len = len;
		list_append(&names, &s->bound_link);
	}
	spin_unlock(&names_lock);
	return err;
}

/* bind() with an address of nothing but the family: Linux makes up an abstract name of five hex digits. */
static int bind_auto(struct usock *s)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int err;

	do {
		ksnprintf(a.sun_path + 1, 6, "%05x", ++next_auto_name & 0xfffff);
		err = bind_abstract(s, &a, sizeof(a.sun_family) + 6);
	} while (err == -EADDRINUSE);
	return err;
}

static int bind_path(struct usock *s, const struct sockaddr_un *addr, int len)
{
	char name[UNIX_PATH_MAX + 1];
	struct path where;
	int err;

	terminate(addr, len, name);
	err = path_make_node(AT_FDCWD, name, S_IFSOCK | (0777 & ~current->fs->umask), 0, &where);
	if (err)
		return err == -EEXIST ? -EADDRINUSE : err;
	spin_lock(&names_lock);
	memcpy(&s->addr, addr, len);
	s->addr_len = (int)(sizeof(addr->sun_family) + strlen(name) + 1);
	s->addr.sun_path[min(strlen(name), sizeof(s->addr.sun_path) - 1)] = '\0';
	s->path = where;
	list_append(&names, &s->bound_link);
	spin_unlock(&names_lock);
	return 0;
}

int usock_bind(struct usock *s, const struct sockaddr_un *addr, int len)
{
	if (addr->sun_family != AF_UNIX || len > (int)sizeof(*addr))
		return -EINVAL;
	if (s->addr_len)
		return -EINVAL;
	if (len == sizeof(addr->sun_family))
		return bind_auto(s);
	return is_abstract(addr, len) ? bind_abstract(s, addr, len) : bind_path(s, addr, len);
}

/* The socket bound to an address, with a reference. 0, -ECONNREFUSED, or an error of the path. */
static int find_by_name(const struct sockaddr_un *addr, int len, struct usock **out)
{
	char name[UNIX_PATH_MAX + 1];
	struct path where = { 0 };
	struct usock *s, *found = NULL;
	int err;

	if (addr->sun_family != AF_UNIX || len <= (int)sizeof(addr->sun_family) || len > (int)sizeof(*addr))
		return -EINVAL;
	if (!is_abstract(addr, len)) {
		terminate(addr, len, name);
		err = path_lookup(AT_FDCWD, name, LOOKUP_FOLLOW, &where);
		if (!err && !S_ISSOCK(where.dentry->inode->mode))
			err = -ECONNREFUSED;
		else if (!err)
			err = inode_permission(where.dentry->inode, MAY_WRITE);
		if (err) {
			if (where.dentry)
				path_put(where);
			return err;
		}
	}
	spin_lock(&names_lock);
	if (where.dentry) {
		list_for_each(s, &names, bound_link)
			if (s->path.dentry && s->path.dentry->inode == where.dentry->inode) {
				found = s;
				break;
			}
	} else {
		found = find_abstract(addr, len);
	}
	if (found)
		usock_get(found);
	spin_unlock(&names_lock);
	if (where.dentry)
		path_put(where);
	*out = found;
	return found ? 0 : -ECONNREFUSED;
}

/* ---- connecting ---- */

int usock_listen(struct usock *s, int backlog)
{
	int err = 0;

	if (s->type == SOCK_DGRAM)
		return -EOPNOTSUPP;
	spin_lock(&s->lock);
	if (!s->addr_len || (s->state != USOCK_NEW && s->state != USOCK_LISTENING))
		err = -EINVAL;
	else
		s->state = USOCK_LISTENING;
	s->max_backlog = clamp(backlog, 0, MAX_BACKLOG);
	s->creds = current_creds();
	spin_unlock(&s->lock);
	if (!err)
		waitq_wake_all(&s->space_wait);
	return err;
}

/* Put the server end `embryo` of a new connection into the listener's backlog. 0, -EAGAIN when full, -ECONNREFUSED. */
static int enqueue_embryo(struct usock *listener, struct usock *client, struct usock *embryo)
{
	int err = 0;

	lock_pair(listener, client);
	if (listener->state != USOCK_LISTENING) {
		err = -ECONNREFUSED;
	} else if (client->state != USOCK_NEW) {
		err = client->state == USOCK_CONNECTED ? -EISCONN : -EINVAL;
	} else if (listener->nr_backlog > listener->max_backlog) {
		err = -EAGAIN;
	} else {
		embryo->creds = listener->creds;
		embryo->family = listener->family;
		memcpy(embryo->ip, client->family == listener->family ? client->ip : listener->ip, sizeof(embryo->ip));
		embryo->addr = listener->addr;
		embryo->addr_len = listener->addr_len;
		usock_pair(client, embryo);
		list_append(&listener->backlog, &embryo->accept_link);
		listener->nr_backlog++;
	}
	unlock_pair(listener, client);
	return err;
}

static int connect_stream(struct usock *s, struct usock *listener, bool nonblock)
{
	struct usock *embryo;
	int err;

	if (listener->type != s->type)
		return -EPROTOTYPE;
	embryo = usock_create(s->type);
	if (!embryo)
		return -ENOMEM;
	s->creds = current_creds();
	for (;;) {
		err = enqueue_embryo(listener, s, embryo);
		if (err != -EAGAIN || nonblock)
			break;
		err = wait_event_interruptible(&listener->space_wait, listener->state != USOCK_LISTENING ||
					       listener->nr_backlog <= listener->max_backlog);
		if (err) {
			err = -ERESTARTSYS;
			break;
		}
	}
	if (err)
		usock_put(embryo);
	else
		wake(listener);
	return err;
}

/* A datagram socket's default destination. */
static int connect_dgram(struct usock *s, struct usock *to)
{
	struct usock *old;

	if (to->type != SOCK_DGRAM)
		return -EPROTOTYPE;
	usock_get(to);
	spin_lock(&s->lock);
	old = s->peer;
	s->peer = to;
	s->state = USOCK_CONNECTED;
	spin_unlock(&s->lock);
	if (old)
		usock_put(old);
	return 0;
}

int usock_connect(struct usock *s, const struct sockaddr_un *addr, int len, bool nonblock)
{
	struct usock *target;
	int err;

	if (len >= (int)sizeof(addr->sun_family) && addr->sun_family == AF_UNSPEC && s->type == SOCK_DGRAM) {
		spin_lock(&s->lock);
		target = s->peer;
		s->peer = NULL;
		s->state = USOCK_NEW;
		spin_unlock(&s->lock);
		if (target)
			usock_put(target);
		return 0;
	}
	err = find_by_name(addr, len, &target);
	if (err)
		return err;
	err = s->type == SOCK_DGRAM ? connect_dgram(s, target) : connect_stream(s, target, nonblock);
	usock_put(target);
	return err;
}

int usock_accept(struct usock *s, bool nonblock, struct usock **out)
{
	struct usock *got;

	for (;;) {
		spin_lock(&s->lock);
		if (s->state != USOCK_LISTENING) {
			spin_unlock(&s->lock);
			return s->type == SOCK_DGRAM ? -EOPNOTSUPP : -EINVAL;
		}
		got = list_first_entry(&s->backlog, struct usock, accept_link);
		if (got) {
			list_remove(&got->accept_link);
			s->nr_backlog--;
		}
		spin_unlock(&s->lock);
		if (got)
			break;
		if (nonblock)
			return -EAGAIN;
		if (wait_event_interruptible(&s->wait, !list_empty(&s->backlog) || s->state != USOCK_LISTENING))
			return -ERESTARTSYS;
	}
	waitq_wake_all(&s->space_wait);
	*out = got;
	return 0;
}

/* ---- sending ---- */

static struct packet *packet_from(const struct usock *s, struct io_iter *from, size_t n)
{
	struct packet *p = kmalloc(sizeof(*p) + n, GFP_KERNEL);

	if (!p)
		return NULL;
	*p = (struct packet){ .len = n, .creds = current_creds() };
	if (io_iter_get(p->data, from, n) != n) {
		kfree(p);
		return NULL;
	}
	if (s->family != AF_UNIX) {
		p->payer = current->owner;
		p->sock_bytes = sizeof(*p) + n;
		memcg_sock_charge(p->payer, (long)p->sock_bytes);
	}
	return p;
}

static bool has_room(const struct usock *to)
{
	return to->queued_bytes < to->rcvbuf || to->shut_rd || to->state == USOCK_CLOSED;
}

/* Queue p on `to`, waiting for room. Consumes p on success. 0, -EPIPE, -ECONNREFUSED, -EAGAIN, -ERESTARTSYS. */
static int deliver(struct usock *s, struct usock *to, struct packet *p, bool nonblock)
{
	for (;;) {
		int err = -EAGAIN;

		spin_lock(&to->lock);
		if (to->shut_rd || to->state == USOCK_CLOSED || READ_ONCE(s->shut_wr)) {
			err = s->type == SOCK_DGRAM ? -ECONNREFUSED : -EPIPE;
		} else if (has_room(to)) {
			list_append(&to->queue, &p->link);
			to->queued_bytes += p->len;
			err = 0;
		}
		spin_unlock(&to->lock);
		if (!err)
			waitq_wake_key(&to->wait, S32_MAX, POLLIN | POLLRDNORM);
		if (err != -EAGAIN || nonblock)
			return err;
		if (wait_event_interruptible(&to->space_wait, has_room(to) || READ_ONCE(s->shut_wr)))
			return -ERESTARTSYS;
	}
}

static ssize_t send_stream(struct usock *s, struct usock *to, struct io_iter *from, struct scm *scm, bool nonblock)
{
	size_t done = 0;

	while (from->left) {
		size_t n = min(from->left, (size_t)MAX_CHUNK);
		struct packet *p = packet_from(s, from, n);
		int err;

		if (!p)
			return done ? (ssize_t)done : -EFAULT;
		p->scm = scm;
		err = deliver(s, to, p, nonblock);
		if (err) {
			p->scm = NULL;
			packet_free(p);
			return done ? (ssize_t)done : err;
		}
		scm = NULL;
		done += n;
	}
	return (ssize_t)done;
}

static ssize_t send_packet(struct usock *s, struct usock *to, struct io_iter *from, struct scm *scm, bool nonblock)
{
	size_t n = from->left;
	struct packet *p;
	int err;

	if (n > s->sndbuf)
		return -EMSGSIZE;
	p = packet_from(s, from, n);
	if (!p)
		return -EFAULT;
	p->scm = scm;
	if (s->addr_len) {
		usock_get(s);
		p->sender = s;
	}
	err = deliver(s, to, p, nonblock);
	if (err) {
		p->scm = NULL;
		packet_free(p);
		return err;
	}
	return (ssize_t)n;
}

ssize_t usock_send(struct usock *s, struct io_iter *from, struct scm *scm, const struct sockaddr_un *to, int to_len,
		   bool nonblock)
{
	struct usock *target;
	ssize_t n;

	if (to && s->type == SOCK_DGRAM) {
		int err = find_by_name(to, to_len, &target);

		if (err)
			return err;
		if (target->type != SOCK_DGRAM) {
			usock_put(target);
			return -EPROTOTYPE;
		}
	} else {
		if (to && s->type != SOCK_SEQPACKET)
			return s->state == USOCK_CONNECTED ? -EISCONN : -EOPNOTSUPP;
		target = peer_get(s);
		if (!target)
			return s->state == USOCK_CONNECTED || s->shut_wr ? -EPIPE : -ENOTCONN;
	}
	if (s->shut_wr)
		n = -EPIPE;
	else if (s->type == SOCK_STREAM)
		n = send_stream(s, target, from, scm, nonblock);
	else
		n = send_packet(s, target, from, scm, nonblock);
	usock_put(target);
	return n;
}

/* ---- receiving ---- */

static bool can_read(const struct usock *s)
{
	return !list_empty(&s->queue) || s->shut_rd || s->error;
}

/* Wait for a packet at the head of the queue (left there); NULL at the end of the stream. read_lock held. */
static int head_packet(struct usock *s, bool nonblock, struct packet **out)
{
	for (;;) {
		int err = 0;
		ktime_t left;

		spin_lock(&s->lock);
		*out = list_first_entry(&s->queue, struct packet, link);
		if (!*out && s->error) {
			err = -s->error;
			s->error = 0;
		} else if (!*out && !s->shut_rd) {
			err = -EAGAIN;
			if (s->type != SOCK_DGRAM && s->state != USOCK_CONNECTED)
				err = s->type == SOCK_STREAM || s->state == USOCK_LISTENING ? -EINVAL : -ENOTCONN;
		}
		spin_unlock(&s->lock);
		if (err != -EAGAIN || nonblock)
			return err;
		mutex_unlock(&s->read_lock);
		left = wait_event_interruptible_timeout(&s->wait, can_read(s), s->rcvtimeo);
		mutex_lock(&s->read_lock);
		if (left < 0)
			return -ERESTARTSYS;
		if (left == 0)
			return -EAGAIN;
	}
}

/* Take n bytes off the head; the whole packet when it is used up or not a stream's. */
static void consume(struct usock *s, struct packet *p, size_t n)
{
	bool gone;

	spin_lock(&s->lock);
	gone = s->type != SOCK_STREAM || p->off + n == p->len;
	s->queued_bytes -= gone ? p->len - p->off : n;
	p->off += n;
	if (gone)
		list_remove(&p->link);
	spin_unlock(&s->lock);
	if (gone)
		packet_free(p);
	waitq_wake_all(&s->space_wait);
}

/* Writers to s watch their own socket for POLLOUT: tell the peer that there is room. */
static void tell_peer_room(struct usock *s)
{
	struct usock *peer = peer_get(s);

	if (!peer)
		return;
	waitq_wake_key(&peer->wait, S32_MAX, POLLOUT | POLLWRNORM);
	usock_put(peer);
}

static void note_ancillary(struct usock *s, struct packet *p, bool peek, struct usock_received *out)
{
	out->creds = p->creds;
	if (p->sender && p->sender->addr_len) {
		out->from = p->sender->addr;
		out->from_len = p->sender->addr_len;
	}
	if (!peek && p->scm) {
		out->scm = p->scm;
		p->scm = NULL;
	}
}

static ssize_t recv_packet(struct usock *s, struct io_iter *to, unsigned flags, bool nonblock,
			   struct usock_received *out)
{
	struct packet *p;
	size_t n, done;
	int err = head_packet(s, nonblock, &p);

	if (err || !p)
		return err;
	n = min(p->len, to->left);
	done = io_iter_put(to, p->data, n);
	if (done < n)
		return -EFAULT;
	note_ancillary(s, p, flags & MSG_PEEK, out);
	out->full_len = p->len;
	if (n < p->len)
		out->flags |= MSG_TRUNC;
	if (s->type == SOCK_SEQPACKET)
		out->flags |= MSG_EOR;
	if (!(flags & MSG_PEEK))
		consume(s, p, p->len);
	return (ssize_t)n;
}

static ssize_t recv_stream(struct usock *s, struct io_iter *to, unsigned flags, bool nonblock, struct usock_received *out)
{
	size_t done = 0;

	while (to->left) {
		struct packet *p;
		size_t n, moved;
		int err = head_packet(s, nonblock || (done && !(flags & MSG_WAITALL)), &p);

		if (err)
			return done ? (ssize_t)done : err;
		if (!p || (done && p->scm))
			break;		/* ancillary data is a barrier: unix(7) */
		n = min(p->len - p->off, to->left);
		moved = io_iter_put(to, p->data + p->off, n);
		if (moved < n)
			return done ? (ssize_t)done : -EFAULT;
		note_ancillary(s, p, flags & MSG_PEEK, out);
		done += n;
		if (flags & MSG_PEEK)
			break;
		consume(s, p, n);
		if (out->scm)
			break;
	}
	return (ssize_t)done;
}

ssize_t usock_recv(struct usock *s, struct io_iter *to, unsigned flags, bool nonblock, struct usock_received *out)
{
	ssize_t n;

	memset(out, 0, sizeof(*out));
	if (flags & MSG_OOB)
		return s->family == AF_UNIX ? -EOPNOTSUPP : -EINVAL;
	mutex_lock(&s->read_lock);
	n = s->type == SOCK_STREAM ? recv_stream(s, to, flags, nonblock, out) : recv_packet(s, to, flags, nonblock, out);
	mutex_unlock(&s->read_lock);
	if (n >= 0 && !(flags & MSG_PEEK))
		tell_peer_room(s);
	return n;
}

size_t usock_readable(struct usock *s)
{
	struct packet *p;
	size_t n;

	spin_lock(&s->lock);
	p = list_first_entry(&s->queue, struct packet, link);
	n = s->type == SOCK_STREAM ? s->queued_bytes : p ? p->len : 0;
	spin_unlock(&s->lock);
	return n;
}

u32 usock_poll(struct usock *s, struct file *f, struct poll_table *pt)
{
	struct usock *peer;
	u32 mask = 0;

	poll_wait(f, &s->wait, pt);
	peer = peer_get(s);
	spin_lock(&s->lock);
	if (s->error)
		mask |= POLLERR;
	if (!list_empty(&s->queue) || !list_empty(&s->backlog) || s->shut_rd)
		mask |= POLLIN | POLLRDNORM;
	if (s->shut_rd)
		mask |= POLLRDHUP;
	if ((s->shut_rd && s->shut_wr) || (s->type != SOCK_DGRAM && s->state == USOCK_NEW))
		mask |= POLLHUP;
	spin_unlock(&s->lock);
	if (!peer || has_room(peer))
		mask |= POLLOUT | POLLWRNORM;
	if (peer)
		usock_put(peer);
	return mask;
}
