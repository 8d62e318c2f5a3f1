//! [`Fault`]: what can go wrong between a statement and its answer, and what the store says about it.
//!
//! In: errors of the driver. Out: [`StoreError`]s that name the server and the database. Never a password,
//! an id or a value: PostgreSQL's `DETAIL` may hold them and is left out.

use std::error::Error as StdError;
use std::time::Duration;

use tokio_postgres::error::{DbError, SqlState};

use super::super::StoreError;

/// Why a step failed.
pub(super) enum Fault {
    /// The driver or the server.
    Driver(tokio_postgres::Error),
    /// No connection in this time.
    Connect(Duration),
    /// No answer in this time, everything together.
    Response(Duration),
    /// The connection is gone.
    Closed,
    /// What the server holds is not what it should be.
    Unreadable(String),
    /// The store is used or configured wrongly.
    Misuse(String),
    /// Something that is an error of the store already.
    Store(StoreError),
}

impl From<tokio_postgres::Error> for Fault {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Driver(error)
    }
}

impl Fault {
    /// Whether the server may be sound and the connection alone was not.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Closed => true,
            Self::Driver(error) => error.is_closed(),
            _ => false,
        }
    }

    /// As the store's error. `server` names the server and the database.
    pub(super) fn at(self, server: &str) -> StoreError {
        match self {
            Self::Driver(error) => match error.as_db_error() {
                Some(refusal) if *refusal.code() == SqlState::DISK_FULL => {
                    StoreError::Full(format!("{server}: {}", refusal.message()))
                }
                _ => StoreError::Unavailable(format!("{server}: {}", chain(&error)), None),
            },
            Self::Connect(limit) => {
                StoreError::Unavailable(format!("{server}: no connection within {limit:?}"), None)
            }
            Self::Response(limit) => {
                StoreError::Unavailable(format!("{server}: no answer within {limit:?}"), None)
            }
            Self::Closed => StoreError::Unavailable(format!("{server}: connection closed"), None),
            Self::Unreadable(what) => StoreError::Unreadable(format!("{server}: {what}")),
            Self::Misuse(what) => StoreError::Misuse(format!("{server}: {what}")),
            Self::Store(error) => error,
        }
    }
}

/// An error and its causes in one line.
fn chain(error: &tokio_postgres::Error) -> String {
    if let Some(refusal) = error.as_db_error() {
        return refused(refusal);
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        match error.downcast_ref::<DbError>() {
            Some(refusal) => text.push_str(&refused(refusal)),
            None => text.push_str(&error.to_string()),
        }
        cause = error.source();
    }
    text
}

fn refused(refusal: &DbError) -> String {
    format!("{}: {} (SQLSTATE {})", refusal.severity(), refusal.message(), refusal.code().code())
}
