//! This process as the supervisor: binds the sockets, starts the workers, serves nothing itself.
//!
//! In: settings. Out: the end of the cluster. Runs no event loop and none of the application's code.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use narae_cluster::{Claim, Cluster, Outcome, Policy, Privileges, Program, Socket};
use narae_server::{DrainSettings, Listener};

use crate::banner::{Banner, Line};
use crate::error::{Error, Result};
use crate::run::say;
use crate::settings::{ClusterSettings, Settings, Workers};
use crate::sockets::Sockets;
use crate::{log, process};

/// Most of the text that identifies an application by its command line.
const LONGEST_IDENTITY: usize = 8 * 1024;

/// What workers tell mimalloc, the allocator of the `narae` command and of other programs that chose it. What the
/// supervisor was started with comes before it.
const ALLOCATOR: [(&str, &str); 2] = [
    // What has been free for so many milliseconds goes back to the system. At once (0) would be page after page that is
    // needed again.
    ("MIMALLOC_PURGE_DELAY", "100"),
    // Pages of 2 MiB are more than all that a worker needs, and after a rush each is kept for the little that is left
    // in it.
    ("MIMALLOC_ALLOW_THP", "0"),
];

impl ClusterSettings {
    /// Who the workers are to be; `None`: who the supervisor is.
    pub(crate) fn privileges(&self) -> Result<Option<Privileges>> {
        let Some(user) = &self.user else { return Ok(None) };
        if !rustix::process::geteuid().is_root() {
            let reason =
                format!("only root can become {user}; start the application as root, or without a user");
            return Err(Error::Settings(crate::SettingFault::new("user", reason)));
        }
        let privileges = Privileges::of(user, self.group.as_deref())
            .map_err(|error| Error::Settings(crate::SettingFault::new("user, group", error.to_string())))?;
        Ok(Some(privileges))
    }

    fn policy(&self, drain: DrainSettings) -> Policy {
        Policy {
            start_timeout: self.start_timeout,
            stall_timeout: self.stall_timeout,
            canary: self.canary,
            drain_deadline: drain.deadline,
            max_requests: self.max_requests,
            max_age: self.max_age,
            max_memory: self.max_memory,
        }
    }
}

/// What the banner says, and whether.
pub(crate) struct Introduction {
    pub(crate) name: String,
    pub(crate) serving: Option<String>,
    pub(crate) show: bool,
}

/// Supervises workers of this program until it is stopped.
pub(crate) fn supervise(settings: &Settings, inherited: Vec<Listener>, introduction: Introduction) -> Result {
    let threads = std::fs::read_dir("/proc/self/task").map_or(1, Iterator::count);
    if threads > 1 {
        let reason = "other threads run already, and a supervisor must be alone in its process: call run() \
                      first in a plain main, without a runtime around it; or say workers(0)";
        return Err(Error::Settings(crate::SettingFault::new("App::run", reason)));
    }
    // A mistake is told now, by this process, and not by each worker.
    settings.cluster.privileges()?;
    let path = std::env::current_exe().map_err(narae_server::Error::System)?;
    let program = Program { path, arguments: std::env::args_os().collect(), is_native: true };
    let (name, is_fixed) = settings.name.clone().unwrap_or_else(|| (introduction.name.clone(), false));
    let mut claim = Claim::take(&speakable(&name), is_fixed, &identity(&program, settings))?;
    let (listeners, sockets, development) = sockets(&mut claim, settings, inherited)?;
    let (sockets, addresses): (Vec<Socket>, Vec<Line>) = sockets.into_iter().unzip();
    let workers = process_count(settings.workers);
    let facts = Banner {
        name: introduction.name,
        serving: introduction.serving,
        addresses,
        workers,
        threads: settings.threads.unwrap_or(1),
        command: Some(claim.name().to_owned()),
        development,
    };
    let cluster = Cluster {
        workers,
        threads: settings.threads.unwrap_or(1),
        sockets,
        program,
        policy: settings.cluster.policy(settings.drain),
        pin: settings.cluster.pin,
        privileges: None,
        ready_after: None,
        environment: ALLOCATOR.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        counters: &narae_server::COUNTERS,
        on_stopping: Some(Box::new(move || drop(listeners))),
        on_ready: greeting(&claim, facts, introduction.show),
    };
    let outcome = narae_cluster::supervise(claim, cluster)?;
    end(&outcome, introduction.show)
}

