/*
 * mm_model.c - bytes become operations on address spaces and on a naive model of them.
 *
 * THE WORLD   up to three processes, each with a window of PAGES pages at BASE; two files; shared anonymous objects as they come.
 * THE MODEL   for each process and page: mapped or not, its protection, what is behind it, and the value of the one word per page
 *             that operations read and write. Private pages hold their value; others look at their object.
 * METHOD      after each operation the result must be the model's, after the last all pages of all processes, and the books.
 *             The same code serves the fuzzer, the replay of its findings, and the unit test with random bytes.
 */
#include <abi/errno.h>
#include <abi/mman.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/mm.h>
#include <mm/page_alloc.h>
#include <mm/reclaim.h>
#include <mm/swap.h>
#include <mm/zswap.h>
#include "../../arch/host/host.h"
#include "mm_model.h"

#define BASE		0x10000000UL
#define PAGES		48
#define PROCESSES	3
#define FILES		2
#define FILE_PAGES	24
#define OBJECTS		32
#define DISKS		2
#define DISK_SLOTS	150		/* swapped pages and those of two more processes may not fit: that is fine */

enum kind { NONE, ANON, SHARED_ANON, FILE_PRIVATE, FILE_SHARED };

struct mpage {
	enum kind	kind;
	u8		prot;
	u8		object;		/* file, or shared object */
	u8		index;		/* page of it */
	bool		copied;		/* FILE_PRIVATE: has a value of its own */
	u32		value;
};

struct mproc {
	struct mm	*mm;
	struct mpage	page[PAGES];
};

struct mobject {
	unsigned	users;		/* pages of all processes */
	u32		value[PAGES];
};

static struct mproc procs[PROCESSES];
static struct mobject objects[OBJECTS];
static u32 file_value[FILES][FILE_PAGES];
static char file_data[FILES][FILE_PAGES * PAGE_SIZE];
static struct file files[FILES];
static char disk_data[DISKS][DISK_SLOTS * PAGE_SIZE];
static struct host_disk disks[DISKS];
static bool disk_on[DISKS];
static unsigned at;			/* current process */
static const u8 *input, *input_end;
static unsigned step;

static u8 next(void)
{
	return input < input_end ? *input++ : 0;
}

static void differ(const char *what, unsigned long page, long is, long want)
{
	static char buf[8192];
	struct text out;

	text_init_fixed(&out, buf, sizeof(buf));
	(void)mm_report_areas(procs[at].mm, &out, 0, sizeof(buf), false);
	for (unsigned i = 0; i < PAGES; i++)
		text_printf(&out, "%s%u:%u/%u", i % 8 ? " " : "\n", i, procs[at].page[i].kind, procs[at].page[i].prot);
	pr_err("%s\n", text_str(&out));
	panic("model: step %u, process %u, page %lu: %s is %ld, not %ld", step, at, page, what, is, want);
}

/* ---- the model ------------------------------------------------------------------------------------------------ */

static u32 *value_of(struct mpage *m)
{
	switch (m->kind) {
	case SHARED_ANON:
		return &objects[m->object].value[m->index];
	case FILE_SHARED:
		return &file_value[m->object][m->index];
	case FILE_PRIVATE:
		return m->copied ? &m->value : &file_value[m->object][m->index];
	default:
		return &m->value;
	}
}

static void drop(struct mpage *m)
{
	if (m->kind == SHARED_ANON)
		objects[m->object].users--;
	*m = (struct mpage){ NONE };
}

static void take(struct mpage *m)
{
	if (m->kind == SHARED_ANON)
		objects[m->object].users++;
}

static enum fault_result expected(const struct mpage *m, bool write)
{
	if (m->kind == NONE)
		return FAULT_SIGSEGV_MAPERR;
	if (!(m->prot & (write ? PROT_WRITE : PROT_READ | PROT_WRITE | PROT_EXEC)))
		return FAULT_SIGSEGV_ACCERR;
	if ((m->kind == FILE_PRIVATE || m->kind == FILE_SHARED) && m->index >= FILE_PAGES)
		return FAULT_SIGBUS;
	return FAULT_DONE;
}

