/*
 * top.c - `quire top`: memory live, of this machine or of a running guest; keys choose what and in which order.
 * SHAPE       each turn: read everything, draw lines into a buffer cut to the screen, write it in one go, wait for a key or
 *             the clock. Plain terminal sequences, no library: it works wherever a cursor can be moved.
 * READ NEXT   cli/mem_read.c (this machine), cli/attach.c (a guest)
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/mem.h"
#include "cli/quire.h"

static const char usage[] =
	"Usage: quire top [--guest[=PID]] [-d SEC] [-b] [-n N] [--sort COLUMN]\n"
	"\n"
	"Memory live: of this machine, or with --guest of the guest of a running `quire run` (PID: which, of several).\n"
	"\n"
	"  -d SEC          seconds between two looks (2)\n"
	"  -b              batch: print, do not draw; for pipes and files\n"
	"  -n N            end after N looks\n"
	"  --sort COLUMN   rss, pss, uss, anon, swap, tables, threads, name or pid\n"
	"\n"
	"Keys: q quit, h help, r p u a s t n sort by RSS, PSS, USS, anonymous, swap, tables, name; k kernel memory, space look now,\n"
	"arrows scroll.\n";

#define MAX_ROWS 500

struct top {
	double delay;
	bool batch, guest, kernel_view, help, over;
	long looks;
	int fd, guest_pid;
	const char *sort;
	unsigned int scroll;
	/* the last look, for rates */
	uint64_t last_ns, last_used, last_faults;
	/* the screen being made */
	char *text;
	size_t len, size;
	unsigned int row, rows, columns;
};

