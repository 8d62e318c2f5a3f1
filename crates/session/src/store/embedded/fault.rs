//! [`Fault`]: what stops a piece of work in a transaction, and its translation for the store's users.
//!
//! In: LMDB's errors. Out: [`StoreError`]s that name the folder and say what to do.

use std::path::Path;

use heed::MdbError;

use super::super::StoreError;
use super::folder;

/// Why a piece of work in a transaction ended.
#[derive(Debug)]
pub(super) enum Fault {
    /// LMDB failed: the transaction is of no use any more.
    Lmdb(heed::Error),
    /// This piece alone cannot be done; it has written nothing.
    Work(StoreError),
}

impl From<heed::Error> for Fault {
    fn from(error: heed::Error) -> Self {
        Self::Lmdb(error)
    }
}

impl Fault {
    pub(super) fn into_error(self, path: &Path) -> StoreError {
        match self {
            Self::Lmdb(error) => explain(&error, path),
            Self::Work(error) => error,
        }
    }
}

/// What `error`, met in the folder `path`, means to the store's user.
pub(super) fn explain(error: &heed::Error, path: &Path) -> StoreError {
    let path_text = path.display();
    match error {
        heed::Error::Io(error) => match rustix::io::Errno::from_io_error(error) {
            Some(rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT | rustix::io::Errno::FBIG) => {
                StoreError::Full(format!("{path_text}: {error}"))
            }
            // LMDB's error for a write that fell short.
            Some(rustix::io::Errno::IO) if folder::is_full(path) => {
                StoreError::Full(format!("{path_text}: its disk is full"))
            }
            Some(rustix::io::Errno::ACCESS | rustix::io::Errno::PERM) => StoreError::Misuse(format!(
                "this user may not use the session store in {path_text} ({error}): run as its owner, or give \
                 the folder and its files to this user"
            )),
            // LMDB locks a byte for each process, at the place that its number says.
            Some(rustix::io::Errno::AGAIN) => StoreError::Misuse(format!(
                "the session store in {path_text} is used by another PID namespace (container), where a process \
                 has this one's number: run all workers that share a folder in one"
            )),
            _ => unavailable(path, error),
        },
        heed::Error::Mdb(MdbError::MapFull) => {
            StoreError::Full(format!("{path_text}: the map cannot grow any more"))
        }
        heed::Error::Mdb(MdbError::ReadersFull) => StoreError::Unavailable(
            format!(
                "the session store in {path_text} has no place left for this thread as a reader: raise \
                 max_readers, which takes effect when no process has the store open"
            ),
            None,
        ),
        heed::Error::Mdb(
            MdbError::Invalid | MdbError::VersionMismatch | MdbError::Corrupted | MdbError::PageNotFound,
        ) => StoreError::Unreadable(format!(
            "the files in {path_text} are damaged or no session store: {error}"
        )),
        _ => unavailable(path, error),
    }
}

/// Whether LMDB gave the whole environment up.
pub(super) fn is_fatal(error: &heed::Error) -> bool {
    matches!(error, heed::Error::Mdb(MdbError::Panic | MdbError::BadRslot))
}

fn unavailable(path: &Path, error: &dyn std::error::Error) -> StoreError {
    StoreError::Unavailable(format!("the session store in {} failed: {error}", path.display()), None)
}
