//! Why the store failed, and what to do about it.
//!
//! In: errors of SQLite and of the system. Out: [`StoreError`], whose text tells
//! the person at the terminal what to change. Owns that wording; never sees
//! requests, whose senders are told less.

use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

use rusqlite::ErrorCode;

/// Why the store could not answer.
#[derive(Debug)]
pub(crate) enum StoreError {
    /// The file cannot be opened or created.
    Open { path: PathBuf, source: rusqlite::Error },
    /// The file belongs to another program.
    Foreign { path: PathBuf },
    /// The file was written by a later narae.
    Newer { path: PathBuf, found: i64, known: i64 },
    /// No thread could be started.
    Thread(io::Error),
    /// Another process held the file for longer than the busy timeout.
    Busy,
    /// The database thread is gone.
    Stopped,
    /// A query failed.
    Query(rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Query(error),
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open { path, source } => write!(
                f,
                "cannot open the database {}: {source}; check that its folder exists, that you may \
                 write to it and that the file is a SQLite database, or choose another file",
                path.display()
            ),
            Self::Foreign { path } => {
                write!(f, "the database {} was made by another program; choose another file", path.display())
            }
            Self::Newer { path, found, known } => write!(
                f,
                "the database {} has version {found}, but this narae knows versions up to {known}; \
                 update narae or choose another file",
                path.display()
            ),
            Self::Thread(error) => write!(f, "cannot start a thread for the database: {error}"),
            Self::Busy => f.write_str("another process held the database for too long"),
            Self::Stopped => f.write_str("the database thread has stopped"),
            Self::Query(error) => write!(f, "the database failed: {error}"),
        }
    }
}

impl Error for StoreError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Open { source, .. } | Self::Query(source) => Some(source),
            Self::Thread(error) => Some(error),
            Self::Foreign { .. } | Self::Newer { .. } | Self::Busy | Self::Stopped => None,
        }
    }
}
