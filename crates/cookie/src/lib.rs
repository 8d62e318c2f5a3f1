//! Cookie values: reading, writing, signing and encrypting them (RFC 6265).
//!
//! In: header lines as bytes, names, values, secrets. Out: values, and texts of `Set-Cookie`. Never sees
//! requests, sessions, sockets or clocks.
//!
//! What a browser sends is read exactly as Node's `cookie` 0.7.2 (the one in Express) reads it, and what is
//! written is Node's text, so a Node application and this one can share cookies, signed ones too
//! (`cookie-signature`, `cookie-parser`). Where Node lets a cookie through that browsers throw away,
//! [`SetCookie::to_header`] is an error; [`SetCookie::dangerous`] gives Node's text.
//!
//! ```
//! use narae_cookie::{SameSite, Secrets, SetCookie, find};
//!
//! # fn main() -> Result<(), narae_cookie::Error> {
//! let secrets = Secrets::new(["the newest secret", "an older one"])?;
//! let cookie = SetCookie::new("user", &secrets.sign_cookie("ada"))?.path("/")?.http_only(true);
//! let sent = cookie.same_site(SameSite::Lax).to_header()?;
//! assert!(sent.starts_with("user=s%3Aada.") && sent.ends_with("; Path=/; HttpOnly; SameSite=Lax"));
//!
//! let (line, _attributes) = sent.split_once(';').unwrap_or_default();
//! let value = find([line.as_bytes()], "user").unwrap_or_default();
//! assert_eq!(secrets.verify_cookie(&value).map(|verified| verified.value), Some("ada"));
//! # Ok(())
//! # }
//! ```
//!
//! # Why not the crate `cookie`
//!
//! It writes the attributes in another order than Node, reads names and values by other rules (a bad escape
//! drops the cookie there and is kept as text here), takes any text as a name or a path, signs in a form of
//! its own, and knows one key where a rotation needs several. Nothing of it would be left to use.

#![forbid(unsafe_code)]

mod component;
mod request;

mod date;
mod grammar;
mod set_cookie;

mod sealed;
mod secrets;

pub mod json;

mod error;

pub use error::{Dropped, Error, Invalid, SecretsFault};
pub use request::{Cookies, find};
pub use sealed::Opened;
pub use secrets::{Secrets, Verified};
pub use set_cookie::{Priority, SameSite, SetCookie, Unchecked};
