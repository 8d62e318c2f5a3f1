//! What happens to the supervisor, and what it does about it.

use super::state::{Asker, Command, Exit, Receipt, WorkerId};

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Event {
    /// The supervisor begins; workers that were taken over are in the state already.
    Begin,
    /// `READY=1`.
    Ready { worker: WorkerId },
    /// The worker leaves by its own will, or because someone else told it to.
    Leaving { worker: WorkerId },
    /// A sign of life.
    Beat { worker: WorkerId },
    /// The process could not be made.
    SpawnFailed { worker: WorkerId, reason: String },
    /// The process is gone.
    Exited { worker: WorkerId, exit: Exit },
    /// What the worker did so far, and the memory it holds.
    Measured { worker: WorkerId, requests: u64, failures: u64, memory: u64 },
    /// An operator's command, by signal or control socket.
    Command { command: Command, asker: Option<Asker> },
    /// The outcome of [`Action::Check`].
    Checked { outcome: Result<(), String> },
    /// Time has passed.
    Tick,
}

/// Something to do. Carried out in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Action {
    /// Check the program on the disk, as it is now, and keep it as the program of this generation.
    Check { generation: u32 },
    /// Start a worker.
    Spawn { worker: WorkerId, slot: usize, generation: u32 },
    /// Tell a worker to finish and leave. Its idle connections go `to` another.
    Drain { worker: WorkerId, to: Option<WorkerId>, fast: bool },
    /// Ask a worker to end, by SIGTERM.
    Terminate { worker: WorkerId },
    /// End a worker, by SIGKILL.
    Kill { worker: WorkerId },
    /// Write down what a stalled worker was doing.
    Evidence { worker: WorkerId },
    /// Tell every worker to open its logs anew.
    Reopen,
    /// The program of this generation is not needed any more.
    Forget { generation: u32 },
    /// Become the program on the disk, with the same process id.
    Upgrade { asker: Option<Asker> },
    /// Tell an operator who waits how far it is.
    Progress { asker: Option<Asker>, text: String },
    /// A reload is done; old workers are gone.
    Receipt { asker: Option<Asker>, receipt: Receipt },
    /// A command is done.
    Done { asker: Option<Asker>, text: String },
    /// A command failed.
    Failed { asker: Option<Asker>, reason: String },
    /// Worth a line in the log.
    Info(String),
    /// Worth an operator's attention.
    Warn(String),
    /// Tell the service manager.
    Announce(Announcement),
    /// Everything is over.
    Exit { code: u8 },
}

/// What the service manager is told (`sd_notify(3)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announcement {
    Ready,
    Reloading,
    Stopping,
}
