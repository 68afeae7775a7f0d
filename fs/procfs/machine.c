/*
 * machine.c - the machine apart from its memory: CPUs, time, interrupts, mounts, devices, the kernel's log and symbols.
 */
#include <abi/errno.h>
#include <arch/cpu.h>
#include <fs/procfs.h>
#include <kernel/boot_info.h>
#include <kernel/cpu.h>
#include <kernel/irq.h>
#include <kernel/main.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/random.h>
#include <kernel/sched.h>
#include <kernel/time.h>
#include <kernel/version.h>
#include <lib/string.h>
#include <lib/text.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>

int filesystems_report(struct text *out);		/* fs/super.c */
int devices_report(struct text *out) weak;		/* the device table */
u64 arch_cpu_khz(void) weak;

/* ---- time ---- */

static u64 total_idle_ns(u64 *iowait)
{
	u64 idle = 0, io;

	*iowait = 0;
	for_each_cpu(cpu) {
		idle += sched_idle_ns(cpu, &io);
		*iowait += io;
	}
	return idle;
}

static int uptime_show(struct text *out, void *arg)
{
	u64 up = ktime_get() / (NSEC_PER_SEC / 100), io, idle = total_idle_ns(&io) / (NSEC_PER_SEC / 100);

	text_printf(out, "%llu.%02llu %llu.%02llu\n", (unsigned long long)(up / 100), (unsigned long long)(up % 100),
		    (unsigned long long)(idle / 100), (unsigned long long)(idle % 100));
	return 0;
}

static int loadavg_show(struct text *out, void *arg)
{
	unsigned long l[3];
	unsigned nr = 1;
	u64 u, s, forks = 0;

	sched_loadavg(l);
	proc_totals(&u, &s, &forks, &nr);
	for (unsigned i = 0; i < 3; i++)
		text_printf(out, "%lu.%02lu ", l[i] >> 11, (l[i] & 2047) * 100 >> 11);
	text_printf(out, "%u/%u %llu\n", sched_nr_running(), nr, (unsigned long long)forks);
	return 0;
}

/* The time of a CPU since boot; what it was busy is divided between user and system as that of all tasks is. */
static void cpu_line(struct text *out, const char *name, u64 all, u64 idle, u64 iowait, u64 user_share)
{
	u64 tick = NSEC_PER_SEC / USER_HZ, busy = all - min(idle + iowait, all), user = busy / 1024 * user_share;

	text_printf(out, "%s %llu 0 %llu %llu %llu 0 0 0 0 0\n", name, (unsigned long long)(user / tick),
		    (unsigned long long)((busy - min(user, busy)) / tick), (unsigned long long)(idle / tick),
		    (unsigned long long)(iowait / tick));
}

static u64 irq_total(void)
{
	u64 n = 0;

	for (unsigned l = 0; l < 48; l++)
		for_each_cpu(cpu)
			n += irq_name(l) ? irq_count(l, cpu) : 0;
	for_each_cpu(cpu)
		n += irq_timer_count(cpu);
	return n;
}

static int stat_show(struct text *out, void *arg)
{
	u64 up = ktime_get(), u = 0, s = 1, forks = 0, share, io, idle = total_idle_ns(&io);
	unsigned nr = 0;
	char name[16];

	proc_totals(&u, &s, &forks, &nr);
	share = u * 1024 / max(u + s, (u64)1);
	cpu_line(out, "cpu ", up * nr_cpus, idle, io, share);
	for_each_cpu(cpu) {
		idle = sched_idle_ns(cpu, &io);
		ksnprintf(name, sizeof(name), "cpu%u", cpu);
		cpu_line(out, name, up, idle, io, share);
	}
	text_printf(out, "intr %llu\nctxt %llu\nbtime %lld\nprocesses %llu\nprocs_running %u\nprocs_blocked %u\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
		    (unsigned long long)irq_total(), (unsigned long long)sched_nr_switches(),
		    (long long)((ktime_get_real() - ktime_get()) / NSEC_PER_SEC), (unsigned long long)forks, sched_nr_running(), sched_nr_iowait());
	return 0;
}

