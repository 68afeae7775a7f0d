/*
 * guest.c - one job in a running machine: the protocol, the byte streams, signals, and every way it can end.
 * WHY         whatever happens inside - a panic, a hang, QEMU killed - the caller gets an answer, soon, and
 *             the words to understand it.
 * SHAPE       one poll loop over { signals, control, log, QEMU's complaints, 3 streams }.
 * LIFE        booting -> (HELLO) -> starting -> (STARTED) -> running -> (EXIT) -> ending -> (DONE and all
 *             bytes out) -> over. Any state -> over by panic, silence, timeout, second interrupt, QEMU's end.
 * INVARIANTS  U1 our own standard streams keep their flags; we write only what poll said will not block.
 *             U2 after DONE nothing of value is left in the machine, so it is killed, not waited for.
 * READ NEXT   user/wire.h, user/agent.c
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "cli/heap.h"
#include "cli/quire.h"

#define LOG_PAUSE_NS 20000000ull     /* the log comes byte by byte: take it in gulps */
#define PANIC_GRACE_NS 2000000000ull /* for the stack that follows the word */

enum state { BOOTING, STARTING, RUNNING, ENDING };

/* One direction of one stream. [fds] are ours or the caller's, -1 when closed. */
struct flow {
	int from, to;
	size_t start, len, chunk;
	uint64_t total, wanted; /* bytes taken; with `bounded`, how many there will be */
	bool bounded, source_ended, sink_gone;
	char buf[65536];
};

struct session {
	struct vm *vm;
	const struct options *o;
	struct run_result *r;
	struct kernel_log log;
	struct flow in, out, err;
	enum state state;
	int signals;
	int listener, client; /* of quire top; -1: none */
	unsigned int interrupts;
	bool qemu_ended, eof_told;
	uint64_t ignored; /* signals our caller had ignored */
	uint64_t begin, last_sign, panic_seen, log_next; /* log_next: not before this do we look at the log */
	char *outgoing; /* control bytes not yet accepted */
	size_t outgoing_len, outgoing_at;
	char *incoming;
	size_t incoming_len, incoming_size;
	char complaints[2048];
	size_t complaints_len;
};

static struct session session;

/* ---- control ---- */

