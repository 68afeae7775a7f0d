/*
 * doctor.c - `quire doctor`: what is here, what is missing, and how to get it. 0 when a program could run.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "cli/quire.h"

static bool check(bool ok, const char *what, const char *value, const char *cure)
{
	printf("%-4s %-12s %s\n", ok ? "ok" : "MISS", what, ok ? value : cure);
	return ok;
}

static void qemu_version(const char *qemu, char *out, size_t size)
{
	char *command = NULL;
	FILE *f = NULL;

	out[0] = 0;
	if (asprintf(&command, "'%s' --version 2>&1", qemu) > 0)
		f = popen(command, "re");
	if (f && fgets(out, (int)size, f))
		out[strcspn(out, "\n")] = 0;
	if (f)
		pclose(f);
	free(command);
}

static bool check_qemu(const char *qemu)
{
	char version[256] = "", words[512];

	if (qemu)
		qemu_version(qemu, version, sizeof(version));
	snprintf(words, sizeof(words), "%s: %s", qemu ? qemu : "", version);
	return check(qemu && strstr(version, "version"), "qemu", words,
		     "no qemu-system-x86_64; on Debian: apt install qemu-system-x86");
}

static bool check_piece(const char *what, const char *file, const char *wish)
{
	const char *path = wish ? wish : find_piece(file);

	return check(path && access(path, R_OK) == 0, what, path, "not built: run make, or ./quire at the root");
}

static void check_accel(const struct options *o, const char *qemu)
{
	struct accel_choice a = accel_choose(o->accel == ACCEL_KVM ? ACCEL_AUTO : o->accel, qemu, true);

	printf("ok   %-12s %s (%s)\n", "accelerator", a.kvm ? "kvm" : "tcg, software emulation", a.why);
	if (!a.kvm && !strcmp(a.why, "no permission for /dev/kvm"))
		printf("     %-12s for hardware speed: add yourself to the group kvm\n", "");
}

int command_doctor(struct options *o)
{
	const char *qemu = find_qemu();
	char words[128];
	bool ok;

	ok = check_qemu(qemu);
	ok &= check_piece("kernel", "quire.elf", o->kernel);
	ok &= check_piece("initramfs", "initramfs.cpio", o->initrd);
	if (qemu)
		check_accel(o, qemu);
	snprintf(words, sizeof(words), "%llu MiB for the guest unless -m says otherwise",
		 (unsigned long long)(choose_memory() >> 20));
	check(true, "memory", words, "");
	ok &= check(access("/", R_OK | X_OK) == 0, "root", "/ is readable", "/ is not readable for you");
	return ok ? 0 : STATUS_QUIRE_FAILED;
}
