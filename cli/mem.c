/*
 * mem.c - `quire mem`: how much memory user space uses, and kernel space, on any Linux; one screen that adds up.
 * WHY         free(1) says "used"; nobody says by whom when it is the kernel, nor that per-CPU lists hold free pages.
 * INVARIANTS  every line is part of exactly one sum, and what is left is said, with what might be in it.
 * READ NEXT   cli/mem_read.c (what is read, and the traps)
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "cli/mem.h"
#include "cli/quire.h"

#define NAME_WIDTH 56

static const char usage[] =
	"Usage: quire mem [--watch[=SEC]] [--json] [-p PID] [--sort COLUMN] [-n N] [--no-pss] [--modules]\n"
	"\n"
	"Memory of this machine, user space and kernel space, every page in one line. No guest is started; as root it\n"
	"says more, and without it says what it could not read.\n"
	"\n"
	"  --watch[=SEC]   again every SEC seconds (2), until Ctrl-C\n"
	"  --json          as JSON, bytes\n"
	"  -p, --pid PID   one process: what its memory is, by mapping, and what it costs the kernel\n"
	"  --sort COLUMN   rss, pss, uss, anon, swap, tables, threads, name or pid (default pss, rss without it)\n"
	"  -n N            so many processes (10; 0: none, -1: all)\n"
	"  --no-pss        do not read smaps_rollup: faster, no PSS and USS\n"
	"  --modules       kernel modules by size; in Quire also their sections, and what is alive of each call site\n"
	"\n"
	"Status: 0, or 125 when nothing can be read.\n";

struct wishes {
	double every;
	bool json, pss, modules;
	int pid, most;
	const char *sort;
};

static void head(const char *name, uint64_t bytes, const struct mem *m)
{
	printf("%-*s %10.1f", NAME_WIDTH, name, (double)bytes / (1 << 20));
	if (m)
		printf(" %6.1f", m->total ? 100.0 * (double)bytes / (double)m->total : 0);
	putchar('\n');
}

/* "name 1.2" joined by dots, wrapped at the page's width; nothing for zero. */
struct parts {
	int at;
};

static void part(struct parts *p, const char *name, uint64_t bytes)
{
	char text[160];
	int len = snprintf(text, sizeof(text), "%s %.1f", name, (double)bytes / (1 << 20));

	if (bytes < 51 << 10)
		return;
	if (p->at && p->at + 3 + len > 96) {
		putchar('\n');
		p->at = 0;
	}
	p->at += printf(p->at ? " · %s" : "    %s", text) - (p->at ? 1 : 0); /* the dot takes two bytes, one column */
}

static void parts_end(struct parts *p)
{
	if (p->at)
		putchar('\n');
}

static void largest(const struct mem_list *l, unsigned int most)
{
	struct parts p = {0};
	uint64_t rest = 0;

	for (size_t i = 0; i < l->count; i++) {
		if (i < most)
			part(&p, l->items[i].name, l->items[i].bytes);
		else
			rest += l->items[i].bytes;
	}
	part(&p, "others", rest);
	parts_end(&p);
}

static void print_boot(const struct mem *m)
{
	uint64_t reserved = m->physical - m->total, known = m->boot_page_array + m->boot_image;
	struct parts p = {0};

	head("Physical RAM", m->physical, NULL);
	head("  Boot-reserved (not in MemTotal)", reserved, NULL);
	part(&p, "page array", m->boot_page_array);
	part(&p, "kernel image", m->boot_image);
	part(&p, "other", reserved > known ? reserved - known : 0);
	parts_end(&p);
	head("  MemTotal", m->total, m);
}

static void print_kernel(const struct mem *m)
{
	struct parts p = {0};

	head("KERNEL", mem_kernel(m), m);
	part(&p, "slab", m->slab);
	part(&p, m->stacks_in_vmalloc ? "vmalloc, stacks included," : "vmalloc", m->vmalloc);
	part(&p, m->stacks_in_vmalloc ? "(stacks" : "kernel stacks", m->stacks);
	if (m->stacks_in_vmalloc && m->stacks >= 51 << 10)
		p.at += printf(")");
	part(&p, "page tables", m->page_tables);
	part(&p, "per-CPU", m->percpu);
	part(&p, "device buffers", m->device);
	part(&p, "other", m->other_kernel);
	parts_end(&p);
	if (m->slabs.count) {
		printf("   by slab cache:\n");
		largest(&m->slabs, 6);
	}
	if (m->vmallocs.count) {
		printf("   vmalloc by caller:\n");
		largest(&m->vmallocs, 5);
	}
}

