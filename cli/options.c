/*
 * options.c - the command line. The first word that is not an option ends ours: the rest is the program's.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/quire.h"

enum {
	OPT_RWDIR = 256,
	OPT_RODIR,
	OPT_OVERLAY,
	OPT_JSON,
	OPT_DRY_RUN,
	OPT_MACHINE,
	OPT_CPU,
	OPT_ACCEL,
	OPT_DETERMINISTIC,
	OPT_ICOUNT,
	OPT_SEED,
	OPT_TIMEOUT,
	OPT_WATCHDOG,
	OPT_APPEND,
	OPT_KERNEL,
	OPT_INITRD,
	OPT_INITRD_EXTRA,
	OPT_LOG,
	OPT_MASSIF,
	OPT_HTML,
	OPT_AUDIT,
	OPT_STACKS,
	OPT_HEAP,
	OPT_FOLDED,
	OPT_TIME_UNIT,
	OPT_ROOT,
	OPT_DISK,
	OPT_CGROUP,
	OPT_SWAP,
	OPT_ZSWAP,
	OPT_ZRAM,
	OPT_FAIL_ALLOC,
	OPT_OVERCOMMIT,
	OPT_PRESSURE,
	OPT_RECLAIM,
	OPT_SYSCTL,
	OPT_ROOTFS,
	OPT_NO_HOST,
	OPT_MODULE,
	OPT_MODULE_LEAKS,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{"memory", required_argument, NULL, 'm'},
	{"cpus", required_argument, NULL, 'p'},
	{"tty", no_argument, NULL, 't'},
	{"quiet", no_argument, NULL, 'q'},
	{"verbose", no_argument, NULL, 'v'},
	{"rwdir", required_argument, NULL, OPT_RWDIR},
	{"rodir", required_argument, NULL, OPT_RODIR},
	{"overlay-rwdir", required_argument, NULL, OPT_OVERLAY},
	{"json", required_argument, NULL, OPT_JSON},
	{"dry-run", no_argument, NULL, OPT_DRY_RUN},
	{"machine", required_argument, NULL, OPT_MACHINE},
	{"cpu", required_argument, NULL, OPT_CPU},
	{"accel", required_argument, NULL, OPT_ACCEL},
	{"deterministic", no_argument, NULL, OPT_DETERMINISTIC},
	{"icount", no_argument, NULL, OPT_ICOUNT},
	{"seed", required_argument, NULL, OPT_SEED},
	{"timeout", required_argument, NULL, OPT_TIMEOUT},
	{"watchdog", required_argument, NULL, OPT_WATCHDOG},
	{"append", required_argument, NULL, OPT_APPEND},
	{"kernel", required_argument, NULL, OPT_KERNEL},
	{"initrd", required_argument, NULL, OPT_INITRD},
	{"initrd-extra", required_argument, NULL, OPT_INITRD_EXTRA},
	{"log", required_argument, NULL, OPT_LOG},
	{"disk", required_argument, NULL, OPT_DISK},
	{"cgroup", required_argument, NULL, OPT_CGROUP},
	{"swap", required_argument, NULL, OPT_SWAP},
	{"zswap", required_argument, NULL, OPT_ZSWAP},
	{"zram", required_argument, NULL, OPT_ZRAM},
	{"fail-alloc", required_argument, NULL, OPT_FAIL_ALLOC},
	{"overcommit", required_argument, NULL, OPT_OVERCOMMIT},
	{"pressure", required_argument, NULL, OPT_PRESSURE},
	{"reclaim", required_argument, NULL, OPT_RECLAIM},
	{"sysctl", required_argument, NULL, OPT_SYSCTL},
	{"report", required_argument, NULL, OPT_HTML},
	{"html", required_argument, NULL, OPT_HTML},
	{"massif", required_argument, NULL, OPT_MASSIF},
	{"audit", no_argument, NULL, OPT_AUDIT},
	{"stacks", no_argument, NULL, OPT_STACKS},
	{"heap", no_argument, NULL, OPT_HEAP},
	{"folded", required_argument, NULL, OPT_FOLDED},
	{"time-unit", required_argument, NULL, OPT_TIME_UNIT},
	{"root", no_argument, NULL, OPT_ROOT},
	{"rootfs", required_argument, NULL, OPT_ROOTFS},
	{"no-host", no_argument, NULL, OPT_NO_HOST},
	{"module", required_argument, NULL, OPT_MODULE},
	{"module-leaks", required_argument, NULL, OPT_MODULE_LEAKS},
	{"help", no_argument, NULL, OPT_HELP},
	{"version", no_argument, NULL, OPT_VERSION},
	{0},
};

static const char help_text[] =
	"Usage: quire run [OPTIONS] [--] PROGRAM [ARGS]\n"
	"       quire shell [OPTIONS] [-- PROGRAM [ARGS]]\n"
	"       quire boot [OPTIONS]\n"
	"       quire doctor [--accel auto]\n"
	"       quire replay FILE.json [OPTIONS]\n"
	"       quire report FILE.json [--text|--html|--massif|--folded] [-o OUT]\n"
	"       quire diff A.json B.json [--json]\n"
	"       quire top [--guest] [-d SEC] [-b]\n"
	"       quire mem [--watch] [--json] [-p PID] [--sort COLUMN]\n"
	"\n"
	"Boot the Quire kernel over this machine's own files, run one program in it, pass its\n"
	"input, output and exit status through, and show where the memory went.\n"
	"\n"
	"  run     run PROGRAM; its exit status is ours\n"
	"  shell   an interactive shell with job control, on a terminal of its own\n"
	"  boot    boot only, the kernel's log on the terminal\n"
	"  replay  a run made with --deterministic once more, to the instruction\n"
	"  report  draw the report of an earlier run again, from its JSON\n"
	"  diff    what changed between two runs\n"
	"  top     the same live; --guest: of the guest of a running quire run\n"
	"  mem     this machine's memory, user and kernel space, on any Linux; starts no guest\n"
	"  doctor  which accelerator, which QEMU, what is missing and how to get it\n"
	"\n"
	"The machine\n"
	"  -m, --memory SIZE      RAM: 64M, 1G; a bare number is MiB (default: a quarter of what\n"
	"                         is free here, 1G at most)\n"
	"  -p, --cpus N           processors, 1 to 8 (default 1)\n"
	"      --accel WHICH      auto, tcg or kvm (default auto: kvm when a probe proved it)\n"
	"      --machine TYPE     microvm or q35 (default microvm)\n"
	"      --cpu MODEL        QEMU's -cpu\n"
	"      --deterministic    the same run each time, to the instruction; --seed N: another one;\n"
	"                         one processor, no standard input; repeat with: quire replay FILE.json\n"
	"      --icount           guest time follows the count of instructions, not the host's clock\n"
	"      --swap SIZE[,pri=N] swap space for this run; may be given several times\n"
	"      --zswap PERCENT    a pool of compressed pages, so much of RAM, in front of it\n"
	"      --zram SIZE[,pri=N] swap space in memory, compressed (priority 100)\n"
	"      --disk FILE[:ro]   a disk image as the next of /dev/vda, vdb ...\n"
	"      --append TEXT      more kernel command line\n"
	"      --kernel FILE      another kernel; --initrd FILE another initramfs;\n"
	"                         --initrd-extra DIR adds DIR's files to it\n"
	"Short memory, on purpose\n"
	"      --fail-alloc WHICH the program's N-th request for memory fails with ENOMEM; also\n"
	"                         every=N, p=0.01,seed=7, times=N; kernel,WHICH: the kernel's own\n"
	"      --pressure WHEN    at=2s,free=5%,for=3s: no more than that is free for a while\n"
	"      --overcommit MODE  0, 1 or 2; 2,ratio=50 or 2,kbytes=N: malloc fails instead\n"
	"      --reclaim POLICY   which pages go first: lists (default), generations, second-chance\n"
	"      --sysctl NAME=VALUE  as sysctl(8), e.g. vm.swappiness=100\n"
	"Files: the host's root is there read-only, with changes kept in guest memory\n"
	"      --rwdir DIR        changes below DIR go to the host (GUEST=HOST: seen elsewhere)\n"
	"      --rodir DIR        DIR, read-only\n"
	"      --overlay-rwdir DIR  DIR, changes kept in guest memory, also below an --rwdir\n"
	"      --rootfs DIR       DIR instead of / (its own /bin, /lib ...)\n"
	"      --no-host          no host files at all: only the initramfs\n"
	"The driver\n"
	"      --module FILE.ko[,PARAM=VALUE...]  load it, run the program, unload it, say what it\n"
	"                         did not give back, by place in the source; several: in this order\n"
	"      --module-leaks HOW status: what is left makes a success 123 (default); error: any\n"
	"                         status; warn: none\n"
	"The program\n"
	"  -t, --tty              give it a terminal instead of pipes\n"
	"      --root             run it as root (default: as you)\n"
	"      --cgroup FILE=VALUE  in a cgroup of its own, e.g. memory.max=64M; several: FILE=V,FILE=V\n"
	"      --timeout SEC      stop after SEC seconds, status 124\n"
	"      --watchdog SEC     a guest silent for SEC seconds is stopped (default 60, 0: never)\n"
	"What is reported\n"
	"  -q, --quiet            no report\n"
	"      --json FILE        the report as JSON\n"
	"      --report FILE      the report as one page with plots, for a browser (also --html)\n"
	"      --stacks           memory by call stack, user and kernel, with function, file and line\n"
	"      --heap             every malloc and free of dynamic programs, by call stack: live, leaked, temporary\n"
	"      --folded FILE      call stacks, one a line, for flame graphs\n"
	"      --massif FILE      memory over time, for ms_print and massif-visualizer\n"
	"      --time-unit UNIT   its time axis: ms, i (instructions, with --deterministic), B (bytes allocated)\n"
	"      --audit            let the kernel recount all of its memory at the end and compare\n"
	"      --log FILE         the guest kernel's log\n"
	"  -v, --verbose          the QEMU command and the kernel's log on stderr\n"
	"      --dry-run          print the QEMU command, run nothing\n"
	"\n"
	"Status: the program's; 128+N when signal N ended it; 124 timeout; 125 quire failed or the\n"
	"guest died; 126 cannot execute; 127 not found.\n";

void print_help(FILE *to)
{
	fputs(help_text, to);
}

static uint64_t parse_size(const char *option, const char *text)
{
	char *end;
	unsigned long long n;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (end == text || errno || text[0] == '-')
		fail("%s %s: not a size", option, text);
	switch (*end) {
	case 'G':
	case 'g':
		n <<= 10;
		/* fall through */
	case 'M':
	case 'm':
		end++;
		break;
	case 'K':
	case 'k':
		n >>= 10;
		end++;
		break;
	}
	if (*end == 'B' || *end == 'b')
		end++;
	if (*end || n < 4 || n > 1u << 20)
		fail("%s %s: give 4M to 1024G", option, text);
	return (uint64_t)n << 20;
}

