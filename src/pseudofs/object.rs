// SPDX-License-Identifier: GPL-2.0

//! Objects: what a directory and the files in it have in common.

use crate::{
    compat::{errno, Atomic, Relaxed},
    shim,
};
use kernel::{
    bindings, new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};

/// The size that a value may have, in bytes.
const MAX_VALUE: usize = 4095;

/// What a directory and its files share. Dropped with the last of them.
#[pin_data]
pub(crate) struct Object {
    #[pin]
    value: Mutex<KVec<u8>>,
    removal_claimed: Atomic<bool>,
    _slot: Slot,
}

impl Object {
    /// Makes an object with an empty value.
    ///
    /// # Errors
    ///
    /// `ENOSPC` if there are `max_objects` already.
    pub(super) fn new() -> Result<Arc<Self>> {
        let taken = Slot::take()?;
        let object = pin_init!(Self {
            value <- new_mutex!(KVec::new(), "Object::value"),
            removal_claimed: Atomic::new(false),
            _slot: taken,
        });
        Arc::pin_init(object, GFP_KERNEL)
    }

    /// Sets the value.
    ///
    /// # Errors
    ///
    /// `EMSGSIZE` if it is longer than [`MAX_VALUE`].
    pub(super) fn set_value(&self, bytes: &[u8]) -> Result {
        if bytes.len() > MAX_VALUE {
            return Err(errno(bindings::EMSGSIZE));
        }
        let mut value = KVec::new();
        value.extend_from_slice(bytes, GFP_KERNEL)?;
        *self.value.lock() = value;
        Ok(())
    }

    /// Passes the value to `f`.
    pub(super) fn with_value<R>(&self, f: impl FnOnce(&[u8]) -> R) -> R {
        f(&self.value.lock())
    }

    /// Decides which of several tasks removes the object.
    ///
    /// # Errors
    ///
    /// `ENODEV` for all but one.
    pub(super) fn claim_removal(&self) -> Result {
        if self.removal_claimed.xchg(true, Relaxed) {
            return Err(ENODEV);
        }
        Ok(())
    }
}

/// One of the `max_objects` that there may be.
struct Slot(());

static TAKEN: Atomic<u32> = Atomic::new(0);

impl Slot {
    fn take() -> Result<Self> {
        let taken = Self(());
        if TAKEN.fetch_add(1, Relaxed) >= shim::max_objects() {
            // Dropping it gives it back.
            return Err(ENOSPC);
        }
        Ok(taken)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        TAKEN.fetch_sub(1, Relaxed);
    }
}
