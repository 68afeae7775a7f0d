/*
 * ptrace.c - one task watches and steers another: strace, gdb.
 *
 * SHAPE       a traced task has ->tracer and stands in that task's ->tracees. At the points where a tracer may look (a signal
 *             is taken, a system call begins and ends, fork, exec, exit, a stop of the group) it stops itself in
 *             trace_stop_locked(): state TASK_TRACED, trace_code for the tracer's wait, SIGCHLD to it. The tracer then works on
 *             its frame, memory and signal, and wakes it.
 * INVARIANTS  P1 requests but ATTACH, SEIZE, TRACEME, INTERRUPT, KILL find the tracee in TASK_TRACED, off its CPU, and FROZEN for
 *             their time, so that nothing wakes it while its registers change.
 *             P2 a traced thread that ends stays (TRACE_ZOMBIE) until its tracer waited for it or let go of it; a traced
 *             process that ended is the tracer's to wait for first, then its parent's.
 *             P3 tracer, trace_link, tracees change under tasklist_lock; a tracer that exits lets go of all.
 * LOCKS       tasklist_lock, then the tracee's siglock. A stop notifies the tracer after it released its siglock; state
 *             TRACED is set before, so a wake-up in between is not lost.
 * SOURCE      ptrace(2)
 * READ NEXT   proc/ptrace.h, proc/wait.c (trace_wait), arch/x86/ptrace.c
 */
#include <abi/capability.h>
#include <abi/errno.h>
#include <abi/wait.h>
#include <arch/cpu.h>
#include <arch/ptrace.h>
#include <arch/signal.h>
#include <arch/trap.h>
#include <arch/upcalls.h>
#include <kernel/cred.h>
#include <kernel/sched.h>
#include <kernel/syscall.h>
#include <lib/string.h>
#include <linux/audit.h>
#include <linux/elf.h>
#include <mm/io_iter.h>
#include <mm/mm.h>
#include <mm/slab.h>
#include "ptrace.h"

#define OPTIONS_KNOWN	(PTRACE_O_MASK & ~PTRACE_O_SUSPEND_SECCOMP)

bool task_is_traced(const struct task *t)
{
	return t->tracer != NULL;
}

/* ---- stopping: on the side of the traced task ---- */

/* [T] SIGCHLD to the tracer, and its wait looks again. */
static void notify_tracer(struct task *t, int cld, int status)
{
	struct process *p = t->tracer->process;
	struct siginfo_k info = { .si_signo = SIGCHLD, .si_code = cld };
	const struct sigaction_k *act = &p->sighand->action[SIGCHLD - 1];

	info._sifields._sigchld._pid = t->tid;
	info._sifields._sigchld._uid = t->real_cred->uid;
	info._sifields._sigchld._status = status;
	if ((unsigned long)act->handler != SIG_IGN_VALUE && !(act->flags & SA_NOCLDSTOP))
		(void)signal_queue(SIGCHLD, &info, p->leader, true);
	waitq_wake_all(&p->wait_children);
}

int trace_stop_locked(int code, struct siginfo_k *info, int cld, bool in_call, int otherwise)
{
	struct task *t = current;
	struct process *p = t->process;

	if (!t->tracer || (t->pending & SIGBIT(SIGKILL)))
		return otherwise;
	t->trace_info = info;
	t->trace_code = code;
	t->trace_resume = 0;
	t->trace_flags = (t->trace_flags & ~TRACE_IN_CALL) | (in_call ? TRACE_IN_CALL : 0);
	task_set_state(TASK_TRACED);
	spin_unlock(siglock(p));
	spin_lock(&tasklist_lock);
	if (t->tracer)
		notify_tracer(t, cld, code & 0x7f);
	spin_unlock(&tasklist_lock);
	schedule();
	task_set_state(TASK_RUNNING);
	spin_lock(siglock(p));
	t->trace_info = NULL;
	t->trace_code = 0;
	t->trace_flags &= ~(TRACE_LISTEN | TRACE_IN_CALL);
	signal_recalc(t);
	return t->trace_resume;
}

