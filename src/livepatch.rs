// SPDX-License-Identifier: GPL-2.0

//! What livepatch puts in the place of kernfs's functions.
//!
//! C header: `include/linux/livepatch.h`, through the shim.

use crate::{
    notify,
    removal::{entry, lookup},
    shim,
};
use kernel::{error::to_result, prelude::*};

static REPLACEMENTS: shim::rkernfs_replacements = shim::rkernfs_replacements {
    remove: Some(entry::kernfs_remove),
    remove_self: Some(entry::kernfs_remove_self),
    remove_by_name_ns: Some(entry::kernfs_remove_by_name_ns),
    notify: Some(notify::kernfs_notify),
    iop_lookup: Some(lookup::kernfs_iop_lookup),
    fh_to_dentry: Some(lookup::kernfs_fh_to_dentry),
    fh_to_parent: Some(lookup::kernfs_fh_to_parent),
    get_parent_dentry: Some(lookup::kernfs_get_parent_dentry),
};

/// Replaces them, unless `cover=own`. The last thing that loading the module does: once enabled, a
/// patch cannot be taken back by failing.
///
/// # Errors
///
/// `EINVAL` for a bad parameter, what `klp_enable_patch()` returns. The log names the thing.
pub(crate) fn enable(_: &crate::removal::Removal, _: &notify::Notify) -> Result {
    // SAFETY: What the replacements need is there, and stays until livepatch lets the module go;
    // the table is static.
    to_result(unsafe { shim::rkernfs_livepatch_enable(&REPLACEMENTS) })
}
