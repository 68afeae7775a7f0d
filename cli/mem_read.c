/*
 * mem_read.c - a machine's memory from Linux's own files, so that every page is counted once.
 * WHY         /proc/meminfo is a list of counters, not a balance: some overlap, some pages stand in none.
 * SHAPE       meminfo for the sums, zoneinfo for what meminfo lacks (pages present, per-CPU free lists), slabinfo and
 *             vmallocinfo for names, iomem for the kernel's image. What may not be read is noted with the reason.
 * INVARIANTS  N1 total = user + cache + kernel + free + unaccounted, always: the last is what is left.
 *             N2 stacks are part of VmallocUsed where they are vmapped, and shmem is part of Cached: neither twice.
 * LINUX       Documentation of /proc/meminfo; VmallocUsed counts pages that vmalloc() took, not ioremap.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/mem.h"
#include "cli/quire.h"

static void note_unread(struct mem *m, const char *what, int err)
{
	char words[64];

	snprintf(words, sizeof(words), "%.36s (%.24s)", what, (err == EACCES || err == EPERM) && geteuid() ? "needs root" : err == ENOENT ? "not there" : strerror(err));
	mem_list_add(&m->not_read, words, 0, 0);
}

static FILE *open_or_note(struct mem *m, const char *path)
{
	FILE *f = fopen(path, "re");

	if (!f)
		note_unread(m, path, errno);
	return f;
}

void mem_list_add(struct mem_list *l, const char *name, uint64_t bytes, uint64_t count)
{
	for (size_t i = 0; i < l->count; i++) {
		if (!strncmp(l->items[i].name, name, sizeof(l->items[0].name) - 1)) {
			l->items[i].bytes += bytes;
			l->items[i].count += count;
			return;
		}
	}
	if (l->count == l->size)
		l->items = must_alloc(realloc(l->items, (l->size = 2 * l->size + 64) * sizeof(*l->items)));
	l->items[l->count] = (struct mem_item){.bytes = bytes, .count = count};
	snprintf(l->items[l->count++].name, sizeof(l->items[0].name), "%s", name);
}

static int largest_first(const void *a, const void *b)
{
	const struct mem_item *x = a, *y = b;

	return x->bytes < y->bytes ? 1 : x->bytes > y->bytes ? -1 : strcmp(x->name, y->name);
}

void mem_list_sort(struct mem_list *l)
{
	if (l->count)
		qsort(l->items, l->count, sizeof(*l->items), largest_first);
}

/* "Name:  123 kB" lines into the table's places. */
struct field {
	const char *name;
	uint64_t *to;
};

static void read_fields(FILE *f, const struct field *fields, size_t n, uint64_t unit)
{
	char line[256], name[64];
	uint64_t v;

	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63[^: ]%*[: ]%" SCNu64, name, &v) != 2)
			continue;
		for (size_t i = 0; i < n; i++)
			if (!strcmp(name, fields[i].name))
				*fields[i].to = v * unit;
	}
}

static void read_meminfo(struct mem *m)
{
	uint64_t buffers = 0, cached = 0, swap_total = 0, swap_free = 0, sec_tables = 0, k_reclaimable = 0, bounce = 0, balloon = 0, wb_tmp = 0;
	const struct field fields[] = {
		{"MemTotal", &m->total}, {"MemFree", &m->free_buddy}, {"Buffers", &buffers}, {"Cached", &cached},
		{"SwapCached", &m->swap_cached}, {"SwapTotal", &swap_total}, {"SwapFree", &swap_free}, {"Zswap", &m->zswap},
		{"AnonPages", &m->anon}, {"Shmem", &m->shmem}, {"Slab", &m->slab}, {"SReclaimable", &m->slab_reclaimable},
		{"KReclaimable", &k_reclaimable}, {"KernelStack", &m->stacks}, {"PageTables", &m->page_tables},
		{"SecPageTables", &sec_tables}, {"VmallocUsed", &m->vmalloc}, {"Percpu", &m->percpu}, {"Hugetlb", &m->hugetlb},
		{"Bounce", &bounce}, {"Balloon", &balloon}, {"WritebackTmp", &wb_tmp},
	};
	FILE *f = open_or_note(m, "/proc/meminfo");

	if (!f)
		return;
	read_fields(f, fields, sizeof(fields) / sizeof(fields[0]), 1024);
	fclose(f);
	m->file_cache = buffers + (cached > m->shmem ? cached - m->shmem : 0);
	m->swap_used = swap_total - (swap_free < swap_total ? swap_free : swap_total);
	m->page_tables += sec_tables;
	m->other_kernel = (k_reclaimable > m->slab_reclaimable ? k_reclaimable - m->slab_reclaimable : 0) + bounce + balloon + wb_tmp;
}

