//! [`Queue`]: lines between the threads that make them and the one that writes.
//!
//! In: lines, from any thread, without waiting. Out: batches of lines, to a
//! writer, on the queue's thread. Owns the bound of the buffer, the batching,
//! and the count of what was lost. Writing itself is `output`'s.
//!
//! Rhythm: a line that finds the thread idle wakes it and is written at once.
//! After each batch the thread lingers for 10 ms, in which lines gather without
//! waking anyone, so that a busy server pays no system call for a line.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::output::{Lost, Output, Target};

/// What became of the lines of a [`Sink`](super::Sink).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Lines handed to the target.
    pub written: u64,
    /// Lines dropped because the buffer was full.
    pub dropped: u64,
    /// Lines lost because the target refused them.
    pub failed: u64,
}

pub(super) struct Queue {
    state: Mutex<State>,
    /// Tells the thread that there is something to do.
    work: Condvar,
    /// Tells waiting callers that the thread has done something.
    done: Condvar,
}

struct State {
    lines: Vec<u8>, // whole lines; lines.len() <= limit unless `limit` shrank
    limit: usize,
    /// Lines ever taken into `lines`.
    accepted: u64,
    /// Accepted lines that the thread is done with: handled <= accepted.
    handled: u64,
    /// Lines dropped since the thread last looked.
    newly_dropped: u64,
    counts: Counts,
    json: bool,
    new_target: Option<Target>,
    thread: Thread,
    hurry: bool,
    closing: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Thread {
    /// Waits for a line: the next one wakes it.
    Idle,
    /// Lets lines gather: wakes up by itself.
    Lingering,
    /// Will look at the queue again without being told.
    Busy,
    /// Is gone, and nobody will write any more.
    Ended,
}

/// What the thread takes out of the queue at once.
struct Batch {
    lines: u64,
    dropped: u64,
    json: bool,
    new_target: Option<Target>,
    last: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                lines: Vec::new(),
                limit: DEFAULT_LIMIT,
                accepted: 0,
                handled: 0,
                newly_dropped: 0,
                counts: Counts::default(),
                json: false,
                new_target: None,
                thread: Thread::Busy,
                hurry: false,
                closing: false,
            }),
            work: Condvar::new(),
            done: Condvar::new(),
        }
    }

    pub(super) fn set_limit(&self, bytes: usize) {
        self.lock().limit = bytes;
    }

    pub(super) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Takes in `line`, or drops and counts it if there is no room.
    pub(super) fn push(&self, line: &[u8], json: bool) {
        let mut state = self.lock();
        state.json = json;
        if state.thread == Thread::Ended || state.lines.len() + line.len() > state.limit {
            state.newly_dropped += 1;
            state.counts.dropped += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        state.accepted += 1;
        let wake = match state.thread {
            Thread::Idle => true,
            Thread::Lingering => state.is_urgent(),
            Thread::Busy | Thread::Ended => false,
        };
        if wake {
            state.thread = Thread::Busy; // one wake-up is enough
        }
        drop(state);
        if wake {
            self.work.notify_one();
        }
    }

    /// Has the thread write to `target` from its next batch on.
    pub(super) fn replace_target(&self, target: Target) {
        self.lock().new_target = Some(target);
        self.work.notify_one();
    }

    /// Waits until the thread is done with every line accepted so far.
    pub(super) fn flush(&self) {
        let mut state = self.lock();
        let target = state.accepted;
        state.hurry = true;
        self.work.notify_one();
        let wanting = |state: &mut State| state.handled < target && state.thread != Thread::Ended;
        drop(self.done.wait_while(state, wanting));
    }

    /// Has the thread write what is left and end; `false` if it has not within 5 s.
    pub(super) fn close(&self) -> bool {
        let mut state = self.lock();
        state.closing = true;
        self.work.notify_one();
        let deadline = Instant::now() + LONGEST_CLOSE;
        while state.thread != Thread::Ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            state = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// The thread: writes batches to `target` until the queue is closed.
    pub(super) fn run(&self, target: Target) {
        // Whoever waits for the thread must learn that it ended, even by a panic.
        let _ended = Ended { queue: self };
        let mut output = Output::new(target);
        let mut lines = Vec::new();
        let mut unreported = Lost::default();
        let mut wrote = false;
        loop {
            lines.clear();
            let batch = self.next_batch(&mut lines, wrote);
            if let Some(target) = batch.new_target {
                output = Output::new(target);
            }
            let failed = output.write_lines(&lines);
            unreported.dropped += batch.dropped;
            unreported.failed += failed;
            if failed == 0 {
                output.report(&mut unreported, batch.json);
            }
            wrote = batch.lines > 0;
            self.settle(batch.lines, failed);
            if batch.last {
                return;
            }
        }
    }

    /// Waits for something to do and moves the lines into `lines`, which is empty.
    fn next_batch(&self, lines: &mut Vec<u8>, linger: bool) -> Batch {
        let mut state = self.lock();
        if linger {
            state.thread = Thread::Lingering;
            let waited = self.work.wait_timeout_while(state, LINGER, |state| !state.is_urgent());
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.thread = Thread::Idle;
        let waited = self.work.wait_while(state, |state| state.lines.is_empty() && !state.is_urgent());
        state = waited.unwrap_or_else(PoisonError::into_inner);
        state.thread = Thread::Busy;
        state.hurry = false;
        std::mem::swap(&mut state.lines, lines);
        Batch {
            lines: state.accepted - state.handled,
            dropped: std::mem::take(&mut state.newly_dropped),
            json: state.json,
            new_target: state.new_target.take(),
            last: state.closing,
        }
    }

    /// Accounts for a batch of `lines`, of which `failed` were lost.
    fn settle(&self, lines: u64, failed: u64) {
        let mut state = self.lock();
        state.handled += lines;
        state.counts.failed += failed;
        state.counts.written += lines.saturating_sub(failed);
        drop(state);
        self.done.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code under the lock leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether lingering must end.
    fn is_urgent(&self) -> bool {
        let half_full = !self.lines.is_empty() && self.lines.len() >= self.limit / 2;
        self.hurry || self.closing || self.new_target.is_some() || half_full
    }
}

/// Says on drop that the queue's thread is gone.
struct Ended<'a> {
    queue: &'a Queue,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.queue.lock().thread = Thread::Ended;
        self.queue.done.notify_all();
    }
}

/// Several thousand lines: seconds of a busy server's log.
const DEFAULT_LIMIT: usize = 1 << 20;
/// Short for a person who watches, long for a processor.
const LINGER: Duration = Duration::from_millis(10);
/// A target that blocks must not keep a process from ending.
const LONGEST_CLOSE: Duration = Duration::from_secs(5);
