/*
 * flush.c - TLB flushes put off, so that many pages need one interrupt of the other CPUs, not one each.
 *
 * WHO         reclaim on the way to swap and compaction: they clear the entries of up to 32 pages, flush, and only then look into the pages.
 * RULES       until the flush a CPU may still read and write a page whose entry is gone. So whoever put it off keeps the page locked and
 *             referenced, and neither reads, frees nor unlocks it before. An entry is cleared, and the flush noted, under its table's lock:
 *             whoever takes entries away or changes rights afterwards, and promises that this holds when it returns, asks flush_for_others().
 * NOT PUT OFF where no other CPU has the address space loaded: it costs next to nothing.
 */
#include "internal.h"

#include <kernel/cpu.h>

void flush_note(struct flush_batch *b, struct mm *mm, vaddr_t addr)
{
	unsigned i = 0;

	if (!b || !(READ_ONCE(mm->cpumask) & ~BIT(cpu_id()))) {
		tlb_flush_range(mm, addr, addr + PAGE_SIZE);
		return;
	}
	while (i < b->nr && b->of[i].mm != mm)
		i++;
	if (i == FLUSH_MMS) {
		tlb_flush_range(mm, addr, addr + PAGE_SIZE);
		return;
	}
	if (i == b->nr) {
		b->of[b->nr++] = (struct flush_of){ mm, addr, addr };
		atomic_inc(&mm->refs);
		atomic_inc(&mm->flushes_put_off);
	}
	b->of[i].start = min(b->of[i].start, addr);
	b->of[i].end = max(b->of[i].end, addr + PAGE_SIZE);
}

/* Under locks, too: the structs are let go by flush_end(). */
void flush_now(struct flush_batch *b)
{
	for (unsigned i = 0; i < b->nr; i++) {
		struct flush_of *f = &b->of[i];

		if (f->start < f->end) {
			tlb_flush_range(f->mm, f->start, f->end);
			atomic_dec(&f->mm->flushes_put_off);
		}
		f->start = f->end = 0;
	}
}

void flush_end(struct flush_batch *b)
{
	flush_now(b);
	while (b->nr)
		mm_drop(b->of[--b->nr].mm);
}
