// SPDX-License-Identifier: GPL-2.0
/*
 * For other modules that use src/kernfs: what it needs of this one. They
 * compile its Rust sources into themselves; see samples/counters.rs.
 */
#include <linux/export.h>

#include "shim.h"

#define EXPORT(name)	EXPORT_SYMBOL_GPL(name)

EXPORT(rkernfs_break_active_protection);
EXPORT(rkernfs_bring_forward);
EXPORT(rkernfs_cond_resched);
EXPORT(rkernfs_create_dir);
EXPORT(rkernfs_create_file);
EXPORT(rkernfs_create_root);
EXPORT(rkernfs_current_fsgid);
EXPORT(rkernfs_current_fsuid);
EXPORT(rkernfs_data_release);
EXPORT(rkernfs_fs_init_context);
EXPORT(rkernfs_fs_lock);
EXPORT(rkernfs_fs_type);
EXPORT(rkernfs_fs_unlock);
EXPORT(rkernfs_generic_poll);
EXPORT(rkernfs_get_parent);
EXPORT(rkernfs_iattr_down_write);
EXPORT(rkernfs_iattr_up_write);
EXPORT(rkernfs_kill_sb);
EXPORT(rkernfs_next_super);
EXPORT(rkernfs_parent);
EXPORT(rkernfs_remove);
EXPORT(rkernfs_remove_by_name_ns);
EXPORT(rkernfs_remove_self);
EXPORT(rkernfs_rename);
EXPORT(rkernfs_root);
EXPORT(rkernfs_root_node);
EXPORT(rkernfs_show);
EXPORT(rkernfs_supers_down_read);
EXPORT(rkernfs_supers_down_write);
EXPORT(rkernfs_supers_up_read);
EXPORT(rkernfs_supers_up_write);
EXPORT(rkernfs_tree_down_write);
EXPORT(rkernfs_tree_up_write);
EXPORT(rkernfs_unbreak_active_protection);
