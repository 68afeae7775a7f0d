/*
 * inet.c - AF_INET and AF_INET6 between programs of this machine: TCP and UDP as far as 127.0.0.1 and ::1 go.
 *
 * There is no network. A port is a name in the same table as abstract AF_UNIX names, a TCP connection is a local stream,
 * a UDP datagram a local datagram; only addresses, defaults and errors differ and are here. A port is taken for its family and
 * protocol whatever the address it was bound to; a socket bound to :: also answers for IPv4.
 *
 * LINUX    any address that is not the machine's own is ENETUNREACH (connect, send) or EADDRNOTAVAIL (bind). Options are
 *          remembered and mean nothing. No urgent data, no raw sockets, no interfaces.
 */
#include <abi/errno.h>
#include <abi/capability.h>
#include <kernel/cred.h>
#include <kernel/random.h>
#include <lib/string.h>
#include <mm/uaccess.h>

#include "inet.h"

#define FIRST_PORT	32768
#define LAST_PORT	60999

struct sockaddr_in_k {
	u16	family, port;		/* port: network order */
	u8	addr[4], zero[8];
};
struct sockaddr_in6_k {
	u16	family, port;
	u32	flowinfo;
	u8	addr[16];
	u32	scope;
};

static const u8 mapped[12] = { [10] = 0xff, [11] = 0xff };

int inet_check_type(int family, int type, int *protocol)
{
	int want = type == SOCK_STREAM ? 6 : 17;

	if (type != SOCK_STREAM && type != SOCK_DGRAM)
		return type == 3 ? -EPERM : -ESOCKTNOSUPPORT;
	if (*protocol && *protocol != want)
		return -EPROTONOSUPPORT;
	*protocol = want;
	return 0;
}

/* ---- addresses ---- */

static int make_name(int family, int type, u16 port, struct sockaddr_un *out)
{
	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	out->sun_path[1] = 'I';
	out->sun_path[2] = family == AF_INET ? '4' : '6';
	out->sun_path[3] = type == SOCK_STREAM ? 't' : 'u';
	out->sun_path[4] = (char)(port >> 8);
	out->sun_path[5] = (char)port;
	return sizeof(out->sun_family) + 6;
}

static u16 port_of(const struct sockaddr_un *name)
{
	return (u16)((u8)name->sun_path[4] << 8 | (u8)name->sun_path[5]);
}

int inet_addr_from_user(const struct usock *s, const void __user *uaddr, int len, struct sockaddr_un *out, int *out_len, u8 ip[16])
{
	struct sockaddr_in6_k a = { 0 };
	const struct sockaddr_in_k *v4 = (const struct sockaddr_in_k *)&a;

	if (len < 0 || len > 128)
		return -EINVAL;
	if (copy_from_user(&a, uaddr, min((size_t)len, sizeof(a))))
		return -EFAULT;
	memset(ip, 0, 16);
	if (len >= 2 && a.family == AF_UNSPEC) {	/* dissolves a datagram's association */
		memset(out, 0, sizeof(*out));
		*out_len = 2;
		return 0;
	}
	if (len < (s->family == AF_INET ? 16 : 24))
		return -EINVAL;
	if (a.family != s->family)
		return -EAFNOSUPPORT;
	if (s->family == AF_INET) {
		memcpy(ip, mapped, 12);
		memcpy(ip + 12, v4->addr, 4);
	} else {
		memcpy(ip, a.addr, 16);
	}
	*out_len = make_name(s->family, s->type, (u16)(a.port >> 8 | a.port << 8), out);
	return 0;
}

static bool is_v4(const u8 ip[16])
{
	return !memcmp(ip, mapped, 12);
}

static bool is_any(const u8 ip[16])
{
	static const u8 zero[16];

	return is_v4(ip) ? !memcmp(ip + 12, zero, 4) : !memcmp(ip, zero, 16);
}

static bool is_local(const u8 ip[16])
{
	static const u8 one[16] = { [15] = 1 };

	return is_any(ip) || (is_v4(ip) ? ip[12] == 127 : !memcmp(ip, one, 16));
}

static void set_loopback(int family, u8 ip[16])
{
	static const u8 v4[4] = { 127, 0, 0, 1 };

	memset(ip, 0, 16);
	if (family == AF_INET) {
		memcpy(ip, mapped, 12);
		memcpy(ip + 12, v4, 4);
	} else {
		ip[15] = 1;
	}
}

int inet_addr_from_name(int family, const struct sockaddr_un *name, int name_len, const u8 ip[16], void *out)
{
	u8 loopback[16], any[16] = { 0 };
	u16 port = name_len ? port_of(name) : 0;

	set_loopback(family, loopback);
	if (!ip)
		ip = name_len ? loopback : any;
	port = (u16)(port >> 8 | port << 8);
	if (family == AF_INET) {
		struct sockaddr_in_k *a = out;

		*a = (struct sockaddr_in_k){ .family = AF_INET, .port = port };
		memcpy(a->addr, ip + 12, 4);
		return sizeof(*a);
	} else {
		struct sockaddr_in6_k *a = out;

		*a = (struct sockaddr_in6_k){ .family = AF_INET6, .port = port };
		memcpy(a->addr, ip, 16);
		return sizeof(*a);
	}
}

