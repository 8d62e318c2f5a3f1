//! [`InFile`]: content in a memory file, from which the kernel can send it without a copy.
//!
//! In: bytes that are kept. Out: a sealed file with the same bytes (`memfd_create(2)`), which no one can change: the
//! kernel may send its pages whenever it likes. Must not know requests or sockets.

use std::{os::fd::OwnedFd, sync::Arc};

use bytes::Bytes;
use rustix::{
    fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create},
    io::{Errno, write},
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
    pub file: Arc<OwnedFd>,
}

impl InFile {
    /// `None` where the system has no memory files, or no more of them.
    pub(crate) fn new(bytes: &Bytes) -> Option<Self> {
        match sealed(bytes) {
            Ok(file) => Some(Self { bytes: bytes.clone(), file: Arc::new(file) }),
            Err(errno) => {
                tracing::debug!("static files: no memory file: {errno}");
                None
            }
        }
    }
}

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

#[cfg(test)]
mod tests {
    use rustix::fs::{fstat, ftruncate};

    use super::*;

    #[test]
    fn the_file_holds_the_bytes_and_nobody_can_change_it() {
        let bytes = Bytes::from(vec![7; 100_000]);
        let content = InFile::new(&bytes).unwrap();
        assert_eq!(fstat(&content.file).unwrap().st_size, 100_000);
        let mut read = vec![0; 100_000];
        assert_eq!(rustix::io::pread(&content.file, &mut read, 0), Ok(100_000));
        assert_eq!(read, bytes);
        assert_eq!(rustix::io::pwrite(&content.file, b"x", 0), Err(Errno::PERM));
        assert_eq!(ftruncate(&content.file, 5), Err(Errno::PERM));
    }
}
