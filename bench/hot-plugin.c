/*
 * hot-plugin.c - a QEMU TCG plugin: where the kernel spends its instructions, by block.
 * SHAPE       at exit the blocks of the upper half with the most instructions executed, one a line:
 *             ADDRESS INSTRUCTIONS TIMES. tools: see bench/hot.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../tools/qemu-plugin.h"

#define BLOCKS (1 << 18)
#define SHOWN 6000

static struct block {
	uint64_t addr, times, insns;
} blocks[BLOCKS], sorted[BLOCKS];
static const char *out_name = "/tmp/hot.out";

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	uint64_t va = qemu_plugin_tb_vaddr(tb);
	size_t n = qemu_plugin_tb_n_insns(tb);

	for (uint32_t i = (va * 0x9e3779b97f4a7c15ull) >> 46;; i = (i + 1) % BLOCKS) {
		if (blocks[i].addr && (blocks[i].addr != va || blocks[i].insns != n))
			continue;
		blocks[i].addr = va;
		blocks[i].insns = n;
		qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &blocks[i].times, 1);
		return;
	}
}

static int by_weight(const void *a, const void *b)
{
	const struct block *x = a, *y = b;
	uint64_t p = x->times * x->insns, q = y->times * y->insns;

	return p < q ? 1 : p > q ? -1 : 0;
}

static void on_end(qemu_plugin_id_t id, void *data)
{
	char fresh[4096];
	FILE *f;

	snprintf(fresh, sizeof(fresh), "%s.new", out_name);
	f = fopen(fresh, "w");
	memcpy(sorted, blocks, sizeof(blocks));
	qsort(sorted, BLOCKS, sizeof(sorted[0]), by_weight);
	for (int i = 0; f && i < SHOWN && sorted[i].times; i++)
		fprintf(f, "%lx %lu %lu\n", sorted[i].addr, sorted[i].times * sorted[i].insns, sorted[i].times);
	if (f && !fclose(f))
		rename(fresh, out_name);
}

/* quire ends QEMU with SIGKILL: the last look is a fifth of a second old then, and whole. */
static void *look_often(void *arg)
{
	for (;;) {
		usleep(200000);
		on_end(0, NULL);
	}
	return NULL;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			out_name = strdup(argv[i] + 4);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	pthread_t t;

	pthread_create(&t, NULL, look_often, NULL);
	qemu_plugin_register_atexit_cb(id, on_end, NULL);
	return 0;
}
