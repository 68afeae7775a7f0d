/*
 * agent.c - the guest agent, /init: runs one job for the host command, then stops the machine.
 * WHY         the host's caller must not be able to tell that the program ran in another kernel: same
 *             arguments, same streams, same end. Everything else here serves that.
 * SHAPE       open ports -> HELLO -> JOB -> mount -> start -> loop { control, three streams, children } ->
 *             EXIT -> kill the rest -> ledger -> write back -> DONE -> reboot.
 * INVARIANTS  A1 the loop never blocks on anything but poll, so a BEAT leaves each second.
 *             A2 EXIT is sent after the last byte the program wrote has been handed to the port.
 * LINUX       nothing but Linux system calls: the same file is /init under stock Linux, which is how the two
 *             kernels are compared.
 * READ NEXT   user/wire.h, cli/guest.c
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "user/agent.h"

struct agent {
	struct job job;
	struct child child;
	struct stream in, out, err;
	bool in_ends, running, stdin_closed_told;
	uint64_t in_end; /* with in_ends: the length of standard input */
	uint64_t next_beat;
	struct wire_exit exit;
	char head[sizeof(struct wire_head)];
	size_t head_len, body_len; /* how much of the next control message is here */
	char *body;
};

static struct agent agent;
static int child_pipe[2];

static void on_sigchld(int sig)
{
	int saved = errno;

	if (write(child_pipe[1], "", 1) < 0)
		errno = 0; /* full: the loop is told already */
	errno = saved;
}

static void __attribute__((noreturn)) stop_machine(void)
{
	/* What the ports still hold is lost when the machine ends: QEMU takes it in its own time. */
	fsync(control_fd);
	if (agent.out.to >= 0)
		fsync(agent.out.to);
	if (agent.err.to >= 0)
		fsync(agent.err.to);
	sync();
	reboot(RB_AUTOBOOT); /* QEMU runs with -no-reboot: this ends it on every machine type */
	for (;;)
		pause();
}

static void __attribute__((noreturn)) give_up(const char *why)
{
	console_line("quire agent: %s", why);
	stop_machine();
}

static int open_port(enum wire_port port)
{
	char path[] = "/dev/vport0p0";
	int fd = -1;

	path[sizeof(path) - 2] = (char)('0' + port);
	for (int tries = 0; tries < 500; tries++) {
		fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0)
			return fd;
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL); /* drivers may still be probing */
	}
	give_up("no virtio port from the host");
}

static void handle_signal_message(const char *body)
{
	uint32_t sig;

	memcpy(&sig, body, sizeof(sig));
	if (!agent.running || sig == 0 || sig > 64)
		return;
	/* What a terminal would send goes to all of the job, what kill(1) would send to the program alone. */
	if (sig == SIGINT || sig == SIGQUIT || sig == SIGHUP || sig == SIGTSTP || sig == SIGCONT)
		kill(-agent.child.pid, (int)sig);
	else
		kill(agent.child.pid, (int)sig);
}

static void handle_winsize(const char *body)
{
	struct wire_winsize w;

	memcpy(&w, body, sizeof(w));
	if (agent.running && agent.job.tty && agent.out.from >= 0)
		ioctl(agent.out.from, TIOCSWINSZ,
		      &(struct winsize){.ws_row = w.rows, .ws_col = w.cols,
					.ws_xpixel = w.xpixel, .ws_ypixel = w.ypixel});
}

/* The host's reader is gone: close the pipe, so that the program's next write is SIGPIPE. */
static void handle_output_gone(const char *body)
{
	uint32_t port;
	struct stream *s;

	memcpy(&port, body, sizeof(port));
	s = port == PORT_STDERR ? &agent.err : &agent.out;
	if (s->from >= 0 && !agent.job.tty) {
		close(s->from);
		s->from = -1;
	}
	s->len = 0;
}

