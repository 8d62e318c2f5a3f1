//! What the operator and the glue say about a cluster: its program, its sockets, its policy.
//!
//! Plain data, checked by [`crate::supervise`].

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::plan::Policy;
use crate::privileges::Privileges;

/// A cluster to be supervised.
pub struct Cluster {
    /// How many workers, from 1.
    pub workers: usize,
    /// Event loops of each worker: how many rows of counters it gets.
    pub threads: usize,
    /// The listening sockets; workers find them as descriptors 3, 4, … (`sd_listen_fds(3)`).
    pub sockets: Vec<Socket>,
    /// What a worker runs.
    pub program: Program,
    /// When and how workers are replaced.
    pub policy: Policy,
    /// Whether each slot keeps to one core. Default: no.
    pub pin: bool,
    /// Who the workers are. Default: who the supervisor is. Workers of narae's own become it themselves,
    /// after they have read their certificates.
    pub privileges: Option<Privileges>,
    /// A worker that has run this long counts as ready although it does not say so. Default: it must say
    /// `READY=1`.
    pub ready_after: Option<std::time::Duration>,
    /// Variables that workers get beside the supervisor's own, unless these name them already.
    pub environment: Vec<(String, String)>,
    /// Names of the counters in the order of a row; empty for a foreign program.
    pub counters: &'static [&'static str],
    /// Called when the end begins: to give up what else keeps the sockets open.
    pub on_stopping: Option<Box<dyn FnOnce()>>,
    /// Called when every worker was ready for the first time.
    pub on_ready: Option<Box<dyn FnOnce()>>,
}

/// A listening socket and its name in `LISTEN_FDNAMES`.
#[derive(Debug)]
pub struct Socket {
    /// The socket.
    pub socket: OwnedFd,
    /// Its name: `http`, `https`, or what the service manager called it.
    pub name: String,
    /// Where it listens, for people.
    pub address: String,
}

/// What a worker runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The file; looked up anew for each reload, so that a new version is found.
    pub path: PathBuf,
    /// All arguments, the program's own name first.
    pub arguments: Vec<OsString>,
    /// Whether it is an application of narae, which speaks the supervisor's own messages. Others are told
    /// to leave by SIGTERM.
    pub is_native: bool,
}

/// How a cluster ended.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Outcome {
    /// The exit code that the supervisor should end with.
    pub code: u8,
    /// Connections open when the end began.
    pub open_at_start: u64,
    /// Requests served in all.
    pub requests: u64,
    /// From the wish to stop to the end.
    pub took: std::time::Duration,
    /// What the last drains did.
    pub report: crate::message::WorkerReport,
}
