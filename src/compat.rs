// SPDX-License-Identifier: GPL-2.0

//! Items of the `kernel` crate that moved between the kernels that rkernfs supports, or that the
//! older one lacks.

use core::ffi::CStr;
use kernel::{
    error::Error,
    ffi::{c_char, c_int},
};

#[cfg(not(since_6_18))]
pub(crate) use kernel::types::{ARef, AlwaysRefCounted};

#[cfg(since_6_18)]
pub(crate) use kernel::sync::aref::{ARef, AlwaysRefCounted};

#[cfg(since_6_18)]
pub(crate) use kernel::sync::atomic::{Atomic, Full, Relaxed, Release};

#[cfg(not(since_6_18))]
pub(crate) use atomic::{Atomic, Full, Relaxed, Release};

/// What `kernel::sync::atomic` has since 6.18, as far as it is used here.
#[cfg(not(since_6_18))]
#[allow(dead_code, reason = "as the kernel's, which has all for each type")]
mod atomic {
    use core::{
        cell::UnsafeCell,
        sync::atomic::{self, Ordering},
    };

    /// No ordering.
    pub(crate) struct Relaxed;
    /// Ordered after all that went before.
    pub(crate) struct Release;
    /// Ordered before all that follows, and after all that went before.
    pub(crate) struct Full;

    pub(crate) trait Order {
        const ORDER: Ordering;
    }

    impl Order for Relaxed {
        const ORDER: Ordering = Ordering::Relaxed;
    }

    impl Order for Release {
        const ORDER: Ordering = Ordering::Release;
    }

    impl Order for Full {
        const ORDER: Ordering = Ordering::SeqCst;
    }

    #[repr(transparent)]
    pub(crate) struct Atomic<T>(UnsafeCell<T>);

    // SAFETY: All access through a shared reference is atomic.
    unsafe impl<T: Send> Sync for Atomic<T> {}

    impl<T> Atomic<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(UnsafeCell::new(value))
        }

        /// # Safety
        ///
        /// `ptr` must be valid and aligned for `'a`, and all access to it atomic.
        pub(crate) unsafe fn from_ptr<'a>(ptr: *mut T) -> &'a Self {
            // SAFETY: The caller promises validity and atomic access for `'a`; the layout is that of `T`.
            unsafe { &*ptr.cast() }
        }
    }

    macro_rules! operations {
        ($($t:ty as $core:ident),*) => { $(
            impl Atomic<$t> {
                fn core(&self) -> &atomic::$core {
                    // SAFETY: `self` is valid, and all access to it atomic.
                    unsafe { atomic::$core::from_ptr(self.0.get()) }
                }

                pub(crate) fn load<O: Order>(&self, _: O) -> $t {
                    self.core().load(O::ORDER)
                }

                pub(crate) fn store<O: Order>(&self, value: $t, _: O) {
                    self.core().store(value, O::ORDER);
                }

                pub(crate) fn xchg<O: Order>(&self, value: $t, _: O) -> $t {
                    self.core().swap(value, O::ORDER)
                }

                pub(crate) fn cmpxchg<O: Order>(&self, old: $t, new: $t, _: O) -> Result<$t, $t> {
                    self.core().compare_exchange(old, new, O::ORDER, Ordering::Relaxed)
                }
            }
        )* };
    }

    macro_rules! arithmetic {
        ($($t:ty),*) => { $(
            impl Atomic<$t> {
                pub(crate) fn add(&self, value: $t, _: Relaxed) {
                    self.core().fetch_add(value, Ordering::Relaxed);
                }

                pub(crate) fn fetch_add<O: Order>(&self, value: $t, _: O) -> $t {
                    self.core().fetch_add(value, O::ORDER)
                }

                pub(crate) fn fetch_sub<O: Order>(&self, value: $t, _: O) -> $t {
                    self.core().fetch_sub(value, O::ORDER)
                }
            }
        )* };
    }

    operations!(
        bool as AtomicBool,
        i32 as AtomicI32,
        u32 as AtomicU32,
        u64 as AtomicU64,
        usize as AtomicUsize
    );
    arithmetic!(i32, u32, u64, usize);
}

/// An error that not every kernel has a name for, from `kernel::bindings`.
pub(crate) fn errno(code: u32) -> Error {
    Error::from_errno(-(code as c_int))
}

/// A string as C takes it.
pub(crate) fn c_ptr(string: &CStr) -> *const c_char {
    string.to_bytes_with_nul().as_ptr()
}

/// A string that C gives.
///
/// # Safety
///
/// `string` must be terminated, and neither change nor go away for `'a`.
#[cfg_attr(
    since_6_18,
    expect(
        clippy::disallowed_methods,
        reason = "the extension trait is not in every kernel"
    )
)]
pub(crate) unsafe fn c_str<'a>(string: *const c_char) -> &'a CStr {
    // SAFETY: The caller promises a terminated string that stays for `'a`.
    unsafe { CStr::from_ptr(string.cast()) }
}