/* One line, cut to the screen; in batch mode whole. The first lines stay, lists scroll below them. */
static void put(struct top *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int strip_colours(char *line, int n)
{
	int to = 0;

	for (int i = 0; i < n; i++) {
		if (line[i] == '\033')
			while (i < n && line[i] != 'm')
				i++;
		else
			line[to++] = line[i];
	}
	return to;
}

static void put(struct top *t, const char *fmt, ...)
{
	char line[1024];
	va_list ap;
	int n, columns = 0, cut;

	if (!t->batch && t->row >= t->rows)
		return;
	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	n = n < (int)sizeof(line) ? n : (int)sizeof(line) - 1;
	for (cut = 0; cut < n; cut++) {
		if (line[cut] == '\033')
			while (cut < n && line[cut] != 'm')
				cut++;
		else if (((unsigned char)line[cut] & 0xc0) != 0x80 && ++columns > (int)t->columns && !t->batch)
			break;
	}
	if (t->batch)
		cut = strip_colours(line, cut);
	while (t->len + (size_t)cut + 32 > t->size)
		t->text = must_alloc(realloc(t->text, t->size = 2 * t->size + 4096));
	t->len += (size_t)sprintf(t->text + t->len, "%.*s%s\n", cut, line, t->batch ? "" : "\033[0m\033[K\r");
	t->row++;
}

static void bar(struct top *t, const char *name, uint64_t part, uint64_t whole, const char *colour)
{
	static const char blocks[] = "##################################################";
	double share = whole ? (double)part / (double)whole : 0;
	int n = share < 0 ? 0 : share > 1 ? 50 : (int)(share * 50 + 0.5);

	put(t, "%-11s %10.1f MiB %5.1f %% %s%.*s", name, (double)part / (1 << 20), 100 * share, t->batch ? "" : colour, n, blocks);
}

static double mib(uint64_t bytes)
{
	return (double)bytes / (1 << 20);
}

static void put_rates(struct top *t, uint64_t used, uint64_t faults)
{
	uint64_t now = monotonic_ns();
	double s = (double)(now - t->last_ns) / 1e9;

	if (t->last_ns)
		put(t, "in use %+.2f MiB/s · %.0f page faults/s", ((double)used - (double)t->last_used) / (1 << 20) / s,
		    (double)(faults - t->last_faults) / s);
	else
		put(t, "in use %.1f MiB", mib(used));
	t->last_ns = now;
	t->last_used = used;
	t->last_faults = faults;
}

static void put_help(struct top *t)
{
	put(t, "  q   quit");
	put(t, "  h   this help, on and off");
	put(t, "  r p u a s t n   sort by RSS, PSS, USS, anonymous, swap, page tables, name");
	put(t, "  k   kernel memory instead of processes: slab caches and call sites");
	put(t, "  space   look now      arrows, page keys   scroll");
}

static void put_list(struct top *t, const struct mem_list *l, const char *count, const char *title)
{
	put(t, "\033[7m%12s %10s  %-60s", "KiB", count, title);
	for (size_t i = t->scroll; i < l->count && i < t->scroll + MAX_ROWS; i++)
		put(t, "%12.0f %10" PRIu64 "  %s", (double)l->items[i].bytes / 1024, l->items[i].count, l->items[i].name);
}

static void put_host_processes(struct top *t, const struct mem *m)
{
	put(t, "\033[7m%8s %9s %9s %9s %9s %8s %8s %5s  %-24s", "PID", "RSS MiB", "PSS", "USS", "ANON", "SWAP", "TABLES", "THR", "NAME");
	for (size_t i = t->scroll; i < m->nr_processes && i < t->scroll + MAX_ROWS; i++) {
		const struct mem_process *p = &m->processes[i];
		char pss[24] = "-", uss[24] = "-";

		if (p->has_pss) {
			snprintf(pss, sizeof(pss), "%.1f", mib(p->pss));
			snprintf(uss, sizeof(uss), "%.1f", mib(p->uss));
		}
		put(t, "%8d %9.1f %9s %9s %9.1f %8.1f %8.2f %5d  %s", p->pid, mib(p->rss), pss, uss, mib(p->anon), mib(p->swap), mib(p->tables),
		    p->threads, p->name);
	}
}

static void look_at_host(struct top *t)
{
	struct mem m;

	mem_read(&m, MEM_PROCESSES | MEM_PSS | (t->kernel_view ? MEM_DETAILS : 0), 0);
	mem_sort(&m, t->sort);
	put(t, "\033[1mquire top · this machine · %.1f MiB · %zu processes · sorted by %s · h for help", mib(m.total), m.nr_processes, t->sort);
	bar(t, "user", mem_user(&m), m.total, "\033[33m");
	bar(t, "file cache", m.file_cache, m.total, "\033[32m");
	bar(t, "kernel", mem_kernel(&m), m.total, "\033[34m");
	bar(t, "free", m.free_buddy + m.free_cpu, m.total, "\033[2m");
	put(t, "unaccounted %10.1f MiB · slab %.1f · vmalloc %.1f · stacks %.1f · page tables %.1f · swap in use %.1f", (double)mem_unaccounted(&m) / (1 << 20),
	    mib(m.slab), mib(m.vmalloc), mib(m.stacks), mib(m.page_tables), mib(m.swap_used));
	put_rates(t, m.total - m.free_buddy - m.free_cpu, m.faults);
	if (t->help)
		put_help(t);
	if (t->kernel_view && m.slabs.count)
		put_list(t, &m.slabs, "OBJECTS", "SLAB CACHE");
	else if (t->kernel_view)
		put(t, "/proc/slabinfo cannot be read: needs root");
	else
		put_host_processes(t, &m);
	mem_free(&m);
}

/* ---- a guest: everything is in the text of /proc/ledger/summary ---- */

static void put_guest_lists(struct top *t, const char *text, uint64_t page)
{
	struct mem_list owners = {0}, sites = {0}, slabs = {0};
	char line[512], a[128], b[128], label[64];
	uint64_t x, y, z;
	int id;

	for (const char *at = text; *at;) {
		size_t n = strcspn(at, "\n");

		snprintf(line, sizeof(line), "%.*s", (int)n, at);
		at += n + (at[n] == '\n');
		if (sscanf(line, "owner %127s %d %127s %" SCNu64 " %" SCNu64, a, &id, b, &x, &y) == 5) {
			snprintf(label, sizeof(label), id ? "%.40s[%d]" : "the %.40s", b, id);
			mem_list_add(&owners, label, x * page + y, y);
		} else if (sscanf(line, "site %127s %127s %" SCNu64 " %*u %" SCNu64, a, b, &x, &y) == 4 && strcmp(b, "slab_make")) {
			snprintf(label, sizeof(label), "%.28s (%.30s)", b, a);
			mem_list_add(&sites, label, x, y);
		} else if (sscanf(line, "slab %127s %" SCNu64 " %" SCNu64 " %" SCNu64, a, &x, &y, &z) == 4) {
			mem_list_add(&slabs, a, z * page, x);
		}
	}
	mem_list_sort(&owners);
	mem_list_sort(&sites);
	mem_list_sort(&slabs);
	if (t->kernel_view) {
		put_list(t, &sites, "CALLS", "CALL SITE IN THE KERNEL");
		put_list(t, &slabs, "OBJECTS", "SLAB CACHE");
	} else {
		put_list(t, &owners, "SLAB BYTES", "CHARGED TO");
	}
	free(owners.items);
	free(sites.items);
	free(slabs.items);
}

static uint64_t space_now(const struct ledger *l, enum account_space s)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < l->nr_accounts; i++)
		if (l->accounts[i].space == s)
			sum += l->accounts[i].now;
	return sum * l->page_size;
}

