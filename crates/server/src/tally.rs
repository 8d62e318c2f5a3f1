//! Counters of one event loop, read by anyone at any time.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// What a server, or one of its event loops, has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Connections accepted.
    pub accepted: u64,
    /// Connections open now.
    pub open: u64,
    /// Requests whose head was read, refused ones included.
    pub requests: u64,
    /// Handlers that panicked.
    pub panics: u64,
    /// Requests refused by a rule or a limit before a handler saw them.
    pub refused: u64,
    /// Connections ended by a limit of time.
    pub timeouts: u64,
    /// TLS handshakes that failed.
    pub handshake_failures: u64,
    /// Times that accepting stopped because the limit of connections was reached.
    pub accept_waits: u64,
    /// Times that the system had no descriptor or memory for a new connection.
    pub accept_errors: u64,
}

macro_rules! tally {
    ($($name:ident),+ $(,)?) => {
        /// The counters behind [`Counts`].
        #[derive(Debug, Default)]
        pub(crate) struct Tally { $(pub(crate) $name: AtomicU64),+ }

        impl Tally {
            /// Adds the present values to `counts`.
            pub(crate) fn add_to(&self, counts: &mut Counts) {
                $(counts.$name += self.$name.load(Relaxed);)+
            }
        }
    };
}

tally!(accepted, open, requests, panics, refused, timeouts, handshake_failures, accept_waits, accept_errors);

/// Counts one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Counts one, in a counter that only its own event loop writes: no locked instruction is needed.
pub(crate) fn count_here(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}
