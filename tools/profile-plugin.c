/*
 * profile-plugin.c - a QEMU TCG plugin: how often each kernel instruction ran. tools/profile drives it.
 *
 * Options: out=FILE, row=N. Without a row everything counts; with one, only what ran between the benchmark's two marks of
 * that row (a no-op, nopl 0x5145KKII(%rax): KK 01 begin, 02 end, II the row; see bench/). Output: "address count" lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "qemu-plugin.h"

#define SLOTS (1u << 20)
#define KERNEL 0xffffffff80000000ULL

static uint64_t addresses[SLOTS], counts[SLOTS], begun[SLOTS], result[SLOTS];
static const char *out_name = "profile.out";
static int wanted_row = -1;

static uint64_t *counter_of(uint64_t address)
{
	unsigned i = (unsigned)(address * 0x9e3779b97f4a7c15ULL >> 44);

	while (addresses[i] && addresses[i] != address)
		i = (i + 1) % SLOTS;
	addresses[i] = address;
	return &counts[i];
}

static void mark(unsigned cpu, void *data)
{
	bool begin = (uintptr_t)data;

	(void)cpu;
	if (begin) {
		memcpy(begun, counts, sizeof(counts));
		return;
	}
	for (unsigned i = 0; i < SLOTS; i++)
		result[i] += counts[i] - begun[i];
}

/* 0f 1f 80 disp32 */
static void look_for_mark(struct qemu_plugin_insn *insn)
{
	const uint8_t *b = qemu_plugin_insn_data(insn);
	uint32_t disp;

	if (wanted_row < 0 || qemu_plugin_insn_size(insn) != 7 || b[0] != 0x0f || b[1] != 0x1f || b[2] != 0x80)
		return;
	memcpy(&disp, b + 3, 4);
	if (disp >> 16 == 0x5145 && (int)(disp & 0xff) == wanted_row)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, mark, CB_NO_REGS, (void *)(uintptr_t)((disp >> 8 & 0xff) == 1));
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t va = qemu_plugin_insn_vaddr(insn);

		if (va >= KERNEL)
			qemu_plugin_register_vcpu_insn_exec_inline(insn, INLINE_ADD_U64, counter_of(va), 1);
		else
			look_for_mark(insn);
	}
}

static void done(qemu_plugin_id_t id, void *data)
{
	uint64_t *r = wanted_row < 0 ? counts : result;
	FILE *f = fopen(out_name, "w");

	(void)id;
	(void)data;
	for (unsigned i = 0; f && i < SLOTS; i++) {
		if (r[i])
			fprintf(f, "%llx %llu\n", (unsigned long long)addresses[i], (unsigned long long)r[i]);
	}
	if (f)
		fclose(f);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++) {
		if (strncmp(argv[i], "out=", 4) == 0)
			out_name = argv[i] + 4;
		else if (strncmp(argv[i], "row=", 4) == 0)
			wanted_row = atoi(argv[i] + 4);
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	qemu_plugin_register_atexit_cb(id, done, NULL);
	return 0;
}