static void fill_notice(struct siginfo_k *info, int code)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = code & 0x7f;
	info->si_code = code;
	info->_sifields._kill._pid = task_pid(current);
	info->_sifields._kill._uid = current->real_cred->uid;
}

/* A stop that no signal caused. The signal to go on with. */
static int trace_notice(int code, bool in_call)
{
	struct process *p = current->process;
	struct siginfo_k info;
	int sig;

	fill_notice(&info, code);
	spin_lock(siglock(p));
	sig = trace_stop_locked(code, &info, CLD_TRAPPED, in_call, 0);
	spin_unlock(siglock(p));
	return sig;
}

void trace_trap_locked(void)
{
	struct task *t = current;
	bool stopped = t->process->flags & PF_STOPPED;
	int sig = stopped || t->stop_pending ? t->process->stop_code : SIGTRAP;
	struct siginfo_k info;

	t->trace_flags &= ~TRACE_TRAP;
	if (!(t->trace_flags & TRACE_SEIZED)) {
		(void)trace_stop_locked(sig, NULL, CLD_STOPPED, false, 0);
		return;
	}
	fill_notice(&info, sig | PTRACE_EVENT_STOP << 8);
	(void)trace_stop_locked(info.si_code, &info, CLD_STOPPED, false, 0);
}

int trace_signal_locked(int sig, struct siginfo_k *info)
{
	struct task *t = current;
	int new = trace_stop_locked(sig, info, CLD_TRAPPED, false, sig);

	if (!new)
		return 0;
	if (new != info->si_signo) {
		memset(info, 0, sizeof(*info));
		info->si_signo = new;
		if (t->tracer) {
			info->_sifields._kill._pid = task_pid(t->tracer);
			info->_sifields._kill._uid = t->tracer->real_cred->uid;
		}
	}
	if ((t->blocked & SIGBIT(new)) || (t->pending & SIGBIT(SIGKILL))) {
		(void)signal_queue_locked(new, info, t, false);
		return 0;
	}
	return new;
}

bool trace_event_on(const struct task *t, int event)
{
	return t->tracer && (t->trace_options & 1u << event);
}

void trace_event(int event, unsigned long message)
{
	if (!trace_event_on(current, event))
		return;
	current->trace_message = message;
	(void)trace_notice(SIGTRAP | event << 8, true);
}

bool trace_limits_exec(void)
{
	bool limited;

	if (likely(!current->tracer))
		return false;
	spin_lock(&tasklist_lock);
	limited = current->tracer && !(current->tracer->cred->cap_effective & BIT(CAP_SYS_PTRACE));
	spin_unlock(&tasklist_lock);
	return limited;
}

/* Without PTRACE_O_TRACEEXEC a successful exec is a plain SIGTRAP, as in the oldest debuggers. */
void trace_exec(int old_tid)
{
	if (trace_event_on(current, PTRACE_EVENT_EXEC))
		trace_event(PTRACE_EVENT_EXEC, old_tid);
	else if (current->tracer && !(current->trace_flags & TRACE_SEIZED))
		(void)signal_queue(SIGTRAP, SIG_INFO_USER, current, false);
}

static void syscall_notice(unsigned long message)
{
	int sig;

	current->trace_message = message;
	sig = trace_notice(SIGTRAP | (current->trace_options & PTRACE_O_TRACESYSGOOD ? 0x80 : 0),
			   message == PTRACE_EVENTMSG_SYSCALL_ENTRY);
	if (sig)
		(void)signal_queue(sig, SIG_INFO_KERNEL, current, false);
}

bool syscall_traced(void)
{
	if (current->trace_flags & TRACE_SYSCALL)
		syscall_notice(PTRACE_EVENTMSG_SYSCALL_ENTRY);
	if (current->trace_flags & TRACE_STEP)
		task_set_work(current, WORK_SYSCALL_TRACE);
	return !fatal_signal_pending();
}

