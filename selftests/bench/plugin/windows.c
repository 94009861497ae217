// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin for QEMU that counts what a processor's caches would miss between
 * two points of the guest; QEMU's own contrib/plugins/cache.c counts whole
 * runs. bench/mark.h says how the guest marks the points.
 *
 *   -plugin windows.so,windows=FILE,profile=FILE
 *
 * For each window FILE gets a line "label,value...", the values as in stats[];
 * the profile has, when QEMU ends, "label,address,value..." for each
 * instruction that was executed in a window.
 *
 * The model: each processor has first-level caches for instructions and for
 * data and a second level for both, least recently used lines go first, by
 * virtual addresses, which are the same in each run; no prefetching; an
 * instruction is where its first byte is. What counts is what the processor
 * does that opened the window; under -icount, one runs at a time. None of these
 * caches loses a line because another processor writes it.
 *
 * A line of the kernel's data bounces if the processor must ask another one for
 * it: to read what that wrote, or to write what that has. For this no cache ever
 * loses a line to make room.
 */
#include <glib.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <qemu-plugin.h>

#include "../mark.h"

#define LINE_SHIFT	6
#define PAGE_SHIFT	12
#define ADDRESS_BITS	48

QEMU_PLUGIN_EXPORT int qemu_plugin_version = QEMU_PLUGIN_VERSION;

enum stat {
	INSNS, L1I_MISSES, L1D_MISSES, L2_MISSES,
	/* different ones: what is missed when everything is cold */
	CODE_LINES, DATA_LINES, CODE_PAGES, DATA_PAGES,
	BOUNCED_LINES, /* different ones, too */
	NR_STATS
};

struct counts {
	uint64_t of[NR_STATS];
};

/* Each set has its lines in the order of their last use. */
struct cache {
	unsigned int sets, ways;
	uint64_t *lines;
};

struct core {
	struct cache l1i, l1d, l2;
};

static struct core *cores; /* of each processor */
static unsigned int nr_cores;

/* What a window touched */
struct touched {
	GHashTable *lines, *pages;
	enum stat line, page;
};

static struct touched code = { .line = CODE_LINES, .page = CODE_PAGES };
static struct touched data = { .line = DATA_LINES, .page = DATA_PAGES };

/* What processors have of each line of the kernel's data: a bit for each, and LINE_WRITTEN */
static GHashTable *holders;
static GHashTable *bounced; /* in the window */

#define MAX_CORES	32
#define LINE_WRITTEN	(1ULL << MAX_CORES)

static FILE *windows, *profile;
static GHashTable *profiled; /* label and address: struct counts */
static struct counts total;
static uint64_t label; /* of the window that is open */
static unsigned int opener; /* the processor that opened it */
static bool started;   /* before the first window, nothing is of interest */
static uint64_t marker; /* the load that tells the label, once its no-op was executed */

/* The guest's no-op */
static const struct no_op {
	const char *target, *bytes;
	size_t size;
} no_ops[] = {
	{ "x86_64", MARK_X86_64, sizeof(MARK_X86_64) - 1 },
	{ "aarch64", MARK_AARCH64, sizeof(MARK_AARCH64) - 1 },
}, *no_op;

static struct counts *profile_of(uint64_t address)
{
	uint64_t key = label << ADDRESS_BITS | (address & ((1ULL << ADDRESS_BITS) - 1));
	struct counts *counts = g_hash_table_lookup(profiled, &key);

	if (!counts) {
		counts = g_new0(struct counts, 1);
		g_hash_table_insert(profiled, g_memdup2(&key, sizeof(key)), counts);
	}
	return counts;
}

static bool counts_for(unsigned int vcpu)
{
	return label && vcpu == opener;
}

/* @address: of the instruction that did it */
static void count(enum stat stat, unsigned int vcpu, uint64_t address)
{
	if (!counts_for(vcpu))
		return;
	total.of[stat]++;
	if (profile)
		profile_of(address)->of[stat]++;
}

