/*
 * test_ledger.c - owners, peaks, moves, reports; and that the audit notices what is wrong.
 */
#include <lib/printf.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include "unit.h"

#ifndef NO_LEDGER

TEST(ledger, owners)
{
	owner_t a, b;
	struct page *p, *q;

	t_machine(t, 15, 1);
	a = ledger_owner_create(OWNER_PROCESS, 7, "one");
	b = ledger_owner_create(OWNER_PROCESS, 8, "two");
	EXPECT(t, a && b && a != b);
	EXPECT_EQ(t, ledger_switch_owner(a), OWNER_MACHINE);
	p = page_alloc(GFP_KERNEL, 0, ACCT_DEVICE);
	q = page_alloc(GFP_KERNEL, 2, ACCT_DEVICE);
	EXPECT_EQ(t, ledger_switch_owner(b), a);
	EXPECT_EQ(t, ledger_owner_frames(a), 5);
	page_put(p);				/* whoever frees it, the one who asked is credited */
	EXPECT_EQ(t, ledger_owner_frames(a), 4);
	EXPECT_EQ(t, ledger_owner_frames(b), 0);
	EXPECT_EQ(t, ledger_owner_peak(a), 5);
	page_put(q);
	EXPECT_EQ(t, ledger_owner_frames(a), 0);
	ledger_switch_owner(OWNER_MACHINE);
}

/*
 * Goal: pages taken on a CPU's credit are in the books whenever somebody looks and before any number falls, so that sums and maxima
 * are exact although nobody took the lock.
 */
static struct page *on_credit[4][150];

static void take_on_credit(unsigned cpu, void *arg)
{
	for (int i = 0; i < 150; i++)
		on_credit[cpu][i] = page_alloc(GFP_KERNEL, 0, ACCT_DEVICE);
}

static void give_half(unsigned cpu, void *arg)
{
	for (int i = 0; i < 75; i++)
		page_put(on_credit[cpu][i]);
}

TEST(ledger, credit)
{
	struct page *p[200];
	long used;

	t_machine(t, 15, 4);
	ledger_reset_peaks();
	used = (long)nr_ram_pages() - ledger_frames(ACCT_FREE);
	for (int i = 0; i < 200; i++) {
		p[i] = page_alloc(GFP_KERNEL, 0, ACCT_ZSWAP);
		if (i % 7 == 0)
			EXPECT_EQ(t, ledger_frames(ACCT_ZSWAP), i + 1);
	}
	page_put(p[0]);
	p[0] = page_alloc(GFP_KERNEL, 0, ACCT_KSTACK);	/* another key in between, and a fall that notes the maximum */
	EXPECT_EQ(t, ledger_peak(ACCT_ZSWAP), 200);
	EXPECT_EQ(t, ledger_frames(ACCT_ZSWAP), 199);
	for (int i = 0; i < 200; i++)
		page_put(p[i]);
	EXPECT_EQ(t, (long)nr_ram_pages() - ledger_frames(ACCT_FREE), used);
	host_on_cpus(4, take_on_credit, NULL);
	EXPECT_EQ(t, ledger_frames(ACCT_DEVICE), 600);
	host_on_cpus(4, give_half, NULL);
	EXPECT_EQ(t, ledger_frames(ACCT_DEVICE), 300);
	EXPECT_EQ(t, ledger_peak(ACCT_DEVICE), 600);
	EXPECT_EQ(t, ledger_at_machine_peak(ACCT_DEVICE), 600);
	EXPECT_EQ(t, ledger_at_machine_peak(ACCT_ZSWAP), 0);
	for (int c = 0; c < 4; c++)
		for (int i = 75; i < 150; i++)
			page_put(on_credit[c][i]);
	EXPECT_EQ(t, ledger_frames(ACCT_DEVICE), 0);
}

