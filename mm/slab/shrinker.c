/*
 * shrinker.c - the caches that can give memory back when asked.
 *
 * The list's lock is not held while a shrinker runs (it may sleep and take any lock); shrinkers stay registered for ever.
 */
#include <kernel/lock.h>
#include <kernel/sched.h>
#include <mm/reclaim.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>

int sysctl_vfs_cache_pressure = 100;

static struct list shrinkers = LIST_INIT(shrinkers);
static spinlock_t lock = SPINLOCK_INIT("shrinkers", LOCK_SLAB);

void shrinker_register(struct shrinker *s)
{
	spin_lock(&lock);
	list_append(&shrinkers, &s->link);
	spin_unlock(&lock);
}

unsigned long shrinkers_scan(gfp_t gfp, unsigned priority, struct memcg_scope *who)
{
	unsigned long freed = 0;
	struct shrinker *s;

	spin_lock(&lock);
	list_for_each(s, &shrinkers, link) {
		unsigned long n;

		spin_unlock(&lock);
		n = s->count(s) >> priority;
		vm_event_add(SLABS_SCANNED, (long)n);
		if (n)
			freed += s->scan(s, n, gfp, who);
		spin_lock(&lock);
	}
	spin_unlock(&lock);
	return freed;
}
