//! This process as a worker: serves, listens to its supervisor, and says how it is.
//!
//! In: settings, inherited sockets, a [`Worker`]. Out: a server that runs until it is told to leave. Its
//! own threads wait for the supervisor and watch the event loops; none of them sees a request.

use std::fmt::Write;
use std::os::fd::AsFd;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use narae_cluster::{Connections, Wish, Worker, WorkerReport};
use narae_layers::Sink;
use narae_server::{Accept, Adopter, DrainSettings, Handed, Listener, Observer, Report, Stopper};

use super::neighbours::{Others, milliseconds};
use super::travel;
use crate::app::App;
use crate::error::Result;
use crate::run::Size;
use crate::settings::Settings;
use crate::signals;

/// How often the event loops are looked at, and after how long without a sign of life their requests are
/// written down: earlier than any sensible `stall_timeout`, so that there is something to tell.
const LOOK: Duration = Duration::from_millis(500);
const LATE: u64 = 1000;
/// So many looks after the last work the allocator has had the occasion to give back what it puts off.
const LOOKS_AFTER_WORK: u32 = 6;
/// Connections newly parked for which memory is given back to the system.
const MANY: u64 = 256;
/// Requests that are written down.
const MOST_NAMED: usize = 8;

/// Which worker this process is. See [`place`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The application's name, by which the `narae` command finds it.
    pub name: String,
    /// The worker's slot, from 0.
    pub slot: usize,
    /// Its generation, from 1; a reload raises it.
    pub generation: u32,
}

static PLACE: OnceLock<Place> = OnceLock::new();

/// Which worker of a cluster this process is. `None`: it is none, as with `workers(0)` or in tests.
pub fn place() -> Option<&'static Place> {
    PLACE.get()
}

/// Serves as a worker, until the supervisor or a signal ends it.
pub(crate) fn serve(app: App, settings: Settings, worker: Worker) -> Result {
    let worker = Arc::new(worker);
    // Set once: a process is one worker.
    let _ = PLACE.set(Place {
        name: worker.name().to_owned(),
        slot: worker.slot(),
        generation: worker.generation(),
    });
    let inherited = Listener::inherited()?;
    let sockets: Vec<_> = inherited
        .iter()
        .map(|listener| Ok((listener.descriptor()?, listener.name().unwrap_or_default().to_owned())))
        .collect::<Result<_, narae_server::Error>>()?;
    worker
        .keep_listeners(sockets.iter().map(|(socket, name)| (socket.as_fd(), name.clone())))
        .map_err(narae_server::Error::System)?;
    drop(sockets);
    let others = Arc::new(Others::new(Arc::clone(&worker)));
    let privileges = settings.cluster.privileges()?;
    let drain = settings.drain;
    let lanes = worker.lanes();
    // As many as the supervisor has rows of counters for: it may have begun under other settings.
    let threads = lanes.len().max(1);
    if settings.threads.unwrap_or(1) != threads {
        tracing::warn!(
            "the number of threads changes at the next start, or by narae upgrade; until then it is {threads}"
        );
    }
    let counters: Vec<_> =
        lanes.iter().filter_map(|lane| lane.counters.first_chunk()).take(threads).collect();
    let accept = Arc::clone(&others);
    let size = Size { processes: settings.workers.count(), threads };
    let (running, _) = app.serve(settings, inherited, size, move |builder| {
        if let Some(privileges) = privileges {
            // Certificates are read and logs are open: from here on nothing needs the rights of root.
            privileges.drop_for_good().map_err(narae_server::Error::System)?;
        }
        Ok(builder.counters(counters).accept(Accept::Threads(accept)))
    })?;
    others.accepts(true);
    let hands = Hands {
        worker: Arc::clone(&worker),
        others,
        stopper: running.stopper(),
        adopter: running.adopter(),
        drain,
        log: running.log_file().cloned(),
        handing_over: Arc::default(),
    };
    let leaving = hands.clone();
    let handing_over = Arc::clone(&hands.handing_over);
    signals::watch_with(running.log_file().cloned(), move |fast| leaving.leave(fast))
        .map_err(narae_server::Error::System)?;
    let watched = Arc::clone(&worker);
    let observer = running.observer();
    spawn("narae-watch", move || watch(&watched, &observer))?;
    worker.ready().map_err(narae_server::Error::System)?;
    spawn("narae-control", move || hands.obey())?;
    let report = running.wait();
    let sending = handing_over.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(sending) = sending {
        // A panic of it was printed; what it had is lost with this process.
        let _ = sending.join();
    }
    for cut in &report.cut {
        tracing::warn!("cut: {cut}");
    }
    worker.ended(told(&report));
    Ok(())
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    let thread = thread::Builder::new().name(name.to_owned()).stack_size(256 * 1024);
    thread.spawn(work).map_err(|error| narae_server::Error::System(error).into())
}

/// What the supervisor wants to know of a drain.
fn told(report: &Report) -> WorkerReport {
    WorkerReport {
        handed_over: report.handed_over,
        reset: report.reset,
        cut: report.cut.iter().map(ToString::to_string).collect(),
        ..WorkerReport::default()
    }
}

