//! [`Pools`]: connections to one server, a few for every runtime that asks.
//!
//! In: how to reach the server. Out: a [`Lease`] on a connection, for one task at a time. A connection is served
//! by the runtime that opened it, so no other uses it: a busy runtime would hold up the rest, and one that
//! ended would never answer. Knows no table and no session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, Id};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::connection::{Connection, Target};
use super::fault::Fault;

/// The connections of every runtime.
pub(super) struct Pools {
    target: Arc<Target>,
    size: usize,
    by_runtime: Mutex<HashMap<Id, Arc<Pool>>>,
}

impl Pools {
    pub(super) fn new(target: Target, size: usize) -> Arc<Self> {
        Arc::new(Self { target: Arc::new(target), size, by_runtime: Mutex::default() })
    }

    /// Waits for a connection of this runtime, and opens one if none is idle.
    ///
    /// # Errors
    /// If none can be opened. Whoever calls limits the wait.
    pub(super) async fn lease(self: &Arc<Self>) -> Result<Lease, Fault> {
        let pool = self.of_this_runtime();
        // The semaphore lives as long as its pool and is never closed.
        let permit = Arc::clone(&pool.permits).acquire_owned().await.map_err(|_| Fault::Closed)?;
        let connection = match pool.take_idle() {
            Some(connection) => connection,
            None => Connection::open(&self.target).await?,
        };
        Ok(Lease { connection: Some(connection), pool, permit: Some(permit), state: State::Sound })
    }

    fn of_this_runtime(self: &Arc<Self>) -> Arc<Pool> {
        let runtime = Handle::current();
        let id = runtime.id();
        let mut pools = lock(&self.by_runtime);
        if let Some(pool) = pools.get(&id) {
            return Arc::clone(pool);
        }
        let pool = Arc::new(Pool {
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(self.size)),
            target: Arc::clone(&self.target),
        });
        pools.insert(id, Arc::clone(&pool));
        drop(pools);
        let ended = AtRuntimesEnd { pools: Arc::downgrade(self), id };
        runtime.spawn(async move {
            let _ended = ended;
            std::future::pending::<()>().await;
        });
        pool
    }
}

/// Held by a task that never ends by itself: dropped with its runtime, it forgets the runtime's connections.
struct AtRuntimesEnd {
    pools: Weak<Pools>,
    id: Id,
}

impl Drop for AtRuntimesEnd {
    fn drop(&mut self) {
        if let Some(pools) = self.pools.upgrade() {
            let ended = lock(&pools.by_runtime).remove(&self.id);
            drop(ended);
        }
    }
}

/// The connections of one runtime.
struct Pool {
    /// The last one used is used first, so that spare ones grow old and are closed.
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
    target: Arc<Target>,
}

impl Pool {
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = lock(&self.idle);
        let is_sound = |held: &Connection| !held.client.is_closed() && held.used.elapsed() < LONGEST_IDLE;
        idle.retain(is_sound);
        idle.pop()
    }

    /// Takes back a connection in the middle of something: when the server has answered that and the last
    /// words it is as good as before, else it is closed.
    async fn end(&self, connection: Connection, last_words: Option<&str>) {
        let limit = self.target.response_timeout;
        let Some(last_words) = last_words else { return connection.close(&self.target, limit).await };
        match timeout(limit, connection.client.batch_execute(last_words)).await {
            Ok(Ok(())) => self.put_back(connection),
            _ => connection.close(&self.target, Duration::ZERO).await,
        }
    }

    fn put_back(&self, mut connection: Connection) {
        if !connection.client.is_closed() {
            connection.used = Instant::now();
            lock(&self.idle).push(connection);
        }
    }
}

/// A connection for one task. Dropped in the middle of a statement, it is used again only when its server
/// has answered everything.
pub(super) struct Lease {
    /// Always there until the lease is dropped.
    connection: Option<Connection>,
    pool: Arc<Pool>,
    permit: Option<OwnedSemaphorePermit>,
    state: State,
}

/// What a connection is good for when its lease ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Sound,
    Waiting,
    InTransaction,
    Broken,
}

