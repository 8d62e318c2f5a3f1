//! [`SignedCookies`]: values that users can read and not change.
//!
//! In: a request, the application's secrets. Out: the cookies whose signature is right, and signed lines.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use narae_cookie::{Cookies as Received, Secrets, Verified};

use super::changes::{Changes, received, writes_its_changes};
use super::{IntoSetCookie, ring};
use crate::HandlerError;

/// The request's signed cookies, in the form of Express (`s:` value `.` signature), so that an Express
/// application with the same secrets reads and writes the same ones.
///
/// Cookies without a signature, or with a wrong one, are not there. The [`Secrets`] come from
/// `.layer(Extension(secrets))` on the router; without it the request is answered `500`.
///
/// As in Express, the signature is of the value alone: whoever has two signed cookies can swap their values.
/// Where that matters, say in the value what it is for, or use [`PrivateCookies`](super::PrivateCookies).
///
/// ```
/// use narae::prelude::*;
///
/// async fn sign_in(cookies: SignedCookies) -> (SignedCookies, &'static str) {
///     (cookies.add(("user", "ada")), "welcome\n")
/// }
///
/// async fn whoami(cookies: SignedCookies) -> Result<String, StatusCode> {
///     cookies.get("user").map(str::to_owned).ok_or(StatusCode::UNAUTHORIZED)
/// }
/// # let _: Router = Router::new().route("/", post(sign_in).get(whoami));
/// ```
#[derive(Clone, Debug)]
#[must_use = "what was added or removed is written only if this is part of the response"]
pub struct SignedCookies {
    secrets: Secrets,
    received: Received,
    changes: Changes,
}

impl SignedCookies {
    /// The value of the cookie `name`: what this handler added, or else what the request sent, if the
    /// signature is right under one of the secrets.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.changes.get(name).unwrap_or_else(|| Some(self.verified(name)?.value))
    }

    /// Names and values, each name once: first those received, verified and not changed, then those added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let unchanged = self.received.iter().filter(|(name, _)| self.changes.get(name).is_none());
        let verified =
            unchanged.filter_map(|(name, text)| Some((name, self.secrets.verify_cookie(text)?.value)));
        verified.chain(self.changes.added())
    }

    /// Sets a cookie, its value signed with the newest secret. A pair of name and value gets `Path=/`,
    /// `HttpOnly` and `SameSite=Lax`. Of several with one name the last is written.
    ///
    /// A cookie that cannot be made, or that browsers would drop ([`SetCookie::to_header`]), makes the
    /// response a `500` that the log explains.
    ///
    /// [`SetCookie::to_header`]: super::SetCookie::to_header
    #[allow(clippy::should_implement_trait, reason = "nobody takes it for addition; axum-extra says it so")]
    pub fn add(mut self, cookie: impl IntoSetCookie) -> Self {
        let secrets = &self.secrets;
        self.changes
            .add(cookie.into_set_cookie(), |cookie, value| cookie.with_value(&secrets.sign_cookie(value)));
        self
    }

    /// Signs the cookie `name` anew if its signature is of an older secret; else does nothing. Without this,
    /// a cookie keeps the secret it was signed with.
    ///
    /// A request does not say what attributes a cookie was set with, so `attributes` gives them again: it
    /// gets the cookie as [`add`](Self::add) would set it for a pair.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use narae::prelude::*;
    /// async fn page(cookies: SignedCookies) -> (SignedCookies, &'static str) {
    ///     let cookies = cookies.resign("user", |cookie| cookie.max_age(Duration::from_secs(86_400)));
    ///     (cookies, "hello\n")
    /// }
    /// # let _: Router = Router::new().route("/", get(page));
    /// ```
    pub fn resign<C: IntoSetCookie>(
        self,
        name: &str,
        attributes: impl FnOnce(super::SetCookie) -> C,
    ) -> Self {
        let old = self.changes.get(name).is_none().then(|| self.verified(name)).flatten();
        match old.filter(|verified| verified.secret > 0) {
            Some(verified) => {
                let cookie = (name, verified.value).into_set_cookie();
                self.add(cookie.and_then(|cookie| attributes(cookie).into_set_cookie()))
            }
            None => self,
        }
    }

    /// Makes the browser forget the cookie `name` of the path `/`. One with another path or a domain is
    /// another cookie: add [`SetCookie::removal`](super::SetCookie::removal) with both to a
    /// [`Cookies`](super::Cookies).
    pub fn remove(mut self, name: &str) -> Self {
        self.changes.remove(name);
        self
    }

    fn verified(&self, name: &str) -> Option<Verified<'_>> {
        self.secrets.verify_cookie(self.received.get(name)?)
    }
}

impl<S: Sync> FromRequestParts<S> for SignedCookies {
    type Rejection = HandlerError;

    async fn from_request_parts(request: &mut Parts, _state: &S) -> Result<Self, HandlerError> {
        let secrets = ring::of(request, "SignedCookies")?;
        Ok(Self { secrets, received: received(request), changes: Changes::default() })
    }
}

writes_its_changes!(SignedCookies);