/// What the supervisor's wishes are carried out with.
#[derive(Clone)]
struct Hands {
    worker: Arc<Worker>,
    others: Arc<Others>,
    stopper: Stopper,
    adopter: Adopter,
    drain: DrainSettings,
    log: Option<Sink>,
    /// The thread that sends idle connections away: the process must not end before it.
    handing_over: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Hands {
    /// Does what the supervisor says, until the process ends.
    fn obey(self) {
        loop {
            match self.worker.next() {
                Ok(Wish::Drain { fast, to }) => self.drain(fast, to),
                Ok(Wish::Receive(connections)) => {
                    let adopter = self.adopter.clone();
                    let received = spawn("narae-receive", move || receive(&connections, &adopter));
                    if let Err(error) = received {
                        tracing::warn!(%error, "idle connections cannot be taken over");
                    }
                }
                Ok(Wish::Connection(socket, about)) => adopt(&self.adopter, socket, &about),
                Ok(Wish::Reopen) => signals::reopen(self.log.as_ref()),
                Err(error) => {
                    tracing::error!(%error, "the supervisor cannot be heard any more");
                    return;
                }
            }
        }
    }

    /// A signal told this worker to end, not its supervisor.
    fn leave(&self, fast: bool) {
        self.worker.leaving();
        self.drain(fast, None);
    }

    fn drain(&self, fast: bool, to: Option<Connections>) {
        self.others.accepts(false);
        self.worker.forget_listeners();
        if fast {
            return self.stopper.stop(DrainSettings { linger: Duration::ZERO, deadline: Duration::ZERO });
        }
        let Some(to) = to else { return self.stopper.stop(self.drain) };
        let (sender, connections) = mpsc::channel();
        let adopter = self.adopter.clone();
        let worker = Arc::clone(&self.worker);
        match spawn("narae-hand-over", move || hand_over(&connections, &to, &adopter, &worker)) {
            Ok(thread) => {
                *self.handing_over.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread);
                self.stopper.stop_handing_over(self.drain, sender);
            }
            Err(_) => self.stopper.stop(self.drain),
        }
    }
}

/// Sends connections to another worker. If that one is gone, whichever the supervisor chooses gets them; where
/// there is none, they come back and are served to their end here.
fn hand_over(connections: &Receiver<Handed>, to: &Connections, adopter: &Adopter, worker: &Worker) {
    while let Ok(first) = connections.recv() {
        let mut batch = vec![first];
        batch.extend(connections.try_iter().take(Connections::at_once() - 1));
        let described: Vec<_> =
            batch.iter().map(|handed| (handed.socket.as_fd(), travel::about(handed))).collect();
        let sent = to.send(&described);
        drop(described);
        if sent.is_err() {
            for handed in batch.into_iter().chain(connections.iter()) {
                if worker.pass_on(handed.socket.as_fd(), travel::about(&handed)).is_err() {
                    // Where even that fails, the connection closes: it was idle.
                    let _ = adopter.adopt(handed);
                }
            }
            return;
        }
    }
}

fn receive(connections: &Connections, adopter: &Adopter) {
    while let Ok(Some(batch)) = connections.recv() {
        for (socket, about) in batch {
            adopt(adopter, socket, &about);
        }
    }
}

fn adopt(adopter: &Adopter, socket: std::os::fd::OwnedFd, about: &str) {
    if let Some(mut handed) = travel::arrived(socket, about) {
        // No place now: in a moment there is one, since its connections end.
        let until = Instant::now() + Duration::from_secs(1);
        while let Err(back) = adopter.adopt(handed) {
            if Instant::now() > until {
                return;
            }
            handed = back;
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Writes down what a stuck event loop was doing, for the supervisor to tell.
fn watch(worker: &Worker, observer: &Observer) {
    let first = worker.lanes().into_iter().next();
    let mut given_back = 0;
    let (mut seen, mut looks_at_rest) = (None, 0);
    loop {
        thread::sleep(LOOK);
        // Engines and buffers of connections that were parked: the allocator keeps them for as many to come.
        let counts = observer.counts();
        let parked = counts.parked;
        if parked >= given_back + MANY {
            narae_cluster::give_back_memory();
            given_back = parked;
        }
        given_back = given_back.min(parked);
        let work = Some((counts.requests, counts.open, parked));
        looks_at_rest = if work == seen { looks_at_rest + 1 } else { 0 };
        seen = work;
        if looks_at_rest < LOOKS_AFTER_WORK {
            narae_cluster::prompt_allocator();
        }
        let is_late = counts.beat > 0 && milliseconds().saturating_sub(counts.beat) > LATE;
        if let Some(lane) = &first {
            lane.set_evidence(&if is_late { evidence(observer) } else { String::new() });
        }
    }
}

fn evidence(observer: &Observer) -> String {
    let mut text = String::new();
    for request in observer.oldest_requests(MOST_NAMED) {
        let age = request.age.as_secs_f64();
        // Writing to a text cannot fail.
        let _ = writeln!(text, "  {} {} ({age:.1} s, {})", request.method, request.path, request.peer);
    }
    text
}
