//! Owns the crate's one public error: why a folder cannot be served.
//!
//! In: what the kernel answered when the root folder was opened. Out: an [`Error`] that names the folder.
//! Must not know requests: what a peer asks for is answered by `refusal`, never by an [`Error`].

use std::{fmt, io, path::PathBuf};

use rustix::io::Errno;

/// Why [`Files::open`](crate::Files::open) cannot serve a folder, grouped by who must act.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Whoever runs the server must act: create the folder, name another one, or change its permissions.
    Folder(FolderFault),
    /// The system failed. Nothing is known to be wrong with the folder.
    System {
        /// The absolute path that was looked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is wrong with the folder. Each holds the absolute path that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FolderFault {
    /// Nothing is there.
    Missing(PathBuf),
    /// Something is there, but it is not a folder.
    NotAFolder(PathBuf),
    /// The process may not enter the folder, or one above it.
    NoPermission(PathBuf),
}

impl Error {
    pub(crate) fn opening(path: PathBuf, errno: Errno) -> Self {
        match errno {
            Errno::NOENT => FolderFault::Missing(path).into(),
            Errno::NOTDIR => FolderFault::NotAFolder(path).into(),
            Errno::ACCESS | Errno::PERM => FolderFault::NoPermission(path).into(),
            other => Self::System { path, source: other.into() },
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(fault) => fault.fmt(f),
            Self::System { path, source } => {
                write!(f, "cannot open the folder {}: {source}", path.display())
            }
        }
    }
}

impl fmt::Display for FolderFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(path) => {
                write!(f, "there is no folder {}: create it or name another one", path.display())
            }
            Self::NotAFolder(path) => {
                write!(f, "{} is not a folder: name the folder that holds the files", path.display())
            }
            Self::NoPermission(path) => {
                write!(f, "no permission to enter {}: allow this user to search it", path.display())
            }
        }
    }
}

impl std::error::Error for FolderFault {}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Folder(_) => None,
            Self::System { source, .. } => Some(source),
        }
    }
}

impl From<FolderFault> for Error {
    fn from(fault: FolderFault) -> Self {
        Self::Folder(fault)
    }
}
