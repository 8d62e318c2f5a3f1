//! Cookies in handlers: read them, set them, sign them, encrypt them.
//!
//! In: the `Cookie` lines of a request, what a handler adds and removes. Out: `Set-Cookie` lines. Owns the
//! extractors and the attributes they choose; the values are `narae-cookie`'s, and sessions are not here.
//!
//! An extractor is taken as an argument and given back in the response; what was added or removed becomes
//! one `Set-Cookie` line for each name:
//!
//! ```
//! use narae::prelude::*;
//!
//! async fn visit(cookies: Cookies) -> impl IntoResponse {
//!     let visits: u32 = cookies.get("visits").and_then(|text| text.parse().ok()).unwrap_or(0) + 1;
//!     (cookies.add(("visits", visits.to_string())), format!("visit {visits}\n"))
//! }
//! # let _: Router = Router::new().route("/", get(visit));
//! ```
//!
//! | extractor | users can read the value | users can change it | needs [`Secrets`] |
//! |---|---|---|---|
//! | [`Cookies`] | yes | yes | no |
//! | [`SignedCookies`] | yes | no | yes |
//! | [`PrivateCookies`] | no | no | yes |
//!
//! An extractor adds its lines to those that are there. An array of headers behind it in the same tuple
//! replaces them, as axum's arrays do: `axum::response::AppendHeaders` does not.
//!
//! A cookie that was signed or sealed can still be sent again after it was removed, by whoever kept a copy:
//! what must end on the server's word belongs in a session.
//!
//! # Secrets
//!
//! `SignedCookies` and `PrivateCookies` take the ring from the request's extensions, so it is given once:
//!
//! ```
//! use narae::cookies::{Secrets, SignedCookies};
//! use narae::prelude::*;
//!
//! async fn whoami(cookies: SignedCookies) -> String {
//!     cookies.get("user").unwrap_or("nobody").to_owned()
//! }
//!
//! # fn router() -> Result<Router, narae::cookies::Error> {
//! let secrets = Secrets::new(["the newest secret", "an older one"])?;
//! Ok(Router::new().route("/", get(whoami)).layer(Extension(secrets)))
//! # }
//! # let _ = router();
//! ```
//!
//! Without it, a request for one of them is answered `500`, and the log says what to add.
//!
//! # What never fails
//!
//! Cookies come from strangers: one that cannot be read, verified or opened is as if it were not there. What
//! the *application* adds wrongly (a name with a space, SameSite=None without Secure) is a `500` that the log
//! explains.

mod addition;
mod changes;
mod plain;
mod private;
mod ring;
mod signed;

pub use addition::IntoSetCookie;
pub use narae_cookie::{Dropped, Error, Invalid, Priority, SameSite, Secrets, SecretsFault, SetCookie, json};
pub use plain::Cookies;
pub use private::PrivateCookies;
pub use signed::SignedCookies;