/* Goal: an id is given out again only when nothing names it any more: neither a frame nor a slab object. */
TEST(ledger, owner_ids_are_reused)
{
	owner_t kept, frame_holder;
	struct page *p;
	void *obj;

	t_machine(t, 15, 1);
	kept = ledger_owner_create(OWNER_PROCESS, 1, "object");
	ledger_switch_owner(kept);
	obj = kmalloc(100, GFP_KERNEL);
	frame_holder = ledger_owner_create(OWNER_PROCESS, 2, "frame");
	ledger_switch_owner(frame_holder);
	p = page_alloc(GFP_KERNEL, 0, ACCT_DEVICE);
	ledger_switch_owner(OWNER_MACHINE);
	ledger_owner_release(kept);
	ledger_owner_release(frame_holder);
	for (int i = 0; i < 2000; i++) {
		owner_t o = ledger_owner_create(OWNER_PROCESS, 100 + i, "short");

		EXPECT(t, o && o != kept && o != frame_holder);
		ledger_owner_release(o);
	}
	kfree(obj);
	page_put(p);
	for (int i = 0; i < 2000; i++)
		ledger_owner_release(ledger_owner_create(OWNER_PROCESS, 100 + i, "short"));
}

TEST(ledger, table_full)
{
	owner_t o, last = 1;

	t_machine(t, 15, 1);
	for (int i = 0; i < 10000; i++) {
		o = ledger_owner_create(OWNER_PROCESS, i, "live");
		EXPECT(t, last || !o);		/* once full, it stays full */
		last = o;
	}
	EXPECT_EQ(t, last, OWNER_MACHINE);
}

TEST(ledger, peaks)
{
	struct page *p[10];
	long used;

	t_machine(t, 15, 1);
	ledger_reset_peaks();
	used = (long)nr_ram_pages() - ledger_frames(ACCT_FREE);
	for (unsigned i = 0; i < 10; i++)
		p[i] = page_alloc(GFP_KERNEL, 0, i < 6 ? ACCT_DEVICE : ACCT_ZSWAP);
	for (unsigned i = 0; i < 6; i++)
		page_put(p[i]);
	EXPECT_EQ(t, ledger_peak(ACCT_DEVICE), 6);
	EXPECT_EQ(t, ledger_at_machine_peak(ACCT_DEVICE), 6);
	EXPECT_EQ(t, ledger_at_machine_peak(ACCT_ZSWAP), 4);
	EXPECT_EQ(t, ledger_at_machine_peak(ACCT_FREE), (long)nr_ram_pages() - used - 10);
	for (unsigned i = 0; i < 5; i++)
		p[i] = page_alloc(GFP_KERNEL, 0, ACCT_VMALLOC);		/* 9 in all: below the peak of 10 */
	EXPECT_EQ(t, ledger_at_machine_peak(ACCT_VMALLOC), 0);
	EXPECT_EQ(t, ledger_peak(ACCT_VMALLOC), 5);
	ledger_reset_peaks();
	EXPECT_EQ(t, ledger_peak(ACCT_DEVICE), 0);
	EXPECT_EQ(t, ledger_at_machine_peak(ACCT_VMALLOC), 5);
	for (unsigned i = 0; i < 5; i++)
		page_put(p[i]);
	for (unsigned i = 6; i < 10; i++)
		page_put(p[i]);
}

TEST(ledger, move)
{
	struct page *p;

	t_machine(t, 15, 1);
	p = page_alloc(GFP_KERNEL, 1, ACCT_DEVICE);
	ledger_page_move(p, 1, ACCT_ZSWAP);
	EXPECT_EQ(t, ledger_frames(ACCT_DEVICE), 0);
	EXPECT_EQ(t, ledger_frames(ACCT_ZSWAP), 2);
	page_put(p);
	EXPECT_EQ(t, ledger_frames(ACCT_ZSWAP), 0);
}

/* The numbers of one kind of line, added up. */
static long sum_lines(const char *report, const char *kind, unsigned field)
{
	long sum = 0;
	size_t n = strlen(kind);

	for (const char *line = report; *line; line = strchr(line, '\n') + 1) {
		const char *f = line;

		if (strncmp(line, kind, n) || line[n] != ' ')
			continue;
		for (unsigned i = 0; i < field; i++)
			f = strchr(f, ' ') + 1;
		sum += (long)str_to_u64(f, NULL, 10);
	}
	return sum;
}

