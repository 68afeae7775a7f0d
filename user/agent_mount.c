/*
 * agent_mount.c - from the initramfs to the host's files, and the changes safely back.
 * SHAPE       /mnt (tmpfs) holds lower (9p of the host's root, read-only), up/N (upper and work directory of
 *             overlay N) and root (the overlay that becomes /). Folders opened for writing are 9p mounts of
 *             their own over it, at the same path.
 * LINUX       what switch_root does: move the new root over the old one, chroot into it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "user/agent.h"

#define LOWER "/mnt/lower"
#define ROOT "/mnt/root"
#define OPTS_9P "trans=virtio,version=9p2000.L,msize=524288,access=any,cache="

/* A failed mkdir shows in the mount that follows. */
static void make_dir(const char *path)
{
	mkdir(path, 0755);
}

static void make_dirs(char *path)
{
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = 0;
		make_dir(path);
		*p = '/';
	}
	make_dir(path);
}

static bool mount_or_say(const char *what, const char *where, const char *type, unsigned long flags, const char *opts)
{
	if (mount(what, where, type, flags, opts) == 0)
		return true;
	send_text(WIRE_ERROR, "cannot mount %s (%s) on %s: %s", what, type, where, strerror(errno));
	return false;
}

/* What the agent itself needs to find its ports. Failure shows when they do not open. */
void mount_basics(void)
{
	make_dir("/dev");
	make_dir("/proc");
	make_dir("/mnt");
	mount("dev", "/dev", "devtmpfs", MS_NOSUID, "mode=755");
	mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}

/* A kernel whose drivers are modules brings them along, in order, one path a line. Quire's has none. */
void load_modules(void)
{
	char list[4096], *save = NULL;
	int fd = open("/modules.list", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, list, sizeof(list) - 1);

	if (fd >= 0)
		close(fd);
	list[n > 0 ? n : 0] = 0;
	for (char *path = strtok_r(list, "\n", &save); path; path = strtok_r(NULL, "\n", &save)) {
		int module = open(path, O_RDONLY | O_CLOEXEC);

		if (module < 0 || (syscall(SYS_finit_module, module, "", 0) < 0 && errno != EEXIST))
			console_line("quire agent: %s: %s", path, strerror(errno));
		if (module >= 0)
			close(module);
	}
}

static bool mount_9p(const char *tag, const char *where, bool writable)
{
	const char *opts = writable ? OPTS_9P "mmap" : OPTS_9P "loose";

	return mount_or_say(tag, where, "9p", writable ? 0 : MS_RDONLY, opts);
}

static bool mount_overlay(const char *lower, const char *where, unsigned int number)
{
	char opts[8400], up[32], work[32];
	struct stat st;

	snprintf(up, sizeof(up), "/mnt/up%u", number);
	make_dir(up);
	snprintf(work, sizeof(work), "/mnt/up%u/work", number);
	make_dir(work);
	snprintf(up, sizeof(up), "/mnt/up%u/files", number);
	make_dir(up);
	if (stat(lower, &st) < 0 || chown(up, st.st_uid, st.st_gid) < 0 || chmod(up, st.st_mode & 07777) < 0)	/* it is the top directory that programs see */
		send_text(WIRE_NOTE, "%s belongs to root in the guest: %s", where, strerror(errno));
	snprintf(opts, sizeof(opts), "lowerdir=%s,upperdir=%s,workdir=%s", lower, up, work);
	return mount_or_say("overlay", where, "overlay", 0, opts);
}

static bool mount_one(const struct wire_mount *m, const char *path, unsigned int number)
{
	char where[4200], lower[4200];

	snprintf(where, sizeof(where), ROOT "%s", path);
	if (strcmp(path, "/") == 0)
		return mount_9p(m->tag, LOWER, false) && mount_overlay(LOWER, ROOT, number);
	make_dirs(where);
	if (m->kind != MOUNT_OVERLAY)
		return mount_9p(m->tag, where, m->kind == MOUNT_RW);
	snprintf(lower, sizeof(lower), LOWER "%s", path);
	return mount_overlay(lower, where, number);
}

static void mount_try(const char *type, const char *where, unsigned long flags, const char *opts)
{
	make_dir(where);
	if (mount(type, where, type, flags, opts) < 0)
		send_text(WIRE_NOTE, "cannot mount %s on %s: %s", type, where, strerror(errno));
}

static void link_try(const char *target, const char *path)
{
	if (symlink(target, path) < 0 && errno != EEXIST)
		send_text(WIRE_NOTE, "cannot link %s: %s", path, strerror(errno));
}

