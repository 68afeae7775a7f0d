/*
 * options.c - the command line. The first word that is not an option ends ours: the rest is the program's.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/quire.h"

static const char help_text[] =
	"Usage: quire run [OPTIONS] [--] PROGRAM [ARGS]\n"
	"       quire shell [OPTIONS] [-- PROGRAM [ARGS]]\n"
	"       quire boot [OPTIONS]\n"
	"       quire doctor [--accel auto]\n"
	"       quire replay FILE.json [OPTIONS]\n"
	"       quire report FILE.json [--text|--html|--massif|--folded|--json] [-o OUT]\n"
	"       quire diff A.json B.json [--json] [--min SIZE] [--by SECTION]\n"
	"       quire top [--guest[=PID]] [-d SEC] [-n TIMES] [-b]\n"
	"       quire mem [--watch[=SEC]] [--json] [-p PID] [-n N] [--sort COLUMN] [--no-pss] [--modules]\n"
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
	"  mem     this machine's memory, user and kernel space, on any Linux; starts no guest\n"
	"  top     the same live; --guest: of the guest of a running quire run\n"
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
	"                         (kernel alone: kernel,every=1000)\n"
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
		n = n > 1u << 20 ? n : n << 10;		/* too many all the same */
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

static unsigned long parse_number(const char *option, const char *text, long least, long most)
{
	char *end;
	long n;

	errno = 0;
	n = strtol(text, &end, 0);
	if (end == text || *end || errno || n < least || n > most)
		fail("%s %s: give %ld to %ld", option, text, least, most);
	return (unsigned long)n;
}