static void print_counts(FILE *to, const struct counts *counts)
{
	for (int i = 0; i < NR_STATS; i++)
		fprintf(to, ",%" PRIu64, counts->of[i]);
	fputc('\n', to);
}

static bool access_cache(struct cache *cache, uint64_t line)
{
	uint64_t *set = cache->lines + (line & (cache->sets - 1)) * cache->ways;
	unsigned int way = 0;
	bool hit;

	while (way < cache->ways - 1 && set[way] != line)
		way++;
	hit = set[way] == line;
	memmove(set + 1, set, way * sizeof(*set));
	set[0] = line;
	return hit;
}

static void access_line(unsigned int vcpu, struct cache *l1, enum stat l1_misses,
			struct touched *touched, uint64_t line, uint64_t address)
{
	uint64_t page = line >> (PAGE_SHIFT - LINE_SHIFT);

	if (!access_cache(l1, line)) {
		count(l1_misses, vcpu, address);
		if (!access_cache(&cores[vcpu].l2, line))
			count(L2_MISSES, vcpu, address);
	}
	if (counts_for(vcpu) && g_hash_table_add(touched->lines, GSIZE_TO_POINTER(line))) {
		count(touched->line, vcpu, address);
		if (g_hash_table_add(touched->pages, GSIZE_TO_POINTER(page)))
			count(touched->page, vcpu, address);
	}
}

/* Gives the line to @vcpu; whether it had to ask another processor for it */
static bool take_line(uint64_t line, unsigned int vcpu, bool write)
{
	gpointer key = GSIZE_TO_POINTER(line);
	uint64_t had = GPOINTER_TO_SIZE(g_hash_table_lookup(holders, key));
	uint64_t own = 1ULL << vcpu, has = write ? own | LINE_WRITTEN : had | own;

	if (has != had)
		g_hash_table_insert(holders, key, GSIZE_TO_POINTER(has));
	if (write)
		return had & ~(own | LINE_WRITTEN);
	return (had & LINE_WRITTEN) && !(had & own);
}

static void share_line(uint64_t line, unsigned int vcpu, bool write, uint64_t address)
{
	if (take_line(line, vcpu, write) && counts_for(vcpu) &&
	    g_hash_table_add(bounced, GSIZE_TO_POINTER(line)))
		count(BOUNCED_LINES, vcpu, address);
}

static void begin_window(uint64_t new_label, unsigned int vcpu)
{
	opener = vcpu;
	g_hash_table_remove_all(bounced);
	g_hash_table_remove_all(code.lines);
	g_hash_table_remove_all(code.pages);
	g_hash_table_remove_all(data.lines);
	g_hash_table_remove_all(data.pages);
	memset(&total, 0, sizeof(total));
	label = new_label;
	started = true;
}

static void end_window(void)
{
	fprintf(windows, "%" PRIu64, label);
	print_counts(windows, &total);
	label = 0;
}

static void mark(unsigned int vcpu, void *userdata)
{
	marker = (uintptr_t)userdata + no_op->size;
}

static void execute(unsigned int vcpu, void *userdata)
{
	uint64_t address = (uintptr_t)userdata;

	if (!started)
		return;
	count(INSNS, vcpu, address);
	access_line(vcpu, &cores[vcpu].l1i, L1I_MISSES, &code, address >> LINE_SHIFT, address);
}

static void access_memory(unsigned int vcpu, qemu_plugin_meminfo_t info, uint64_t at,
			  void *userdata)
{
	uint64_t last = at + (1 << qemu_plugin_mem_size_shift(info)) - 1;
	bool shared = nr_cores > 1 && (int64_t)at < 0;

	if ((uintptr_t)userdata == marker) {
		marker = 0;
		if (label)
			end_window();
		else
			begin_window(at & (MARK_LABELS - 1), vcpu);
		return;
	}
	if (!started)
		return;
	for (uint64_t line = at >> LINE_SHIFT; line <= last >> LINE_SHIFT; line++) {
		access_line(vcpu, &cores[vcpu].l1d, L1D_MISSES, &data, line, (uintptr_t)userdata);
		if (shared)
			share_line(line, vcpu, qemu_plugin_mem_is_store(info), (uintptr_t)userdata);
	}
}