static void print_machine(const struct mem *m)
{
	int64_t rest = mem_unaccounted(m);
	struct parts p = {0};

	printf("%-*s %10s %6s\n", NAME_WIDTH, m->has_ledger ? "MEMORY OF THIS QUIRE GUEST" : "MEMORY OF THIS MACHINE", "MiB", "%");
	print_boot(m);
	head("USER", mem_user(m), m);
	part(&p, "anonymous", m->anon);
	part(&p, "shared memory and tmpfs", m->shmem);
	part(&p, "huge-page pool", m->hugetlb);
	part(&p, "compressed swap", m->zswap);
	parts_end(&p);
	head("FILE CACHE  (buffers, cached less shared memory)", m->file_cache, m);
	print_kernel(m);
	head("FREE", m->free_buddy + m->free_cpu, m);
	p = (struct parts){0};
	part(&p, "free lists", m->free_buddy);
	part(&p, "per-CPU lists", m->free_cpu);
	parts_end(&p);
	printf("%-*s %10.1f %6.2f\n", NAME_WIDTH, "UNACCOUNTED", (double)rest / (1 << 20),
	       m->total ? 100.0 * (double)rest / (double)m->total : 0);
	if (rest > 1 << 20 || rest < -(1 << 20))
		printf("    = pages taken with alloc_pages() that no counter names (drivers, network buffers%s%s), and\n"
		       "      the moment between reading one file and the next\n",
		       m->dma_buffers ? ", DMA buffers" : "", m->swap_cached ? ", swap cache" : "");
	if (m->swap_used)
		printf("Swapped out %.1f, of which also in memory %.1f\n", (double)m->swap_used / (1 << 20), (double)m->swap_cached / (1 << 20));
}

static void print_cross_check(const struct mem *m)
{
	uint64_t anon = 0;
	unsigned int n = 0;

	for (size_t i = 0; i < m->nr_processes; i++) {
		anon += m->processes[i].pss_anon;
		n += m->processes[i].has_pss;
	}
	if (n)
		printf("Cross-check: the anonymous PSS of %u process%s is %.1f, the kernel counts %.1f\n", n, n > 1 ? "es" : "",
		       (double)anon / (1 << 20), (double)m->anon / (1 << 20));
}

static const char *mib(bool known, uint64_t bytes, char out[24])
{
	if (known)
		snprintf(out, 24, "%.1f", (double)bytes / (1 << 20));
	else
		snprintf(out, 24, "-");
	return out;
}

static void print_processes(const struct mem *m, int most)
{
	char a[24], b[24];

	if (!most || !m->nr_processes)
		return;
	printf("%7s %-10s %9s %9s %9s %9s %8s %8s %4s %s\n", "PID", "USER", "RSS", "PSS", "USS", "ANON", "SWAP", "TABLES", "THR", "NAME");
	for (size_t i = 0; i < m->nr_processes && (most < 0 || (int)i < most); i++) {
		const struct mem_process *p = &m->processes[i];
		struct passwd *u = getpwuid(p->uid);
		char user[16];

		snprintf(user, sizeof(user), "%u", p->uid);
		printf("%7d %-10.10s %9.1f %9s %9s %9.1f %8.1f %8.2f %4d %s\n", p->pid, u ? u->pw_name : user, (double)p->rss / (1 << 20),
		       mib(p->has_pss, p->pss, a), mib(p->has_pss, p->uss, b), (double)p->anon / (1 << 20),
		       (double)p->swap / (1 << 20), (double)p->tables / (1 << 20), p->threads, p->name);
	}
	if (most > 0 && m->nr_processes > (size_t)most)
		printf("%7zu more\n", m->nr_processes - (size_t)most);
}

static void print_unread(const struct mem *m)
{
	struct mem_list l = m->not_read;

	if (!l.count)
		return;
	printf("Not read: ");
	for (size_t i = 0, at = 10; i < l.count; i++) {
		size_t len = strlen(l.items[i].name) + 2;

		if (i)
			fputs(at + len > 98 ? ",\n          " : ", ", stdout);
		at = i && at + len > 98 ? 10 + len : at + len;
		fputs(l.items[i].name, stdout);
	}
	putchar('\n');
}