/* ---- CPUs and interrupts ---- */

struct feature { u32 leaf; u8 reg, bit; const char *name; };
enum { EAX, EBX, ECX, EDX };
static const struct feature features[] = {
	{ 1, EDX, 0, "fpu" }, { 1, EDX, 4, "tsc" }, { 1, EDX, 5, "msr" }, { 1, EDX, 6, "pae" }, { 1, EDX, 8, "cx8" }, { 1, EDX, 9, "apic" },
	{ 1, EDX, 13, "pge" }, { 1, EDX, 15, "cmov" }, { 1, EDX, 16, "pat" }, { 1, EDX, 19, "clflush" }, { 1, EDX, 23, "mmx" },
	{ 1, EDX, 24, "fxsr" }, { 1, EDX, 25, "sse" }, { 1, EDX, 26, "sse2" }, { 1, EDX, 28, "ht" },
	{ 0x80000001, EDX, 11, "syscall" }, { 0x80000001, EDX, 20, "nx" }, { 0x80000001, EDX, 26, "pdpe1gb" },
	{ 0x80000001, EDX, 27, "rdtscp" }, { 0x80000001, EDX, 29, "lm" },
	{ 1, ECX, 0, "pni" }, { 1, ECX, 1, "pclmulqdq" }, { 1, ECX, 9, "ssse3" }, { 1, ECX, 12, "fma" }, { 1, ECX, 13, "cx16" },
	{ 1, ECX, 17, "pcid" }, { 1, ECX, 19, "sse4_1" }, { 1, ECX, 20, "sse4_2" }, { 1, ECX, 21, "x2apic" }, { 1, ECX, 22, "movbe" },
	{ 1, ECX, 23, "popcnt" }, { 1, ECX, 24, "tsc_deadline_timer" }, { 1, ECX, 25, "aes" }, { 1, ECX, 26, "xsave" },
	{ 1, ECX, 28, "avx" }, { 1, ECX, 29, "f16c" }, { 1, ECX, 30, "rdrand" }, { 1, ECX, 31, "hypervisor" },
	{ 0x80000001, ECX, 0, "lahf_lm" }, { 0x80000001, ECX, 5, "abm" }, { 0x80000001, ECX, 6, "sse4a" },
	{ 7, EBX, 0, "fsgsbase" }, { 7, EBX, 3, "bmi1" }, { 7, EBX, 5, "avx2" }, { 7, EBX, 7, "smep" }, { 7, EBX, 8, "bmi2" },
	{ 7, EBX, 9, "erms" }, { 7, EBX, 10, "invpcid" }, { 7, EBX, 16, "avx512f" }, { 7, EBX, 18, "rdseed" }, { 7, EBX, 19, "adx" },
	{ 7, EBX, 20, "smap" }, { 7, EBX, 29, "sha_ni" }, { 7, ECX, 2, "umip" }, { 7, ECX, 3, "pku" }, { 7, ECX, 16, "la57" },
	{ 7, ECX, 22, "rdpid" }, { 7, EDX, 4, "fsrm" },
};

static bool has_feature(const struct feature *f)
{
	struct cpuid_regs r = cpuid(f->leaf, 0);
	u32 v = f->reg == EBX ? r.ebx : f->reg == ECX ? r.ecx : r.edx;

	return v >> f->bit & 1;
}

