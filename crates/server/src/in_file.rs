//! [`InFile`]: content that is in memory and in a file too, so that the kernel can send it without a copy.
//!
//! In: what an application says of a response's content. Out: for bytes that the engine is about to write, where they
//! are in the file. Bytes are recognised by their address alone: whatever a layer made of the content (compressed it,
//! replaced it, left it) is either the same memory, or is written as any other bytes.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use bytes::Bytes;

/// Content of a response that is in a file as well.
///
/// Over plain TCP and HTTP/1.1 the parts of `bytes` that are in the response's body are sent with `sendfile(2)` from
/// the file; everywhere else they are written from memory. See
/// [`Builder::find_file`](crate::Builder::find_file).
#[derive(Clone)]
pub struct InFile {
    bytes: Bytes,
    file: Arc<dyn AsFd + Send + Sync>,
}

impl InFile {
    /// `file` must hold exactly `bytes`, from its beginning, and never change: a sealed memory file (`memfd_create(2)`,
    /// `F_SEAL_WRITE`) can promise that. The kernel sends the file's own pages, also some time after this returns.
    pub fn new(bytes: Bytes, file: Arc<dyn AsFd + Send + Sync>) -> Self {
        Self { bytes, file }
    }

    /// Where `part` is in the file, if it is a part of these very bytes.
    fn position(&self, part: &[u8]) -> Option<u64> {
        let start = part.as_ptr().addr().checked_sub(self.bytes.as_ptr().addr())?;
        let end = start.checked_add(part.len())?;
        (end <= self.bytes.len()).then_some(start as u64)
    }
}

impl fmt::Debug for InFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InFile").field("len", &self.bytes.len()).finish_non_exhaustive()
    }
}

/// The contents that a connection is sending.
#[derive(Debug, Default)]
pub(crate) struct InFiles {
    /// At most [`MOST`].
    contents: Vec<InFile>,
    /// Whether the kernel may take more of them ahead of the peer than of other content.
    pub(crate) run_ahead: bool,
}

impl InFiles {
    pub(crate) fn expect(&mut self, content: InFile) {
        if self.contents.len() == MOST {
            self.contents.remove(0);
        }
        self.contents.push(content);
    }

    /// The file that holds `part`, and where, if it is worth a call of its own.
    pub(crate) fn find(&self, part: &[u8]) -> Option<(BorrowedFd<'_>, u64)> {
        if part.len() < LEAST {
            return None;
        }
        self.contents.iter().find_map(|content| Some(((*content.file).as_fd(), content.position(part)?)))
    }

    /// Nothing is sent from these files any more: all is sent, or the system does not do it.
    pub(crate) fn forget(&mut self) {
        self.contents.clear();
    }
}

// The engine may still write one response while the next is made.
const MOST: usize = 2;
// Below, a copy costs less than the kernel's work for each page.
const LEAST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn content(len: usize) -> (Bytes, InFile) {
        let bytes = Bytes::from(vec![7; len]);
        let file = Arc::new(std::fs::File::open("/dev/null").unwrap());
        (bytes.clone(), InFile::new(bytes, file))
    }

    #[test]
    fn parts_are_known_by_their_address_and_not_by_what_they_hold() {
        let (bytes, content) = content(100_000);
        let mut files = InFiles::default();
        files.expect(content);
        assert_eq!(files.find(&bytes).unwrap().1, 0);
        assert_eq!(files.find(&bytes[30_000..]).unwrap().1, 30_000);
        assert!(files.find(&bytes[99_000..]).is_none(), "not worth it");
        assert!(files.find(&vec![7; 100_000]).is_none(), "the same bytes elsewhere");
        assert!(files.find(&[]).is_none());
        files.forget();
        assert!(files.find(&bytes).is_none());
    }

    #[test]
    fn the_newest_contents_count() {
        let mut files = InFiles::default();
        let held: Vec<Bytes> = (0..10)
            .map(|_| {
                let (bytes, content) = content(20_000);
                files.expect(content);
                bytes
            })
            .collect();
        let known: Vec<bool> = held.iter().map(|bytes| files.find(bytes).is_some()).collect();
        assert_eq!(known, [vec![false; 8], vec![true; 2]].concat());
    }
}
