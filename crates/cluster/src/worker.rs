//! The worker's side: what the supervisor gave it, and the talk with it.
//!
//! In: the environment and descriptors of a process that a supervisor started. Out: a [`Worker`], its
//! counters, and a [`Wish`] at a time. Outlives its supervisor: it serves on, and waits to be taken over by
//! the next one. Never sees a request.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};

use rustix::event::{PollFd, PollFlags, poll};
use serde::{Deserialize, Serialize};

use crate::channel::{Channel, Received};
use crate::message::{self, Adopt, Adopted, FromWorker, ToWorker, VERSION, WorkerReport};
use crate::notify::Notifier;
use crate::page::{Lane, Page};
use crate::sys::inherit;

/// The variable by which a worker knows that it is one: `slot/generation`.
pub const WORKER: &str = "NARAE_WORKER";
/// The variable with the rest of what it needs to know.
pub(crate) const WORKER_STATE: &str = "NARAE_WORKER_STATE";
/// The value of [`WORKER`] for a process that only checks whether it could serve.
pub const CHECK: &str = "check";

/// Rest after the system had no descriptor for someone who knocks.
pub(crate) const PAUSE: std::time::Duration = std::time::Duration::from_millis(50);

/// The variable with the names of the sockets that a checked program would get.
pub(crate) const CHECK_SOCKETS: &str = "NARAE_CHECK_SOCKETS";

/// What a supervisor tells a worker of narae's own, in its environment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct WorkerState {
    pub(crate) version: u32,
    pub(crate) worker: u64,
    pub(crate) slot: usize,
    pub(crate) generation: u32,
    pub(crate) name: String,
    pub(crate) identity: String,
    /// The first row of counters, and how many there are.
    pub(crate) lane: usize,
    pub(crate) lanes: usize,
    /// Numbers of descriptors.
    pub(crate) channel: i32,
    pub(crate) page: i32,
    pub(crate) rendezvous: i32,
    /// The user id that a supervisor must have to take it over, beside root.
    pub(crate) uid: u32,
}

/// This process as a worker.
#[derive(Debug)]
pub struct Worker {
    state: WorkerState,
    /// `None` between the end of one supervisor and the next one.
    channel: Mutex<Option<std::sync::Arc<Channel>>>,
    rendezvous: Channel,
    page: Page,
    /// Copies of the listening sockets, for a supervisor to come.
    listeners: Mutex<Vec<(OwnedFd, String)>>,
    is_leaving: std::sync::atomic::AtomicBool,
}

/// What the supervisor wants.
#[derive(Debug)]
pub enum Wish {
    /// Finish and leave. Idle connections go to a neighbour through the connections' socket, if there is one.
    Drain {
        /// At once: requests under way are cut.
        fast: bool,
        /// Where idle connections go.
        to: Option<Connections>,
    },
    /// Take the connections that come in here, until there are no more.
    Receive(Connections),
    /// Take this connection.
    Connection(OwnedFd, String),
    /// Open the logs anew.
    Reopen,
}

/// The role of this process, by its environment.
#[derive(Debug)]
pub enum Role {
    /// Nobody started it as a worker.
    Alone,
    /// It is to check whether it could serve with sockets of these names, and end.
    Check(Vec<String>),
    /// It is a worker.
    Worker(Box<Worker>),
}

impl Role {
    /// Reads the environment. Descriptors can be taken once.
    ///
    /// # Errors
    ///
    /// The environment says that this is a worker, but what it names is not there.
    pub fn of_this_process() -> io::Result<Self> {
        let Some(worker) = std::env::var_os(WORKER) else { return Ok(Self::Alone) };
        if worker == CHECK {
            let names = std::env::var(CHECK_SOCKETS).unwrap_or_default();
            return Ok(Self::Check(names.split(':').map(str::to_owned).collect()));
        }
        // A program that a worker starts inherits its environment, and is no worker.
        let listen_pid = std::env::var("LISTEN_PID").ok().and_then(|pid| pid.parse::<i32>().ok());
        if listen_pid.is_some_and(|pid| pid != rustix::process::getpid().as_raw_nonzero().get()) {
            return Ok(Self::Alone);
        }
        let bad = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
        let state = std::env::var(WORKER_STATE)
            .map_err(|_| bad("NARAE_WORKER is set, but not by a supervisor; unset it"))?;
        let state: WorkerState = message::read(state.as_bytes())?;
        if state.version != VERSION {
            return Err(bad("the supervisor is of another version; restart the application"));
        }
        let channel = Channel::from_fd(inherit::take(state.channel)?);
        let page = Page::open(inherit::take(state.page)?)?;
        let rendezvous = Channel::from_fd(inherit::take(state.rendezvous)?);
        Ok(Self::Worker(Box::new(Worker {
            state,
            channel: Mutex::new(Some(std::sync::Arc::new(channel))),
            rendezvous,
            page,
            listeners: Mutex::default(),
            is_leaving: false.into(),
        })))
    }
}

