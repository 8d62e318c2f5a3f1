//! The tables, and how a file from an older narae becomes a current one.
//!
//! In: a fresh connection, from `store`. Out: a file with the current schema.
//! Owns the schema's versions and the first users; never sees requests.

use std::path::Path;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use super::store_error::StoreError;
use super::user::{Draft, Role};

/// Marks the file as ours (`PRAGMA application_id`): "nara" in ASCII.
const APPLICATION_ID: i64 = 0x6e61_7261;

/// Each version of the schema (`PRAGMA user_version`) and the step that leads
/// to it from the one before. Add steps at the end; never edit an old one.
const STEPS: [(i64, Step); 1] = [(1, create_users)];

/// The version that this program reads and writes.
const CURRENT: i64 = STEPS[STEPS.len() - 1].0;

type Step = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// Readers see the last commit while a writer works, also in other processes.
pub(super) fn use_write_ahead_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "journal_mode", "WAL")
}

/// Refuses a file that another program made, before anything in it changes.
///
/// Both questions are asked inside one transaction: another process may be
/// creating the tables just now.
pub(super) fn check_owner(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let snapshot = connection.transaction()?;
    let application: i64 = snapshot.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let tables: i64 = snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == APPLICATION_ID || (application == 0 && tables == 0) {
        return Ok(());
    }
    Err(StoreError::Foreign { path: path.to_owned() })
}

/// Brings the file to the current version.
///
/// The version is read inside the write transaction: of several processes that
/// start at once, one does the work and the others find it done.
pub(super) fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let found: i64 = transaction.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if found > CURRENT {
        return Err(StoreError::Newer { path: path.to_owned(), found, known: CURRENT });
    }
    for (version, step) in STEPS.iter().filter(|(version, _)| *version > found) {
        step(&transaction)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
    }
    Ok(transaction.commit()?)
}

/// Adds a user and returns its id. Also the store's way to create one.
pub(super) fn insert(connection: &Connection, draft: &Draft) -> rusqlite::Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO users (name, email, role, note, starred, searchable)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .insert(params![
            draft.name,
            draft.email,
            draft.role.as_str(),
            draft.note,
            draft.starred,
            draft.searchable()
        ])
}

/// `AUTOINCREMENT` never gives an id twice, so an old link cannot lead to a
/// different person. The times are RFC 3339.
fn create_users(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(
        "CREATE TABLE users (
             id         INTEGER PRIMARY KEY AUTOINCREMENT,
             name       TEXT    NOT NULL,
             email      TEXT,
             role       TEXT    NOT NULL,
             note       TEXT    NOT NULL,
             starred    INTEGER NOT NULL,
             searchable TEXT    NOT NULL,
             version    INTEGER NOT NULL DEFAULT 1,
             created_at TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
             updated_at TEXT    NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
         ) STRICT;",
    )?;
    // The board shows the newest user first.
    for draft in first_users().iter().rev() {
        insert(transaction, draft)?;
    }
    Ok(())
}

fn first_users() -> [Draft; 3] {
    [
        Draft {
            name: "김나래".to_owned(),
            email: Some("narae@example.com".to_owned()),
            role: Role::Pilot,
            note: "나래는 날개라는 뜻이에요. Say hello!".to_owned(),
            starred: true,
        },
        Draft {
            name: "Ada Swift".to_owned(),
            email: Some("ada@example.com".to_owned()),
            role: Role::Engineer,
            note: "Keeps the engine quiet. Prefers Rust to rust.".to_owned(),
            starred: false,
        },
        Draft {
            name: "Mateo Alas".to_owned(),
            email: None,
            role: Role::Navigator,
            note: "Knows the way, and knows when to ask.".to_owned(),
            starred: false,
        },
    ]
}
