/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What Rust needs C for: macros, inline functions, private structures, and
 * what only C can declare. bindgen reads this file to make the Rust
 * declarations, so it includes nothing that needs the compiler flags of kernel
 * code.
 *
 * C never calls Rust by a name: what it is to call comes as a pointer.
 */
#ifndef _RKERNFS_SHIM_H
#define _RKERNFS_SHIM_H

#include <linux/types.h>
#include "offsets_generated.h"

#ifndef CONFIG_64BIT
#error "rkernfs needs a 64-bit kernel: inode numbers and hashes of names are taken for those of one"
#endif
#ifdef CONFIG_CPU_BIG_ENDIAN
#error "rkernfs needs a little-endian kernel: on a big-endian one it was never tried"
#endif

struct callback_head;
struct dentry;
struct fid;
struct file_system_type;
struct fs_context;
struct inode;
struct kernfs_node;
struct kernfs_open_file;
struct kernfs_ops;
struct kernfs_root;
struct kernfs_super_info;
struct kernfs_syscall_ops;
struct list_head;
struct poll_table_struct;
struct rw_semaphore;
struct spinlock;
struct super_block;

/*
 * kernfs.c, tasks.c, vfs.c: each does what the macro, the inline function or the
 * member of a private structure does that it is named after.
 */
struct kernfs_root *rkernfs_root(struct kernfs_node *kn);
u64 rkernfs_ns_key(const void *ns);
bool rkernfs_same_name(const char *a, const char *b);
void rkernfs_set_times(struct kernfs_node *kn);
void rkernfs_keep_nlink_clear(struct kernfs_node *kn);

struct spinlock *rkernfs_idr_lock(struct kernfs_root *root);
bool rkernfs_rwsem_is_contended(struct rw_semaphore *sem);
void rkernfs_rwsem_assert_held_read(struct rw_semaphore *sem);
void rkernfs_rwsem_assert_held_write(struct rw_semaphore *sem);
void rkernfs_drain_acquire(struct kernfs_node *kn);
void rkernfs_drain_release(struct kernfs_node *kn);

void rkernfs_list_move(struct list_head *list, struct list_head *head);
struct kernfs_super_info *rkernfs_info(struct super_block *sb);

void rkernfs_rcu_read_lock(void);
void rkernfs_rcu_read_unlock(void);
void rkernfs_spin_lock(struct spinlock *lock);
void rkernfs_spin_unlock(struct spinlock *lock);
void rkernfs_cond_resched(void);
void rkernfs_synchronize_rcu_tasks(void);
void rkernfs_wait_var_zero(size_t *var);
void rkernfs_wait_var_bits(u32 *var, u32 bits);
bool rkernfs_module_get(void);
void rkernfs_module_put(void);
void rkernfs_forget_over_high(void);
bool rkernfs_returns_to_user(void);
int rkernfs_task_work_add(struct callback_head *head,
			  void (*func)(struct callback_head *head));
struct callback_head *
rkernfs_task_work_find(void (*func)(struct callback_head *head));
u32 rkernfs_current_fsuid(void);
u32 rkernfs_current_fsgid(void);

void rkernfs_debug_removing(struct kernfs_node *kn);
void rkernfs_warn_active(void);
void rkernfs_warn_linked(void);
void rkernfs_warn_ns(struct kernfs_node *parent, const char *name);
void rkernfs_warn_no_parent(const char *name);

struct inode *rkernfs_ilookup(struct super_block *sb, u64 ino);
void rkernfs_refuse_lookups(struct inode *inode);
struct inode *rkernfs_peek_inode(struct super_block *sb, u64 ino);
bool rkernfs_get_active_super(struct super_block *sb);
bool rkernfs_has_other_alias(struct inode *inode);
bool rkernfs_is_locked_by_current(struct inode *inode);
void rkernfs_set_dead(struct inode *dir);
int rkernfs_uncache_dentry(struct dentry *dentry, bool unhash);
struct dentry *rkernfs_uncache_child_after(struct dentry *dir,
					   struct dentry *child, bool *used);
struct dentry *rkernfs_count_children_after(struct dentry *dir,
					    struct dentry *child,
					    unsigned long *nr,
					    unsigned long *used);
const char *rkernfs_dentry_name(struct dentry *dentry);
void rkernfs_set_rev(struct kernfs_node *parent, struct dentry *dentry);
void rkernfs_delete_self(struct inode *inode);
void rkernfs_destroy_marks(struct inode *inode);

/* work.c: delayed works on a queue of the module's own */
enum rkernfs_work {
	RKERNFS_WORK_NOW,
	RKERNFS_WORK_OVERDUE,
	RKERNFS_WORK_LATER,
	RKERNFS_WORK_MARKS,
	RKERNFS_WORKS,
};

/* an enum is an integer in Rust: to kCFI, another type */
int rkernfs_work_init(void (*run)(unsigned int which));
void rkernfs_work_exit(void);
void rkernfs_work_queue(enum rkernfs_work which, unsigned int delay_ms);
void rkernfs_work_requeue(enum rkernfs_work which, unsigned int delay_ms);
u32 rkernfs_now_ms(void);

