//! The supervisor's loop: one thread that waits, asks the plan, and does what it says.
//!
//! In: processes that end, messages, signals, commands, time. Out: [`Event`]s to the plan, [`Action`]s to
//! `effects`. Parses nothing from the network, runs no application code.

mod adopt;
mod ask;
mod check;
mod effects;
mod handle;
mod measure;
mod receipt;

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr};
use rustix::process::Pid;
use rustix::time::{ClockId, Timespec, clock_gettime};

use crate::channel::Channel;
use crate::claim::Claim;
use crate::cluster::{Cluster, Outcome};
use crate::error::{Error, Result};
use crate::message::WorkerReport;
use crate::notify::{Notifier, NotifySocket, State as Said};
use crate::page::Page;
use crate::plan::{Action, Command, Event, Moment, Stage, State, WorkerId, plan};
use crate::sys::signals::Signals;
use crate::worker::PAUSE;
use ask::Asks;
use check::Checking;
pub(crate) use handle::Handle;
use receipt::Tally;

/// How often counters and signs of life are read.
const LOOK: Duration = Duration::from_secs(1);
/// Rows of counters beside those that are needed at once.
const SPARE_LANES: usize = 192;

const SIGNALS: [i32; 10] = [
    libc::SIGTERM,
    libc::SIGQUIT,
    libc::SIGINT,
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGTTIN,
    libc::SIGTTOU,
    libc::SIGCHLD,
    libc::SIGPIPE,
];

/// Supervises `cluster` under the name of `claim` until it is stopped.
///
/// Blocks this thread, which must be the only one of the process. While it runs, SIGTERM and SIGQUIT stop
/// gracefully, SIGINT at once, SIGHUP reloads, SIGUSR1 opens logs anew, SIGUSR2 replaces the supervisor's
/// own program, SIGTTIN and SIGTTOU mean a worker more or fewer.
///
/// # Errors
///
/// The system refuses what a supervisor needs. Workers that were started are ended then.
pub fn supervise(claim: Claim, cluster: Cluster) -> Result<Outcome> {
    let mut supervisor = Supervisor::new(claim, cluster)?;
    supervisor.run()
}

