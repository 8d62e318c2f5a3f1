//! Reads the names in a folder and what each of them is.
//!
//! In: an open folder. Out: the files and folders that a request for their name would reach: no special files, no
//! links out of the root, nothing without permission, no dotfiles where they are hidden. Must not know HTTP.

use std::os::fd::{AsFd, OwnedFd};

use rustix::{
    fs::{Access, AtFlags, Dir, FileType, Stat, accessat, statat},
    io::Errno,
};

use super::{Entry, Listing};
use crate::{
    open_file::{Modified, Opened, Pace},
    path::Dotfiles,
    refusal::Refusal,
    root::{Missed, Root, refusal_for},
};

/// The first `most` by name, folders before files; how many more there are is known from their names alone.
pub(super) fn listing(
    root: &Root,
    folder: &OwnedFd,
    path: &[u8],
    dotfiles: Dotfiles,
    most: usize,
) -> Result<Listing, Missed> {
    let failed = |errno: Errno| {
        // A folder whose names may be read but that may not be entered is not found either: no request reaches what is
        // in it.
        let refusal = refusal_for(errno);
        if refusal != Refusal::NotFound {
            tracing::error!("static files: cannot list {}: {errno}", path.escape_ascii());
        }
        Missed::Refused(refusal)
    };
    let mut names = Vec::new();
    for entry in Dir::read_from(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name().to_bytes();
        let is_hidden = name.starts_with(b".") && dotfiles != Dotfiles::Allow;
        // No request can name a file with a backslash (`path`).
        if matches!(name, b"." | b"..") || is_hidden || name.contains(&b'\\') {
            continue;
        }
        names.push((entry.file_type() != FileType::Directory, name.to_vec()));
        if names.len() == MOST_NAMES {
            break;
        }
    }
    let left_out = names.len().saturating_sub(most);
    if left_out > 0 {
        names.sort_unstable();
        names.truncate(most);
    }
    let entries = names.iter().filter_map(|(_, name)| entry(root, folder.as_fd(), path, name)).collect();
    Ok(Listing { entries, left_out })
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

// A folder that holds more is not meant to be looked at.
const MOST_NAMES: usize = 200_000;