static void control_push(void)
{
	struct session *s = &session;

	while (s->outgoing_at < s->outgoing_len) {
		ssize_t n = write(s->vm->ports[PORT_CONTROL], s->outgoing + s->outgoing_at,
				  s->outgoing_len - s->outgoing_at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return; /* full, or QEMU is gone, which shows elsewhere */
		s->outgoing_at += (size_t)n;
	}
	s->outgoing_at = s->outgoing_len = 0;
}

static void control_send(enum wire_type type, const void *body, size_t len)
{
	struct wire_head h = {.type = type, .len = (uint32_t)len};
	struct session *s = &session;

	s->outgoing = must_alloc(realloc(s->outgoing, s->outgoing_len + sizeof(h) + len));
	memcpy(s->outgoing + s->outgoing_len, &h, sizeof(h));
	if (len)
		memcpy(s->outgoing + s->outgoing_len + sizeof(h), body, len);
	s->outgoing_len += sizeof(h) + len;
	control_push();
}

static void end_with(enum run_end end)
{
	if (session.r->end == END_NONE)
		session.r->end = end;
}

static void keep_text(char **to, const char *body, size_t len)
{
	free(*to);
	*to = must_alloc(malloc(len + 1));
	memcpy(*to, body, len);
	(*to)[len] = 0;
}

static void on_exit_message(const char *body, size_t len)
{
	struct session *s = &session;

	if (len < sizeof(s->r->exit))
		return;
	memcpy(&s->r->exit, body, sizeof(s->r->exit));
	s->out.bounded = s->err.bounded = true;
	s->out.wanted = s->r->exit.out_bytes;
	s->err.wanted = s->r->exit.err_bytes;
	s->state = ENDING;
	end_with(END_EXITED);
}

static void on_failure_message(enum run_end end, const char *body, size_t len)
{
	struct session *s = &session;
	uint32_t code = 0;

	if (end == END_EXEC_FAILED && len >= sizeof(code)) {
		memcpy(&code, body, sizeof(code));
		s->r->exec_errno = (int)code;
	} else {
		snprintf(s->r->message, sizeof(s->r->message), "%.*s", (int)len, body);
	}
	s->out.bounded = s->err.bounded = true;
	s->state = ENDING;
	end_with(end);
}

static void on_hello(const char *body, size_t len, char *job, size_t job_len)
{
	struct session *s = &session;
	uint32_t version = 0;

	if (len >= sizeof(version))
		memcpy(&version, body, sizeof(version));
	if (version != WIRE_VERSION) {
		snprintf(s->r->message, sizeof(s->r->message), "the initramfs is of another version; run make");
		end_with(END_AGENT_ERROR);
		return;
	}
	s->r->boot_ns = monotonic_ns() - s->begin;
	s->state = STARTING;
	if (s->o->seeded) /* nothing comes at a time of the host's choosing: the job is in the initramfs, standard input is empty */
		s->in.source_ended = s->eof_told = true;
	else
		control_send(WIRE_JOB, job, job_len);
}

static void on_message(const struct wire_head *h, const char *body, char *job, size_t job_len)
{
	struct session *s = &session;

	switch (h->type) {
	case WIRE_HELLO:
		on_hello(body, h->len, job, job_len);
		break;
	case WIRE_STARTED:
		s->state = RUNNING;
		s->r->start_ns = monotonic_ns() - s->begin;
		break;
	case WIRE_EXEC_FAILED:
		on_failure_message(END_EXEC_FAILED, body, h->len);
		break;
	case WIRE_ERROR:
		on_failure_message(END_AGENT_ERROR, body, h->len);
		break;
	case WIRE_STDIN_CLOSED:
		s->in.source_ended = s->in.sink_gone = s->eof_told = true;
		break;
	case WIRE_EXIT:
		on_exit_message(body, h->len);
		break;
	case WIRE_LEDGER_START:
		keep_text(&s->r->ledger_start, body, h->len);
		break;
	case WIRE_LEDGER:
		keep_text(&s->r->ledger, body, h->len);
		break;
	case WIRE_TIMELINE:
		keep_text(&s->r->timeline, body, h->len);
		break;
	case WIRE_PROCESSES:
		keep_text(&s->r->processes, body, h->len);
		break;
	case WIRE_FILES:
		keep_text(&s->r->files, body, h->len);
		break;
	case WIRE_EVENTS:
		keep_text(&s->r->events, body, h->len);
		break;
	case WIRE_CGROUP:
		keep_text(&s->r->cgroup, body, h->len);
		break;
	case WIRE_AUDIT:
		keep_text(&s->r->audit, body, h->len);
		break;
	case WIRE_MODULES:
		keep_text(&s->r->modules, body, h->len);
		break;
	case WIRE_HEAP:
		heap_part(body, h->len);
		break;
	case WIRE_LIVE:
		if (s->client >= 0 && !attach_answer(s->client, body, h->len)) {
			close(s->client);
			s->client = -1;
		}
		break;
	case WIRE_NOTE:
		warn_user("%.*s", (int)h->len, body);
		break;
	case WIRE_DONE:
		s->r->done = true;
		break;
	}
}

/* false: nothing there. */
static bool control_read(char *job, size_t job_len)
{
	struct session *s = &session;
	struct wire_head h;
	size_t at = 0;
	ssize_t n;

	if (s->incoming_size - s->incoming_len < 65536)
		s->incoming = must_alloc(realloc(s->incoming, s->incoming_size += 131072));
	n = read(s->vm->ports[PORT_CONTROL], s->incoming + s->incoming_len, s->incoming_size - s->incoming_len);
	if (n <= 0)
		return false;
	s->incoming_len += (size_t)n;
	while (s->incoming_len - at >= sizeof(h)) {
		memcpy(&h, s->incoming + at, sizeof(h));
		if (h.len > WIRE_MAX_MESSAGE) {
			snprintf(s->r->message, sizeof(s->r->message), "the guest agent sent garbage");
			end_with(END_AGENT_ERROR);
			return false;
		}
		if (s->incoming_len - at - sizeof(h) < h.len)
			break;
		on_message(&h, s->incoming + at + sizeof(h), job, job_len);
		at += sizeof(h) + h.len;
	}
	memmove(s->incoming, s->incoming + at, s->incoming_len - at);
	s->incoming_len -= at;
	return true;
}

/* ---- streams ---- */

static void flow_fill(struct flow *f)
{
	ssize_t n = read(f->from, f->buf, sizeof(f->buf));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		f->source_ended = true;
		return;
	}
	f->start = 0;
	f->len = (size_t)n;
	f->total += (uint64_t)n;
}