/* ---- calls ---- */

static int bind_free_port(struct usock *s)
{
	unsigned span = LAST_PORT - FIRST_PORT + 1, start = (unsigned)(random_u64() % span);

	for (unsigned n = 0; n < span; n++) {
		struct sockaddr_un name;
		int len = make_name(s->family, s->type, (u16)(FIRST_PORT + (start + n) % span), &name);
		int err = usock_bind(s, &name, len);

		if (err != -EADDRINUSE)
			return err;
	}
	return -EADDRINUSE;
}

int inet_bind(struct usock *s, const struct sockaddr_un *name, int len, const u8 ip[16])
{
	int err;

	if (len <= 2)
		return -EAFNOSUPPORT;
	if (!is_local(ip))
		return -EADDRNOTAVAIL;
	if (port_of(name) && port_of(name) < 1024 && !capable(CAP_NET_BIND_SERVICE))
		return -EACCES;
	err = port_of(name) ? usock_bind(s, name, len) : s->addr_len ? -EINVAL : bind_free_port(s);
	if (!err)
		memcpy(s->ip, ip, 16);
	return err;
}

int inet_autobind(struct usock *s)
{
	int err = s->addr_len ? 0 : bind_free_port(s);

	if (!err && s->family == AF_INET && !is_v4(s->ip))
		memcpy(s->ip, mapped, 12);
	return err;
}

/* The port in the own family, else in the other one: :: answers for IPv4 too. */
static int other_family(const struct usock *s, const struct sockaddr_un *name, const u8 ip[16], struct sockaddr_un *out)
{
	if (s->family == AF_INET)
		return make_name(AF_INET6, s->type, port_of(name), out);
	return is_v4(ip) ? make_name(AF_INET, s->type, port_of(name), out) : 0;
}

int inet_connect(struct usock *s, const struct sockaddr_un *name, int len, const u8 ip[16], bool nonblock)
{
	struct sockaddr_un other;
	int err, other_len;

	if (len <= 2)
		return s->type == SOCK_DGRAM ? usock_connect(s, name, 2, nonblock) : -EAFNOSUPPORT;
	if (!is_local(ip))
		return -ENETUNREACH;
	err = inet_autobind(s);
	if (err)
		return err;
	err = usock_connect(s, name, len, nonblock);
	other_len = other_family(s, name, ip, &other);
	if (err == -ECONNREFUSED && other_len)
		err = usock_connect(s, &other, other_len, nonblock);
	if (err == -ECONNREFUSED && s->type == SOCK_DGRAM)
		err = 0;		/* nobody answers yet; sending will tell */
	if (!err && is_any(s->ip))
		set_loopback(s->family, s->ip);
	return err == -EPROTOTYPE ? -ECONNREFUSED : err;
}

ssize_t inet_send(struct usock *s, struct io_iter *from, const struct sockaddr_un *to, int to_len, const u8 ip[16], bool nonblock)
{
	size_t len = from->left;
	struct sockaddr_un other;
	ssize_t n;
	int err;

	if (s->type == SOCK_STREAM)
		return usock_send(s, from, NULL, NULL, 0, nonblock);
	if (to && !is_local(ip))
		return -ENETUNREACH;
	if (to && !port_of(to))
		return -EINVAL;
	if (len > 65507)
		return -EMSGSIZE;
	err = inet_autobind(s);
	if (err)
		return err;
	n = usock_send(s, from, NULL, to, to_len, true);
	if (n == -ECONNREFUSED && to && (to_len = other_family(s, to, ip, &other)))
		n = usock_send(s, from, NULL, &other, to_len, true);
	if (n == -ENOTCONN)
		return -EDESTADDRREQ;
	/* A full queue drops, an unbound port is told to connected senders only. */
	if (n == -EAGAIN || (n == -ECONNREFUSED && to))
		return (ssize_t)len;
	return n;
}

/* ---- options: remembered ---- */

static u64 *option_bits(struct usock *s, int level)
{
	return level == 6 ? &s->options[1] : level == 0 || level == 41 ? &s->options[2] : NULL;
}

long inet_set_option(struct usock *s, int level, int option, int value)
{
	u64 *bits = option_bits(s, level);

	if (!bits || option < 0 || option > 63)
		return -ENOPROTOOPT;
	*bits = value ? *bits | 1ull << option : *bits & ~(1ull << option);
	return 0;
}

int inet_get_option(struct usock *s, int level, int option, int *value)
{
	u64 *bits = option_bits(s, level);

	if (!bits || option < 0 || option > 63)
		return -ENOPROTOOPT;
	*value = (int)(*bits >> option & 1);
	if (level == 6 && option == 2)		/* TCP_MAXSEG */
		*value = 65483;
	return sizeof(int);
}
