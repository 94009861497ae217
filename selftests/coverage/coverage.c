// SPDX-License-Identifier: GPL-2.0
/*
 * Which blocks of rkernfs.ko were reached: built with COVERAGE=y, it calls
 * __sanitizer_cov_trace_pc() at the beginning of each. The kernel's own, KCOV,
 * knows what one task did; this one also hears of task work, work queues and
 * kernel threads, and needs no other kernel. rkernfs may come and go meanwhile.
 *
 * rkernfs-coverage in debugfs: where the module's text is, and the offsets of
 * what was reached, a line each.
 */
#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/vmalloc.h>

#include "coverage.h"

static struct text {
	const char *name;
	unsigned long base;	/* 0: not there now */
	unsigned int size;
	u8 *reached;
} texts[] = {
	{ .name = "text" },
	{ .name = "init" },
};

static struct dentry *file;

void notrace __sanitizer_cov_trace_pc(void)
{
	unsigned long ip = (unsigned long)__builtin_return_address(0);
	int i;

	for (i = 0; i < ARRAY_SIZE(texts); i++)
		if (ip - READ_ONCE(texts[i].base) < texts[i].size)
			WRITE_ONCE(texts[i].reached[ip - texts[i].base], 1);
}
EXPORT_SYMBOL_GPL(__sanitizer_cov_trace_pc);

static void begin(struct text *text, const struct module_memory *memory)
{
	if (!text->reached)
		text->reached = vzalloc(memory->size);
	text->size = text->reached ? memory->size : 0;
	WRITE_ONCE(text->base, (unsigned long)memory->base);
}

static int notify(struct notifier_block *nb, unsigned long state, void *data)
{
	struct module *mod = data;

	if (strcmp(mod->name, "rkernfs"))
		return NOTIFY_DONE;
	if (state == MODULE_STATE_COMING) {
		begin(&texts[0], &mod->mem[MOD_TEXT]);
		begin(&texts[1], &mod->mem[MOD_INIT_TEXT]);
	} else if (state == MODULE_STATE_LIVE) {
		WRITE_ONCE(texts[1].base, 0);
	}
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = notify };

static int reached_show(struct seq_file *m, void *unused)
{
	int i, at;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		seq_printf(m, "base %s %lx\n", texts[i].name, texts[i].base);
		for (at = 0; at < texts[i].size; at++)
			if (texts[i].reached[at])
				seq_printf(m, "%s %x\n", texts[i].name, at);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(reached);

static int __init coverage_init(void)
{
	int ret = register_module_notifier(&notifier);

	if (!ret)
		file = debugfs_create_file("rkernfs-coverage", 0400, NULL, NULL, &reached_fops);
	return ret;
}
module_init(coverage_init);

static void __exit coverage_exit(void)
{
	int i;

	debugfs_remove(file);
	unregister_module_notifier(&notifier);
	for (i = 0; i < ARRAY_SIZE(texts); i++)
		vfree(texts[i].reached);
}
module_exit(coverage_exit);

MODULE_DESCRIPTION("Which blocks of rkernfs were reached");
MODULE_LICENSE("GPL");
