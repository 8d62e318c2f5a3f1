//! The users, kept in one SQLite file.
//!
//! In: drafts and questions, from `users`. Out: users, and what became of a
//! change. Owns the queries and their transactions; never sees HTTP.
//!
//! Several processes may open the same file. Each change reads, compares and
//! writes inside one immediate transaction, so two of them cannot both believe
//! that they were first.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::database::{self, Database};
use super::schema;
use super::store_error::StoreError;
use super::user::{Draft, FieldErrors, Role, User};

/// Handle to the users; clones share the same two connections.
#[derive(Clone)]
pub(crate) struct Store {
    /// Apart from `writer`: a list need not wait while a change does.
    reader: Database,
    writer: Database,
}

/// Which users to list, newest first.
#[derive(Clone, Debug)]
pub(crate) struct Listing {
    /// Only users that contain this text, in any letter case.
    pub(crate) search: String,
    /// Only users with a smaller id: where the page before this one ended.
    pub(crate) before: i64,
    /// Most users to return.
    pub(crate) limit: usize,
}

/// Which version a change was made for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expected {
    /// Whatever is there.
    Any,
    /// One of these; none of them if empty.
    OneOf(Vec<i64>),
}

/// What became of a change.
#[derive(Debug)]
pub(crate) enum Outcome<T> {
    Done(T),
    /// There is no user with that id.
    Missing,
    /// The user changed since the caller looked; this is what it is now.
    Stale(User),
    /// The user would no longer obey the rules.
    Invalid(FieldErrors),
}

impl Store {
    /// Opens the file at `path`; creates it, with three users, if it is missing.
    ///
    /// Blocks while another process does the same, for 5 s at most.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, is not a database, or is not ours.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let (writer, reader) = open_patiently(path).map_err(|error| match error {
            StoreError::Query(source) => StoreError::Open { path: path.to_owned(), source },
            other => other,
        })?;
        Ok(Self {
            reader: Database::start("demo-reader", reader)?,
            writer: Database::start("demo-writer", writer)?,
        })
    }

    /// The users that match `listing`, newest first.
    pub(crate) async fn list(&self, listing: Listing) -> Result<Vec<User>, StoreError> {
        let limit = i64::try_from(listing.limit).unwrap_or(i64::MAX);
        let search = listing.search.trim().to_lowercase();
        self.reader
            .run(move |connection| {
                connection
                    .prepare_cached(&format!(
                        "SELECT {COLUMNS} FROM users
                         WHERE id < ?1 AND instr(searchable, ?2) > 0
                         ORDER BY id DESC LIMIT ?3"
                    ))?
                    .query_map(params![listing.before, search, limit], read_user)?
                    .collect()
            })
            .await
    }

    /// The user `id`, if there is one.
    pub(crate) async fn find(&self, id: i64) -> Result<Option<User>, StoreError> {
        self.reader.run(move |connection| find(connection, id)).await
    }

    /// Adds a user.
    pub(crate) async fn create(&self, draft: Draft) -> Result<User, StoreError> {
        self.writer
            .run(move |connection| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let id = schema::insert(&transaction, &draft)?;
                let user = existing(&transaction, id)?;
                transaction.commit()?;
                Ok(user)
            })
            .await
    }

    /// Changes user `id` to what `edit` makes of it.
    ///
    /// A change to the same content keeps the version: repeating a request is
    /// harmless.
    pub(crate) async fn change<F>(
        &self,
        id: i64,
        expected: Expected,
        edit: F,
    ) -> Result<Outcome<User>, StoreError>
    where
        F: FnOnce(&User) -> Result<Draft, FieldErrors> + Send + 'static,
    {
        self.writer
            .run(move |connection| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                let user = match find(&transaction, id)? {
                    None => return Ok(Outcome::Missing),
                    Some(user) if !expected.allows(user.version) => return Ok(Outcome::Stale(user)),
                    Some(user) => user,
                };
                let draft = match edit(&user) {
                    Ok(draft) if draft == Draft::from(&user) => return Ok(Outcome::Done(user)),
                    Ok(draft) => draft,
                    Err(errors) => return Ok(Outcome::Invalid(errors)),
                };
                update(&transaction, id, &draft)?;
                let user = existing(&transaction, id)?;
                transaction.commit()?;
                Ok(Outcome::Done(user))
            })
            .await
    }

    /// Deletes user `id`.
    pub(crate) async fn delete(&self, id: i64, expected: Expected) -> Result<Outcome<()>, StoreError> {
        self.writer
            .run(move |connection| {
                let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
                match find(&transaction, id)? {
                    None => return Ok(Outcome::Missing),
                    Some(user) if !expected.allows(user.version) => return Ok(Outcome::Stale(user)),
                    Some(_) => transaction.execute("DELETE FROM users WHERE id = ?1", [id])?,
                };
                transaction.commit()?;
                Ok(Outcome::Done(()))
            })
            .await
    }
}

impl Expected {
    fn allows(&self, version: i64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&version),
        }
    }
}

/// Wait before the file is tried again.
const OPEN_PAUSE: Duration = Duration::from_millis(5);

const COLUMNS: &str = "id, name, email, role, note, starred, version, created_at, updated_at";

/// The connections for the writer and for the reader.
///
/// The busy timeout does not cover the switch to a write-ahead log: when two
/// processes create the file at the same moment, SQLite turns one of them away
/// at once. It only has to ask again.
fn open_patiently(path: &Path) -> Result<(Connection, Connection), StoreError> {
    let deadline = Instant::now() + database::BUSY_TIMEOUT;
    loop {
        let opened = open_for_writing(path).and_then(|writer| Ok((writer, open_for_reading(path)?)));
        match opened {
            Err(StoreError::Busy) if Instant::now() < deadline => thread::sleep(OPEN_PAUSE),
            opened => return opened,
        }
    }
}

fn open_for_writing(path: &Path) -> Result<Connection, StoreError> {
    let mut connection = database::connect(path)?;
    schema::check_owner(&mut connection, path)?;
    schema::use_write_ahead_log(&connection)?;
    schema::migrate(&mut connection, path)?;
    Ok(connection)
}

fn open_for_reading(path: &Path) -> Result<Connection, StoreError> {
    let connection = database::connect(path)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn find(connection: &Connection, id: i64) -> rusqlite::Result<Option<User>> {
    existing(connection, id).optional()
}

fn existing(connection: &Connection, id: i64) -> rusqlite::Result<User> {
    connection
        .prepare_cached(&format!("SELECT {COLUMNS} FROM users WHERE id = ?1"))?
        .query_row([id], read_user)
}

fn update(connection: &Connection, id: i64, draft: &Draft) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE users
             SET name = ?2, email = ?3, role = ?4, note = ?5, starred = ?6, searchable = ?7,
                 version = version + 1, updated_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now')
             WHERE id = ?1",
        )?
        .execute(params![
            id,
            draft.name,
            draft.email,
            draft.role.as_str(),
            draft.note,
            draft.starred,
            draft.searchable()
        ])?;
    Ok(())
}

fn read_user(row: &Row<'_>) -> rusqlite::Result<User> {
    let role: String = row.get("role")?;
    let role = Role::from_name(&role).ok_or_else(|| {
        let unknown = format!("{role:?} is not a role");
        rusqlite::Error::FromSqlConversionFailure(3, Type::Text, unknown.into())
    })?;
    Ok(User {
        id: row.get("id")?,
        name: row.get("name")?,
        email: row.get("email")?,
        role,
        note: row.get("note")?,
        starred: row.get("starred")?,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}
