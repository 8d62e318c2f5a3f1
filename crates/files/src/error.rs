//! Owns the crate's one public error: why a folder cannot be served, or not in this way.
//!
//! In: what the kernel answered when the root folder was opened, and options. Out: an [`Error`] that names them.
//! Must not know requests: what a peer asks for is answered by `refusal`, never by an [`Error`].

use std::{fmt, io, path::PathBuf};

use rustix::io::Errno;

/// Why a folder cannot be served as it was asked for, grouped by who must act.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Whoever runs the server must act: create the folder, name another one, or change its permissions.
    Folder(FolderFault),
    /// Whoever chose the options must act: one of them cannot be.
    Option(OptionFault),
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

/// What is wrong with an option.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionFault {
    /// A pattern breaks the grammar of patterns.
    Pattern {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Not a value of `Cache-Control`: empty, or with bytes that no header value may hold.
    CacheControl(String),
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
            Self::Option(fault) => fault.fmt(f),
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

impl fmt::Display for OptionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pattern { pattern, reason } => {
                write!(f, "the pattern {pattern:?} cannot be read: {reason}")
            }
            Self::CacheControl(value) => {
                write!(f, "{value:?} cannot be a Cache-Control, which is like \"no-cache\" or \"max-age=60\"")
            }
        }
    }
}

impl std::error::Error for FolderFault {}

impl std::error::Error for OptionFault {}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Folder(_) | Self::Option(_) => None,
            Self::System { source, .. } => Some(source),
        }
    }
}

impl From<FolderFault> for Error {
    fn from(fault: FolderFault) -> Self {
        Self::Folder(fault)
    }
}

impl From<OptionFault> for Error {
    fn from(fault: OptionFault) -> Self {
        Self::Option(fault)
    }
}