/// What to say when everything serves.
fn greeting(claim: &Claim, facts: Banner, show: bool) -> Option<Box<dyn FnOnce()>> {
    if !show {
        return None;
    }
    let again = if claim.is_upgrade() {
        Some("the supervisor was replaced; its workers served on\n".to_owned())
    } else if claim.orphans() > 0 {
        Some(format!("took over {} workers that had lost their supervisor\n", claim.orphans()))
    } else {
        None
    };
    Some(Box::new(move || {
        let text = facts.text(std::io::stderr().is_terminal() && log::wants_color());
        say(&again.unwrap_or(text));
    }))
}

fn end(outcome: &Outcome, show: bool) -> Result {
    if outcome.code != 0 {
        return Err(Error::Worker { code: outcome.code });
    }
    if show {
        let mut text = format!(
            "drained {} connections in {:.1} s · requests served {} · cut {}\n",
            outcome.open_at_start,
            outcome.took.as_secs_f64(),
            outcome.requests,
            outcome.report.cut_count(),
        );
        for cut in &outcome.report.cut {
            text += &format!("  cut: {cut}\n");
        }
        say(&text);
    }
    Ok(())
}

fn process_count(workers: Workers) -> usize {
    match workers {
        Workers::PerCore => narae_cluster::cores(),
        Workers::Count(count) => count.max(1),
    }
}

type Opened = (Vec<Listener>, Vec<(Socket, Line)>, Option<PathBuf>);

/// The sockets to share: those that are there already, or new ones.
fn sockets(claim: &mut Claim, settings: &Settings, inherited: Vec<Listener>) -> Result<Opened> {
    let names: Vec<&str> = inherited.iter().map(|listener| listener.name().unwrap_or_default()).collect();
    let development = Sockets::check(settings, &names)?;
    if let Some(found) = claim.sockets() {
        let lined = found
            .into_iter()
            .map(|mut socket| {
                let copy = socket.socket.try_clone().map_err(narae_server::Error::System)?;
                let listener = Listener::try_from(copy).map_err(narae_server::Error::System)?;
                let line = Line { tls: socket.name.starts_with("https"), ..Line::of(&listener) };
                socket.address = line.url();
                Ok((socket, line))
            })
            .collect::<Result<_>>()?;
        return Ok((Vec::new(), lined, development));
    }
    let opened = Sockets::open(settings, inherited)?;
    let mut counts = [0, 0];
    let mut lined = Vec::with_capacity(opened.listeners.len());
    for listener in &opened.listeners {
        let kind = if listener.is_tls() { "https" } else { "http" };
        let count = &mut counts[usize::from(listener.is_tls())];
        let name = match listener.name() {
            Some(name) => name.to_owned(),
            None => format!("{kind}.{count}"),
        };
        *count += 1;
        lined.push(shared(listener, name)?);
    }
    Ok((opened.listeners, lined, opened.development))
}

/// What workers get of a listener, and what people read of it.
fn shared(listener: &Listener, name: String) -> Result<(Socket, Line)> {
    let line = Line::of(listener);
    Ok((Socket { socket: listener.descriptor()?, name, address: line.url() }, line))
}

/// A name that the `narae` command can be given.
fn speakable(name: &str) -> String {
    let fine = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' };
    let text: String = name.chars().map(fine).take(56).collect();
    let text = text.trim_start_matches('.');
    if text.is_empty() { "narae".to_owned() } else { text.to_owned() }
}