static double parse_seconds(const char *option, const char *text)
{
	char *end;
	double s = strtod(text, &end);

	if (end == text || *end || !(s >= 0) || s > 1e7)
		fail("--%s %s: not a number of seconds", option, text);
	return s;
}

static unsigned int parse_cpus(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end || n < 1 || n > 8)
		fail("-p %s: give 1 to 8", text);
	return (unsigned int)n;
}

static char *absolute_dir(const char *option, const char *path)
{
	struct stat st;
	char *real = realpath(path, NULL);

	if (!real)
		fail("--%s %s: %s", option, path, strerror(errno));
	if (stat(real, &st) < 0 || !S_ISDIR(st.st_mode))
		fail("--%s %s: not a directory", option, path);
	return real;
}

static void add_dir(struct options *o, const char *option, enum wire_mount_kind kind, const char *arg)
{
	struct shared_dir *d = &o->dirs[o->nr_dirs];
	const char *equals = strchr(arg, '=');

	if (o->nr_dirs == MAX_DIRS)
		fail("--%s %s: more than %d folders", option, arg, MAX_DIRS);
	d->kind = kind;
	if (equals && arg[0] == '/' && kind != MOUNT_OVERLAY) {
		d->guest = must_alloc(strndup(arg, (size_t)(equals - arg)));
		d->host = absolute_dir(option, equals + 1);
	} else {
		d->host = absolute_dir(option, arg);
		d->guest = d->host;
	}
	if (!strcmp(d->guest, "/"))
		fail("--%s /: the root itself stays under its overlay; name the folders you need", option);
	o->nr_dirs++;
}

