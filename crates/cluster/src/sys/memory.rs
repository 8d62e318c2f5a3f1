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
