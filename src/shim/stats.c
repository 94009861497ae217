// SPDX-License-Identifier: GPL-2.0
/*
 * The counters in debugfs: rkernfs/stats, one "name value" a line.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "shim.h"

static struct dentry *dir;

static int stats_show(struct seq_file *m, void *unused)
{
	rkernfs_stats_show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(stats);

void rkernfs_stats_counter(struct seq_file *m, const char *name, u64 value)
{
	seq_printf(m, "%s %llu\n", name, value);
}

void rkernfs_stats_init(void)
{
	dir = debugfs_create_dir("rkernfs", NULL);
	debugfs_create_file("stats", 0444, dir, NULL, &stats_fops);
}

void rkernfs_stats_exit(void)
{
	debugfs_remove(dir);
}
