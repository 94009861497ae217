/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The line between C and Rust: every function that one side defines and the
 * other one calls. bindgen reads this file to make the Rust declarations, so
 * it includes nothing that needs the compiler flags of kernel code.
 */
#ifndef _RKERNFS_SHIM_H
#define _RKERNFS_SHIM_H

#include <linux/types.h>

struct callback_head;
struct dentry;
struct file_system_type;
struct fs_context;
struct inode;
struct kernfs_node;
struct kernfs_open_file;
struct kernfs_ops;
struct kernfs_root;
struct kernfs_super_info;
struct kernfs_syscall_ops;
struct poll_table_struct;
struct super_block;

/*
 * helpers.c: what kernel headers offer as macros, inline functions or private
 * structures only. Each does what the thing that it is named after does.
 */
struct kernfs_root *rkernfs_root(struct kernfs_node *kn);
struct kernfs_node *rkernfs_parent(struct kernfs_node *kn);
const char *rkernfs_name(struct kernfs_node *kn);
u64 rkernfs_ns_key(const void *ns);
unsigned int rkernfs_name_hash(const char *name, u64 ns_key, size_t *size);
bool rkernfs_same_name(const char *a, const char *b, size_t size);
void rkernfs_warn_ns(struct kernfs_node *parent, const char *name);
void rkernfs_warn_no_parent(const char *name);

void rkernfs_supers_down_read(struct kernfs_root *root);
void rkernfs_supers_up_read(struct kernfs_root *root);
void rkernfs_supers_down_write(struct kernfs_root *root);
void rkernfs_supers_up_write(struct kernfs_root *root);
void rkernfs_tree_down_write(struct kernfs_root *root);
void rkernfs_tree_up_write(struct kernfs_root *root);
void rkernfs_iattr_down_write(struct kernfs_root *root);
void rkernfs_iattr_up_write(struct kernfs_root *root);
bool rkernfs_is_contended(struct kernfs_root *root);

struct super_block *rkernfs_super_sb(struct kernfs_super_info *info);
const void *rkernfs_super_ns(struct kernfs_super_info *info);

void rkernfs_wait_drained(struct kernfs_node *kn);
void rkernfs_wait_self_removed(struct kernfs_node *kn);
void rkernfs_touch(struct kernfs_node *kn);
void rkernfs_keep_nlink_clear(struct kernfs_node *kn);
void rkernfs_cond_resched(void);
u32 rkernfs_current_fsuid(void);
u32 rkernfs_current_fsgid(void);
bool rkernfs_handles_bypass_rwsem(struct kernfs_root *root);
struct kernfs_node *rkernfs_idr_find(struct kernfs_root *root, u64 id);

struct inode *rkernfs_ilookup(struct super_block *sb, u64 ino);
bool rkernfs_pin_inode(struct inode *inode);
bool rkernfs_inode_is_pinned(struct inode *inode);
struct super_block *rkernfs_unpin_inode(struct inode *inode);
void rkernfs_inode_lock(struct inode *inode);
void rkernfs_inode_unlock(struct inode *inode);
int rkernfs_inode_count(struct inode *inode);
int rkernfs_inode_dentries(struct inode *inode, bool *used);
bool rkernfs_dentry_unhashed(struct dentry *dentry);
bool rkernfs_mark_dead(struct inode *dir);
void rkernfs_drop_children(struct dentry *dir);
void rkernfs_inoderemove(struct inode *inode);

/* unexported.c: functions that the kernel does not export. */
int rkernfs_resolve_unexported(void);
unsigned long rkernfs_address_of(const char *name);
void rkernfs_iterate_supers(void (*f)(struct super_block *sb, void *arg));
bool rkernfs_is_kernfs(struct super_block *sb);
struct inode *rkernfs_get_inode(struct super_block *sb, struct kernfs_node *kn);
void rkernfs_queue_overflow(struct super_block *sb);
void rkernfs_queue_modify_overflow(struct super_block *sb, struct inode *dir);
bool rkernfs_should_drain_open_files(struct kernfs_node *kn);
void rkernfs_drain_open_files(struct kernfs_node *kn);
void rkernfs_break_active_protection(struct kernfs_node *kn);
void rkernfs_unbreak_active_protection(struct kernfs_node *kn);

/*
 * What a node carries in a hierarchy of src/kernfs: kernfs_node.priv of each
 * points to one. Such hierarchies are told by the flag, which the kernel has
 * no use for.
 */
#define RKERNFS_OWNS_DATA	(1U << 31)

struct rkernfs_data {
	/* gives a reference up */
	void (*release)(struct rkernfs_data *data);
	/* links data of removed nodes */
	struct rkernfs_data *next;
};

