//! [`Writer`]: the one thread of this process that writes to an environment.
//!
//! In: pieces of work, from any thread. Out: what became of each, once it is kept. All that waits when a
//! transaction begins shares it, and so the wait for the disk. Also sweeps, if no other process has done so
//! lately. Knows nothing of what the work does.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use heed::{MdbError, RwTxn};
use tokio::sync::oneshot;

use super::super::StoreError;
use super::changes;
use super::environment::{Environment, Failure};
use super::fault::{Fault, explain, is_fatal};
use super::tables::{SWEPT_KEY, Tables};
use crate::time::Timestamp;

/// The thread and the way to it. Dropping it lets the thread finish what waits, and waits for that.
pub(super) struct Writer {
    jobs: Option<Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

/// What an answer comes through.
pub(super) type Answer<T> = oneshot::Receiver<Result<T, StoreError>>;

/// A piece of work on its way through the writer.
trait Job: Send {
    /// Does it. Only an error that spoils the whole transaction is one; it is run again then, or answered.
    fn run(&mut self, tables: &Tables, txn: &mut RwTxn<'_>) -> heed::Result<()>;
    /// Says what became of it; `failure`: of the whole transaction.
    fn answer(self: Box<Self>, failure: Option<StoreError>);
}

struct Asked<W, T> {
    work: W,
    outcome: Option<Result<T, StoreError>>,
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

    fn answer(self: Box<Self>, failure: Option<StoreError>) {
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
        let run = move || run(&environment, &waiting, sweep_interval);
        let thread =
            thread::Builder::new().name("narae-sessions".to_owned()).spawn(run).map_err(|error| {
                StoreError::unavailable(
                    format!("no thread can be started to write sessions to {folder}"),
                    error,
                )
            })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Hands work over. It is done even if no one waits for the answer.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        work: impl FnMut(&Tables, &mut RwTxn<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Answer<T> {
        let (reply, answer) = oneshot::channel();
        if let Some(jobs) = &self.jobs {
            // If the thread is gone, so is the reply, and the answer says so.
            let _ = jobs.send(Box::new(Asked { work, outcome: None, reply }));
        }
        answer
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join(); // it catches panics
        }
    }
}

fn run(environment: &Environment, waiting: &Receiver<Box<dyn Job>>, sweep_interval: Option<Duration>) {
    let mut sweeping = false;
    let mut failed_at: Option<Instant> = None; // of the last sweep
    let mut batch = Vec::new();
    loop {
        let until_sweep = |interval: Duration| match failed_at {
            Some(failed_at) if failed_at.elapsed() < interval => interval - failed_at.elapsed(),
            _ => until_due(environment, interval),
        };
        let next = match sweep_interval {
            _ if sweeping => waiting.try_recv().map_err(|error| match error {
                TryRecvError::Empty => RecvTimeoutError::Timeout,
                TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
            }),
            Some(interval) => waiting.recv_timeout(until_sweep(interval)),
            None => waiting.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(job) => {
                batch.push(job);
                batch.extend(waiting.try_iter().take(MAX_BATCH - 1));
                commit(environment, std::mem::take(&mut batch));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        if let Some(interval) = sweep_interval
            && (sweeping || until_sweep(interval).is_zero())
        {
            let swept = sweep(environment, interval, sweeping);
            failed_at = swept.is_none().then(Instant::now);
            sweeping = swept.is_some_and(|swept| swept.more);
        }
    }
}

/// Runs the jobs in one transaction and answers them.
fn commit(environment: &Environment, mut batch: Vec<Box<dyn Job>>) {
    for _ in 0..MAX_GROWTHS {
        let size = environment.map_size();
        let run =
            |tables: &Tables, txn: &mut RwTxn<'_>| batch.iter_mut().try_for_each(|job| job.run(tables, txn));
        match catch_unwind(AssertUnwindSafe(|| environment.write(run))) {
            Ok(Ok(())) => return batch.into_iter().for_each(|job| job.answer(None)),
            Ok(Err(Failure::Lmdb(heed::Error::Mdb(MdbError::MapFull)))) => environment.grow(size),
            Ok(Err(Failure::Lmdb(heed::Error::Mdb(MdbError::TxnFull)))) if batch.len() > 1 => {
                return batch.into_iter().for_each(|job| commit(environment, vec![job]));
            }
            Ok(Err(Failure::Lmdb(error))) => {
                batch.into_iter().for_each(|job| job.answer(Some(explain(&error, environment.path()))));
                return recover(environment, &error);
            }
            Ok(Err(Failure::Closed)) => match environment.reopen() {
                Ok(()) => {}
                Err(error) => {
                    let why = error.to_string();
                    let failure = || Some(StoreError::Unavailable(why.clone(), None));
                    return batch.into_iter().for_each(|job| job.answer(failure()));
                }
            },
            Err(_) => {
                let failure = || Some(failed(environment, "its writer panicked"));
                return batch.into_iter().for_each(|job| job.answer(failure()));
            }
        }
    }
    let failure = || Some(failed(environment, "its map grew and was still full"));
    batch.into_iter().for_each(|job| job.answer(failure()));
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
    commit(environment, vec![Box::new(Asked { work, outcome: None, reply })]);
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