/* unexported.c: functions that the kernel does not export */
int rkernfs_resolve_unexported(void);
unsigned long rkernfs_address_of(const char *name);
void rkernfs_iterate_supers(void (*f)(struct super_block *sb, void *arg));
struct kernfs_root *rkernfs_root_from_sb(struct super_block *sb);
struct kernfs_node *rkernfs_find_by_id(struct kernfs_root *root, u64 id);
struct inode *rkernfs_get_inode(struct super_block *sb, struct kernfs_node *kn);
void rkernfs_queue_overflow(struct super_block *sb);
void rkernfs_queue_modify_overflow(struct super_block *sb, struct inode *dir);
bool rkernfs_destroy_free_marks(struct inode *inode);
bool rkernfs_should_drain_open_files(struct kernfs_node *kn);
void rkernfs_drain_open_files(struct kernfs_node *kn);
void rkernfs_break_active_protection(struct kernfs_node *kn);
void rkernfs_unbreak_active_protection(struct kernfs_node *kn);

/*
 * What a node carries in a hierarchy of src/kernfs: kernfs_node.priv of each
 * points to one. Such hierarchies are marked by the flag, which the kernel has
 * no use for.
 */
#define RKERNFS_OWNS_DATA	(1U << 31)
/* Any hierarchy's: there may be a mark on the whole of a superblock. */
#define RKERNFS_SUPER_MARKS	(1U << 30)

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

/* filesystem.c: struct fs_context, for which Rust has no bindings */
void rkernfs_fs_lock(void);
void rkernfs_fs_unlock(void);
struct file_system_type *rkernfs_fs_type(struct fs_context *fc);
int rkernfs_fs_init_context(struct fs_context *fc, struct kernfs_node *root,
			    unsigned long magic);

/* ftrace.c: functions of the kernel that ftrace calls back from */
struct rkernfs_ftrace_callbacks {
	/* fsnotify_put_mark(), of a mark on a whole superblock */
	void (*super_marked)(struct super_block *sb);
	/* kernfs_rename_ns() */
	void (*renamed)(struct kernfs_node *kn, struct kernfs_node *new_parent,
			const void *new_ns);
};

/* 1: without ftrace */
int rkernfs_ftrace_start(const struct rkernfs_ftrace_callbacks *to_call);
void rkernfs_ftrace_stop(void);

/* notify.c: reporting changes of files */
int rkernfs_notify_init(void (*run)(void));
void rkernfs_notify_exit(void);
void rkernfs_notify_schedule(void);
unsigned long rkernfs_notify_lock(void);
void rkernfs_notify_unlock(unsigned long flags);
void rkernfs_warn_not_file(struct kernfs_node *kn);
void rkernfs_wake_pollers(struct kernfs_node *kn);
void rkernfs_wake_all_pollers(struct kernfs_node *kn);
void rkernfs_wake_exclusive_pollers(struct kernfs_node *kn);
int rkernfs_notified(struct kernfs_node *kn);
bool rkernfs_sb_has_watchers(struct super_block *sb);
void rkernfs_fsnotify_modify(struct inode *inode, struct inode *dir,
			     const char *name);

/* final.c: the last text of removed files */
bool rkernfs_keeps_final_events(void);
int rkernfs_final_init(void);
void rkernfs_open_files_lock(struct kernfs_node *kn);
void rkernfs_open_files_unlock(struct kernfs_node *kn);
struct kernfs_open_file *rkernfs_next_open_file(struct kernfs_node *kn,
						struct kernfs_open_file *of);
bool rkernfs_may_have_final_text(struct kernfs_open_file *of);
long rkernfs_show_file(struct kernfs_open_file *of, char *text, size_t size);
void rkernfs_set_final_text(struct kernfs_open_file *of, const char *last,
			    size_t len);

/* livepatch.c: what is replaced in the running kernel, by what */
struct rkernfs_replacements {
	void (*remove)(struct kernfs_node *kn);
	bool (*remove_self)(struct kernfs_node *kn);
	int (*remove_by_name_ns)(struct kernfs_node *parent, const char *name,
				 const void *ns);
	void (*notify)(struct kernfs_node *kn);
	struct dentry *(*iop_lookup)(struct inode *dir, struct dentry *dentry,
				     unsigned int flags);
	struct dentry *(*fh_to_dentry)(struct super_block *sb, struct fid *fid,
				       int len, int type);
	struct dentry *(*fh_to_parent)(struct super_block *sb, struct fid *fid,
				       int len, int type);
	struct dentry *(*get_parent_dentry)(struct dentry *child);
};

int rkernfs_livepatch_enable(const struct rkernfs_replacements *by);

/* layouts.c: what the module was compiled with. @member NULL: all of @type. */
struct rkernfs_layout {
	const char *type;
	const char *member;
	size_t offset;
	size_t size;
};

const struct rkernfs_layout *rkernfs_layouts(size_t *n);

/* params.c: the parameters of the pseudo file system */
unsigned int rkernfs_max_objects(void);

#endif /* _RKERNFS_SHIM_H */
