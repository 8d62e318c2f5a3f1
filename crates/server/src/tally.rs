//! Counters of one event loop, read by anyone at any time, also from another process.
//!
//! Owns their names and order. They live in memory that the server is given, or in memory of its own.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! tally {
    ($($(#[$doc:meta])+ $name:ident),+ $(,)?) => {
        /// What a server, or one of its event loops, has done so far.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct Counts { $($(#[$doc])+ pub $name: u64),+ }

        /// The names of the counters, in the order in which [`Counters`] holds them.
        pub const COUNTERS: [&str; [$(stringify!($name)),+].len()] = [$(stringify!($name)),+];

        #[allow(non_camel_case_types, reason = "named as the counters are")]
        enum Index { $($name),+ }

        impl Tally {
            $(pub(crate) fn $name(self) -> &'static AtomicU64 { &self.0[Index::$name as usize] })+

            /// Adds the present values to `counts`.
            fn add_to(self, counts: &mut Counts) {
                $(counts.$name += self.$name().load(Relaxed);)+
            }
        }
    };
}

tally! {
    /// Connections accepted.
    accepted,
    /// Connections open now, parked ones included.
    open,
    /// Requests whose head was read, refused ones included.
    requests,
    /// Responses with a status of 500 or more.
    server_errors,
    /// Handlers that panicked.
    panics,
    /// Requests refused by a rule or a limit before a handler saw them.
    refused,
    /// Connections ended by a limit of time.
    timeouts,
    /// TLS handshakes that failed.
    handshake_failures,
    /// Times that accepting stopped because the limit of connections was reached.
    accept_waits,
    /// Times that the system had no descriptor or memory for a new connection.
    accept_errors,
    /// Connections parked now ([`Limits::park_after`](crate::Limits::park_after)).
    parked,
    /// Connections given to another process in a drain.
    handed_over,
    /// Connections taken over from another process.
    adopted,
    /// Connections that no event loop took and another process did.
    passed_on,
    /// The event loop's last heartbeat, in milliseconds of `CLOCK_MONOTONIC`; it beats four times a second.
    /// Of several loops: the oldest.
    beat,
    /// Connections closed because they did not begin with a header of the PROXY protocol that could be believed.
    introduction_failures,
}

/// The memory behind the counters of one event loop; [`COUNTERS`] names them.
pub type Counters = [AtomicU64; COUNTERS.len()];

/// The counters of one event loop.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally(&'static Counters);

impl Tally {
    /// Counts in `counters`. What is a state of now and no sum begins at zero.
    pub(crate) fn new(counters: &'static Counters) -> Self {
        let tally = Self(counters);
        for state in [tally.open(), tally.parked(), tally.beat()] {
            state.store(0, Relaxed);
        }
        tally
    }

    /// Counts in memory of its own, which is never given back: a hundred bytes for each event loop ever made.
    pub(crate) fn of_its_own() -> Self {
        /// Alone in its cache lines, since other threads count beside it.
        #[derive(Default)]
        #[repr(align(128))]
        struct Alone(Counters);
        Self::new(&Box::leak(Box::<Alone>::default()).0)
    }

    /// The sum of several loops; of heartbeats the oldest.
    pub(crate) fn total(tallies: impl Iterator<Item = Self>) -> Counts {
        let mut counts = Counts::default();
        let mut oldest = u64::MAX;
        for tally in tallies {
            tally.add_to(&mut counts);
            oldest = oldest.min(tally.beat().load(Relaxed));
        }
        counts.beat = if oldest == u64::MAX { 0 } else { oldest };
        counts
    }
}

/// Counts one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// Takes one back, from a counter of what is so now.
pub(crate) fn discount(counter: &AtomicU64) {
    counter.fetch_sub(1, Relaxed);
}

/// Counts one, in a counter that only its own event loop writes: no locked instruction is needed.
pub(crate) fn count_here(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed) + 1, Relaxed);
}

/// Milliseconds of the clock that [`Counts::beat`] tells.
pub(crate) fn monotonic_milliseconds() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let milliseconds = i128::from(now.tv_sec) * 1000 + i128::from(now.tv_nsec) / 1_000_000;
    u64::try_from(milliseconds).unwrap_or(0)
}