/* Pages present in all zones, and those on per-CPU free lists, which MemFree does not count. */
static void read_zoneinfo(struct mem *m)
{
	FILE *f = open_or_note(m, "/proc/zoneinfo");
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), v;
	char line[256];
	bool in_pageset = false;

	while (f && fgets(line, sizeof(line), f)) {
		if (!strncmp(line, "Node ", 5))
			in_pageset = false;
		else if (strstr(line, "pagesets"))
			in_pageset = true;
		else if (sscanf(line, " present %" SCNu64, &v) == 1)
			m->physical += v * page;
		else if (in_pageset && sscanf(line, " count: %" SCNu64, &v) == 1)
			m->free_cpu += v * page;
	}
	if (f)
		fclose(f);
}

static void read_vmstat(struct mem *m)
{
	uint64_t boot = 0, later = 0, page = (uint64_t)sysconf(_SC_PAGESIZE), kswapd = 0, direct = 0;
	const struct field fields[] = {
		{"nr_memmap_boot_pages", &boot}, {"nr_memmap_pages", &later}, {"pgfault", &m->faults}, {"pgsteal_kswapd", &kswapd},
		{"pgsteal_direct", &direct}, {"pswpin", &m->swapped_in}, {"pswpout", &m->swapped_out},
	};
	FILE *f = open_or_note(m, "/proc/vmstat");

	if (!f)
		return;
	read_fields(f, fields, sizeof(fields) / sizeof(fields[0]), 1);
	fclose(f);
	m->boot_page_array = boot * page;
	m->other_kernel += later * page;
	m->reclaimed = kswapd + direct;
}

static void read_iomem(struct mem *m)
{
	FILE *f = open_or_note(m, "/proc/iomem");
	char line[256];
	uint64_t from, to;

	while (f && fgets(line, sizeof(line), f)) {
		if (!strstr(line, ": Kernel ") || sscanf(line, " %" SCNx64 "-%" SCNx64, &from, &to) != 2)
			continue;
		if (to > from)
			m->boot_image += to - from + 1;
	}
	if (f)
		fclose(f);
	if (f && !m->boot_image)
		note_unread(m, "addresses in /proc/iomem", EACCES);
}

static void read_slabinfo(struct mem *m)
{
	FILE *f = open_or_note(m, "/proc/slabinfo");
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), objects, pages_per_slab, slabs;
	char line[512], name[64];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %" SCNu64 " %*u %*u %*u %" SCNu64 " : tunables %*u %*u %*u : slabdata %*u %" SCNu64, name, &objects,
			   &pages_per_slab, &slabs) == 4 && slabs)
			mem_list_add(&m->slabs, name, slabs * pages_per_slab * page, objects);
	if (f)
		fclose(f);
	mem_list_sort(&m->slabs);
}

/* By caller; only lines with pages= are RAM: the rest maps devices or memory that is counted where it came from. */
static void read_vmallocinfo(struct mem *m)
{
	FILE *f = open_or_note(m, "/proc/vmallocinfo");
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char line[512], caller[64];

	while (f && fgets(line, sizeof(line), f)) {
		const char *pages = strstr(line, " pages=");

		if (!pages || sscanf(line, "%*s %*u %63[^+ \n]", caller) != 1)
			continue;
		mem_list_add(&m->vmallocs, caller, strtoull(pages + 7, NULL, 10) * page, 1);
		if (strstr(line, "thread_stack") || strstr(caller, "dup_task_struct") || strstr(caller, "copy_process") ||
		    strstr(caller, "kernel_clone") || strstr(caller, "task_alloc"))
			m->stacks_in_vmalloc = true;
	}
	if (f)
		fclose(f);
	mem_list_sort(&m->vmallocs);
}

