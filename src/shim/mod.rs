// SPDX-License-Identifier: GPL-2.0

//! The C side of the module.

pub(crate) use bindings::*;

/// Declared by bindgen from `shim.h`.
#[allow(
    clippy::all,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    unreachable_pub,
    unused_imports
)]
mod bindings {
    use kernel::bindings::*;
    include!("bindings_generated.rs");
}

/// The parameter `max_objects`.
pub(crate) fn max_objects() -> u32 {
    // SAFETY: Only reads a variable.
    unsafe { rkernfs_max_objects() }
}

/// Checks at compile time that functions are what `shim.h` tells C. A `_` for each argument:
/// rust-analyzer does not find the type of two functions by itself.
macro_rules! export {
    ($($name:ident($($arg:tt),*)),* $(,)?) => {
        const _: () = {
            $(let _: [unsafe extern "C" fn($($arg),*) -> _; 2] = [$name, crate::shim::$name];)*
        };
    };
}
pub(crate) use export;