static struct disk *add_disk(struct options *o, const char *option)
{
	if (o->nr_disks == MAX_DISKS)
		fail("--%s: more than %d disks", option, MAX_DISKS);
	return &o->disks[o->nr_disks++];
}

static void add_swap(struct options *o, const char *arg)
{
	struct disk *d = add_disk(o, "swap");
	char *size = must_alloc(strdup(arg)), *rest = size + strcspn(size, ",:"), *end;

	d->priority = -1;
	if (*rest) { /* SIZE,pri=N as in fstab, or SIZE:N */
		char *number = *rest == ':' ? rest + 1 : rest + 5;

		if (*rest == ',' && strncmp(rest, ",pri=", 5))
			fail("--swap %s: give SIZE or SIZE,pri=N", arg);
		*rest = 0;
		d->priority = (int)strtol(number, &end, 10);
		if (end == number || *end || d->priority < 0 || d->priority > 32767)
			fail("--swap %s: a priority is 0 to 32767", arg);
	}
	d->swap_bytes = parse_size("--swap", size);
	free(size);
}

static void add_knob(struct options *o, const char *path, const char *value)
{
	char *text = NULL;

	if (o->nr_knobs == sizeof(o->knobs) / sizeof(o->knobs[0]))
		fail("%s=%s: more settings than there is room for", path, value);
	if (asprintf(&text, "%s=%s", path, value) < 0)
		fail("out of memory");
	o->knobs[o->nr_knobs++] = text;
}

