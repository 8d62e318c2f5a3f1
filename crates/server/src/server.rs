//! The server: listeners, event loops, start and stop.
//!
//! In: listeners, limits, a factory for the application. Out: a [`Running`] server. Owns the threads.

use std::future::Future;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use http::Extensions;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, Semaphore, mpsc as queue};

use crate::application::Application;
use crate::arrival;
use crate::connection::{Connection, Context, Describe};
use crate::drain::{Drain, DrainSettings, Report, Stage};
use crate::error::{BoxError, Error, Result};
use crate::limits::{LONGEST, Limits};
use crate::listen::{Bound, Listener, Local};
use crate::tally::Counts;
use crate::worker::{self, Arrival, Endpoint, Seat};

/// Everything a server needs but the application.
#[derive(Debug)]
pub struct Builder {
    listeners: Vec<Listener>,
    limits: Limits,
    workers: Option<NonZeroUsize>,
    describe: Option<Describe>,
}

impl Builder {
    /// Serves on `listener` too. At least one is needed.
    #[must_use]
    pub fn listen(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Puts other limits on peers. Default: [`Limits::default`].
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How many event loops serve, each on a thread of its own. Default: one per core that this process
    /// may use (affinity and cgroup quota respected).
    #[must_use]
    pub fn workers(mut self, count: NonZeroUsize) -> Self {
        self.workers = Some(count);
        self
    }

    /// Adds request extensions that are the same for all requests of a connection. `describe` runs once for
    /// each connection; what it inserts is cloned into each request.
    #[must_use]
    pub fn describe(mut self, describe: fn(&Connection, &mut Extensions)) -> Self {
        self.describe = Some(describe);
        self
    }

    /// Checks every setting.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if there is no listener or a limit cannot work.
    pub fn build(self) -> Result<Server> {
        if self.listeners.is_empty() {
            return Err(Error::Setting("no listener: give an address with listen()".to_owned()));
        }
        self.limits.check()?;
        let per_core = || thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let workers = self.workers.unwrap_or_else(per_core);
        Ok(Server {
            listeners: self.listeners,
            limits: self.limits.capped(),
            workers,
            describe: self.describe,
        })
    }
}

/// A server that is bound but does not serve yet: connections wait in the kernel.
#[derive(Debug)]
pub struct Server {
    listeners: Vec<Listener>,
    limits: Limits,
    workers: NonZeroUsize,
    describe: Option<Describe>,
}

impl Server {
    /// Begins with no listener and default limits.
    pub fn builder() -> Builder {
        Builder { listeners: Vec::new(), limits: Limits::default(), workers: None, describe: None }
    }

    /// How many event loops will serve.
    pub fn workers(&self) -> usize {
        self.workers.get()
    }