TEST(ledger, report)
{
	struct text out;
	const char *s;
	void *obj;

	t_machine(t, 15, 1);
	obj = kmalloc(5000, GFP_KERNEL);
	text_init(&out, &text_kernel_ops);
	EXPECT_EQ(t, ledger_report(&out), 0);
	s = text_str(&out);
	EXPECT_EQ(t, sum_lines(s, "ram_frames", 1), nr_ram_pages());
	EXPECT_EQ(t, sum_lines(s, "account", 3), nr_ram_pages());	/* now */
	EXPECT_EQ(t, sum_lines(s, "account", 5), nr_ram_pages());	/* at the machine's peak */
	EXPECT(t, strstr(s, "owner machine 0 machine "));
	EXPECT(t, strstr(s, "tests/unit/test_ledger.c:"));
	EXPECT(t, strstr(s, "test_ledger_report 8192 "));
	text_free(&out);
	kfree(obj);
}

static int audit_now(char *buf, size_t size)
{
	struct text out;
	int n;

	text_init_fixed(&out, buf, size);
	n = ledger_audit(&out);
	text_str(&out);
	return n;
}

/* Goal: the audit finds each kind of lie. Method: tell one, look, take it back. */
TEST(ledger, audit_finds)
{
	static char buf[4096];
	struct page *p;

	t_machine(t, 15, 1);
	EXPECT_EQ(t, audit_now(buf, sizeof(buf)), 0);
	EXPECT_STR(t, buf, "audit: ok\n");
	p = page_alloc(GFP_KERNEL, 0, ACCT_DEVICE);
	p->account = ACCT_MODULE;
	EXPECT_EQ(t, audit_now(buf, sizeof(buf)), 2);
	EXPECT(t, strstr(buf, "MISMATCH account:device 1 0\n") && strstr(buf, "MISMATCH account:modules 0 1\n"));
	p->account = ACCT_DEVICE;
	p->owner = 5;
	EXPECT(t, audit_now(buf, sizeof(buf)) == 2 && strstr(buf, "MISMATCH owner:"));
	p->owner = 0;
	p->site ^= 1;
	EXPECT(t, audit_now(buf, sizeof(buf)) >= 2 && strstr(buf, "MISMATCH site:"));
	p->site ^= 1;
	ledger_page_move(p, 0, ACCT_ANON);
	EXPECT(t, audit_now(buf, sizeof(buf)) == 1 && strstr(buf, "MISMATCH page:"));	/* a reference nobody holds */
	ledger_page_move(p, 0, ACCT_VMALLOC);
	EXPECT(t, audit_now(buf, sizeof(buf)) == 1 && strstr(buf, "MISMATCH vmalloc frames"));
	ledger_page_move(p, 0, ACCT_PAGE_TABLE);
	EXPECT(t, audit_now(buf, sizeof(buf)) == 1 && strstr(buf, "MISMATCH page tables"));
	ledger_page_move(p, 0, ACCT_DEVICE);
	page_put(p);
	EXPECT_EQ(t, audit_now(buf, sizeof(buf)), 0);
}

TEST(ledger, audit_out_of_memory)
{
	static char buf[4096];
	int n;

	t_machine(t, 15, 1);
	FAIL_EACH_ALLOC(t) {
		n = audit_now(buf, sizeof(buf));
		EXPECT(t, n == 0 || n == -12);
	}
}