/* "25%": compressed in memory first, up to so much of RAM. */
static void add_zswap(struct options *o, const char *arg)
{
	char number[8], *end;
	long percent = strtol(arg, &end, 10);

	if (end == arg || (*end && strcmp(end, "%")) || percent < 1 || percent > 100)
		fail("--zswap %s: give 1%% to 100%% of RAM", arg);
	snprintf(number, sizeof(number), "%ld", percent);
	add_knob(o, "/sys/module/zswap/parameters/max_pool_percent", number);
	add_knob(o, "/sys/module/zswap/parameters/enabled", "1");
}

static void add_zram(struct options *o, const char *arg)
{
	char *size = must_alloc(strdup(arg)), *pri = strstr(size, ",pri="), *end;

	if (o->nr_zrams == MAX_ZRAMS)
		fail("--zram %s: more than %d", arg, MAX_ZRAMS);
	o->zram_priority[o->nr_zrams] = 100; /* before the disks */
	if (pri) {
		*pri = 0;
		o->zram_priority[o->nr_zrams] = (int)strtol(pri + 5, &end, 10);
		if (end == pri + 5 || *end || o->zram_priority[o->nr_zrams] < 0 || o->zram_priority[o->nr_zrams] > 32767)
			fail("--zram %s: a priority is 0 to 32767", arg);
	}
	o->zram_bytes[o->nr_zrams++] = parse_size("--zram", size);
	free(size);
}

/* "2,ratio=50": malloc fails when the promise would be too large. */
static void add_overcommit(struct options *o, const char *arg)
{
	char *list = must_alloc(strdup(arg)), *save = NULL, *w = strtok_r(list, ",", &save);

	if (!w || strlen(w) != 1 || *w < '0' || *w > '2')
		fail("--overcommit %s: give 0, 1 or 2, then ,ratio=PERCENT or ,kbytes=N", arg);
	add_knob(o, "/proc/sys/vm/overcommit_memory", w);
	while ((w = strtok_r(NULL, ",", &save))) {
		bool ratio = !strncmp(w, "ratio=", 6), kbytes = !strncmp(w, "kbytes=", 7);
		const char *n = strchr(w, '=');

		if ((!ratio && !kbytes) || !n[1] || n[1 + strspn(n + 1, "0123456789")])
			fail("--overcommit %s: give ,ratio=PERCENT or ,kbytes=N", arg);
		add_knob(o, ratio ? "/proc/sys/vm/overcommit_ratio" : "/proc/sys/vm/overcommit_kbytes", n + 1);
	}
	free(list);
}

/* The kernel reads the rest; here only what a slip of the finger makes. */
static void add_fail_alloc(struct options *o, const char *arg)
{
	const char *which = !strncmp(arg, "kernel,", 7) ? arg + 7 : arg;

	if (strncmp(which, "every=", 6) && strncmp(which, "p=", 2) && (*which < '1' || *which > '9'))
		fail("--fail-alloc %s: give N, every=N or p=0.01,seed=N, with kernel, before it or ,times=N behind", arg);
	add_knob(o, "/proc/ledger/failures", arg);
}

