/*
 * nommu.c - the 32-bit host machine: the allocators, and no page tables. There is no vmalloc area, so what falls back to it
 * is out of memory, and no audit of mappings.
 */
#include <arch/mmu.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/lru.h>
#include <kernel/irq.h>
#include <kernel/psi.h>
#include <mm/memblock.h>
#include <mm/memcg.h>
#include <mm/mm.h>
#include <mm/vmalloc.h>
#include "../host.h"
#include "../machine.h"

void host_mmu_start(void)
{
}

void arch_vmemmap_map(vaddr_t start, vaddr_t end)
{
	for (vaddr_t at = start; at < end; at += PAGE_SIZE)
		os_ram_map((void *)at, (size_t)memblock_alloc(PAGE_SIZE, PAGE_SIZE, ACCT_PAGE_ARRAY), PAGE_SIZE);
}

void clear_page(void *page)
{
	memset(page, 0, PAGE_SIZE);
}

void vmalloc_init(void) { }
void vmalloc_purge(void) { }
void kstack_cache_drain(void) { }
void vmalloc_init_cpu(unsigned cpu) { }
void *vmalloc_at(size_t size, gfp_t gfp, enum account account, struct alloc_site *site) { return NULL; }
void vfree(const void *p) { }
bool is_vmalloc_addr(const void *p) { return false; }

unsigned long lru_pages(enum lru_list l) { return 0; }

int ledger_audit(struct text *out)
{
	text_puts(out, "audit: ok\n");
	return 0;
}

/* Parts that need more than an allocator. */
void ledger_snapshot(void);
void ledger_snapshot(void) { }
int memcg_count;
bool memcg_may_charge(owner_t o, long nr, gfp_t gfp, unsigned order) { return true; }
void psi_memstall_enter(void) { }
void psi_memstall_leave(void) { }
int deferred_register(const char *name, irq_deferred_fn fn, void *arg) { return 0; }
void deferred_raise(int slot) { }

int task_pid(const struct task *t)
{
	return 1;
}

vaddr_t task_user_ip(const struct task *t)
{
	return 0;
}