impl Worker {
    /// Its place, from 0.
    pub fn slot(&self) -> usize {
        self.state.slot
    }

    /// Its generation, from 1; a reload raises it.
    pub fn generation(&self) -> u32 {
        self.state.generation
    }

    /// The application's name.
    pub fn name(&self) -> &str {
        &self.state.name
    }

    /// Its rows of counters, one for each event loop.
    pub fn lanes(&self) -> Vec<Lane> {
        let range = self.state.lane..self.state.lane + self.state.lanes;
        range.filter_map(|lane| self.page.lane(lane)).collect()
    }

    /// Every row of every worker, this one's included.
    pub fn all_lanes(&self) -> Vec<Lane> {
        (0..self.page.lanes()).filter_map(|lane| self.page.lane(lane)).collect()
    }

    /// Keeps copies of the listening sockets for the next supervisor.
    ///
    /// # Errors
    ///
    /// The system has no descriptor left.
    pub fn keep_listeners<'a>(
        &self,
        listeners: impl IntoIterator<Item = (BorrowedFd<'a>, String)>,
    ) -> io::Result<()> {
        let copies = listeners
            .into_iter()
            .map(|(socket, name)| Ok((socket.try_clone_to_owned()?, name)))
            .collect::<io::Result<_>>()?;
        *self.listeners.lock().unwrap_or_else(PoisonError::into_inner) = copies;
        Ok(())
    }

    /// Gives up the copies, so that nothing here keeps an address once the application ends.
    pub fn forget_listeners(&self) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Says `READY=1`: the worker serves.
    ///
    /// # Errors
    ///
    /// The supervisor cannot be reached.
    pub fn ready(&self) -> io::Result<()> {
        match Notifier::from_environment() {
            Some(notifier) => notifier.send("READY=1"),
            None => Err(io::Error::new(io::ErrorKind::NotFound, "NOTIFY_SOCKET is not set")),
        }
    }

    /// Says that the worker leaves, by its own will or a signal's.
    pub fn leaving(&self) {
        self.is_leaving.store(true, std::sync::atomic::Ordering::Relaxed);
        self.tell(&FromWorker::Leaving, &[]).ok();
    }

    /// Says what the drain did. The last word.
    pub fn ended(&self, mut report: WorkerReport) {
        report.shorten();
        self.tell(&FromWorker::Ended { report }, &[]).ok();
    }

    /// Offers a connection to the other workers.
    ///
    /// # Errors
    ///
    /// There is no supervisor now, or it does not take it.
    pub fn pass_on(&self, connection: BorrowedFd<'_>, about: String) -> io::Result<()> {
        let Some(channel) = self.channel() else { return Err(io::ErrorKind::NotConnected.into()) };
        // An accept thread asks: a supervisor that does not listen must not hold it.
        channel.send_now(&message::write(&FromWorker::PassOn { about })?, &[connection])
    }

    fn tell(&self, message: &FromWorker, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let Some(channel) = self.channel() else { return Err(io::ErrorKind::NotConnected.into()) };
        channel.send(&message::write(message)?, descriptors)
    }

