//! Where an event loop can be reached: its queue of arrivals, its counters, its connections' places.
//!
//! In: connections from the acceptors and from other processes. Out: each to the loop that has the fewest
//! and takes what it is given. Knows threads and sockets, never HTTP.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit};

use crate::drain::Drain;
use crate::listen::Local;
use crate::socket::{Accepted, Peer};
use crate::tally::{Tally, count, discount};
use crate::tls::TlsConfig;

/// A loop that leaves an arrival untaken for longer is not well, and gets no more.
const UNWELL: Duration = Duration::from_millis(50);

/// An arrival that its loop has not taken for so long is given to another.
const TAKE_BACK: Duration = Duration::from_millis(500);

/// A listening socket as the loops see it.
pub(crate) struct Endpoint {
    /// Its place in the order of [`Builder::listen`](crate::Builder::listen).
    pub(crate) index: usize,
    pub(crate) local: Local,
    pub(crate) tls: Option<TlsConfig>,
    /// Whether a proxy introduces each connection.
    pub(crate) proxy_protocol: bool,
}

/// A connection on its way to the loop that serves it.
pub(crate) struct Arrival {
    pub(crate) socket: Accepted,
    pub(crate) peer: Peer,
    pub(crate) endpoint: Arc<Endpoint>,
    /// `None`: a place above the limit.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
    pub(crate) state: State,
}

/// How far a connection had come before it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing was read.
    Fresh,
    /// Plain HTTP/1 between two requests, since then.
    Idle(Instant),
}

/// One event loop, seen from outside.
pub(crate) struct Seat {
    pub(crate) tally: Tally,
    pub(crate) queue: Queue,
    /// Rung when a connection of the loop ends.
    pub(crate) released: Notify,
    pub(crate) bell: Arc<Bell>,
    pub(crate) drain: Drain,
}

impl Seat {
    pub(crate) fn new(tally: Tally, bell: Arc<Bell>, drain: Drain) -> Self {
        Self { tally, queue: Queue::default(), released: Notify::new(), bell, drain }
    }

    pub(crate) fn load(&self) -> u64 {
        self.tally.open().load(Ordering::Relaxed)
    }

    /// Counts the connection and queues it. Gives it back if the loop has ended, in a drain.
    pub(crate) fn send(&self, arrival: Arrival) -> Result<(), Arrival> {
        count(self.tally.open());
        self.queue.push(arrival).inspect_err(|_| {
            discount(self.tally.open());
            self.released.notify_one();
        })
    }

    /// The next arrival, for the loop itself.
    pub(crate) async fn next(&self) -> Arrival {
        loop {
            if let Some(arrival) = self.queue.pop() {
                self.bell.ring();
                return arrival;
            }
            self.queue.ring.notified().await;
        }
    }
}

/// Sends a connection to the well loop with the fewest connections, or to any loop that has not ended, and
/// counts it there. Gives it back if every loop has ended.
pub(crate) fn deliver(
    seats: &[Arc<Seat>],
    arrival: Arrival,
    counter: fn(Tally) -> &'static AtomicU64,
) -> Result<(), Arrival> {
    let now = Instant::now();
    let mut order: Vec<_> = seats.iter().collect();
    order.sort_by_cached_key(|seat| (!seat.queue.is_well(now), seat.load()));
    let mut arrival = arrival;
    for seat in order {
        // Before its first answer can be seen.
        count(counter(seat.tally));
        match seat.send(arrival) {
            Ok(()) => return Ok(()),
            Err(back) => arrival = back,
        }
        discount(counter(seat.tally));
    }
    Err(arrival)
}

/// Arrivals that wait for their loop.
#[derive(Default)]
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    ring: Notify,
}

#[derive(Default)]
struct Waiting {
    arrivals: VecDeque<(Instant, Arrival)>,
    /// The loop has ended.
    is_closed: bool,
    /// Arrivals were taken back, and the loop has not looked since.
    is_silent: bool,
}

impl Queue {
    fn push(&self, arrival: Arrival) -> Result<(), Arrival> {
        let mut waiting = self.waiting();
        if waiting.is_closed {
            return Err(arrival);
        }
        waiting.arrivals.push_back((Instant::now(), arrival));
        drop(waiting);
        self.ring.notify_one();
        Ok(())
    }

    fn pop(&self) -> Option<Arrival> {
        let mut waiting = self.waiting();
        waiting.is_silent = false;
        waiting.arrivals.pop_front().map(|(_, arrival)| arrival)
    }

    /// Whether the loop takes what it is given.
    pub(crate) fn is_well(&self, now: Instant) -> bool {
        let waiting = self.waiting();
        let oldest = waiting.arrivals.front().map(|(since, _)| now.saturating_duration_since(*since));
        !waiting.is_closed && !waiting.is_silent && oldest.is_none_or(|age| age <= UNWELL)
    }

    /// Takes out an arrival that has waited for too long, with the moment since when.
    pub(crate) fn take_back(&self, now: Instant) -> Option<(Instant, Arrival)> {
        let mut waiting = self.waiting();
        let (since, _) = waiting.arrivals.front()?;
        if now.saturating_duration_since(*since) < TAKE_BACK {
            return None;
        }
        waiting.is_silent = true;
        let taken = waiting.arrivals.pop_front();
        drop(waiting);
        // The loop looks again when it can, and is well from then on.
        self.ring.notify_one();
        taken
    }

    /// Puts back what nobody else wanted.
    pub(crate) fn put_back(&self, since: Instant, arrival: Arrival) {
        self.waiting().arrivals.push_front((since, arrival));
        self.ring.notify_one();
    }

    /// Closes the queue of a loop that ends; not while something waits in it.
    pub(crate) fn close_if_empty(&self) -> bool {
        let mut waiting = self.waiting();
        waiting.is_closed |= waiting.arrivals.is_empty();
        waiting.is_closed
    }

    /// Closes the queue and ends what waits in it.
    pub(crate) fn close(&self) {
        let mut waiting = self.waiting();
        waiting.is_closed = true;
        let arrivals = std::mem::take(&mut waiting.arrivals);
        drop(waiting);
        drop(arrivals);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place in the server: counted while it lives, given back when it is dropped.
pub(crate) struct Admission {
    pub(crate) number: u64,
    pub(crate) seat: Arc<Seat>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Admission {
    /// Takes over the place that [`Seat::send`] counted.
    pub(crate) fn new(seat: Arc<Seat>, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { number: seat.drain.number(), seat, permit }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.seat.drain.forget(self.number);
        // Whoever sees the count finds the room.
        drop(self.permit.take());
        discount(self.seat.tally.open());
        self.seat.released.notify_one();
        self.seat.bell.ring();
    }
}

/// Wakes accept threads, which cannot wait for what the event loops wait for.
#[derive(Default)]
pub(crate) struct Bell {
    sleepers: AtomicUsize,
    lock: Mutex<()>,
    condition: Condvar,
}

impl Bell {
    /// Waits until it rings, at most `longest`. It may be missed just before; so `longest` is short.
    pub(crate) fn wait(&self, longest: Duration) {
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.condition.wait_timeout(guard, longest));
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    pub(crate) fn ring(&self) {
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            self.condition.notify_all();
        }
    }
}
