/*
 * shrinker.c - the caches that can give memory back when asked.
 *
 * The list's lock is not held while a shrinker runs (it may sleep and take any lock); `running` keeps it alive instead.
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
	s->running = 0;
	spin_lock(&lock);
	list_append(&shrinkers, &s->link);
	spin_unlock(&lock);
}

void shrinker_unregister(struct shrinker *s)
{
	spin_lock(&lock);
	list_remove(&s->link);
	while (s->running) {
		spin_unlock(&lock);
		cond_resched();
		spin_lock(&lock);
	}
	spin_unlock(&lock);
}

unsigned long shrinkers_scan(gfp_t gfp, unsigned priority)
{
	unsigned long freed = 0;
	struct shrinker *s;

	spin_lock(&lock);
	list_for_each(s, &shrinkers, link) {
		unsigned long n;

		s->running++;
		spin_unlock(&lock);
		n = s->count(s) >> priority;
		vm_event_add(SLABS_SCANNED, (long)n);
		if (n)
			freed += s->scan(s, n, gfp);
		spin_lock(&lock);
		s->running--;
		if (!list_is_linked(&s->link))		/* unregistered meanwhile: its neighbours are unknown */
			break;
	}
	spin_unlock(&lock);
	return freed;
}
