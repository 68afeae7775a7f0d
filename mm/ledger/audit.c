/*
 * audit.c - the other half of the books: walk the machine and compare.
 *
 * METHOD      With all other CPUs stopped between two pieces of work, every frame of RAM is looked at once, and everything that can
 *             hold frames is walked from its own side: buddy lists, per-CPU stacks, slabs, vmalloc areas, the kernel's
 *             page tables, those of every address space, page caches, LRU lists. What the counters say must be what
 *             was found, for each account, owner, call site, cache and page.
 * PAGES       Two small numbers per frame, references and mappings found, are added up while page tables and caches are
 *             walked and compared with refcount and mapcount at the end. A task asleep in the middle of something may hold
 *             one reference more for a moment, so an audit that finds only that looks again a little later.
 * OUTPUT      "MISMATCH what counted found" lines, at most MAX_LINES of them, and the verdict.
 */
#include <abi/errno.h>
#include <arch/mmu.h>
#include <kernel/cpu.h>
#include <kernel/panic.h>
#include <kernel/sched.h>
#include <kernel/stop.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/filemap.h>
#include <mm/lru.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include "../page_alloc/internal.h"
#include "../slab/internal.h"
#include "charge.h"
#include "owners.h"
#include "walk.h"

#define MAX_LINES	40
#define ATTEMPTS	4
#define REPORT_SIZE	8192

struct found {			/* per frame */
	u16	refs, maps;
};

struct audit {
	struct text	out;
	char		buf[REPORT_SIZE];
	long		mismatches, page_mismatches;
	struct found	*pages;		/* by frame number */
	long		*owner, *site;	/* frames, bytes */
	unsigned long	free_sum, frame_sum;	/* of the numbers of free frames: by lists, by looking at all */
	long		account[NR_ACCOUNTS];
	long		walked[NR_ACCOUNTS];	/* by those who hold them */
	const char	*name;
};

static struct list walkers = LIST_INIT(walkers);

void audit_register(struct audit_walker *w)
{
	if (!w->link.next)		/* the host build may start mm/ more than once in a process */
		list_append(&walkers, &w->link);
}

static void mismatch(struct audit *a, const char *what, const char *which, long counted, long found)
{
	if (a->mismatches++ < MAX_LINES)
		text_printf(&a->out, "MISMATCH %s%s%s %ld %ld\n", what, *which ? ":" : "", which, counted, found);
}

void audit_expect(struct audit *a, const char *what, long counted, long found)
{
	if (counted != found)
		mismatch(a, what, "", counted, found);
}

static void expect_of(struct audit *a, const char *what, const char *which, long counted, long found)
{
	if (counted != found)
		mismatch(a, what, which, counted, found);
}

void audit_page(struct audit *a, const struct page *p, int refs, int maps)
{
	struct found *f = &a->pages[page_to_pfn(p)];

	f->refs += (u16)refs;
	f->maps += (u16)maps;
}

/* ---- free frames ---------------------------------------------------------------------------------------------- */

/* The sum of the frame numbers is compared besides the count: two mistakes do not hide each other. */
static void note_free(struct audit *a, const struct page *p, unsigned order)
{
	unsigned long pfn = page_to_pfn(p), n = 1UL << order;

	a->walked[ACCT_FREE] += (long)n;
	a->free_sum += n * pfn + n * (n - 1) / 2;
}

static void walk_zone(struct audit *a, struct zone *z)
{
	long free = 0, bad = 0;

	for (unsigned o = 0; o < NR_ORDERS; o++)
		for (unsigned m = 0; m < NR_MIGRATETYPES; m++) {
			unsigned long blocks = 0;
			struct page *p;

			list_for_each(p, &z->free[o][m], lru) {
				bad += !(p->flags & BIT(PG_BUDDY)) || p->private != o || page_zone(p) != z ||
				       (page_to_pfn(p) & ((1UL << o) - 1));
				note_free(a, p, o);
				blocks++;
				free += 1L << o;
			}
			expect_of(a, "free blocks", z->name, (long)z->nr_free_blocks[o][m], (long)blocks);
		}
	expect_of(a, "zone free", z->name, atomic_read(&z->nr_free), free);
	expect_of(a, "bad free blocks", z->name, 0, bad);
}

