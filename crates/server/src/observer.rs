//! Looking at a running server from any thread, also while an event loop is blocked in a handler.
//!
//! In: the counters and the connections on which HTTP is spoken. Out: copies. Changes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;

use crate::connection::Shared;
use crate::drain::Drain;
use crate::seat::Seat;
use crate::socket::Peer;
use crate::tally::{Counts, Tally};

/// A view of a running server. See [`Running::observer`](crate::Running::observer).
#[derive(Clone)]
pub struct Observer {
    pub(crate) seats: Arc<[Arc<Seat>]>,
    pub(crate) drain: Drain,
}

/// A request that is being answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Underway {
    /// The request's method.
    pub method: Method,
    /// The request's path, without its query, which may hold secrets.
    pub path: String,
    /// Since its head was complete.
    pub age: Duration,
    /// Who asked.
    pub peer: Peer,
}

impl Observer {
    /// What the server has done so far.
    pub fn counts(&self) -> Counts {
        Tally::total(self.seats.iter().map(|seat| seat.tally))
    }

    /// Connections open now, per event loop.
    pub fn spread(&self) -> Vec<u64> {
        self.seats.iter().map(|seat| seat.load()).collect()
    }

    /// The requests that have been under way for the longest time, oldest first, at most `limit`.
    ///
    /// Looks at every connection on which HTTP is spoken: a matter of milliseconds for ten thousand.
    pub fn oldest_requests(&self, limit: usize) -> Vec<Underway> {
        let now = Instant::now();
        let connections = self.drain.registered();
        let mut underway: Vec<_> =
            connections.iter().flat_map(|connection| requests(connection, now)).collect();
        underway.sort_by_key(|request| std::cmp::Reverse(request.age));
        underway.truncate(limit);
        underway
    }
}

/// No lock of a connection is held while its handler runs.
fn requests(connection: &Shared, now: Instant) -> Vec<Underway> {
    let link = connection.link();
    let underway = link.requests.iter().map(|request| Underway {
        method: request.method.clone(),
        path: request.target.as_ref().map_or("*", |target| target.path()).to_owned(),
        age: now.saturating_duration_since(request.since),
        peer: connection.peer,
    });
    underway.collect()
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observer").field("counts", &self.counts()).finish()
    }
}
