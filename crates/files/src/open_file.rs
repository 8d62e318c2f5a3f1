//! Owns one open file: its facts at the moment of opening, and reading it by position.
//!
//! In: a descriptor from `folder`. Out: [`Opened`], then exactly the bytes asked for, or that they are no longer
//! those of the file that was opened. Owns the choice between a read that cannot wait (`RWF_NOWAIT`) and one that
//! may; must not know HTTP or threads.

use std::{
    cmp::Ordering,
    io::IoSliceMut,
    num::NonZeroU64,
    os::fd::OwnedFd,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use rustix::{
    fs::{Advice, FileType, Stat, fadvise, fstat, fstatfs},
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
    /// Open for reading its names.
    Folder(OwnedFd),
    /// A FIFO, device or socket. Never read.
    Other,
}

/// A time of last modification, in the file system's own precision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Modified {
    /// Since 1970; negative before.
    pub(crate) seconds: i64,
    // 0 <= nanoseconds < 1_000_000_000
    pub(crate) nanoseconds: u32,
}

/// What tells a file from another one, and one state of it from the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    device: u64,
    inode: u64,
    pub(crate) len: u64,
    pub(crate) modified: Modified,
    /// The inode's own time, which no program can set back.
    changed: Modified,
}

/// An open regular file.
#[derive(Debug)]
pub(crate) struct OpenFile {
    fd: OwnedFd,
    stamp: Stamp,
    /// The file lives in memory (tmpfs, ramfs), so a plain read does not wait for a disk.
    in_memory: AtomicBool,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    /// Appended to, or written anew and longer.
    Grown,
    Shrunk,
    Rewritten,
}

/// Why a read gave no bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadFault {
    /// Only at [`Pace::NoWait`]: the bytes are not in memory, or the file system cannot tell.
    WouldWait,
    /// The file ended before the bytes that were asked for.
    Shrunk,
    /// The file was written to in place, so its parts may belong to different states of it.
    Rewritten,
    /// The file system failed.
    Failed(Errno),
}

impl Opened {
    pub(crate) fn inspect(fd: OwnedFd) -> Result<Self, Errno> {
        let stat = fstat(&fd)?;
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                Self::File(OpenFile { fd, stamp: Stamp::new(&stat)?, in_memory: AtomicBool::new(false) })
            }
            FileType::Directory => Self::Folder(fd),
            _ => Self::Other,
        })
    }
}

impl Stamp {
    // The fields' types differ between architectures.
    #[allow(clippy::useless_conversion, clippy::unnecessary_cast)]
    fn new(stat: &Stat) -> Result<Self, Errno> {
        Ok(Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            len: u64::try_from(stat.st_size).map_err(|_| Errno::OVERFLOW)?,
            modified: Modified::of(stat),
            changed: Modified {
                seconds: stat.st_ctime,
                nanoseconds: u32::try_from(stat.st_ctime_nsec).unwrap_or_default(),
            },
        })
    }
}

#[cfg(test)]
impl Stamp {
    pub(crate) fn of_nothing() -> Self {
        let never = Modified { seconds: 0, nanoseconds: 0 };
        Self { device: 0, inode: 0, len: 0, modified: never, changed: never }
    }
}

impl Modified {
    pub(crate) fn of(stat: &Stat) -> Self {
        Self { seconds: stat.st_mtime, nanoseconds: u32::try_from(stat.st_mtime_nsec).unwrap_or_default() }
    }

    /// Nanoseconds from `earlier` to this; negative if it is the later one.
    pub(crate) fn since(&self, earlier: &Self) -> i128 {
        let nanoseconds =
            |time: &Self| i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds);
        nanoseconds(self) - nanoseconds(earlier)
    }
}

impl OpenFile {
    /// Its facts when it was opened.
    pub(crate) fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// Bytes in the file when it was opened.
    pub(crate) fn len(&self) -> u64 {
        self.stamp.len
    }

    /// Fills `buffer` with the bytes from `position` on.
    pub(crate) fn read(&self, position: u64, buffer: &mut [u8], pace: Pace) -> Result<(), ReadFault> {
        let mut filled = 0; // 0 <= filled <= buffer.len()
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.read_some(rest, position.saturating_add(filled as u64), pace) {
                Ok(0) => return Err(ReadFault::Shrunk),
                Ok(count) => filled += count,
                Err(ReadFault::Failed(Errno::INTR)) => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(())
    }

    /// What happened to the content since the file was opened. (Links and permissions may change: no byte does.)
    pub(crate) fn change(&self) -> Result<Change, ReadFault> {
        let now = fstat(&self.fd).and_then(|stat| Stamp::new(&stat)).map_err(ReadFault::Failed)?;
        Ok(match now.len.cmp(&self.stamp.len) {
            Ordering::Less => Change::Shrunk,
            Ordering::Greater => Change::Grown,
            Ordering::Equal if now.modified != self.stamp.modified => Change::Rewritten,
            Ordering::Equal => Change::None,
        })
    }

    /// Asks the system to fetch what comes next, without waiting for it.
    pub(crate) fn read_ahead(&self, position: u64, len: u64) {
        // Advice: the file is sent all the same where it is not taken.
        let _ = fadvise(&self.fd, position, NonZeroU64::new(len), Advice::WillNeed);
    }

    fn read_some(&self, buffer: &mut [u8], position: u64, pace: Pace) -> Result<usize, ReadFault> {
        if pace == Pace::MayWait || self.in_memory.load(Relaxed) {
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
                self.in_memory.store(true, Relaxed);
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
