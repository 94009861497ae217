// SPDX-License-Identifier: GPL-2.0
/*
 * File systems of src/kernfs: what VFS calls with a struct fs_context, for
 * which Rust has no bindings.
 */
#include <linux/fs_context.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "compat.h"
#include "shim.h"

struct context {
	struct kernfs_fs_context kfc;	/* first: fs_private points to it */
	struct kernfs_node *root;	/* a reference */
};

static DEFINE_MUTEX(fs_mutex);

/* The lock of what each file system type mounts */
void rkernfs_fs_lock(void)
{
	mutex_lock(&fs_mutex);
}

void rkernfs_fs_unlock(void)
{
	mutex_unlock(&fs_mutex);
}

static void free_context(struct fs_context *fc)
{
	struct context *ctx = fc->fs_private;

	rkernfs_free_fs_context(fc);
	kernfs_put(ctx->root);
	kfree(ctx);
}

static const struct fs_context_operations context_ops = {
	.free		= free_context,
	.get_tree	= rkernfs_get_tree,
};

struct file_system_type *rkernfs_fs_type(struct fs_context *fc)
{
	return fc->fs_type;
}

/* Takes the reference over, also if it fails. */
int rkernfs_fs_init_context(struct fs_context *fc, struct kernfs_node *root,
			    unsigned long magic)
{
	struct context *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL);

	if (!ctx) {
		kernfs_put(root);
		return -ENOMEM;
	}
	ctx->kfc.root = kernfs_root(root);
	ctx->kfc.magic = magic;
	ctx->root = root;
	fc->fs_private = ctx;
	fc->ops = &context_ops;
	fc->global = true;
	return 0;
}
