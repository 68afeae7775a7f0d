/*
 * socket.c - the socket system calls and socket files.
 *
 * AF_UNIX, and AF_INET, AF_INET6 on the loopback (inet.c); any other family is EAFNOSUPPORT. Addresses, message headers and ancillary
 * data are checked and copied here; the sockets themselves are unix_socket.c's.
 *
 * SOURCE      socket(2), send(2), recv(2), cmsg(3), unix(7)
 */
#include <abi/errno.h>
#include <asm/ioctls.h>
#include <abi/capability.h>
#include <kernel/cred.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <mm/io_iter.h>
#include <mm/slab.h>

#include "inet.h"
#include "unix_socket.h"

#define MAX_CONTROL	20480		/* bytes of ancillary data: net.core.optmem_max */

/* ---- files ---- */

static ssize_t socket_read(struct file *f, struct io_iter *to, loff_t *pos)
{
	struct usock_received r;
	ssize_t n = usock_recv(f->priv, to, 0, f->flags & O_NONBLOCK, &r);

	scm_free(r.scm);
	return n;
}

static ssize_t socket_write(struct file *f, struct io_iter *from, loff_t *pos)
{
	return usock_send(f->priv, from, NULL, NULL, 0, f->flags & O_NONBLOCK);
}

static void socket_release(struct file *f)
{
	usock_close(f->priv);
}

static u32 socket_poll(struct file *f, struct poll_table *pt)
{
	return usock_poll(f->priv, f, pt);
}

static long socket_ioctl(struct file *f, unsigned cmd, unsigned long arg)
{
	struct usock *s = f->priv, *peer;
	size_t n = 0;

	switch (cmd) {
	case FIONREAD:
		if (s->state == USOCK_LISTENING)
			return -EINVAL;
		return put_user((int)usock_readable(s), (int __user *)arg);
	case TIOCOUTQ:
		peer = s->peer;
		if (peer)
			n = peer->queued_bytes;
		return put_user((int)n, (int __user *)arg);
	}
	return -ENOTTY;
}

static const struct file_ops socket_ops = {
	.read = socket_read, .write = socket_write, .release = socket_release, .poll = socket_poll, .ioctl = socket_ioctl,
};

/* The socket behind a descriptor; *f gets the file reference. -EBADF, -ENOTSOCK. */
static int socket_get(int fd, struct file **f, struct usock **out)
{
	*f = fd_get_io(fd);
	if (!*f)
		return -EBADF;
	if ((*f)->ops != &socket_ops) {
		file_put(*f);
		return -ENOTSOCK;
	}
	*out = (*f)->priv;
	return 0;
}

/* A descriptor for s; consumes the reference, also on failure. */
static int socket_install(struct usock *s, int type_flags)
{
	u32 flags = O_RDWR | (type_flags & SOCK_NONBLOCK ? O_NONBLOCK : 0);
	struct file *f;
	int fd, err;

	err = file_open_anon_typed("socket", S_IFSOCK | 0777, &socket_ops, s, flags, &f);
	if (err) {
		usock_close(s);
		return err;
	}
	fd = fd_reserve(0, type_flags & SOCK_CLOEXEC);
	if (fd < 0)
		file_put(f);
	else
		fd_install(fd, f);
	return fd;
}