static void add_pressure(struct options *o, const char *arg)
{
	if (!strstr(arg, "for=") || !strstr(arg, "free="))
		fail("--pressure %s: give at=2s,free=5%%,for=3s", arg);
	add_knob(o, "/proc/ledger/pressure", arg);
}

static void add_sysctl(struct options *o, const char *arg)
{
	const char *equals = strchr(arg, '=');
	char path[256];

	if (!equals || equals == arg || equals - arg > 200)
		fail("--sysctl %s: give NAME=VALUE", arg);
	snprintf(path, sizeof(path), "/proc/sys/%.*s", (int)(equals - arg), arg);
	for (char *p = path; *p; p++)
		if (*p == '.')
			*p = '/';
	add_knob(o, path, equals + 1);
}

/* "memory.max=64M,memory.high=48M" */
static void add_cgroup(struct options *o, const char *arg)
{
	char *list = must_alloc(strdup(arg)), *save = NULL; /* kept: the options point into it */

	for (char *w = strtok_r(list, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		const char *equals = strchr(w, '=');

		if (!equals || equals == w || memchr(w, '/', (size_t)(equals - w)))
			fail("--cgroup %s: give FILE=VALUE, for example memory.max=64M", w);
		if (o->nr_cgroup == 16)
			fail("--cgroup %s: more than 16 settings", w);
		o->cgroup[o->nr_cgroup++] = w;
	}
}

static void add_image(struct options *o, const char *arg)
{
	struct disk *d = add_disk(o, "disk");
	char *file = must_alloc(strdup(arg));
	size_t len = strlen(file);

	if (len > 3 && !strcmp(file + len - 3, ":ro")) {
		d->read_only = true;
		file[len - 3] = 0;
	}
	if (access(file, d->read_only ? R_OK : R_OK | W_OK) < 0)
		fail("--disk %s: %s", file, strerror(errno));
	d->file = file;
}

/* A folder inside another must be mounted after it. */
static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct shared_dir *)a)->guest, ((const struct shared_dir *)b)->guest);
}

static void name_tags(struct options *o)
{
	unsigned int n = 0;

	qsort(o->dirs, o->nr_dirs, sizeof(o->dirs[0]), by_path);
	for (unsigned int i = 0; i < o->nr_dirs; i++)
		if (o->dirs[i].kind != MOUNT_OVERLAY)
			snprintf(o->dirs[i].tag, sizeof(o->dirs[i].tag), "rw%u", n++);
}

static enum accel_wish parse_accel(const char *text)
{
	if (!strcmp(text, "auto"))
		return ACCEL_AUTO;
	if (!strcmp(text, "tcg"))
		return ACCEL_TCG;
	if (!strcmp(text, "kvm"))
		return ACCEL_KVM;
	fail("--accel %s: give auto, tcg or kvm", text);
}

static enum leak_wish parse_leaks(const char *text)
{
	if (!strcmp(text, "status"))
		return LEAKS_STATUS;
	if (!strcmp(text, "error"))
		return LEAKS_ERROR;
	if (!strcmp(text, "warn"))
		return LEAKS_WARN;
	fail("--module-leaks %s: give status, error or warn", text);
}