    /// Makes the application with `factory`, on the first event loop, and serves it on all of them.
    ///
    /// Returns when the first connection can be served. The service is cloned for each event loop and for
    /// each request, as axum does.
    ///
    /// # Errors
    ///
    /// [`Error::Factory`] with the factory's error, or [`Error::System`] if the system has no thread or
    /// event loop left.
    pub fn start<F, Fut, S, E>(self, factory: F) -> Result<Running>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = Result<S, E>>,
        E: Into<BoxError>,
        S: Application,
    {
        let workers = self.workers.get();
        let drain = Drain::new();
        let endpoints: Vec<_> = self
            .listeners
            .iter()
            .map(|listener| Arc::new(Endpoint { local: listener.local(), tls: listener.tls.clone() }))
            .collect();
        let room = Arc::new(Semaphore::new(self.limits.max_connections.unwrap_or_else(default_room)));
        let (seats, queues): (Vec<_>, Vec<_>) = (0..workers).map(|_| seat()).unzip();
        let seats: Arc<[Seat]> = seats.into();
        let (messages, control) = mpsc::channel();
        let (started, starts) = mpsc::channel();
        let mut loops = Vec::with_capacity(workers);
        for (number, arrivals) in queues.into_iter().enumerate() {
            let mut sockets = Vec::with_capacity(self.listeners.len());
            for (listener, endpoint) in self.listeners.iter().zip(&endpoints) {
                sockets.push((listener.share()?, Arc::clone(endpoint)));
            }
            let tally = seats.get(number).map(|seat| Arc::clone(&seat.tally)).unwrap_or_default();
            let context = Arc::new(Context {
                limits: self.limits.clone(),
                tally,
                drain: drain.clone(),
                worker: number,
                describe: self.describe,
            });
            loops.push(EventLoop {
                context,
                arrivals,
                sockets,
                seats: Arc::clone(&seats),
                room: Arc::clone(&room),
                ended: Ended(messages.clone()),
            });
        }
        let threads = spawn(loops, factory, &started)?;
        drop(started);
        let running = Running { seats, drain, control, messages, threads, listeners: self.listeners };
        for _ in 0..workers {
            match starts.recv() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    return Err(Error::Factory("the factory panicked; its message is above".into()));
                }
            }
        }
        Ok(running)
    }
}

/// Connections that fit beside files, databases and the rest: seven eighths of the descriptors.
fn default_room() -> usize {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(1 << 20);
    (limit - limit / 8).saturating_sub(64).clamp(16, Semaphore::MAX_PERMITS)
}

fn seat() -> (Seat, queue::UnboundedReceiver<Arrival>) {
    let (sender, receiver) = queue::unbounded_channel();
    (Seat { arrivals: sender, tally: Arc::default(), released: Arc::new(Notify::new()) }, receiver)
}

enum Message {
    Stop(DrainSettings),
    LoopEnded,
}

/// Tells the owner that a loop has ended, in whatever way.
struct Ended(Sender<Message>);

impl Drop for Ended {
    fn drop(&mut self) {
        // Nobody may be waiting; then nobody needs to know.
        let _ = self.0.send(Message::LoopEnded);
    }
}

/// One event loop before its thread runs.
struct EventLoop {
    context: Arc<Context>,
    arrivals: queue::UnboundedReceiver<Arrival>,
    sockets: Vec<(Bound, Arc<Endpoint>)>,
    seats: Arc<[Seat]>,
    room: Arc<Semaphore>,
    ended: Ended,
}

/// Starts a thread per loop. The first one makes the service; the others get clones of it.
fn spawn<F, Fut, S, E>(
    loops: Vec<EventLoop>,
    factory: F,
    started: &Sender<Result<()>>,
) -> Result<Vec<JoinHandle<()>>>
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<S, E>>,
    E: Into<BoxError>,
    S: Application,
{
    let mut threads = Vec::with_capacity(loops.len());
    let mut loops = loops.into_iter();
    let Some(first) = loops.next() else { return Ok(threads) };
    let mut clones: Vec<Sender<S>> = Vec::new();
    for event_loop in loops {
        let (sender, service) = mpsc::channel::<S>();
        clones.push(sender);
        let started = started.clone();
        let runtime = runtime()?;
        threads.push(name_thread(&event_loop).spawn(move || {
            // No service: the factory failed, and the first loop says so.
            let Ok(service) = service.recv() else { return };
            runtime.block_on(event_loop.run(service, started));
            runtime.shutdown_timeout(Duration::from_millis(100));
        })?);
    }
    let started = started.clone();
    let runtime = runtime()?;
    threads.push(name_thread(&first).spawn(move || {
        let service = match runtime.block_on(factory()) {
            Ok(service) => service,
            Err(error) => {
                let _ = started.send(Err(Error::Factory(error.into())));
                return;
            }
        };
        for clone in clones {
            // A loop that is gone has said why.
            let _ = clone.send(service.clone());
        }
        runtime.block_on(first.run(service, started));
        runtime.shutdown_timeout(Duration::from_millis(100));
    })?);
    Ok(threads)
}

