//! What the system can do and no safe wrapper offers.
//!
//! In: requests from the rest of the crate. Out: safe functions. The only
//! folder of this crate where `unsafe` may stand; knows nothing of slots,
//! generations or messages.
#![allow(unsafe_code)]

pub(crate) mod accounts;
pub(crate) mod children;
pub(crate) mod credentials;
pub(crate) mod exec;
pub(crate) mod identity;
pub(crate) mod inherit;
pub(crate) mod memory;
pub(crate) mod page;
pub(crate) mod signals;
pub(crate) mod spawn;

use std::ffi::{CString, OsStr};
use std::fmt::Display;
use std::io;
use std::os::unix::ffi::OsStrExt as _;

/// `error` with what was attempted before it: "cannot open x: permission denied".
///
/// The kind is kept, the number is in the text.
pub(crate) fn explain(error: impl Into<io::Error>, attempted: impl Display) -> io::Error {
    let error = error.into();
    io::Error::new(error.kind(), format!("{attempted}: {error}"))
}

/// The last error of a call into libc, with what was attempted.
fn last_error(attempted: impl Display) -> io::Error {
    explain(io::Error::last_os_error(), attempted)
}

/// `text` as C wants it.
///
/// # Errors
/// `InvalidInput` if it holds a NUL byte.
fn c_string(text: &OsStr) -> io::Result<CString> {
    CString::new(text.as_bytes()).map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{} holds a NUL byte", text.display()))
    })
}
