//! A server that serves: what it tells, how it is stopped, and the wait for its end.
//!
//! In: a wish to stop. Out: the [`Report`]. Owns the threads.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Instant;

use crate::drain::{Drain, DrainSettings, Report};
use crate::handed::{Adopter, Handed};
use crate::limits::LONGEST;
use crate::listen::{Listener, Local};
use crate::observer::{Observer, Underway};
use crate::tally::Counts;

pub(crate) enum Message {
    Stop(DrainSettings),
    LoopEnded,
}

/// Tells the owner that a loop has ended, in whatever way.
pub(crate) struct Ended(pub(crate) Sender<Message>);

impl Drop for Ended {
    fn drop(&mut self) {
        // Nobody may be waiting; then nobody needs to know.
        let _ = self.0.send(Message::LoopEnded);
    }
}

/// A server that serves. Dropping it lets it serve on without an owner; stop it with [`Running::stop`].
pub struct Running {
    pub(crate) observer: Observer,
    pub(crate) adopter: Adopter,
    pub(crate) drain: Drain,
    pub(crate) control: Receiver<Message>,
    pub(crate) messages: Sender<Message>,
    pub(crate) threads: Vec<JoinHandle<()>>,
    pub(crate) accept_threads: Vec<JoinHandle<()>>,
    pub(crate) listeners: Vec<Listener>,
}

impl Running {
    /// Where the server listens, in the order of [`Builder::listen`](crate::Builder::listen).
    pub fn locals(&self) -> Vec<Local> {
        self.listeners.iter().map(Listener::local).collect()
    }

    /// The Internet address of the listener at `index`, with the port that the system chose.
    pub fn address(&self, index: usize) -> Option<SocketAddr> {
        self.listeners.get(index)?.local().address()
    }

    /// What the server has done so far.
    pub fn counts(&self) -> Counts {
        self.observer.counts()
    }

    /// Connections open now, per event loop.
    pub fn spread(&self) -> Vec<u64> {
        self.observer.spread()
    }

    /// The requests that have been under way for the longest time. See [`Observer::oldest_requests`].
    pub fn oldest_requests(&self, limit: usize) -> Vec<Underway> {
        self.observer.oldest_requests(limit)
    }

    /// A view of the server for other threads, also while [`Running::wait`] waits.
    pub fn observer(&self) -> Observer {
        self.observer.clone()
    }

    /// A handle that takes connections in from another process.
    pub fn adopter(&self) -> Adopter {
        self.adopter.clone()
    }

    /// A handle with which another thread, or a signal, stops the server.
    pub fn stopper(&self) -> Stopper {
        Stopper { messages: self.messages.clone(), drain: self.drain.clone() }
    }

    /// Stops gracefully and waits for the end. See [`Running::wait`].
    pub fn stop(self, settings: DrainSettings) -> Report {
        self.stopper().stop(settings);
        self.wait()
    }

    /// Waits until someone stops the server and the drain is over.
    ///
    /// The drain: nothing new is accepted. Requests under way are finished, and told `Connection: close`.
    /// Idle HTTP/1 connections are still answered for `linger`, once, then closed. HTTP/2 peers get
    /// `GOAWAY` in two steps. Handlers with endless answers are told by
    /// [`Shutdown`](crate::Shutdown). What is left at `deadline` is cut, counted and named.
    ///
    /// With [`Accept::Threads`](crate::Accept::Threads) a drain takes up to 0.2 s: what an accept thread takes
    /// from the shared queue until it has noticed is served too.
    pub fn wait(mut self) -> Report {
        let mut left = self.threads.len();
        let settings = loop {
            match self.control.recv() {
                Ok(Message::Stop(settings)) => break settings,
                // It panicked, and the others serve on; or it was the first to notice that all stop.
                Ok(Message::LoopEnded) => left -= 1,
                Err(_) => break DrainSettings::default(),
            }
        };
        self.drain.begin(settings, None);
        // Whoever connects from here on is refused at once, or served by a successor on the same port.
        self.listeners.clear();
        let began = self.drain.began().unwrap_or_else(Instant::now);
        let mut report = Report { open_at_start: self.drain.open_at_start(), ..Report::default() };
        if !self.ends_before(self.drain.deadline().unwrap_or(began), left) {
            self.drain.cut(&mut report);
        }
        for thread in self.threads.drain(..).chain(self.accept_threads.drain(..)) {
            // A panic of an event loop was printed by the panic hook.
            let _ = thread.join();
        }
        self.drain.finish();
        report.handed_over = self.drain.handed_over();
        report.counts = self.counts();
        report.took = began.elapsed();
        report
    }

    /// Waits for the loops that are `left`. A second wish to stop can bring the deadline nearer.
    fn ends_before(&self, mut deadline: Instant, mut left: usize) -> bool {
        while left > 0 {
            match self.control.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Message::LoopEnded) => left -= 1,
                Ok(Message::Stop(again)) => {
                    deadline = deadline.min(Instant::now() + again.deadline.min(LONGEST));
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return false,
            }
        }
        true
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The loops serve on; so the files of their Unix sockets stay.
        for listener in &mut self.listeners {
            listener.keep_file();
        }
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("locals", &self.locals()).field("counts", &self.counts()).finish()
    }
}

/// Stops a server from elsewhere. A second call with a nearer deadline hurries the first.
#[derive(Clone)]
pub struct Stopper {
    messages: Sender<Message>,
    drain: Drain,
}

impl Stopper {
    /// Begins to stop: from here on nothing is accepted. Returns at once; [`Running::wait`] returns when
    /// the drain is over.
    pub fn stop(&self, settings: DrainSettings) {
        self.begin(settings, None);
    }

    /// As [`Stopper::stop`], but instead of lingering, plain HTTP/1 connections between two requests, and all that have
    /// not said anything yet, are sent to `to` at once; those on which a request is under way when its answer is sent. A
    /// request that begins after this is answered with `Connection: close`. Once `to` is closed, connections linger. `to`
    /// is dropped when the drain is over.
    ///
    /// A connection in the channel belongs to whoever receives it; one that nobody receives is closed with
    /// the channel. If the server is stopping already, this only hurries it.
    pub fn stop_handing_over(&self, settings: DrainSettings, to: Sender<Handed>) {
        self.begin(settings, Some(to));
    }

    fn begin(&self, settings: DrainSettings, to: Option<Sender<Handed>>) {
        self.drain.begin(settings, to);
        // A server that is gone has stopped.
        let _ = self.messages.send(Message::Stop(settings));
    }
}

impl std::fmt::Debug for Stopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stopper")
    }
}
