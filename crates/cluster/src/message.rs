//! What the supervisor, its workers and the `narae` command say to each other.
//!
//! One JSON object in each packet of a `SOCK_SEQPACKET` socket, descriptors beside it. Both sides may be of
//! different versions: unknown fields are ignored, new fields have defaults, and an unknown message is left
//! alone. Owns the forms; never sends.

use std::collections::BTreeMap;
use std::io;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of these messages. A change that an older side cannot ignore raises it.
pub(crate) const VERSION: u32 = 1;

/// From the supervisor to a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
pub(crate) enum ToWorker {
    /// Finish and leave. With a descriptor, idle connections go out through it.
    Drain { fast: bool },
    /// Take the connections that come in through the descriptor.
    Receive,
    /// Take this one connection: the descriptor.
    Connection { about: String },
    /// Open the logs anew.
    Reopen,
    #[serde(other)]
    Unknown,
}

/// From a worker to the supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
pub(crate) enum FromWorker {
    /// It leaves, by its own will or a signal's.
    Leaving,
    /// No event loop takes this connection: another worker may. The descriptor is the connection.
    PassOn { about: String },
    /// The end: what the drain did.
    Ended { report: WorkerReport },
    #[serde(other)]
    Unknown,
}

/// Most requests that a report names, and the longest name in bytes.
const MOST_NAMES: usize = 100;
const LONGEST_NAME: usize = 300;

/// What a worker's drain did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerReport {
    /// Connections handed to another worker.
    pub handed_over: u64,
    /// Connections that the deadline ended, with or without a request.
    pub reset: u64,
    /// Requests that the deadline cut, each with method, path and age; the first hundred.
    pub cut: Vec<String>,
    /// How many more there were.
    pub cut_more: u64,
}

impl WorkerReport {
    /// How many requests were cut, named or not.
    pub fn cut_count(&self) -> u64 {
        self.cut.len() as u64 + self.cut_more
    }

    /// Leaves no more names than a packet can hold.
    pub(crate) fn shorten(&mut self) {
        for name in &mut self.cut {
            name.truncate(name.floor_char_boundary(LONGEST_NAME));
        }
        self.cut_more += self.cut.len().saturating_sub(MOST_NAMES) as u64;
        self.cut.truncate(MOST_NAMES);
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.handed_over += other.handed_over;
        self.reset += other.reset;
        self.cut.extend(other.cut);
        self.cut_more += other.cut_more;
        self.shorten();
    }
}

/// The first packet on a worker's own socket, from a supervisor that wants to take it over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Adopt {
    pub(crate) version: u32,
    /// What application the supervisor is for; see `Claim`.
    pub(crate) identity: String,
}

/// The worker's answer. With `accepted`, descriptors follow: the page, then the listeners.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Adopted {
    pub(crate) accepted: bool,
    #[serde(default)]
    pub(crate) reason: String,
    pub(crate) worker: u64,
    pub(crate) slot: usize,
    pub(crate) generation: u32,
    pub(crate) pid: i32,
    pub(crate) lane: usize,
    pub(crate) lanes: usize,
    pub(crate) is_leaving: bool,
    pub(crate) listeners: Vec<String>,
}

/// From the `narae` command to a supervisor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    /// What is going on: answered by [`Reply::Status`].
    Status,
    /// Replaces every worker, new before old.
    Reload,
    /// Replaces every worker, all at once.
    Restart,
    /// So many workers from now on.
    Scale {
        /// How many.
        workers: usize,
    },
    /// Ends the application.
    Stop {
        /// At once: requests under way are cut.
        fast: bool,
    },
    /// Opens the logs anew, after they were moved.
    ReopenLogs,
    /// Replaces the supervisor by the program on the disk.
    Upgrade,
    /// A request of a newer command.
    #[serde(other)]
    Unknown,
}

/// From a supervisor to the `narae` command: any number of [`Reply::Progress`], then one of the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub enum Reply {
    /// How far it is.
    Progress {
        /// For a person.
        text: String,
    },
    /// It is done.
    Done {
        /// For a person.
        text: String,
    },
    /// A reload is done.
    Receipt(Receipt),
    /// It failed, and nothing was lost by it.
    Failed {
        /// Why, and what is the case now.
        reason: String,
    },
    /// The answer to [`Request::Status`].
    Status(Status),
    /// A reply of a newer supervisor.
    #[serde(other)]
    Unknown,
}

/// What a reload did.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Receipt {
    /// The generation before.
    pub from: u32,
    /// The generation now.
    pub to: u32,
    /// Workers replaced.
    pub workers: usize,
    /// Until the last new worker served, in seconds.
    pub seconds: f64,
    /// Until the last old worker was gone, in seconds.
    pub drained_seconds: f64,
    /// Connections accepted meanwhile, by old and new workers.
    pub accepted: u64,
    /// Connections that the system turned away meanwhile because a queue was full. Counted by the kernel
    /// for the whole network namespace (`ListenDrops`).
    pub refused: u64,
    /// Connections that the deadline of the drain ended.
    pub reset: u64,
    /// Idle connections that went to a new worker.
    pub handed_over: u64,
    /// Requests that the deadline of the drain cut, named; the first hundred.
    pub cut: Vec<String>,
    /// How many more there were.
    pub cut_more: u64,
    /// Old workers that ended without a report: what they lost is not known.
    pub unreported: u64,
}