/// Which application this is: the same program, arguments and folder. Workers that lost their supervisor
/// are taken over only by the same one.
fn identity(program: &Program, settings: &Settings) -> String {
    let folder = std::env::current_dir().unwrap_or_default();
    let mut text = format!("{} in {}:", program.path.display(), folder.display());
    for argument in program.arguments.iter().skip(1) {
        text.push(' ');
        text += &argument.to_string_lossy();
    }
    text += &format!(" http {:?} https {}", settings.http, settings.https.as_ref().map_or(0, Vec::len));
    text.truncate(text.floor_char_boundary(LONGEST_IDENTITY));
    text
}

/// A program of another kind that is to be run as a cluster.
#[doc(hidden)]
#[derive(Debug)]
pub struct Foreign {
    /// The command: program and arguments.
    pub command: Vec<OsString>,
    /// Addresses to bind.
    pub addresses: Vec<String>,
    /// Its name; the program's, if there is none.
    pub name: Option<String>,
    /// How many.
    pub workers: Workers,
    /// When and how workers are replaced.
    pub settings: ClusterSettings,
    /// How long a worker may take to finish.
    pub deadline: std::time::Duration,
    /// A worker that has run this long is ready although it does not say so.
    pub ready_after: Option<std::time::Duration>,
}

/// Runs a program that accepts inherited sockets (`sd_listen_fds(3)`) as a cluster.
///
/// # Errors
///
/// As [`App::run`](crate::App::run).
#[doc(hidden)]
pub fn run_foreign(foreign: Foreign) -> Result {
    log::install_subscriber();
    process::raise_descriptor_limit();
    let Some(first) = foreign.command.first() else {
        return Err(Error::Settings(crate::SettingFault::new("command", "nothing to run")));
    };
    let path = find(first).ok_or_else(|| {
        let reason = format!("no program {} is found", Path::new(first).display());
        Error::Settings(crate::SettingFault::new("command", reason))
    })?;
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let privileges = foreign.settings.privileges()?;
    let identity = format!("{:?} {:?}", foreign.command, foreign.addresses);
    let is_fixed = foreign.name.is_some();
    let name = speakable(&foreign.name.unwrap_or_else(|| stem.clone()));
    let mut claim = Claim::take(&name, is_fixed, &identity)?;
    let mut listeners = Vec::new();
    let (sockets, lines): (Vec<Socket>, Vec<Line>) = match claim.sockets() {
        Some(sockets) => (sockets, Vec::new()),
        None => {
            for address in &foreign.addresses {
                listeners.push(Listener::bind(address)?);
            }
            let lined: Vec<(Socket, Line)> = listeners
                .iter()
                .enumerate()
                .map(|(index, listener)| shared(listener, format!("http.{index}")))
                .collect::<Result<_>>()?;
            lined.into_iter().unzip()
        }
    };
    let workers = process_count(foreign.workers);
    let facts = Banner {
        name: stem,
        serving: Some(format!("{} with the sockets that it inherits", path.display())),
        addresses: lines,
        workers,
        threads: 1,
        command: Some(claim.name().to_owned()),
        development: None,
    };
    let drain = DrainSettings { deadline: foreign.deadline, ..DrainSettings::default() };
    let cluster = Cluster {
        workers,
        threads: 1,
        sockets,
        program: Program { path, arguments: foreign.command, is_native: false },
        policy: foreign.settings.policy(drain),
        pin: foreign.settings.pin,
        privileges,
        ready_after: foreign.ready_after,
        environment: Vec::new(),
        counters: &[],
        on_stopping: Some(Box::new(move || drop(listeners))),
        on_ready: greeting(&claim, facts, true),
    };
    let outcome = narae_cluster::supervise(claim, cluster)?;
    end(&outcome, true)
}

/// Where a command is, as a shell would find it.
fn find(command: &OsString) -> Option<PathBuf> {
    let named = Path::new(command);
    if named.components().count() > 1 {
        return std::path::absolute(named).ok().filter(|path| path.is_file());
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(named)).find(|path| path.is_file())
}
