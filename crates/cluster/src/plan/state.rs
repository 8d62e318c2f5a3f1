//! What the supervisor knows: slots, workers, the change under way.
//!
//! Plain data that can be written down and read back, so that a supervisor can replace itself. Holds no
//! descriptor and no process id: those are `supervisor`'s.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment: the time since the machine started (`CLOCK_MONOTONIC`), the same in every process.
pub(crate) type Moment = Duration;

/// Names one worker process for the life of the application. Never used twice.
pub(crate) type WorkerId = u64;

/// Who waits for the outcome of a command.
pub(crate) type Asker = u64;

/// The times and limits that decide. All have defaults; see [`Policy::default`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// How long a new worker may take to say `READY=1`. Default: 60 s.
    pub start_timeout: Duration,
    /// How long a worker may give no sign of life before it is replaced. Default: 30 s. Zero: never.
    pub stall_timeout: Duration,
    /// How long the first successor of a reload is watched before the others follow. Default: 2 s.
    pub canary: Duration,
    /// When a drain cuts what is left. Default: 30 s. After it come SIGTERM, and SIGKILL.
    pub drain_deadline: Duration,
    /// Replaces a worker after about this many requests, a tenth more or less. Default: never.
    pub max_requests: Option<u64>,
    /// Replaces a worker after this time. Default: never.
    pub max_age: Option<Duration>,
    /// Replaces a worker that holds more memory than this, in bytes (resident set). Default: never.
    pub max_memory: Option<u64>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            start_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(30),
            canary: Duration::from_secs(2),
            drain_deadline: Duration::from_secs(30),
            max_requests: None,
            max_age: None,
            max_memory: None,
        }
    }
}

/// Everything that [`plan`](super::plan) decides by.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) policy: Policy,
    pub(crate) slots: Vec<Slot>,
    pub(crate) workers: BTreeMap<WorkerId, Worker>,
    pub(crate) next_worker: WorkerId,
    /// The generation that serves, from which a slot is restarted.
    pub(crate) generation: u32,
    /// The highest number that was given to a generation.
    pub(crate) newest: u32,
    pub(crate) change: Option<Change>,
    pub(crate) waiting: VecDeque<Wish>,
    /// Changes that are made, but for old workers that still drain.
    pub(crate) settling: Vec<Settling>,
    pub(crate) stopping: Option<Stopping>,
    /// Whether every slot was ready once.
    pub(crate) is_up: bool,
}

/// A worker's place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Slot {
    /// The worker that serves here, or is starting to.
    pub(crate) worker: Option<WorkerId>,
    /// Crashes of the last minute.
    pub(crate) crashes: Vec<Moment>,
    /// Crashes in a row.
    pub(crate) in_a_row: u32,
    pub(crate) restart_at: Option<Moment>,
    pub(crate) is_broken: bool,
    /// The worker's replacement failed; it is not tried again before this, unless it is stuck.
    #[serde(default)]
    pub(crate) spared_until: Option<Moment>,
    /// Workers started here in all, less one.
    pub(crate) restarts: u64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Worker {
    pub(crate) slot: usize,
    pub(crate) generation: u32,
    pub(crate) stage: Stage,
    pub(crate) started: Moment,
    pub(crate) ready: Option<Moment>,
    /// The last sign of life.
    pub(crate) beat: Moment,
    pub(crate) is_stalled: bool,
    /// Answers, and how many of them were failures (5xx).
    pub(crate) requests: u64,
    pub(crate) failures: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Stage {
    Starting {
        until: Moment,
    },
    Serving,
    /// Told to end; SIGTERM and SIGKILL follow if it does not.
    Draining {
        term_at: Option<Moment>,
        kill_at: Moment,
    },
    Killed,
}

/// A replacement of workers, one slot at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) why: Why,
    pub(crate) began: Moment,
    /// The generation that the successors get.
    pub(crate) generation: u32,
    pub(crate) remaining: VecDeque<usize>,
    pub(crate) step: Step,
    /// Slots whose successor serves.
    pub(crate) done: Vec<usize>,
    /// Old workers on their way out.
    pub(crate) draining: BTreeSet<WorkerId>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// The new program is being checked.
    Checking,
    /// Between two slots.
    Between,
    /// The successor is starting.
    Starting { slot: usize, successor: WorkerId },
    /// The successor serves beside the old worker, and is watched.
    Watching { slot: usize, successor: WorkerId, until: Moment, before: (u64, u64) },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Why {
    Reload {
        asker: Option<Asker>,
        from: u32,
    },
    /// Back to the generation before, after a failed reload.
    RollBack {
        from: u32,
    },
    /// One worker, for the reason given.
    Recycle {
        worker: WorkerId,
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settling {
    pub(crate) asker: Option<Asker>,
    pub(crate) receipt: Receipt,
    pub(crate) draining: BTreeSet<WorkerId>,
}

/// What a reload was, for its receipt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) workers: usize,
    pub(crate) began: Moment,
    /// When the last successor served.
    pub(crate) switched: Moment,
}

/// A command that waits for the change under way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Wish {
    Command { command: Command, asker: Option<Asker> },
    Recycle { worker: WorkerId, reason: String },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stopping {
    pub(crate) fast: bool,
    pub(crate) code: u8,
}

/// What an operator can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Command {
    Reload,
    /// All workers anew, all at once.
    Restart,
    Scale(usize),
    More,
    Fewer,
    Stop {
        fast: bool,
    },
    Reopen,
    Upgrade,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Exit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was not our child, so the system does not say.
    Unknown,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exited with code {code}"),
            Self::Signal(9) => f.write_str("was killed (SIGKILL)"),
            Self::Signal(6) => f.write_str("aborted (SIGABRT)"),
            Self::Signal(11) => f.write_str("crashed (SIGSEGV)"),
            Self::Signal(15) => f.write_str("was terminated (SIGTERM)"),
            Self::Signal(signal) => write!(f, "was ended by signal {signal}"),
            Self::Unknown => f.write_str("is gone"),
        }
    }
}

