/*
 * agent_module.c - the kernel modules that a job brings: loaded before its program starts, unloaded when all programs are gone.
 * READ NEXT   cli/module.c
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "user/agent.h"

/* name, NUL, parameters, NUL, the file */
bool job_add_module(struct job *job, const char *data, uint32_t len)
{
	size_t name = strnlen(data, len), params = name < len ? strnlen(data + name + 1, len - name - 1) : 0;
	struct job_module *m = &job->modules[job->nr_modules];

	if (name + params + 2 > len || job->nr_modules == JOB_MODULES)
		return false;
	*m = (struct job_module){.name = data, .params = data + name + 1, .image = data + name + params + 2,
				 .len = len - (uint32_t)(name + params + 2)};
	job->nr_modules++;
	return true;
}

static const char *why(int err)
{
	switch (err) {
	case ENOENT:
		return "a symbol that the kernel does not export, or a parameter too long";
	case ENOEXEC:
		return "not a module for this kernel";
	case EEXIST:
		return "loaded already";
	default:
		return strerror(err);
	}
}

bool start_modules(struct job *job)
{
	for (uint32_t i = 0; i < job->nr_modules; i++) {
		struct job_module *m = &job->modules[i];

		if (syscall(SYS_init_module, m->image, (unsigned long)m->len, m->params) < 0) {
			send_text(WIRE_ERROR, "module %s: %s", m->name, why(errno));
			return false;
		}
		m->loaded = true;
	}
	return true;
}

/* A device's last file may be closed a moment after its program's end. */
static int unload(const char *name)
{
	int err = 0;

	for (int tries = 0; tries < 100; tries++) {
		err = syscall(SYS_delete_module, name, O_NONBLOCK) < 0 ? errno : 0;
		if (err != EAGAIN)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
	return err;
}

void stop_modules(const struct job *job)
{
	for (uint32_t i = job->nr_modules; i-- > 0;) {
		int err = job->modules[i].loaded ? unload(job->modules[i].name) : 0;

		if (err && err != ENOENT) /* the program may have unloaded it */
			send_text(WIRE_NOTE, "module %s cannot be unloaded: %s", job->modules[i].name,
				  err == EAGAIN ? "in use" : strerror(err));
	}
	if (job->nr_modules)
		send_file(WIRE_MODULES, "/proc/ledger/modules");
}