/* Paths are relative to the new root, which is the working directory. */
static void mount_system(void)
{
	mount_try("devtmpfs", "dev", MS_NOSUID, "mode=755");
	mount_try("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "mode=620,ptmxmode=666");
	mount_try("tmpfs", "dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
	mount_try("proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_try("sysfs", "sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	mount_try("tracefs", "sys/kernel/tracing", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	link_try("/proc/self/fd", "dev/fd");
	link_try("/proc/self/fd/0", "dev/stdin");
	link_try("/proc/self/fd/1", "dev/stdout");
	link_try("/proc/self/fd/2", "dev/stderr");
}

/* Make the host's files our root. false: the host has been told why not. */
bool mount_root(const struct job *job)
{
	if (job->keep_root) {
		if (chdir("/") == 0)
			mount_system();
		return true;
	}
	if (!mount_or_say("tmpfs", "/mnt", "tmpfs", 0, "mode=755,size=75%,nr_inodes=0"))
		return false;
	make_dir(LOWER);
	make_dir(ROOT);
	for (uint32_t i = 0; i < job->nr_mounts; i++)
		if (!mount_one(&job->mounts[i], job->mount_paths[i], i))
			return false;
	if (chdir(ROOT) < 0) {
		send_text(WIRE_ERROR, "chdir to the new root: %s", strerror(errno));
		return false;
	}
	mount_system();
	if (mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0) {
		send_text(WIRE_ERROR, "cannot switch to the new root: %s", strerror(errno));
		return false;
	}
	return true;
}

/* Something that was asked for cannot be: better no run than one under other conditions. */
static bool refuse(const char *what, const char *value)
{
	char known[128] = "", *end;
	int err = errno, fd = err == EINVAL ? open(what, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = fd >= 0 && strstr(what, "policy") ? read(fd, known, sizeof(known) - 1) : 0; /* lists what there is */

	if (fd >= 0)
		close(fd);
	known[n > 0 ? n : 0] = 0;
	end = strchr(known, '\n');
	if (end)
		*end = 0;
	send_text(WIRE_ERROR, "cannot set %s to %s: %s%s%s", what, value, strerror(err), *known ? "; there are: " : "", known);
	return false;
}

/* The program's own cgroup with the limits asked for. */
bool make_cgroup(const struct job *job)
{
	if (!job->nr_cgroup)
		return true;
	mount_try("cgroup2", "/sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
	write_small_file("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	make_dir(CGROUP);
	for (uint32_t i = 0; i < job->nr_cgroup; i++) {
		char *equals = strchr(job->cgroup[i], '='), path[128];

		*equals = 0;
		snprintf(path, sizeof(path), CGROUP "/%.80s", job->cgroup[i]);
		if (!write_small_file(path, equals + 1))
			return refuse(job->cgroup[i], equals + 1);
	}
	return true;
}

/* What became of it, as "FILE LINE" for each line: for the report. */
void send_cgroup(const struct job *job)
{
	static const char *const files[] = {"memory.current", "memory.peak", "memory.high", "memory.max", "memory.swap.current",
					    "memory.swap.max", "memory.zswap.current", "memory.events", "memory.swap.events",
					    "memory.pressure", "memory.stat"};
	char *text = NULL, line[256];
	size_t len = 0;
	FILE *to = job->nr_cgroup ? open_memstream(&text, &len) : NULL;

	if (!to)
		return;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		FILE *from;

		snprintf(line, sizeof(line), CGROUP "/%s", files[i]);
		from = fopen(line, "re");
		while (from && fgets(line, sizeof(line), from))
			fprintf(to, "%s %s", files[i], line);
		if (from)
			fclose(from);
	}
	fclose(to);
	send_message(WIRE_CGROUP, text, len);
	free(text);
}

/* Settings of the kernel, last of all: some of them count from here. */
bool set_knobs(const struct job *job)
{
	for (uint32_t i = 0; i < job->nr_knobs; i++) {
		char *equals = strchr(job->knobs[i], '=');

		if (!equals)
			continue;
		*equals = 0;
		if (!write_small_file(job->knobs[i], equals + 1))
			return refuse(job->knobs[i], equals + 1);
	}
	return true;
}

/* Its size, and the header that mkswap would write. */
static bool make_zram(const struct wire_swap *w)
{
	char path[64], size[24], page[4096] = {0};
	uint32_t info[3] = {1, (uint32_t)(w->zram_bytes / sizeof(page) - 1), 0};
	bool ok;
	int fd;

	fd = open("/sys/class/zram-control/hot_add", O_RDONLY | O_CLOEXEC); /* reading it makes the next one */
	if (fd < 0 || read(fd, size, sizeof(size)) <= 0)
		return false;
	close(fd);
	snprintf(path, sizeof(path), "/sys/block/%.23s/disksize", w->device);
	snprintf(size, sizeof(size), "%llu", (unsigned long long)w->zram_bytes);
	if (!write_small_file(path, size))
		return false;
	memcpy(page + 1024, info, sizeof(info));
	memcpy(page + sizeof(page) - 10, "SWAPSPACE2", 10);
	snprintf(path, sizeof(path), "/dev/%.23s", w->device);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	ok = fd >= 0 && write(fd, page, sizeof(page)) == (ssize_t)sizeof(page);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* A kernel without swap runs the program all the same; the user hears of it. */
void start_swaps(const struct job *job)
{
	for (uint32_t i = 0; i < job->nr_swaps; i++) {
		int priority = job->swaps[i].priority;
		char path[40];

		snprintf(path, sizeof(path), "/dev/%.23s", job->swaps[i].device);
		if (job->swaps[i].zram_bytes && !make_zram(&job->swaps[i])) {
			send_text(WIRE_NOTE, "no compressed disk %s: %s", path, strerror(errno));
			continue;
		}
		if (swapon(path, priority < 0 ? 0 : SWAP_FLAG_PREFER | (priority & SWAP_FLAG_PRIO_MASK)) < 0)
			send_text(WIRE_NOTE, "no swap on %s: %s", path, strerror(errno));
	}
}

/* The host may stop this machine the moment we say DONE: nothing may be left in our memory by then. */
void write_back(const struct job *job)
{
	for (uint32_t i = 0; i < job->nr_mounts; i++) {
		int fd;

		if (job->mounts[i].kind != MOUNT_RW)
			continue;
		fd = open(job->mount_paths[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 || syncfs(fd) < 0)
			send_text(WIRE_NOTE, "%s: files may not be written back: %s", job->mount_paths[i],
				  strerror(errno));
		if (fd >= 0)
			close(fd);
	}
}
