//! The other workers, as this one's accept threads see them: by their rows of counters.
//!
//! In: rows in shared memory. Out: whether to let others accept first. Never waits.

use std::os::fd::AsFd;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use narae_cluster::{COUNTERS, Lane, Worker};
use narae_server::{Handed, Neighbours};
use rustix::time::{ClockId, clock_gettime};

use super::travel;

/// The cell of a worker's first row that says how many rows it has while it accepts, and 0 otherwise. The
/// server's own counters come before it.
pub(super) const ACCEPTS: usize = COUNTERS - 1;
/// How often the list of those who accept is made anew.
const LIST_AGE: Duration = Duration::from_millis(50);
/// A worker without a sign of life for so long is not waited for.
const WELL: u64 = 1000;
/// Connections that a worker may be ahead by in any case.
const SLACK: u64 = 2;
/// And the part of the other's number that it may be ahead by.
const SHARE: u64 = 32;

/// The time on the clock of heartbeats (`CLOCK_MONOTONIC`), in milliseconds.
pub(super) fn milliseconds() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let whole = |number: i64| u64::try_from(number).unwrap_or(0);
    whole(now.tv_sec) * 1000 + whole(now.tv_nsec) / 1_000_000
}

/// The workers that accept from the same sockets.
pub(super) struct Others {
    worker: Arc<Worker>,
    own: Vec<Lane>,
    all: Vec<Lane>,
    open: usize,
    beat: usize,
    list: Mutex<List>,
}

/// Those who accept, as they were found last.
#[derive(Default)]
struct List {
    made: Option<Instant>,
    /// First row, and how many.
    rows: Vec<(usize, usize)>,
}

impl Others {
    pub(super) fn new(worker: Arc<Worker>) -> Self {
        let index = |name: &str| narae_server::COUNTERS.iter().position(|counter| *counter == name);
        Self {
            own: worker.lanes(),
            all: worker.all_lanes(),
            worker,
            open: index("open").unwrap_or(0),
            beat: index("beat").unwrap_or(0),
            list: Mutex::default(),
        }
    }

    /// Says whether this worker accepts.
    pub(super) fn accepts(&self, accepts: bool) {
        if let Some(cell) = self.own.first().and_then(|lane| lane.counters.get(ACCEPTS)) {
            cell.store(if accepts { self.own.len() as u64 } else { 0 }, Relaxed);
        }
    }

    fn cell(lane: &Lane, index: usize) -> u64 {
        lane.counters.get(index).map_or(0, |cell| cell.load(Relaxed))
    }

    fn is_own(&self, lane: &Lane) -> bool {
        let first = |lane: &Lane| lane.counters.first().map(std::ptr::from_ref::<AtomicU64>);
        self.own.first().is_some_and(|own| first(own) == first(lane))
    }

    /// Those who accept: their first rows, and how many.
    fn list(&self) -> Vec<(usize, usize)> {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        if list.made.is_none_or(|made| made.elapsed() > LIST_AGE) {
            let accepting = self.all.iter().enumerate().filter(|(_, lane)| !self.is_own(lane));
            list.rows = accepting
                .filter_map(|(first, lane)| {
                    let count = usize::try_from(Self::cell(lane, ACCEPTS)).ok()?;
                    (count > 0).then_some((first, count))
                })
                .collect();
            list.made = Some(Instant::now());
        }
        list.rows.clone()
    }

    fn open(&self, lanes: &[Lane]) -> u64 {
        lanes.iter().map(|lane| Self::cell(lane, self.open)).sum()
    }
}

impl Neighbours for Others {
    fn should_yield(&self) -> bool {
        let own = self.open(&self.own);
        if own <= SLACK {
            return false;
        }
        let now = milliseconds();
        self.list().into_iter().any(|(first, count)| {
            let Some(lanes) = self.all.get(first..first + count) else { return false };
            let is_well = lanes.iter().all(|lane| now.saturating_sub(Self::cell(lane, self.beat)) < WELL);
            let open = self.open(lanes);
            is_well && own > open + SLACK + open / SHARE
        })
    }

    fn pass_on(&self, connection: Handed) -> Result<(), Handed> {
        if self.list().is_empty() {
            return Err(connection);
        }
        let about = travel::about(&connection);
        self.worker.pass_on(connection.socket.as_fd(), about).map_err(|_| connection)
    }
}
