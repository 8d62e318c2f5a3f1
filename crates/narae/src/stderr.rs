//! The standard error output, for whom there may be no reader.
//!
//! In: lines. Out: the same lines, or nothing where the reader of a pipe has stopped reading: a supervisor
//! that waits for it could restart nobody, and an event loop could serve nobody.

use std::io::{self, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Writes a line if it can be written now. Otherwise it is lost.
#[derive(Debug, Default)]
pub(crate) struct Stderr;

/// A line longer than this could wait in the middle (`PIPE_BUF`, pipe(7)).
const ATOMIC: usize = 4096;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stderr = io::stderr();
        let mut waited = [PollFd::new(&stderr, PollFlags::OUT)];
        let ready = poll(&mut waited, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        if matches!(ready, Ok(1)) {
            return stderr.lock().write(bytes.get(..ATOMIC).unwrap_or(bytes));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
