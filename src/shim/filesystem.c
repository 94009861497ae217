// SPDX-License-Identifier: GPL-2.0
/*
 * File systems of src/kernfs: what VFS calls with structures that Rust has no
 * bindings for (struct fs_context).
 */
#include <linux/fs_context.h>
#include <linux/mutex.h>
#include <linux/slab.h>

#include "compat.h"
#include "shim.h"

struct context {
	struct kernfs_fs_context kfc;	/* first: fs_private points to it */
	struct kernfs_node *root;	/* a reference */
	struct rkernfs_data *data;	/* a reference, until a superblock has it */
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

void rkernfs_data_release(struct rkernfs_data *data)
{
	data->release(data);
}

/* What src/kernfs gave a node to carry; NULL for nodes of all other users */
struct rkernfs_data *rkernfs_data_of(struct kernfs_root *root,
				     struct kernfs_node *kn)
{
	return root->flags & RKERNFS_OWNS_DATA ? kn->priv : NULL;
}

static void free_context(struct fs_context *fc)
{
	struct context *ctx = fc->fs_private;

	rkernfs_free_fs_context(fc);
	if (ctx->data)
		rkernfs_data_release(ctx->data);
	kernfs_put(ctx->root);
	kfree(ctx);
}

static int get_tree(struct fs_context *fc)
{
	struct context *ctx = fc->fs_private;
	int ret = rkernfs_get_tree(fc);

	/* also if it failed: rkernfs_fs_kill_sb() releases it */
	if (ctx->kfc.new_sb_created)
		ctx->data = NULL;
	return ret;
}

static const struct fs_context_operations context_ops = {
	.free		= free_context,
	.get_tree	= get_tree,
};

struct file_system_type *rkernfs_fs_type(struct fs_context *fc)
{
	return fc->fs_type;
}

/* Takes both references over, also if it fails. */
int rkernfs_fs_init_context(struct fs_context *fc, struct kernfs_node *root,
			    struct rkernfs_data *data, unsigned long magic)
{
	struct context *ctx = kzalloc(sizeof(*ctx), GFP_KERNEL);

	if (!ctx) {
		rkernfs_data_release(data);
		kernfs_put(root);
		return -ENOMEM;
	}
	ctx->kfc.root = kernfs_root(root);
	ctx->kfc.magic = magic;
	ctx->root = root;
	ctx->data = data;
	fc->fs_private = ctx;
	fc->ops = &context_ops;
	fc->global = true;
	return 0;
}

void rkernfs_fs_kill_sb(struct super_block *sb)
{
	struct rkernfs_data *data = kernfs_info(sb)->root->kn->priv;

	rkernfs_kill_sb(sb);
	rkernfs_data_release(data);
}

struct kernfs_node *rkernfs_root_node(struct kernfs_root *root)
{
	return root->kn;
}
