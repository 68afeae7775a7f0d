/*
 * job.c - pack the caller's world into the JOB message: arguments, environment, folder, umask, identity,
 * limits, ignored signals, mounts.
 */
#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/quire.h"

extern char **environ;

/* The kernel keeps a third of a megabyte of snapshots: no smaller machine is asked to. */
#define TIMELINE_RAM (64ull << 20)

struct message {
	char *data;
	size_t len, size;
};

/* Texts pass their final NUL along; fields are padded to four bytes. */
static void add_field(struct message *m, enum wire_field_type type, const void *body, size_t len)
{
	struct wire_field f = {.type = type, .len = (uint32_t)len};
	size_t padded = (len + 3) & ~(size_t)3, need = sizeof(f) + padded;

	if (m->len + need > m->size) {
		m->size = (m->size + need) * 2;
		m->data = must_alloc(realloc(m->data, m->size));
	}
	memcpy(m->data + m->len, &f, sizeof(f));
	if (padded)
		memset(m->data + m->len + sizeof(f) + padded - 4 * (padded > len), 0, 4 * (padded > len));
	if (len)
		memcpy(m->data + m->len + sizeof(f), body, len);
	m->len += need;
}

static void add_text(struct message *m, enum wire_field_type type, const char *text)
{
	add_field(m, type, text, strlen(text) + 1);
}

/* Which signals our caller had set to be ignored, as nohup does. Ask before changing any. */
uint64_t ignored_signals(void)
{
	uint64_t set = 0;

	for (int sig = 1; sig <= 64; sig++) {
		struct sigaction sa;

		if (sigaction(sig, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			set |= 1ull << (sig - 1);
	}
	return set;
}

static void add_identity(struct message *m, const struct options *o)
{
	uint32_t ids[2 + 256];
	gid_t groups[256];
	int n = getgroups(256, groups);
	size_t count = 2;

	ids[0] = o->as_root ? 0 : getuid();
	ids[1] = o->as_root ? 0 : getgid();
	for (int i = 0; i < n && !o->as_root; i++)
		ids[count++] = groups[i];
	add_field(m, FIELD_IDS, ids, count * sizeof(ids[0]));
}

static void add_limits(struct message *m)
{
	for (int i = 0; i < RLIM_NLIMITS; i++) {
		struct rlimit rl;
		struct wire_rlimit w = {.resource = (uint32_t)i};

		if (getrlimit((__rlimit_resource_t)i, &rl) < 0)
			continue;
		w.cur = rl.rlim_cur;
		w.max = rl.rlim_max;
		add_field(m, FIELD_RLIMIT, &w, sizeof(w));
	}
}

static void add_mount(struct message *m, enum wire_mount_kind kind, const char *tag, const char *path)
{
	size_t len = sizeof(struct wire_mount) + strlen(path) + 1;
	struct wire_mount *w = must_alloc(calloc(1, len));

	w->kind = kind;
	snprintf(w->tag, sizeof(w->tag), "%s", tag);
	memcpy(w + 1, path, strlen(path) + 1);
	add_field(m, FIELD_MOUNT, w, len);
	free(w);
}

static void add_mounts(struct message *m, const struct options *o)
{
	if (o->keep_root) {
		add_field(m, FIELD_KEEP_ROOT, NULL, 0);
		return;
	}
	add_mount(m, MOUNT_OVERLAY, "root", "/");
	for (unsigned int i = 0; i < o->nr_dirs; i++)
		add_mount(m, o->dirs[i].kind, o->dirs[i].tag, o->dirs[i].guest);
}

static void add_swaps(struct message *m, const struct options *o)
{
	for (unsigned int i = 0; i < o->nr_disks; i++) {
		struct wire_swap w = {.priority = o->disks[i].priority};

		if (o->disks[i].file)
			continue;
		snprintf(w.device, sizeof(w.device), "vd%c", 'a' + (int)i);
		add_field(m, FIELD_SWAP, &w, sizeof(w));
	}
	for (unsigned int i = 0; i < o->nr_zrams; i++) {
		struct wire_swap w = {.priority = o->zram_priority[i], .zram_bytes = o->zram_bytes[i]};

		snprintf(w.device, sizeof(w.device), "zram%u", i);
		add_field(m, FIELD_SWAP, &w, sizeof(w));
	}
}

static void add_module(struct message *m, const struct module *module)
{
	size_t name = strlen(module->name) + 1, params = strlen(module->params) + 1;
	char *body = must_alloc(malloc(name + params + module->len));

	memcpy(body, module->name, name);
	memcpy(body + name, module->params, params);
	memcpy(body + name + params, module->image, module->len);
	add_field(m, FIELD_MODULE, body, name + params + module->len);
	free(body);
}

static void add_folder(struct message *m, const struct options *o)
{
	char *cwd = o->keep_root ? NULL : getcwd(NULL, 0);
	uint32_t mask = umask(0);

	umask((mode_t)mask);
	if (!cwd && !o->keep_root)
		fail("cannot read the working directory: %s", strerror(errno));
	add_text(m, FIELD_CWD, cwd ? cwd : "/");
	add_field(m, FIELD_UMASK, &mask, sizeof(mask));
	free(cwd);
}

/* Pages with their stacks, or a timeline for a file, come over the ledger's port. */
bool wants_stream(const struct options *o)
{
	return o->stacks || (o->mem_bytes >= TIMELINE_RAM && (o->json_file || o->massif_file || o->html_file));
}

void job_build(const struct options *o, uint64_t ignored, char **data, size_t *len)
{
	struct message m = {0};
	struct wire_winsize ws = {.rows = 24, .cols = 80};
	char host[256] = "quire";
	uint32_t wanted = 0;

	for (int i = 0; i < o->argc; i++)
		add_text(&m, FIELD_ARG, o->argv[i]);
	for (char **e = environ; *e; e++)
		add_text(&m, FIELD_ENV, *e);
	add_folder(&m, o);
	add_identity(&m, o);
	add_limits(&m);
	add_field(&m, FIELD_IGNORED, &ignored, sizeof(ignored));
	add_mounts(&m, o);
	add_swaps(&m, o);
	for (unsigned int i = 0; i < o->nr_cgroup; i++)
		add_text(&m, FIELD_CGROUP, o->cgroup[i]);
	for (unsigned int i = 0; i < o->nr_modules; i++)
		add_module(&m, &o->modules[i]);
	for (unsigned int i = 0; i < o->nr_knobs; i++)
		add_text(&m, FIELD_KNOB, o->knobs[i]);
	if (gethostname(host, sizeof(host) - 1) == 0)
		add_text(&m, FIELD_HOSTNAME, host);
	if (o->tty) {
		sigset_t change;

		sigemptyset(&change);
		sigaddset(&change, SIGWINCH);
		sigprocmask(SIG_BLOCK, &change, NULL);	/* a change from now on waits for the relay */
		terminal_size(&ws);
		add_field(&m, FIELD_TTY, &ws, sizeof(ws));
	}
	if (!o->quiet || o->json_file || o->massif_file || o->html_file || o->folded_file)
		wanted = WANT_LEDGER | (o->mem_bytes >= TIMELINE_RAM || o->massif_file ? WANT_TIMELINE : 0);
	if (wants_stream(o))
		wanted |= WANT_LEDGER | WANT_TIMELINE | WANT_STREAM | (o->stacks ? WANT_PAGES : 0);
	if (o->heap)
		wanted |= WANT_HEAP;
	if (o->audit)
		wanted |= WANT_AUDIT;
	add_field(&m, FIELD_WANTED, &wanted, sizeof(wanted));
	*data = m.data;
	*len = m.len;
}
