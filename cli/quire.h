/*
 * quire.h - private to the host command: what was asked for, what came of it, and who does which part.
 * SHAPE       main -> options -> accel, job, qemu -> guest (one poll loop) -> ledger -> report, json
 */
#ifndef CLI_QUIRE_H
#define CLI_QUIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include "cli/report.h"
#include "user/wire.h"

#define QUIRE_VERSION "0.1"
#define REPORT_SCHEMA 2

/* Exit statuses of the command itself; everything else is the program's. */
#define STATUS_MODULE_LEAKS 123
#define STATUS_TIMEOUT 124
#define STATUS_QUIRE_FAILED 125
#define STATUS_NOT_EXECUTABLE 126
#define STATUS_NOT_FOUND 127

enum accel_wish { ACCEL_AUTO, ACCEL_TCG, ACCEL_KVM };

struct shared_dir {
	enum wire_mount_kind kind;
	char *guest, *host; /* absolute */
	char tag[28];
};

#define MAX_DIRS 20
#define MAX_DISKS 16

/* A block device of the machine: a file of the host, or swap space that lives as long as the run. */
#define MAX_ZRAMS 4

struct disk {
	const char *file; /* NULL: swap */
	uint64_t swap_bytes;
	int priority; /* of swap; -1: as it comes */
	bool read_only;
};

#define MAX_MODULES 16

/* A kernel module that is loaded before the program starts. */
struct module {
	char *file, *name, *image;
	const char *params;
	size_t len;
};

/* What a module's leak does to the exit status: LEAKS_STATUS replaces a success, LEAKS_ERROR any status of the program's. */
enum leak_wish { LEAKS_STATUS, LEAKS_ERROR, LEAKS_WARN };

/* What the user asked for. Strings belong to argv or live as long as the process. */
struct options {
	const char *command; /* run, shell, boot, doctor */
	uint64_t mem_bytes;  /* 0: choose from the host's memory */
	bool mem_chosen;
	unsigned int cpus;
	const char *machine, *cpu_model, *kernel, *initrd, *initrd_extra, *append;
	const char *json_file, *massif_file, *html_file, *folded_file, *log_file, *rootfs;
	enum accel_wish accel;
	double timeout_s, watchdog_s;
	bool quiet, verbose, dry_run, deterministic, tty, as_root, keep_root, audit, stacks, heap;
	struct shared_dir dirs[MAX_DIRS];
	unsigned int nr_dirs;
	struct disk disks[MAX_DISKS]; /* in the order the guest names them: vda, vdb ... */
	unsigned int nr_disks;
	struct module modules[MAX_MODULES];
	unsigned int nr_modules;
	enum leak_wish module_leaks;
	const char *cgroup[16]; /* "memory.max=64M" */
	unsigned int nr_cgroup;
	uint64_t zram_bytes[MAX_ZRAMS];
	int zram_priority[MAX_ZRAMS];
	unsigned int nr_zrams;
	const char *knobs[32]; /* "/proc/sys/vm/swappiness=100" */
	unsigned int nr_knobs;
	char **given; /* the options as they were typed, without the -- behind them */
	int nr_given;
	bool seeded, seed_chosen; /* --deterministic: the same run each time; --seed was given */
	unsigned long seed;
	const char *reclaim; /* policy, or NULL */
	char **argv;
	int argc;
};

/* How the machine will execute, and the words for it in every report. */
struct accel_choice {
	bool kvm;
	char why[96]; /* "kvm probe: timed out" */
};

enum run_end {
	END_NONE,
	END_EXITED,	  /* the program's own end: see .exit */
	END_EXEC_FAILED,  /* .exec_errno */
	END_AGENT_ERROR,  /* .message */
	END_PANIC,
	END_SILENT,
	END_VANISHED,	  /* QEMU ended, nobody knows why */
	END_TIMEOUT,
	END_INTERRUPTED,  /* .signal: the user insisted */
	END_NOT_STARTED,  /* .message */
};

struct run_result {
	enum run_end end;
	struct wire_exit exit;
	int exec_errno, signal;
	char message[600];
	unsigned int nr_oom; /* programs killed for want of memory, and the kernel's words for the last */
	char oom[200];
	bool done; /* the guest said that every file is written back */
	uint64_t boot_ns, start_ns, wall_ns; /* from Enter: agent up, program running, all over */
	unsigned int leaky_modules;
	enum leak_wish module_leaks;
	char *modules, *ledger_start, *ledger, *timeline, *audit, *processes, *files, *events, *cgroup; /* texts or NULL; owned */
	int qemu_status;      /* as from wait(2) */
};

