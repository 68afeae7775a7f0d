/*
 * agent.h - private to the guest agent: the job, the byte streams, and who does what.
 */
#ifndef USER_AGENT_H
#define USER_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "user/wire.h"

/* agent_util.c: words to the host, and last words on the console */
extern int control_fd;

void send_message(enum wire_type type, const void *data, size_t len);
void send_text(enum wire_type type, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void send_file(enum wire_type type, const char *path);
void console_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
bool write_all(int fd, const void *data, size_t len);
bool write_small_file(const char *path, const char *text);
uint64_t now_ns(void);

/* agent_job.c: one job as the host sent it; the strings point into the message */
#define JOB_MODULES 16

struct job_module {
	const char *name, *params, *image;
	uint32_t len;
	bool loaded;
};

struct job {
	char **argv, **envp;
	const char *cwd;
	uint32_t umask;
	uint64_t ignored;
	const uint32_t *ids; /* uid, gid, groups */
	uint32_t nr_ids;
	struct wire_rlimit rlimits[16];
	uint32_t nr_rlimits;
	struct wire_mount mounts[32];
	const char *mount_paths[32];
	uint32_t nr_mounts;
	struct wire_swap swaps[16];
	uint32_t nr_swaps;
	char *cgroup[16]; /* "file=value" */
	uint32_t nr_cgroup;
	char *knobs[32]; /* "path=value" */
	uint32_t nr_knobs;
	bool tty, keep_root;
	uint32_t wanted; /* WANT_* */
	struct wire_winsize winsize;
	struct job_module modules[JOB_MODULES];
	uint32_t nr_modules;
};

bool job_parse(struct job *job, char *data, size_t len);

/* The program's ends of its standard streams as the agent holds them; -1 when there is none. */
struct child {
	pid_t pid;
	int in, out, err;
	uint64_t start_ns;
};

/* 0, or the errno of the step that failed; *failed_exec says whether that step was execve. */
int child_start(struct child *child, const struct job *job, bool *failed_exec);

/* agent_mount.c: from the initramfs to the host's files */
void mount_basics(void);
void load_modules(void);
bool mount_root(const struct job *job);
#define CGROUP "/sys/fs/cgroup/run"

bool set_knobs(const struct job *job);
bool make_cgroup(const struct job *job);
void send_cgroup(const struct job *job);
void start_swaps(const struct job *job);
void write_back(const struct job *job);

/* agent_module.c */
bool job_add_module(struct job *job, const char *data, uint32_t len);
bool start_modules(struct job *job); /* false: the host was told why */
void stop_modules(const struct job *job);

/* agent_heap.c: --heap */
void heap_library_open(void);	      /* while the initramfs is still / */
bool heap_prepare(struct job *job);   /* false: the user was told why not */
void heap_send(void);

/* agent_relay.c: one direction of one stream, without ever blocking */
struct stream {
	int from, to;	 /* -1: closed */
	bool from_is_port;
	size_t start, len;
	uint64_t total;	 /* bytes taken from `from` */
	char buf[32768];
};

void stream_pump(struct stream *s);
bool stream_idle(const struct stream *s);

#endif
