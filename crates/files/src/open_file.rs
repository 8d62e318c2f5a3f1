//! Owns one open file: its facts at the moment of opening, and reading it by position.
//!
//! In: a descriptor from `folder`. Out: [`Opened`], then exactly the bytes asked for. Owns the choice between a
//! read that cannot wait (`RWF_NOWAIT`) and one that may; must not know HTTP or threads.

use std::{
    io::IoSliceMut,
    os::fd::OwnedFd,
    sync::atomic::{AtomicBool, Ordering},
};

use bytes::Bytes;
use rustix::{
    fs::{FileType, fstat, fstatfs},
    io::{Errno, ReadWriteFlags, pread, preadv2},
};

/// Whether a call may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// On the event loop: take what is in memory, or give up.
    NoWait,
    /// On a thread that may block.
    MayWait,
}

/// What was found under a name.
#[derive(Debug)]
pub(crate) enum Opened {
    File(OpenFile),
    Folder,
    /// A FIFO, device or socket. Never read.
    Other,
}

/// A time of last modification, in the file system's own precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Modified {
    /// Since 1970; negative before.
    pub(crate) seconds: i64,
    // 0 <= nanoseconds < 1_000_000_000
    pub(crate) nanoseconds: u32,
}

/// An open regular file.
#[derive(Debug)]
pub(crate) struct OpenFile {
    fd: OwnedFd,
    len: u64,
    modified: Modified,
    /// The file lives in memory (tmpfs, ramfs), so a plain read does not wait for a disk.
    in_memory: AtomicBool,
}

/// Why a read gave no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadFault {
    /// Only at [`Pace::NoWait`]: the bytes are not in memory, or the file system cannot tell.
    WouldWait,
    /// The file ended before the bytes that were asked for.
    Shrunk,
    /// The file system failed.
    Failed(Errno),
}

impl Opened {
    pub(crate) fn inspect(fd: OwnedFd) -> Result<Self, Errno> {
        let stat = fstat(&fd)?;
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Self::File(OpenFile {
                fd,
                len: u64::try_from(stat.st_size).map_err(|_| Errno::OVERFLOW)?,
                modified: Modified {
                    seconds: stat.st_mtime,
                    nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or_default(),
                },
                in_memory: AtomicBool::new(false),
            }),
            FileType::Directory => Self::Folder,
            _ => Self::Other,
        })
    }
}

impl OpenFile {
    /// Bytes in the file when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn modified(&self) -> Modified {
        self.modified
    }

    /// Reads exactly `len` bytes from `position` on.
    pub(crate) fn read(&self, position: u64, len: usize, pace: Pace) -> Result<Bytes, ReadFault> {
        let mut buffer = vec![0; len];
        let mut filled = 0; // 0 <= filled <= len
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read_some(rest, position.saturating_add(filled as u64), pace) {
                Ok(0) => return Err(ReadFault::Shrunk),
                Ok(count) => filled += count,
                Err(ReadFault::Failed(Errno::INTR)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(Bytes::from(buffer))
    }

    fn read_some(&self, buffer: &mut [u8], position: u64, pace: Pace) -> Result<usize, ReadFault> {
        if pace == Pace::MayWait || self.in_memory.load(Ordering::Relaxed) {
            return pread(&self.fd, buffer, position).map_err(ReadFault::Failed);
        }
        match preadv2(&self.fd, &mut [IoSliceMut::new(buffer)], position, ReadWriteFlags::NOWAIT) {
            Ok(count) => Ok(count),
            Err(Errno::AGAIN) => Err(ReadFault::WouldWait),
            // The file system, the kernel or a sandbox does not know the flag.
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::PERM) => {
                if !self.is_in_memory() {
                    return Err(ReadFault::WouldWait);
                }
                self.in_memory.store(true, Ordering::Relaxed);
                pread(&self.fd, buffer, position).map_err(ReadFault::Failed)
            }
            Err(errno) => Err(ReadFault::Failed(errno)),
        }
    }

    fn is_in_memory(&self) -> bool {
        fstatfs(&self.fd).is_ok_and(|stat| MEMORY_FILE_SYSTEMS.contains(&(stat.f_type as u64)))
    }
}

// statfs(2): TMPFS_MAGIC, RAMFS_MAGIC.
const MEMORY_FILE_SYSTEMS: [u64; 2] = [0x0102_1994, 0x8584_58f6];