/* A step over the SYSCALL instruction ends here, before the next one. */
void trace_syscall_exit(void)
{
	struct siginfo_k info = { .si_signo = SIGTRAP, .si_code = TRAP_BRKPT };

	task_clear_work(current, WORK_SYSCALL_TRACE);
	if (!current->tracer)
		return;
	if (current->trace_flags & TRACE_SYSCALL)
		syscall_notice(PTRACE_EVENTMSG_SYSCALL_EXIT);
	if (current->trace_flags & TRACE_STEP) {
		info._sifields._sigfault._addr = (void *)current->frame->ip;
		(void)signal_queue(SIGTRAP, &info, current, false);
	}
}

void trace_handler_entered(void)
{
	(void)trace_notice(SIGTRAP, false);
}

/* ---- beginning and end of tracing ---- */

/* [T] */
static void link_locked(struct task *t, struct task *tracer, u32 flags, u32 options)
{
	t->tracer = tracer;
	t->trace_flags = flags;
	t->trace_options = options;
	t->trace_code = 0;
	list_append(&tracer->tracees, &t->trace_link);
}

void trace_fork_locked(struct task *child, bool follow)
{
	struct task *t = current;

	if (!follow || !t->tracer)
		return;
	link_locked(child, t->tracer, t->trace_flags & TRACE_SEIZED, t->trace_options);
	if (t->trace_flags & TRACE_SEIZED)
		child->trace_flags |= TRACE_TRAP;
	else
		child->pending |= SIGBIT(SIGSTOP);
	child->work |= WORK_SIGNAL;
}

/* It goes on as its group stands: runs, or stops again. siglock held. */
static void release_locked(struct task *t)
{
	struct process *p = t->process;

	if (t->state == TASK_TRACED) {
		arch_trace_step(t, false);
		arch_trace_syscalls(t, false);
		if ((p->flags & PF_STOPPED) && !(p->flags & PF_GROUP_EXIT)) {
			t->stop_pending = true;
			p->nr_stopping++;
		}
	} else {
		arch_trace_syscalls(t, false);	/* the flag in its frame is dealt with when it strikes */
	}
	task_clear_work(t, WORK_SYSCALL_TRACE);
	task_set_work(t, WORK_SIGNAL);
	task_wake_states(t, BIT(TASK_TRACED));
}

void trace_unlink_locked(struct task *t, struct trace_dead *dead)
{
	struct process *p = t->process;
	bool zombie = t->trace_flags & TRACE_ZOMBIE;

	spin_lock(siglock(p));
	list_remove(&t->trace_link);
	t->tracer = NULL;
	t->trace_flags = t->trace_options = 0;
	if (!(t->flags & TF_EXITING) || t->state == TASK_TRACED)
		release_locked(t);
	spin_unlock(siglock(p));
	if (zombie) {
		pid_detach(t);
		list_append(&dead->threads, &t->trace_link);
	} else if (t == p->leader && p->zombie && process_notify_death(p)) {
		process_reap_locked(p);
		list_append(&dead->processes, &p->sibling);
	}
}

void trace_notify_death(struct task *t, int cld, int status)
{
	notify_tracer(t, cld, status);
}

void trace_thread_died(struct task *t)
{
	int sig = t->exit_code & 0x7f;

	t->trace_flags |= TRACE_ZOMBIE;
	notify_tracer(t, sig ? CLD_KILLED : CLD_EXITED, sig ? sig : t->exit_code >> 8);
}

void trace_forget_locked(struct task *t)
{
	list_remove(&t->trace_link);
	t->tracer = NULL;
}

void trace_exit_locked(struct task *tracer, struct trace_dead *dead)
{
	struct task *t, *next;

	list_for_each_safe(t, next, &tracer->tracees, trace_link) {
		if (t->trace_options & PTRACE_O_EXITKILL)
			(void)signal_queue(SIGKILL, SIG_INFO_KERNEL, t, false);
		trace_unlink_locked(t, dead);
	}
}