static void handle_message(uint32_t type, char *body, uint32_t len)
{
	switch (type) {
	case WIRE_JOB:
		if (!job_parse(&agent.job, body, len)) {
			send_text(WIRE_ERROR, "the job message is malformed");
			stop_machine();
		}
		break;
	case WIRE_SIGNAL:
		handle_signal_message(body);
		break;
	case WIRE_WINSIZE:
		handle_winsize(body);
		break;
	case WIRE_STDIN_EOF:
		memcpy(&agent.in_end, body, sizeof(agent.in_end));
		agent.in_ends = true;
		break;
	case WIRE_ASK:
		send_file(WIRE_LIVE, "/proc/ledger/summary");
		break;
	case WIRE_OUTPUT_GONE:
		handle_output_gone(body);
		break;
	}
}

/* Take one control message, or a part of one. false: nothing more to read now. */
static bool read_control(void)
{
	struct wire_head h;
	ssize_t n;

	if (agent.head_len < sizeof(h)) {
		n = read(control_fd, agent.head + agent.head_len, sizeof(h) - agent.head_len);
		if (n <= 0)
			return false;
		agent.head_len += (size_t)n;
		if (agent.head_len < sizeof(h))
			return true;
		memcpy(&h, agent.head, sizeof(h));
		agent.body = h.len <= WIRE_MAX_MESSAGE ? malloc(h.len + 8u) : NULL;
		if (!agent.body)
			give_up("control message too large");
		memset(agent.body + h.len, 0, 8);
		agent.body_len = 0;
	}
	memcpy(&h, agent.head, sizeof(h));
	if (agent.body_len < h.len) {
		n = read(control_fd, agent.body + agent.body_len, h.len - agent.body_len);
		if (n <= 0)
			return false;
		agent.body_len += (size_t)n;
	}
	if (agent.body_len == h.len) {
		handle_message(h.type, agent.body, h.len);
		if (h.type != WIRE_JOB) /* the job points into its message */
			free(agent.body);
		agent.head_len = 0;
	}
	return true;
}

/*
 * A machine that has to do the same each time finds its job in /job of the initramfs, and has no standard input: guest time passes in leaps
 * while an answer of the host is awaited.
 */
