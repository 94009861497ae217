// SPDX-License-Identifier: GPL-2.0
/*
 * For other modules that use src/kernfs: what it needs of this one. They
 * compile its Rust sources into themselves; see samples/counters.rs.
 */
#include <linux/export.h>

#include "shim.h"

EXPORT_SYMBOL_GPL(rkernfs_break_active_protection);
EXPORT_SYMBOL_GPL(rkernfs_cond_resched);
EXPORT_SYMBOL_GPL(rkernfs_create_dir);
EXPORT_SYMBOL_GPL(rkernfs_create_file);
EXPORT_SYMBOL_GPL(rkernfs_create_root);
EXPORT_SYMBOL_GPL(rkernfs_current_fsgid);
EXPORT_SYMBOL_GPL(rkernfs_current_fsuid);
EXPORT_SYMBOL_GPL(rkernfs_data_release);
EXPORT_SYMBOL_GPL(rkernfs_fs_init_context);
EXPORT_SYMBOL_GPL(rkernfs_fs_kill_sb);
EXPORT_SYMBOL_GPL(rkernfs_fs_lock);
EXPORT_SYMBOL_GPL(rkernfs_fs_type);
EXPORT_SYMBOL_GPL(rkernfs_fs_unlock);
EXPORT_SYMBOL_GPL(rkernfs_generic_poll);
EXPORT_SYMBOL_GPL(rkernfs_get_parent);
EXPORT_SYMBOL_GPL(rkernfs_iattr_rwsem);
EXPORT_SYMBOL_GPL(rkernfs_next_super);
EXPORT_SYMBOL_GPL(rkernfs_parent);
EXPORT_SYMBOL_GPL(rkernfs_remove);
EXPORT_SYMBOL_GPL(rkernfs_remove_by_name_ns);
EXPORT_SYMBOL_GPL(rkernfs_remove_self);
EXPORT_SYMBOL_GPL(rkernfs_rename);
EXPORT_SYMBOL_GPL(rkernfs_root);
EXPORT_SYMBOL_GPL(rkernfs_root_node);
EXPORT_SYMBOL_GPL(rkernfs_rwsem);
EXPORT_SYMBOL_GPL(rkernfs_show);
EXPORT_SYMBOL_GPL(rkernfs_supers_rwsem);
EXPORT_SYMBOL_GPL(rkernfs_unbreak_active_protection);
