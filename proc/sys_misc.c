/*
 * sys_misc.c - the machine's name and state, prctl, personality, random numbers, reboot.
 *
 * SOURCE      uname(2), sysinfo(2), prctl(2), personality(2), getrandom(2), syslog(2), reboot(2)
 */
#include <abi/capability.h>
#include <abi/errno.h>
#include <drivers/block.h>
#include <fs/fs.h>
#include <fs/procfs.h>
#include <kernel/cpu.h>
#include <kernel/cred.h>
#include <kernel/main.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/random.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <kernel/version.h>
#include <lib/string.h>
#include <mm/page_alloc.h>
#include <mm/slab.h>
#include <mm/swap.h>
#include <proc/process.h>

#include "sys_misc.h"

/* ---- names ---- */

#define UTS_LEN	64

struct utsname_k {
	char	sysname[UTS_LEN + 1], nodename[UTS_LEN + 1], release[UTS_LEN + 1];
	char	version[UTS_LEN + 1], machine[UTS_LEN + 1], domainname[UTS_LEN + 1];
};

static struct mutex uts_lock = MUTEX_INIT(uts_lock, "uts", LOCK_SLEEP_LEAF);
static struct utsname_k uts = {
	/* Programs test for "Linux" and for a release number with dots: the ABI we speak. */
	.sysname = "Linux", .nodename = "quire", .release = QUIRE_LINUX_RELEASE, .version = QUIRE_VERSION_TEXT,
	.machine = "x86_64", .domainname = "(none)",
};

#define PER_LINUX32	0x0008
#define PER_MASK	0x00ff

SYSCALL(uname, struct utsname_k __user *out)
{
	struct utsname_k copy;

	mutex_lock(&uts_lock);
	copy = uts;
	mutex_unlock(&uts_lock);
	if ((current->process->personality & PER_MASK) == PER_LINUX32)
		strscpy(copy.machine, "i686", sizeof(copy.machine));
	return put_user_struct(out, &copy);
}

static long set_uts_name(char *field, const char __user *name, int len)
{
	char buf[UTS_LEN + 1] = { 0 };

	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	if (len < 0 || len > UTS_LEN)
		return -EINVAL;
	if (copy_from_user(buf, name, len))
		return -EFAULT;
	mutex_lock(&uts_lock);
	memcpy(field, buf, sizeof(buf));
	mutex_unlock(&uts_lock);
	return 0;
}

SYSCALL(sethostname, const char __user *name, int len)
{
	return set_uts_name(uts.nodename, name, len);
}

SYSCALL(setdomainname, const char __user *name, int len)
{
	return set_uts_name(uts.domainname, name, len);
}

static int show_uts_field(struct text *out, void *field)
{
	mutex_lock(&uts_lock);
	text_printf(out, "%s\n", (char *)field);
	mutex_unlock(&uts_lock);
	return 0;
}

static const struct proc_file uts_files[] = {
	{ "sys/kernel/hostname", 0444, show_uts_field, .arg = uts.nodename },
	{ "sys/kernel/domainname", 0444, show_uts_field, .arg = uts.domainname },
	{ "sys/kernel/ostype", 0444, show_uts_field, .arg = uts.sysname },
	{ "sys/kernel/osrelease", 0444, show_uts_field, .arg = uts.release },
	{ "sys/kernel/version", 0444, show_uts_field, .arg = uts.version },
};

static int uts_init(void)
{
	proc_register_all(uts_files, ARRAY_SIZE(uts_files));
	proc_register_int("sys/kernel/pid_max", 0644, &pid_max, 301, 4194304);
	proc_register_int("sys/kernel/sched_rt_period_us", 0644, &sysctl_sched_rt_period_us, 1, S32_MAX);
	proc_register_int("sys/kernel/sched_rt_runtime_us", 0644, &sysctl_sched_rt_runtime_us, -1, S32_MAX);
	proc_register_int("sys/kernel/threads-max", 0444, &pid_max, 0, 0);	/* nothing else limits them */
	return 0;
}
initcall(uts_init, 4);

/* ---- state ---- */

struct sysinfo_k {
	s64	uptime;
	u64	loads[3];		/* 16-bit fixed point */
	u64	totalram, freeram, sharedram, bufferram, totalswap, freeswap;
	u16	procs, pad;
	u64	totalhigh, freehigh;
	u32	mem_unit;
};

SYSCALL(sysinfo, struct sysinfo_k __user *out)
{
	struct sysinfo_k s = { 0 };
	unsigned long load[3], swap[2];

	sched_loadavg(load);
	s.uptime = ktime_get() / NSEC_PER_SEC;
	for (int i = 0; i < 3; i++)
		s.loads[i] = load[i] << (16 - 11);
	s.totalram = nr_total_pages();
	s.freeram = nr_free_pages();
	s.sharedram = vm_stat_read(NR_SHMEM);
	s.bufferram = block_cached_pages();
	swap_totals(&swap[0], &swap[1]);
	s.totalswap = swap[0];
	s.freeswap = swap[1];
	s.procs = (u16)nr_threads_total;
	s.mem_unit = PAGE_SIZE;
	return put_user_struct(out, &s);
}

