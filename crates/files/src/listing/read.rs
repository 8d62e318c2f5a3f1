//! Reads the names in a folder and what each of them is.
//!
//! In: an open folder. Out: the files and folders that a request for their name would reach: no special files, no
//! links out of the root, nothing without permission, no dotfiles where they are hidden. Must not know HTTP.

use std::os::fd::{AsFd, OwnedFd};

use rustix::{
    fs::{Access, AtFlags, Dir, FileType, Stat, accessat, statat},
    io::Errno,
};

use super::Entry;
use crate::{
    open_file::{Modified, Opened, Pace},
    path::Dotfiles,
    refusal::Refusal,
    root::{Missed, Root, refusal_for},
};

pub(super) fn entries(
    root: &Root,
    folder: &OwnedFd,
    path: &[u8],
    dotfiles: Dotfiles,
) -> Result<Vec<Entry>, Missed> {
    let failed = |errno: Errno| {
        // A folder whose names may be read but that may not be entered is not found either: no request reaches what is
        // in it.
        let refusal = refusal_for(errno);
        if refusal != Refusal::NotFound {
            tracing::error!("static files: cannot list {}: {errno}", path.escape_ascii());
        }
        Missed::Refused(refusal)
    };
    let names = Dir::read_from(folder).map_err(failed)?;
    let mut entries = Vec::new();
    for name in names {
        let name = name.map_err(failed)?;
        let bytes = name.file_name().to_bytes();
        let is_hidden = bytes.starts_with(b".") && dotfiles != Dotfiles::Allow;
        // No request can name a file with a backslash (`path`).
        if matches!(bytes, b"." | b"..") || is_hidden || bytes.contains(&b'\\') {
            continue;
        }
        entries.extend(entry(root, folder.as_fd(), path, bytes));
    }
    Ok(entries)
}

/// `None`: gone by now, or nothing that would be sent.
fn entry(root: &Root, folder: impl AsFd, path: &[u8], name: &[u8]) -> Option<Entry> {
    let stat = statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    // Where a sandbox does not let it ask, the name is shown.
    let may = |what| accessat(&folder, name, what, AtFlags::EACCESS) != Err(Errno::ACCESS);
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => linked(root, path, name),
        FileType::RegularFile if may(Access::READ_OK) => Some(described(name, &stat, false)),
        FileType::Directory if may(Access::READ_OK | Access::EXEC_OK) => Some(described(name, &stat, true)),
        _ => None,
    }
}

fn described(name: &[u8], stat: &Stat, is_folder: bool) -> Entry {
    let len = if is_folder { 0 } else { u64::try_from(stat.st_size).unwrap_or_default() };
    Entry { name: name.to_vec(), is_folder, len, modified: Modified::of(stat) }
}

/// What a link leads to, if that is beneath the root.
fn linked(root: &Root, path: &[u8], name: &[u8]) -> Option<Entry> {
    let slash: &[u8] = if path.is_empty() { b"" } else { b"/" };
    let target = [path, slash, name].concat();
    match root.open_beneath(&target, Pace::MayWait).ok()? {
        Opened::File(file) => {
            let stamp = file.stamp();
            Some(Entry { name: name.to_vec(), is_folder: false, len: stamp.len, modified: stamp.modified })
        }
        Opened::Folder(fd) => {
            let stat = rustix::fs::fstat(&fd).ok()?;
            Some(described(name, &stat, true))
        }
        Opened::Other => None,
    }
}
