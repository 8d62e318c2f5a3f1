//! Owns the open root folder and opens files beneath it, never outside (openat2(2), path_resolution(7)).
//!
//! In: a clean path from `path`. Out: what was found, or the kernel's answer. The kernel keeps the promise with
//! `RESOLVE_BENEATH`; where it has no `openat2`, a walk by single names that follows no link keeps it.
//! Must not know HTTP or policies.

use std::{os::fd::OwnedFd, path::Path};

use rustix::{
    fs::{CWD, Mode, OFlags, ResolveFlags, fstat, openat, openat2},
    io::Errno,
};

use crate::open_file::{Opened, Pace};

#[derive(Debug)]
pub(crate) struct Folder {
    fd: OwnedFd,
    lookup: Lookup,
}

/// How paths are resolved. Found out once, when the folder is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// `openat2`, and it can promise not to wait (Linux 5.12).
    Cached,
    /// `openat2` that may always wait (Linux 5.6).
    Beneath,
    /// Name by name. Symbolic links are not followed at all, not even within the folder.
    Walk,
}

/// Why nothing was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OpenFault {
    /// Only at [`Pace::NoWait`]: part of the path is not in memory, or the lookup always waits.
    WouldWait,
    Failed(Errno),
}

impl Folder {
    pub(crate) fn open(path: &Path) -> Result<Self, Errno> {
        let fd = openat(CWD, path, PASS_THROUGH, Mode::empty())?;
        let lookup = probe(&fd)?;
        Ok(Self { fd, lookup })
    }

    #[cfg(test)]
    pub(crate) fn open_with(path: &Path, lookup: Lookup) -> Result<Self, Errno> {
        Ok(Self { lookup, ..Self::open(path)? })
    }

    /// Whether the folder was deleted since it was opened.
    pub(crate) fn is_deleted(&self) -> bool {
        fstat(&self.fd).is_ok_and(|stat| stat.st_nlink == 0)
    }

    /// Opens what is at `path` and looks at it. The empty path is the folder itself.
    pub(crate) fn open_beneath(&self, path: &[u8], pace: Pace) -> Result<Opened, OpenFault> {
        let path = if path.is_empty() { b"." } else { path };
        let opened = match (self.lookup, pace) {
            (Lookup::Cached, Pace::NoWait) => match self.resolve(path, BENEATH.union(ResolveFlags::CACHED)) {
                Err(Errno::AGAIN) => return Err(OpenFault::WouldWait),
                decided => decided,
            },
            (Lookup::Beneath | Lookup::Walk, Pace::NoWait) => return Err(OpenFault::WouldWait),
            (Lookup::Cached | Lookup::Beneath, Pace::MayWait) => self.resolve_patiently(path),
            (Lookup::Walk, Pace::MayWait) => self.walk(path),
        };
        opened.and_then(Opened::inspect).map_err(OpenFault::Failed)
    }

    fn resolve(&self, path: &[u8], rules: ResolveFlags) -> Result<OwnedFd, Errno> {
        match openat2(&self.fd, path, READ, Mode::empty(), rules) {
            // A folder that may be entered but not read: the dot in it is found.
            Err(Errno::ACCESS) => {
                openat2(&self.fd, [path, b"/."].concat(), PASS_THROUGH, Mode::empty(), rules)
                    .map_err(|errno| if errno == Errno::NOTDIR { Errno::ACCESS } else { errno })
            }
            decided => decided,
        }
    }

    /// A rename elsewhere can make the kernel unsure about a `..` inside a link: it then asks for another try.
    fn resolve_patiently(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        for _ in 1..RESOLVE_TRIES {
            match self.resolve(path, BENEATH) {
                Err(Errno::AGAIN | Errno::INTR) => {}
                decided => return decided,
            }
        }
        self.resolve(path, BENEATH)
    }

    fn walk(&self, path: &[u8]) -> Result<OwnedFd, Errno> {
        if path == b"." {
            return openat(&self.fd, c".", READ, Mode::empty());
        }
        let mut names = path.split(|byte| *byte == b'/').peekable();
        let mut inner: Option<OwnedFd> = None;
        while let Some(name) = names.next() {
            // `path` lets no such name through; a walk that trusted it would be one change away from an escape.
            if matches!(name, b"" | b"." | b"..") {
                return Err(Errno::NOENT);
            }
            let above = inner.as_ref().unwrap_or(&self.fd);
            let flags = if names.peek().is_some() { PASS_THROUGH } else { READ };
            inner = Some(match openat(above, name, flags.union(OFlags::NOFOLLOW), Mode::empty()) {
                Err(Errno::ACCESS) if names.peek().is_none() => {
                    let folder = openat(above, name, PASS_THROUGH.union(OFlags::NOFOLLOW), Mode::empty());
                    folder
                        .and_then(|folder| openat(folder, c".", PASS_THROUGH, Mode::empty()))
                        .map_err(|_| Errno::ACCESS)?
                }
                opened => opened?,
            });
        }
        inner.ok_or(Errno::NOENT)
    }
}

/// Finds the best lookup that kernel and sandbox allow, and whether the folder may be entered at all.
fn probe(fd: &OwnedFd) -> Result<Lookup, Errno> {
    let allowed = |rules| openat2(fd, c".", PASS_THROUGH, Mode::empty(), rules);
    match allowed(BENEATH) {
        Ok(_) => {}
        // ENOSYS: Linux before 5.6. EPERM: a seccomp filter. EINVAL: flags unknown.
        Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => {
            openat(fd, c".", PASS_THROUGH, Mode::empty())?;
            return Ok(Lookup::Walk);
        }
        Err(errno) => return Err(errno),
    }
    match allowed(BENEATH.union(ResolveFlags::CACHED)) {
        Ok(_) | Err(Errno::AGAIN) => Ok(Lookup::Cached),
        Err(_) => Ok(Lookup::Beneath),
    }
}

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
const PASS_THROUGH: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
// NONBLOCK: opening a FIFO or a device must not wait. It changes nothing for regular files.
const READ: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);
const RESOLVE_TRIES: usize = 8;
