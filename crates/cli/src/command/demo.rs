//! `narae demo`: the demo site on the server, with its own error pages.

use std::path::PathBuf;
use std::sync::Arc;

use axum::http::request::Parts;
use clap::Args;
use narae::cluster::{Reply, Request, Status};
use narae::prelude::*;
use rustix::process::{Pid, Signal, kill_process};

use super::listen_defaults;
use crate::demo::{self, Cluster, Place, Served, Store};

/// Run the demo site: a small REST application with pages that explain it
///
/// Users and sessions are kept in embedded databases and survive a restart. Nothing else needs to be installed.
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// The folder of the database, users.db, and of the sessions, sessions/
    ///
    /// Default: $XDG_STATE_HOME/narae/demo, which is ~/.local/state/narae/demo as a rule.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    #[command(flatten)]
    flags: narae::Flags,
}

impl Demo {
    pub(super) fn run(self) -> narae::Result {
        let folder = match self.data {
            Some(folder) => folder,
            None => state_folder()?,
        };
        let database = folder.join("users.db");
        let serving = format!("the demo site; its users and sessions are in {}", folder.display());
        let make = move || {
            std::fs::create_dir_all(&folder)
                .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()))?;
            let store = Store::open(&database).map_err(|error| error.to_string())?;
            let sessions = demo::sessions(&folder.join("sessions")).map_err(|error| error.to_string())?;
            Ok::<_, String>(demo::router(store, sessions, served, Arc::new(ThisCluster)))
        };
        let app = narae::app(make).name("demo").serving(serving).error_page(|context| {
            demo::internal_error(demo::Audience::from_head(context.uri(), context.headers()))
        });
        listen_defaults(app, &self.flags)?.flags(self.flags).run()
    }
}

/// What the connection page shows.
fn served(head: &Parts) -> Served {
    let connection = head.extensions.get::<Connection>();
    let protocol = if head.version == axum::http::Version::HTTP_2 {
        "HTTP/2".to_owned()
    } else {
        format!("{:?}", head.version)
    };
    Served {
        protocol,
        tls: connection.and_then(Connection::tls).map(|tls| tls.version.to_owned()),
        client: connection.map_or_else(|| "unknown".to_owned(), |connection| connection.peer().to_string()),
        pid: std::process::id(),
        // In one process without workers, its event loops are what can be told apart.
        worker: match narae::cluster::place() {
            Some(place) => place.slot,
            None => connection.map_or(0, Connection::thread),
        },
    }
}

/// The cluster that this process is a worker of.
struct ThisCluster;

impl Cluster for ThisCluster {
    fn place(&self) -> Option<Place> {
        narae::cluster::place().map(|place| Place { slot: place.slot, generation: place.generation })
    }

    fn status(&self) -> Result<Status, String> {
        let place = narae::cluster::place().ok_or("this process is no worker")?;
        match narae::cluster::ask(&place.name, &Request::Status, |_| {}) {
            Ok(Reply::Status(status)) => Ok(status),
            Ok(_) => Err("the supervisor answers something else".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn kill(&self, pid: i32) -> std::io::Result<()> {
        let pid = Pid::from_raw(pid).ok_or(std::io::ErrorKind::InvalidInput)?;
        Ok(kill_process(pid, Signal::KILL)?)
    }
}

/// The user's own folder for what programs keep: `$XDG_STATE_HOME/narae/demo`.
fn state_folder() -> narae::Result<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("narae/demo"))
        .ok_or_else(|| narae::Error::Application("no home folder: say where with --data FOLDER".into()))
}
