//! [`InFile`]: content in a memory file, from which the kernel can send it without a copy.
//!
//! In: bytes that are kept. Out: a sealed file with the same bytes (`memfd_create(2)`), which no one can change: the
//! kernel may send its pages whenever it likes. Must not know requests or sockets.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create},
    io::{Errno, write},
    process::{Resource, getrlimit},
};

/// In the extensions of a response: the content of the file, and an open file that holds it too, from its beginning.
///
/// The body of the response is `bytes` or a part of them, the same memory. A server that writes that memory to a plain
/// socket may send the same part of `file` instead (`sendfile(2)`): nobody can change the file any more, nor shorten
/// it. Given to plain HTTP/1 alone, and only for content of more than 32 KiB that was asked for before.
#[derive(Debug, Clone)]
pub struct InFile {
    /// The whole content.
    pub bytes: Bytes,
    /// The sealed file.
    pub file: Arc<MemoryFile>,
}

/// A sealed file in memory.
#[derive(Debug)]
pub struct MemoryFile {
    fd: OwnedFd,
    len: usize,
    /// Bytes of contents that are alive, of which these are some.
    alive: Arc<AtomicUsize>,
}

impl AsFd for MemoryFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for MemoryFile {
    fn drop(&mut self) {
        self.alive.fetch_sub(self.len, Ordering::Relaxed);
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

impl InFile {
    /// `None` where the system has no memory files, or there are enough of them. `alive` counts its bytes.
    pub(crate) fn new(bytes: &Bytes, alive: &Arc<AtomicUsize>) -> Option<Self> {
        let open = OPEN.fetch_add(1, Ordering::Relaxed);
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let made = if open as u64 >= limit / DESCRIPTORS_PART { Err(Errno::MFILE) } else { sealed(bytes) };
        match made {
            Ok(fd) => {
                alive.fetch_add(bytes.len(), Ordering::Relaxed);
                let file = MemoryFile { fd, len: bytes.len(), alive: Arc::clone(alive) };
                Some(Self { bytes: bytes.clone(), file: Arc::new(file) })
            }
            Err(errno) => {
                OPEN.fetch_sub(1, Ordering::Relaxed);
                tracing::debug!("static files: no memory file: {errno}");
                None
            }
        }
    }
}

/// Memory files of this process.
static OPEN: AtomicUsize = AtomicUsize::new(0);

fn sealed(bytes: &[u8]) -> Result<OwnedFd, Errno> {
    let file = memfd_create(c"narae-files", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = write(&file, rest)?;
        rest = rest.get(written..).unwrap_or_default();
    }
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
    Ok(file)
}

// The part of the descriptors that memory files may take: connections are worth more.
const DESCRIPTORS_PART: u64 = 16;

#[cfg(test)]
mod tests {
    use rustix::fs::{fstat, ftruncate};

    use super::*;

    #[test]
    fn the_file_holds_the_bytes_and_nobody_can_change_it() {
        let bytes = Bytes::from(vec![7; 100_000]);
        let alive = Arc::default();
        let content = InFile::new(&bytes, &alive).unwrap();
        assert_eq!(alive.load(Ordering::Relaxed), 100_000);
        assert_eq!(fstat(&content.file).unwrap().st_size, 100_000);
        let mut read = vec![0; 100_000];
        assert_eq!(rustix::io::pread(&content.file, &mut read, 0), Ok(100_000));
        assert_eq!(read, bytes);
        assert_eq!(rustix::io::pwrite(&content.file, b"x", 0), Err(Errno::PERM));
        assert_eq!(ftruncate(&content.file, 5), Err(Errno::PERM));
        drop(content);
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn they_take_a_small_part_of_the_descriptors() {
        let (bytes, alive) = (Bytes::from(vec![7; 10]), Arc::default());
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let kept: Vec<InFile> = (0..limit.min(100_000)).map_while(|_| InFile::new(&bytes, &alive)).collect();
        assert!(kept.len() as u64 <= limit / DESCRIPTORS_PART, "{} of {limit}", kept.len());
    }
}
