//! [`ready`]: makes the tables that a store needs, once, however many processes start at the same time.
//!
//! In: a connection and the names. Out: tables of the version that this program knows. Forward only: a later
//! version than this program's is an error, since it would write what the later program no longer reads. Has
//! a time limit of its own: what takes longer than a request may wait would else never be done.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, oneshot};
use tokio::time::timeout;

use super::Core;
use super::fault::Fault;
use super::names::Names;
use super::pool::Lease;
use crate::time::milliseconds;

/// Whether the tables are as this program needs them.
#[derive(Default)]
pub(super) struct Migration {
    is_done: AtomicBool,
    /// Held by the one attempt that there is at a time.
    attempt: Arc<Mutex<()>>,
}

/// Returns when the tables are there. Whoever stops waiting does not stop the attempt.
///
/// # Errors
/// Why the tables cannot be had; the next one who asks tries again.
pub(super) async fn ready(core: &Arc<Core>) -> Result<(), Fault> {
    let migration = &core.migration;
    if migration.is_done.load(Ordering::Acquire) {
        return Ok(());
    }
    let turn = Arc::clone(&migration.attempt).lock_owned().await;
    if migration.is_done.load(Ordering::Acquire) {
        return Ok(());
    }
    let (tell, told) = oneshot::channel();
    let core = Arc::clone(core);
    tokio::spawn(async move {
        let result = timeout(LIMIT, core.migrate()).await.unwrap_or(Err(Fault::Response(LIMIT)));
        core.migration.is_done.store(result.is_ok(), Ordering::Release);
        drop(turn);
        if let Err(Err(fault)) = tell.send(result) {
            tracing::warn!("the tables of the sessions could not be made: {}", fault.at(&core.server));
        }
    });
    // It says nothing only if its runtime ends.
    told.await.unwrap_or(Err(Fault::Closed))
}

/// Brings narae's own table to the version that this program knows. `may_create`: else it only looks.
///
/// # Errors
/// If the table is of a later version, or may not be made.
pub(super) async fn migrate(lease: &mut Lease, names: &Names, may_create: bool) -> Result<(), Fault> {
    let found = version(lease, names).await?;
    if found == STEPS.len() {
        return Ok(());
    }
    if !may_create {
        return Err(Fault::Misuse(format!(
            "the table {} has version {found}, and this program needs {}: let a program without \
             create_table_if_missing(false) make it",
            names.table,
            STEPS.len()
        )));
    }
    begin(lease).await?;
    lease.batch(&CREATE_VERSIONS.replace("$versions", &names.versions)).await?;
    // Another process may have been faster, until the lock was had.
    let found = version(lease, names).await?;
    for step in STEPS.iter().skip(found) {
        lease.batch(&step.replace("$table", &names.table)).await?;
    }
    let reached = i32::try_from(STEPS.len()).unwrap_or(i32::MAX);
    let keep = KEEP_VERSION.replace("$versions", &names.versions);
    lease.commit(&keep, &[&names.plain, &reached]).await?;
    Ok(())
}

/// Makes the table of connect-pg-simple unless it is there.
///
/// # Errors
/// If it may not be made.
pub(super) async fn create_express(lease: &mut Lease, names: &Names) -> Result<(), Fault> {
    if exists(lease, &names.table).await? {
        return Ok(());
    }
    begin(lease).await?;
    // Not asked again: until it is told to lock something, a connection answers `to_regclass` from memory.
    lease.batch(&EXPRESS.replace("$table", &names.table)).await?;
    lease.commit("SELECT", &[]).await?;
    Ok(())
}

/// Begins a transaction with time enough, and waits until no other process makes tables.
async fn begin(lease: &mut Lease) -> Result<(), Fault> {
    lease.begin(ALLOW_TIME, &[&milliseconds(LIMIT).to_string()]).await?;
    lease.query("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    Ok(())
}

/// Which version the table has; 0: there is none.
async fn version(lease: &mut Lease, names: &Names) -> Result<usize, Fault> {
    if !exists(lease, &names.versions).await? {
        return Ok(0);
    }
    let sql = format!("SELECT version FROM {} WHERE table_name = $1", names.versions);
    let found: i32 = match lease.query(&sql, &[&names.plain]).await?.first() {
        Some(row) => row.try_get(0)?,
        None => 0,
    };
    match usize::try_from(found) {
        Ok(version) if version <= STEPS.len() => Ok(version),
        _ => Err(Fault::Misuse(format!(
            "the table {} has version {found}, and this program knows versions up to {}: a later version of \
             narae made it; update this program",
            names.table,
            STEPS.len()
        ))),
    }
}

async fn exists(lease: &mut Lease, table: &str) -> Result<bool, Fault> {
    let rows = lease.query("SELECT to_regclass($1) IS NOT NULL", &[&table]).await?;
    Ok(rows.first().is_some_and(|row| row.get(0)))
}

/// `narae`, in ASCII: the key of the advisory lock.
const LOCK: i64 = 0x6e_61_72_61_65;

/// Longest wait for the lock and all steps together.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// For this transaction alone.
const ALLOW_TIME: &str = "SELECT set_config('statement_timeout', $1, true),
    set_config('idle_in_transaction_session_timeout', $1, true)";

const CREATE_VERSIONS: &str = "CREATE TABLE IF NOT EXISTS $versions (
    table_name text PRIMARY KEY,
    version integer NOT NULL
)";

const KEEP_VERSION: &str = "INSERT INTO $versions (table_name, version) VALUES ($1, $2)
    ON CONFLICT (table_name) DO UPDATE SET version = EXCLUDED.version";

/// What leads from each version to the next. Steps are added at the end and never changed.
///
/// Times are milliseconds since 1970. `max_age`: milliseconds; -1: until the browser is closed; null: as
/// configured. `data`: from each key to its value's JSON as a text, since `jsonb` itself neither keeps every
/// number as it was written nor takes U+0000.
const STEPS: &[&str] = &["CREATE TABLE $table (
    handle bytea PRIMARY KEY,
    user_id text,
    created bigint NOT NULL,
    seen bigint NOT NULL,
    expires bigint NOT NULL,
    max_age bigint,
    version bigint NOT NULL,
    data jsonb NOT NULL
);
CREATE INDEX ON $table (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX ON $table (expires)"];

/// As connect-pg-simple's `table.sql` makes it, the names of the key and the index too.
const EXPRESS: &str = r#"CREATE TABLE IF NOT EXISTS $table (
    "sid" varchar NOT NULL COLLATE "default",
    "sess" json NOT NULL,
    "expire" timestamp(6) NOT NULL,
    CONSTRAINT "session_pkey" PRIMARY KEY ("sid") NOT DEFERRABLE INITIALLY IMMEDIATE
);
CREATE INDEX IF NOT EXISTS "IDX_session_expire" ON $table ("expire")"#;