void trace_free(struct trace_dead *dead)
{
	struct task *t, *next;
	struct process *p, *pnext;

	list_for_each_safe(t, next, &dead->threads, trace_link) {
		list_remove(&t->trace_link);
		pid_free(t->tid);
		task_put(t);
	}
	list_for_each_safe(p, pnext, &dead->processes, sibling) {
		list_remove(&p->sibling);
		process_reaped(p);
	}
}

/* The thread that made current's process, else the leader of the parent. [T] */
static struct task *parent_thread(void)
{
	struct process *parent = current->process->parent;
	struct task *t;

	list_for_each(t, &parent->threads, thread_link)
		if (t->tid == current->process->creator_tid)
			return t;
	return parent->leader;
}

static long trace_me(void)
{
	long err = -EPERM;

	spin_lock(&tasklist_lock);
	spin_lock(siglock(current->process));
	if (!current->tracer && current->process->parent && !(parent_thread()->flags & TF_EXITING)) {
		link_locked(current, parent_thread(), 0, 0);
		err = 0;
	}
	spin_unlock(siglock(current->process));
	spin_unlock(&tasklist_lock);
	return err;
}

/* [T] The rights are checked. */
static int attach_locked(struct task *t, u32 flags, u32 options)
{
	int err = -EPERM;

	spin_lock(siglock(t->process));
	if (!t->tracer && !(t->flags & TF_EXITING)) {
		link_locked(t, current, flags, options);
		if (!(flags & TRACE_SEIZED))
			(void)signal_queue_locked(SIGSTOP, SIG_INFO_KERNEL, t, false);
		if (t->state == TASK_STOPPED) {
			t->trace_flags |= TRACE_TRAP;
			task_set_work(t, WORK_SIGNAL);
			task_wake_states(t, BIT(TASK_STOPPED));
		}
		err = 0;
	}
	spin_unlock(siglock(t->process));
	return err;
}

static long attach(struct task *t, bool seize, unsigned long addr, unsigned long options)
{
	long err;

	if (seize && (addr || (options & ~(unsigned long)OPTIONS_KNOWN)))
		return -EIO;
	if (t->process == current->process || task_is_kthread(t) || task_may_trace(t))
		return -EPERM;
	spin_lock(&tasklist_lock);
	err = attach_locked(t, seize ? TRACE_SEIZED : 0, seize ? (u32)options : 0);
	spin_unlock(&tasklist_lock);
	return err;
}

/* ---- requests: on the side of the tracer ---- */

/* t is current's and stopped: freeze it. -ESRCH otherwise. */
static int freeze(struct task *t)
{
	int err = -ESRCH;

	spin_lock(&tasklist_lock);
	if (t->tracer == current) {
		spin_lock(siglock(t->process));
		if (t->state == TASK_TRACED && !(t->trace_flags & (TRACE_LISTEN | TRACE_ZOMBIE))) {
			t->trace_flags |= TRACE_FROZEN;
			err = 0;
		}
		spin_unlock(siglock(t->process));
	}
	spin_unlock(&tasklist_lock);
	/* It set its state a moment ago and is on its way off its CPU. */
	while (!err && (READ_ONCE(t->on_cpu) || READ_ONCE(t->on_rq)))
		cpu_relax();
	return err;
}

static void thaw(struct task *t)
{
	spin_lock(siglock(t->process));
	t->trace_flags &= ~TRACE_FROZEN;
	if (t->pending & SIGBIT(SIGKILL))
		task_wake_states(t, BIT(TASK_TRACED));
	spin_unlock(siglock(t->process));
}

