//! Sessions that stay right across processes: a tower layer, an extractor, and the stores.
//!
//! [`Sessions`] is the layer, [`Session`] what handlers take. Where sessions are kept is a [`store`]: a folder
//! that all workers of a machine share (`store::Embedded`), Redis, PostgreSQL, the cookie itself, or memory.
//!
//! | store | for | feature |
//! |---|---|---|
//! | `store::Embedded` | one machine, many workers | `embedded`, on by default |
//! | `store::Redis` | many machines; Express on the same sessions | `redis` |
//! | `store::Postgres` | many machines; Express on the same sessions | `postgres` |
//! | [`store::InCookie`] | no server state at all | |
//! | [`store::Memory`] | tests | |
//!
//! What a request does to its session is sent to the store as *changes*: two requests at the same time that
//! write different keys both win, and [`Session::update`] loses no count. A session that has ended stays ended,
//! whatever slow request still holds it. While a store is away, requests are answered 503: no one is logged
//! out, or in, by a failure.

#![deny(unsafe_code)]

mod answer;
mod begin;
mod end;
mod error;
mod extract;
mod flash;
mod layer;
mod session;
mod sessions;

mod decide;
mod settings;
mod shared;
mod state;

mod codec;
#[cfg(any(feature = "redis", feature = "postgres"))]
mod express;
mod id;
mod record;
mod time;

pub mod store;

// For the fuzz targets and the figures: no part of what this crate promises.
#[doc(hidden)]
pub use codec::{decode as decode_record, encode as encode_record};
pub use error::Error;
pub use extract::NoSessions;
pub use flash::Flash;
pub use id::{Handle, Id};
pub use layer::{Answering, SessionService};
pub use narae_cookie::{Priority, SameSite};
pub use record::{Attributes, Change, Json, MaxAge, Record, Values};
pub use session::{Session, SessionInfo};
pub use sessions::Sessions;
pub use settings::{CookieSettings, OnStoreError, Secure};
pub use shared::{SessionCounts, prepare};
pub use time::Timestamp;