/* ---- operations ----------------------------------------------------------------------------------------------- */

struct range { unsigned start, len; };

static struct range pick_range(void)
{
	struct range r = { next() % PAGES, 1 + next() % 12 };

	r.len = min(r.len, PAGES - r.start);
	pr_info("  pages %u-%u\n", r.start, r.start + r.len - 1);
	return r;
}

static vaddr_t address(unsigned page)
{
	return BASE + page * PAGE_SIZE;
}

static u8 pick_prot(void)
{
	static const u8 prots[] = { PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE, PROT_READ | PROT_EXEC };

	return prots[next() % ARRAY_SIZE(prots)];
}

static void op_map(void)
{
	struct range r = pick_range();
	enum kind kind = ANON + next() % 4;
	u8 prot = pick_prot(), first = next() % 16, object = 0;
	struct mmap_request q = { .addr = address(r.start), .len = r.len * PAGE_SIZE, .prot = prot, .flags = MAP_FIXED };
	vaddr_t out;

	if (kind == SHARED_ANON) {
		while (object < OBJECTS && objects[object].users)
			object++;
		if (object == OBJECTS)
			return;
		memset(&objects[object], 0, sizeof(objects[object]));
		first = 0;
	}
	q.flags |= kind == ANON || kind == FILE_PRIVATE ? MAP_PRIVATE : MAP_SHARED;
	if (kind == ANON || kind == SHARED_ANON) {
		q.flags |= MAP_ANONYMOUS;
	} else {
		object = next() % FILES;
		q.file = &files[object];
		q.mapping = &files[object].mapping;
		q.pgoff = first;
	}
	if (mm_mmap(procs[at].mm, &q, &out))
		differ("mmap", r.start, -1, 0);
	for (unsigned i = 0; i < r.len; i++) {
		struct mpage *m = &procs[at].page[r.start + i];

		drop(m);
		*m = (struct mpage){ kind, prot, object, (u8)(first + i) };
		take(m);
	}
}

static void op_unmap(void)
{
	struct range r = pick_range();

	if (mm_munmap(procs[at].mm, address(r.start), r.len * PAGE_SIZE))
		differ("munmap", r.start, -1, 0);
	for (unsigned i = 0; i < r.len; i++)
		drop(&procs[at].page[r.start + i]);
}

static void op_protect(void)
{
	struct range r = pick_range();
	u8 prot = pick_prot();
	int err = mm_mprotect(procs[at].mm, address(r.start), r.len * PAGE_SIZE, prot, -1);
	unsigned i;

	for (i = 0; i < r.len && procs[at].page[r.start + i].kind != NONE; i++)
		procs[at].page[r.start + i].prot = prot;	/* up to the first hole, as Linux */
	if (err != (i < r.len ? -ENOMEM : 0))
		differ("mprotect", r.start, err, i < r.len ? -ENOMEM : 0);
}

static void op_write(void)
{
	unsigned page = next() % PAGES;
	struct mpage *m = &procs[at].page[page];
	u32 value = (u32)(step << 8 | page);
	enum fault_result r = host_write(address(page) + 100, &value, sizeof(value));

	if (r != expected(m, true))
		differ("write", page, r, expected(m, true));
	if (r != FAULT_DONE)
		return;
	if (m->kind == FILE_PRIVATE)
		m->copied = true;
	*value_of(m) = value;
}

static void check_page(unsigned page)
{
	struct mpage *m = &procs[at].page[page];
	u32 value = 0;
	enum fault_result r = host_read(address(page) + 100, &value, sizeof(value));

	if (r != expected(m, false))
		differ("read", page, r, expected(m, false));
	if (r == FAULT_DONE && value != *value_of(m))
		differ("value", page, value, *value_of(m));
}

static void op_read(void)
{
	check_page(next() % PAGES);
}

