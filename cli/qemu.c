/*
 * qemu.c - the machine: QEMU's arguments, and QEMU as a child process.
 * SHAPE       microvm has no PCI: devices sit on virtio-mmio. q35 has the same devices on PCI. Control, the
 *             standard streams and the kernel log are socket pairs made here: QEMU sets O_NONBLOCK on what it
 *             is given, and our caller's descriptors must not be changed, so they are never given to it.
 * INVARIANTS  Q1 QEMU has its own session (no Ctrl-C of ours reaches it) and dies when we die.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "cli/quire.h"

static void arg(struct qemu_args *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void arg(struct qemu_args *a, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		fail("out of memory");
	va_end(ap);
	a->argv = must_alloc(realloc(a->argv, (a->count + 2) * sizeof(char *)));
	a->argv[a->count++] = text;
	a->argv[a->count] = NULL;
}

/* A comma inside an option's value is written twice. */
static char *escaped(const char *value)
{
	char *out = must_alloc(malloc(2 * strlen(value) + 1)), *p = out;

	for (; *value; value++) {
		*p++ = *value;
		if (*value == ',')
			*p++ = ',';
	}
	*p = 0;
	return out;
}

static int keep(struct qemu_args *a, int fd)
{
	a->keep_fds[a->nr_keep++] = fd;
	return fd;
}

/* A connected pair: our end returned, QEMU's end kept for it as character device `id`. */
static int socket_device(struct qemu_args *a, const char *id)
{
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		fail("cannot make a socket pair: %s", strerror(errno));
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	arg(a, "-chardev");
	arg(a, "socket,id=%s,fd=%d", id, keep(a, fds[1]));
	return fds[0];
}

/* Each byte of the log in a socket takes half a kilobyte of its buffer, and when that is full the guest waits. A pipe holds a megabyte. */
static int log_pipe(struct qemu_args *a)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		fail("cannot make a pipe: %s", strerror(errno));
	fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	arg(a, "-chardev");
	arg(a, "file,id=log,path=/proc/self/fd/%d", keep(a, fds[1]));
	return fds[0];
}

/* A quarter of what is free, 1 GiB at most: enough for a compiler or xz -9, and it costs only what is touched. */
uint64_t choose_memory(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];
	uint64_t mib;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %llu", &kib) == 1)
			break;
	if (f)
		fclose(f);
	mib = kib / 1024 / 4;
	if (mib > 1024 || mib == 0)
		mib = 1024;
	if (mib < 64)
		mib = 64;
	return (mib & ~31ull) << 20;
}

static bool is_microvm(const struct options *o)
{
	return !strncmp(o->machine, "microvm", 7);
}

/* More than the host may have: reserve nothing, the guest touches what it needs. */
static void add_memory(struct qemu_args *a, const struct options *o)
{
	unsigned long long mib = o->mem_bytes >> 20;

	arg(a, "-m");
	arg(a, "%lluM", mib);
	if (mib <= 4096)
		return;
	arg(a, "-object");
	arg(a, "memory-backend-ram,id=ram,size=%lluM,reserve=off", mib);
	arg(a, "-machine");
	arg(a, "memory-backend=ram");
}

static void add_machine(struct qemu_args *a, const struct options *o, const struct accel_choice *accel)
{
	arg(a, "-M");
	if (!strcmp(o->machine, "microvm")) /* ACPI's tables name the processors; without them a smaller BIOS starts */
		arg(a, "microvm,acpi=%s,pit=off,pic=off,rtc=%s,isa-serial=on,auto-kernel-cmdline=on",
		    o->cpus > 1 ? "on" : "off", o->seeded ? "off" : "on"); /* its alarm would be the next event of an idle machine */
	else
		arg(a, "%s", o->machine);
	if (is_microvm(o)) {
		arg(a, "-global");
		arg(a, "virtio-mmio.force-legacy=false");
	}
	arg(a, "-accel");
	if (accel->kvm)
		arg(a, "kvm");
	else
		arg(a, "tcg,thread=%s", o->cpus > 1 ? "multi" : "single");
	arg(a, "-cpu");
	if (o->cpu_model)
		arg(a, "%s", o->cpu_model);
	else
		/* Emulated `rep movsb` costs four times `rep movsq`; without ERMS and FSRM programs copy in wider
		 * steps. Five-level tables add a load to each TLB miss. Measured, processor time of three runs: a
		 * Python job that fills lists -10 %, gcc and shell scripts the same; AVX, SMEP, SMAP, PCID: no matter. */
		arg(a, accel->kvm ? "host" : "max,-erms,-fsrm,-la57");
	arg(a, "-smp");
	arg(a, "%u", o->cpus);
	add_memory(a, o);
	if (o->deterministic) {
		arg(a, "-icount");
		arg(a, "shift=0,sleep=off");
		arg(a, "-rtc");
		arg(a, "base=2024-01-01,clock=vm");
		arg(a, "-seed");
		arg(a, "%lu", o->seed);
	}
}

