//! A supervisor and its worker processes: shared sockets, reload without loss, self-healing, control.
//!
//! The supervisor is one thread that waits: no async runtime, no HTTP, no TLS, no code of the application.
//! It starts workers ([`supervise`]) that find their sockets as systemd would pass them (`LISTEN_FDS`) and
//! say `READY=1` to `NOTIFY_SOCKET`, so any program that knows socket activation can be one. A worker of
//! narae's own ([`Role`], [`Worker`]) also has a channel for messages and idle connections, and counters in
//! shared memory. The `narae` command speaks with supervisors through [`ask`].

#![deny(unsafe_code)]

mod cluster;
mod error;
mod message;
mod plan;

mod claim;
mod supervisor;
mod upgrade;

mod control;
mod worker;

mod channel;
mod notify;
mod page;
mod placement;
mod privileges;
mod runtime_folder;

mod sys;

pub use claim::Claim;
pub use cluster::{Cluster, Outcome, Program, Socket};
pub use control::{ask, names};
pub use error::{Error, Result};
pub use message::{Receipt, Reply, Request, Status, WorkerReport, WorkerStatus};
pub use notify::Notifier;
pub use page::{COUNTERS, Lane};
pub use placement::cores;
pub use plan::{Exit, Policy};
pub use privileges::{Privileges, no_new_privileges};
pub use runtime_folder::valid_name;
pub use supervisor::supervise;
pub use sys::memory::{give_back_memory, prompt_allocator};
pub use worker::{CHECK, Connections, Role, WORKER, Wish, Worker};
