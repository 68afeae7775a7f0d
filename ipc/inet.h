/*
 * inet.h - AF_INET and AF_INET6 over the loopback: private to ipc/.
 */
#ifndef IPC_INET_H
#define IPC_INET_H

#include "unix_socket.h"

/* Is this family, type, protocol one of ours? 0 and the protocol's number in *protocol, or an errno. */
int inet_check_type(int family, int type, int *protocol) must_check;
/* A user's address as the local name of its port; ip: the 16 bytes (IPv4 mapped). 0 or an errno. */
int inet_addr_from_user(const struct usock *s, const void __user *uaddr, int len, struct sockaddr_un *out, int *out_len, u8 ip[16]) must_check;
/* A local name as the family's socket address; its length. */
int inet_addr_from_name(int family, const struct sockaddr_un *name, int name_len, const u8 ip[16], void *out);
int inet_bind(struct usock *s, const struct sockaddr_un *name, int len, const u8 ip[16]) must_check;
int inet_autobind(struct usock *s) must_check;
int inet_connect(struct usock *s, const struct sockaddr_un *name, int len, const u8 ip[16], bool nonblock) must_check;
ssize_t inet_send(struct usock *s, struct io_iter *from, const struct sockaddr_un *to, int to_len, const u8 ip[16], bool nonblock) must_check;
long inet_set_option(struct usock *s, int level, int option, int value);
int inet_get_option(struct usock *s, int level, int option, int *value);

#endif