    fn channel(&self) -> Option<std::sync::Arc<Channel>> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_channel(&self, channel: Option<Channel>) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = channel.map(std::sync::Arc::new);
    }

    /// Waits for the next wish. Meanwhile a supervisor that died is noticed, and the next one is let in.
    ///
    /// # Errors
    ///
    /// The system refuses to wait.
    pub fn next(&self) -> io::Result<Wish> {
        loop {
            let channel = self.channel();
            let mut waited = vec![PollFd::new(&self.rendezvous, PollFlags::IN)];
            waited.extend(channel.as_ref().map(|channel| PollFd::new(&**channel, PollFlags::IN)));
            match poll(&mut waited, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let is_ready = |index: usize| waited.get(index).is_some_and(|fd| !fd.revents().is_empty());
            let (someone_knocks, channel_speaks) = (is_ready(0), is_ready(1));
            drop(waited);
            if let Some(channel) = channel.filter(|_| channel_speaks) {
                match channel.recv() {
                    Ok(Some((packet, descriptors))) => {
                        if let Some(wish) = self.understand(&packet, descriptors) {
                            return Ok(wish);
                        }
                    }
                    // One message is lost, and not the supervisor.
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        tracing::warn!(%error, "a message of the supervisor is lost");
                    }
                    // The supervisor is gone. The sockets are open all the same: serve on.
                    Ok(None) | Err(_) => self.set_channel(None),
                }
            }
            if someone_knocks {
                match self.rendezvous.accept() {
                    Ok(visitor) => {
                        // Whoever it is, and whatever it says, must not end this worker.
                        let _ = self.be_adopted(visitor);
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // There is no descriptor for the visitor, who waits: so does this thread, and does not ask on.
                    Err(_) => std::thread::sleep(PAUSE),
                }
            }
        }
    }

    fn understand(&self, packet: &[u8], descriptors: Vec<OwnedFd>) -> Option<Wish> {
        let descriptor = descriptors.into_iter().next();
        match message::read(packet).ok()? {
            ToWorker::Drain { fast } => {
                self.is_leaving.store(true, std::sync::atomic::Ordering::Relaxed);
                Some(Wish::Drain { fast, to: descriptor.map(Connections::over) })
            }
            ToWorker::Receive => descriptor.map(|descriptor| Wish::Receive(Connections::over(descriptor))),
            ToWorker::Connection { about } => {
                if descriptor.is_none() {
                    tracing::warn!("a connection was lost: there was no descriptor for it");
                }
                descriptor.map(|socket| Wish::Connection(socket, about))
            }
            ToWorker::Reopen => Some(Wish::Reopen),
            ToWorker::Unknown => None,
        }
    }

    /// Answers a supervisor that wants to take this worker over.
    fn be_adopted(&self, visitor: Channel) -> io::Result<()> {
        let peer = visitor.peer()?;
        let uid = peer.uid.as_raw();
        if uid != 0 && uid != self.state.uid {
            return Ok(());
        }
        // A supervisor speaks at once; a visitor that does not must not hold this thread.
        let mut waited = [PollFd::new(&visitor, PollFlags::IN)];
        let second = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
        if poll(&mut waited, Some(&second))? == 0 {
            return Ok(());
        }
        let Received::Packet(packet, _) = visitor.try_recv()? else { return Ok(()) };
        let wish: Adopt = message::read(&packet)?;
        let reason = if wish.version != VERSION {
            "another version"
        } else if wish.identity != self.state.identity {
            "another application"
        } else if self.channel().is_some_and(|channel| !channel.is_closed()) {
            "supervised"
        } else {
            ""
        };
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = Adopted {
            accepted: reason.is_empty(),
            reason: reason.to_owned(),
            worker: self.state.worker,
            slot: self.state.slot,
            generation: self.state.generation,
            pid: rustix::process::getpid().as_raw_nonzero().get(),
            lane: self.state.lane,
            lanes: self.state.lanes,
            is_leaving: self.is_leaving.load(std::sync::atomic::Ordering::Relaxed),
            listeners: listeners.iter().map(|(_, name)| name.clone()).collect(),
        };
        let mut descriptors = Vec::new();
        if answer.accepted {
            descriptors.push(self.page.fd());
            descriptors.extend(listeners.iter().map(|(socket, _)| socket.as_fd()));
        }
        visitor.send(&message::write(&answer)?, &descriptors)?;
        drop(descriptors);
        drop(listeners);
        if answer.accepted {
            self.set_channel(Some(visitor));
        }
        Ok(())
    }
}

/// Connections on their way from one worker to another.
#[derive(Debug)]
pub struct Connections(Channel);

/// Most connections in one packet; the system allows 253 descriptors.
const AT_ONCE: usize = 64;

impl Connections {
    pub(crate) fn over(descriptor: OwnedFd) -> Self {
        Self(Channel::from_fd(descriptor))
    }

    /// Most connections in one [`send`](Self::send).
    pub const fn at_once() -> usize {
        AT_ONCE
    }

    /// Sends up to [`at_once`](Self::at_once) connections, each with what there is to know about it.
    ///
    /// # Errors
    ///
    /// The other side is gone, and none of them was taken.
    pub fn send(&self, connections: &[(BorrowedFd<'_>, String)]) -> io::Result<()> {
        let abouts: Vec<&str> = connections.iter().map(|(_, about)| about.as_str()).collect();
        let sockets: Vec<BorrowedFd<'_>> = connections.iter().map(|(socket, _)| *socket).collect();
        self.0.send(&message::write(&abouts)?, &sockets)
    }

    /// Waits for more connections. `None`: there are no more. Those for which this process has no descriptor are lost.
    ///
    /// # Errors
    ///
    /// What came is not understood.
    pub fn recv(&self) -> io::Result<Option<Vec<(OwnedFd, String)>>> {
        let Some((packet, sockets)) = self.0.recv()? else { return Ok(None) };
        let abouts: Vec<String> = message::read(&packet)?;
        let lost = abouts.len().saturating_sub(sockets.len());
        if lost > 0 {
            tracing::warn!("{lost} connections were lost: there were no descriptors for them");
        }
        Ok(Some(sockets.into_iter().zip(abouts).collect()))
    }
}
