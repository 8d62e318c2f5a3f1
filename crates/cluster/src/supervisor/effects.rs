//! What the plan decided, done.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use rustix::process::Signal;

use crate::channel::Channel;
use crate::cluster::Outcome;
use crate::message::{self, Reply, ToWorker, VERSION};
use crate::plan::{Action, Announcement, Asker, Event, WorkerId};
use crate::sys::spawn::{self, Spawn};
use crate::upgrade::SUPERVISOR;
use crate::worker::{WORKER, WORKER_STATE, WorkerState};

use super::check::Purpose;
use super::handle::Handle;
use super::{Supervisor, now};

/// Variables that speak of this process and not of a worker.
const OUR_OWN: [&str; 9] = [
    SUPERVISOR,
    "LISTEN_FDS",
    "LISTEN_FDNAMES",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    WORKER,
    WORKER_STATE,
];

/// Does it. What happened at once by it comes back.
pub(super) fn carry_out(supervisor: &mut Supervisor, action: Action) -> Option<Event> {
    match action {
        Action::Check { generation } => {
            supervisor.begin_tally(generation);
            let outcome = supervisor.begin_check(Purpose::Reload(generation))?;
            return Some(Event::Checked { outcome });
        }
        Action::Spawn { worker, slot, generation } => {
            if let Err(error) = supervisor.spawn(worker, slot, generation) {
                return Some(Event::SpawnFailed { worker, reason: error.to_string() });
            }
        }
        Action::Drain { worker, to, fast } => supervisor.drain(worker, to, fast),
        Action::Terminate { worker } => supervisor.signal(worker, Signal::TERM),
        Action::Kill { worker } => supervisor.signal(worker, Signal::KILL),
        Action::Evidence { worker } => {
            if !supervisor.explain(worker) {
                supervisor.unexplained.push(worker);
            }
        }
        Action::Reopen => {
            for handle in supervisor.handles.values() {
                // A foreign program gets no signal for it: many end by SIGUSR1, and Node opens its debugger.
                handle.tell(&ToWorker::Reopen, &[]);
            }
        }
        Action::Forget { generation } => {
            supervisor.programs.remove(&generation);
        }
        Action::Upgrade { asker } => {
            if let Some(outcome) = supervisor.begin_check(Purpose::Upgrade(asker)) {
                supervisor.upgrade(asker, outcome);
            }
        }
        Action::Progress { asker, text } => {
            tracing::info!("{text}");
            tell(supervisor, asker, &Reply::Progress { text });
        }
        Action::Receipt { asker, receipt } => {
            let receipt = supervisor.receipt(&receipt);
            tracing::info!("{receipt}");
            finish(supervisor, asker, &Reply::Receipt(receipt));
        }
        Action::Done { asker, text } => {
            tracing::info!("{text}");
            if supervisor.state.stopping.is_some() {
                // Whoever stops it waits for the end.
                tell(supervisor, asker, &Reply::Progress { text });
            } else {
                finish(supervisor, asker, &Reply::Done { text });
            }
        }
        Action::Failed { asker, reason } => {
            tracing::error!("{reason}");
            supervisor.forget_tallies();
            finish(supervisor, asker, &Reply::Failed { reason });
        }
        Action::Info(text) => tracing::info!("{text}"),
        Action::Warn(text) => tracing::warn!("{text}"),
        Action::Announce(announcement) => {
            if announcement == Announcement::Stopping {
                supervisor.stop_began = Some(now());
                supervisor.open_at_stop = supervisor.total("open");
                // Whoever connects from here on is refused at once, and does not wait for nobody.
                supervisor.cluster.sockets.clear();
                if let Some(on_stopping) = supervisor.cluster.on_stopping.take() {
                    on_stopping();
                }
            }
            supervisor.announce(announcement);
            if announcement == Announcement::Ready
                && let Some(on_ready) = supervisor.cluster.on_ready.take()
            {
                on_ready();
            }
        }
        Action::Exit { code } => supervisor.end(code),
    }
    None
}

fn tell(supervisor: &mut Supervisor, asker: Option<Asker>, reply: &Reply) {
    if let Some(asker) = asker {
        supervisor.asks.tell(asker, reply);
    }
}

fn finish(supervisor: &mut Supervisor, asker: Option<Asker>, reply: &Reply) {
    if let Some(asker) = asker {
        supervisor.asks.finish(asker, reply);
    }
}

impl Supervisor {
    fn end(&mut self, code: u8) {
        let took = self.stop_began.map_or_else(Default::default, |began| now().saturating_sub(began));
        let report = std::mem::take(&mut self.last_report);
        let text = format!("stopped in {:.1} s · cut {}", took.as_secs_f64(), report.cut_count());
        self.asks.tell_all(&Reply::Done { text });
        self.outcome = Some(Outcome {
            code,
            open_at_start: self.open_at_stop,
            requests: self.total("requests"),
            took,
            report,
        });
    }

    fn signal(&self, worker: WorkerId, signal: Signal) {
        if let Some(handle) = self.handles.get(&worker) {
            handle.signal(signal);
        }
    }