static void walk_stacks(struct audit *a)
{
	long bad = 0;

	for_each_cpu(cpu)
		for (unsigned m = 0; m < NR_MIGRATETYPES; m++) {
			struct pcp *l = &per_cpu_ptr(pcp_set, cpu)->of[m];

			for (unsigned i = 0; i < l->count; i++) {
				bad += l->pages[i]->account != ACCT_FREE || l->pages[i]->flags;
				note_free(a, l->pages[i], 0);
			}
		}
	audit_expect(a, "bad pages on per-CPU stacks", 0, bad);
}

/* ---- slabs ---------------------------------------------------------------------------------------------------- */

struct slab_sum {
	struct audit	*a;
	unsigned long	slabs, inuse, live, empty;
};

static void walk_slab(struct slab_cache *c, struct page *s, void *arg)
{
	struct slab_sum *sum = arg;
	unsigned free = 0, live = 0;

	for (void *obj = s->slab_free; obj && free <= c->objects; obj = *(void **)((u8 *)obj + c->free_at))
		free++;
#ifndef NO_LEDGER
	for (unsigned i = 0; i < c->objects; i++)
		live += *slab_tag(c, slab_object(c, s, i)) != 0;
#endif
	expect_of(sum->a, "slab in use", c->name, s->slab_inuse, (long)c->objects - free);
	sum->slabs++;
	sum->inuse += s->slab_inuse;
	sum->empty += !s->slab_inuse;
	sum->live += live;
	sum->a->walked[ACCT_SLAB] += 1L << c->order;
}

static unsigned long on_cpu_stacks(struct audit *a, struct slab_cache *c)
{
	unsigned long n = 0;

	for_each_cpu(cpu) {
		const struct slab_cpu *s = per_cpu_ptr(slab_cpus[c->id], cpu);
		unsigned here = 0;

		for (void *obj = s->free; obj && here <= s->count; obj = *(void **)((u8 *)obj + c->free_at))
			here++;
		expect_of(a, "slab CPU stack", c->name, s->count, here);
		n += here;
	}
	return n;
}

static void walk_slabs(struct audit *a)
{
	for (unsigned i = 0; i < slab_nr_caches; i++) {
		struct slab_cache *c = slab_caches[i];
		struct slab_sum sum = { .a = a };

		if (!c)
			continue;
		slab_for_each(c, walk_slab, &sum);
		expect_of(a, "slabs", c->name, (long)c->nr_slabs, (long)sum.slabs);
		expect_of(a, "empty slabs", c->name, (long)c->nr_empty, (long)sum.empty);
		expect_of(a, "slab objects", c->name, (long)c->inuse, (long)sum.inuse);
#ifndef NO_LEDGER
		expect_of(a, "live objects", c->name, (long)(c->inuse - on_cpu_stacks(a, c)), (long)sum.live);
#else
		on_cpu_stacks(a, c);
#endif
	}
}

/* ---- vmalloc and page tables ------------------------------------------------------------------------------------ */

static void vmalloc_page(struct audit *a, struct page *p, enum account account)
{
	a->walked[account]++;
	expect_of(a, "vmalloc page", ledger_account_name(account), account, p->account);
}

/* A stack's frames name the machine, its lowest word the owner who pays. */
static void kernel_stack(struct audit *a, owner_t owner, long frames)
{
#ifndef NO_LEDGER
	a->owner[OWNER_MACHINE] -= frames;
	a->owner[owner] += frames;
#endif
}

/* Tables below `table`, which is of `level`; entries of user tables are counted page by page. */
static long walk_table(struct audit *a, const pte_t *table, unsigned level, unsigned first, unsigned end, bool user)
{
	long tables = 0;

	for (unsigned i = first; i < end; i++) {
		pte_t e = pte_read(table + i);

		if (level > 1) {
			if (!pte_hw_present(e) || (level <= 3 && pte_huge(e)))
				continue;
			tables += 1 + walk_table(a, pt_entry_virt(e), level - 1, 0, PT_ENTRIES, user);
		} else if (user && pte_present(e) && !pte_special(e) && pfn_valid(pte_pfn(e))) {
			audit_page(a, pfn_to_page(pte_pfn(e)), 1, 1);
		}
	}
	return tables;
}