/// The parameters of a statement.
pub(super) type Parameters<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Lease {
    /// Runs a statement that gives rows.
    pub(super) async fn query(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Fault> {
        let (meanwhile, afterwards) = self.around();
        self.watched(meanwhile, afterwards, async |connection| {
            let statement = connection.prepare(sql).await?;
            Ok(connection.client.query(&statement, parameters).await?)
        })
        .await
    }

    /// Runs a statement that counts.
    pub(super) async fn count(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<u64, Fault> {
        let rows = self.query(sql, parameters).await?;
        let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
        Ok(count.unsigned_abs())
    }

    /// Runs a statement that gives no rows. Gives how many it changed.
    pub(super) async fn execute(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<u64, Fault> {
        let (meanwhile, afterwards) = self.around();
        self.watched(meanwhile, afterwards, async |connection| {
            let statement = connection.prepare(sql).await?;
            Ok(connection.client.execute(&statement, parameters).await?)
        })
        .await
    }

    /// Begins a transaction with a statement that gives rows, in one round trip.
    pub(super) async fn begin(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<Vec<Row>, Fault> {
        self.watched(State::InTransaction, State::InTransaction, async |connection| {
            let statement = connection.prepare(sql).await?;
            let client = &connection.client;
            let (begun, rows) = tokio::join!(
                biased;
                client.batch_execute("BEGIN"),
                client.query(&statement, parameters),
            );
            begun?;
            Ok(rows?)
        })
        .await
    }

    /// Ends the transaction with a statement, in one round trip. If the statement fails, the transaction does.
    pub(super) async fn commit(&mut self, sql: &str, parameters: Parameters<'_>) -> Result<u64, Fault> {
        self.watched(State::InTransaction, State::Sound, async |connection| {
            let statement = connection.prepare(sql).await?;
            let client = &connection.client;
            let (changed, committed) = tokio::join!(
                biased;
                client.execute(&statement, parameters),
                client.batch_execute("COMMIT"),
            );
            let changed = changed?;
            committed?;
            Ok(changed)
        })
        .await
    }

    /// Ends the transaction without a trace.
    pub(super) async fn roll_back(&mut self) -> Result<(), Fault> {
        self.watched(State::InTransaction, State::Sound, async |connection| {
            Ok(connection.client.batch_execute("ROLLBACK").await?)
        })
        .await
    }

    /// Runs statements without parameters.
    pub(super) async fn batch(&mut self, sql: &str) -> Result<(), Fault> {
        let (meanwhile, afterwards) = self.around();
        self.watched(meanwhile, afterwards, async |connection| {
            Ok(connection.client.batch_execute(sql).await?)
        })
        .await
    }

    /// What the connection is good for during and after a statement that neither begins nor ends a transaction.
    fn around(&self) -> (State, State) {
        match self.state {
            State::InTransaction => (State::InTransaction, State::InTransaction),
            _ => (State::Waiting, State::Sound),
        }
    }

    /// Runs a step, knowing what the connection is good for if it is dropped meanwhile. After an error the
    /// connection is closed: whatever was wrong with it, with its prepared statements or with the server that
    /// it leads to, a new one does not have.
    async fn watched<T>(
        &mut self,
        meanwhile: State,
        afterwards: State,
        step: impl AsyncFnOnce(&mut Connection) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        self.state = meanwhile;
        let result = match &mut self.connection {
            Some(connection) => step(connection).await,
            None => Err(Fault::Closed),
        };
        self.state = if result.is_ok() { afterwards } else { State::Broken };
        result
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let last_words = match self.state {
            State::Sound => return self.pool.put_back(connection),
            State::Broken => None,
            State::Waiting => Some(""),
            State::InTransaction => Some("ROLLBACK"),
        };
        // The permit is kept until the connection is sound again or gone on the server too: a server that
        // answers nothing must not be given ever more of them.
        let (pool, permit) = (Arc::clone(&self.pool), self.permit.take());
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                pool.end(connection, last_words).await;
                drop(permit);
            });
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Proxies and firewalls forget connections that say nothing for long.
const LONGEST_IDLE: Duration = Duration::from_secs(5 * 60);