/* `chunk` is what the sink takes without blocking once poll says it is ready. */
static void flow_drain(struct flow *f)
{
	size_t part = f->len < f->chunk ? f->len : f->chunk;
	ssize_t n;

	if (f->sink_gone) {
		f->len = 0;
		return;
	}
	n = write(f->to, f->buf + f->start, part);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		f->sink_gone = true;
		f->len = 0;
		return;
	}
	f->start += (size_t)n;
	f->len -= (size_t)n;
}

static bool flow_over(const struct flow *f)
{
	return !f->len && (f->source_ended || (f->bounded && f->total >= f->wanted));
}

static struct pollfd flow_poll(const struct flow *f)
{
	if (f->len && !f->sink_gone)
		return (struct pollfd){.fd = f->to, .events = POLLOUT};
	if (f->source_ended)
		return (struct pollfd){.fd = -1};
	return (struct pollfd){.fd = f->from, .events = POLLIN};
}

static void output_step(struct flow *f, enum wire_port port)
{
	bool gone = f->sink_gone;
	uint32_t which = port;

	if (f->len)
		flow_drain(f);
	else if (!f->source_ended)
		flow_fill(f);
	if (f->sink_gone && !gone)
		control_send(WIRE_OUTPUT_GONE, &which, sizeof(which));
}

static void input_step(void)
{
	struct flow *f = &session.in;

	if (f->len)
		flow_drain(f);
	else if (!f->source_ended)
		flow_fill(f);
	if (f->source_ended && !f->len && !session.eof_told) {
		session.eof_told = true;
		control_send(WIRE_STDIN_EOF, &f->total, sizeof(f->total));
	}
}

static size_t safe_chunk(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)))
		return 65536;
	return PIPE_BUF;
}

static void flows_begin(void)
{
	struct session *s = &session;

	s->in.from = STDIN_FILENO;
	s->in.to = s->vm->ports[PORT_STDIN];
	s->in.chunk = sizeof(s->in.buf);
	s->out.from = s->vm->ports[PORT_STDOUT];
	s->out.to = STDOUT_FILENO;
	s->out.chunk = safe_chunk(STDOUT_FILENO);
	s->err.from = s->vm->ports[PORT_STDERR];
	s->err.to = STDERR_FILENO;
	s->err.chunk = safe_chunk(STDERR_FILENO);
	if (fcntl(STDIN_FILENO, F_GETFD) < 0)
		s->in.source_ended = true;
	s->out.sink_gone = fcntl(STDOUT_FILENO, F_GETFD) < 0;
}

/* ---- signals ---- */

static const int forwarded[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGTSTP, SIGCHLD};

