//! Stopping without losing work: the stages of a drain, the token that long answers watch, the report.
//!
//! In: a wish to stop. Out: connections that end in their own time, and a [`Report`] that names what the
//! deadline cut. Never sees bytes.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SendError, Sender};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use http::Method;
use tokio::sync::watch;

use crate::connection::Shared;
use crate::handed::Handed;
use crate::limits::LONGEST;
use crate::socket::Peer;
use crate::tally::{Counts, Tally, count};

/// How a server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainSettings {
    /// How long an idle connection is still answered, with `Connection: close`, before it is closed.
    /// Default: 5 s. A client that just sends its next request is served, not reset.
    pub linger: Duration,
    /// When what is left is cut, and named in the [`Report`]. Default: 30 s.
    pub deadline: Duration,
}

impl Default for DrainSettings {
    fn default() -> Self {
        Self { linger: Duration::from_secs(5), deadline: Duration::from_secs(30) }
    }
}

/// What a stop did.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Everything the server did in its life.
    pub counts: Counts,
    /// Connections open when the drain began.
    pub open_at_start: u64,
    /// Requests that the deadline cut.
    pub cut: Vec<Cut>,
    /// Connections without a request that the deadline closed.
    pub closed_idle: u64,
    /// Connections that the deadline ended, with or without a request.
    pub reset: u64,
    /// Connections given to another process instead of being closed
    /// ([`Stopper::stop_handing_over`](crate::Stopper::stop_handing_over)).
    pub handed_over: u64,
    /// From the wish to stop to the end.
    pub took: Duration,
}

/// A request that did not end before the deadline of the drain.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cut {
    /// The request's method.
    pub method: Method,
    /// The request's path, without its query, which may hold secrets.
    pub path: String,
    /// How long it had been running.
    pub age: Duration,
    /// Who had asked.
    pub peer: Peer,
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ({:.1} s, {})", self.method, self.path, self.age.as_secs_f64(), self.peer)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "drained {} connections in {:.1} s · requests served {} · cut {}",
            self.open_at_start,
            self.took.as_secs_f64(),
            self.counts.requests,
            self.cut.len()
        )?;
        if self.handed_over > 0 {
            write!(f, " · handed over {}", self.handed_over)?;
        }
        for cut in &self.cut {
            write!(f, "\n  cut: {cut}")?;
        }
        Ok(())
    }
}

/// How far a drain has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Serving,
    Draining,
    Cut,
}

/// The state of one server's drain. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Drain(Arc<Inner>);

struct Inner {
    stage: watch::Sender<Stage>,
    begun: OnceLock<Begun>,
    /// Who takes the connections that this server leaves, set before `begun`.
    successor: Mutex<Option<Sender<Handed>>>,
    /// Whether there is a successor that takes them.
    hands_over: AtomicBool,
    handed_over: AtomicU64,
    tallies: Vec<Tally>,
    connections: Mutex<HashMap<u64, Weak<Shared>>>,
    next: AtomicU64,
}

#[derive(Clone, Copy)]
struct Begun {
    at: Instant,
    settings: DrainSettings,
    /// How long the ends of long answers are spread over.
    spread: Duration,
    /// Connections that were open then.
    open: u64,
}

impl Drain {
    pub(crate) fn new(tallies: Vec<Tally>) -> Self {
        Self(Arc::new(Inner {
            stage: watch::Sender::new(Stage::Serving),
            begun: OnceLock::new(),
            successor: Mutex::default(),
            hands_over: AtomicBool::new(false),
            handed_over: AtomicU64::new(0),
            tallies,
            connections: Mutex::default(),
            next: AtomicU64::new(1),
        }))
    }

