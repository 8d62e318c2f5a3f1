//! Memory that the allocator holds and nobody uses.

/// Gives free memory of the C library's allocator back to the system. Without effect where another
/// allocator is in use.
pub fn give_back_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim takes a number, touches only free memory, and may be called from any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Gives an allocator that puts off what it gives back the occasion to do it: mimalloc returns what has been free for a
/// while when pages come or go, of which a process at rest has none.
pub fn prompt_allocator() {
    // More than is kept for later, and never touched.
    drop(std::hint::black_box(Vec::<u8>::with_capacity(8 << 20)));
}
