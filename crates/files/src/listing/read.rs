//! Reads the names in a folder and what each of them is.
//!
//! In: an open folder. Out: the files and folders that a request for their name would reach: no special files, no
//! links out of the root, no dotfiles where they are hidden. Must not know HTTP.

use std::os::fd::{AsFd, OwnedFd};

use rustix::{
    fs::{AtFlags, Dir, FileType, Stat, statat},
    io::Errno,
};

use super::Entry;
use crate::{
    open_file::{Modified, Opened, Pace},
    path::Dotfiles,
    refusal::Refusal,
    root::{Missed, Root},
};

pub(super) fn entries(
    root: &Root,
    folder: &OwnedFd,
    path: &[u8],
    dotfiles: Dotfiles,
) -> Result<Vec<Entry>, Missed> {
    let failed = |errno: Errno| {
        tracing::error!("static files: cannot list {}: {errno}", path.escape_ascii());
        Missed::Refused(Refusal::FileSystemFailed)
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
    let stat = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Symlink => linked(root, path, name),
        FileType::RegularFile => Some(described(name, &stat, false)),
        FileType::Directory => Some(described(name, &stat, true)),
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
