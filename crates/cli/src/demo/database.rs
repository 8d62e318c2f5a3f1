//! One SQLite connection on a thread of its own.
//!
//! In: closures that take the connection, from `store`. Out: their results, as
//! futures. Owns how the file is opened and that no query ever runs on an
//! event loop; never sees what is queried.
//!
//! A thread and not `spawn_blocking`: a connection does one thing at a time, so
//! a pool of threads would only wait for it behind a lock. A queue in front of
//! one thread waits just as long, holds no thread while it does, and keeps the
//! connection's prepared statements in one warm place.

use std::path::Path;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::store_error::StoreError;

/// Handle to the thread that owns the connection; the thread ends with the
/// last clone.
#[derive(Clone)]
pub(super) struct Database {
    jobs: mpsc::Sender<Job>,
}

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// Longest wait for another process to finish its write.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Jobs that may wait. A full queue makes callers wait, not memory grow.
const QUEUE: usize = 256;

impl Database {
    /// Moves `connection` to a new thread called `name`.
    pub(super) fn start(name: &str, mut connection: Connection) -> Result<Self, StoreError> {
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        let serve = move || {
            while let Some(job) = queue.blocking_recv() {
                job(&mut connection);
            }
        };
        thread::Builder::new().name(name.to_owned()).spawn(serve).map_err(StoreError::Thread)?;
        Ok(Self { jobs })
    }

    /// Runs `job` on the database's thread and returns what it returned.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not stop a job that is already queued: a write
    /// whose client went away happens completely, or not at all.
    pub(super) async fn run<T, F>(&self, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let (reply, result) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Nobody waits any more when this fails, so nobody misses it.
            let _ = reply.send(job(connection));
        });
        self.jobs.send(job).await.map_err(|_| StoreError::Stopped)?;
        result.await.map_err(|_| StoreError::Stopped)?.map_err(StoreError::from)
    }
}

/// Opens `path`, and creates the file if it is missing.
///
/// Any number of processes may hold the same file open: the busy timeout makes
/// their writers wait for one another.
pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // With a write-ahead log, NORMAL survives a crash of the process; a power
    // cut may lose the last moments but never the file's consistency.
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    Ok(connection)
}