impl std::fmt::Display for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "reload {} → {}: {} worker{} in {:.1} s · accepted {} · refused {} · reset {} · handed over {} · cut {}",
            self.from,
            self.to,
            self.workers,
            if self.workers == 1 { "" } else { "s" },
            self.seconds,
            grouped(self.accepted),
            grouped(self.refused),
            grouped(self.reset),
            grouped(self.handed_over),
            grouped(self.cut.len() as u64 + self.cut_more),
        )?;
        for cut in &self.cut {
            write!(f, "\n  cut: {cut}")?;
        }
        if self.unreported > 0 {
            write!(f, "\n  {} old worker(s) ended without a report", self.unreported)?;
        }
        Ok(())
    }
}

/// `48211` as `48,211`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What a cluster is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Status {
    /// The application's name.
    pub name: String,
    /// The supervisor's process id.
    pub pid: i32,
    /// The generation that serves.
    pub generation: u32,
    /// Seconds since the supervisor began.
    pub uptime_seconds: f64,
    /// `starting`, `serving`, `reloading`, `stopping`, or `degraded` if a slot is empty.
    pub state: String,
    /// Where it listens, as named at start.
    pub addresses: Vec<String>,
    /// Every worker, by slot; those that are leaving come after those that serve.
    pub workers: Vec<WorkerStatus>,
    /// Slots in which no worker starts any more.
    pub broken_slots: Vec<usize>,
    /// Slots without a worker: broken ones, and those whose worker crashed and is started again in a while.
    pub empty_slots: Vec<usize>,
    /// The supervisor's memory (resident set), in bytes.
    pub memory: u64,
}

/// What one worker is doing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorkerStatus {
    /// Its place, from 0.
    pub slot: usize,
    /// Its generation.
    pub generation: u32,
    /// Its process id.
    pub pid: i32,
    /// `starting`, `serving`, `stuck`, `leaving` or `killed`.
    pub state: String,
    /// Seconds since its start.
    pub age_seconds: f64,
    /// How often its slot was filled anew.
    pub restarts: u64,
    /// Its memory (resident set), in bytes.
    pub memory: u64,
    /// What it counted. Empty for programs that are not narae's.
    pub counters: BTreeMap<String, u64>,
    /// What it last said of itself (`STATUS=`).
    pub said: String,
}

/// Reads a packet.
pub(crate) fn read<T: DeserializeOwned>(packet: &[u8]) -> io::Result<T> {
    serde_json::from_slice(packet).map_err(io::Error::from)
}

/// Writes a packet.
pub(crate) fn write<T: Serialize>(message: &T) -> io::Result<Vec<u8>> {
    serde_json::to_vec(message).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_of_a_newer_version_is_left_alone() {
        let newer = br#"{"message":"sing","song":"la"}"#;
        assert_eq!(read::<ToWorker>(newer).unwrap(), ToWorker::Unknown);
        assert_eq!(read::<FromWorker>(newer).unwrap(), FromWorker::Unknown);
        assert_eq!(read::<Request>(br#"{"request":"sing"}"#).unwrap(), Request::Unknown);
    }

    #[test]
    fn a_new_field_is_ignored_and_a_missing_one_has_a_default() {
        let report = br#"{"message":"ended","report":{"reset":3,"sung":1}}"#;
        let expected = WorkerReport { reset: 3, ..WorkerReport::default() };
        assert_eq!(read::<FromWorker>(report).unwrap(), FromWorker::Ended { report: expected });
    }

    #[test]
    fn every_message_reads_as_it_was_written() {
        for message in [
            ToWorker::Drain { fast: true },
            ToWorker::Receive,
            ToWorker::Connection { about: "x".to_owned() },
            ToWorker::Reopen,
        ] {
            assert_eq!(read::<ToWorker>(&write(&message).unwrap()).unwrap(), message);
        }
    }

    #[test]
    fn the_receipt_is_one_line_and_names_what_was_cut() {
        let receipt = Receipt {
            from: 7,
            to: 8,
            workers: 2,
            seconds: 1.31,
            accepted: 48_211,
            handed_over: 312,
            ..Receipt::default()
        };
        let line = "reload 7 → 8: 2 workers in 1.3 s · accepted 48,211 · refused 0 · reset 0 · handed over 312 · cut 0";
        assert_eq!(receipt.to_string(), line);
        let cut = Receipt { cut: vec!["GET /export (31.0 s)".to_owned()], ..receipt };
        assert!(cut.to_string().ends_with("cut 1\n  cut: GET /export (31.0 s)"), "{cut}");
    }

    #[test]
    fn a_report_of_very_many_cuts_names_some_and_counts_all() {
        let cut = vec!["GET /".repeat(200); 2500];
        let mut sum = WorkerReport::default();
        sum.add(WorkerReport { cut: cut.clone(), ..WorkerReport::default() });
        sum.add(WorkerReport { cut, ..WorkerReport::default() });
        assert_eq!(sum.cut_count(), 5000);
        assert!(write(&FromWorker::Ended { report: sum }).unwrap().len() < 60_000);
    }

    #[test]
    fn large_numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