static void look_at_guest(struct top *t)
{
	char *text = attach_ask(t->fd);
	struct ledger *l = must_alloc(malloc(sizeof(*l)));
	uint64_t ram;

	if (!text || !ledger_parse(l, NULL, text)) {
		put(t, text ? "this guest keeps no ledger" : "the run is over");
		t->over = true;
		free(l);
		free(text);
		return;
	}
	ram = l->ram_frames * l->page_size;
	put(t, "\033[1mquire top · guest of quire[%d] · %.1f MiB · peak %.1f · up %.1f s · h for help", t->guest_pid, mib(ram),
	    mib(l->used_peak * l->page_size), (double)l->now_time_ns / 1e9);
	bar(t, "user", space_now(l, SPACE_USER), ram, "\033[33m");
	bar(t, "file cache", space_now(l, SPACE_CACHE), ram, "\033[32m");
	bar(t, "kernel", space_now(l, SPACE_KERNEL), ram, "\033[34m");
	bar(t, "free", space_now(l, SPACE_FREE), ram, "\033[2m");
	put(t, "unaccounted %10" PRId64 " frames", ledger_unaccounted_now(l));
	put_rates(t, l->used_now * l->page_size, 0);
	if (t->help)
		put_help(t);
	put_guest_lists(t, text, l->page_size);
	free(l);
	free(text);
}

/* ---- the screen and the keys ---- */

static void show(struct top *t)
{
	struct wire_winsize ws = {.rows = 24, .cols = 80};

	if (!t->batch)
		terminal_size(&ws);
	t->rows = ws.rows > 1 ? ws.rows - 1u : 24; /* the last line stays empty: no scrolling */
	t->columns = ws.cols ? ws.cols : 80;
	t->row = 0;
	t->len = 0;
	if (t->guest)
		look_at_guest(t);
	else
		look_at_host(t);
	if (!t->batch)
		fputs("\033[H", stdout);
	fwrite(t->text, 1, t->len, stdout);
	fputs(t->batch ? "\n" : "\033[J", stdout);
	if (fflush(stdout) != 0)
		t->over = true;
}

static void scroll(struct top *t, int by)
{
	t->scroll = by < 0 && t->scroll < (unsigned int)-by ? 0 : t->scroll + (unsigned int)by;
}