static long peek(struct task *t, vaddr_t addr, unsigned long __user *to)
{
	struct mm *mm = task_get_mm(t);
	unsigned long v;
	ssize_t n;

	if (!mm)
		return -EIO;
	n = mm_access(mm, addr, &v, sizeof(v), false, true);
	mm_put(mm);
	return n != sizeof(v) ? -EIO : put_user(v, to);
}

static long poke(struct task *t, vaddr_t addr, unsigned long v)
{
	struct mm *mm = task_get_mm(t);
	ssize_t n;

	if (!mm)
		return -EIO;
	n = mm_access(mm, addr, &v, sizeof(v), true, true);
	mm_put(mm);
	return n != sizeof(v) ? -EIO : 0;
}

static long peek_user(struct task *t, unsigned long offset, unsigned long __user *to)
{
	unsigned long v;
	long err = arch_user_word_get(t, offset, &v);

	return err ? err : put_user(v, to);
}

/* ---- register sets ---- */

static unsigned regset_size(unsigned type)
{
	switch (type) {
	case NT_PRSTATUS: return sizeof(struct arch_user_regs);
	case NT_PRFPREG: return ARCH_FXREGS_SIZE;
	case NT_X86_XSTATE: return arch_xstate_size();
	}
	return 0;
}

static void regset_get(struct task *t, unsigned type, void *buf, unsigned size)
{
	if (type == NT_PRSTATUS)
		arch_regs_get(t, buf);
	else
		arch_xstate_get(t, buf, size);
}

/* Of the first `size` bytes; what is missing stays as it was. */
static int regset_set(struct task *t, unsigned type, void *buf, unsigned size)
{
	return type == NT_PRSTATUS ? arch_regs_set(t, buf) : arch_xstate_set(t, buf, size);
}

