//! The folder of an embedded store: made when it is missing, and refused where LMDB cannot work.
//!
//! In: a path. Out: the same without links, or what is wrong with it. Knows no LMDB call.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::super::StoreError;

/// Makes the folder ready and gives its canonical path. With `create`, a missing one is made: for its owner
/// alone, and its parents as usual.
pub(super) fn make_ready(path: &Path, create: bool) -> Result<PathBuf, StoreError> {
    if !create && !path.join(DATA).exists() {
        return Err(StoreError::Misuse(format!(
            "there is no session store in {}: name the folder that the server's Embedded::open names",
            path.display()
        )));
    }
    if !path.exists() {
        make(path).map_err(|error| failed("cannot be made", path, error))?;
    }
    let canonical = path.canonicalize().map_err(|error| failed("cannot be reached", path, error))?;
    if !canonical.is_dir() {
        return Err(StoreError::Misuse(format!(
            "sessions are kept in a folder, and {} is none: move it away, or name another path",
            path.display()
        )));
    }
    match file_system(&canonical) {
        Some((name, true)) => Err(StoreError::Misuse(format!(
            "{} is on {name}, where processes on several machines would break the store: use a local disk, \
             or the Redis or PostgreSQL store",
            path.display()
        ))),
        Some((name, false)) => {
            tracing::warn!(path = %path.display(), "sessions are kept on {name}: be sure that it is local");
            Ok(canonical)
        }
        None => Ok(canonical),
    }
}

/// Whether so little room is left that a write which fell short did so for that reason.
pub(super) fn is_full(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|room| room.f_bavail.saturating_mul(room.f_frsize) < NEARLY_NOTHING)
}

fn make(path: &Path) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()), // another worker was faster
        made => made,
    }
}

fn failed(what: &str, path: &Path, error: io::Error) -> StoreError {
    StoreError::unavailable(format!("the folder {} for sessions {what}", path.display()), error)
}

/// A file system on which shared memory maps may not be shared, and whether it is surely one.
#[cfg(target_os = "linux")]
fn file_system(path: &Path) -> Option<(&'static str, bool)> {
    let kind = rustix::fs::statfs(path).ok()?.f_type;
    #[allow(
        clippy::useless_conversion,
        reason = "the field's type, and so its sign, is not the same everywhere"
    )]
    let kind = u32::try_from(i64::from(kind) & 0xffff_ffff).ok()?;
    NETWORKED.iter().find(|(number, ..)| *number == kind).map(|&(_, name, surely)| (name, surely))
}

#[cfg(not(target_os = "linux"))]
fn file_system(_: &Path) -> Option<(&'static str, bool)> {
    None
}

/// The file whose presence tells a store from an empty folder.
const DATA: &str = "data.mdb";

const NEARLY_NOTHING: u64 = 64 * 1024;

/// Numbers of statfs(2).
#[cfg(target_os = "linux")]
const NETWORKED: [(u32, &str, bool); 9] = [
    (0x6969, "NFS", true),
    (0x517b, "SMB", true),
    (0xfe53_4d42, "SMB", true),
    (0xff53_4d42, "CIFS", true),
    (0x5346_414f, "AFS", true),
    (0x00c3_6400, "Ceph", true),
    (0x0bd0_0bd0, "Lustre", true),
    (0x4750_4653, "GPFS", true),
    (0x6573_5546, "a FUSE file system", false),
];