/* Which of the n names. */
static unsigned int one_of(const char *option, const char *text, const char *const *names, unsigned int n, const char *list)
{
	for (unsigned int i = 0; i < n; i++)
		if (!strcmp(text, names[i]))
			return i;
	fail("--%s %s: give %s", option, text, list);
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

/* SIZE,pri=N as in fstab, or SIZE:N. *priority stays when none is named. */
uint64_t option_swap_size(const char *option, const char *arg, int *priority)
{
	char *size = must_alloc(strdup(arg)), *rest = size + strcspn(size, ",:");
	char priority_of[40];
	uint64_t bytes;

	if (*rest) {
		if (*rest == ',' && strncmp(rest, ",pri=", 5))
			fail("%s %s: give SIZE or SIZE,pri=N", option, arg);
		snprintf(priority_of, sizeof(priority_of), "%s: priority", option);
		*priority = (int)parse_number(priority_of, *rest == ':' ? rest + 1 : rest + 5, 0, 32767);
		*rest = 0;
	}
	bytes = parse_size(option, size);
	free(size);
	return bytes;
}

static void add_swap(struct options *o, const char *arg)
{
	struct disk *d = add_disk(o, "swap");

	d->priority = -1;
	d->swap_bytes = option_swap_size("--swap", arg, &d->priority);
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

static void set_accel(struct options *o, const char *arg)
{
	static const char *const names[] = {[ACCEL_AUTO] = "auto", [ACCEL_TCG] = "tcg", [ACCEL_KVM] = "kvm"};

	o->accel = (enum accel_wish)one_of("accel", arg, names, 3, "auto, tcg or kvm");
}

static void set_leaks(struct options *o, const char *arg)
{
	static const char *const names[] = {[LEAKS_STATUS] = "status", [LEAKS_ERROR] = "error", [LEAKS_WARN] = "warn"};

	o->module_leaks = (enum leak_wish)one_of("module-leaks", arg, names, 3, "status, error or warn");
}

static void set_memory(struct options *o, const char *arg)
{
	o->mem_bytes = parse_size("-m", arg);
	o->mem_chosen = true;
}

static void set_cpus(struct options *o, const char *arg)
{
	o->cpus = (unsigned int)parse_number("-p", arg, 1, 8);
}

static void add_rwdir(struct options *o, const char *arg)
{
	add_dir(o, "rwdir", MOUNT_RW, arg);
}

static void add_rodir(struct options *o, const char *arg)
{
	add_dir(o, "rodir", MOUNT_RO, arg);
}

static void add_overlay(struct options *o, const char *arg)
{
	add_dir(o, "overlay-rwdir", MOUNT_OVERLAY, arg);
}

static void set_rootfs(struct options *o, const char *arg)
{
	o->rootfs = absolute_dir("rootfs", arg);
}

static void set_initrd_extra(struct options *o, const char *arg)
{
	o->initrd_extra = absolute_dir("initrd-extra", arg);
}

static void set_timeout(struct options *o, const char *arg)
{
	o->timeout_s = parse_seconds("timeout", arg);
}

static void set_watchdog(struct options *o, const char *arg)
{
	o->watchdog_s = parse_seconds("watchdog", arg);
}

static void set_deterministic(struct options *o, const char *arg)
{
	(void)arg;
	o->deterministic = o->seeded = true;
}

static void set_seed(struct options *o, const char *arg)
{
	o->seed = parse_number("--seed", arg, 0, LONG_MAX);
	o->seed_chosen = true;
}

static void set_time_unit(struct options *o, const char *arg)
{
	(void)o;
	massif_unit = time_unit(arg);
}

static void help(struct options *o, const char *arg)
{
	(void)o;
	(void)arg;
	print_help(stdout);
	exit(0);
}

static void version(struct options *o, const char *arg)
{
	(void)o;
	(void)arg;
	puts("quire " QUIRE_VERSION);
	exit(0);
}

/* ---- the table: an option sets a flag, keeps a text, or calls a function ---- */

#define FLAG(field) .kind = IS_FLAG, .offset = offsetof(struct options, field)
#define TEXT(field) .kind = IS_TEXT, .offset = offsetof(struct options, field)
#define CALL(function) .kind = IS_CALL, .call = function
#define PLAIN(function) .kind = IS_PLAIN, .call = function /* no argument */

static const struct row {
	const char *name;
	char letter;
	enum { IS_FLAG, IS_TEXT, IS_CALL, IS_PLAIN } kind;
	size_t offset;
	void (*call)(struct options *o, const char *arg);
} rows[] = {
	{"memory", 'm', CALL(set_memory)},
	{"cpus", 'p', CALL(set_cpus)},
	{"tty", 't', FLAG(tty)},
	{"quiet", 'q', FLAG(quiet)},
	{"verbose", 'v', FLAG(verbose)},
	{"help", 'h', PLAIN(help)},
	{"version", 0, PLAIN(version)},
	{"dry-run", 0, FLAG(dry_run)},
	/* the machine */
	{"accel", 0, CALL(set_accel)},
	{"machine", 0, TEXT(machine)},
	{"cpu", 0, TEXT(cpu_model)},
	{"deterministic", 0, PLAIN(set_deterministic)},
	{"icount", 0, FLAG(deterministic)},
	{"seed", 0, CALL(set_seed)},
	{"append", 0, TEXT(append)},
	{"kernel", 0, TEXT(kernel)},
	{"initrd", 0, TEXT(initrd)},
	{"initrd-extra", 0, CALL(set_initrd_extra)},
	{"disk", 0, CALL(add_image)},
	{"swap", 0, CALL(add_swap)},
	{"zswap", 0, CALL(option_zswap)},
	{"zram", 0, CALL(option_zram)},
	/* short memory */
	{"fail-alloc", 0, CALL(option_fail_alloc)},
	{"overcommit", 0, CALL(option_overcommit)},
	{"pressure", 0, CALL(option_pressure)},
	{"reclaim", 0, CALL(option_reclaim)},
	{"sysctl", 0, CALL(option_sysctl)},
	/* files */
	{"rwdir", 0, CALL(add_rwdir)},
	{"rodir", 0, CALL(add_rodir)},
	{"overlay-rwdir", 0, CALL(add_overlay)},
	{"rootfs", 0, CALL(set_rootfs)},
	{"no-host", 0, FLAG(keep_root)},
	/* the driver, the program */
	{"module", 0, CALL(module_add)},
	{"module-leaks", 0, CALL(set_leaks)},
	{"root", 0, FLAG(as_root)},
	{"cgroup", 0, CALL(option_cgroup)},
	{"timeout", 0, CALL(set_timeout)},
	{"watchdog", 0, CALL(set_watchdog)},
	/* what is reported */
	{"json", 0, TEXT(json_file)},
	{"report", 0, TEXT(html_file)},
	{"html", 0, TEXT(html_file)},
	{"stacks", 0, FLAG(stacks)},
	{"heap", 0, FLAG(heap)},
	{"folded", 0, TEXT(folded_file)},
	{"massif", 0, TEXT(massif_file)},
	{"time-unit", 0, CALL(set_time_unit)},
	{"audit", 0, FLAG(audit)},
	{"log", 0, TEXT(log_file)},
};
#define NR_ROWS (sizeof(rows) / sizeof(rows[0]))
#define FIRST_LONG 256 /* above all letters */

static bool takes_argument(const struct row *r)
{
	return r->kind == IS_TEXT || r->kind == IS_CALL;
}

static void apply(struct options *o, const struct row *r, const char *arg)
{
	void *field = (char *)o + r->offset;

	if (r->call)
		r->call(o, arg);
	else if (r->kind == IS_FLAG)
		*(bool *)field = true;
	else
		*(const char **)field = arg;
}

/* getopt's own table and letters, from ours. */
static int next_option(int argc, char **argv)
{
	static struct option all[NR_ROWS + 1];
	static char letters[2 * NR_ROWS + 2] = "+";

	if (!all[0].name)
		for (size_t i = 0, at = 1; i < NR_ROWS; i++) {
			all[i].name = rows[i].name;
			all[i].has_arg = takes_argument(&rows[i]) ? required_argument : no_argument;
			all[i].val = FIRST_LONG + (int)i;
			if (rows[i].letter)
				at += (size_t)sprintf(letters + at, "%c%s", rows[i].letter, takes_argument(&rows[i]) ? ":" : "");
		}
	return getopt_long(argc, argv, letters, all, NULL);
}

static const struct row *find_row(int opt)
{
	if (opt >= FIRST_LONG)
		return &rows[opt - FIRST_LONG];
	for (size_t i = 0; i < NR_ROWS; i++)
		if (opt == rows[i].letter && opt)
			return &rows[i];
	fprintf(stderr, "Try 'quire --help'.\n");
	exit(STATUS_QUIRE_FAILED);
}

/* Better now than after the run: the folder is there and the file may be written. */
static void check_output(const char *option, const char *file)
{
	char *folder;
	const char *slash;
	struct stat st;

	if (file && stat(file, &st) == 0 && S_ISDIR(st.st_mode))
		fail("--%s %s: %s", option, file, strerror(EISDIR));
	if (!file || access(file, W_OK) == 0)
		return;
	if (errno != ENOENT)
		fail("--%s %s: %s", option, file, strerror(errno));
	slash = strrchr(file, '/');
	folder = must_alloc(slash ? strndup(file, (size_t)(slash - file) + 1) : strdup("."));
	if (access(folder, W_OK | X_OK) < 0)
		fail("--%s %s: %s", option, file, strerror(errno));
	free(folder);
}

static void check(const struct options *o)
{
	check_output("json", o->json_file);
	check_output("report", o->html_file);
	check_output("massif", o->massif_file);
	check_output("folded", o->folded_file);
	if (strncmp(o->machine, "microvm", 7) && strncmp(o->machine, "q35", 3))
		fail("--machine %s: give microvm or q35", o->machine);
	if (o->seed_chosen && !o->seeded)
		fail("--seed: it needs --deterministic");
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
	while ((opt = next_option(argc, argv)) >= 0)
		apply(o, find_row(opt), optarg);
	o->given = argv + 1;
	o->nr_given = optind - 1;
	if (o->nr_given && !strcmp(o->given[o->nr_given - 1], "--"))
		o->nr_given--;
	o->argv = argv + optind;
	o->argc = argc - optind;
	name_tags(o);
	check(o);
	if (!o->mem_bytes)
		o->mem_bytes = choose_memory();
}