/* Move *len bytes of a register set, at most all of it; *len becomes how many that were. */
static long regset_move(struct task *t, unsigned type, void __user *user, size_t *len, bool set)
{
	unsigned size = regset_size(type);
	long err = -EFAULT;
	char *buf;

	if (!size || *len % 8)
		return -EINVAL;
	*len = min(*len, (size_t)size);
	buf = kmalloc(size, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	regset_get(t, type, buf, size);
	if (!set)
		err = copy_to_user(user, buf, *len) ? -EFAULT : 0;
	else if (!copy_from_user(buf, user, *len))
		err = regset_set(t, type, buf, size);
	kfree(buf);
	return err;
}

static long regset_iovec(struct task *t, unsigned type, struct iovec_user __user *uiov, bool set)
{
	struct iovec_user iov;
	long err;

	if (get_user_struct(&iov, uiov))
		return -EFAULT;
	err = regset_move(t, type, iov.base, &iov.len, set);
	return err ? err : put_user(iov.len, &uiov->len);
}

static long regset_whole(struct task *t, unsigned type, void __user *user, bool set)
{
	size_t len = regset_size(type);

	return regset_move(t, type, user, &len, set);
}

/* ---- what the stop is about ---- */

static long get_siginfo(struct task *t, siginfo_t __user *to)
{
	struct siginfo_k info;
	bool have;

	spin_lock(siglock(t->process));
	have = t->trace_info;
	if (have)
		info = *t->trace_info;
	spin_unlock(siglock(t->process));
	return have ? siginfo_put_user(to, &info) : -EINVAL;
}

static long set_siginfo(struct task *t, const siginfo_t __user *from)
{
	struct siginfo_k info;
	long err = -EINVAL;

	if (copy_from_user(&info, from, sizeof(info)))
		return -EFAULT;
	spin_lock(siglock(t->process));
	if (t->trace_info) {
		*t->trace_info = info;
		err = 0;
	}
	spin_unlock(siglock(t->process));
	return err;
}

static long syscall_info(struct task *t, size_t size, void __user *to)
{
	const struct trapframe *f = t->frame;
	struct ptrace_syscall_info info;
	size_t used = __builtin_offsetof(struct ptrace_syscall_info, entry);

	memset(&info, 0, sizeof(info));
	info.arch = AUDIT_ARCH_X86_64;
	info.instruction_pointer = f->ip;
	info.stack_pointer = f->sp;
	if (!t->trace_info || t->trace_info->si_code != (SIGTRAP | 0x80)) {
		info.op = PTRACE_SYSCALL_INFO_NONE;
	} else if (t->trace_message == PTRACE_EVENTMSG_SYSCALL_ENTRY) {
		info.op = PTRACE_SYSCALL_INFO_ENTRY;
		info.entry.nr = f->orig_ax;
		memcpy(info.entry.args, (u64[6]){ f->di, f->si, f->dx, f->r10, f->r8, f->r9 }, sizeof(info.entry.args));
		used = __builtin_offsetof(struct ptrace_syscall_info, entry.args) + sizeof(info.entry.args);
	} else {
		info.op = PTRACE_SYSCALL_INFO_EXIT;
		info.exit.rval = (long)f->ax;
		info.exit.is_error = (long)f->ax < 0 && (long)f->ax >= -4095;
		used = __builtin_offsetof(struct ptrace_syscall_info, exit.is_error) + 1;
	}
	return copy_to_user(to, &info, min(size, used)) ? -EFAULT : (long)used;
}

static long sigmask(struct task *t, size_t size, u64 __user *user, bool set)
{
	u64 mask;

	if (size != sizeof(mask))
		return -EINVAL;
	if (!set)
		return put_user(t->blocked, user);
	if (get_user(mask, user))
		return -EFAULT;
	spin_lock(siglock(t->process));
	t->blocked = mask & ~SIG_UNBLOCKABLE;
	task_set_work(t, WORK_SIGNAL);
	spin_unlock(siglock(t->process));
	return 0;
}

/* ---- going on ---- */

static long resume(struct task *t, long request, unsigned long sig)
{
	bool step = request == PTRACE_SINGLESTEP, calls = request == PTRACE_SYSCALL;

	if (sig > NR_SIGNALS)
		return -EIO;
	arch_trace_step(t, step);
	arch_trace_syscalls(t, step || calls);
	/* From the middle of a call, its end is the next stop; the end of a single step over it, too. */
	if ((t->trace_flags & TRACE_IN_CALL) && (calls || step))
		task_set_work(t, WORK_SYSCALL_TRACE);
	else
		task_clear_work(t, WORK_SYSCALL_TRACE);
	spin_lock(siglock(t->process));
	t->trace_flags = (t->trace_flags & ~(TRACE_SYSCALL | TRACE_STEP)) | (calls ? TRACE_SYSCALL : 0) | (step ? TRACE_STEP : 0);
	t->trace_resume = (int)sig;
	t->trace_code = 0;
	t->trace_flags &= ~TRACE_FROZEN;
	task_wake_states(t, BIT(TASK_TRACED));
	spin_unlock(siglock(t->process));
	return 0;
}

static long detach(struct task *t, unsigned long sig)
{
	struct trace_dead dead = { LIST_INIT(dead.threads), LIST_INIT(dead.processes) };

	if (sig > NR_SIGNALS)
		return -EIO;
	t->trace_resume = (int)sig;
	spin_lock(&tasklist_lock);
	trace_unlink_locked(t, &dead);
	spin_unlock(&tasklist_lock);
	trace_free(&dead);
	return 0;
}

static long listen(struct task *t)
{
	long err = -EIO;

	spin_lock(siglock(t->process));
	if ((t->trace_flags & TRACE_SEIZED) && t->trace_info && t->trace_info->si_code >> 8 == PTRACE_EVENT_STOP) {
		t->trace_flags |= TRACE_LISTEN;
		if (t->trace_flags & TRACE_TRAP)	/* news came already */
			task_wake_states(t, BIT(TASK_TRACED));
		err = 0;
	}
	spin_unlock(siglock(t->process));
	return err;
}

static long interrupt(struct task *t)
{
	long err = -ESRCH;

	spin_lock(&tasklist_lock);
	if (t->tracer == current && !(t->trace_flags & TRACE_ZOMBIE)) {
		spin_lock(siglock(t->process));
		err = t->trace_flags & TRACE_SEIZED ? 0 : -EIO;
		if (!err) {
			t->trace_flags |= TRACE_TRAP;
			if (t->trace_flags & TRACE_LISTEN)
				task_wake_states(t, BIT(TASK_TRACED));
			else
				signal_wake(t, false);
		}
		spin_unlock(siglock(t->process));
	}
	spin_unlock(&tasklist_lock);
	return err;
}

static long kill_tracee(struct task *t)
{
	long err = -ESRCH;

	spin_lock(&tasklist_lock);
	if (t->tracer == current) {
		(void)signal_queue(SIGKILL, SIG_INFO_KERNEL, t, false);
		err = 0;
	}
	spin_unlock(&tasklist_lock);
	return err;
}

/* ---- the system call ---- */

static long set_options(struct task *t, unsigned long options)
{
	if (options & ~(unsigned long)OPTIONS_KNOWN)
		return -EINVAL;
	t->trace_options = (u32)options;
	return 0;
}

/* t is frozen. */
static long request_frozen(struct task *t, long request, unsigned long addr, unsigned long data)
{
	void __user *user = (void __user *)data;

	switch (request) {
	case PTRACE_PEEKTEXT: case PTRACE_PEEKDATA: return peek(t, addr, user);
	case PTRACE_POKETEXT: case PTRACE_POKEDATA: return poke(t, addr, data);
	case PTRACE_PEEKUSR: return peek_user(t, addr, user);
	case PTRACE_POKEUSR: return arch_user_word_set(t, addr, data);
	case PTRACE_GETREGS: return regset_whole(t, NT_PRSTATUS, user, false);
	case PTRACE_SETREGS: return regset_whole(t, NT_PRSTATUS, user, true);
	case PTRACE_GETFPREGS: return regset_whole(t, NT_PRFPREG, user, false);
	case PTRACE_SETFPREGS: return regset_whole(t, NT_PRFPREG, user, true);
	case PTRACE_GETREGSET: return regset_iovec(t, (unsigned)addr, user, false);
	case PTRACE_SETREGSET: return regset_iovec(t, (unsigned)addr, user, true);
	case PTRACE_SETOPTIONS: return set_options(t, data);
	case PTRACE_GETEVENTMSG: return put_user(t->trace_message, (unsigned long __user *)user);
	case PTRACE_GETSIGINFO: return get_siginfo(t, user);
	case PTRACE_SETSIGINFO: return set_siginfo(t, user);
	case PTRACE_GETSIGMASK: return sigmask(t, addr, user, false);
	case PTRACE_SETSIGMASK: return sigmask(t, addr, user, true);
	case PTRACE_GET_SYSCALL_INFO: return syscall_info(t, addr, user);
	case PTRACE_CONT: case PTRACE_SYSCALL: case PTRACE_SINGLESTEP: return resume(t, request, data);
	case PTRACE_LISTEN: return listen(t);
	case PTRACE_DETACH: return detach(t, data);
	}
	return -EIO;
}

SYSCALL(ptrace, long request, long pid, unsigned long addr, unsigned long data)
{
	struct task *t;
	long err;

	if (request == PTRACE_TRACEME)
		return trace_me();
	t = task_find((int)pid);
	if (!t)
		return -ESRCH;
	if (request == PTRACE_ATTACH || request == PTRACE_SEIZE) {
		err = attach(t, request == PTRACE_SEIZE, addr, data);
	} else if (request == PTRACE_INTERRUPT) {
		err = interrupt(t);
	} else if (request == PTRACE_KILL) {
		err = kill_tracee(t);
	} else {
		err = freeze(t);
		if (!err) {
			err = request_frozen(t, request, addr, data);
			thaw(t);
		}
	}
	task_put(t);
	return err;
}
