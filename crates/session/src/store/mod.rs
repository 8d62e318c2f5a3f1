//! [`Store`]: where sessions are kept; one trait, and one [`contract`] that every store passes.
//!
//! In: ids and changes. Out: records. A store knows neither requests nor cookies; the layer does not know
//! which store it uses.

pub mod contract;
#[cfg(feature = "embedded")]
mod embedded;
mod in_cookie;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod turns;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod warnings;

use std::error::Error as StdError;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

#[cfg(feature = "embedded")]
pub use embedded::{Durability, Embedded};
pub use in_cookie::InCookie;
pub use memory::Memory;
#[cfg(feature = "postgres")]
pub use postgres::Postgres;
#[cfg(feature = "redis")]
pub use redis::Redis;

use crate::id::{Handle, Id};
use crate::record::{Change, Json, Record};
use crate::time::Timestamp;

/// What a store will answer.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Keeps sessions.
///
/// A store of your own must pass [`contract::check`]. Its rules: an acknowledged write is seen by every
/// reader from then on; a change touches the keys that it names and no others; a session that was destroyed
/// or has expired is never given out and never changed again; a failure is an error and never an empty answer.
/// What `Ok` acknowledged survives what the store promises to survive.
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Gives the record of `id`, unless there is none or it has expired at `now`.
    fn load<'a>(&'a self, id: &'a Id, now: Timestamp) -> Pending<'a, Option<Record>>;

    /// Keeps a new session. `id` is new and random.
    fn create(&self, id: Id, change: Change) -> Pending<'_, Committed>;

    /// Makes a change as one transaction. [`Committed::Gone`] if there is no such session: nothing is done.
    fn commit(&self, id: Id, change: Change) -> Pending<'_, Committed>;

    /// Moves a session to a new id and makes a change, as one transaction where the store can. The old id is
    /// dead afterwards. [`Committed::Gone`] if there is no such session: nothing is done.
    fn renew(&self, from: Id, to: Id, change: Change) -> Pending<'_, Committed>;

    /// Replaces the value of one key by what `update` makes of it, as one transaction: what was there when
    /// the new value is written is what `update` saw. [`Updated::Gone`] if there is no such session.
    fn update(&self, id: Id, update: Update) -> Pending<'_, Updated>;

    /// Moves the expiry, forward only. `false` if there is no such session: nothing is done.
    fn touch(&self, id: Id, now: Timestamp, expires: Timestamp) -> Pending<'_, bool>;

    /// Ends a session. `false` if there was none.
    fn destroy(&self, id: Id) -> Pending<'_, bool>;

    /// The live sessions of `user`, the youngest first: at most 1,000 of them.
    fn sessions_of<'a>(&'a self, user: &'a str, now: Timestamp) -> Pending<'a, Vec<Listed>>;

    /// Ends all sessions of `user` but the one named `except`. Gives how many there were.
    fn destroy_all_of<'a>(&'a self, user: &'a str, except: Option<Handle>) -> Pending<'a, u64>;

    /// Ends the session named `handle`, if it is one of `user`. `false` if there was none.
    fn revoke<'a>(&'a self, user: &'a str, handle: Handle) -> Pending<'a, bool>;

    /// How many sessions are live.
    fn count(&self, now: Timestamp) -> Pending<'_, u64>;

    /// Forgets sessions that have expired at `now`, a bounded number at a time. Gives how many; whoever
    /// wants all gone calls again until it is 0. Stores whose server does it by itself give 0.
    fn sweep(&self, now: Timestamp) -> Pending<'_, u64>;

    /// Makes ready for `workers` processes; called once in each before it serves. Checks what can be checked
    /// without a runtime, and opens files. Default: nothing.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot serve; the process then says so and does not start.
    fn prepare(&self, workers: usize) -> Result<(), StoreError> {
        let _ = workers;
        Ok(())
    }

    /// What the store can do. Default: [`Abilities::default`].
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }
}

/// What a store can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Abilities {
    /// Finds sessions by user. Default: `true`. Where it is `false`, the three methods that ask for a user
    /// give [`StoreError::Unsupported`].
    pub users: bool,
    /// Can move the expiry alone. Default: `true`.
    pub touch: bool,
    /// The record is in the cookie itself, so [`Committed::Done`] carries the cookie's new value, and the
    /// value is not signed again. Default: `false`.
    pub in_cookie: bool,
    /// Keeps when a session began, so that an absolute timeout can be enforced. Default: `true`.
    pub created: bool,
    /// Writes the records of express-session: the session is sent with its attributes. Default: `false`.
    pub express: bool,
}

impl Default for Abilities {
    fn default() -> Self {
        Self { users: true, touch: true, in_cookie: false, created: true, express: false }
    }
}

/// What became of a change.
#[derive(Clone, PartialEq, Eq)]
pub enum Committed {
    /// It is kept. With the new value of the cookie, if the store keeps sessions in cookies.
    Done(Option<Box<str>>),
    /// There is no such session any more.
    Gone,
}

/// What became of an update.
#[derive(Clone, PartialEq, Eq)]
pub enum Updated {
    /// The key's new value is kept. With the new value of the cookie, as in [`Committed::Done`].
    Done(Option<Json>, Option<Box<str>>),
    /// There is no such session any more.
    Gone,
    /// The update itself refused (the value that was there is not what it expects): nothing is changed.
    Refused(Arc<str>),
}

