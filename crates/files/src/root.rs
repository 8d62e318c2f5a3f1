//! Owns the root as a place: its absolute path, and the folder that is open there, if any.
//!
//! In: clean paths. Out: open files or a `Refusal`. Opens the folder again when it appears late or was deleted
//! and made anew; turns the kernel's errors into refusals, and logs those that an operator must see.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use rustix::io::Errno;

use crate::{
    error::Error,
    folder::{Folder, OpenFault},
    open_file::{Opened, Pace},
    refusal::Refusal,
};

#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    folder: RwLock<Option<Arc<Folder>>>,
}

/// Why the root gave nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missed {
    /// Only at [`Pace::NoWait`]: ask again where waiting is allowed.
    WouldWait,
    /// The file changed while it was read: look again.
    Unsteady,
    Refused(Refusal),
}

impl Root {
    pub(crate) fn open(path: PathBuf) -> Result<Self, Error> {
        let path = std::path::absolute(&path).unwrap_or(path);
        match Folder::open(&path) {
            Ok(folder) => Ok(Self { path, folder: RwLock::new(Some(Arc::new(folder))) }),
            Err(errno) => Err(Error::opening(path, errno)),
        }
    }

    /// As [`Root::open`], but a folder that cannot be opened is logged and looked for again on requests.
    pub(crate) fn open_or_wait(path: PathBuf) -> Self {
        let path = std::path::absolute(&path).unwrap_or(path);
        let folder = match Folder::open(&path) {
            Ok(folder) => Some(Arc::new(folder)),
            Err(errno) => {
                let fault = Error::opening(path.clone(), errno);
                tracing::warn!(
                    "static files: {fault}; every request gets 404 until the folder can be opened"
                );
                None
            }
        };
        Self { path, folder: RwLock::new(folder) }
    }

    #[cfg(test)]
    pub(crate) fn with_folder(path: PathBuf, folder: Folder) -> Self {
        Self { path, folder: RwLock::new(Some(Arc::new(folder))) }
    }

    /// Opens what is at the clean path `path`; the empty one is the root.
    pub(crate) fn open_beneath(&self, path: &[u8], pace: Pace) -> Result<Opened, Missed> {
        let folder = match self.folder() {
            Some(folder) => folder,
            None => self.reopen(pace)?,
        };
        match folder.open_beneath(path, pace) {
            // Tools that build a site often delete the folder and make it anew.
            Err(OpenFault::Failed(Errno::NOENT)) if folder.is_deleted() => {
                let folder = self.reopen(pace)?;
                folder.open_beneath(path, pace).map_err(|fault| self.missed(path, fault))
            }
            opened => opened.map_err(|fault| self.missed(path, fault)),
        }
    }

    fn folder(&self) -> Option<Arc<Folder>> {
        self.folder.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn reopen(&self, pace: Pace) -> Result<Arc<Folder>, Missed> {
        if pace == Pace::NoWait {
            return Err(Missed::WouldWait);
        }
        let folder = Folder::open(&self.path).map(Arc::new).map_err(|errno| {
            tracing::debug!("static files: {} is still missing: {errno}", self.path.display());
            Missed::Refused(Refusal::NotFound)
        })?;
        tracing::info!("static files: serving {}", self.path.display());
        *self.folder.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&folder));
        Ok(folder)
    }

    fn missed(&self, path: &[u8], fault: OpenFault) -> Missed {
        let errno = match fault {
            OpenFault::WouldWait => return Missed::WouldWait,
            OpenFault::Failed(errno) => errno,
        };
        let refusal = refusal_for(errno);
        if refusal == Refusal::NotFound {
            if errno == Errno::ACCESS {
                tracing::debug!("static files: no permission to read {}", self.shown(path));
            }
        } else {
            tracing::error!("static files: cannot open {}: {errno}", self.shown(path));
        }
        Missed::Refused(refusal)
    }

    /// The path for the log; the part that came from the peer is escaped.
    fn shown(&self, path: &[u8]) -> String {
        format!("{}/{}", self.path.display(), path.escape_ascii())
    }
}

/// What cannot be reached or read does not exist for the peer; what ran out may come back; the rest is broken.
pub(crate) fn refusal_for(errno: Errno) -> Refusal {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NAMETOOLONG | Errno::ILSEQ | Errno::INVAL => {
            Refusal::NotFound
        }
        // A link out of the root.
        Errno::XDEV => Refusal::NotFound,
        Errno::ACCESS | Errno::PERM => Refusal::NotFound,
        // A socket, or a device without a driver.
        Errno::NXIO | Errno::NODEV | Errno::OPNOTSUPP => Refusal::NotFound,
        Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::AGAIN => Refusal::TryLater,
        _ => Refusal::FileSystemFailed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_errno_has_the_answer_of_who_must_act() {
        for errno in [Errno::NOENT, Errno::NOTDIR, Errno::LOOP, Errno::XDEV, Errno::ACCESS, Errno::NXIO] {
            assert_eq!(refusal_for(errno), Refusal::NotFound, "{errno}");
        }
        for errno in [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::AGAIN] {
            assert_eq!(refusal_for(errno), Refusal::TryLater, "{errno}");
        }
        for errno in [Errno::IO, Errno::STALE, Errno::NOTCONN] {
            assert_eq!(refusal_for(errno), Refusal::FileSystemFailed, "{errno}");
        }
    }
}
