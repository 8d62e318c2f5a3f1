//! One event loop and its thread: takes arrivals, serves them, ends when nothing is left.
//!
//! In: its seat, the listeners it accepts from, the service. Owns the tokio runtime; never reads bytes.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio::time::MissedTickBehavior;

use crate::application::Application;
use crate::connection::Context;
use crate::drain::Stage;
use crate::error::{BoxError, Error, Result};
use crate::listen::Bound;
use crate::lot::Row;
use crate::seat::{Admission, Arrival, Endpoint, Seat, State};
use crate::tally::{Tally, monotonic_milliseconds};
use crate::{arrival, parking, worker};

/// Between two heartbeats.
const HEARTBEAT: Duration = Duration::from_millis(250);

/// How long connections that were cut may take to notice it.
const AFTER_CUT: Duration = Duration::from_millis(200);

/// One event loop before its thread runs.
pub(crate) struct EventLoop<E> {
    pub(crate) context: Arc<Context>,
    /// Listeners that this loop accepts from itself.
    pub(crate) sockets: Vec<(Bound, Arc<Endpoint>)>,
    pub(crate) seats: Arc<[Arc<Seat>]>,
    pub(crate) room: Arc<Semaphore>,
    /// Accept threads that may still deliver.
    pub(crate) accepting: Arc<AtomicUsize>,
    /// Dropped when the loop has ended, in whatever way.
    pub(crate) ended: E,
}

/// Starts a thread per loop. The first one makes the service; the others get clones of it.
pub(crate) fn spawn<N, F, Fut, S, E>(
    loops: Vec<EventLoop<N>>,
    factory: F,
    started: &Sender<Result<()>>,
) -> Result<Vec<JoinHandle<()>>>
where
    N: Send + 'static,
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

fn name_thread<N>(event_loop: &EventLoop<N>) -> thread::Builder {
    thread::Builder::new().name(format!("narae-{}", event_loop.context.thread))
}

fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

impl<N> EventLoop<N> {
    /// Accepts and serves until the drain is over.
    async fn run<S>(self, service: S, started: Sender<Result<()>>)
    where
        S: Application,
    {
        let own = self.context.thread;
        let Some(seat) = self.seats.get(own) else { return };
        // Before anything is served: a loop that its first request blocks has to be late, not unknown.
        tell(seat.tally);
        tokio::spawn(beat(seat.tally));
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
        let (context, parked) = (Arc::clone(&self.context), service.clone());
        tokio::spawn(async move {
            let Err(error) = parking::keep(context, parked).await;
            tracing::error!(%error, "parked connections are no longer watched");
        });
        let _ = started.send(Ok(()));
        drop(started);
        let serving = async {
            loop {
                take(seat.next().await, &self.context, seat, &service);
            }
        };
        tokio::select! {
            () = serving => {}
            () = drained(seat, &self.context, &self.accepting) => {}
        }
        seat.queue.close();
        drop(self.ended);
    }
}

/// Tells that the loop runs, as long as it does.
async fn beat(tally: Tally) {
    let mut interval = tokio::time::interval(HEARTBEAT);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        tell(tally);
    }
}

fn tell(tally: Tally) {
    tally.beat().store(monotonic_milliseconds(), Ordering::Relaxed);
}

/// Begins to serve what arrived.
fn take<S>(arrival: Arrival, context: &Arc<Context>, seat: &Arc<Seat>, service: &S)
where
    S: Application,
{
    match arrival {
        Arrival { state: State::Idle(since), socket, peer, endpoint, permit } => {
            let admission = Admission::new(Arc::clone(seat), permit);
            // An idle connection that cannot be parked is closed, which it may be at any time.
            if let Ok(socket) = socket.into_fd() {
                parking::park(Row { socket, peer, listener: endpoint.index, since, admission }, context);
            }
        }
        fresh => arrival::begin(fresh, context, seat, service),
    }
}

/// Waits for the end of a drain: nothing is open, and nothing more can come.
async fn drained(seat: &Seat, context: &Context, accepting: &AtomicUsize) {
    let mut stages = context.drain.stages();
    let _ = stages.wait_for(|stage| *stage >= Stage::Draining).await;
    let emptied = async || {
        // A thread that may deliver is looked for first: what it delivers is counted before it ends.
        while accepting.load(Ordering::SeqCst) > 0 || seat.load() > 0 || !seat.queue.close_if_empty() {
            seat.released.notified().await;
        }
    };
    tokio::select! {
        () = emptied() => {}
        _ = stages.wait_for(|stage| *stage == Stage::Cut) => {
            // The sockets are shut; their tasks see it in this turn or the next.
            tokio::time::timeout(AFTER_CUT, emptied()).await.ok();
        }
    }
}