static void parse_long(struct options *o, int opt)
{
	switch (opt) {
	case OPT_RWDIR:
		add_dir(o, "rwdir", MOUNT_RW, optarg);
		break;
	case OPT_RODIR:
		add_dir(o, "rodir", MOUNT_RO, optarg);
		break;
	case OPT_OVERLAY:
		add_dir(o, "overlay-rwdir", MOUNT_OVERLAY, optarg);
		break;
	case OPT_ROOTFS:
		o->rootfs = absolute_dir("rootfs", optarg);
		break;
	case OPT_ACCEL:
		o->accel = parse_accel(optarg);
		break;
	case OPT_TIMEOUT:
		o->timeout_s = parse_seconds("timeout", optarg);
		break;
	case OPT_WATCHDOG:
		o->watchdog_s = parse_seconds("watchdog", optarg);
		break;
	case OPT_MACHINE:
		o->machine = optarg;
		break;
	case OPT_CPU:
		o->cpu_model = optarg;
		break;
	case OPT_DETERMINISTIC:
		o->deterministic = o->seeded = true;
		break;
	case OPT_ICOUNT:
		o->deterministic = true;
		break;
	case OPT_SEED:
		o->seed = strtoul(optarg, NULL, 0);
		break;
	case OPT_APPEND:
		o->append = optarg;
		break;
	case OPT_KERNEL:
		o->kernel = optarg;
		break;
	case OPT_INITRD:
		o->initrd = optarg;
		break;
	case OPT_INITRD_EXTRA:
		o->initrd_extra = absolute_dir("initrd-extra", optarg);
		break;
	case OPT_JSON:
		o->json_file = optarg;
		break;
	case OPT_HTML:
		o->html_file = optarg;
		break;
	case OPT_STACKS:
		o->stacks = true;
		break;
	case OPT_HEAP:
		o->heap = true;
		break;
	case OPT_TIME_UNIT:
		massif_unit = time_unit(optarg);
		break;
	case OPT_FOLDED:
		o->folded_file = optarg;
		break;
	case OPT_MASSIF:
		o->massif_file = optarg;
		break;
	case OPT_LOG:
		o->log_file = optarg;
		break;
	case OPT_AUDIT:
		o->audit = true;
		break;
	case OPT_FAIL_ALLOC:
		add_fail_alloc(o, optarg);
		break;
	case OPT_OVERCOMMIT:
		add_overcommit(o, optarg);
		break;
	case OPT_PRESSURE:
		add_pressure(o, optarg);
		break;
	case OPT_RECLAIM:
		o->reclaim = optarg;
		add_knob(o, "/sys/kernel/mm/reclaim_policy", optarg);
		break;
	case OPT_SYSCTL:
		add_sysctl(o, optarg);
		break;
	case OPT_SWAP:
		add_swap(o, optarg);
		break;
	case OPT_ZSWAP:
		add_zswap(o, optarg);
		break;
	case OPT_ZRAM:
		add_zram(o, optarg);
		break;
	case OPT_CGROUP:
		add_cgroup(o, optarg);
		break;
	case OPT_DISK:
		add_image(o, optarg);
		break;
	case OPT_DRY_RUN:
		o->dry_run = true;
		break;
	case OPT_ROOT:
		o->as_root = true;
		break;
	case OPT_NO_HOST:
		o->keep_root = true;
		break;
	case OPT_MODULE:
		module_add(o, optarg);
		break;
	case OPT_MODULE_LEAKS:
		o->module_leaks = parse_leaks(optarg);
		break;
	case OPT_HELP:
		print_help(stdout);
		exit(0);
	case OPT_VERSION:
		puts("quire " QUIRE_VERSION);
		exit(0);
	default:
		fprintf(stderr, "Try 'quire --help'.\n");
		exit(STATUS_QUIRE_FAILED);
	}
}

static void check(const struct options *o)
{
	if (strncmp(o->machine, "microvm", 7) && strncmp(o->machine, "q35", 3))
		fail("--machine %s: give microvm or q35", o->machine);
	if (o->deterministic && o->cpus > 1)
		fail("--icount needs one processor: a count has no meaning across several");
	if (!strcmp(o->command, "run") && o->argc == 0)
		fail("run: which program? Try 'quire --help'");
}

void options_parse(struct options *o, int argc, char **argv)
{
	int opt;

	*o = (struct options){.command = argv[0], .cpus = 1, .machine = "microvm", .watchdog_s = 60, .seed = 1,
			      .rootfs = "/"};
	argv[0] = (char *)program_name; /* getopt's messages begin with it */
	while ((opt = getopt_long(argc, argv, "+m:p:tqvh", long_options, NULL)) >= 0) {
		switch (opt) {
		case 'm':
			o->mem_bytes = parse_size("-m", optarg);
			o->mem_chosen = true;
			break;
		case 'p':
			o->cpus = parse_cpus(optarg);
			break;
		case 't':
			o->tty = true;
			break;
		case 'q':
			o->quiet = true;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'h':
			opt = OPT_HELP;
			/* fall through */
		default:
			parse_long(o, opt);
		}
	}
	o->given = argv + 1;
	o->nr_given = optind - 1;
	o->argv = argv + optind;
	o->argc = argc - optind;
	name_tags(o);
	check(o);
	if (!o->mem_bytes)
		o->mem_bytes = choose_memory();
}