static void op_dontneed(void)
{
	struct range r = pick_range();
	bool hole = false;
	int err = mm_madvise(procs[at].mm, address(r.start), r.len * PAGE_SIZE, MADV_DONTNEED);

	for (unsigned i = 0; i < r.len; i++) {
		struct mpage *m = &procs[at].page[r.start + i];

		hole |= m->kind == NONE;
		m->copied = false;
		if (m->kind == ANON)
			m->value = 0;
	}
	if (err != (hole ? -ENOMEM : 0))
		differ("madvise", r.start, err, hole ? -ENOMEM : 0);
}

static void use(unsigned p)
{
	at = p;
	host_use_mm(procs[p].mm);
}

static void op_fork(void)
{
	unsigned p;

	for (p = 0; p < PROCESSES && procs[p].mm; p++)
		;
	if (p == PROCESSES)
		return;
	if (mm_dup(procs[at].mm, &procs[p].mm))
		differ("fork", 0, -1, 0);
	memcpy(procs[p].page, procs[at].page, sizeof(procs[p].page));
	for (unsigned i = 0; i < PAGES; i++)
		take(&procs[p].page[i]);
}

static void end(unsigned p)
{
	for (unsigned i = 0; i < PAGES; i++)
		drop(&procs[p].page[i]);
	mm_put(procs[p].mm);
	procs[p].mm = NULL;
}

static void op_exit(void)
{
	unsigned old = at;

	for (unsigned i = 1; i < PROCESSES; i++)
		if (procs[(at + i) % PROCESSES].mm) {
			use((at + i) % PROCESSES);
			end(old);
			return;
		}
}

static void op_switch(void)
{
	unsigned p = next() % PROCESSES;

	if (procs[p].mm)
		use(p);
}

/* One area's pages move inside the window. Pages of different kinds make several areas, which mremap refuses: not tried. */
static void op_move(void)
{
	struct range r = pick_range();
	unsigned to = next() % PAGES;
	struct mpage *m = &procs[at].page[r.start], moved[PAGES];
	vaddr_t out;
	int err;

	if (to + r.len > PAGES || (to < r.start + r.len && r.start < to + r.len) || m->kind == NONE)
		return;
	for (unsigned i = 1; i < r.len; i++)
		if (m[i].kind != m->kind || m[i].prot != m->prot || m[i].object != m->object ||
		    (m->kind != ANON && m[i].index != m->index + i))
			return;
	pr_info("  to %u\n", to);
	err = mm_mremap(procs[at].mm, address(r.start), r.len * PAGE_SIZE, r.len * PAGE_SIZE,
			MREMAP_MAYMOVE | MREMAP_FIXED, address(to), &out);
	if (err && err != -EFAULT)	/* two areas that look alike but did not merge; Linux notices after it cleared the target */
		differ("mremap", r.start, err, 0);
	for (unsigned i = 0; i < r.len; i++)
		drop(&procs[at].page[to + i]);
	if (err)
		return;
	memcpy(moved, m, r.len * sizeof(*m));
	for (unsigned i = 0; i < r.len; i++)
		m[i] = (struct mpage){ NONE };
	memcpy(&procs[at].page[to], moved, r.len * sizeof(*m));
}

static void op_sync(void)
{
	struct range r = pick_range();

	(void)mm_msync(procs[at].mm, address(r.start), r.len * PAGE_SIZE, MS_SYNC);
}

static void op_drop_caches(void)
{
	reclaim_drop_caches(1);
}

/* ---- memory that leaves for swap and comes back ---- */

static void op_pageout(void)
{
	struct range r = pick_range();

	(void)mm_madvise(procs[at].mm, address(r.start), r.len * PAGE_SIZE, next() & 1 ? MADV_PAGEOUT : MADV_COLD);
}

/* What reclaim would take if memory ran short. */
static void op_reclaim(void)
{
	(void)page_reclaim(GFP_USER, 0);
}

static int swap_begin(unsigned n)
{
	return swap_on(&disks[n].file, &disks[n].file.mapping, "disk", false, n ? (int)(next() % 3) : -1, 0);
}

