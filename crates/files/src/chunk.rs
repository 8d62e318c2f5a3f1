//! Owns the buffers into which parts of large files are read: their size, their number, their way back.
//!
//! In: how much is wanted. Out: a filled [`Chunk`], which becomes `Bytes` without a copy and gives its buffer back when
//! the last of them is gone. A buffer is cleared only when it is made, and its pages stay with the process.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;

/// How many bytes to read at once: much while few connections read, little when many do.
pub(crate) fn best_size() -> u64 {
    if IN_FLIGHT.load(Ordering::Relaxed) < MANY_BYTES { LARGE as u64 } else { SMALL as u64 }
}

/// A buffer of one of two sizes.
#[derive(Debug)]
pub(crate) struct Chunk {
    buffer: Vec<u8>,
    // 0 <= len <= buffer.len()
    len: usize,
}

impl Chunk {
    /// Room for `len` bytes, at most [`best_size`] at its largest.
    pub(crate) fn with_len(len: usize) -> Self {
        let len = len.min(LARGE);
        let size = if len <= SMALL { SMALL } else { LARGE };
        let buffer = pool(size).lock().unwrap_or_else(PoisonError::into_inner).pop();
        IN_FLIGHT.fetch_add(size, Ordering::Relaxed);
        Self { buffer: buffer.unwrap_or_else(|| vec![0; size]), len }
    }

    pub(crate) fn as_mut(&mut self) -> &mut [u8] {
        self.buffer.get_mut(..self.len).unwrap_or_default()
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        let size = buffer.len();
        IN_FLIGHT.fetch_sub(size, Ordering::Relaxed);
        let mut pool = pool(size).lock().unwrap_or_else(PoisonError::into_inner);
        if pool.len() * size < KEPT_BYTES {
            pool.push(buffer);
        }
    }
}

fn pool(size: usize) -> &'static Mutex<Vec<Vec<u8>>> {
    static SMALL_ONES: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
    static LARGE_ONES: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());
    if size <= SMALL { &SMALL_ONES } else { &LARGE_ONES }
}

/// Bytes of buffers that are in use in this process.
static IN_FLIGHT: AtomicUsize = AtomicUsize::new(0);

const SMALL: usize = 64 * 1024;
const LARGE: usize = 256 * 1024;
// When more than this is in use, new buffers are small: a thousand slow readers must not cost a large one each.
const MANY_BYTES: usize = 16 << 20;
// Unused buffers of each size that are kept.
const KEPT_BYTES: usize = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_the_last_of_its_bytes_is_gone() {
        let mut chunk = Chunk::with_len(5);
        chunk.as_mut().copy_from_slice(b"hello");
        let bytes = chunk.into_bytes();
        let part = bytes.slice(1..3);
        drop(bytes);
        assert_eq!(&part[..], b"el");
        let before = pool(SMALL).lock().unwrap().len();
        drop(part);
        assert_eq!(pool(SMALL).lock().unwrap().len(), before + 1);
    }

    #[test]
    fn many_buffers_in_use_make_new_ones_small() {
        let held: Vec<Chunk> = (0..MANY_BYTES / LARGE).map(|_| Chunk::with_len(LARGE)).collect();
        assert_eq!(best_size(), SMALL as u64);
        drop(held);
        assert_eq!(best_size(), LARGE as u64);
    }
}