/* Goal: a spike between two looks is in the timeline, each snapshot adds up, and a long history keeps its swings. */
TEST(ledger, timeline)
{
	static struct page *p[2000];
	struct text out;
	const char *s;
	unsigned lines = 0, spikes = 0;

	t_machine(t, 63, 1);
	EXPECT_EQ(t, ledger_timeline_start(), 0);
	for (unsigned round = 0; round < 300; round++) {
		unsigned n = round == 150 ? 2000 : 20 + round % 50 * 10;

		for (unsigned i = 0; i < n; i++)
			p[i] = page_alloc(GFP_KERNEL, 0, ACCT_DEVICE);
		page_put_bulk(p, n);
	}
	text_init(&out, &text_kernel_ops);
	EXPECT_EQ(t, ledger_timeline_report(&out), 0);
	s = text_str(&out);
	EXPECT(t, !strncmp(s, "accounts free reserved ", 23));
	for (const char *line = s; *line; line = strchr(line, '\n') + 1) {
		const char *f = line;
		long sum = 0, device = 0;

		if (strncmp(line, "snap ", 5))
			continue;
		lines++;
		for (unsigned i = 0; i < 2; i++)
			f = strchr(f, ' ') + 1;
		for (unsigned a = 0; a < NR_ACCOUNTS; a++) {
			f = strchr(f, ' ') + 1;
			sum += (long)str_to_u64(f, NULL, 10);
			if (a == ACCT_DEVICE)
				device = (long)str_to_u64(f, NULL, 10);
		}
		EXPECT_EQ(t, sum, nr_ram_pages());
		spikes += device >= 1980;
	}
	EXPECT_EQ(t, lines > 100 && lines <= 514 ? 1 : lines, 1);
	EXPECT_EQ(t, lines, sum_lines(s, "snapshots", 1));
	EXPECT(t, spikes >= 1);
	text_free(&out);
}

/*
 * Goal: the largest owners and call sites of a snapshot are the largest, though a snapshot looks only at a list of those that held
 * something before: owners made and gone meanwhile, ids used again, owners that were empty when the list was made.
 */
static long last_number(const char *report, const char *what)
{
	const char *at = report, *line = NULL;

	for (const char *snap = report; (snap = strstr(snap, "\nsnap ")); snap++)
		at = snap;
	line = strstr(at, what);
	return line ? (long)str_to_u64(line + strlen(what), NULL, 10) : 0;
}

TEST(ledger, timeline_holders)
{
	static struct page *p[20][300];
	owner_t owner[20];
	unsigned held[20];

	t_machine(t, 63, 1);
	for (unsigned i = 0; i < 20; i++) {		/* those below 10 are there and empty when the list is made */
		if (i == 10)
			EXPECT_EQ(t, ledger_timeline_start(), 0);
		owner[i] = ledger_owner_create(OWNER_PROCESS, 100 + (int)i, "holder");
		held[i] = 0;
	}
	for (unsigned round = 0; round < 60; round++) {
		unsigned who = round * 7 % 20, want = round * 97 % 300, all = 0;
		char name[32];
		struct text out;

		ledger_switch_owner(owner[who]);
		while (held[who] < want)
			p[who][held[who]++] = page_alloc(GFP_KERNEL, 0, ACCT_DEVICE);
		while (held[who] > want)
			page_put(p[who][--held[who]]);
		ledger_switch_owner(OWNER_MACHINE);
		if (round % 5 == 4) {			/* one ends, and a new one may get its id */
			while (held[who])
				page_put(p[who][--held[who]]);
			ledger_owner_release(owner[who]);
			owner[who] = ledger_owner_create(OWNER_PROCESS, 100 + (int)who, "holder");
		}
		text_init(&out, &text_kernel_ops);
		EXPECT_EQ(t, ledger_timeline_report(&out), 0);
		for (unsigned i = 0; i < 20; i++) {
			unsigned larger = 0;

			for (unsigned k = 0; k < 20; k++)
				larger += held[k] > held[i];
			all += held[i];
			snprintf(name, sizeof(name), "\no process %u holder ", 100 + i);
			if (held[i] && larger < 7)	/* the machine itself may be one of the eight */
				EXPECT_EQ(t, last_number(text_str(&out), name), held[i]);
		}
		if (all > 500)
			EXPECT_EQ(t, last_number(text_str(&out), " test_ledger_timeline_holders "), all);
		text_free(&out);
	}
}

#endif