static bool job_from_file(void)
{
	int fd = open("/job", O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *data;

	if (fd < 0)
		return false;
	if (fstat(fd, &st) < 0 || !(data = calloc(1, (size_t)st.st_size + 8)) || read(fd, data, (size_t)st.st_size) != st.st_size)
		give_up("cannot read /job");
	close(fd);
	unlink("/job");
	agent.in_ends = true;
	handle_message(WIRE_JOB, data, (uint32_t)st.st_size);
	return true;
}

static void wait_for_job(void)
{
	if (job_from_file())
		return;
	while (!agent.job.argv) {
		struct pollfd p = {.fd = control_fd, .events = POLLIN};

		if (!read_control())
			poll(&p, 1, -1);
	}
}

static void close_stdin(void)
{
	if (agent.in.to < 0)
		return;
	if (agent.job.tty) {
		write_all(agent.in.to, "\4", 1); /* VEOF: a terminal has no other end of file */
		agent.in_ends = false;
		return;
	}
	close(agent.in.to);
	agent.in.to = -1;
}

static void pump_streams(void)
{
	stream_pump(&agent.in);
	stream_pump(&agent.out);
	stream_pump(&agent.err);
	if (agent.in_ends && agent.in.total == agent.in_end && stream_idle(&agent.in))
		close_stdin();
	if (agent.in.to < 0 && !agent.stdin_closed_told) {
		agent.stdin_closed_told = true;
		send_message(WIRE_STDIN_CLOSED, NULL, 0);
	}
}

/* Reap everything; true when the program itself was among it. */
static bool reap(void)
{
	struct rusage ru;
	bool ended = false;
	char drop[64];
	int status;
	pid_t pid;

	while (read(child_pipe[0], drop, sizeof(drop)) > 0)
		;
	while ((pid = wait4(-1, &status, WNOHANG, &ru)) > 0) {
		if (pid != agent.child.pid)
			continue;
		ended = true;
		agent.exit.status = (uint32_t)status;
		agent.exit.run_ns = now_ns() - agent.child.start_ns;
		agent.exit.user_us = (uint64_t)ru.ru_utime.tv_sec * 1000000u + (uint64_t)ru.ru_utime.tv_usec;
		agent.exit.system_us = (uint64_t)ru.ru_stime.tv_sec * 1000000u + (uint64_t)ru.ru_stime.tv_usec;
		agent.exit.max_rss_kib = (uint64_t)ru.ru_maxrss;
	}
	return ended;
}

static void beat(void)
{
	uint64_t now = now_ns();

	if (now < agent.next_beat)
		return;
	agent.next_beat = now + 1000000000u;
	send_message(WIRE_BEAT, NULL, 0);
}

/* One poll entry for a stream: wait to write what we hold, else to read more. */
static struct pollfd stream_poll(const struct stream *s)
{
	if (s->len && s->to >= 0)
		return (struct pollfd){.fd = s->to, .events = POLLOUT};
	return (struct pollfd){.fd = s->from, .events = POLLIN};
}

/* Notice a reader that goes away while we have nothing for it. */
static bool stdin_reader_gone(short revents)
{
	return (revents & POLLERR) && agent.in.to >= 0 && !agent.job.tty;
}

static void serve_program(void)
{
	bool ended = false;

	while (!ended) {
		struct pollfd p[6] = {
			{.fd = control_fd, .events = POLLIN},
			{.fd = child_pipe[0], .events = POLLIN},
			stream_poll(&agent.in),
			stream_poll(&agent.out),
			stream_poll(&agent.err),
			{.fd = agent.job.tty ? -1 : agent.in.to, .events = 0},
		};

		if (agent.in.to < 0 || (agent.in_ends && agent.in.total == agent.in_end && !agent.in.len))
			p[2].fd = -1; /* nothing more to carry that way */
		poll(p, 6, 1000);
		if (stdin_reader_gone(p[5].revents)) {
			close(agent.in.to);
			agent.in.to = -1;
		}
		while (read_control())
			;
		pump_streams();
		ended = reap();
		beat();
	}
}

/* Every program is gone; what they wrote is still in the pipes. */
static void finish_output(struct stream *s, int port_fd)
{
	for (;;) {
		uint64_t before = s->total;

		stream_pump(s);
		if (s->len && s->to >= 0) {
			poll(&(struct pollfd){.fd = port_fd, .events = POLLOUT}, 1, 1000);
			while (read_control())
				;
			beat();
		} else if (s->total == before) {
			return;
		}
	}
}

static void end_all_processes(void)
{
	kill(-1, SIGKILL);
	for (int tries = 0; tries < 2000;) {
		pid_t pid = waitpid(-1, NULL, WNOHANG);

		if (pid < 0 && errno == ECHILD)
			return;
		if (pid > 0)
			continue;
		beat();
		tries++;
		nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
	}
	send_text(WIRE_NOTE, "some processes do not end");
}

static void report_and_stop(void)
{
	stop_modules(&agent.job);
	if (agent.job.wanted & WANT_HEAP)
		heap_send(); /* its files go: the books below are closed without them */
	if (agent.job.wanted & WANT_STREAM)
		write_small_file("/proc/ledger/stream", "stop");
	if (agent.job.wanted & WANT_LEDGER)
		send_file(WIRE_LEDGER, "/proc/ledger/summary");
	if (agent.job.wanted & WANT_TIMELINE)
		send_file(WIRE_TIMELINE, "/proc/ledger/timeline");
	send_file(WIRE_EVENTS, "/proc/ledger/events");
	send_cgroup(&agent.job);
	if (agent.job.wanted & WANT_TIMELINE)
		send_file(WIRE_PROCESSES, "/proc/ledger/processes");
	if (agent.job.wanted & WANT_LEDGER)
		send_file(WIRE_FILES, "/proc/ledger/files");
	if (agent.job.wanted & WANT_AUDIT)
		send_file(WIRE_AUDIT, "/proc/ledger/audit");
	write_back(&agent.job);
	send_message(WIRE_DONE, NULL, 0);
	stop_machine();
}

/* The best of what is wanted that this kernel can do. */
static void start_ledger(void)
{
	uint32_t w = agent.job.wanted;

	if ((w & WANT_STREAM) && write_small_file("/proc/ledger/stream", w & WANT_PAGES ? "start pages" : "start"))
		return;
	if (w & WANT_PAGES)
		send_text(WIRE_NOTE, "this guest kernel has no ledger stream: no --stacks");
	if (!(w & WANT_TIMELINE) || !write_small_file("/proc/ledger/summary", "timeline"))
		write_small_file("/proc/ledger/summary", "reset");
}

static void start_program(int in_port, int out_port, int err_port)
{
	bool failed_exec;
	int err;

	if (agent.job.wanted & WANT_LEDGER) {
		start_ledger();
		send_file(WIRE_LEDGER_START, "/proc/ledger/summary");
	}
	if (!start_modules(&agent.job))
		report_and_stop();
	if (!set_knobs(&agent.job))
		report_and_stop();
	err = child_start(&agent.child, &agent.job, &failed_exec);
	if (err) {
		uint32_t code = (uint32_t)err;

		if (failed_exec)
			send_message(WIRE_EXEC_FAILED, &code, sizeof(code));
		else
			send_text(WIRE_ERROR, "cannot start the program in %s: %s", agent.job.cwd, strerror(err));
		report_and_stop();
	}
	agent.running = true;
	send_message(WIRE_STARTED, NULL, 0);
	agent.in.from = in_port;
	agent.in.from_is_port = true;
	agent.in.to = agent.child.in;
	agent.out.from = agent.child.out;
	agent.out.to = out_port;
	agent.err.from = agent.child.err;
	agent.err.to = err_port;
}

static void ignore_host_signals(void)
{
	struct sigaction chld = {.sa_handler = on_sigchld, .sa_flags = SA_RESTART | SA_NOCLDSTOP};

	if (pipe2(child_pipe, O_CLOEXEC | O_NONBLOCK) < 0)
		give_up("pipe2 failed");
	sigaction(SIGCHLD, &chld, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Descriptors 0 to 2 exist, so no port becomes one of them. */
static void fill_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	while (fd >= 0 && fd < 3);
	if (fd >= 3)
		close(fd);
}

int main(void)
{
	uint32_t version = WIRE_VERSION;
	int in_port, out_port, err_port;

	mount_basics();
	fill_standard_descriptors();
	load_modules();
	ignore_host_signals();
	control_fd = open_port(PORT_CONTROL);
	in_port = open_port(PORT_STDIN);
	out_port = open_port(PORT_STDOUT);
	err_port = open_port(PORT_STDERR);
	send_message(WIRE_HELLO, &version, sizeof(version));
	wait_for_job();
	heap_library_open();
	if (!mount_root(&agent.job))
		stop_machine();
	if (agent.job.wanted & WANT_HEAP)
		heap_prepare(&agent.job);
	start_swaps(&agent.job);
	if (!make_cgroup(&agent.job))
		report_and_stop();
	start_program(in_port, out_port, err_port);
	serve_program();
	end_all_processes(); /* as when the first process of a container ends */
	finish_output(&agent.out, out_port);
	finish_output(&agent.err, err_port);
	agent.exit.out_bytes = agent.out.total;
	agent.exit.err_bytes = agent.err.total;
	send_message(WIRE_EXIT, &agent.exit, sizeof(agent.exit));
	report_and_stop();
}
