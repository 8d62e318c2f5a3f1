//! [`Turn`]: whose turn it is to write, among the processes that share a folder.
//!
//! In: a folder. Out: the right to begin a write transaction, until it is dropped or the process ends. LMDB has
//! a lock of its own for that, but who waits for it counts as having a transaction open, and would keep the
//! readers of its process from following a map that grows. Whoever has the turn finds LMDB's lock free, unless a
//! program that is not narae holds it. Knows no LMDB call.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The right to write.
pub(super) struct Turn(Arc<File>);

/// Opens what the writers of a folder line up at: its data file, on which LMDB holds no locks.
pub(super) fn line(folder: &Path) -> io::Result<File> {
    File::open(folder.join(super::folder::DATA))
}

impl Turn {
    /// Waits for it.
    pub(super) fn wait(line: Arc<File>) -> io::Result<Self> {
        loop {
            match flock(&*line, FlockOperation::LockExclusive) {
                Ok(()) => return Ok(Self(line)),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = flock(&*self.0, FlockOperation::Unlock); // of a lock that is held: cannot fail
    }
}