SYSCALL(getcpu, u32 __user *cpu, u32 __user *node, void __user *unused_cache)
{
	if (cpu && put_user((u32)cpu_id(), cpu))
		return -EFAULT;
	if (node && put_user(0u, node))
		return -EFAULT;
	return 0;
}

SYSCALL(personality, unsigned persona)
{
	u32 old = current->process->personality;

	if (persona != 0xffffffff)
		current->process->personality = persona;
	return old;
}

/* ---- random numbers ---- */

#define GRND_NONBLOCK	1
#define GRND_RANDOM	2
#define GRND_INSECURE	4

SYSCALL(getrandom, void __user *buf, size_t n, unsigned flags)
{
	u8 chunk[256];
	size_t done = 0;

	if (flags & ~(unsigned)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	if ((flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -EINVAL;
	n = min(n, (size_t)S32_MAX);
	while (done < n) {
		size_t part = min(n - done, sizeof(chunk)), left;

		random_bytes(chunk, part);
		left = copy_to_user((char __user *)buf + done, chunk, part);
		done += part - left;
		if (left)
			return done ? (long)done : -EFAULT;
		cond_resched();
		if (done > sizeof(chunk) && signal_pending())
			break;
	}
	memset(chunk, 0, sizeof(chunk));
	return (long)done;
}

/* ---- the kernel log ---- */

enum syslog_action { SYSLOG_CLOSE, SYSLOG_OPEN, SYSLOG_READ, SYSLOG_READ_ALL, SYSLOG_READ_CLEAR, SYSLOG_CLEAR,
		     SYSLOG_CONSOLE_OFF, SYSLOG_CONSOLE_ON, SYSLOG_CONSOLE_LEVEL, SYSLOG_SIZE_UNREAD, SYSLOG_SIZE_BUFFER };

static u64 syslog_cleared_at;	/* lines before it were cleared by dmesg -C */

/* The last n bytes of the log that fit, whole lines. */
static long syslog_read_all(char __user *buf, int n, bool clear)
{
	u64 pos = syslog_cleared_at;
	size_t total = 0;
	char *chunk = kmalloc(PAGE_SIZE, GFP_KERNEL);
	size_t got, skip;

	if (!chunk)
		return -ENOMEM;
	while ((got = printk_read(&pos, chunk, PAGE_SIZE, false)))
		total += got;
	skip = total > (size_t)n ? total - n : 0;
	pos = syslog_cleared_at;
	total = 0;
	while (total < (size_t)n && (got = printk_read(&pos, chunk, PAGE_SIZE, false))) {
		size_t from = min(skip, got), part = min(got - from, n - total);

		skip -= from;
		if (copy_to_user(buf + total, chunk + from, part)) {
			kfree(chunk);
			return -EFAULT;
		}
		total += part;
	}
	kfree(chunk);
	if (clear)
		syslog_cleared_at = printk_end();
	return (long)total;
}

SYSCALL(syslog, int type, char __user *buf, int len)
{
	static int saved_level = -1;

	if (type != SYSLOG_READ_ALL && type != SYSLOG_SIZE_BUFFER && !capable(CAP_SYSLOG) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	switch (type) {
	case SYSLOG_CLOSE:
	case SYSLOG_OPEN:
		return 0;
	case SYSLOG_READ_ALL:
	case SYSLOG_READ_CLEAR:
		if (!buf || len < 0)
			return -EINVAL;
		return len ? syslog_read_all(buf, len, type == SYSLOG_READ_CLEAR) : 0;
	case SYSLOG_CLEAR:
		syslog_cleared_at = printk_end();
		return 0;
	case SYSLOG_CONSOLE_OFF:
		if (saved_level < 0)
			saved_level = console_get_level();
		console_set_level(1);
		return 0;
	case SYSLOG_CONSOLE_ON:
		if (saved_level >= 0)
			console_set_level(saved_level);
		saved_level = -1;
		return 0;
	case SYSLOG_CONSOLE_LEVEL:
		if (len < 1 || len > 8)
			return -EINVAL;
		console_set_level(len);
		return 0;
	case SYSLOG_SIZE_BUFFER:
		return (long)printk_ring_size();
	}
	return -EINVAL;		/* blocking reads are /dev/kmsg's */
}

/* ---- prctl ---- */

static long prctl_name(int option, char __user *name)
{
	char comm[TASK_COMM_LEN] = { 0 };
	ssize_t n;

	if (option == PR_GET_NAME) {
		strscpy(comm, current->comm, sizeof(comm));
		return copy_to_user(name, comm, sizeof(comm)) ? -EFAULT : 0;
	}
	n = strncpy_from_user(comm, name, sizeof(comm) - 1);
	if (n < 0)
		return n;
	comm[sizeof(comm) - 1] = '\0';
	strscpy(current->comm, comm, sizeof(current->comm));
	if (current == current->process->leader)
		ledger_owner_rename(current->owner, current->comm);
	return 0;
}

/* Edges of the address space that ps shows; each must lie in a mapping. */
static long prctl_set_mm(int what, vaddr_t addr)
{
	struct mm *mm = current->mm;
	vaddr_t *field;

	if (!capable(CAP_SYS_RESOURCE))
		return -EPERM;
	switch (what) {
	case PR_SET_MM_START_CODE: field = &mm->start_code; break;
	case PR_SET_MM_END_CODE: field = &mm->end_code; break;
	case PR_SET_MM_START_DATA: field = &mm->start_data; break;
	case PR_SET_MM_END_DATA: field = &mm->end_data; break;
	case PR_SET_MM_START_STACK: field = &mm->start_stack; break;
	case PR_SET_MM_ARG_START: field = &mm->arg_start; break;
	case PR_SET_MM_ARG_END: field = &mm->arg_end; break;
	case PR_SET_MM_ENV_START: field = &mm->env_start; break;
	case PR_SET_MM_ENV_END: field = &mm->env_end; break;
	default: return -EINVAL;
	}
	if (addr >= TASK_SIZE || addr < sysctl_mmap_min_addr)
		return -EINVAL;
	mm_write_lock(mm);
	*field = addr;
	rwsem_write_unlock(&mm->mmap_lock);
	return 0;
}

SYSCALL(prctl, int option, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	struct process *p = current->process;
	long r;

	switch (option) {
	case PR_SET_NAME:
	case PR_GET_NAME:
		return prctl_name(option, (char __user *)a);
	case PR_SET_PDEATHSIG:
		if (a > NR_SIGNALS)
			return -EINVAL;
		current->pdeath_signal = (int)a;
		return 0;
	case PR_GET_PDEATHSIG:
		return put_user(current->pdeath_signal, (int __user *)a);
	case PR_GET_DUMPABLE:
		return p->dumpable;
	case PR_SET_DUMPABLE:
		if (a > 1)
			return -EINVAL;
		p->dumpable = (int)a;
		return 0;
	case PR_SET_NO_NEW_PRIVS:
		if (a != 1 || b || c || d)
			return -EINVAL;
		current->no_new_privs = true;
		return 0;
	case PR_GET_NO_NEW_PRIVS:
		return a || b || c || d ? -EINVAL : current->no_new_privs;
	case PR_SET_CHILD_SUBREAPER:
		p->child_subreaper = a != 0;
		return 0;
	case PR_GET_CHILD_SUBREAPER:
		return put_user((int)p->child_subreaper, (int __user *)a);
	case PR_SET_TIMERSLACK:
		current->timerslack_ns = (long)a > 0 ? a : 50 * NSEC_PER_USEC;
		return 0;
	case PR_GET_TIMERSLACK:
		return (long)current->timerslack_ns;
	case PR_GET_TID_ADDRESS:
		return put_user(current->clear_child_tid, (int __user *__user *)a);
	case PR_SET_MM:
		return c || d ? -EINVAL : prctl_set_mm((int)a, b);
	case PR_GET_THP_DISABLE:
		return a || b || c || d ? -EINVAL : 1;
	case PR_GET_SECCOMP:
		return 0;
	case PR_GET_TSC:
		return put_user((int)PR_TSC_ENABLE, (int __user *)a);
	}
	r = prctl_cred(option, a, b, c);
	return r == -ENOSYS ? -EINVAL : r;
}

/* ---- the end ---- */

#define REBOOT_MAGIC1		0xfee1dead
#define REBOOT_CMD_RESTART	0x01234567
#define REBOOT_CMD_HALT		0xcdef0123
#define REBOOT_CMD_POWER_OFF	0x4321fedc
#define REBOOT_CMD_RESTART2	0xa1b2c3d4
#define REBOOT_CMD_CAD_ON	0x89abcdef
#define REBOOT_CMD_CAD_OFF	0x00000000

static bool reboot_magic2_ok(u32 m)
{
	return m == 672274793 || m == 85072278 || m == 369367448 || m == 537993216;
}

SYSCALL(reboot, u32 magic1, u32 magic2, u32 cmd, void __user *arg)
{
	if (!capable(CAP_SYS_BOOT))
		return -EPERM;
	if (magic1 != REBOOT_MAGIC1 || !reboot_magic2_ok(magic2))
		return -EINVAL;
	switch (cmd) {
	case REBOOT_CMD_CAD_ON:
	case REBOOT_CMD_CAD_OFF:
		return 0;	/* there is no Ctrl-Alt-Del to route */
	case REBOOT_CMD_RESTART:
	case REBOOT_CMD_RESTART2:
		pr_notice("reboot: Restarting system\n");
		machine_restart();
	case REBOOT_CMD_HALT:
		pr_notice("reboot: System halted\n");
		machine_halt();
	case REBOOT_CMD_POWER_OFF:
		pr_notice("reboot: Power down\n");
		machine_power_off();
	}
	return -EINVAL;
}
