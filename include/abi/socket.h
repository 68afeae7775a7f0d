/*
 * socket.h (abi) - address families, socket calls and options, from the headers Linux exports.
 *
 * The structures and most names of socket(2) live in the C library, not in exported kernel headers; those are here.
 */
#ifndef ABI_SOCKET_H
#define ABI_SOCKET_H

#include <asm/socket.h>
#include <asm/sockios.h>
#include <linux/un.h>
#include <lib/types.h>

#define AF_UNSPEC	0
#define AF_UNIX		1
#define AF_INET		2
#define AF_INET6	10
#define AF_MAX		46

#define SOCK_STREAM	1
#define SOCK_DGRAM	2
#define SOCK_SEQPACKET	5
#define SOCK_TYPE_MASK	0xf
#define SOCK_CLOEXEC	02000000
#define SOCK_NONBLOCK	04000

#define SOL_SOCKET_LEVEL 1
#define SCM_RIGHTS	1
#define SCM_CREDENTIALS	2
#define SCM_MAX_FD	253

#define MSG_OOB		0x1
#define MSG_PEEK	0x2
#define MSG_CTRUNC	0x8
#define MSG_TRUNC	0x20
#define MSG_DONTWAIT	0x40
#define MSG_EOR		0x80
#define MSG_WAITALL	0x100
#define MSG_NOSIGNAL	0x4000
#define MSG_CMSG_CLOEXEC 0x40000000

#define SHUT_RD		0
#define SHUT_WR		1
#define SHUT_RDWR	2

struct msghdr_k {		/* struct msghdr of x86-64 */
	void __user	*name;
	int		namelen;
	void __user	*iov;
	size_t		iovlen;
	void __user	*control;
	size_t		controllen;
	unsigned	flags;
};
struct cmsghdr_k {
	size_t	len;		/* header included */
	int	level, type;
};
#define CMSG_ALIGN_K(n)	(((n) + 7) & ~(size_t)7)

struct ucred_k {
	u32	pid, uid, gid;
};

#endif