// Neither a cookie nor a value belongs into a log.
impl fmt::Debug for Committed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Done(None) => "Done",
            Self::Done(Some(_)) => "Done(in the cookie)",
            Self::Gone => "Gone",
        })
    }
}

impl fmt::Debug for Updated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(..) => f.write_str("Done"),
            Self::Gone => f.write_str("Gone"),
            Self::Refused(why) => f.debug_tuple("Refused").field(why).finish(),
        }
    }
}

/// A read-modify-write of one key.
#[derive(Clone)]
pub struct Update {
    /// Which key.
    pub key: Arc<str>,
    /// Makes the new value (`None`: the key goes away) out of the one that is there. An error leaves
    /// everything as it is. May be called more than once: where another writer was faster, or a
    /// transaction was repeated.
    pub make: Make,
    /// The time of the request.
    pub now: Timestamp,
    /// The new moment of expiry.
    pub expires: Timestamp,
}

/// See [`Update::make`].
pub type Make = Arc<dyn Fn(Option<&str>) -> Result<Option<Json>, Arc<str>> + Send + Sync>;

impl fmt::Debug for Update {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Update").field("key", &self.key).finish_non_exhaustive()
    }
}

/// A session in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub handle: Handle,
    /// What is kept for it.
    pub record: Record,
}

/// Why a store could not answer. Nothing of what was asked has been acknowledged.
#[derive(Debug)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached, is too slow or refuses. Another attempt may succeed. With what failed, the
    /// address or path in it.
    Unavailable(String, Option<Box<dyn StdError + Send + Sync>>),
    /// It has no room left. With the path or address.
    Full(String),
    /// A stored record cannot be read. With which, and why.
    Unreadable(String),
    /// The store cannot do this. With what, and which store can.
    Unsupported(&'static str),
    /// The program uses or configures the store wrongly. With what to do.
    Misuse(String),
    /// The session is too big for the store. With the size and the limit, in bytes.
    TooBig(usize, usize),
}

impl StoreError {
    /// Whether another attempt fails as this one did, so that it is the program that must be mended.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        match self {
            Self::Unsupported(_) | Self::Misuse(_) | Self::TooBig(..) => true,
            Self::Unavailable(..) | Self::Full(_) | Self::Unreadable(_) => false,
        }
    }

    /// An unavailable store: `what` failed because of `source`.
    pub fn unavailable(what: impl Into<String>, source: impl StdError + Send + Sync + 'static) -> Self {
        Self::Unavailable(what.into(), Some(Box::new(source)))
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unavailable(what, None) => f.write_str(what),
            Self::Unavailable(what, Some(source)) => write!(f, "{what}: {source}"),
            Self::Full(what) => write!(f, "no room is left for sessions: {what}"),
            Self::Unreadable(what) => write!(f, "a stored session cannot be read: {what}"),
            Self::Unsupported(what) => write!(f, "the session store cannot do this: {what}"),
            Self::Misuse(what) => f.write_str(what),
            Self::TooBig(size, limit) => {
                write!(f, "the session has {size} bytes, and its store takes at most {limit}")
            }
        }
    }
}

impl StdError for StoreError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Unavailable(_, Some(source)) => Some(&**source),
            _ => None,
        }
    }
}

/// A store can be shared: two layers over one.
impl<S: Store + ?Sized> Store for Arc<S> {
    fn load<'a>(&'a self, id: &'a Id, now: Timestamp) -> Pending<'a, Option<Record>> {
        (**self).load(id, now)
    }
    fn create(&self, id: Id, change: Change) -> Pending<'_, Committed> {
        (**self).create(id, change)
    }
    fn commit(&self, id: Id, change: Change) -> Pending<'_, Committed> {
        (**self).commit(id, change)
    }
    fn renew(&self, from: Id, to: Id, change: Change) -> Pending<'_, Committed> {
        (**self).renew(from, to, change)
    }
    fn update(&self, id: Id, update: Update) -> Pending<'_, Updated> {
        (**self).update(id, update)
    }
    fn touch(&self, id: Id, now: Timestamp, expires: Timestamp) -> Pending<'_, bool> {
        (**self).touch(id, now, expires)
    }
    fn destroy(&self, id: Id) -> Pending<'_, bool> {
        (**self).destroy(id)
    }
    fn sessions_of<'a>(&'a self, user: &'a str, now: Timestamp) -> Pending<'a, Vec<Listed>> {
        (**self).sessions_of(user, now)
    }
    fn destroy_all_of<'a>(&'a self, user: &'a str, except: Option<Handle>) -> Pending<'a, u64> {
        (**self).destroy_all_of(user, except)
    }
    fn revoke<'a>(&'a self, user: &'a str, handle: Handle) -> Pending<'a, bool> {
        (**self).revoke(user, handle)
    }
    fn count(&self, now: Timestamp) -> Pending<'_, u64> {
        (**self).count(now)
    }
    fn sweep(&self, now: Timestamp) -> Pending<'_, u64> {
        (**self).sweep(now)
    }
    fn prepare(&self, workers: usize) -> Result<(), StoreError> {
        (**self).prepare(workers)
    }
    fn abilities(&self) -> Abilities {
        (**self).abilities()
    }
}
