/*
 * cli_parsers.c - what the command reads that others wrote: the kernel's texts, reports from files, the books of --heap, damaged on purpose.
 * WHY         a guest that went wrong, a file from another version or cut in the middle must give words, not a crash.
 * SHAPE       seeds -> damage (bytes, lines, numbers, by a seeded generator: every failure can be had again) -> the parsers
 *             -> every renderer, under ASan and UBSan; then massif.out is read back and its rules are checked.
 *             cli_parsers [ROUNDS [SEED]]
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "cli/heap.h"
#include "cli/quire.h"
#include "user/heap/heap_file.h"

static uint64_t state;

static unsigned int below(unsigned int n)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return n ? (unsigned int)(state >> 33) % n : 0;
}

static const char *const texts[] = {
	"ram_frames 1000\npage_size 4096\nused_now 300\nused_peak 400\npeak_time_ns 5000000\nnow_time_ns 9000000\n"
	"account free free 700 900 600\naccount slab kernel 100 120 110\naccount anon user 150 260 250\naccount page_cache cache 50 60 40\n"
	"slab inode_cache 10 6080 3\nslab kmalloc-8k 0 0 4\nowner machine 0 machine 10 500\nowner process 7 a\\040b 20 100\n"
	"site mm/fault.c:40 fault_anon_write 4096 8192 3 0\nsite fs/inode.c:50 inode_alloc 608 608 1 3488\n",
	"accounts free slab anon page_cache\nevents pgfault pgscan\ncaches inode_cache kmalloc-8k\nsnapshots 3\n"
	"snap 1000000 300 700 100 150 50\nv 5 0\nk 3 4\no process 7 py 200\ns mm/fault.c:40 fault_anon_write 150\n"
	"snap 5000000 400 600 110 250 40\nv 90 2\nk 3 5\no process 7 py 260\no machine 0 machine 9\n"
	"snap 9000000 300 700 100 150 50\nv 99 2\nk 3 4\n",
	"processes 2\nnot_kept 0\nprocess 7 1 a\\040b begin_ns 1 end_ns 9 peak_ns 5 charged_bytes 81920 rss_bytes 40960 pss_bytes 30000 "
	"uss_bytes 20000 swap_bytes 0 page_table_bytes 4096 kernel_bytes 77\nmap 30000 [heap]\nmap 10960 /usr/lib/x\\012y\n"
	"process 8 7 sh begin_ns 2 end_ns 0 peak_ns 0 charged_bytes 4096\n",
	"not_kept 0\nfile cache linked 12 3 0 py[7] /usr/bin/xz\nfile memfd deleted 700 0 700 py[7] /memfd:h (deleted)\nfile tmpfs linked 1 0 1 - /x\n",
};

#define NR_TEXTS (sizeof(texts) / sizeof(texts[0]))

static const char *const numbers[] = {"0", "18446744073709551615", "9223372036854775807", "-1", "1e308", "4294967296", "", "99999999999999999999"};

static void splice(char **s, size_t at, size_t gone, const char *in)
{
	size_t len = strlen(*s), n = strlen(in);
	char *out;

	at = at > len ? len : at;
	gone = gone > len - at ? len - at : gone;
	out = must_alloc(malloc(len - gone + n + 1));
	memcpy(out, *s, at);
	memcpy(out + at, in, n);
	memcpy(out + at + n, *s + at + gone, len - at - gone + 1);
	free(*s);
	*s = out;
}

/* A digit run somewhere: start and length. */
static bool find_number(const char *s, size_t *at, size_t *n)
{
	size_t len = strlen(s), from = len ? below((unsigned int)len) : 0;

	for (size_t i = from; i < len; i++) {
		*n = strspn(s + i, "0123456789");
		if (*n) {
			*at = i;
			return true;
		}
	}
	return false;
}

static void damage_once(char **s)
{
	size_t len = strlen(*s), at = below((unsigned int)len + 1), n;
	char odd[2] = {(char)(1 + below(255)), 0}, piece[64];

	switch (below(6)) {
	case 0:
		splice(s, at, 1, odd);
		break;
	case 1:
		splice(s, at, below(40), "");
		break;
	case 2:
		snprintf(piece, sizeof(piece), "%.*s", (int)below(60), *s + below((unsigned int)len + 1));
		splice(s, at, 0, piece);
		break;
	case 3:
		(*s)[at] = 0;
		break;
	default:
		if (find_number(*s, &at, &n))
			splice(s, at, n, numbers[below(sizeof(numbers) / sizeof(numbers[0]))]);
	}
}

static void damage(char **s)
{
	for (unsigned int n = below(6); n; n--)
		damage_once(s);
}

