//! The exported functions, as `zmq.h` declares them. The only module that reads and writes through pointers.
//!
//! Each checks what it is given, and calls a safe function. What a program gives as a pointer to a place (a message, a buffer,
//! a number) has to be one, as in every C interface; what it gives as a handle (a context, a socket, ...) is looked up.

#![allow(unsafe_code)]

use crate::error::{Errno, Result};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub mod context;
pub mod drafts;
pub mod message;
pub mod poll;
pub(crate) mod schedule;
pub mod socket;
pub mod timers;
pub mod utilities;

/// Runs the body of an exported function: an error becomes `errno`, and so does a panic, which ends here.
#[inline]
fn guard<R>(failed: R, body: impl FnOnce() -> Result<R>) -> R {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(result)) => result,
        Ok(Err(error)) => {
            error.set();
            failed
        }
        Err(_) => {
            Errno::DEFECT.set();
            failed
        }
    }
}

/// Functions that are exported under their names. `or` is what they return when they fail.
macro_rules! exported {
    ($(
        $(#[$attribute:meta])*
        fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $result:ty, or $failed:expr, $body:block
    )*) => {$(
        $(#[$attribute])*
        ///
        /// # Safety
        /// Pointers to places are null or good for what the function reads and writes there.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> $result {
            crate::c::guard($failed, || $body)
        }
    )*};
}
use exported;

/// The text at a pointer.
///
/// # Safety
/// It is null, or a text with a final NUL that stays as it is while the result is used.
unsafe fn text<'a>(pointer: *const c_char) -> Result<&'a str> {
    if pointer.is_null() {
        return Err(Errno::EFAULT);
    }
    // SAFETY: it is not null, and the caller vouches for the rest.
    unsafe { CStr::from_ptr(pointer) }.to_str().map_err(|_| Errno::EINVAL)
}

/// The bytes at a pointer.
///
/// # Safety
/// It is null, or so many bytes can be read there, and stay as they are while the result is used.
unsafe fn bytes<'a>(pointer: *const c_void, length: usize) -> Result<&'a [u8]> {
    match (pointer.is_null(), length) {
        (_, 0) => Ok(&[]),
        (true, _) => Err(Errno::EFAULT),
        // SAFETY: it is not null, and the caller vouches for the rest.
        (false, _) => Ok(unsafe { std::slice::from_raw_parts(pointer.cast(), length) }),
    }
}

/// Writes a value to a place.
///
/// # Safety
/// The pointer is null, or the place is good for it.
unsafe fn store<T>(place: *mut T, value: T) -> Result<()> {
    if place.is_null() {
        return Err(Errno::EFAULT);
    }
    // SAFETY: it is not null, and the caller vouches for the rest.
    unsafe { place.write(value) };
    Ok(())
}

/// A size as C's functions return it.
fn returned(size: usize) -> c_int {
    c_int::try_from(size).unwrap_or(c_int::MAX)
}
