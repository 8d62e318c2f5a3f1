//! Takes over descriptors that the parent process left open (sd_listen_fds(3)).
//!
//! In: a number. Out: the owned descriptor, at most once per process and number.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd as _, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

use super::explain;

static TAKEN: Mutex<BTreeSet<RawFd>> = Mutex::new(BTreeSet::new());

/// The descriptor `number`, which this process was started with; from now on closed by an exec.
///
/// Call it early: a descriptor that this process opened without
/// close-on-exec cannot be told from one that it inherited.
///
/// # Errors
/// `InvalidInput` below 3, `NotFound` if nothing is open there,
/// `PermissionDenied` if it is close-on-exec, so that this process opened it
/// itself, and `AlreadyExists` if the number was taken before.
pub(crate) fn take(number: RawFd) -> io::Result<OwnedFd> {
    let refuse = |kind, reason| Err(io::Error::new(kind, format!("descriptor {number} {reason}")));
    if number < 3 {
        return refuse(io::ErrorKind::InvalidInput, "is not one that a parent hands down: they begin at 3");
    }
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if taken.contains(&number) {
        return refuse(io::ErrorKind::AlreadyExists, "was taken before");
    }
    // SAFETY: `number` is not -1. If nothing is open there, the calls below
    // fail and nothing else is done with it.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    let flags = match fcntl_getfd(borrowed) {
        Ok(flags) => flags,
        Err(rustix::io::Errno::BADF) => return refuse(io::ErrorKind::NotFound, "is not open"),
        Err(error) => return Err(explain(error, format_args!("cannot look at descriptor {number}"))),
    };
    if flags.contains(FdFlags::CLOEXEC) {
        return refuse(io::ErrorKind::PermissionDenied, "was opened by this process, not inherited");
    }
    fcntl_setfd(borrowed, flags | FdFlags::CLOEXEC)
        .map_err(|error| explain(error, format_args!("cannot mark descriptor {number} close-on-exec")))?;
    taken.insert(number);
    // SAFETY: it is open, and it came without close-on-exec, so no owner in
    // this process made it (the standard library and rustix always set it);
    // the registry above lets each number through once, under its lock.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::{AsFd as _, AsRawFd as _, IntoRawFd as _};

    use super::*;

    fn kind(number: RawFd) -> io::ErrorKind {
        take(number).unwrap_err().kind()
    }

    #[test]
    fn an_inherited_descriptor_is_taken_once_and_closed_by_an_exec() {
        let (mut read, write) = io::pipe().unwrap();
        let number = crate::sys::spawn::tests::without_close_on_exec(&write, 500).into_raw_fd();
        drop(write);
        let taken = take(number).unwrap();
        assert_eq!(taken.as_raw_fd(), number);
        assert!(fcntl_getfd(taken.as_fd()).unwrap().contains(FdFlags::CLOEXEC));
        assert_eq!(kind(number), io::ErrorKind::AlreadyExists);
        drop(taken);
        assert_eq!(read.read(&mut [0; 8]).unwrap(), 0, "no other copy is left open");
        assert_eq!(kind(number), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn what_was_not_inherited_is_refused() {
        let (read, _write) = io::pipe().unwrap();
        assert_eq!(kind(read.as_raw_fd()), io::ErrorKind::PermissionDenied);
        assert_eq!(kind(900_000), io::ErrorKind::NotFound);
        for number in [-2, -1, 0, 1, 2] {
            assert_eq!(kind(number), io::ErrorKind::InvalidInput);
        }
    }
}