static void must(bool ok, const char *what, const char *line)
{
	if (!ok) {
		fprintf(stderr, "cli_parsers: %s: %s\n", what, line);
		abort();
	}
}

/* The rules of ms_print and its kin (docs/reports.md). */
static void check_massif(char *text)
{
	uint64_t room[600] = {0}, heap = 0, time, last = 0, bytes;
	unsigned int snapshot = 0, children, left[600] = {0};
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		size_t depth = strspn(line, " ");
		unsigned int number;

		if (sscanf(line, "snapshot=%u", &number) == 1)
			must(number == snapshot++, "numbers have a gap", line);
		else if (sscanf(line, "time=%" SCNu64, &time) == 1)
			must(time >= last, "time falls", line), last = time;
		else if (sscanf(line, "mem_heap_B=%" SCNu64, &bytes) == 1)
			heap = bytes;
		else if (sscanf(line + depth, "n%u: %" SCNu64, &children, &bytes) == 2) {
			must(depth < 600, "too deep", line);
			must(depth ? bytes <= room[depth - 1] : bytes == heap, "larger than its parent", line);
			must(!depth || left[depth - 1]-- > 0, "more children than said", line);
			must(!strchr(line, '#'), "a '#'", line);
			room[depth] = bytes;
			left[depth] = children;
		}
	}
}

static void draw(struct report *r)
{
	static bool (*const renderers[])(FILE *, const struct report *) = {report_html, report_folded, report_massif};

	for (size_t i = 0; i <= sizeof(renderers) / sizeof(renderers[0]); i++) {
		char *out = NULL;
		size_t len;
		FILE *f = must_alloc(open_memstream(&out, &len));
		bool drawn = true;

		if (i < sizeof(renderers) / sizeof(renderers[0]))
			drawn = renderers[i](f, r);
		else
			report_text(f, r, true);
		fclose(f);
		if (drawn && i < sizeof(renderers) / sizeof(renderers[0]) && renderers[i] == report_massif)
			check_massif(out);
		free(out);
	}
}

/* The run's own way: texts of the kernel. -> the JSON's text, for the other way. */
static char *by_texts(bool damaged)
{
	static char *argv[] = {"prog", "a#b\nc", NULL};
	const struct options o = {.argv = argv, .argc = 2, .machine = "microvm", .cpus = 1, .mem_bytes = 4096000};
	const struct accel_choice a = {.why = "test"};
	struct run_result r = {.end = END_EXITED, .wall_ns = 1};
	char *t[NR_TEXTS + 1], why[128], *json;
	struct report *report;

	for (size_t i = 0; i < NR_TEXTS; i++) {
		t[i] = must_alloc(strdup(texts[i]));
		if (damaged)
			damage(&t[i]);
	}
	r.ledger = t[0];
	r.ledger_start = (char *)texts[0];
	r.timeline = t[1];
	r.processes = t[2];
	r.files = t[3];
	report = report_load(report_build(&o, &a, &r), why, sizeof(why));
	json = json_dumps(report->root, JSON_COMPACT);
	draw(report);
	report_free(report);
	for (size_t i = 0; i < NR_TEXTS; i++)
		free(t[i]);
	return json;
}

static const char stacks[] =
	",\"stacks\":{\"frames\":[\"main (a.c:1)\",\"odd#;\\n<name>\"],\"trees\":[{\"kind\":\"heap\",\"columns\":[\"parent\",\"frame\",\"at_peak_bytes\"],"
	"\"nodes\":[[-1,0,500],[0,1,400],[1,1,300],[0,0,50]]}]}}";

static void by_json(const char *seed)
{
	char *text = must_alloc(malloc(strlen(seed) + sizeof(stacks))), why[256];
	struct report *r;
	json_t *j;

	strcpy(text, seed);
	if (below(2) && *text)
		strcpy(text + strlen(text) - 1, stacks);
	damage(&text);
	j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	r = j ? report_load(j, why, sizeof(why)) : NULL;
	if (r)
		draw(r);
	report_free(r);
	free(text);
}

/* ---- the books of --heap: parts of a file that a guest's process wrote ---- */

static struct books {
	struct heap_header head;
	struct heap_module modules[2];
	struct heap_snap snaps[3];
	struct heap_stack stacks[4];
	uint64_t pcs[12];
} good;