    /// Tells a worker to leave; its idle connections go to another one over a channel of their own.
    fn drain(&mut self, worker: WorkerId, to: Option<WorkerId>, fast: bool) {
        let Some(handle) = self.handles.get(&worker) else { return };
        let heir = to.and_then(|to| self.handles.get(&to));
        if let Some(heir) = heir.filter(|heir| heir.channel.is_some() && !fast)
            && let Ok((goes_out, comes_in)) = Channel::pair()
            && heir.tell(&ToWorker::Receive, &[comes_in.as_fd()])
            && handle.tell(&ToWorker::Drain { fast }, &[goes_out.as_fd()])
        {
            return;
        }
        if !handle.tell(&ToWorker::Drain { fast }, &[]) {
            handle.signal(Signal::TERM);
        }
    }

    /// Tells the service manager, if there is one, how things are.
    pub(super) fn announce(&self, announcement: Announcement) {
        let Some(manager) = &self.manager else { return };
        let micros = now().as_micros();
        let workers = self.state.slots.len();
        let text = match announcement {
            Announcement::Ready => format!(
                "READY=1\nSTATUS=generation {}, {workers} workers\nMAINPID={}",
                self.state.generation,
                rustix::process::getpid().as_raw_nonzero()
            ),
            Announcement::Reloading => format!("RELOADING=1\nMONOTONIC_USEC={micros}\nSTATUS=reloading"),
            Announcement::Stopping => "STOPPING=1\nSTATUS=finishing requests".to_owned(),
        };
        if let Err(error) = manager.send(&text) {
            tracing::warn!("the service manager cannot be told: {error}");
        }
    }

    /// This process's environment without what speaks of this process.
    pub(super) fn plain_environment(&self) -> Vec<(OsString, OsString)> {
        std::env::vars_os().filter(|(name, _)| !OUR_OWN.iter().any(|own| name == own)).collect()
    }

    pub(super) fn rendezvous_path(&self, worker: WorkerId) -> PathBuf {
        self.claim.folder.worker_socket(&self.claim.name, worker)
    }

    fn spawn(&mut self, worker: WorkerId, slot: usize, generation: u32) -> io::Result<()> {
        let lanes = self.cluster.threads.max(1);
        let lane = self.free_lanes(lanes).ok_or_else(|| io::Error::other("no row of counters is free"))?;
        for lane in (lane..lane + lanes).filter_map(|lane| self.page.lane(lane)) {
            lane.clear();
        }
        let mut environment = self.plain_environment();
        for (name, value) in &self.cluster.environment {
            if environment.iter().all(|(known, _)| known != name.as_str()) {
                environment.push((name.into(), value.into()));
            }
        }
        let mut set = |name: &str, value: String| environment.push((name.into(), value.into()));
        let sockets = &self.cluster.sockets;
        let names: Vec<&str> = sockets.iter().map(|socket| socket.name.as_str()).collect();
        set("LISTEN_FDS", sockets.len().to_string());
        set("LISTEN_FDNAMES", names.join(":"));
        set("NOTIFY_SOCKET", self.notify.address().to_owned());
        let mut descriptors: Vec<BorrowedFd<'_>> =
            sockets.iter().map(|socket| socket.socket.as_fd()).collect();
        let is_native = self.cluster.program.is_native;
        let mut ours = None;
        let native; // lives as long as the descriptors are borrowed
        if is_native {
            let (here, there) = Channel::pair()?;
            let rendezvous = Channel::listen(&self.rendezvous_path(worker))?;
            native = (there, rendezvous);
            let first = 3 + i32::try_from(descriptors.len()).map_err(io::Error::other)?;
            let state = WorkerState {
                version: VERSION,
                worker,
                slot,
                generation,
                name: self.claim.name.clone(),
                identity: self.claim.identity.clone(),
                lane,
                lanes,
                channel: first,
                page: first + 1,
                rendezvous: first + 2,
                uid: rustix::process::geteuid().as_raw(),
            };
            set(WORKER, format!("{slot}/{generation}"));
            set(WORKER_STATE, String::from_utf8_lossy(&message::write(&state)?).into_owned());
            descriptors.extend([native.0.as_fd(), self.page.fd(), native.1.as_fd()]);
            ours = Some(here);
        } else if !self.state.policy.stall_timeout.is_zero() {
            set("WATCHDOG_USEC", self.state.policy.stall_timeout.as_micros().to_string());
        }
        let program = match self.programs.get(&generation).filter(|_| is_native) {
            Some(file) => spawn::Program::Descriptor(file.as_fd()),
            None => spawn::Program::Path(self.cluster.program.path.clone()),
        };
        let core =
            self.cluster.pin.then(|| self.cores.get(slot % self.cores.len().max(1)).copied()).flatten();
        let child = spawn::spawn(&Spawn {
            program,
            arguments: self.cluster.program.arguments.clone(),
            environment,
            sockets: descriptors,
            set_listen_pid: true,
            core,
            // A worker of narae's own reads its certificates first.
            privileges: if is_native { None } else { self.cluster.privileges.clone() },
            no_new_privs: true,
            stdout: None,
            stderr: None,
            stdin_null: true,
        })?;
        self.handles.insert(worker, Handle::new(child.pid, child.pidfd, ours, lane..lane + lanes));
        Ok(())
    }
}
