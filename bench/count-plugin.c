/*
 * count-plugin.c - a QEMU TCG plugin: instructions between two marks in the guest, string instructions apart.
 * WHY         -icount and the time stamp counter count each iteration of "rep stosb" as an instruction, so a
 *             kernel that clears a page by bytes looks 4,096 instructions slower, and one that uses wide stores
 *             faster than it is. Here an instruction counts once; what "rep" moved is given in bytes beside it.
 * SHAPE       The guest marks with a no-op that nobody emits by chance: nopl 0x5145KKII(%rax), KK = 01 begin,
 *             02 end, II = the row. The first instruction at BENCH_BASE (where the benchmark is linked) ends
 *             the row 0: the boot. At exit one line a row: "row N insns N user N rep N bytes N times N".
 * METHOD      a repeated string instruction is translated as a loop over itself: each pass is one execution of
 *             the instruction. Passes are counted apart; a pass is an iteration (the last, empty one, too).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../tools/qemu-plugin.h"

#define BENCH_BASE 0x51450000ULL
#define ROWS 256

struct counts {
	uint64_t insns, user, rep, bytes;
};

static struct counts now;
static struct row {
	struct counts sum, begin;
	uint64_t times;
} rows[ROWS];
static bool booted;
static const char *out_name;

static void begin_row(unsigned r)
{
	rows[r].begin = now;
}

static void end_row(unsigned r)
{
	rows[r].sum.insns += now.insns - rows[r].begin.insns;
	rows[r].sum.user += now.user - rows[r].begin.user;
	rows[r].sum.rep += now.rep - rows[r].begin.rep;
	rows[r].sum.bytes += now.bytes - rows[r].begin.bytes;
	rows[r].times++;
}

static void on_mark(unsigned cpu, void *data)
{
	unsigned v = (uintptr_t)data;

	if (v >> 8 == 1)
		begin_row(v & 255);
	else
		end_row(v & 255);
}

static void on_first_user(unsigned cpu, void *data)
{
	if (!booted)
		end_row(0);
	booted = true;
}

/* Width of a repeated string instruction in bytes, 0 for any other. */
static unsigned rep_width(const uint8_t *p, size_t n)
{
	bool rep = false, wide = false, half = false;

	for (; n; p++, n--) {
		if (*p == 0xf2 || *p == 0xf3)
			rep = true;
		else if (*p == 0x66)
			half = true;
		else if ((*p & 0xf0) == 0x40)
			wide = *p & 8;
		else
			break;
	}
	if (!rep || n != 1)
		return 0;
	switch (*p) {
	case 0xa4: case 0xaa: case 0xa6: case 0xae: case 0xac:
		return 1;
	case 0xa5: case 0xab: case 0xa7: case 0xaf: case 0xad:
		return wide ? 8 : half ? 2 : 4;
	}
	return 0;
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);

	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *in = qemu_plugin_tb_get_insn(tb, i);
		const uint8_t *p = qemu_plugin_insn_data(in);
		size_t len = qemu_plugin_insn_size(in);
		uint64_t va = qemu_plugin_insn_vaddr(in);
		unsigned width = rep_width(p, len);

		if (width) {
			qemu_plugin_register_vcpu_insn_exec_inline(in, INLINE_ADD_U64, &now.rep, 1);
			qemu_plugin_register_vcpu_insn_exec_inline(in, INLINE_ADD_U64, &now.bytes, width);
		} else {
			qemu_plugin_register_vcpu_insn_exec_inline(in, INLINE_ADD_U64, &now.insns, 1);
			if (va >> 63 == 0)
				qemu_plugin_register_vcpu_insn_exec_inline(in, INLINE_ADD_U64, &now.user, 1);
		}
		if (!booted && va >= BENCH_BASE && va < BENCH_BASE + (1 << 24))
			qemu_plugin_register_vcpu_insn_exec_cb(in, on_first_user, CB_NO_REGS, NULL);
		if (len == 7 && p[0] == 0x0f && p[1] == 0x1f && p[2] == 0x80 && p[6] == 0x51 && p[5] == 0x45)
			qemu_plugin_register_vcpu_insn_exec_cb(in, on_mark, CB_NO_REGS,
							       (void *)(uintptr_t)(p[4] << 8 | p[3]));
	}
}

static void on_exit_qemu(qemu_plugin_id_t id, void *data)
{
	FILE *f = fopen(out_name, "w");

	for (unsigned r = 0; f && r < ROWS; r++)
		if (rows[r].times)
			fprintf(f, "row %u insns %lu user %lu rep %lu bytes %lu times %lu\n", r, rows[r].sum.insns,
				rows[r].sum.user, rows[r].sum.rep, rows[r].sum.bytes, rows[r].times);
	if (f)
		fclose(f);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			out_name = strdup(argv[i] + 4);
	if (!out_name) {
		fprintf(stderr, "count-plugin: out=FILE is missing\n");
		return -1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	qemu_plugin_register_atexit_cb(id, on_exit_qemu, NULL);
	return 0;
}
