//! [`Writer`]: the one thread of this process that writes to an environment.
//!
//! In: pieces of work, from any thread. Out: what became of each, once it is kept. All that waits when a
//! transaction begins shares it, and so the wait for the disk. Also sweeps, if no other process has done so
//! lately. What waits is bounded. Knows nothing of what the work does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use heed::{MdbError, RwTxn};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::super::StoreError;
use super::changes;
use super::environment::{Environment, Failure, Growth};
use super::fault::{Fault, explain, is_fatal};
use super::gathering::Gathering;
use super::queue::{self, Load, Place};
use super::tables::{SWEPT_KEY, Tables};
use crate::time::Timestamp;

/// The thread and the way to it. Dropping it lets the thread finish what waits, and waits for that.
pub(super) struct Writer {
    jobs: Arc<Gathering<Box<dyn Job>>>,
    load: Arc<Load>,
    folder: String,
    thread: Option<JoinHandle<()>>,
}

/// What an answer comes through.
pub(super) type Answer<T> = oneshot::Receiver<Result<T, StoreError>>;

/// What a piece of work needs.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Room, for about so many bytes of values.
    Keeps(usize),
    /// Nothing that it does not give back: it takes sessions out.
    Frees,
}

/// A piece of work on its way through the writer.
trait Job: Send {
    /// Does it. Only an error that spoils the whole transaction is one; it is run again then, or answered.
    fn run(&mut self, tables: &Tables, txn: &mut RwTxn<'_>) -> heed::Result<()>;
    /// Whether it takes sessions out, and so may use the last pages.
    fn frees(&self) -> bool;
    /// Whether it should still be begun.
    fn is_wanted(&self) -> bool;
    /// Where the answer is awaited; `None`: not on an event loop.
    fn home(&self) -> Option<&Handle>;
    /// Says what became of it; `failure`: of the whole transaction.
    fn answer(self: Box<Self>, failure: Option<StoreError>);
}

struct Asked<W, T> {
    work: W,
    outcome: Option<Result<T, StoreError>>,
    frees: bool,
    since: Instant,
    limit: Duration,
    place: Option<Place>,
    home: Option<Handle>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<W, T> Job for Asked<W, T>
where
    W: FnMut(&Tables, &mut RwTxn<'_>) -> Result<T, Fault> + Send,
    T: Send,
{
    fn run(&mut self, tables: &Tables, txn: &mut RwTxn<'_>) -> heed::Result<()> {
        self.outcome = Some(match (self.work)(tables, txn) {
            Ok(done) => Ok(done),
            Err(Fault::Work(error)) => Err(error),
            Err(Fault::Lmdb(error)) => return Err(error),
        });
        Ok(())
    }

    fn frees(&self) -> bool {
        self.frees
    }

    fn is_wanted(&self) -> bool {
        !self.reply.is_closed() || self.since.elapsed() < self.limit
    }

    fn home(&self) -> Option<&Handle> {
        self.home.as_ref()
    }

    fn answer(self: Box<Self>, failure: Option<StoreError>) {
        drop(self.place);
        let outcome = failure.map_or(self.outcome, |error| Some(Err(error)));
        if let Some(outcome) = outcome {
            let _ = self.reply.send(outcome); // whoever asked may have gone
        }
    }
}

impl Writer {
    /// Starts the thread. `sweep_interval`: `None` if it is not to sweep.
    pub(super) fn start(
        environment: Arc<Environment>,
        sweep_interval: Option<Duration>,
    ) -> Result<Self, StoreError> {
        let (jobs, waiting) = channel();
        let folder = environment.path().display().to_string();
        let run =
            move || Run { environment, waiting, sweep_interval, sweeping: false, failed_at: None }.run();
        let thread =
            thread::Builder::new().name("narae-sessions".to_owned()).spawn(run).map_err(|error| {
                StoreError::unavailable(
                    format!("no thread can be started to write sessions to {folder}"),
                    error,
                )
            })?;
        Ok(Self { jobs: Gathering::new(jobs), load: Arc::default(), folder, thread: Some(thread) })
    }

    /// Hands work over. It is done even if no one waits for the answer any more, unless it is older than
    /// `limit` before it was begun.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if too much waits already.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        kind: Kind,
        limit: Duration,
        work: impl FnMut(&Tables, &mut RwTxn<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<Answer<T>, StoreError> {
        let (bytes, frees) = match kind {
            Kind::Keeps(bytes) => (bytes, false),
            Kind::Frees => (0, true),
        };
        let place = Place::take(&self.load, bytes).ok_or_else(|| {
            StoreError::Unavailable(
                format!(
                    "the session store in {} cannot keep up: {} writes or {} bytes wait already",
                    self.folder,
                    queue::MAX_JOBS,
                    queue::MAX_BYTES
                ),
                None,
            )
        })?;
        let (reply, answer) = oneshot::channel();
        let since = Instant::now();
        let (place, home) = (Some(place), Handle::try_current().ok());
        let job = Asked { work, outcome: None, frees, since, limit, place, home: home.clone(), reply };
        self.jobs.add(Box::new(job), home.as_ref());
        Ok(answer)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs.close();
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join(); // it catches panics
        }
    }
}

/// What the thread knows.
struct Run {
    environment: Arc<Environment>,
    waiting: Receiver<Vec<Box<dyn Job>>>,
    sweep_interval: Option<Duration>,
    /// A sweep has begun and is not over.
    sweeping: bool,
    /// When the last sweep failed.
    failed_at: Option<Instant>,
}

impl Run {
    /// Until there is no way any more to hand work over.
    fn run(mut self) {
        loop {
            match catch_unwind(AssertUnwindSafe(|| self.step())) {
                Ok(true) => {}
                Ok(false) => return,
                Err(_) => {
                    // The jobs of this step are dropped, which is an answer.
                    self.sweeping = false;
                    self.failed_at = Some(Instant::now());
                    let path = self.environment.path().display();
                    tracing::error!(%path, "the writer of the session store panicked, and goes on");
                }
            }
        }
    }

    /// Waits for the next thing to do and does it. `false` if nothing can come any more.
    fn step(&mut self) -> bool {
        let next = match self.sweep_interval {
            _ if self.sweeping => self.waiting.try_recv().map_err(|error| match error {
                TryRecvError::Empty => RecvTimeoutError::Timeout,
                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            }),
            Some(interval) => self.waiting.recv_timeout(self.until_sweep(interval)),
            None => self.waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(mut batch) => {
                while batch.len() < MAX_BATCH
                    && let Ok(more) = self.waiting.try_recv()
                {
                    batch.extend(more);
                }
                commit(&self.environment, batch);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return false,
        }
        if let Some(interval) = self.sweep_interval
            && (self.sweeping || self.until_sweep(interval).is_zero())
        {
            let swept = sweep(&self.environment, interval, self.sweeping);
            self.failed_at = swept.is_none().then(Instant::now);
            self.sweeping = swept.is_some_and(|swept| swept.more);
        }
        true
    }

    /// How long it is until a sweep should be tried. Zero if it should be now.
    fn until_sweep(&self, interval: Duration) -> Duration {
        let rest = self.failed_at.map_or(Duration::ZERO, |at| interval.saturating_sub(at.elapsed()));
        if rest.is_zero() { until_due(&self.environment, interval) } else { rest }
    }
}

/// Runs the jobs in one transaction and answers them. Those that nobody wants any more are left out.
fn commit(environment: &Environment, batch: Vec<Box<dyn Job>>) {
    let mut is_lent = false;
    commit_with(environment, batch, &mut is_lent);
    if is_lent {
        environment.take_back_reserve();
    }
}

/// `is_lent`: whether the last pages, which are for jobs that take sessions out, are in use.
fn commit_with(environment: &Environment, mut batch: Vec<Box<dyn Job>>, is_lent: &mut bool) {
    let mut is_reopened = false;
    for _ in 0..MAX_GROWTHS {
        let size = environment.map_size();
        // Called when no other process writes any more, which may have taken long.
        let run = |tables: &Tables, txn: &mut RwTxn<'_>| {
            batch.iter_mut().filter(|job| job.is_wanted()).try_for_each(|job| job.run(tables, txn))
        };
        let failure = match catch_unwind(AssertUnwindSafe(|| environment.write(run))) {
            Ok(Ok(())) => return answer_at_home(batch),
            Ok(Err(Failure::Lmdb(heed::Error::Mdb(MdbError::MapFull)))) => match environment.grow(size) {
                Growth::Done => continue,
                Growth::AtLimit if !*is_lent => {
                    let (freeing, others): (Vec<_>, Vec<_>) = batch.into_iter().partition(|job| job.frees());
                    answer_all(others, &environment.limit_reached());
                    if freeing.is_empty() {
                        return;
                    }
                    batch = freeing;
                    *is_lent = true;
                    environment.lend_reserve();
                    continue;
                }
                Growth::AtLimit => environment.limit_reached(),
                Growth::Refused(error) => {
                    let path = environment.path().display();
                    StoreError::Full(format!("{path}: the system gives no more addresses: {error}"))
                }
            },
            Ok(Err(Failure::Lmdb(heed::Error::Mdb(MdbError::TxnFull)))) if batch.len() > 1 => {
                return batch.into_iter().for_each(|job| commit(environment, vec![job]));
            }
            Ok(Err(Failure::Lmdb(error))) => {
                answer_all(batch, &explain(&error, environment.path()));
                return recover(environment, &error);
            }
            Ok(Err(Failure::Closed)) if !is_reopened => match environment.reopen() {
                Ok(()) => {
                    is_reopened = true;
                    continue;
                }
                Err(error) => error,
            },
            Ok(Err(Failure::Closed)) => failed(environment, "it broke again as soon as it was reopened"),
            Err(_) => failed(environment, "its writer panicked"),
        };
        return answer_all(batch, &failure);
    }
    answer_all(batch, &failed(environment, "its map grew and was still full"));
}

/// Answers jobs on the event loops where the answers are awaited: to wake a loop from here takes a call of the system,
/// and so every loop is woken once.
fn answer_at_home(batch: Vec<Box<dyn Job>>) {
    let mut homes: Vec<(Handle, Vec<Box<dyn Job>>)> = Vec::new();
    for job in batch {
        let Some(home) = job.home() else {
            job.answer(None);
            continue;
        };
        match homes.iter_mut().find(|(known, _)| known.id() == home.id()) {
            Some((_, jobs)) => jobs.push(job),
            None => homes.push((home.clone(), vec![job])),
        }
    }
    for (home, jobs) in homes {
        // A loop that has ended drops them, which is an answer.
        home.spawn(async move { jobs.into_iter().for_each(|job| job.answer(None)) });
    }
}

/// Gives every job the same error.
fn answer_all(batch: Vec<Box<dyn Job>>, failure: &StoreError) {
    for job in batch {
        let failure = match failure {
            StoreError::Full(what) => StoreError::Full(what.clone()),
            StoreError::Unreadable(what) => StoreError::Unreadable(what.clone()),
            StoreError::Misuse(what) => StoreError::Misuse(what.clone()),
            other => StoreError::Unavailable(other.to_string(), None),
        };
        job.answer(Some(failure));
    }
}

fn recover(environment: &Environment, error: &heed::Error) {
    tracing::error!(path = %environment.path().display(), %error, "sessions could not be written");
    if is_fatal(error)
        && let Err(error) = environment.reopen()
    {
        tracing::error!(path = %environment.path().display(), %error, "the session store cannot be reopened");
    }
}

fn failed(environment: &Environment, why: &str) -> StoreError {
    let path = environment.path().display();
    StoreError::Unavailable(format!("the session store in {path} failed: {why}"), None)
}

/// How long it is until a sweep is due. Zero if it is.
fn until_due(environment: &Environment, interval: Duration) -> Duration {
    let swept = environment.read(|tables, txn| Ok(last_swept(tables, txn)?));
    let now = Timestamp::now();
    match swept {
        // A clock that was put back must not end the sweeping.
        Ok(Some(swept)) if swept <= now => interval.saturating_sub(now.since(swept)),
        Ok(_) => Duration::ZERO,
        Err(_) => interval,
    }
}

/// One step. `None` if it failed.
fn sweep(environment: &Environment, interval: Duration, began: bool) -> Option<changes::Swept> {
    if !began {
        environment.clear_stale_readers();
    }
    let (reply, mut answer) = oneshot::channel();
    let now = Timestamp::now();
    let work = move |tables: &Tables, txn: &mut RwTxn<'_>| {
        if !began {
            let is_due =
                last_swept(tables, txn)?.is_none_or(|swept| swept > now || now.since(swept) >= interval);
            if !is_due {
                return Ok(changes::Swept::default()); // another process was faster
            }
            tables.meta.put(txn, SWEPT_KEY, &now.0.to_be_bytes())?;
        }
        changes::sweep(tables, txn, now, SWEEP_STEP)
    };
    let (since, limit) = (Instant::now(), Duration::MAX);
    let job = Asked { work, outcome: None, frees: true, since, limit, place: None, home: None, reply };
    commit(environment, vec![Box::new(job)]);
    answer.try_recv().ok()?.ok()
}

fn last_swept(tables: &Tables, txn: &heed::RoTxn<'_>) -> heed::Result<Option<Timestamp>> {
    let bytes = tables.meta.get(txn, SWEPT_KEY)?.and_then(|bytes| bytes.first_chunk().copied());
    Ok(bytes.map(|bytes| Timestamp(u64::from_be_bytes(bytes))))
}

/// How many entries a step of a sweep looks at, so that no writer waits long for it.
pub(super) const SWEEP_STEP: usize = 500;

const MAX_BATCH: usize = 1024;

/// From one page to all addresses.
const MAX_GROWTHS: usize = 40;
