/*
 * owners.c - who pays, and where in the source it was asked for.
 *
 * OWNERS      a table sized with the machine's RAM; an entry is in use from its creation until it was released and neither a
 *             frame nor a slab object names it any more. Frames are counted as they come and go; slab objects carry the
 *             owner in their slab's side table and are not counted, so an id is free again only after a walk over
 *             all slabs has not met it. That walk runs when the table is full: once in hundreds of processes.
 * SITES       one static object per call of an allocator, collected by the linker in one array; the id is the place in it.
 * LOCKS       ledger_books.lock for frames and the states; names change only by their owner.
 */
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/task.h>
#include <lib/bitmap.h>
#include <lib/string.h>
#include <mm/memblock.h>
#include <mm/page_alloc.h>
#include "charge.h"
#include "holders.h"
#include "owners.h"
#include "walk.h"

struct ledger_owner *ledger_owners;

#ifndef NO_LEDGER

static struct ledger_owner_name *names;
static unsigned nr_owners, hint;
static unsigned long *seen_by_slabs;		/* bit per owner, during a sweep */

/* Up to stop the kernel's own; from there to end slots that modules' are linked into (modules.c). */
extern struct alloc_site __start_alloc_sites[], __stop_alloc_sites[];
#ifdef __QUIRE__
extern struct alloc_site __end_alloc_sites[];
#else
#define __end_alloc_sites __stop_alloc_sites	/* the host has no modules */
#endif

static void *boot_table(size_t size)
{
	return phys_to_virt(memblock_alloc(size, PAGE_SIZE, ACCT_BOOT));
}

void ledger_start(void)
{
	unsigned long frames = (unsigned long)(memblock_end_of_ram() >> PAGE_SHIFT);
	size_t per_owner = sizeof(struct ledger_owner) + sizeof(struct ledger_owner_name);
	u8 *table;

	spin_lock_init(&ledger_books.lock, "ledger", LOCK_LEDGER);
	memset(ledger_books.account, 0, sizeof(ledger_books.account));
	for_each_cpu(cpu)
		*per_cpu_ptr(ledger_pending, cpu) = (struct ledger_pending){ 0 };
	ledger_site_base = __start_alloc_sites;
	ledger_nr_sites = (unsigned)(__end_alloc_sites - __start_alloc_sites);
	ledger_nr_kernel_sites = (unsigned)(__stop_alloc_sites - __start_alloc_sites);
	ledger_module_tags = (ledger_nr_kernel_sites + 1) << 16;
	for (unsigned i = 0; i < ledger_nr_sites; i++)
		__start_alloc_sites[i].id = (u16)(i + 1);
	nr_owners = (unsigned)clamp(frames / 64, 128UL, 8192UL);
	table = boot_table(nr_owners * per_owner + BITMAP_WORDS(nr_owners) * sizeof(long));
	ledger_owners = (void *)table;
	names = (void *)(table + nr_owners * sizeof(struct ledger_owner));
	seen_by_slabs = (void *)(table + nr_owners * per_owner);
	names[OWNER_MACHINE] = (struct ledger_owner_name){ .kind = OWNER_KIND_MACHINE, .name = "machine" };
	hint = 1;
}

struct alloc_site *ledger_site_slow(unsigned id)
{
	panic("ledger: no call site %u", id);
}

void ledger_init(void)
{
	pr_info("ledger: %u owners, %u call sites\n", nr_owners, (unsigned)(__stop_alloc_sites - __start_alloc_sites));
}

static unsigned find_free(void)
{
	for (unsigned i = 0; i < nr_owners; i++) {
		unsigned o = (hint + i) % nr_owners;

		if (names[o].kind == OWNER_FREE)
			return o;
	}
	return 0;
}

void ledger_owner_seen(owner_t o)
{
	bitmap_set(seen_by_slabs, o);
}

/* Released owners that nothing names any more become free. */
static void sweep(void)
{
	ledger_sync();
	bitmap_zero(seen_by_slabs, nr_owners);
	ledger_walk_slab_owners();
	for (unsigned o = 1; o < nr_owners; o++)
		if (names[o].released && !ledger_owners[o].frames && !bitmap_test(seen_by_slabs, o))
			names[o].kind = OWNER_FREE;
}

static inline void set_name(struct ledger_owner_name *n, const char *name)
{
	unsigned i;

	for (i = 0; i < sizeof(n->name) - 1 && name[i]; i++)
		n->name[i] = name[i];
	n->name[i] = '\0';
}

owner_t ledger_owner_create(enum owner_kind kind, int id, const char *name)
{
	unsigned o;

	spin_lock(&ledger_books.lock);
	o = find_free();
	if (!o) {
		spin_unlock(&ledger_books.lock);
		sweep();
		spin_lock(&ledger_books.lock);
		o = find_free();
	}
	if (o) {
		names[o].kind = (u8)kind;
		names[o].released = false;
		names[o].id = id;
		set_name(&names[o], name);
		ledger_owners[o].peak = 0;
		ledger_owners[o].memcg = NULL;
		hint = o + 1;
		holders_owner_created(o);
	}
	spin_unlock(&ledger_books.lock);
	return (owner_t)o;
}

void ledger_owner_rename(owner_t o, const char *name)
{
	if (o)
		set_name(&names[o], name);
}

void ledger_owner_release(owner_t o)
{
	if (o)
		names[o].released = true;
}

owner_t ledger_switch_owner(owner_t o)
{
	owner_t old = current->owner;

	current->owner = o;
	return old;
}

unsigned ledger_nr_owners(void)
{
	return nr_owners;
}

const struct ledger_owner_name *ledger_owner_name(unsigned o)
{
	return &names[o];
}

#else	/* without the ledger there is one owner and no name */

void ledger_start(void)
{
	spin_lock_init(&ledger_books.lock, "ledger", LOCK_LEDGER);
	memset(ledger_books.account, 0, sizeof(ledger_books.account));
	for_each_cpu(cpu)
		*per_cpu_ptr(ledger_pending, cpu) = (struct ledger_pending){ 0 };
}
void ledger_init(void) { }
struct alloc_site *ledger_site_slow(unsigned id) { return NULL; }
owner_t ledger_owner_create(enum owner_kind kind, int id, const char *name) { return OWNER_MACHINE; }
void ledger_owner_rename(owner_t o, const char *name) { }
void ledger_owner_release(owner_t o) { }
owner_t ledger_switch_owner(owner_t o) { return OWNER_MACHINE; }
void ledger_owner_seen(owner_t o) { }
unsigned ledger_nr_owners(void) { return 0; }
const struct ledger_owner_name *ledger_owner_name(unsigned o) { return NULL; }

#endif

long ledger_owner_frames(owner_t o)
{
	ledger_sync();
	return ledger_owners ? ledger_owners[o].frames : 0;
}

long ledger_owner_peak(owner_t o)
{
	ledger_sync();
	return ledger_owners ? max(ledger_owners[o].peak, ledger_owners[o].frames) : 0;
}
