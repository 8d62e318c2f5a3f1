//! [`PrivateCookies`]: values that users can neither read nor change.
//!
//! In: a request, the application's secrets. Out: the cookies that open, and sealed lines.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use narae_cookie::{Cookies as Received, Secrets};

use super::changes::{Changes, received, writes_its_changes};
use super::{IntoSetCookie, ring};
use crate::HandlerError;

/// The request's encrypted cookies (AES-256-GCM-SIV; the key is derived from the newest secret).
///
/// Cookies that do not open are not there. A value is bound to its cookie's name. A text of `n` bytes becomes
/// one of about `(n + 29) × 4/3`, and browsers keep 4096 bytes of name and value. The [`Secrets`] come from
/// `.layer(Extension(secrets))` on the router; without it the request is answered `500`.
///
/// ```
/// use narae::prelude::*;
///
/// async fn remember(cookies: PrivateCookies, address: String) -> (PrivateCookies, StatusCode) {
///     (cookies.add(("address", address)), StatusCode::NO_CONTENT)
/// }
/// # let _: Router = Router::new().route("/", post(remember));
/// ```
#[derive(Clone, Debug)]
#[must_use = "what was added or removed is written only if this is part of the response"]
pub struct PrivateCookies {
    secrets: Secrets,
    received: Received,
    changes: Changes,
}

impl PrivateCookies {
    /// The value of the cookie `name`: what this handler added, or else what the request sent, opened anew
    /// for each call.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<String> {
        match self.changes.get(name) {
            Some(value) => value.map(str::to_owned),
            None => Some(self.opened(name, self.received.get(name)?)?.0),
        }
    }

    /// Names and values, each name once: first those received, opened and not changed, then those added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, String)> {
        let unchanged = self.received.iter().filter(|(name, _)| self.changes.get(name).is_none());
        let opened = unchanged.filter_map(|(name, text)| Some((name, self.opened(name, text)?.0)));
        opened.chain(self.changes.added().map(|(name, value)| (name, value.to_owned())))
    }

    /// Sets a cookie, its value sealed with the newest secret. A pair of name and value gets `Path=/`,
    /// `HttpOnly` and `SameSite=Lax`. Of several with one name the last is written.
    ///
    /// A cookie that cannot be made, or that browsers would drop ([`SetCookie::to_header`]), makes the
    /// response a `500` that the log explains.
    ///
    /// [`SetCookie::to_header`]: super::SetCookie::to_header
    #[allow(clippy::should_implement_trait, reason = "nobody takes it for addition; axum-extra says it so")]
    pub fn add(mut self, cookie: impl IntoSetCookie) -> Self {
        let secrets = &self.secrets;
        self.changes.add(cookie.into_set_cookie(), |cookie, value| {
            let sealed = secrets.seal(cookie.name(), value.as_bytes());
            cookie.with_value(&sealed)
        });
        self
    }

    /// Seals the cookie `name` anew if it was sealed with an older secret; else does nothing. Without this, a
    /// cookie keeps the secret it was sealed with.
    ///
    /// A request does not say what attributes a cookie was set with, so `attributes` gives them again: it
    /// gets the cookie as [`add`](Self::add) would set it for a pair.
    pub fn resign<C: IntoSetCookie>(
        self,
        name: &str,
        attributes: impl FnOnce(super::SetCookie) -> C,
    ) -> Self {
        let unchanged = self.received.get(name).filter(|_| self.changes.get(name).is_none());
        match unchanged.and_then(|text| self.opened(name, text)).filter(|(_, secret)| *secret > 0) {
            Some((value, _)) => {
                let cookie = (name, value).into_set_cookie();
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

    /// The value of `text`, sealed for the cookie `name`, and the place of its secret.
    fn opened(&self, name: &str, text: &str) -> Option<(String, usize)> {
        let opened = self.secrets.open(name, text)?;
        Some((String::from_utf8(opened.plain).ok()?, opened.secret))
    }
}

impl<S: Sync> FromRequestParts<S> for PrivateCookies {
    type Rejection = HandlerError;

    async fn from_request_parts(request: &mut Parts, _state: &S) -> Result<Self, HandlerError> {
        let secrets = ring::of(request, "PrivateCookies")?;
        Ok(Self { secrets, received: received(request), changes: Changes::default() })
    }
}

writes_its_changes!(PrivateCookies);