static void signals_begin(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++)
		sigaddset(&set, forwarded[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	session.signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (session.signals < 0)
		fail("signalfd: %s", strerror(errno));
}

/* Stop as a whole: the machine with us, and both go on together. */
static void stop_together(void)
{
	kill(session.vm->pid, SIGSTOP);
	kill(getpid(), SIGSTOP);
	kill(session.vm->pid, SIGCONT);
	session.last_sign = monotonic_ns();
}

static void interrupted(int sig)
{
	uint32_t number = (uint32_t)sig;

	if (session.ignored >> (sig - 1) & 1)
		return; /* our caller, nohup for one, does not want us to hear it */
	session.r->signal = sig;
	if (session.state < RUNNING || (sig == SIGINT && ++session.interrupts > 1)) {
		end_with(END_INTERRUPTED);
		session.r->end = END_INTERRUPTED;
		return;
	}
	control_send(WIRE_SIGNAL, &number, sizeof(number));
}

static void on_signal(int sig)
{
	struct wire_winsize ws;

	switch (sig) {
	case SIGCHLD:
		if (waitpid(session.vm->pid, &session.r->qemu_status, WNOHANG) == session.vm->pid)
			session.qemu_ended = true;
		break;
	case SIGWINCH:
		if (session.o->tty && terminal_size(&ws))
			control_send(WIRE_WINSIZE, &ws, sizeof(ws));
		break;
	case SIGTSTP:
		stop_together();
		break;
	default:
		interrupted(sig);
	}
}

static void signals_read(void)
{
	struct signalfd_siginfo si;

	while (read(session.signals, &si, sizeof(si)) == (ssize_t)sizeof(si))
		on_signal((int)si.ssi_signo);
}

/* ---- who watches: quire top ---- */

static void client_gone(void)
{
	if (session.client >= 0)
		close(session.client);
	session.client = -1;
}

/* One at a time. Each byte asks for a reading; while the program does not run there is none to have. */
static void client_step(void)
{
	struct session *s = &session;
	char byte;
	ssize_t n;

	if (s->client < 0) {
		s->client = attach_accept(s->listener);
		return;
	}
	n = read(s->client, &byte, 1);
	if (n == 0 || (n < 0 && errno != EAGAIN))
		client_gone();
	else if (n > 0 && s->state == RUNNING)
		control_send(WIRE_ASK, NULL, 0);
	else if (n > 0 && !attach_answer(s->client, "", 0))
		client_gone();
}

/* ---- the loop ---- */

static bool log_read(void)
{
	char buf[8192];
	ssize_t n = read(session.vm->log, buf, sizeof(buf));

	if (n <= 0)
		return false;
	session.log_next = monotonic_ns() + LOG_PAUSE_NS;
	log_add(&session.log, buf, (size_t)n);
	return true;
}

static void complaints_read(void)
{
	struct session *s = &session;
	char drop[512];
	size_t room = sizeof(s->complaints) - 1 - s->complaints_len;
	ssize_t n = read(s->vm->complaints, room ? s->complaints + s->complaints_len : drop, room ? room : sizeof(drop));

	if (n > 0 && room)
		s->complaints_len += (size_t)n;
	if (n == 0 && s->vm->complaints >= 0) {
		close(s->vm->complaints);
		s->vm->complaints = -1;
	}
}

static void check_clocks(uint64_t now)
{
	struct session *s = &session;

	if (s->log.panicked && !s->panic_seen)
		s->panic_seen = now;
	if (s->panic_seen && now - s->panic_seen > PANIC_GRACE_NS)
		end_with(END_PANIC);
	if (s->o->timeout_s > 0 && (double)(now - s->begin) > s->o->timeout_s * 1e9)
		end_with(END_TIMEOUT);
	if (s->o->watchdog_s > 0 && (double)(now - s->last_sign) > s->o->watchdog_s * 1e9)
		end_with(END_SILENT);
}

/* Milliseconds until a clock above may ring. */
static int poll_limit(void)
{
	uint64_t now = monotonic_ns();
	double left = now < session.log_next ? LOG_PAUSE_NS / 1e6 : 1000, t;

	if (session.o->timeout_s > 0) {
		t = session.o->timeout_s * 1e3 - (double)(now - session.begin) / 1e6 + 1;
		left = t < left ? t : left;
	}
	return left < 1 ? 1 : (int)left;
}

/* In QEMU's own words when it had any. */
static void describe_qemu_end(void)
{
	struct session *s = &session;
	int status = s->r->qemu_status;

	if (s->complaints_len)
		snprintf(s->r->message, sizeof(s->r->message), "%.*s", (int)strcspn(s->complaints, "\n"),
			 s->complaints);
	else if (WIFSIGNALED(status))
		snprintf(s->r->message, sizeof(s->r->message), "QEMU was killed by SIG%s",
			 sigabbrev_np(WTERMSIG(status)) ?: "?");
	else
		snprintf(s->r->message, sizeof(s->r->message), "QEMU exited with %d", WEXITSTATUS(status));
}

/* QEMU is gone: what it had written is still in the sockets, and may say how the guest ended. */
static void read_what_is_left(char *job, size_t job_len)
{
	struct session *s = &session;

	while (log_read())
		;
	while (control_read(job, job_len))
		;
	for (int i = 0; i < 64; i++)
		complaints_read();
	s->out.bounded = s->err.bounded = false; /* their sockets end by themselves now */
	if (s->r->end == END_SILENT || s->r->end == END_TIMEOUT || s->r->end == END_INTERRUPTED)
		return;
	if (s->log.panicked) {
		s->r->end = END_PANIC;
	} else if (!s->r->done && s->r->end != END_AGENT_ERROR) {
		s->r->end = END_VANISHED;
		describe_qemu_end();
	}
}

static bool over(void)
{
	struct session *s = &session;

	switch (s->r->end) {
	case END_NONE:
		return false;
	case END_EXITED:
	case END_EXEC_FAILED:
		return s->r->done && flow_over(&s->out) && flow_over(&s->err);
	default:
		return true;
	}
}

static void step(char *job, size_t job_len)
{
	struct session *s = &session;
	bool reads_in = s->state == RUNNING && s->r->end == END_NONE && !s->in.sink_gone;
	struct pollfd p[] = {
		{.fd = s->signals, .events = POLLIN},
		{.fd = s->qemu_ended ? -1 : s->vm->ports[PORT_CONTROL],
		 .events = (short)(POLLIN | (s->outgoing_len ? POLLOUT : 0))},
		{.fd = s->qemu_ended || monotonic_ns() < s->log_next ? -1 : s->vm->log, .events = POLLIN},
		{.fd = s->vm->complaints, .events = POLLIN},
		reads_in ? flow_poll(&s->in) : (struct pollfd){.fd = -1},
		flow_poll(&s->out),
		flow_poll(&s->err),
		{.fd = s->client >= 0 ? s->client : s->listener, .events = POLLIN},
	};

	if (poll(p, sizeof(p) / sizeof(p[0]), poll_limit()) < 0 && errno != EINTR)
		fail("poll: %s", strerror(errno));
	if (p[1].revents | p[2].revents | p[5].revents | p[6].revents)
		s->last_sign = monotonic_ns();
	signals_read();
	control_push();
	if (p[2].revents && !log_read() && (p[2].revents & POLLHUP))
		poll(NULL, 0, 1); /* QEMU is on its way out; SIGCHLD follows */
	if (p[1].revents)
		control_read(job, job_len);
	if (p[3].revents)
		complaints_read();
	if (p[7].revents)
		client_step();
	if (p[5].revents || s->out.sink_gone)
		output_step(&s->out, PORT_STDOUT);
	if (p[6].revents || s->err.sink_gone)
		output_step(&s->err, PORT_STDERR);
	if (p[4].revents || (reads_in && s->in.source_ended))
		input_step();
}

static void log_begin(const struct options *o)
{
	if (o->log_file) {
		session.log.copy = fopen(o->log_file, "we");
		if (!session.log.copy)
			fail("--log %s: %s", o->log_file, strerror(errno));
	} else if (o->verbose) {
		session.log.copy = stderr;
	}
}

static void kill_machine(void)
{
	if (session.qemu_ended)
		return;
	kill(session.vm->pid, SIGKILL);
	waitpid(session.vm->pid, &session.r->qemu_status, 0);
}

/* The machine is dead; what the program wrote before is in the sockets. A reader that does not read for two
 * seconds gives it up. */
static void flush_outputs(void)
{
	struct session *s = &session;

	while (!flow_over(&s->out) || !flow_over(&s->err)) {
		struct pollfd p[] = {flow_poll(&s->out), flow_poll(&s->err)};

		if (poll(p, 2, 2000) <= 0)
			return;
		if (p[0].revents || s->out.sink_gone)
			output_step(&s->out, PORT_STDOUT);
		if (p[1].revents || s->err.sink_gone)
			output_step(&s->err, PORT_STDERR);
	}
}

static void explain(void)
{
	switch (session.r->end) {
	case END_PANIC:
		warn_user("the guest kernel panicked");
		break;
	case END_SILENT:
		warn_user("the guest has been silent for %.0f s: stopped", session.o->watchdog_s);
		break;
	case END_VANISHED:
		warn_user("the machine ended before the program did%s%s", session.r->message[0] ? ": " : "",
			  session.r->message);
		break;
	default:
		return;
	}
	if (!session.log.copy || session.log.copy != stderr)
		log_print_tail(&session.log, stderr, 40);
}

/*
 * Run the job to its end, whatever that is. The machine is gone afterwards.
 * Terminal: raw while the program runs if o->tty, restored on return.
 */
void guest_run(struct vm *vm, const struct options *o, char *job, size_t job_len, struct run_result *r)
{
	struct session *s = &session;
	bool drained = false;

	s->vm = vm;
	s->o = o;
	s->r = r;
	s->last_sign = monotonic_ns();
	flows_begin();
	log_begin(o);
	if (o->tty)
		terminal_raw();
	while (!over()) {
		step(job, job_len);
		if (s->qemu_ended && !drained) {
			drained = true;
			read_what_is_left(job, job_len);
		}
		check_clocks(monotonic_ns());
	}
	while (log_read())
		;
	kill_machine();
	flush_outputs();
	r->nr_oom = s->log.nr_oom;
	memcpy(r->oom, s->log.oom, sizeof(r->oom));
	r->wall_ns = monotonic_ns() - s->begin;
	terminal_restore();
	explain();
	if (s->log.copy && s->log.copy != stderr)
		fclose(s->log.copy);
}

/* Call before the machine starts: from here on, signals wait for the loop. */
void guest_prepare(uint64_t begin)
{
	session.begin = begin;
	session.ignored = ignored_signals();
	signals_begin();
	session.listener = attach_listen();
	session.client = -1;
}
