// SPDX-License-Identifier: GPL-2.0
/*
 * Takes an inode its dentries, and keeps a reference of it for as long as it is
 * loaded. For selftests/held.c.
 */
#include <linux/dcache.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/namei.h>
#include <linux/path.h>

MODULE_DESCRIPTION("Keeps an inode, for tests");
MODULE_LICENSE("GPL");

static char *path;
module_param(path, charp, 0444);
MODULE_PARM_DESC(path, "whose inode");

static struct inode *inode;

static int __init keep_init(void)
{
	struct path found;
	int ret;

	if (!path)
		return -EINVAL;
	ret = kern_path(path, LOOKUP_FOLLOW, &found);
	if (ret)
		return ret;
	inode = igrab(d_inode(found.dentry));
	path_put(&found);
	if (!inode)
		return -ENOENT;
	d_prune_aliases(inode);
	return 0;
}

static void __exit keep_exit(void)
{
	iput(inode);
}

module_init(keep_init);
module_exit(keep_exit);