static int cpuinfo_show(struct text *out, void *arg)
{
	struct cpuid_regs r = cpuid(1, 0);
	unsigned family = (r.eax >> 8 & 15) + ((r.eax >> 8 & 15) == 15 ? r.eax >> 20 & 255 : 0);
	unsigned model = (r.eax >> 4 & 15) | (r.eax >> 12 & 0xf0);
	u64 khz = arch_cpu_khz ? arch_cpu_khz() : 0;

	for_each_cpu(cpu) {
		text_printf(out, "processor\t: %u\nvendor_id\t: %s\ncpu family\t: %u\nmodel\t\t: %u\nmodel name\t: %s\nstepping\t: %u\n",
			    cpu, cpu_features.vendor, family, model, cpu_features.brand, r.eax & 15);
		if (khz)
			text_printf(out, "cpu MHz\t\t: %llu.%03llu\n", (unsigned long long)(khz / 1000), (unsigned long long)(khz % 1000));
		text_printf(out, "physical id\t: 0\nsiblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\napicid\t\t: %u\nfpu\t\t: yes\n"
			    "fpu_exception\t: yes\ncpuid level\t: %u\nwp\t\t: yes\nflags\t\t:", nr_cpus, cpu, nr_cpus, cpu, cpuid(0, 0).eax);
		for (unsigned i = 0; i < ARRAY_SIZE(features); i++)
			if (has_feature(&features[i]))
				text_printf(out, " %s", features[i].name);
		text_printf(out, "\nbugs\t\t:\nclflush size\t: 64\ncache_alignment\t: 64\naddress sizes\t: %u bits physical, %u bits virtual\n\n",
			    cpu_features.phys_bits, cpu_features.virt_bits);
	}
	return 0;
}

static int interrupts_show(struct text *out, void *arg)
{
	text_puts(out, "    ");
	for_each_cpu(cpu)
		text_printf(out, "       CPU%-4u", cpu);
	text_putc(out, '\n');
	for (unsigned l = 0; l < 48; l++) {
		if (!irq_name(l))
			continue;
		text_printf(out, "%3u:", l);
		for_each_cpu(cpu)
			text_printf(out, " %10llu", (unsigned long long)irq_count(l, cpu));
		text_printf(out, "   IO-APIC  %s\n", irq_name(l));
	}
	text_puts(out, "LOC:");
	for_each_cpu(cpu)
		text_printf(out, " %10llu", (unsigned long long)irq_timer_count(cpu));
	text_puts(out, "   Local timer interrupts\n");
	return 0;
}

/* ---- names of things ---- */

static int version_show(struct text *out, void *arg)
{
	text_printf(out, "Linux version %s (quire) (%s) %s\n", QUIRE_LINUX_RELEASE, __VERSION__, QUIRE_VERSION_TEXT);
	return 0;
}

static int cmdline_show(struct text *out, void *arg)
{
	text_printf(out, "%s\n", boot_info.cmdline);
	return 0;
}

static int filesystems_show(struct text *out, void *arg)
{
	return filesystems_report(out);
}

static int mounts_show(struct text *out, void *arg)
{
	return mounts_report(out, (int)(long)arg);
}

static int devices_show(struct text *out, void *arg)
{
	if (devices_report)
		return devices_report(out);
	text_puts(out, "Character devices:\n  1 mem\n  4 tty\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n 10 misc\n136 pts\n\nBlock devices:\n");
	return 0;
}

static int text_show(struct text *out, void *arg)
{
	text_puts(out, arg);
	return 0;
}

static int kallsyms_show(struct text *out, void *arg)
{
	char name[160], type;
	vaddr_t addr;

	for (u32 i = 0; kallsyms_nth(i, &addr, &type, name, sizeof(name)); i++)
		text_printf(out, "%016lx %c %s\n", addr, type, name);
	return 0;
}

/* The log as /dev/kmsg gives it, whole. */
static int kmsg_show(struct text *out, void *arg)
{
	char *buf = kmalloc(PAGE_SIZE, GFP_KERNEL);
	u64 pos = 0;
	size_t n;

	if (!buf)
		return -ENOMEM;
	while ((n = printk_read(&pos, buf, PAGE_SIZE, true)))
		text_write(out, buf, n);
	kfree(buf);
	return 0;
}

