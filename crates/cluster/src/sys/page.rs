//! Memory that several processes share (memfd_create(2), mmap(2)).
//!
//! In: a size, or a descriptor from another process. Out: words of atomics
//! that live as long as this process. Knows nothing of what they mean.

use std::io;
use std::mem::size_of;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicU64;
use std::{ptr, slice};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, fstat, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap};

use super::explain;

/// New memory of `words` zeros that can never change its size.
///
/// # Errors
/// Those of memfd_create(2) and ftruncate(2).
pub(crate) fn create(words: usize) -> io::Result<OwnedFd> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    // Linux before 6.3 does not know NOEXEC_SEAL; later ones warn without it.
    let memory = match memfd_create("narae-page", flags | MemfdFlags::NOEXEC_SEAL) {
        Err(Errno::INVAL) => memfd_create("narae-page", flags),
        result => result,
    }
    .map_err(|error| explain(error, "cannot make shared memory"))?;
    let size = words.saturating_mul(size_of::<AtomicU64>());
    ftruncate(&memory, size as u64).map_err(|error| explain(error, "cannot size shared memory"))?;
    fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
        .map_err(|error| explain(error, "cannot seal shared memory"))?;
    Ok(memory)
}

/// All words of `memory`, shared with every process that maps it. Never unmapped.
///
/// # Errors
/// `InvalidData` if it is no memory whose size is sealed, is empty, or is not made of whole words.
pub(crate) fn map(memory: impl AsFd) -> io::Result<&'static [AtomicU64]> {
    let invalid = |reason| io::Error::new(io::ErrorKind::InvalidData, reason);
    let seals = fcntl_get_seals(&memory).map_err(|_| invalid("this is no shared memory"))?;
    if !seals.contains(SealFlags::SHRINK | SealFlags::GROW) {
        return Err(invalid("the size of the shared memory is not sealed"));
    }
    let status = fstat(&memory).map_err(|error| explain(error, "cannot look at shared memory"))?;
    let size = usize::try_from(status.st_size).unwrap_or(0);
    if size == 0 || !size.is_multiple_of(size_of::<AtomicU64>()) {
        return Err(invalid("the shared memory has a wrong size"));
    }
    // SAFETY: a null address lets the kernel choose an unused place.
    let address = unsafe {
        mmap(ptr::null_mut(), size, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, &memory, 0)
    }
    .map_err(|error| explain(error, "cannot map shared memory"))?;
    // SAFETY: the mapping has `size` bytes, begins at a page and is never
    // unmapped; the seals checked above keep the file as long as it is, so no
    // access can fault; any bits are an AtomicU64; and every process of the
    // cluster goes through atomics as well.
    Ok(unsafe { slice::from_raw_parts(address.cast::<AtomicU64>(), size / size_of::<AtomicU64>()) })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    #[test]
    fn two_mappings_are_the_same_memory() {
        let memory = create(1000).unwrap();
        let (one, other) = (map(&memory).unwrap(), map(&memory).unwrap());
        assert_ne!(one.as_ptr(), other.as_ptr());
        assert_eq!((one.len(), other.len()), (1000, 1000));
        assert!(one.iter().all(|word| word.load(Relaxed) == 0));
        one[999].store(7, Relaxed);
        assert_eq!(other[999].load(Relaxed), 7);
    }

    #[test]
    fn its_size_cannot_be_changed() {
        let memory = create(10).unwrap();
        for size in [0, 8, 800] {
            assert_eq!(ftruncate(&memory, size), Err(Errno::PERM));
        }
    }

    #[test]
    fn memory_that_could_shrink_is_refused() {
        let unsealed = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&unsealed, 80).unwrap();
        let (pipe, _write) = io::pipe().unwrap();
        for memory in [unsealed, tempfile::tempfile().unwrap().into(), pipe.into(), create(0).unwrap()] {
            assert_eq!(map(memory).unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
    }
}
