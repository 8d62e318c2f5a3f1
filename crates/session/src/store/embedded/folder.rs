//! The folder of an embedded store: made when it is missing, and refused where LMDB cannot work.
//!
//! In: a path. Out: the same without links, or what is wrong with it. Also gives LMDB's file of locks its
//! place on the disk. Knows no LMDB call.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
#[cfg(target_os = "linux")]
use std::os::unix::fs::OpenOptionsExt as _;
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

/// Takes room on the disk for the places of all readers. LMDB leaves the file sparse and maps it: on a full disk,
/// the first reader on a page that has no block yet would end the process with SIGBUS. The file's length stays
/// as it is, since processes that have it open know it. Must not be called while this process has it open.
#[cfg(target_os = "linux")]
pub(super) fn reserve_locks(folder: &Path, readers: u32) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let file =
        options.read(true).write(true).create(true).truncate(false).mode(0o600).open(folder.join(LOCKS))?;
    let wanted = (u64::from(readers) * READER_BYTES + HEAD_BYTES).max(file.metadata()?.len());
    match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::KEEP_SIZE, 0, wanted) {
        // A file system that cannot: nothing is worse than without.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(()),
        reserved => Ok(reserved?),
    }
}

#[cfg(not(target_os = "linux"))]
pub(super) fn reserve_locks(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
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
pub(super) const DATA: &str = "data.mdb";

#[cfg(target_os = "linux")]
const LOCKS: &str = "lock.mdb";

/// What LMDB takes for a reader.
#[cfg(target_os = "linux")]
const READER_BYTES: u64 = 64;

/// More than LMDB puts before the readers.
#[cfg(target_os = "linux")]
const HEAD_BYTES: u64 = 4096;

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