static void make_books(void)
{
	memset(&good, 0, sizeof(good));
	good.head = (struct heap_header){.magic = HEAP_MAGIC, .pid = 7, .parent = 1, .nr_stacks = 4, .nr_pcs = 12, .nr_modules = 2, .nr_snaps = 3,
					 .start_ns = 5, .peak_ns = 9, .peak = 600, .peaks = 3, .name = "prog"};
	for (unsigned int i = 0; i < 2; i++) {
		good.modules[i] = (struct heap_module){.start = 0x1000 * (i + 1), .end = 0x1000 * (i + 2), .bias = 0x1000 * i};
		strcpy(good.modules[i].path, i ? "/nowhere/lib.so" : "/nowhere/prog");
	}
	for (unsigned int i = 0; i < 4; i++)
		good.stacks[i] = (struct heap_stack){.total = 100 * i, .total_blocks = i, .freed = 50 * i, .freed_blocks = i / 2, .at_peak = 100 * i,
						     .seen = 3, .at_peak_blocks = i, .first = 3 * i, .depth = 3};
	for (unsigned int i = 0; i < 12; i++)
		good.pcs[i] = 0x1000 + 0x1ff * i;
	for (unsigned int i = 0; i < 3; i++)
		good.snaps[i] = (struct heap_snap){.time_ns = i, .total = i, .live = i, .nr = 1, .top = {{.stack = i, .bytes = 9}}};
}

/* `len` bytes of the file from `at` on, in a message of exactly their size. */
static void send_part(uint32_t process, uint64_t at, const void *from, size_t len)
{
	struct wire_heap w = {.process = process, .offset = at};
	char *message = must_alloc(malloc(sizeof(w) + len));

	memcpy(message, &w, sizeof(w));
	memcpy(message + sizeof(w), from, len);
	heap_part(message, below(50) ? sizeof(w) + len : below((unsigned int)(sizeof(w) + len)));
	free(message);
}

static void send_books(const struct books *b, uint32_t process, bool damaged)
{
	const struct { uint64_t at; const void *from; size_t len; } parts[] = {
		{0, &b->head, sizeof(b->head)}, {HEAP_AT_MODULES, b->modules, sizeof(b->modules)}, {HEAP_AT_SNAPS, b->snaps, sizeof(b->snaps)},
		{HEAP_AT_STACKS, b->stacks, sizeof(b->stacks)}, {HEAP_AT_PCS, b->pcs, sizeof(b->pcs)},
	};
	static const uint64_t odd[] = {1, 8, 4096, HEAP_FILE_SIZE, UINT64_MAX, UINT64_MAX - 100};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (damaged && !below(12))
			continue;			/* it never came */
		send_part(process, parts[i].at + (damaged && !below(12) ? odd[below(6)] : 0), parts[i].from,
			  damaged && !below(8) ? below((unsigned int)parts[i].len) : parts[i].len);
	}
}

static void damage_books(struct books *b)
{
	static const uint64_t values[] = {0, 1, 255, 65535, 65536, UINT32_MAX, INT64_MAX, UINT64_MAX};
	char *bytes = (char *)b;

	for (unsigned int n = below(8); n; n--) {
		size_t size = 1u << below(4), at = below((unsigned int)(sizeof(*b) / size)) * size;

		if (below(2))
			at %= sizeof(b->head);		/* where a number does most */
		at -= at % size;
		memcpy(bytes + at, &values[below(8)], size);
	}
}

static void by_heap(bool damaged)
{
	static char *argv[] = {"prog", NULL};
	const struct options o = {.argv = argv, .argc = 1};
	struct books b = good;
	json_t *frames = json_array(), *j;
	char *text;

	heap_forget();
	send_books(&good, 0, false);
	if (damaged)
		damage_books(&b);
	send_books(&b, damaged && !below(20) ? below(200) : 1, damaged);
	j = heap_json(&o, frames);
	text = j ? json_dumps(j, JSON_COMPACT) : NULL;
	must(!j || text, "the heap's JSON", "cannot be written");
	must(damaged || (j && json_array_size(json_object_get(j, "processes")) == 2), "the heap's JSON", "two processes are not two");
	free(text);
	json_decref(j);
	json_decref(frames);
}

int main(int argc, char **argv)
{
	unsigned int rounds = argc > 1 ? (unsigned int)atoi(argv[1]) : 3000;
	uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;

	make_books();
	for (unsigned int i = 0; i < rounds; i++) {
		char *json;

		state = seed + i;
		below(1);
		json = by_texts(i > 0);
		if (json)
			for (unsigned int k = 0; k < 4; k++)
				by_json(json);
		free(json);
		for (unsigned int k = 0; k < 10; k++)
			by_heap(i > 0);
	}
	heap_forget();
	printf("ok 1 - cli_parsers %u rounds from seed %" PRIu64 "\n1..1\n", rounds, seed);
	return 0;
}
