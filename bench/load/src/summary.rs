//! [`Summary`]: what a load counted, for people and for programs.
//!
//! In: the numbers, from `count`. Out: a paragraph, or JSON through serde.
//! The rules of counting are in the crate's documentation.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// What was counted. See the crate's documentation for the rules.
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Summary {
    /// Requests whose planned time has come.
    pub requests: u64,
    /// Requests that got the whole and expected answer, late ones included.
    pub answered: u64,
    /// Requests for which no connection could be opened.
    pub refused: u64,
    /// Connections that could not be opened ahead of any request.
    pub refused_ahead: u64,
    /// Requests whose connection ended before or within the answer.
    pub reset: u64,
    /// Requests whose answer was shorter than promised.
    pub short: u64,
    /// Requests with another status or content than expected.
    pub wrong: u64,
    /// Bytes that came without a request, in occurrences.
    pub unsolicited: u64,
    /// Answered requests that came too long after their planned time.
    pub late: u64,
    /// Requests without a whole answer within the time limit.
    pub timed_out: u64,
    /// Requests sent once more because the server had promised not to have begun them.
    pub retried_safely: u64,
    /// Of those, the ones that a GOAWAY refused.
    pub goaway_refused: u64,
    /// Connections opened beyond the first of each slot.
    pub reconnects: u64,
    /// Connections that the server closed while nothing was outstanding.
    pub connections_closed_idle: u64,
    /// How long answered requests took, from their planned time.
    pub latency: Latency,
    /// Time since the load was started.
    #[serde(rename = "seconds", serialize_with = "seconds")]
    pub elapsed: Duration,
    /// The seed of the random numbers; the same seed plans the same requests.
    pub seed: u64,
    /// The first twenty failures: time, connection, protocol, phase and cause.
    pub failures: Vec<String>,
}

/// How long answers took, from the planned time of their requests. In JSON: seconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Latency {
    /// Half of the answers took no longer.
    #[serde(serialize_with = "seconds")]
    pub p50: Duration,
    /// 99 % of the answers took no longer.
    #[serde(serialize_with = "seconds")]
    pub p99: Duration,
    /// 99.9 % of the answers took no longer.
    #[serde(serialize_with = "seconds")]
    pub p999: Duration,
    /// The slowest answer.
    #[serde(serialize_with = "seconds")]
    pub max: Duration,
}

impl Summary {
    /// Everything that a server which loses nothing would have avoided; zero is success.
    ///
    /// Refused, reset, short, wrong, timed out and late requests, connections
    /// refused ahead of a request, and unsolicited bytes.
    pub fn failed(&self) -> u64 {
        self.refused
            + self.refused_ahead
            + self.reset
            + self.short
            + self.wrong
            + self.unsolicited
            + self.late
            + self.timed_out
    }

    /// Requests that have ended, in whatever way.
    pub fn ended(&self) -> u64 {
        self.answered + self.refused + self.reset + self.short + self.wrong + self.timed_out
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50, p99, p999, max } = self.latency;
        write!(
            f,
            "{} requests in {:.1} s, {} answered: {} refused, {} refused ahead, {} reset, {} short, {} wrong, \
             {} unsolicited, {} timed out, {} late; {} retried safely ({} by GOAWAY), {} reconnects, {} connections \
             closed idle; latency p50 {p50:.1?}, p99 {p99:.1?}, p99.9 {p999:.1?}, max {max:.1?}; seed {}.",
            self.requests,
            self.elapsed.as_secs_f64(),
            self.answered,
            self.refused,
            self.refused_ahead,
            self.reset,
            self.short,
            self.wrong,
            self.unsolicited,
            self.timed_out,
            self.late,
            self.retried_safely,
            self.goaway_refused,
            self.reconnects,
            self.connections_closed_idle,
            self.seed,
        )?;
        match self.failed() {
            0 => f.write_str(" Nothing was lost."),
            failed => {
                write!(f, " {failed} FAILED.")?;
                self.failures.iter().try_for_each(|failure| write!(f, "\n  {failure}"))
            }
        }
    }
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