static void op_swapoff(void)
{
	unsigned n = next() % DISKS;
	int err = swap_off(&disks[n].file.mapping);

	disk_on[n] = !disk_on[n];
	if (err && (err != -EINVAL || !disk_on[n]))
		differ("swapoff", n, err, 0);
	if (disk_on[n]) {
		disks[n].file.refs++;
		err = swap_begin(n);
		if (err)
			differ("swapon", n, err, 0);
	}
}

static void op_zswap(void)
{
	zswap.max_pool_percent = next() % 4;
	if (zswap_enable(next() % 3))
		differ("zswap", 0, -ENOMEM, 0);
}

static const struct {
	const char	*name;
	void		(*fn)(void);
} ops[] = {
	{ "map", op_map }, { "map", op_map }, { "unmap", op_unmap }, { "protect", op_protect }, { "write", op_write },
	{ "write", op_write }, { "write", op_write }, { "write", op_write }, { "read", op_read }, { "read", op_read },
	{ "dontneed", op_dontneed }, { "fork", op_fork }, { "exit", op_exit }, { "switch", op_switch }, { "move", op_move },
	{ "sync", op_sync }, { "drop caches", op_drop_caches },
	{ "pageout", op_pageout }, { "pageout", op_pageout }, { "reclaim", op_reclaim }, { "swapoff or on", op_swapoff }, { "zswap", op_zswap },
};

/* ---- a run ------------------------------------------------------------------------------------------------------ */

static void start(void)
{
	memset(procs, 0, sizeof(procs));
	memset(objects, 0, sizeof(objects));
	memset(file_data, 0, sizeof(file_data));
	for (unsigned f = 0; f < FILES; f++) {
		for (unsigned i = 0; i < FILE_PAGES; i++) {
			file_value[f][i] = 1000 * (f + 1) + i;
			memcpy(file_data[f] + i * PAGE_SIZE + 100, &file_value[f][i], sizeof(u32));
		}
		host_file_init(&files[f], file_data[f], sizeof(file_data[f]));
	}
	for (unsigned n = 0; n < DISKS; n++) {
		host_disk_init(&disks[n], disk_data[n], DISK_SLOTS, n);
		disk_on[n] = false;
	}
	procs[0].mm = mm_create();
	if (!procs[0].mm)
		panic("model: no memory to start");
	mm_set_layout(procs[0].mm, MIB(8), false);
	step = 0;
	use(0);
}

static void finish(void)
{
	static char buf[4096];
	struct text out;

	for (unsigned p = 0; p < PROCESSES; p++)
		if (procs[p].mm) {
			use(p);
			for (unsigned i = 0; i < PAGES; i++)
				check_page(i);
		}
	text_init_fixed(&out, buf, sizeof(buf));
	if (ledger_audit(&out))
		panic("model: %s", text_str(&out));
	host_use_mm(NULL);
	for (unsigned p = 0; p < PROCESSES; p++)
		if (procs[p].mm)
			end(p);
	for (unsigned n = 0; n < DISKS; n++)
		if (disk_on[n] && swap_off(&disks[n].file.mapping))
			panic("model: swapoff at the end");
	if (swap_total_pages())
		panic("model: %lu pages of swap at the end", swap_total_pages());
	for (unsigned f = 0; f < FILES; f++) {
		if (filemap_write_range(&files[f].mapping, 0, S64_MAX, true))
			panic("model: write-back of file %u", f);
		for (unsigned i = 0; i < FILE_PAGES; i++)
			if (memcmp(file_data[f] + i * PAGE_SIZE + 100, &file_value[f][i], sizeof(u32)))
				panic("model: file %u page %u lost a write", f, i);
		mapping_destroy(&files[f].mapping);
		if (files[f].refs != 1)
			panic("model: file %u has %ld references", f, files[f].refs);
	}
}

void mm_model_run(const u8 *bytes, size_t n)
{
	input = bytes;
	input_end = bytes + n;
	start();
	while (input < input_end) {
		unsigned op = next() % ARRAY_SIZE(ops);

		pr_info("%u: process %u: %s\n", ++step, at, ops[op].name);
		ops[op].fn();
	}
	finish();
}