static void print_one(const struct mem *m)
{
	const struct mem_process *p = m->processes;
	struct mem_list maps = {0};
	struct parts parts = {0};

	printf("%s[%d], MiB\n", p->name, p->pid);
	head("RESIDENT", p->rss, m);
	part(&parts, "anonymous", p->anon);
	part(&parts, "file", p->file);
	part(&parts, "shared memory", p->shmem);
	parts_end(&parts);
	if (p->has_pss)
		printf("  proportional (PSS) %.1f · its own alone (USS) %.1f · shared %.1f\n", (double)p->pss / (1 << 20),
		       (double)p->uss / (1 << 20), (double)(p->rss > p->uss ? p->rss - p->uss : 0) / (1 << 20));
	mem_read_mappings(&maps, p->pid);
	if (maps.count) {
		printf("  by mapping:\n");
		for (size_t i = 0; i < maps.count && i < 16; i++)
			printf("  %12.1f  %s\n", (double)maps.items[i].bytes / (1 << 20), maps.items[i].name);
	}
	free(maps.items);
	printf("SWAPPED OUT %.1f\nIN THE KERNEL page tables %.2f · %d thread%s (stacks %d KiB)\n", (double)p->swap / (1 << 20),
	       (double)p->tables / (1 << 20), p->threads, p->threads > 1 ? "s" : "", 16 * p->threads);
}

/* In Quire with what is alive of each call site; elsewhere their sizes. */
static void print_modules(const struct mem *m)
{
	const struct options none = {0};
	FILE *f = fopen("/proc/ledger/modules", "re");
	char *text = f ? must_alloc(calloc(1, 1 << 20)) : NULL;
	uint64_t sum = 0;
	json_t *j;

	if (f && fread(text, 1, (1 << 20) - 1, f) && (j = modules_json(&none, text))) {
		modules_sites(stdout, j);
		json_decref(j);
	}
	if (f)
		fclose(f);
	free(text);
	for (size_t i = 0; i < m->modules.count; i++)
		sum += m->modules.items[i].bytes;
	printf("MODULES %zu, %.1f KiB of text and data\n", m->modules.count, (double)sum / 1024);
	for (size_t i = 0; i < m->modules.count; i++)
		printf("%12.1f  %s\n", (double)m->modules.items[i].bytes / 1024, m->modules.items[i].name);
}

/* ---- JSON ---- */

static void set(json_t *j, const char *key, uint64_t v)
{
	json_object_set_new(j, key, json_integer((json_int_t)v));
}

static json_t *list_json(const struct mem_list *l)
{
	json_t *list = json_array();

	for (size_t i = 0; i < l->count; i++)
		json_array_append_new(list, json_pack("{s:s%, s:I, s:I}", "name", l->items[i].name, strlen(l->items[i].name), "bytes",
						      (json_int_t)l->items[i].bytes, "count", (json_int_t)l->items[i].count)
						    ?: json_null());
	return list;
}

static json_t *process_json(const struct mem_process *p)
{
	json_t *j = json_object(), *name = json_string(p->name);

	json_object_set_new(j, "pid", json_integer(p->pid));
	json_object_set_new(j, "ppid", json_integer(p->ppid));
	json_object_set_new(j, "name", name ? name : json_string("?"));
	json_object_set_new(j, "threads", json_integer(p->threads));
	set(j, "uid", p->uid);
	set(j, "rss_bytes", p->rss);
	set(j, "anon_bytes", p->anon);
	set(j, "file_bytes", p->file);
	set(j, "shmem_bytes", p->shmem);
	set(j, "swap_bytes", p->swap);
	set(j, "page_table_bytes", p->tables);
	if (p->has_pss) {
		set(j, "pss_bytes", p->pss);
		set(j, "uss_bytes", p->uss);
	}
	return j;
}

