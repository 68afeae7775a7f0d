/*
 * pagewait.c - sleeping on a page: its lock bit and its write-back bit.
 *
 * 64 bytes a frame leave no room for a wait queue, so pages share hashed ones. PG_WAITERS says that somebody may be asleep;
 * without it an unlock is one atomic operation. A waiter sets it, then looks at the bit it waits for once more before
 * it sleeps; whoever clears that bit looks at PG_WAITERS in the same atomic operation: one of the two sees the other.
 */
#include <kernel/panic.h>
#include <kernel/wait.h>
#include <lib/hash.h>
#include <mm/page.h>

#define QUEUE_BITS	6

static struct waitq queues[1 << QUEUE_BITS];

static struct waitq *queue_of(struct page *p)
{
	struct waitq *q = &queues[hash_ptr(p, QUEUE_BITS)];

	return q;
}

void page_wait_init(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(queues); i++)
		waitq_init(&queues[i]);
}

/* Announce ourselves, then look: true when the flag is clear. */
static bool flag_gone(struct page *p, enum page_flag f)
{
	page_set(p, PG_WAITERS);
	return !page_test(p, f);
}

static bool got_lock(struct page *p)
{
	page_set(p, PG_WAITERS);
	return page_trylock(p);
}

static void clear_and_wake(struct page *p, enum page_flag f)
{
	unsigned long old = __atomic_fetch_and(&p->flags, ~BIT(f), __ATOMIC_SEQ_CST);

	debug_assert(old & BIT(f));
	if (unlikely(old & BIT(PG_WAITERS))) {
		page_clear(p, PG_WAITERS);
		waitq_wake_all(queue_of(p));
	}
}

void page_lock_slow(struct page *p)
{
	might_sleep();
	wait_event_io(queue_of(p), got_lock(p));
}

void page_unlock(struct page *p)
{
	clear_and_wake(p, PG_LOCKED);
}

void page_wait_writeback(struct page *p)
{
	if (page_test(p, PG_WRITEBACK))
		wait_event_io(queue_of(p), flag_gone(p, PG_WRITEBACK));
}

void page_end_writeback(struct page *p)
{
	clear_and_wake(p, PG_WRITEBACK);
}