struct kernfs_root *rkernfs_create_root(const struct kernfs_syscall_ops *ops,
					unsigned int flags,
					struct rkernfs_data *data);
struct kernfs_node *rkernfs_create_dir(struct kernfs_node *parent,
				       const char *name, unsigned short mode,
				       u32 uid, u32 gid,
				       struct rkernfs_data *data);
struct kernfs_node *rkernfs_create_file(struct kernfs_node *parent,
					const char *name, unsigned short mode,
					u32 uid, u32 gid,
					const struct kernfs_ops *ops,
					struct rkernfs_data *data,
					const void *lock_class);
struct kernfs_node *rkernfs_get_parent(struct kernfs_node *kn);
int rkernfs_rename(struct kernfs_node *kn, struct kernfs_node *new_parent,
		   const char *new_name);
void rkernfs_show(struct kernfs_node *kn, bool show);
__poll_t rkernfs_generic_poll(struct kernfs_open_file *of,
			      struct poll_table_struct *table);
int rkernfs_get_tree(struct fs_context *fc);
void rkernfs_free_fs_context(struct fs_context *fc);
void rkernfs_kill_sb(struct super_block *sb);

/* filesystem.c: file systems of src/kernfs. */
struct rkernfs_data *rkernfs_data_of(struct kernfs_root *root,
				     struct kernfs_node *kn);
void rkernfs_data_release(struct rkernfs_data *data);
struct kernfs_node *rkernfs_root_node(struct kernfs_root *root);
void rkernfs_fs_lock(void);
void rkernfs_fs_unlock(void);
struct file_system_type *rkernfs_fs_type(struct fs_context *fc);
int rkernfs_fs_init_context(struct fs_context *fc, struct kernfs_node *root,
			    unsigned long magic);

/* supers.c: what concerns all superblocks, of which there may be many. */
int rkernfs_supers_init(void);
void rkernfs_supers_exit(void);
const void *rkernfs_shown_in(struct kernfs_node *kn, bool *was_moved);
bool rkernfs_sb_reports_removal(struct super_block *sb);
bool rkernfs_any_sb_reports_removal(struct kernfs_root *root);
struct kernfs_super_info *rkernfs_next_super(struct kernfs_root *root,
					     struct kernfs_super_info *info,
					     const void *ns,
					     unsigned int *passed);
void rkernfs_bring_forward(struct kernfs_root *root, const void *ns);

/* livepatch.c: the module's parameters and what it replaces. */
int rkernfs_livepatch_enable(void);
void rkernfs_remove(struct kernfs_node *kn);
bool rkernfs_remove_self(struct kernfs_node *kn);
int rkernfs_remove_by_name_ns(struct kernfs_node *parent, const char *name,
			      const void *ns);
struct kernfs_node *rkernfs_find_and_get_node_by_id(struct kernfs_root *root,
						    u64 id);

/* deferral.c: when the release stage runs. */
int rkernfs_deferral_init(void);
void rkernfs_deferral_exit(void);
void rkernfs_defer(struct callback_head *head);
void rkernfs_defer_again(struct callback_head *head, unsigned int delay_ms);
void rkernfs_deferred(struct callback_head *head);

/* layouts.c: what the module was compiled with. @member NULL: all of @type. */
struct rkernfs_layout {
	const char *type;
	const char *member;
	size_t offset;
	size_t size;
};

const struct rkernfs_layout *rkernfs_layouts(size_t *n);

/* notify.c: how watches are told that a file changed. */
int rkernfs_notify_init(void);
void rkernfs_notify_exit(void);
void rkernfs_notify(struct kernfs_node *kn);
void rkernfs_notify_schedule(void);
void rkernfs_notify_queued(void);
unsigned long rkernfs_notify_lock(void);
void rkernfs_notify_unlock(unsigned long flags);
void rkernfs_warn_not_file(struct kernfs_node *kn);
void rkernfs_wake_pollers(struct kernfs_node *kn);
void rkernfs_tree_down_read(struct kernfs_root *root);
void rkernfs_tree_up_read(struct kernfs_root *root);
bool rkernfs_modify_is_asked(struct super_block *sb, struct kernfs_node *kn);
bool rkernfs_sb_reports_modify(struct super_block *sb);
bool rkernfs_dir_reports_modify(struct inode *dir);
void rkernfs_fsnotify_modify(struct inode *inode, struct inode *dir,
			     const char *name);

/* params.c: the module's other parameters. */
unsigned int rkernfs_max_objects(void);

#endif /* _RKERNFS_SHIM_H */
