/*
 * mem_proc.c - processes as /proc shows them: one read each for the sizes, a second for the proportional ones.
 * WHY         smaps_rollup walks a process's page tables in the kernel: fair, and slow; so it is read only where asked for.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "cli/mem.h"
#include "cli/quire.h"

/* A whole small file below /proc/PID, in one read. -1 with errno. */
static ssize_t slurp(int proc, int pid, const char *name, char *buf, size_t size)
{
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%d/%s", pid, name);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n >= 0)
		buf[n] = 0;
	return n;
}

/* The number after "\nName:"; 0 when there is none. */
static uint64_t value_of(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) : 0;
}

/* Kernel threads have no memory of their own: no VmRSS line. */
static bool parse_status(struct mem_process *p, const char *text)
{
	const char *name = strstr(text, "Name:\t");

	if (!name || !strstr(text, "\nVmRSS:"))
		return false;
	snprintf(p->name, sizeof(p->name), "%.*s", (int)strcspn(name + 6, "\n"), name + 6);
	p->ppid = (int)value_of(text, "\nPPid:");
	p->uid = (unsigned int)value_of(text, "\nUid:");
	p->threads = (int)value_of(text, "\nThreads:");
	p->anon = value_of(text, "\nRssAnon:") << 10;
	p->file = value_of(text, "\nRssFile:") << 10;
	p->shmem = value_of(text, "\nRssShmem:") << 10;
	p->rss = value_of(text, "\nVmRSS:") << 10;
	p->swap = value_of(text, "\nVmSwap:") << 10;
	p->tables = value_of(text, "\nVmPTE:") << 10;
	return true;
}

static void parse_rollup(struct mem_process *p, const char *text)
{
	p->has_pss = true;
	p->pss = value_of(text, "\nPss:") << 10;
	p->pss_anon = value_of(text, "\nPss_Anon:") << 10;
	p->uss = (value_of(text, "\nPrivate_Clean:") + value_of(text, "\nPrivate_Dirty:")) << 10;
}

static void read_one(struct mem *m, int proc, int pid, bool pss, size_t *size)
{
	struct mem_process p = {.pid = pid};
	char text[4096];

	if (slurp(proc, pid, "status", text, sizeof(text)) <= 0 || !parse_status(&p, text))
		return;
	if (pss && slurp(proc, pid, "smaps_rollup", text, sizeof(text)) > 0)
		parse_rollup(&p, text);
	else if (pss && m->no_pss++ == 0)
		m->no_pss_errno = errno;
	if (m->nr_processes == *size)
		m->processes = must_alloc(realloc(m->processes, (*size = 2 * *size + 256) * sizeof(p)));
	m->processes[m->nr_processes++] = p;
}

void mem_read_processes(struct mem *m, bool pss, int pid)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	size_t size = 0;

	if (pid && d)
		read_one(m, dirfd(d), pid, pss, &size);
	while (!pid && d && (e = readdir(d)))
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			read_one(m, dirfd(d), atoi(e->d_name), pss, &size);
	if (d)
		closedir(d);
	if (m->no_pss) {
		char words[64];

		snprintf(words, sizeof(words), "smaps_rollup of %u process%s (%.20s)", m->no_pss, m->no_pss > 1 ? "es" : "",
			 geteuid() ? "needs root" : strerror(m->no_pss_errno));
		mem_list_add(&m->not_read, words, 0, m->no_pss);
	}
}

/* The line that opens an area: its name is from column 73 on, or the sixth word. */
static const char *area_name(char *line)
{
	char *at = line;

	for (int i = 0; i < 5 && at; i++) {
		at = strchr(at, ' ');
		while (at && *at == ' ')
			at++;
	}
	if (at)
		at[strcspn(at, "\n")] = 0;
	return at && *at ? at : "anon mmap";
}

void mem_read_mappings(struct mem_list *to, int pid)
{
	char path[64], line[4600], name[4600] = "";
	uint64_t kib;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Rss: %" SCNu64, &kib) == 1 && kib) {
			size_t len = strlen(name), room = sizeof(to->items[0].name) - 1;

			mem_list_add(to, len > room ? name + len - room : name, kib << 10, 1);
		} else if (line[strspn(line, "0123456789abcdef")] == '-') {
			snprintf(name, sizeof(name), "%s", area_name(line));
		}
	}
	if (f)
		fclose(f);
	mem_list_sort(to);
}

static const char *order;

static uint64_t key(const struct mem_process *p)
{
	return !strcmp(order, "pss")	? (p->has_pss ? p->pss : p->rss)
	       : !strcmp(order, "uss")	? p->uss
	       : !strcmp(order, "swap") ? p->swap
	       : !strcmp(order, "tables") ? p->tables
	       : !strcmp(order, "anon") ? p->anon
	       : !strcmp(order, "threads") ? (uint64_t)p->threads
				       : p->rss;
}

static int compare(const void *a, const void *b)
{
	const struct mem_process *x = a, *y = b;
	int by_name = !strcmp(order, "name") ? strcmp(x->name, y->name) : 0;

	if (by_name || !strcmp(order, "pid"))
		return by_name ? by_name : x->pid - y->pid;
	return key(x) < key(y) ? 1 : key(x) > key(y) ? -1 : x->pid - y->pid;
}

bool mem_sort(struct mem *m, const char *by)
{
	static const char *const known[] = {"rss", "pss", "uss", "swap", "tables", "anon", "threads", "name", "pid"};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(by, known[i]))
			continue;
		order = by;
		if (m && m->nr_processes)
			qsort(m->processes, m->nr_processes, sizeof(*m->processes), compare);
		return true;
	}
	return false;
}

const char *mem_sort_wish(const char *command, const char *by)
{
	if (!mem_sort(NULL, by))
		fail("%s: --sort %s: give rss, pss, uss, anon, swap, tables, threads, name or pid", command, by);
	return by;
}