    /// A number for a new connection, under which it is registered.
    pub(crate) fn number(&self) -> u64 {
        self.0.next.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn register(&self, connection: &Arc<Shared>) {
        self.connections().insert(connection.number, Arc::downgrade(connection));
    }

    pub(crate) fn forget(&self, number: u64) {
        self.connections().remove(&number);
    }

    fn connections(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Weak<Shared>>> {
        self.0.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.0.begun.get().is_some()
    }

    pub(crate) fn began(&self) -> Option<Instant> {
        self.0.begun.get().map(|begun| begun.at)
    }

    pub(crate) fn open_at_start(&self) -> u64 {
        self.0.begun.get().map_or(0, |begun| begun.open)
    }

    pub(crate) fn stage(&self) -> Stage {
        *self.0.stage.borrow()
    }

    pub(crate) fn stages(&self) -> watch::Receiver<Stage> {
        self.0.stage.subscribe()
    }

    /// When idle connections are closed; `None` before the drain.
    pub(crate) fn linger_until(&self) -> Option<Instant> {
        self.0.begun.get().map(|begun| begun.at + begun.settings.linger)
    }

    /// When everything is cut; `None` before the drain.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.0.begun.get().map(|begun| begun.at + begun.settings.deadline)
    }

    /// Begins the drain: nothing is accepted any more, every connection is told. The first call counts.
    pub(crate) fn begin(&self, settings: DrainSettings, successor: Option<Sender<Handed>>) {
        let settings =
            DrainSettings { linger: settings.linger.min(LONGEST), deadline: settings.deadline.min(LONGEST) };
        // One lock for all of it: who registers later finds the drain begun.
        let registered = self.connections();
        let connections: Vec<_> = registered.values().filter_map(Weak::upgrade).collect();
        // Ten thousand streams that end at once come back at once: spread them, two milliseconds each,
        // but leave the last fifth of the time for their ends to be sent.
        let each = Duration::from_millis(2) * u32::try_from(connections.len()).unwrap_or(u32::MAX);
        let spread = each.min(settings.deadline.mul_f64(0.8));
        let begun = Begun { at: Instant::now(), settings, spread, open: self.open() };
        if let (Some(successor), None) = (successor, self.0.begun.get()) {
            // The lock is held: nobody else begins.
            *self.successor() = Some(successor);
            self.0.hands_over.store(true, Ordering::Relaxed);
        }
        if self.0.begun.set(begun).is_ok() {
            self.0.stage.send_replace(Stage::Draining);
        }
        drop(registered);
        for connection in connections {
            connection.driver.wake();
        }
    }

    /// Ends every connection that is left, and writes down what this cost.
    pub(crate) fn cut(&self, report: &mut Report) {
        report.reset = self.open();
        self.0.stage.send_replace(Stage::Cut);
        let mut busy = 0;
        for connection in self.registered() {
            let requests = connection.cut();
            busy += u64::from(!requests.is_empty());
            report.cut.extend(requests);
        }
        // A connection may have come, or gone, just now.
        report.reset = report.reset.max(busy);
        report.closed_idle = report.reset - busy;
    }

    /// Connections open now, parked and silent ones included.
    fn open(&self) -> u64 {
        self.0.tallies.iter().map(|tally| tally.open().load(Ordering::Relaxed)).sum()
    }

    /// Every connection on which HTTP is spoken now.
    pub(crate) fn registered(&self) -> Vec<Arc<Shared>> {
        self.connections().values().filter_map(Weak::upgrade).collect()
    }

    /// Whether connections between requests go to a successor.
    pub(crate) fn hands_over(&self) -> bool {
        self.is_draining() && self.0.hands_over.load(Ordering::Relaxed)
    }

    /// Sends a connection to the successor. Gives it back if there is none, or none any more.
    pub(crate) fn hand_over(&self, handed: Handed) -> Result<(), Handed> {
        let mut successor = self.successor();
        let sent = match successor.as_ref() {
            Some(successor) => successor.send(handed).map_err(|SendError(handed)| handed),
            None => Err(handed),
        };
        match sent {
            Ok(()) => count(&self.0.handed_over),
            Err(_) => self.leave_successor(&mut successor),
        }
        sent
    }

    /// The drain is over: the successor's channel ends.
    pub(crate) fn finish(&self) {
        self.leave_successor(&mut self.successor());
    }

    fn leave_successor(&self, successor: &mut Option<Sender<Handed>>) {
        self.0.hands_over.store(false, Ordering::Relaxed);
        *successor = None;
    }

    fn successor(&self) -> std::sync::MutexGuard<'_, Option<Sender<Handed>>> {
        self.0.successor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn handed_over(&self) -> u64 {
        self.0.handed_over.load(Ordering::Relaxed)
    }

    pub(crate) fn token(&self, number: u64) -> Shutdown {
        Shutdown { drain: self.clone(), number }
    }
}

/// Tells a handler that the server is stopping.
///
/// An answer without an end (server-sent events, a WebSocket, a long download) watches it, so that it can
/// say goodbye before the drain's deadline cuts it. Ends are spread in time: each connection's token
/// fires at its own moment, so that not all clients come back at once.
#[derive(Clone)]
pub struct Shutdown {
    drain: Drain,
    number: u64,
}

impl Shutdown {
    /// Whether the server has begun to stop. True at once, for every connection.
    pub fn is_draining(&self) -> bool {
        self.drain.is_draining()
    }

    /// Waits until this connection should end.
    ///
    /// # Cancel safety
    ///
    /// Safe: it can be dropped and called again.
    pub async fn wait(&self) {
        let mut stages = self.drain.stages();
        // The sender lives as long as `self`, so this cannot fail.
        let _ = stages.wait_for(|stage| *stage >= Stage::Draining).await;
        if let Some(begun) = self.drain.0.begun.get() {
            let share = jitter(self.number);
            tokio::time::sleep_until((begun.at + begun.spread.mul_f64(share)).into()).await;
        }
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").field("draining", &self.is_draining()).finish()
    }
}

/// A number from 0 to 1 for a connection, the same for its life, different in each process.
fn jitter(number: u64) -> f64 {
    static SEED: OnceLock<RandomState> = OnceLock::new();
    let hash = SEED.get_or_init(RandomState::new).hash_one(number);
    f64::from(u32::try_from(hash >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_spreads_connections_over_the_whole_time() {
        let shares: Vec<f64> = (0..1000).map(jitter).collect();
        assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
        let early = shares.iter().filter(|share| **share < 0.5).count();
        assert!((350..650).contains(&early), "{early} of 1000 in the first half");
    }

    #[test]
    fn the_first_wish_to_stop_counts() {
        let drain = Drain::new(Vec::new());
        assert!(!drain.is_draining());
        drain.begin(DrainSettings { linger: Duration::from_secs(1), deadline: Duration::from_secs(2) }, None);
        let first = drain.deadline();
        drain.begin(DrainSettings { linger: Duration::from_secs(9), deadline: Duration::from_secs(9) }, None);
        assert_eq!(first, drain.deadline());
    }
}