static void add_bare(struct qemu_args *a)
{
	arg(a, "-nodefaults");
	arg(a, "-no-user-config");
	arg(a, "-display");
	arg(a, "none");
	arg(a, "-no-reboot");
	arg(a, "-device");
	arg(a, "isa-debug-exit,iobase=0xf4,iosize=4");
}

/* The machine's own clock knows whole seconds only. */
static const char *time_word(const struct options *o)
{
	static char word[80];
	struct timespec now;

	if (o->seeded) { /* 2024; a seed of 0 would be none */
		snprintf(word, sizeof(word), " quire.time=1704067200000000000 quire.seed=%lu", o->seed + 1);
		return word;
	}
	if (o->deterministic || o->dry_run)
		return "";
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(word, sizeof(word), " quire.time=%lld%09ld", (long long)now.tv_sec, now.tv_nsec);
	return word;
}

static const char *heap_library(void)
{
	const char *path = find_piece("heap.so");

	if (!path)
		fail("heap.so: not found; run make");
	return path;
}

static void add_kernel(struct qemu_args *a, const struct options *o, const char *job, size_t job_len)
{
	const char *kernel = o->kernel ? o->kernel : find_piece("quire.elf");
	const char *initrd = o->initrd ? o->initrd : find_piece("initramfs.cpio");
	struct initrd_extra extra = {
		.dir = o->initrd_extra, .heap_so = o->heap ? heap_library() : NULL, .job = o->seeded ? job : NULL, .job_len = job_len,
	};

	if (!kernel || access(kernel, R_OK) < 0)
		fail("kernel %s: %s", kernel ? kernel : "quire.elf", kernel ? strerror(errno) : "not found; run make");
	if (!initrd || access(initrd, R_OK) < 0)
		fail("initramfs %s: %s", initrd ? initrd : "initramfs.cpio",
		     initrd ? strerror(errno) : "not found; run make");
	arg(a, "-kernel");
	arg(a, "%s", kernel);
	arg(a, "-initrd");
	if (extra.dir || extra.heap_so || extra.job)
		arg(a, "/proc/self/fd/%d", keep(a, initrd_with_extra(initrd, &extra)));
	else
		arg(a, "%s", initrd);
	arg(a, "-append");
	arg(a, "console=ttyS0 panic=-1 rdinit=/init%s%s%s%s%s%s%s%s", o->kernel ? " reboot=t" : "", time_word(o),
	    o->seeded ? " quire.deterministic" : "", o->reclaim ? " quire.reclaim=" : "", o->reclaim ? o->reclaim : "",
	    o->verbose ? " quire.verbose" : "", o->append ? " " : "", o->append ? o->append : "");
}

static void add_9p(struct qemu_args *a, const struct options *o, const char *tag, const char *path, bool writable)
{
	char *safe = escaped(path);

	arg(a, "-fsdev");
	arg(a, "local,id=%s,path=%s,security_model=none,multidevs=remap%s", tag, safe, writable ? "" : ",readonly=on");
	arg(a, "-device");
	arg(a, "virtio-9p-%s,fsdev=%s,mount_tag=%s", is_microvm(o) ? "device" : "pci", tag, tag);
	free(safe);
}

static void add_files(struct qemu_args *a, const struct options *o)
{
	if (o->keep_root)
		return;
	add_9p(a, o, "root", o->rootfs, false);
	for (unsigned int i = 0; i < o->nr_dirs; i++)
		if (o->dirs[i].kind != MOUNT_OVERLAY)
			add_9p(a, o, o->dirs[i].tag, o->dirs[i].host, o->dirs[i].kind == MOUNT_RW);
}

static void add_disks(struct qemu_args *a, const struct options *o)
{
	for (unsigned int i = 0; i < o->nr_disks; i++) {
		const struct disk *d = &o->disks[i];
		char *file = d->file ? escaped(d->file) : NULL;

		arg(a, "-drive");
		if (file)
			arg(a, "file=%s,if=none,id=disk%u,format=raw,discard=unmap%s", file, i, d->read_only ? ",readonly=on" : "");
		else
			arg(a, "file=/proc/self/fd/%d,if=none,id=disk%u,format=raw,cache=unsafe,discard=unmap",
			    keep(a, swap_file(d->swap_bytes)), i);
		arg(a, "-device");
		/* QEMU's own choice is to stop the machine when the host's disk is full */
		arg(a, "virtio-blk-%s,drive=disk%u,werror=report,rerror=report", is_microvm(o) ? "device" : "pci", i);
		free(file);
	}
}