static void walk_page_tables(struct audit *a)
{
	struct mm *mm = NULL;
	long tables = 0;

	if (arch_kernel_pgd)
		tables += 1 + walk_table(a, arch_kernel_pgd, pt_levels, 0, PT_ENTRIES, false);
	while ((mm = mm_iterate(mm))) {
		long own = walk_table(a, mm->pgd, pt_levels, 0, PT_USER_ENTRIES, true);

		expect_of(a, "page tables of", "mm", atomic_read(&mm->pgtables_bytes), own * (long)PAGE_SIZE);
		tables += 1 + own;
	}
	a->walked[ACCT_PAGE_TABLE] = tables;
}

/* ---- user pages ------------------------------------------------------------------------------------------------- */

static void complain_page(struct audit *a, const struct page *p, const char *what, long counted, long found)
{
	a->page_mismatches++;
	if (a->mismatches++ < MAX_LINES)
		text_printf(&a->out, "MISMATCH page:%#lx:%s:%s %ld %ld (flags %#lx refs %d maps %d index %lu)\n", page_to_pfn(p),
			    ledger_account_name(p->account), what, counted, found, p->flags, page_refs(p), page_mapcount(p), p->index);
}

static bool in_its_cache(struct page *p)
{
	return p->mapping && !page_is_anon(p) && xa_load(&p->mapping->pages, p->index) == p;
}

static void compare_page(struct audit *a, struct page *p)
{
	const struct found *f = &a->pages[page_to_pfn(p)];
	long refs = f->refs;

	if (p->account == ACCT_PAGE_CACHE || p->account == ACCT_SHMEM)
		refs += in_its_cache(p);
	if (p->flags & BIT(PG_SWAPCACHE))
		refs++;
	if (page_mapcount(p) != f->maps)
		complain_page(a, p, "mappings", page_mapcount(p), f->maps);
	if (page_refs(p) != refs)
		complain_page(a, p, "references", page_refs(p), refs);
}

/* ---- every frame, once everybody has said what he holds -------------------------------------------------------- */

static void look_at(struct audit *a, struct page *p, enum account account)
{
	enum ledger_space space = ledger_account_space(account);

	if ((space == SPACE_USER && account != ACCT_ZSWAP) || space == SPACE_CACHE)	/* compressed pages: mm/zpool.c */
		compare_page(a, p);
	if (account == ACCT_SLAB && !(page_head(p)->flags & BIT(PG_SLAB)))
		a->walked[ACCT_SLAB]++;		/* a large kmalloc: whole pages of the same account */
#ifndef NO_LEDGER
	if (p->flags & BIT(PG_RESERVED))
		return;
	a->owner[p->owner]++;
	if (p->site)
		a->site[p->site] += PAGE_SIZE;
#endif
}

static void walk_frames(struct audit *a)
{
	long ram = 0, held = 0, nameless = 0;

	for (pfn_t pfn = 0; pfn < page_max_pfn(); pfn++) {
		struct page *p = pfn_to_page(pfn);

		if (!(pfn & ((1UL << MAX_ORDER) - 1)) && !page_array_backed(pfn)) {
			pfn |= (1UL << MAX_ORDER) - 1;
			continue;
		}
		if (p->account == ACCT_FREE) {		/* nearly all: kept short */
			a->account[ACCT_FREE]++;
			a->frame_sum += pfn;
			held += page_refs(p) != 0;
		} else if (p->account < NR_ACCOUNTS) {
			a->account[p->account]++;
			look_at(a, p, p->account);
		} else if (p->account != PAGE_NO_RAM) {
			nameless++;
		}
	}
	for (unsigned i = 0; i < NR_ACCOUNTS; i++)
		ram += a->account[i];
	audit_expect(a, "ram frames", ledger_books.ram, ram);
	audit_expect(a, "free frames with references", 0, held);
	audit_expect(a, "frames without an account", 0, nameless);
}

