// SPDX-License-Identifier: GPL-2.0
/*
 * Offsets of members that bindgen does not see, as they are private to fs/kernfs,
 * or that kernels name differently, and enumerators that it does not see. Kbuild
 * makes numbers of them for Rust, as for assembly: offsets_generated.h.
 */
#include <linux/dcache.h>
#include <linux/exportfs.h>
#include <linux/kbuild.h>

#include "compat.h"

void rkernfs_offsets(void);

void rkernfs_offsets(void)
{
	OFFSET(RKERNFS_ROOT_KN, kernfs_root, kn);
	OFFSET(RKERNFS_ROOT_FLAGS, kernfs_root, flags);
	OFFSET(RKERNFS_ROOT_INO_IDR, kernfs_root, ino_idr);
	OFFSET(RKERNFS_ROOT_SUPERS, kernfs_root, supers);
	OFFSET(RKERNFS_ROOT_DEACTIVATE_WAITQ, kernfs_root, deactivate_waitq);
	OFFSET(RKERNFS_ROOT_RWSEM, kernfs_root, kernfs_rwsem);
	OFFSET(RKERNFS_ROOT_IATTR_RWSEM, kernfs_root, kernfs_iattr_rwsem);
	OFFSET(RKERNFS_ROOT_SUPERS_RWSEM, kernfs_root, kernfs_supers_rwsem);

	OFFSET(RKERNFS_SUPER_INFO_SB, kernfs_super_info, sb);
	OFFSET(RKERNFS_SUPER_INFO_NS, kernfs_super_info, ns);
	OFFSET(RKERNFS_SUPER_INFO_NODE, kernfs_super_info, node);

	OFFSET(RKERNFS_NODE_PARENT, kernfs_node, compat_parent_member);
	OFFSET(RKERNFS_NODE_NAME, kernfs_node, name);

	OFFSET(RKERNFS_INODE_DENTRY, inode, i_dentry);
	OFFSET(RKERNFS_INODE_DEVICES, inode, i_devices);
	OFFSET(RKERNFS_DENTRY_ALIAS, dentry, compat_alias);

	DEFINE(RKERNFS_FILEID_INO32_GEN, FILEID_INO32_GEN);
	DEFINE(RKERNFS_FILEID_INO32_GEN_PARENT, FILEID_INO32_GEN_PARENT);
	DEFINE(RKERNFS_FILEID_KERNFS, FILEID_KERNFS);
}
