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
struct inode;
struct kernfs_node;
struct kernfs_root;
struct kernfs_super_info;
struct rw_semaphore;
struct seq_file;
struct super_block;

/*
 * helpers.c: what kernel headers offer as macros, inline functions or private
 * structures only. Each does what the thing that it is named after does.
 */
struct kernfs_root *rkernfs_root(struct kernfs_node *kn);
struct kernfs_node *rkernfs_parent(struct kernfs_node *kn);
const char *rkernfs_name(struct kernfs_node *kn);
const void *rkernfs_node_ns(struct kernfs_node *kn);
u64 rkernfs_ns_key(const void *ns);
unsigned int rkernfs_name_hash(const char *name, u64 ns_key);
void rkernfs_warn_ns(struct kernfs_node *parent, const char *name);
void rkernfs_warn_no_parent(const char *name);

struct rw_semaphore *rkernfs_supers_rwsem(struct kernfs_root *root);
struct rw_semaphore *rkernfs_rwsem(struct kernfs_root *root);
struct rw_semaphore *rkernfs_iattr_rwsem(struct kernfs_root *root);

struct kernfs_super_info *rkernfs_next_super(struct kernfs_root *root,
					     struct kernfs_super_info *prev);
struct super_block *rkernfs_super_sb(struct kernfs_super_info *info);
const void *rkernfs_super_ns(struct kernfs_super_info *info);

void rkernfs_wait_drained(struct kernfs_node *kn);
void rkernfs_wait_self_removed(struct kernfs_node *kn);
void rkernfs_touch(struct kernfs_node *kn);
void rkernfs_keep_nlink_clear(struct kernfs_node *kn);
void rkernfs_cond_resched(void);
bool rkernfs_handles_bypass_rwsem(struct kernfs_root *root);
struct kernfs_node *rkernfs_idr_find(struct kernfs_root *root, u64 id);

struct inode *rkernfs_ilookup(struct super_block *sb, u64 ino);
bool rkernfs_sb_has_watchers(struct super_block *sb);
bool rkernfs_sb_reports_removal(struct super_block *sb);
bool rkernfs_any_sb_reports_removal(struct kernfs_root *root);
bool rkernfs_pin_inode(struct inode *inode);
bool rkernfs_inode_is_pinned(struct inode *inode);
struct super_block *rkernfs_unpin_inode(struct inode *inode);
bool rkernfs_clear_nlink(struct inode *inode);
void rkernfs_inode_lock(struct inode *inode);
void rkernfs_inode_unlock(struct inode *inode);
int rkernfs_inode_count(struct inode *inode);
int rkernfs_inode_dentries(struct inode *inode);
bool rkernfs_dentry_unhashed(struct dentry *dentry);
void rkernfs_inoderemove(struct inode *inode);

/* unexported.c: functions that the kernel does not export. */
int rkernfs_resolve_unexported(void);
struct inode *rkernfs_get_inode(struct super_block *sb, struct kernfs_node *kn);
void rkernfs_queue_overflow(struct super_block *sb);
bool rkernfs_should_drain_open_files(struct kernfs_node *kn);
void rkernfs_drain_open_files(struct kernfs_node *kn);
void rkernfs_break_active_protection(struct kernfs_node *kn);
void rkernfs_unbreak_active_protection(struct kernfs_node *kn);

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

/* stats.c: the counters in debugfs. */
void rkernfs_stats_init(void);
void rkernfs_stats_exit(void);
void rkernfs_stats_counter(struct seq_file *m, const char *name, u64 value);
void rkernfs_stats_show(struct seq_file *m);

#endif /* _RKERNFS_SHIM_H */