static void compare_books(struct audit *a)
{
	for (unsigned i = 0; i < NR_ACCOUNTS; i++)
		expect_of(a, "account", ledger_account_name(i), ledger_frames(i), a->account[i]);
	audit_expect(a, "free lists", a->account[ACCT_FREE], a->walked[ACCT_FREE]);
	audit_expect(a, "free frames on no list or on two", (long)a->frame_sum, (long)a->free_sum);
	audit_expect(a, "slab frames", a->account[ACCT_SLAB], a->walked[ACCT_SLAB]);
	audit_expect(a, "vmalloc frames", a->account[ACCT_VMALLOC], a->walked[ACCT_VMALLOC]);
	audit_expect(a, "kernel stack frames", a->account[ACCT_KSTACK], a->walked[ACCT_KSTACK]);
	audit_expect(a, "page tables", a->account[ACCT_PAGE_TABLE], a->walked[ACCT_PAGE_TABLE]);
#ifndef NO_LEDGER
	for (unsigned o = 0; o < ledger_nr_owners(); o++)
		expect_of(a, "owner", ledger_owner_name(o)->name, ledger_owners[o].frames, a->owner[o]);
	for (unsigned i = 1; i <= ledger_nr_sites; i++)
		expect_of(a, "site", ledger_site(i)->func, ledger_site(i)->bytes, a->site[i]);
#endif
}

static void walk_lru(struct audit *a)
{
	unsigned long on_list[NR_LRU] = { 0 };

	audit_expect(a, "bad LRU list", 0, min(lru_audit(on_list), 0L));
	for (enum lru_list l = 0; l < NR_LRU; l++)
		audit_expect(a, "LRU pages", (long)lru_pages(l), (long)on_list[l]);
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

static void audit_once(void *arg)
{
	struct audit *a = arg;
	struct audit_walker *w;

	ledger_sync();
	for (unsigned i = 0; i < NR_ZONES; i++)
		walk_zone(a, &zones[i]);
	walk_stacks(a);
	walk_slabs(a);
	vmalloc_walk(a, vmalloc_page, kernel_stack);
	walk_page_tables(a);
	walk_frames(a);
	compare_books(a);
	walk_lru(a);
	list_for_each(w, &walkers, link)
		w->fn(a);
}

static void audit_reset(struct audit *a)
{
	a->mismatches = a->page_mismatches = 0;
	a->free_sum = a->frame_sum = 0;
	memset(a->pages, 0, page_max_pfn() * sizeof(struct found));
	memset(a->owner, 0, (ledger_nr_owners() + ledger_nr_sites + 1) * sizeof(long));
	memset(a->account, 0, sizeof(a->account));
	memset(a->walked, 0, sizeof(a->walked));
	text_init_fixed(&a->out, a->buf, sizeof(a->buf));
}

static struct audit *audit_create(void)
{
	struct audit *a = kvmalloc(sizeof(*a), GFP_KERNEL | GFP_ZERO);

	if (!a)
		return NULL;
	a->pages = kvmalloc(page_max_pfn() * sizeof(struct found), GFP_KERNEL);
	a->owner = kvmalloc((ledger_nr_owners() + ledger_nr_sites + 1) * sizeof(long), GFP_KERNEL);
	if (!a->pages || !a->owner) {
		kvfree(a->pages);
		kvfree(a->owner);
		kvfree(a);
		return NULL;
	}
	a->site = a->owner + ledger_nr_owners();
	return a;
}

static void audit_destroy(struct audit *a)
{
	kvfree(a->pages);
	kvfree(a->owner);
	kvfree(a);
}

int ledger_audit(struct text *out)
{
	struct audit *a = audit_create();
	int err = 0, n;

	if (!a)
		return -ENOMEM;
	for (unsigned i = 0; i < ATTEMPTS; i++) {
		audit_reset(a);
		err = stop_machine(audit_once, a);
		if (err || a->mismatches != a->page_mismatches || !a->page_mismatches)
			break;
		task_set_state(TASK_UNINTERRUPTIBLE);	/* let whoever is in the middle of something finish */
		schedule_timeout(10 * NSEC_PER_MSEC);
	}
	n = err ? err : (int)a->mismatches;
	if (!err) {
		text_write(out, a->out.buf, a->out.len);
		if (n)
			text_printf(out, "audit: %d mismatches\n", n);
		else
			text_puts(out, "audit: ok\n");
	}
	audit_destroy(a);
	return n;
}