fn name_thread(event_loop: &EventLoop) -> thread::Builder {
    thread::Builder::new().name(format!("narae-{}", event_loop.context.worker))
}

fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

impl EventLoop {
    /// Accepts and serves until the drain is over.
    async fn run<S>(mut self, service: S, started: Sender<Result<()>>)
    where
        S: Application,
    {
        let own = self.context.worker;
        let Some(seat) = self.seats.get(own).cloned() else { return };
        for (listener, endpoint) in self.sockets {
            let stages = self.context.drain.stages();
            let (seats, room) = (Arc::clone(&self.seats), Arc::clone(&self.room));
            tokio::spawn(async move {
                let address = endpoint.local.clone();
                if let Err(error) = worker::accept(listener, endpoint, own, seats, room, stages).await {
                    tracing::error!(%error, %address, "accepting ended");
                }
            });
        }
        let _ = started.send(Ok(()));
        drop(started);
        let mut stages = self.context.drain.stages();
        let serving = async {
            while let Some(arrival) = self.arrivals.recv().await {
                let (context, seat) = (Arc::clone(&self.context), seat.clone());
                tokio::spawn(arrival::serve(arrival, context, seat, service.clone()));
            }
        };
        let drained = async {
            let _ = stages.wait_for(|stage| *stage >= Stage::Draining).await;
            while seat.tally.open.load(Relaxed) > 0 {
                tokio::select! {
                    () = seat.released.notified() => {}
                    _ = stages.wait_for(|stage| *stage == Stage::Cut) => {
                        // The sockets are shut; their tasks see it in this turn or the next.
                        let rest = async {
                            while seat.tally.open.load(Relaxed) > 0 {
                                seat.released.notified().await;
                            }
                        };
                        tokio::time::timeout(Duration::from_millis(200), rest).await.ok();
                        break;
                    }
                }
            }
        };
        tokio::select! {
            () = serving => {}
            () = drained => {}
        }
        drop(self.ended);
    }
}

/// A server that serves. Dropping it lets it serve on without an owner; stop it with [`Running::stop`].
pub struct Running {
    seats: Arc<[Seat]>,
    drain: Drain,
    control: Receiver<Message>,
    messages: Sender<Message>,
    threads: Vec<JoinHandle<()>>,
    listeners: Vec<Listener>,
}

impl Running {
    /// Where the server listens, in the order of [`Builder::listen`].
    pub fn locals(&self) -> Vec<Local> {
        self.listeners.iter().map(Listener::local).collect()
    }

    /// The Internet address of the listener at `index`, with the port that the system chose.
    pub fn address(&self, index: usize) -> Option<SocketAddr> {
        self.listeners.get(index)?.local().address()
    }

    /// What the server has done so far.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for seat in self.seats.iter() {
            seat.tally.add_to(&mut counts);
        }
        counts
    }

    /// Connections open now, per event loop.
    pub fn spread(&self) -> Vec<u64> {
        self.seats.iter().map(|seat| seat.tally.open.load(Relaxed)).collect()
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
        self.drain.begin(settings);
        // Whoever connects from here on is refused at once, or served by a successor on the same port.
        self.listeners.clear();
        let began = self.drain.began().unwrap_or_else(Instant::now);
        let mut report = Report { open_at_start: self.drain.open_at_start(), ..Report::default() };
        if !self.ends_before(self.drain.deadline().unwrap_or(began), left) {
            (report.cut, report.closed_idle) = self.drain.cut();
        }
        for thread in self.threads.drain(..) {
            // A panic of an event loop was printed by the panic hook.
            let _ = thread.join();
        }
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
        self.drain.begin(settings);
        // A server that is gone has stopped.
        let _ = self.messages.send(Message::Stop(settings));
    }
}

impl std::fmt::Debug for Stopper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stopper")
    }
}
