/*
 * epoll.h (abi) - the exported header uses `packed` inside an attribute: our macro of that name steps aside.
 */
#ifndef ABI_EPOLL_H
#define ABI_EPOLL_H
#include <lib/types.h>
#pragma push_macro("packed")
#undef packed
#include <linux/eventpoll.h>
#pragma pop_macro("packed")
#endif