static void print_json(const struct mem *m, const struct wishes *w)
{
	json_t *j = json_object(), *user = json_object(), *kernel = json_object(), *boot = json_object(), *free_ = json_object();
	json_t *processes = json_array();

	set(j, "schema", 1);
	set(j, "physical_bytes", m->physical);
	set(boot, "page_array_bytes", m->boot_page_array);
	set(boot, "image_bytes", m->boot_image);
	set(boot, "all_bytes", m->physical - m->total);
	json_object_set_new(j, "boot_reserved", boot);
	set(j, "total_bytes", m->total);
	set(user, "all_bytes", mem_user(m));
	set(user, "anon_bytes", m->anon);
	set(user, "shmem_bytes", m->shmem);
	set(user, "hugetlb_bytes", m->hugetlb);
	set(user, "zswap_bytes", m->zswap);
	json_object_set_new(j, "user", user);
	set(j, "file_cache_bytes", m->file_cache);
	set(kernel, "all_bytes", mem_kernel(m));
	set(kernel, "slab_bytes", m->slab);
	set(kernel, "vmalloc_bytes", m->vmalloc);
	set(kernel, "stack_bytes", m->stacks);
	json_object_set_new(kernel, "stacks_in_vmalloc", json_boolean(m->stacks_in_vmalloc));
	set(kernel, "page_table_bytes", m->page_tables);
	set(kernel, "percpu_bytes", m->percpu);
	set(kernel, "device_bytes", m->device);
	set(kernel, "other_bytes", m->other_kernel);
	json_object_set_new(j, "kernel", kernel);
	set(free_, "all_bytes", m->free_buddy + m->free_cpu);
	set(free_, "lists_bytes", m->free_buddy);
	set(free_, "percpu_lists_bytes", m->free_cpu);
	json_object_set_new(j, "free", free_);
	json_object_set_new(j, "unaccounted_bytes", json_integer(mem_unaccounted(m)));
	set(j, "swap_used_bytes", m->swap_used);
	json_object_set_new(j, "slab_caches", list_json(&m->slabs));
	json_object_set_new(j, "vmalloc_callers", list_json(&m->vmallocs));
	json_object_set_new(j, "modules", list_json(&m->modules));
	for (size_t i = 0; i < m->nr_processes && (w->most < 0 || w->most == 10 || (int)i < w->most); i++)
		json_array_append_new(processes, process_json(&m->processes[i]));
	json_object_set_new(j, "processes", processes);
	json_object_set_new(j, "not_read", list_json(&m->not_read));
	json_dumpf(j, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(j);
}

static void show(const struct wishes *w)
{
	struct mem m;

	mem_read(&m, MEM_DETAILS | MEM_PROCESSES | (w->pss ? MEM_PSS : 0), w->pid);
	mem_sort(&m, w->sort ? w->sort : w->pss ? "pss" : "rss");
	if (!m.total)
		fail("mem: /proc/meminfo cannot be read");
	if (w->pid && !m.nr_processes)
		fail("mem: no process %d", w->pid);
	if (w->json) {
		print_json(&m, w);
	} else if (w->pid) {
		print_one(&m);
	} else if (w->modules) {
		print_modules(&m);
	} else {
		print_machine(&m);
		print_cross_check(&m);
		print_processes(&m, w->most);
		print_unread(&m);
	}
	mem_free(&m);
}

static volatile sig_atomic_t stopped;

static void on_stop(int sig)
{
	stopped = 1;
}

static void watch(const struct wishes *w)
{
	struct sigaction sa = {.sa_handler = on_stop};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	while (!stopped) {
		if (isatty(STDOUT_FILENO))
			fputs("\033[H\033[J", stdout);
		show(w);
		if (fflush(stdout) != 0)
			return;
		poll(NULL, 0, (int)(w->every * 1000));
	}
}

static int number_of(const char *option, const char *text, int least)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end || n < least || n > 1 << 30)
		fail("mem: %s %s: not a number that fits", option, text);
	return (int)n;
}

int command_mem(int argc, char **argv)
{
	static const struct option options[] = {
		{"watch", optional_argument, NULL, 'w'}, {"json", no_argument, NULL, 'j'},	{"pid", required_argument, NULL, 'p'},
		{"sort", required_argument, NULL, 's'},	 {"no-pss", no_argument, NULL, 'q'},	{"modules", no_argument, NULL, 'm'},
		{"help", no_argument, NULL, 'h'},	 {0},
	};
	struct wishes w = {.pss = true, .most = 10};
	int opt;

	argv[0] = (char *)program_name;
	while ((opt = getopt_long(argc, argv, "p:n:hw", options, NULL)) >= 0) {
		switch (opt) {
		case 'w':
			w.every = optarg ? strtod(optarg, NULL) : 2;
			if (!(w.every >= 0.1) || w.every > 86400)
				fail("mem: --watch %s: give 0.1 to 86400 seconds", optarg);
			break;
		case 'j':
			w.json = true;
			break;
		case 'p':
			w.pid = number_of("-p", optarg, 1);
			break;
		case 'n':
			w.most = number_of("-n", optarg, -1);
			break;
		case 's':
			w.sort = mem_sort_wish("mem", optarg);
			break;
		case 'q':
			w.pss = false;
			break;
		case 'm':
			w.modules = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return STATUS_QUIRE_FAILED;
		}
	}
	if (optind < argc)
		fail("mem: %s: no such argument; try 'quire mem --help'", argv[optind]);
	if (w.every > 0)
		watch(&w);
	else
		show(&w);
	return fflush(stdout) == 0 ? 0 : STATUS_QUIRE_FAILED;
}
