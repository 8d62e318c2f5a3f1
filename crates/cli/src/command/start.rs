//! `narae start`: a program of any kind as a cluster.

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;
use narae::Workers;
use narae::cluster::Foreign;

/// Run a program that accepts inherited sockets on every core, supervised
///
/// The sockets are bound here and passed on as systemd does (LISTEN_FDS): they are descriptors 3, 4, … in
/// each worker. A worker is ready when it says READY=1 to NOTIFY_SOCKET, or, with --ready-after, when it
/// has run for a moment. It is told to finish by SIGTERM.
///
/// Node: server.listen({fd: 3}) · uvicorn: --fd 3 · gunicorn: by itself · Rust: the crate listenfd.
#[derive(Debug, Args)]
pub(super) struct Start {
    /// An address to listen on: host:port, or unix:/path. Repeat it for more
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    http: Vec<String>,
    /// How many worker processes, or "auto" for one per core [default: auto]
    #[arg(long, value_name = "COUNT")]
    workers: Option<Workers>,
    /// The name for "narae status" and the others [default: the program's]
    #[arg(long)]
    name: Option<String>,
    /// Workers run as this user. Needs root
    #[arg(long)]
    user: Option<String>,
    /// Workers run in this group
    #[arg(long, requires = "user")]
    group: Option<String>,
    /// Take a worker for ready when it has run this long, in milliseconds; for programs that do not say it
    #[arg(long, value_name = "MILLISECONDS")]
    ready_after: Option<u64>,
    /// How long a worker may take to finish its requests, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    deadline: u64,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<OsString>,
}

impl Start {
    pub(super) fn run(self) -> narae::Result {
        let mut settings = narae::ClusterSettings::default();
        settings.user = self.user;
        settings.group = self.group;
        narae::cluster::run_foreign(Foreign {
            command: self.command,
            addresses: self.http,
            name: self.name,
            workers: self.workers.unwrap_or_default(),
            settings,
            deadline: Duration::from_secs(self.deadline),
            ready_after: self.ready_after.map(Duration::from_millis),
        })
    }
}
