/*
 * fork.c - the child's copy of an address space.
 *
 * WHAT IS COPIED  areas, one by one in order; of their entries, only those that a fault could not make again: private
 *                 copies, swap entries, device frames. Pages of files and shared memory are left to be faulted in.
 * HOW             by page-table page, both tables locked once; an anonymous page gets a reference and a mapping more, and both
 *                 entries lose write permission, so that whoever stores first gets a copy (mm/cow.c).
 * LOCKS           the parent's mmap_lock for writing: its entries must not gain write permission while being copied, and its
 *                 other threads must not see half of the change. The child's, nested: reverse maps may already reach it.
 */
#include "internal.h"
#include <mm/ledger_stream.h>

#include <mm/swap.h>

struct copy {
	struct mm	*from, *to;
	struct vma	*v;		/* the child's area */
	bool		alone;		/* nobody else runs in the parent */
	bool		protected;	/* an entry of the parent lost write permission */
	long		nr[NR_MM_COUNTERS];
};

static pte_t protect_source(struct copy *c, pte_t *pte, pte_t e)
{
	if (!pte_write(e))
		return e;
	c->protected = true;
	if (c->alone) {
		e = pte_wrprotect(e);
		pte_set(pte, e);
		return e;
	}
	while (!pte_cmpxchg(pte, e, pte_wrprotect(e)))
		e = pte_read(pte);
	return pte_wrprotect(e);
}

static void copy_swap_entry(struct copy *c, pte_t *to, pte_t e)
{
	swp_entry_t s = pte_to_swp(e);

	if (swp_type(s) < MAX_SWAPFILES) {
		swap_entry_dup(s);
		c->nr[MM_SWAP]++;
	}
	pte_set(to, e);
}

static void copy_table(struct copy *c, pte_t *from, pte_t *to, unsigned first, unsigned end)
{
	bool refaultable = !(c->v->flags & (VM_PFNMAP | VM_MIXEDMAP)), shared = c->v->flags & VM_SHARED;
	spinlock_t *from_lock = pt_lock_of(from), *to_lock = pt_lock_of(to);
	struct page *p;

	spin_lock(from_lock);
	spin_lock_nested(to_lock);
	for (unsigned i = first; i < end; i++) {
		pte_t e = pte_read(from + i);

		if (pte_none(e))
			continue;
		if (unlikely(!pte_present(e))) {
			copy_swap_entry(c, to + i, e);
			continue;
		}
		if (unlikely(pte_special(e))) {
			pte_set(to + i, shared ? e : pte_wrprotect(e));
			if (!shared)
				protect_source(c, from + i, e);
			continue;
		}
		p = pfn_to_page(pte_pfn(e));
		if (likely(page_is_anon(p))) {
			e = protect_source(c, from + i, e);
			rmap_share_anon(p);
			c->nr[MM_ANON]++;
		} else if (refaultable) {
			continue;
		} else {
			rmap_add_file(p);
			c->nr[page_mm_counter(p)]++;
		}
		page_get(p);
		pte_set(to + i, e);
	}
	spin_unlock(to_lock);
	spin_unlock(from_lock);
}

static bool needs_copy(const struct vma *v)
{
	return v->anon_vma || (v->flags & (VM_PFNMAP | VM_MIXEDMAP)) || vma_is_anon(v);
}

static int copy_entries(struct copy *c, struct vma *from)
{
	vaddr_t at = from->start, stop;
	pte_t *src, *dst;

	pt_for_each_table(c->from, src, at, from->end, stop) {
		dst = pt_alloc_table(c->to, at);
		if (!dst)
			return -ENOMEM;
		copy_table(c, src, dst, PT_INDEX(at, 1), PT_INDEX(stop - PAGE_SIZE, 1) + 1);
	}
	return 0;
}

static int copy_area(struct copy *c, struct vma *from, struct vma **last)
{
	struct mm *to = c->to;
	struct vma *v;
	int err;

	if (from->flags & VM_DONTCOPY)
		return 0;
	if (from->flags & VM_ACCOUNT) {
		err = commit_charge(to, vma_pages(from));
		if (err)
			return err;
	}
	v = vma_dup(from);
	if (!v) {
		if (from->flags & VM_ACCOUNT)
			commit_uncharge(vma_pages(from));
		return -ENOMEM;
	}
	v->mm = to;
	v->flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
	if (!(from->flags & VM_WIPEONFORK))
		anon_vma_join(v, from->anon_vma);
	vma_insert_after(to, v, *last);
	*last = v;
	mm_account_vma(to, v->flags, v->file, (long)vma_pages(v));
	if (v->ops && v->ops->open)
		v->ops->open(v);
	c->v = v;
	if ((from->flags & VM_WIPEONFORK) || !needs_copy(from))
		return 0;
	return copy_entries(c, from);
}

static void copy_fields(struct mm *to, const struct mm *from)
{
	to->mmap_base = from->mmap_base;
	to->task_size = from->task_size;
	to->start_code = from->start_code;
	to->end_code = from->end_code;
	to->start_data = from->start_data;
	to->end_data = from->end_data;
	to->start_brk = from->start_brk;
	to->brk = from->brk;
	to->start_stack = from->start_stack;
	to->arg_start = from->arg_start;
	to->arg_end = from->arg_end;
	to->env_start = from->env_start;
	to->env_end = from->env_end;
	to->vdso = from->vdso;
	to->flags = from->flags;
	to->oom_score_adj_min = from->oom_score_adj_min;
	memcpy(to->saved_auxv, from->saved_auxv, sizeof(to->saved_auxv));
}

static int copy_areas(struct copy *c)
{
	struct vma *last = NULL;
	int err = 0;

	for (struct vma *v = c->from->first; v && !err; v = v->next)
		err = copy_area(c, v, &last);
	for (int i = 0; i < NR_MM_COUNTERS; i++)
		if (c->nr[i])
			mm_counter_add(c->to, i, c->nr[i]);
	if (c->protected)
		tlb_flush_mm(c->from);
	else
		flush_for_others(c->from);
	return err;
}

int mm_dup(struct mm *parent, struct mm **out)
{
	struct copy c = { .from = parent, .to = mm_create() };
	int err;

	if (!c.to)
		return -ENOMEM;
	err = mm_write_lock_killable(parent);
	if (err)
		goto put_child;
	rwsem_write_lock_nested(&c.to->mmap_lock);
	copy_fields(c.to, parent);
	c.alone = mm_is_alone(parent);
	if (parent->exe_file) {
		err = exe_file_dup(parent->exe_file);
		if (!err)
			c.to->exe_file = parent->exe_file;
	}
	if (!err)
		err = copy_areas(&c);
	if (unlikely(ledger_streaming & STREAM_PAGES))
		ledger_stream_fork(parent, c.to);
	c.to->hiwater_rss = mm_rss(c.to);
	c.to->hiwater_vm = c.to->total_vm;
	rwsem_write_unlock(&c.to->mmap_lock);
	rwsem_write_unlock(&parent->mmap_lock);
	if (err)
		goto put_child;
	*out = c.to;
	return 0;
put_child:
	mm_put(c.to);
	return err;
}