static bool is_mark(const struct qemu_plugin_insn *insn)
{
	uint8_t found[16];

	if (qemu_plugin_insn_size(insn) != no_op->size)
		return false;
#if QEMU_PLUGIN_VERSION < 3
	memcpy(found, qemu_plugin_insn_data(insn), no_op->size);
#else
	qemu_plugin_insn_data(insn, found, no_op->size);
#endif
	return !memcmp(found, no_op->bytes, no_op->size);
}

static void translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	for (size_t i = 0; i < qemu_plugin_tb_n_insns(tb); i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		void *address = (void *)(uintptr_t)qemu_plugin_insn_vaddr(insn);

		qemu_plugin_register_vcpu_insn_exec_cb(insn, is_mark(insn) ? mark : execute,
						       QEMU_PLUGIN_CB_NO_REGS, address);
		qemu_plugin_register_vcpu_mem_cb(insn, access_memory, QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_RW, address);
	}
}

static void print_profile(void *key, void *value, void *to)
{
	uint64_t which = *(uint64_t *)key;
	/* canonical: the highest bit that an address has is that of all above */
	int64_t address = (int64_t)(which << (64 - ADDRESS_BITS)) >> (64 - ADDRESS_BITS);

	fprintf(to, "%" PRIu64 ",%" PRIx64, which >> ADDRESS_BITS, (uint64_t)address);
	print_counts(to, value);
}

static void finish(qemu_plugin_id_t id, void *userdata)
{
	if (profile) {
		g_hash_table_foreach(profiled, print_profile, profile);
		fclose(profile);
	}
	fclose(windows);
}

static void init_cache(struct cache *cache, unsigned int sets)
{
	cache->sets = sets;
	cache->ways = 8;
	cache->lines = g_new0(uint64_t, cache->sets * cache->ways);
}

/* Of the sizes that AMD's Zen 2 and 3 have */
static void init_core(struct core *core)
{
	init_cache(&core->l1i, 64);
	init_cache(&core->l1d, 64);
	init_cache(&core->l2, 1024);
}

static void init_touched(struct touched *touched)
{
	touched->lines = g_hash_table_new(NULL, NULL);
	touched->pages = g_hash_table_new(NULL, NULL);
}

QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info,
					   int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (g_str_has_prefix(argv[i], "windows="))
			windows = fopen(strchr(argv[i], '=') + 1, "w");
		else if (g_str_has_prefix(argv[i], "profile="))
			profile = fopen(strchr(argv[i], '=') + 1, "w");
	}
	for (size_t i = 0; i < G_N_ELEMENTS(no_ops); i++)
		if (!strcmp(info->target_name, no_ops[i].target))
			no_op = &no_ops[i];
	nr_cores = info->system.max_vcpus;
	if (!windows || !no_op || nr_cores > MAX_CORES) {
		fprintf(stderr, "windows.so: needs windows=FILE, at most %d processors, and x86_64 or arm64\n",
			MAX_CORES);
		return -1;
	}
	cores = g_new0(struct core, nr_cores);
	for (unsigned int i = 0; i < nr_cores; i++)
		init_core(&cores[i]);
	holders = g_hash_table_new(NULL, NULL);
	bounced = g_hash_table_new(NULL, NULL);
	init_touched(&code);
	init_touched(&data);
	profiled = g_hash_table_new(g_int64_hash, g_int64_equal);
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
	qemu_plugin_register_atexit_cb(id, finish, NULL);
	return 0;
}