impl State {
    /// A cluster of `workers` that has not begun.
    pub(crate) fn new(policy: Policy, workers: usize) -> Self {
        Self {
            policy,
            slots: vec![Slot::default(); workers.max(1)],
            workers: BTreeMap::new(),
            next_worker: 1,
            generation: 1,
            newest: 1,
            change: None,
            waiting: VecDeque::new(),
            settling: Vec::new(),
            stopping: None,
            is_up: false,
        }
    }

    /// Whether the worker is the successor of the change under way.
    pub(super) fn is_successor(&self, id: WorkerId) -> bool {
        self.change.as_ref().is_some_and(|change| match change.step {
            Step::Starting { successor, .. } | Step::Watching { successor, .. } => successor == id,
            Step::Checking | Step::Between => false,
        })
    }

    /// Whether every slot serves that is not broken. One must.
    pub(super) fn all_serve(&self) -> bool {
        let serves = |slot: &Slot| {
            slot.worker
                .and_then(|id| self.workers.get(&id))
                .is_some_and(|worker| worker.stage == Stage::Serving)
        };
        self.slots.iter().all(|slot| slot.is_broken || serves(slot)) && self.slots.iter().any(serves)
    }

    /// Whether the worker's replacement is under way or in its turn, or it is a replacement itself.
    pub(super) fn is_being_replaced(&self, id: WorkerId) -> bool {
        let changes = self
            .change
            .as_ref()
            .is_some_and(|change| matches!(change.why, Why::Recycle { worker, .. } if worker == id));
        let waits =
            self.waiting.iter().any(|wish| matches!(wish, Wish::Recycle { worker, .. } if *worker == id));
        changes || waits || self.is_successor(id)
    }

    /// Until when a worker is not replaced for its age or its use, since that failed just now.
    pub(super) fn spared_until(&self, id: WorkerId) -> Moment {
        let slot = self.slots.iter().find(|slot| slot.worker == Some(id));
        slot.and_then(|slot| slot.spared_until).unwrap_or_default()
    }

    /// Nobody waits any more for what is under way.
    pub(super) fn forget_askers(&mut self) {
        if let Some(Change { why: Why::Reload { asker, .. }, .. }) = &mut self.change {
            *asker = None;
        }
        for settling in &mut self.settling {
            settling.asker = None;
        }
        for wish in &mut self.waiting {
            if let Wish::Command { asker, .. } = wish {
                *asker = None;
            }
        }
    }

    /// When something is due although nothing happens.
    pub(crate) fn due(&self) -> Option<Moment> {
        let workers = self.workers.values().filter_map(|worker| match worker.stage {
            Stage::Starting { until } => Some(until),
            Stage::Draining { term_at, kill_at } => Some(term_at.unwrap_or(kill_at)),
            Stage::Serving if self.policy.stall_timeout.is_zero() || worker.is_stalled => None,
            Stage::Serving => Some(worker.beat + self.policy.stall_timeout),
            Stage::Killed => None,
        });
        let ages = self.workers.iter().filter_map(|(id, worker)| {
            let age = self.policy.max_age?;
            (worker.stage == Stage::Serving && !self.is_being_replaced(*id))
                .then(|| (worker.started + age).max(self.spared_until(*id)))
        });
        let restarts = self.slots.iter().filter_map(|slot| slot.restart_at);
        let canary = self.change.iter().filter_map(|change| match change.step {
            Step::Watching { until, .. } => Some(until),
            _ => None,
        });
        workers.chain(ages).chain(restarts).chain(canary).min()
    }
}