/// A moment, now.
fn now() -> Moment {
    let time = clock_gettime(ClockId::Monotonic);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

pub(crate) struct Supervisor {
    pub(crate) claim: Claim,
    pub(crate) cluster: Cluster,
    pub(crate) state: State,
    pub(crate) handles: BTreeMap<WorkerId, Handle>,
    pub(crate) page: Page,
    pub(crate) notify: NotifySocket,
    manager: Option<Notifier>,
    signals: Signals,
    pub(crate) control: Channel,
    asks: Asks,
    /// Until when nobody is let in at the control socket: there was no descriptor for who came.
    pub(crate) deaf_until: Moment,
    /// The program of each generation, kept open: a file that is replaced does not change what runs.
    pub(crate) programs: BTreeMap<u32, OwnedFd>,
    checking: Option<Checking>,
    tallies: Vec<Tally>,
    /// Counters of workers that are gone.
    retired: Vec<u64>,
    pub(crate) began: Moment,
    looked: Moment,
    /// Workers that were stuck and have not said yet what they were doing.
    unexplained: Vec<WorkerId>,
    stop_began: Option<Moment>,
    open_at_stop: u64,
    last_report: WorkerReport,
    cores: Vec<usize>,
    outcome: Option<Outcome>,
    /// Whether it was started at a terminal.
    has_terminal: bool,
}

impl Supervisor {
    fn new(mut claim: Claim, cluster: Cluster) -> Result<Self> {
        let signals = Signals::block(&SIGNALS).map_err(Error::system("watch for signals"))?;
        let kept = claim.kept.take();
        let began = now();
        let lanes = cluster.workers * cluster.threads.max(1) * 2 + SPARE_LANES;
        let orphan_page = claim.orphans.iter_mut().find_map(|orphan| orphan.page.take());
        let (page, notify, control, state, handles, programs, began) = match kept {
            Some(kept) => kept.unpack()?,
            None => {
                let page = match orphan_page {
                    Some(page) => page,
                    None => Page::create(lanes).map_err(Error::system("share memory with workers"))?,
                };
                let notify = NotifySocket::bind().map_err(Error::system("listen to workers"))?;
                let path = claim.folder.control(&claim.name);
                let control = Channel::listen(&path).map_err(Error::system("open the control socket"))?;
                let state = State::new(cluster.policy.clone(), cluster.workers);
                (page, notify, control, state, BTreeMap::new(), BTreeMap::new(), began)
            }
        };
        let mut supervisor = Self {
            retired: vec![0; cluster.counters.len()],
            claim,
            state,
            handles,
            page,
            notify,
            manager: Notifier::from_environment(),
            signals,
            control,
            asks: Asks::default(),
            deaf_until: Duration::ZERO,
            programs,
            checking: None,
            tallies: Vec::new(),
            began,
            looked: Duration::ZERO,
            unexplained: Vec::new(),
            stop_began: None,
            open_at_stop: 0,
            last_report: WorkerReport::default(),
            cores: crate::placement::affinity(),
            cluster,
            outcome: None,
            has_terminal: rustix::termios::isatty(std::io::stderr()),
        };
        supervisor.state.policy = supervisor.cluster.policy.clone();
        supervisor.take_in_orphans();
        Ok(supervisor)
    }

    fn run(&mut self) -> Result<Outcome> {
        self.open_program(self.state.generation).map_err(Error::system("open the program"))?;
        if self.state.is_up {
            // This process supervised before, under another program.
            self.announce(crate::plan::Announcement::Ready);
            if let Some(on_ready) = self.cluster.on_ready.take() {
                on_ready();
            }
        }
        self.happen(Event::Begin);
        loop {
            if let Some(outcome) = self.outcome.take() {
                self.clean_up();
                return Ok(outcome);
            }
            self.wait();
            let time = now();
            if time.saturating_sub(self.looked) >= LOOK {
                self.looked = time;
                self.look();
                self.explain_late();
                self.reap_strangers();
            }
            self.take_for_ready(time);
            self.limit_check(time);
            self.happen(Event::Tick);
        }
    }

    /// Programs that do not say READY are ready when they have run for a moment.
    fn take_for_ready(&mut self, time: Moment) {
        let Some(after) = self.cluster.ready_after else { return };
        let starting = self.state.workers.iter().filter(|(_, worker)| {
            matches!(worker.stage, Stage::Starting { .. }) && worker.started + after <= time
        });
        let ids: Vec<WorkerId> = starting.map(|(id, _)| *id).collect();
        for worker in ids {
            self.happen(Event::Ready { worker });
        }
    }

    /// Lets the plan decide, and does it. What that makes happen is decided on in turn.
    fn happen(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let actions = plan(&mut self.state, event, now());
            for action in actions {
                events.extend(self.act(action));
            }
        }
    }

    /// Until something happens or is due; then hears everyone who has something to say.
    fn wait(&mut self) {
        let time = now();
        let mut due = self.looked + LOOK;
        if let Some(at) = self.state.due() {
            due = due.min(at);
        }
        if let Some(at) = self.checking.as_ref().and_then(Checking::until) {
            due = due.min(at);
        }
        if let Some(after) = self.cluster.ready_after {
            let starting =
                self.state.workers.values().filter(|worker| matches!(worker.stage, Stage::Starting { .. }));
            due = starting.map(|worker| worker.started + after).fold(due, Moment::min);
        }
        let is_deaf = self.deaf_until > time;
        if is_deaf {
            due = due.min(self.deaf_until);
        }
        // A look a second is for those who serve; nobody else needs to be woken.
        let rest = due.saturating_sub(time) + Duration::from_millis(1);
        let timeout = Timespec {
            tv_sec: i64::try_from(rest.as_secs()).unwrap_or(1),
            tv_nsec: i64::from(rest.subsec_nanos()),
        };
        let heard = {
            let (mut waited, whose) = self.waited_for(is_deaf);
            if let Err(error) = retry_on_intr(|| poll(&mut waited, Some(&timeout))) {
                drop(waited);
                return self.wait_blindly(error, is_deaf);
            }
            let speaks = waited.iter().map(|fd| !fd.revents().is_empty());
            whose
                .into_iter()
                .zip(speaks)
                .filter_map(|(who, speaks)| speaks.then_some(who))
                .collect::<Vec<_>>()
        };
        // Messages first: a worker's last words come before its end.
        for who in heard {
            self.hear(who);
        }
    }

    /// The system has no memory to wait with, or the limit of descriptors was lowered beneath those that are open.
    /// Workers serve on; only signals are heard until it is over.
    fn wait_blindly(&mut self, error: Errno, was_told: bool) {
        if !was_told {
            tracing::warn!(%error, "cannot wait for workers; trying again");
        }
        self.deaf_until = now() + LOOK;
        std::thread::sleep(PAUSE);
        self.hear_signals();
    }

    fn waited_for(&self, is_deaf: bool) -> (Vec<PollFd<'_>>, Vec<Who>) {
        let mut descriptors = Vec::new();
        let mut whose = Vec::new();
        let mut add = |descriptor, who| {
            whose.push(who);
            descriptors.push(PollFd::from_borrowed_fd(descriptor, PollFlags::IN));
        };
        add(self.signals.as_fd(), Who::Signals);
        add(self.notify.as_fd(), Who::Notify);
        if !is_deaf {
            add(self.control.as_fd(), Who::Control);
        }
        for (asker, channel) in self.asks.waiting() {
            add(channel.as_fd(), Who::Asker(asker));
        }
        if let Some(checking) = &self.checking {
            add(checking.as_fd(), Who::Check);
        }
        for (id, handle) in &self.handles {
            if let Some(channel) = &handle.channel {
                add(channel.as_fd(), Who::Worker(*id));
            }
        }
        for (id, handle) in &self.handles {
            add(handle.pidfd.as_fd(), Who::Process(*id));
        }
        (descriptors, whose)
    }

    fn hear(&mut self, who: Who) {
        match who {
            Who::Signals => self.hear_signals(),
            Who::Notify => self.hear_notifications(),
            Who::Control => self.let_in(),
            Who::Asker(asker) => self.hear_asker(asker),
            Who::Check => self.hear_check(),
            Who::Worker(id) => self.hear_worker(id),
            Who::Process(id) => self.bury(id),
        }
    }

    fn hear_signals(&mut self) {
        let Ok(signals) = self.signals.read() else { return };
        for signal in signals {
            let command = match signal.number {
                libc::SIGTERM | libc::SIGQUIT => Command::Stop { fast: false },
                libc::SIGINT => Command::Stop { fast: true },
                // The terminal went away: nobody asked for a reload, and nobody can stop it with Ctrl-C.
                libc::SIGHUP if signal.from_pid == 0 && self.has_terminal => Command::Stop { fast: false },
                libc::SIGHUP => Command::Reload,
                libc::SIGUSR1 => Command::Reopen,
                libc::SIGUSR2 => Command::Upgrade,
                libc::SIGTTIN => Command::More,
                libc::SIGTTOU => Command::Fewer,
                libc::SIGCHLD => {
                    self.reap_strangers();
                    continue;
                }
                _ => continue,
            };
            self.happen(Event::Command { command, asker: None });
        }
    }

    fn hear_notifications(&mut self) {
        // Others get their turn, however much is said.
        for _ in 0..64 {
            let Ok(Some((pid, said))) = self.notify.recv() else { return };
            let Some(id) = self.worker_of(pid) else { continue };
            for state in said {
                match state {
                    Said::Ready => self.happen(Event::Ready { worker: id }),
                    Said::Stopping => self.happen(Event::Leaving { worker: id }),
                    Said::Watchdog => {
                        if let Some(handle) = self.handles.get_mut(&id) {
                            handle.beats = true;
                        }
                        self.happen(Event::Beat { worker: id });
                    }
                    Said::Status(text) => {
                        if let Some(handle) = self.handles.get_mut(&id) {
                            handle.said = text;
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// The worker with this process id, or whose child it is: a program may be started by a shell.
    fn worker_of(&self, pid: Pid) -> Option<WorkerId> {
        let exact = |pid: Pid| self.handles.iter().find(|(_, handle)| handle.pid == pid).map(|(id, _)| *id);
        exact(pid).or_else(|| {
            // Every worker leads a process group of its own.
            rustix::process::getpgid(Some(pid)).ok().and_then(exact)
        })
    }

    /// In a container this process may be the first one, and inherits everyone's orphans.
    fn reap_strangers(&self) {
        if rustix::process::getpid().as_raw_nonzero().get() != 1 {
            return;
        }
        measure::reap_orphans(|pid| {
            self.handles.values().any(|handle| handle.pid == pid)
                || self.checking.as_ref().is_some_and(|checking| checking.pid() == pid)
        });
    }

    fn act(&mut self, action: Action) -> Option<Event> {
        effects::carry_out(self, action)
    }

    /// Says the last word to an operator.
    pub(crate) fn answer(&mut self, asker: Option<crate::plan::Asker>, reply: &crate::message::Reply) {
        if let Some(asker) = asker {
            self.asks.finish(asker, reply);
        }
    }

    /// Says the last word to everyone who waits.
    pub(crate) fn tell_and_forget(&mut self, reply: &crate::message::Reply) {
        self.asks.tell_all(reply);
        self.asks = Asks::default();
    }

    fn clean_up(&mut self) {
        if let Some(checking) = &mut self.checking {
            checking.kill();
        }
        // What cannot be removed is overwritten by the next supervisor.
        let _ = std::fs::remove_file(self.claim.folder.control(&self.claim.name));
    }
}

/// Who may have something to say.
#[derive(Clone, Copy, Debug)]
enum Who {
    Signals,
    Notify,
    Control,
    Asker(u64),
    Check,
    Worker(WorkerId),
    Process(WorkerId),
}