/* 0 and the plain type, or an errno. */
static int check_type(int family, int type, int protocol, int *plain)
{
	*plain = type & SOCK_TYPE_MASK;
	if (type & ~(SOCK_TYPE_MASK | SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	if (family == AF_INET || family == AF_INET6)
		return inet_check_type(family, *plain, &protocol);
	if (family < 0 || family >= AF_MAX || family != AF_UNIX)
		return -EAFNOSUPPORT;
	if (protocol && protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	if (*plain == 3)		/* SOCK_RAW is a datagram socket: unix(7) */
		*plain = SOCK_DGRAM;
	return *plain == SOCK_STREAM || *plain == SOCK_DGRAM || *plain == SOCK_SEQPACKET ? 0 : -ESOCKTNOSUPPORT;
}

SYSCALL(socket, int family, int type, int protocol)
{
	struct usock *s;
	int plain, err = check_type(family, type, protocol, &plain);

	if (err)
		return err;
	s = usock_create(plain);
	if (!s)
		return -ENOMEM;
	s->family = family;
	return socket_install(s, type);
}

SYSCALL(socketpair, int family, int type, int protocol, int __user *fds)
{
	struct usock *a, *b;
	int plain, first, second, err = check_type(family, type, protocol, &plain);

	if (err)
		return family == AF_UNIX || err == -EINVAL ? err : -EAFNOSUPPORT;
	if (family != AF_UNIX)
		return -EOPNOTSUPP;
	a = usock_create(plain);
	b = usock_create(plain);
	if (!a || !b) {
		if (a)
			usock_put(a);
		if (b)
			usock_put(b);
		return -ENOMEM;
	}
	usock_pair(a, b);
	first = socket_install(a, type);
	if (first < 0) {
		usock_close(b);
		return first;
	}
	second = socket_install(b, type);
	err = second < 0 ? second : 0;
	if (!err && (put_user(first, &fds[0]) || put_user(second, &fds[1])))
		err = -EFAULT;
	if (err) {
		fd_close(first);
		if (second >= 0)
			fd_close(second);
	}
	return err;
}

/* ---- addresses ---- */

/* A user's address as a name of AF_UNIX; *name_len is its length, ip what AF_INET needs besides. */
struct address {
	struct sockaddr_un	name;
	int			len;
	u8			ip[16];
};

static int addr_from_user_unix(const void __user *uaddr, int len, struct sockaddr_un *out)
{
	if (len < 0 || len > 128)
		return -EINVAL;
	if (len < (int)sizeof(out->sun_family) || len > (int)sizeof(*out))
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	return copy_from_user(out, uaddr, len) ? -EFAULT : 0;
}

static int addr_from_user(const struct usock *s, const void __user *uaddr, int len, struct address *out)
{
	out->len = len;
	if (s->family == AF_UNIX)
		return addr_from_user_unix(uaddr, len, &out->name);
	return inet_addr_from_user(s, uaddr, len, &out->name, &out->len, out->ip);
}

/* Write an address and its true length; the copy is cut to the caller's room. ip: NULL for "the loopback". */
static int addr_to_user(int family, const u8 *ip, const struct sockaddr_un *addr, int len, void __user *uaddr, int __user *ulen)
{
	struct sockaddr_un unnamed = { .sun_family = AF_UNIX }, inet;
	int room;

	if (family != AF_UNIX) {
		len = inet_addr_from_name(family, addr, len, ip, &inet);
		addr = &inet;
	} else if (!len) {
		addr = &unnamed;
		len = sizeof(unnamed.sun_family);
	}
	if (get_user(room, ulen))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	if (copy_to_user(uaddr, addr, min(room, len)))
		return -EFAULT;
	return put_user(len, ulen);
}

SYSCALL(bind, int fd, const void __user *uaddr, int len)
{
	struct address a;
	struct usock *s;
	struct file *f;
	int err = socket_get(fd, &f, &s);

	if (err)
		return err;
	err = addr_from_user(s, uaddr, len, &a);
	if (!err)
		err = s->family == AF_UNIX ? usock_bind(s, &a.name, a.len) : inet_bind(s, &a.name, a.len, a.ip);
	file_put(f);
	return err;
}

SYSCALL(connect, int fd, const void __user *uaddr, int len)
{
	struct address a;
	struct usock *s;
	struct file *f;
	int err = socket_get(fd, &f, &s);

	if (err)
		return err;
	err = addr_from_user(s, uaddr, len, &a);
	if (!err)
		err = s->family == AF_UNIX ? usock_connect(s, &a.name, a.len, f->flags & O_NONBLOCK)
					   : inet_connect(s, &a.name, a.len, a.ip, f->flags & O_NONBLOCK);
	file_put(f);
	return err;
}

SYSCALL(listen, int fd, int backlog)
{
	struct usock *s;
	struct file *f;
	int err = socket_get(fd, &f, &s);

	if (err)
		return err;
	if (s->family != AF_UNIX && s->type == SOCK_STREAM)
		err = inet_autobind(s);
	if (!err)
		err = usock_listen(s, backlog);
	file_put(f);
	return err;
}

SYSCALL(accept4, int fd, void __user *uaddr, int __user *ulen, int flags)
{
	struct usock *s, *got, *peer;
	struct file *f;
	int new_fd, err;

	if (flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	err = socket_get(fd, &f, &s);
	if (err)
		return err;
	err = usock_accept(s, f->flags & O_NONBLOCK, &got);
	file_put(f);
	if (err)
		return err;
	if (uaddr) {
		spin_lock(&got->lock);
		peer = got->peer;
		if (peer)
			usock_get(peer);
		spin_unlock(&got->lock);
		err = addr_to_user(got->family, NULL, peer ? &peer->addr : NULL, peer ? peer->addr_len : 0, uaddr, ulen);
		if (peer)
			usock_put(peer);
		if (err) {
			usock_close(got);
			return err;
		}
	}
	new_fd = socket_install(got, flags);
	return new_fd;
}

SYSCALL(accept, int fd, void __user *uaddr, int __user *ulen)
{
	return sys_accept4(fd, uaddr, ulen, 0);
}

static long get_name(int fd, void __user *uaddr, int __user *ulen, bool of_peer)
{
	struct usock *s, *who;
	struct file *f;
	int err = socket_get(fd, &f, &s);

	if (err)
		return err;
	spin_lock(&s->lock);
	who = of_peer ? s->peer : s;
	if (who)
		usock_get(who);
	spin_unlock(&s->lock);
	err = who ? addr_to_user(s->family, of_peer ? NULL : s->ip, &who->addr, who->addr_len, uaddr, ulen) : -ENOTCONN;
	if (who)
		usock_put(who);
	file_put(f);
	return err;
}

SYSCALL(getsockname, int fd, void __user *uaddr, int __user *ulen)
{
	return get_name(fd, uaddr, ulen, false);
}

SYSCALL(getpeername, int fd, void __user *uaddr, int __user *ulen)
{
	return get_name(fd, uaddr, ulen, true);
}

SYSCALL(shutdown, int fd, int how)
{
	struct usock *s;
	struct file *f;
	int err = socket_get(fd, &f, &s);

	if (err)
		return err;
	err = how < SHUT_RD || how > SHUT_RDWR ? -EINVAL : usock_shutdown(s, how);
	file_put(f);
	return err;
}

/* ---- ancillary data ---- */

/* Take references to n descriptors of current into scm (which has room). */
static int scm_take_files(struct scm *scm, const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct file *f = fd_get(fds[i]);

		if (!f)
			return -EBADF;
		scm->files[scm->nr_files++] = f;
	}
	return 0;
}

/* Parse control messages of sendmsg. *out stays NULL when there is nothing to carry. */
static int scm_from_control(const char *control, size_t len, struct scm **out)
{
	struct scm *scm = NULL;
	size_t at = 0;
	int err = 0;

	while (!err && at + sizeof(struct cmsghdr_k) <= len) {
		const struct cmsghdr_k *c = (const void *)(control + at);
		size_t data = c->len - sizeof(*c);

		if (c->len < sizeof(*c) || c->len > len - at) {
			err = -EINVAL;
			break;
		}
		if (c->level != SOL_SOCKET_LEVEL) {
			at += CMSG_ALIGN_K(c->len);
			continue;
		}
		if (c->type == SCM_RIGHTS && !scm) {
			unsigned n = data / sizeof(int);

			if (n > SCM_MAX_FD || data % sizeof(int)) {
				err = -EINVAL;
				break;
			}
			scm = kzalloc(sizeof(*scm) + n * sizeof(scm->files[0]), GFP_KERNEL);
			err = scm ? scm_take_files(scm, (const int *)(c + 1), n) : -ENOMEM;
		} else if (c->type == SCM_CREDENTIALS) {
			const struct ucred_k *u = (const void *)(c + 1);

			if (data < sizeof(*u))
				err = -EINVAL;
			else if ((u->pid != (u32)task_pid(current) && !capable(CAP_SYS_ADMIN)) ||
				 (u->uid != current->cred->uid && u->uid != current->cred->euid && !capable(CAP_SETUID)) ||
				 (u->gid != current->cred->gid && u->gid != current->cred->egid && !capable(CAP_SETGID)))
				err = -EPERM;
		} else {
			err = -EINVAL;
		}
		at += CMSG_ALIGN_K(c->len);
	}
	if (err) {
		scm_free(scm);
		return err;
	}
	*out = scm;
	return 0;
}

/* Where recvmsg's control messages go. */
struct control_out {
	char __user	*at;
	size_t		room, used;
	unsigned	flags;		/* MSG_CTRUNC */
};

/* Append one message; when the room is too small as much as fits, and MSG_CTRUNC. */
static int control_put(struct control_out *c, int type, const void *data, size_t n)
{
	struct cmsghdr_k h = { .len = sizeof(h) + n, .level = SOL_SOCKET_LEVEL, .type = type };

	if (c->room < sizeof(h)) {
		c->flags |= MSG_CTRUNC;
		return 0;
	}
	if (h.len > c->room) {
		c->flags |= MSG_CTRUNC;
		h.len = c->room;
	}
	if (copy_to_user(c->at, &h, sizeof(h)) || copy_to_user(c->at + sizeof(h), data, h.len - sizeof(h)))
		return -EFAULT;
	n = min(CMSG_ALIGN_K(h.len), c->room);
	c->at += n;
	c->room -= n;
	c->used += n;
	return 0;
}

/* Give received files descriptors; those that do not fit are closed. Consumes scm. */
static int control_put_files(struct control_out *c, struct scm *scm, bool cloexec)
{
	unsigned fit = c->room > sizeof(struct cmsghdr_k) ? (c->room - sizeof(struct cmsghdr_k)) / sizeof(int) : 0;
	unsigned n = 0;
	int *fds, err = 0;

	if (!scm || !scm->nr_files) {
		scm_free(scm);
		return 0;
	}
	fds = kmalloc(scm->nr_files * sizeof(int), GFP_KERNEL);
	for (; fds && n < min(fit, scm->nr_files); n++) {
		fds[n] = fd_reserve(0, cloexec);
		if (fds[n] < 0)
			break;
		fd_install(fds[n], file_get(scm->files[n]));
	}
	if (n < scm->nr_files)
		c->flags |= MSG_CTRUNC;
	if (n)
		err = control_put(c, SCM_RIGHTS, fds, n * sizeof(int));
	kfree(fds);
	scm_free(scm);
	return err;
}

/* ---- moving data ---- */

static long do_send(struct file *f, struct usock *s, struct io_iter *from, struct scm *scm, const struct address *to, unsigned flags)
{
	bool nonblock = (f->flags & O_NONBLOCK) || (flags & MSG_DONTWAIT);
	ssize_t n;

	if (flags & MSG_OOB) {
		scm_free(scm);
		return -EOPNOTSUPP;
	}
	if (s->family != AF_UNIX) {
		scm_free(scm);
		scm = NULL;
		n = inet_send(s, from, to ? &to->name : NULL, to ? to->len : 0, to ? to->ip : NULL, nonblock);
	} else {
		n = usock_send(s, from, scm, to ? &to->name : NULL, to ? to->len : 0, nonblock);
	}
	if (n < 0)
		scm_free(scm);
	if (n == -EPIPE && !(flags & MSG_NOSIGNAL))
		signal_send_current(SIGPIPE);
	return n;
}

SYSCALL(sendto, int fd, void __user *buf, size_t len, unsigned flags, const void __user *uaddr, int addr_len)
{
	struct address a;
	struct io_iter from;
	struct usock *s;
	struct file *f;
	long n = socket_get(fd, &f, &s);

	if (n)
		return n;
	if (uaddr)
		n = addr_from_user(s, uaddr, addr_len, &a);
	io_iter_user(&from, buf, min(len, (size_t)S32_MAX));
	if (!n)
		n = do_send(f, s, &from, NULL, uaddr ? &a : NULL, flags);
	file_put(f);
	return n;
}

static long send_msg(struct file *f, struct usock *s, const struct msghdr_k *m, unsigned flags)
{
	struct iovec_user fast[IOV_FAST], *iov = NULL;
	struct address a;
	struct scm *scm = NULL;
	struct io_iter from;
	char *control = NULL;
	bool named = m->name && m->namelen;
	ssize_t n = io_iter_import(m->iov, m->iovlen, fast, &iov, &from);

	if (n < 0)
		return n;
	n = named ? addr_from_user(s, m->name, m->namelen, &a) : 0;
	if (!n && m->controllen > MAX_CONTROL)
		n = -ENOBUFS;
	if (!n && m->control && m->controllen) {
		control = kmalloc(m->controllen, GFP_KERNEL);
		if (!control)
			n = -ENOMEM;
		else if (copy_from_user(control, m->control, m->controllen))
			n = -EFAULT;
		else
			n = scm_from_control(control, m->controllen, &scm);
	}
	if (!n)
		n = do_send(f, s, &from, scm, named ? &a : NULL, flags);
	kfree(control);
	if (iov && iov != fast)
		kfree(iov);
	return n;
}

SYSCALL(sendmsg, int fd, const struct msghdr_k __user *umsg, unsigned flags)
{
	struct msghdr_k m;
	struct usock *s;
	struct file *f;
	long n = socket_get(fd, &f, &s);

	if (n)
		return n;
	n = get_user_struct(&m, umsg) ? -EFAULT : send_msg(f, s, &m, flags);
	file_put(f);
	return n;
}

SYSCALL(recvfrom, int fd, void __user *buf, size_t len, unsigned flags, void __user *uaddr, int __user *ulen)
{
	struct usock_received r;
	struct io_iter to;
	struct usock *s;
	struct file *f;
	long n = socket_get(fd, &f, &s);

	if (n)
		return n;
	io_iter_user(&to, buf, min(len, (size_t)S32_MAX));
	n = usock_recv(s, &to, flags, (f->flags & O_NONBLOCK) || (flags & MSG_DONTWAIT), &r);
	scm_free(r.scm);
	if (n >= 0 && (flags & MSG_TRUNC) && s->type != SOCK_STREAM)
		n = (long)r.full_len;
	if (n >= 0 && uaddr && ulen && s->type == SOCK_DGRAM) {
		int err = addr_to_user(s->family, NULL, &r.from, r.from_len, uaddr, ulen);

		if (err)
			n = err;
	} else if (n >= 0 && ulen && put_user(0, ulen)) {
		n = -EFAULT;
	}
	file_put(f);
	return n;
}

/* The parts of recvmsg after the data: address, ancillary data, flags. 0 or -EFAULT. */
static int recv_msg_finish(struct usock *s, struct msghdr_k __user *umsg, const struct msghdr_k *m,
			   struct usock_received *r, unsigned flags)
{
	struct control_out c = { .at = m->control, .room = m->control ? m->controllen : 0, .flags = r->flags };
	int err = 0;

	if (m->name) {
		struct sockaddr_un inet;
		const struct sockaddr_un *from = &r->from;
		int len = r->from_len;

		if (s->family != AF_UNIX && len) {
			len = inet_addr_from_name(s->family, from, len, NULL, &inet);
			from = &inet;
		}
		if (copy_to_user(m->name, from, min(m->namelen, len)))
			err = -EFAULT;
		if (put_user(len, &umsg->namelen))
			err = -EFAULT;
	}
	if (!err && s->passcred)
		err = control_put(&c, SCM_CREDENTIALS, &r->creds, sizeof(r->creds));
	if (!err)
		err = control_put_files(&c, r->scm, flags & MSG_CMSG_CLOEXEC);
	else
		scm_free(r->scm);
	if (!err && (put_user(c.used, &umsg->controllen) || put_user(c.flags, &umsg->flags)))
		err = -EFAULT;
	return err;
}

SYSCALL(recvmsg, int fd, struct msghdr_k __user *umsg, unsigned flags)
{
	struct iovec_user fast[IOV_FAST], *iov = NULL;
	struct usock_received r;
	struct msghdr_k m;
	struct io_iter to;
	struct usock *s;
	struct file *f;
	long n = socket_get(fd, &f, &s);

	if (n)
		return n;
	n = get_user_struct(&m, umsg) ? -EFAULT : io_iter_import(m.iov, m.iovlen, fast, &iov, &to);
	if (n >= 0)
		n = usock_recv(s, &to, flags, (f->flags & O_NONBLOCK) || (flags & MSG_DONTWAIT), &r);
	if (n >= 0) {
		int err = recv_msg_finish(s, umsg, &m, &r, flags);

		if (err)
			n = err;
		else if ((flags & MSG_TRUNC) && s->type != SOCK_STREAM)
			n = (long)r.full_len;
	}
	if (iov && iov != fast)
		kfree(iov);
	file_put(f);
	return n;
}

struct mmsghdr_k {
	struct msghdr_k	hdr;
	unsigned	len;
	unsigned	pad;
};

SYSCALL(sendmmsg, int fd, struct mmsghdr_k __user *vec, unsigned n, unsigned flags)
{
	unsigned i;
	long r = 0;

	for (i = 0; i < min(n, 1024u); i++) {
		r = sys_sendmsg(fd, &vec[i].hdr, flags);
		if (r < 0 || put_user((unsigned)r, &vec[i].len))
			break;
	}
	return i ? (long)i : r;
}

/* ---- options ---- */

static long set_timeout(ktime_t *out, const void __user *val, int len)
{
	struct { s64 sec, usec; } tv;

	if (len < (int)sizeof(tv))
		return -EINVAL;
	if (get_user_struct(&tv, val))
		return -EFAULT;
	if (tv.usec < 0 || tv.usec >= 1000000)
		return -EDOM;
	*out = tv.sec > 0 || tv.usec > 0 ? tv.sec * NSEC_PER_SEC + tv.usec * NSEC_PER_USEC : KTIME_MAX;
	return 0;
}

static long set_option(struct usock *s, int option, const void __user *val, int len)
{
	int v;

	if (option == SO_RCVTIMEO_OLD)
		return set_timeout(&s->rcvtimeo, val, len);
	if (option == SO_SNDTIMEO_OLD)
		return set_timeout(&s->sndtimeo, val, len);
	if (len < (int)sizeof(v))
		return -EINVAL;
	if (get_user(v, (const int __user *)val))
		return -EFAULT;
	switch (option) {
	case SO_PASSCRED:
		s->passcred = v != 0;
		return 0;
	case SO_SNDBUF:
		s->sndbuf = clamp(v, 2304, 212992) * 2;		/* Linux doubles what it is asked for: socket(7) */
		return 0;
	case SO_RCVBUF:
		s->rcvbuf = clamp(v, 1152, 212992) * 2;
		return 0;
	case SO_TYPE:
	case SO_ERROR:
	case SO_ACCEPTCONN:
	case SO_DOMAIN:
	case SO_PROTOCOL:
		return -ENOPROTOOPT;
	}
	if (option < 0 || option > 63)
		return -ENOPROTOOPT;
	/* The rest means nothing between programs of one machine: remembered. */
	s->options[0] = v ? s->options[0] | 1ull << option : s->options[0] & ~(1ull << option);
	return 0;
}

SYSCALL(setsockopt, int fd, int level, int option, const void __user *val, int len)
{
	struct usock *s;
	struct file *f;
	long err = socket_get(fd, &f, &s);

	if (err)
		return err;
	if (level == SOL_SOCKET_LEVEL) {
		err = set_option(s, option, val, len);
	} else if (s->family == AF_UNIX) {
		err = -EOPNOTSUPP;
	} else {
		int v = 0;

		if (len >= (int)sizeof(v) && get_user(v, (const int __user *)val))
			err = -EFAULT;
		else
			err = inet_set_option(s, level, option, v);
	}
	file_put(f);
	return err;
}

/* The value of an option; its size. */
static int get_option(struct usock *s, int option, void *out)
{
	int *v = out;

	switch (option) {
	case SO_TYPE: *v = s->type; return sizeof(int);
	case SO_DOMAIN: *v = s->family; return sizeof(int);
	case SO_PROTOCOL: *v = s->family == AF_UNIX ? 0 : s->type == SOCK_STREAM ? 6 : 17; return sizeof(int);
	case SO_ACCEPTCONN: *v = s->state == USOCK_LISTENING; return sizeof(int);
	case SO_PASSCRED: *v = s->passcred; return sizeof(int);
	case SO_SNDBUF: *v = (int)s->sndbuf; return sizeof(int);
	case SO_RCVBUF: *v = (int)s->rcvbuf; return sizeof(int);
	case SO_LINGER: v[0] = v[1] = 0; return 2 * sizeof(int);
	case SO_ERROR:
		spin_lock(&s->lock);
		*v = s->error;
		s->error = 0;
		spin_unlock(&s->lock);
		return sizeof(int);
	case SO_PEERCRED:
		memcpy(out, &s->peer_creds, sizeof(s->peer_creds));
		return sizeof(s->peer_creds);
	case SO_RCVTIMEO_OLD:
	case SO_SNDTIMEO_OLD: {
		ktime_t t = option == SO_RCVTIMEO_OLD ? s->rcvtimeo : s->sndtimeo;
		s64 *tv = out;

		tv[0] = t == KTIME_MAX ? 0 : t / NSEC_PER_SEC;
		tv[1] = t == KTIME_MAX ? 0 : t % NSEC_PER_SEC / NSEC_PER_USEC;
		return 2 * sizeof(s64);
	}
	}
	if (option < 0 || option > 63)
		return -ENOPROTOOPT;
	*v = (int)(s->options[0] >> option & 1);
	return sizeof(int);
}

SYSCALL(getsockopt, int fd, int level, int option, void __user *val, int __user *ulen)
{
	char buf[32] aligned_to(8);
	struct usock *s;
	struct file *f;
	int len, room;
	long err = socket_get(fd, &f, &s);

	if (err)
		return err;
	len = level == SOL_SOCKET_LEVEL ? get_option(s, option, buf)
	    : s->family == AF_UNIX ? -EOPNOTSUPP : inet_get_option(s, level, option, (int *)buf);
	file_put(f);
	if (len < 0)
		return len;
	if (get_user(room, ulen))
		return -EFAULT;
	if (room < 0)
		return -EINVAL;
	len = min(len, room);
	if (copy_to_user(val, buf, len) || put_user(len, ulen))
		return -EFAULT;
	return 0;
}