/* microvm has eight slots on virtio-mmio; the ports and the root take two. */
static void check_slots(const struct options *o)
{
	unsigned int extra = o->nr_disks;

	for (unsigned int i = 0; i < o->nr_dirs; i++)
		extra += o->dirs[i].kind != MOUNT_OVERLAY;
	if (is_microvm(o) && extra > 6)
		fail("%u folders and disks are more than microvm has slots for (6); use --machine q35", extra);
}

static void add_ports(struct qemu_args *a, const struct options *o, struct vm *vm)
{
	static const char *const names[PORT_COUNT] = {
		[PORT_CONTROL] = "control", [PORT_STDIN] = "stdin", [PORT_STDOUT] = "stdout", [PORT_STDERR] = "stderr",
		[PORT_LEDGER] = "ledger"};

	arg(a, "-device");
	arg(a, "virtio-serial-%s,max_ports=%d", is_microvm(o) ? "device" : "pci", PORT_COUNT);
	for (int i = PORT_CONTROL; i < PORT_COUNT; i++) {
		vm->ports[i] = socket_device(a, names[i]);
		arg(a, "-device");
		arg(a, "virtserialport,chardev=%s,name=quire.%s,nr=%d", names[i], names[i], i);
	}
}

void qemu_build(struct qemu_args *a, const struct options *o, const char *job, size_t job_len, const struct accel_choice *accel, struct vm *vm)
{
	const char *qemu = find_qemu();
	bool boot_only = !strcmp(o->command, "boot");

	*a = (struct qemu_args){0};
	*vm = (struct vm){.pid = -1, .log = -1, .complaints = -1, .ports = {-1, -1, -1, -1, -1, -1}};
	arg(a, "%s", qemu ? qemu : "qemu-system-x86_64");
	add_machine(a, o, accel);
	add_bare(a);
	add_kernel(a, o, job, job_len);
	vm->log = o->seeded ? log_pipe(a) : socket_device(a, "log");
	arg(a, "-serial");
	arg(a, "chardev:log");
	check_slots(o);
	if (!boot_only) {
		add_ports(a, o, vm);
		add_files(a, o);
	}
	add_disks(a, o);
}

/* A machine like those that runs get, with KVM and no devices: does our kernel come up in it? */
void qemu_build_probe(struct qemu_args *a, const char *kernel)
{
	const struct options o = {.command = "boot", .machine = "microvm", .cpus = 1, .mem_bytes = 64 << 20};
	const struct accel_choice kvm = {.kvm = true};

	*a = (struct qemu_args){0};
	arg(a, "%s", find_qemu());
	add_machine(a, &o, &kvm);
	add_bare(a);
	arg(a, "-kernel");
	arg(a, "%s", kernel);
	arg(a, "-append");
	arg(a, "quire.smoke");
}

static bool plain(const char *s)
{
	return *s && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./=,:+@%") == strlen(s);
}

/* As one shell command, quoted so that it can be pasted. */
void qemu_print(const struct qemu_args *a, FILE *to)
{
	for (size_t i = 0; i < a->count; i++) {
		if (i)
			fputc(' ', to);
		if (plain(a->argv[i])) {
			fputs(a->argv[i], to);
			continue;
		}
		fputc('\'', to);
		for (const char *p = a->argv[i]; *p; p++)
			*p == '\'' ? (void)fputs("'\\''", to) : (void)fputc(*p, to);
		fputc('\'', to);
	}
	fputc('\n', to);
}

static void qemu_exec(const struct qemu_args *a, int complaints, pid_t parent)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t none;

	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(null, 0);
	dup2(null, 1);
	dup2(complaints, 2);
	for (unsigned int i = 0; i < a->nr_keep; i++)
		fcntl(a->keep_fds[i], F_SETFD, 0);
	execv(a->argv[0], a->argv);
	dprintf(2, "cannot execute %s: %s\n", a->argv[0], strerror(errno));
	_exit(127);
}

void qemu_start(struct vm *vm, const struct qemu_args *a)
{
	pid_t self = getpid();
	int fds[2];

	if (!strchr(a->argv[0], '/'))
		fail("no qemu-system-x86_64 in PATH; on Debian: apt install qemu-system-x86");
	if (pipe2(fds, O_CLOEXEC) < 0)
		fail("cannot make a pipe: %s", strerror(errno));
	vm->pid = fork();
	if (vm->pid < 0)
		fail("cannot fork: %s", strerror(errno));
	if (vm->pid == 0)
		qemu_exec(a, fds[1], self);
	close(fds[1]);
	fcntl(fds[0], F_SETFL, O_NONBLOCK);
	vm->complaints = fds[0];
	for (unsigned int i = 0; i < a->nr_keep; i++)
		close(a->keep_fds[i]);
}