static void on_keys(struct top *t, const char *keys, ssize_t n)
{
	static const char *const sorts[] = {['r'] = "rss", ['p'] = "pss", ['u'] = "uss", ['a'] = "anon", ['s'] = "swap", ['t'] = "tables", ['n'] = "name"};

	for (ssize_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)keys[i];

		if (c == 'q' || c == 3 || c == 4)
			t->over = true;
		else if (c == 'h' || c == '?')
			t->help = !t->help;
		else if (c == 'k')
			t->kernel_view = !t->kernel_view;
		else if (c < sizeof(sorts) / sizeof(sorts[0]) && sorts[c])
			t->sort = sorts[c];
		else if (c == '\033' && i + 2 < n && keys[i + 1] == '[') {
			char k = keys[i + 2];

			scroll(t, k == 'A' ? -1 : k == 'B' ? 1 : k == '5' ? -20 : k == '6' ? 20 : 0);
			i += 2 + (i + 3 < n && keys[i + 3] == '~');
			continue;
		} else
			continue;
		t->scroll = 0;
	}
}

static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	if (sig != SIGWINCH)
		stopped = 1;
}

static void wait_for_key(struct top *t)
{
	struct pollfd p = {.fd = t->batch ? -1 : STDIN_FILENO, .events = POLLIN};
	char keys[64];
	ssize_t n;

	if (poll(&p, 1, (int)(t->delay * 1000)) <= 0 || !p.revents)
		return;
	n = read(STDIN_FILENO, keys, sizeof(keys));
	if (n <= 0)
		t->over = true;
	else
		on_keys(t, keys, n);
}

static void run(struct top *t)
{
	struct sigaction sa = {.sa_handler = on_signal};

	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGWINCH, &sa, NULL);
	if (!t->batch) {
		terminal_raw();
		fputs("\033[?1049h\033[?25l", stdout);
	}
	for (long i = 0; !t->over && !stopped && (!t->looks || i < t->looks); i++) {
		show(t);
		if (t->over || (t->looks && i + 1 == t->looks))
			break;
		wait_for_key(t);
	}
	if (!t->batch) {
		fputs("\033[?25h\033[?1049l", stdout);
		fflush(stdout);
		terminal_restore();
	}
}

static void find_guest(struct top *t)
{
	if (!t->guest_pid)
		t->guest_pid = attach_find();
	if (t->guest_pid < 0)
		exit(STATUS_QUIRE_FAILED);
	t->fd = t->guest_pid ? attach_connect(t->guest_pid) : -1;
	if (t->fd < 0 && t->guest_pid)
		fail("top: quire[%d] runs no guest that answers", t->guest_pid);
	if (t->fd < 0)
		fail("top: no `quire run` of yours is running");
}

int command_top(int argc, char **argv)
{
	static const struct option options[] = {{"guest", optional_argument, NULL, 'g'}, {"sort", required_argument, NULL, 's'},
						{"help", no_argument, NULL, 'h'},	 {0}};
	struct top t = {.delay = 2, .sort = "pss", .fd = -1};
	char *end;
	int opt;

	argv[0] = (char *)program_name;
	while ((opt = getopt_long(argc, argv, "gd:bn:h", options, NULL)) >= 0) {
		switch (opt) {
		case 'g':
			t.guest = true;
			t.guest_pid = optarg ? atoi(optarg) : 0;
			break;
		case 'd':
			t.delay = strtod(optarg, &end);
			if (*end || !(t.delay >= 0.1) || t.delay > 86400)
				fail("top: -d %s: give 0.1 to 86400 seconds", optarg);
			break;
		case 'b':
			t.batch = true;
			break;
		case 'n':
			t.looks = strtol(optarg, &end, 10);
			if (*end || t.looks < 1)
				fail("top: -n %s: not a number of looks", optarg);
			break;
		case 's':
			t.sort = mem_sort_wish("top", optarg);
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
		fail("top: %s: no such argument; try 'quire top --help'", argv[optind]);
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		t.batch = true;
	if (t.guest)
		find_guest(&t);
	run(&t);
	free(t.text);
	return 0;
}