/* main.c */
extern const char *program_name;
void fail(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));
void warn_user(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
uint64_t monotonic_ns(void);
void *must_alloc(void *p);

/* options.c: parse argv after the command word; exits with a message on misuse. */
void options_parse(struct options *o, int argc, char **argv);
uint64_t option_swap_size(const char *option, const char *arg, int *priority); /* "64M,pri=5"; exits on anything else */

/* options_memory.c: short memory on purpose; each exits with words when the argument is wrong */
void option_zswap(struct options *o, const char *arg);
void option_zram(struct options *o, const char *arg);
void option_overcommit(struct options *o, const char *arg);
void option_fail_alloc(struct options *o, const char *arg);
void option_pressure(struct options *o, const char *arg);
void option_sysctl(struct options *o, const char *arg);
void option_cgroup(struct options *o, const char *arg);
void option_reclaim(struct options *o, const char *arg);
void print_help(FILE *to);

/* paths.c: where the pieces are. Absolute paths the caller does not free; NULL when missing. */
const char *find_piece(const char *file);
const char *find_qemu(void);

/* accel.c */
struct accel_choice accel_choose(enum accel_wish wish, const char *qemu, bool fresh);

/* job.c: the JOB message for these options. Caller frees *data. */
void job_build(const struct options *o, uint64_t ignored, char **data, size_t *len);
uint64_t ignored_signals(void);
bool wants_stream(const struct options *o);

/* qemu.c: the machine as a process */
struct vm {
	pid_t pid;
	int ports[PORT_COUNT]; /* our ends; -1 when absent */
	int log, complaints;   /* kernel log; QEMU's own stderr */
};

struct qemu_args {
	char **argv;
	size_t count;
	int keep_fds[32]; /* inherited by QEMU under the same number */
	unsigned int nr_keep;
};

uint64_t choose_memory(void);
/* What an initramfs can get beyond its own files; NULL: not. */
struct initrd_extra {
	const char *dir;     /* its files */
	const char *heap_so; /* /heap.so */
	const char *job;     /* /job, a JOB message's body */
	size_t job_len;
};

/* job: of a run with --deterministic, which must not wait for a message of the host */
void qemu_build(struct qemu_args *a, const struct options *o, const char *job, size_t job_len, const struct accel_choice *accel, struct vm *vm);
void qemu_build_probe(struct qemu_args *a, const char *kernel);
void qemu_print(const struct qemu_args *a, FILE *to);
void qemu_start(struct vm *vm, const struct qemu_args *a);

/* initrd.c: a memfd with the initramfs and what is not NULL of the extra files; exits on failure. */
int initrd_with_extra(const char *initrd, const struct initrd_extra *extra);

/* swap.c: an unlinked file of that size with a swap header; exits on failure. */
int swap_file(uint64_t bytes);

/* log.c: the end of the guest kernel's log, line by line */
struct kernel_log {
	char *text;
	size_t len, size, line_start;
	bool panicked;
	unsigned int nr_oom;
	char oom[200]; /* the last line that told of a program killed for want of memory */
	FILE *copy;
	uint64_t bytes;
};

void log_add(struct kernel_log *log, const char *data, size_t len);
void log_print_tail(const struct kernel_log *log, FILE *to, unsigned int lines);

/* tty.c */
bool terminal_size(struct wire_winsize *w);
void terminal_raw(void);
void terminal_restore(void);

/* guest.c: one job in one machine. Prepare before the machine starts: signals wait from then on. */
void guest_prepare(uint64_t begin);
void guest_run(struct vm *vm, const struct options *o, char *job, size_t job_len, struct run_result *r);

/* ledger.c: /proc/ledger as numbers */
struct account {
	char name[32];
	enum account_space space;
	uint64_t start, now, own_peak, at_peak; /* frames */
};

struct slab_line {
	char name[48];
	uint64_t objects, bytes, pages;
};

struct ledger {
	uint64_t ram_frames, page_size, used_now, used_peak, peak_time_ns, now_time_ns;
	struct account accounts[48];
	unsigned int nr_accounts;
	struct slab_line slabs[128];
	unsigned int nr_slabs;
};

bool ledger_parse(struct ledger *l, const char *start, const char *end);
int64_t ledger_unaccounted_now(const struct ledger *l);
int64_t ledger_unaccounted_at_peak(const struct ledger *l);

/* timeline.c: /proc/ledger/timeline as numbers */
struct holder {
	char name[96]; /* "python3[7]"; "mm/slab/cache.c:41 slab_grow" */
	uint64_t frames;
};

#define MAX_HOLDERS 8
#define MAX_CACHES 96
#define MAX_EVENTS 24

struct snap {
	uint64_t time_ns, used;
	uint64_t frames[32]; /* by timeline.names */
	uint64_t slabs[MAX_CACHES], events[MAX_EVENTS];
	struct holder owners[MAX_HOLDERS], sites[MAX_HOLDERS];
	unsigned int nr_owners, nr_sites;
};

struct timeline {
	char names[32][32], slab_names[MAX_CACHES][32], event_names[MAX_EVENTS][32];
	unsigned int nr_names, nr_slabs, nr_events;
	struct snap *snaps;
	size_t nr_snaps;
};

bool timeline_parse(struct timeline *t, const char *text); /* false: there is none. timeline_free() either way */
void timeline_free(struct timeline *t);

/* json.c: what a run was, as docs/report-json.md has it */
json_t *report_build(const struct options *o, const struct accel_choice *a, const struct run_result *r);
bool report_json(FILE *to, json_t *report);

/* run.c: the status our caller sees */
int result_status(const struct run_result *r);

/* module.c: --module FILE[,PARAM=VALUE...]; exits with a message on misuse. */
void module_add(struct options *o, const char *arg);

/* render.c: the files that options ask for; `quire report` and `quire diff` */
void render_files(const struct options *o, const struct report *r);
int command_report(int argc, char **argv);
int command_diff(int argc, char **argv);

/* mem.c, top.c: this machine, or a guest */
int command_mem(int argc, char **argv);
int command_top(int argc, char **argv);

/* attach.c: `quire top` at a running `quire run` */
int attach_listen(void);
int attach_accept(int listener);
bool attach_answer(int client, const char *text, size_t len);
int attach_find(void);
int attach_connect(int pid);
char *attach_ask(int fd);

/* replay.c */
json_t *replay_json(const struct options *o);
int command_replay(int argc, char **argv);

/* run.c, boot.c, doctor.c: the commands; each returns the exit status */
int command_run(struct options *o);
int command_boot(struct options *o);
int command_doctor(struct options *o);

#endif
