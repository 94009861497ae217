// SPDX-License-Identifier: GPL-2.0

//! What livepatch puts in the place of kernfs's functions.
//!
//! C header: `include/linux/livepatch.h`, through the shim.

use crate::{notify, removal::entry, shim};
use kernel::{error::to_result, prelude::*};

static REPLACEMENTS: shim::rkernfs_replacements = shim::rkernfs_replacements {
    remove: Some(entry::kernfs_remove),
    remove_self: Some(entry::kernfs_remove_self),
    remove_by_name_ns: Some(entry::kernfs_remove_by_name_ns),
    notify: Some(notify::kernfs_notify),
    find_and_get_node_by_id: Some(entry::kernfs_find_and_get_node_by_id),
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