static void read_modules(struct mem *m)
{
	FILE *f = fopen("/proc/modules", "re"); /* a kernel without modules has none: nothing to note */
	char line[512], name[64];
	uint64_t size;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "%63s %" SCNu64, name, &size) == 2)
			mem_list_add(&m->modules, name, size, 1);
	if (f)
		fclose(f);
	mem_list_sort(&m->modules);
}

/* Buffers that drivers share, where the kernel lists them. They are part of shmem or of the unaccounted. */
static void read_dma_buffers(struct mem *m)
{
	DIR *d = opendir("/sys/kernel/dmabuf/buffers");
	struct dirent *e;
	char path[320];
	uint64_t size;

	while (d && (e = readdir(d))) {
		FILE *f;

		snprintf(path, sizeof(path), "/sys/kernel/dmabuf/buffers/%.200s/size", e->d_name);
		f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (f && fscanf(f, "%" SCNu64, &size) == 1)
			m->dma_buffers += size;
		if (f)
			fclose(f);
	}
	if (d)
		closedir(d);
}

/* In Quire: what meminfo has no line for. */
static void read_ledger(struct mem *m)
{
	FILE *f = fopen("/proc/ledger/summary", "re");
	uint64_t frames, page = (uint64_t)sysconf(_SC_PAGESIZE);
	char line[256], name[32];

	while (f && fgets(line, sizeof(line), f)) {
		m->has_ledger = true;
		if (sscanf(line, "account %31s %*s %" SCNu64, name, &frames) != 2)
			continue;
		if (!strcmp(name, "device"))
			m->device = frames * page;
		else if (!strcmp(name, "modules"))
			m->other_kernel += frames * page;
		else if (!strcmp(name, "page_array"))
			m->boot_page_array = frames * page;
		else if (!strcmp(name, "image"))
			m->boot_image = frames * page;
	}
	if (f)
		fclose(f);
}

/* With vmapped stacks VmallocUsed has them; x86-64, arm64, riscv and s390 do it, where KernelStack is no more than it. */
static void guess_stacks(struct mem *m)
{
	if (!m->vmallocs.count)
		m->stacks_in_vmalloc = m->vmalloc >= m->stacks;
}

void mem_read(struct mem *m, unsigned int wish, int pid)
{
	memset(m, 0, sizeof(*m));
	read_meminfo(m);
	read_zoneinfo(m);
	read_vmstat(m);
	read_ledger(m);
	if (wish & MEM_DETAILS) {
		if (!m->boot_image)
			read_iomem(m);
		read_slabinfo(m);
		read_vmallocinfo(m);
		read_modules(m);
		read_dma_buffers(m);
	}
	guess_stacks(m);
	if (m->physical < m->total)
		m->physical = m->total;
	if (wish & MEM_PROCESSES)
		mem_read_processes(m, wish & MEM_PSS, pid);
}

void mem_free(struct mem *m)
{
	free(m->slabs.items);
	free(m->vmallocs.items);
	free(m->modules.items);
	free(m->not_read.items);
	free(m->processes);
}

uint64_t mem_user(const struct mem *m)
{
	return m->anon + m->shmem + m->hugetlb + m->zswap;
}

uint64_t mem_kernel(const struct mem *m)
{
	return m->slab + m->vmalloc + (m->stacks_in_vmalloc ? 0 : m->stacks) + m->page_tables + m->percpu + m->other_kernel + m->device;
}

int64_t mem_unaccounted(const struct mem *m)
{
	return (int64_t)(m->total - mem_user(m) - m->file_cache - mem_kernel(m) - m->free_buddy - m->free_cpu);
}
