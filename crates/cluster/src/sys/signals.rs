//! Signals as readable events (signalfd(2)).
//!
//! In: signal numbers. Out: a descriptor to poll, and what arrived.

use std::io;
use std::mem::{MaybeUninit, offset_of, size_of};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _, OwnedFd};
use std::ptr;

use super::{explain, last_error};

/// One signal that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Signal {
    /// Its number, such as `libc::SIGTERM`.
    pub(crate) number: i32,
    /// Who sent it; 0 if the kernel did, or a process that is not visible from here.
    pub(crate) from_pid: i32,
}

/// Signals that wait to be read instead of interrupting.
#[derive(Debug)]
pub(crate) struct Signals {
    descriptor: OwnedFd,
}

impl Signals {
    /// Blocks `numbers` in this thread and in those that it starts later, and opens a descriptor for them.
    ///
    /// Call it before any other thread starts: a thread that does not block
    /// a signal receives it instead. Dropping does not unblock.
    ///
    /// # Errors
    /// `InvalidInput` for a number that is no signal; those of signalfd(2).
    pub(crate) fn block(numbers: &[i32]) -> io::Result<Self> {
        let mut set = empty_set();
        for &number in numbers {
            // SAFETY: `set` is an initialised set; the call checks the number.
            let result = unsafe { libc::sigaddset(&raw mut set, number) };
            if result != 0 {
                return Err(last_error(format_args!("cannot wait for signal {number}")));
            }
        }
        // A parent may have ignored it, and then the system tells nobody how a child ended.
        // SAFETY: the default action is no function that could be called at a bad time.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        // SAFETY: `set` is initialised, and a null pointer asks for no old mask.
        let result = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
        if result != 0 {
            return Err(explain(io::Error::from_raw_os_error(result), "cannot block signals"));
        }
        // SAFETY: `set` is initialised; -1 asks for a new descriptor.
        let descriptor =
            unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if descriptor < 0 {
            return Err(last_error("cannot open a descriptor for signals"));
        }
        // SAFETY: the call above has just opened it, and nothing else knows it.
        Ok(Self { descriptor: unsafe { OwnedFd::from_raw_fd(descriptor) } })
    }

    /// What has arrived since the last call, in the kernel's order; empty if nothing has.
    ///
    /// A signal below 32 that arrives several times before it is read is reported once.
    ///
    /// # Errors
    /// Those of read(2).
    pub(crate) fn read(&self) -> io::Result<Vec<Signal>> {
        const SIZE: usize = size_of::<libc::signalfd_siginfo>();
        let mut signals = Vec::new();
        let mut buffer = [0; 16 * SIZE];
        loop {
            let count = match rustix::io::retry_on_intr(|| rustix::io::read(&self.descriptor, &mut buffer)) {
                Ok(count) => count,
                Err(rustix::io::Errno::AGAIN) => return Ok(signals),
                Err(error) => return Err(explain(error, "cannot read signals")),
            };
            if count < SIZE {
                return Ok(signals);
            }
            signals.extend(buffer[..count].chunks_exact(SIZE).map(|record| Signal {
                number: field(record, offset_of!(libc::signalfd_siginfo, ssi_signo)),
                from_pid: field(record, offset_of!(libc::signalfd_siginfo, ssi_pid)),
            }));
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// The 32-bit field of `record` at `offset`; 0 past its end.
fn field(record: &[u8], offset: usize) -> i32 {
    record.get(offset..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| i32::from_ne_bytes(*bytes))
}

/// The set without any signal.
pub(super) fn empty_set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the pointer is to memory for one set; the call cannot fail.
    unsafe { libc::sigemptyset(set.as_mut_ptr()) };
    // SAFETY: `sigemptyset` has initialised it.
    unsafe { set.assume_init() }
}

/// The set of all signals.
pub(super) fn full_set() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: the pointer is to memory for one set; the call cannot fail.
    unsafe { libc::sigfillset(set.as_mut_ptr()) };
    // SAFETY: `sigfillset` has initialised it.
    unsafe { set.assume_init() }
}

/// Makes `mask` this thread's signal mask, and returns the one before. Async-signal-safe.
pub(super) fn set_mask(mask: &libc::sigset_t) -> libc::sigset_t {
    let mut before = empty_set();
    // SAFETY: both sets are initialised and live through the call, which
    // fails only for an unknown first argument.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, mask, &raw mut before) };
    before
}

#[cfg(test)]
mod tests {
    use rustix::event::{PollFd, PollFlags, poll};

    use super::*;

    /// Sends `number` to this thread only: the test process has others.
    fn raise(number: i32) {
        // SAFETY: takes a number, touches no memory.
        assert_eq!(unsafe { libc::raise(number) }, 0);
    }

    #[test]
    fn a_blocked_signal_is_read_with_its_sender() {
        let signals = Signals::block(&[libc::SIGUSR1, libc::SIGUSR2]).unwrap();
        assert_eq!(signals.read().unwrap(), []);
        raise(libc::SIGUSR2);
        poll(&mut [PollFd::new(&signals, PollFlags::IN)], None).unwrap();
        let from_pid = rustix::process::getpid().as_raw_nonzero().get();
        assert_eq!(signals.read().unwrap(), [Signal { number: libc::SIGUSR2, from_pid }]);
        raise(libc::SIGUSR1);
        raise(libc::SIGUSR1);
        raise(libc::SIGUSR2);
        let numbers: Vec<_> = signals.read().unwrap().iter().map(|signal| signal.number).collect();
        assert_eq!(numbers, [libc::SIGUSR1, libc::SIGUSR2]);
        assert_eq!(signals.read().unwrap(), []);
    }

    #[test]
    fn more_signals_than_one_read_holds_are_all_reported() {
        let number = libc::SIGRTMIN() + 3;
        let signals = Signals::block(&[number]).unwrap();
        (0..50).for_each(|_| raise(number));
        assert_eq!(signals.read().unwrap().len(), 50);
    }

    #[test]
    fn a_number_that_is_no_signal_is_refused() {
        for number in [0, -1, 4711] {
            let error = Signals::block(&[libc::SIGUSR1, number]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
            assert!(error.to_string().contains(&number.to_string()), "{error}");
        }
    }
}
