//! [`Cookies`]: values that users can read and change.
//!
//! In: a request. Out: its cookies, and the lines that change them. Knows no secrets.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use narae_cookie::Cookies as Received;

use super::IntoSetCookie;
use super::changes::{Changes, received, writes_its_changes};

/// The request's cookies, read as Node's `cookie` 0.7.2 reads them; given back in a response, what was added
/// and removed is written.
///
/// Extracting it never fails. Users can send what they like: for values to be relied on, see
/// [`SignedCookies`](super::SignedCookies). Dropping it, instead of giving it back, writes nothing.
///
/// ```
/// use std::time::Duration;
/// use narae::cookies::SameSite;
/// use narae::prelude::*;
///
/// async fn set_theme(cookies: Cookies, theme: String) -> HandlerResult<(Cookies, Redirect)> {
///     let cookie = SetCookie::new("theme", &theme)?
///         .path("/")?
///         .max_age(Duration::from_secs(30 * 24 * 3600))
///         .same_site(SameSite::Lax);
///     Ok((cookies.add(cookie).remove("old-theme"), Redirect::to("/")))
/// }
/// # let _: Router = Router::new().route("/", post(set_theme));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "what was added or removed is written only if this is part of the response"]
pub struct Cookies {
    received: Received,
    changes: Changes,
}

impl Cookies {
    /// The value of the cookie `name`, decoded: what this handler added, or else what the request sent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.changes.get(name).unwrap_or_else(|| self.received.get(name))
    }

    /// Names and values, each name once: first those received and not changed, then those added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let unchanged = self.received.iter().filter(|(name, _)| self.changes.get(name).is_none());
        unchanged.chain(self.changes.added())
    }

    /// Sets a cookie. A pair of name and value gets `Path=/`, `HttpOnly` and `SameSite=Lax`. Of several with
    /// one name the last is written.
    ///
    /// A cookie that cannot be made, or that browsers would drop ([`SetCookie::to_header`]), makes the
    /// response a `500` that the log explains.
    ///
    /// [`SetCookie::to_header`]: super::SetCookie::to_header
    #[allow(clippy::should_implement_trait, reason = "nobody takes it for addition; axum-extra says it so")]
    pub fn add(mut self, cookie: impl IntoSetCookie) -> Self {
        self.changes.add(cookie.into_set_cookie(), |cookie, _| cookie);
        self
    }

    /// Makes the browser forget the cookie `name` of the path `/`. One with another path or a domain is
    /// another cookie: add [`SetCookie::removal`](super::SetCookie::removal) with both.
    pub fn remove(mut self, name: &str) -> Self {
        self.changes.remove(name);
        self
    }
}

impl<S: Sync> FromRequestParts<S> for Cookies {
    type Rejection = Infallible;

    async fn from_request_parts(request: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self { received: received(request), changes: Changes::default() })
    }
}

writes_its_changes!(Cookies);
