//! [`Counts`]: where every connection of a load reports to.
//!
//! In: how each request ended, and what happened to connections. Out: a
//! [`Summary`] at any time. Decides nothing about classes.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::fault::{Class, Fault};
use crate::latency::Histogram;
use crate::load::Protocol;
use crate::summary::{Latency, Summary};

/// How many failures are kept as text.
const FAILURES_KEPT: usize = 20;

/// The counters of one load.
pub(crate) struct Counts {
    started: Instant,
    late: Duration,
    protocol: Protocol,
    state: Mutex<(Summary, Histogram)>,
    ended: watch::Sender<u64>,
}

impl Counts {
    pub(crate) fn new(late: Duration, protocol: Protocol, seed: u64) -> Self {
        let summary = Summary { seed, ..Summary::default() };
        let state = Mutex::new((summary, Histogram::new()));
        Self { started: Instant::now(), late, protocol, state, ended: watch::Sender::new(0) }
    }

    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    pub(crate) fn planned(&self) {
        self.state().0.requests += 1;
    }

    /// Counts one request, planned for `planned`, as ended now. `place` says where, if it failed.
    pub(crate) fn end(
        &self,
        planned: Instant,
        result: Result<(), Fault>,
        connection: usize,
        place: impl FnOnce() -> String,
    ) {
        let latency = planned.elapsed();
        let mut state = self.state();
        let (summary, histogram) = &mut *state;
        match result {
            Ok(()) => {
                summary.answered += 1;
                histogram.record(latency);
                if latency > self.late {
                    summary.late += 1;
                    self.note(
                        summary,
                        connection,
                        &format!("late: answered after {latency:.1?}, {}", place()),
                    );
                }
            }
            Err(fault) => {
                *match fault.class {
                    Class::Refused => &mut summary.refused,
                    Class::Reset => &mut summary.reset,
                    Class::Short => &mut summary.short,
                    Class::Wrong => &mut summary.wrong,
                    Class::TimedOut => &mut summary.timed_out,
                } += 1;
                let Fault { class, phase, detail } = fault;
                self.note(summary, connection, &format!("{class} ({phase}): {detail}, {}", place()));
            }
        }
        let ended = summary.ended();
        drop(state);
        self.ended.send_replace(ended);
    }

    pub(crate) fn refused_ahead(&self, connection: usize, fault: &Fault) {
        let mut state = self.state();
        state.0.refused_ahead += 1;
        let text = format!("{} ({}): {}, ahead of any request", fault.class, fault.phase, fault.detail);
        self.note(&mut state.0, connection, &text);
    }

    pub(crate) fn unsolicited(&self, connection: usize, start: &[u8]) {
        let mut state = self.state();
        state.0.unsolicited += 1;
        let start = start.get(..40).unwrap_or(start).escape_ascii().to_string();
        self.note(&mut state.0, connection, &format!("unsolicited: \"{start}\" without a request"));
    }

    pub(crate) fn retried_safely(&self, by_goaway: bool) {
        let summary = &mut self.state().0;
        summary.retried_safely += 1;
        summary.goaway_refused += u64::from(by_goaway);
    }

    pub(crate) fn reconnected(&self) {
        self.state().0.reconnects += 1;
    }

    pub(crate) fn closed_idle(&self) {
        self.state().0.connections_closed_idle += 1;
    }

    /// Follows the number of requests that have ended.
    pub(crate) fn watch_ended(&self) -> watch::Receiver<u64> {
        self.ended.subscribe()
    }

    pub(crate) fn snapshot(&self) -> Summary {
        let state = self.state();
        let (summary, histogram) = &*state;
        let latency = Latency {
            p50: histogram.quantile(500),
            p99: histogram.quantile(990),
            p999: histogram.quantile(999),
            max: histogram.longest(),
        };
        Summary { latency, elapsed: self.started.elapsed(), ..summary.clone() }
    }

    fn note(&self, summary: &mut Summary, connection: usize, text: &str) {
        if summary.failures.len() < FAILURES_KEPT {
            let time = self.started.elapsed().as_secs_f64();
            summary
                .failures
                .push(format!("+{time:.3} s, connection {connection}, {}: {text}", self.protocol));
        }
    }

    /// Counters are whole after each statement, so a panic elsewhere leaves them valid.
    fn state(&self) -> MutexGuard<'_, (Summary, Histogram)> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