static void uuid(struct text *out, const u8 b[16])
{
	for (unsigned i = 0; i < 16; i++)
		text_printf(out, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", b[i]);
	text_putc(out, '\n');
}

static int uuid_show(struct text *out, void *arg)
{
	static u8 boot_id[16];
	u8 b[16];

	random_bytes(b, 16);
	b[6] = (b[6] & 0x0f) | 0x40;
	b[8] = (b[8] & 0x3f) | 0x80;
	if (arg) {			/* one for the whole uptime */
		if (!boot_id[6])
			memcpy(boot_id, b, 16);
		memcpy(b, boot_id, 16);
	}
	uuid(out, b);
	return 0;
}

static const struct proc_file machine_files[] = {
	{ .path = "uptime", .mode = 0444, .show = uptime_show },
	{ .path = "loadavg", .mode = 0444, .show = loadavg_show },
	{ .path = "stat", .mode = 0444, .show = stat_show },
	{ .path = "cpuinfo", .mode = 0444, .show = cpuinfo_show },
	{ .path = "interrupts", .mode = 0444, .show = interrupts_show },
	{ .path = "version", .mode = 0444, .show = version_show },
	{ .path = "cmdline", .mode = 0444, .show = cmdline_show },
	{ .path = "filesystems", .mode = 0444, .show = filesystems_show },
	{ .path = "devices", .mode = 0444, .show = devices_show },
	{ .path = "kallsyms", .mode = 0444, .show = kallsyms_show },
	{ .path = "kmsg", .mode = 0400, .show = kmsg_show },
	{ .path = "sys/kernel/random/boot_id", .mode = 0444, .show = uuid_show, .arg = (void *)1 },
	{ .path = "sys/kernel/random/uuid", .mode = 0444, .show = uuid_show },
	{ .path = "sys/kernel/random/entropy_avail", .mode = 0444, .show = text_show, .arg = "256\n" },
	{ .path = "sys/kernel/random/poolsize", .mode = 0444, .show = text_show, .arg = "256\n" },
	{ .path = "sys/kernel/cap_last_cap", .mode = 0444, .show = text_show, .arg = "40\n" },
	{ .path = "sys/kernel/ngroups_max", .mode = 0444, .show = text_show, .arg = "65536\n" },
	{ .path = "sys/kernel/overflowuid", .mode = 0444, .show = text_show, .arg = "65534\n" },
	{ .path = "sys/kernel/overflowgid", .mode = 0444, .show = text_show, .arg = "65534\n" },
	{ .path = "sys/kernel/core_pattern", .mode = 0444, .show = text_show, .arg = "core\n" },
	{ .path = "sys/kernel/perf_event_paranoid", .mode = 0444, .show = text_show, .arg = "3\n" },
	{ .path = "sys/fs/nr_open", .mode = 0444, .show = text_show, .arg = "1048576\n" },
	{ .path = "sys/fs/pipe-max-size", .mode = 0444, .show = text_show, .arg = "1048576\n" },
	{ .path = "sys/fs/overflowuid", .mode = 0444, .show = text_show, .arg = "65534\n" },
	{ .path = "sys/fs/overflowgid", .mode = 0444, .show = text_show, .arg = "65534\n" },
};

static int machine_files_init(void)
{
	proc_register_all(machine_files, ARRAY_SIZE(machine_files));
	proc_symlink("mounts", "self/mounts");
	proc_symlink("net", "self/net");
	proc_mkdir("sys/fs");
	proc_mkdir("driver");
	proc_mkdir("fs");
	return 0;
}
initcall(machine_files_init, 2);

/* mounts and mountinfo are per process in Linux; here all share one tree. */
static int pid_mounts_show(struct text *out, struct task *t)
{
	return mounts_show(out, (void *)0L);
}
static int pid_mountinfo_show(struct text *out, struct task *t)
{
	return mounts_show(out, (void *)1L);
}
static int pid_mountstats_show(struct text *out, struct task *t)
{
	return mounts_show(out, (void *)2L);
}
static const struct proc_pid_file mount_files[] = {
	{ .name = "mounts", .mode = 0444, .per_task = true, .show = pid_mounts_show },
	{ .name = "mountinfo", .mode = 0444, .per_task = true, .show = pid_mountinfo_show },
	{ .name = "mountstats", .mode = 0400, .per_task = true, .show = pid_mountstats_show },
};

static int mount_files_init(void)
{
	proc_register_pid(mount_files, ARRAY_SIZE(mount_files));
	return 0;
}
initcall(mount_files_init, 2);
