//! [`BasicAuth`]: the tower layer and its settings.
//!
//! In: the users, a realm. Out: a [`BasicAuthService`] around each service.
//! Decides nothing about requests: that is `door`'s.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use tower::Layer;

use super::answer::challenge;
use super::credential::Credential;
use super::door::Door;
use super::queue::Queue;
use super::service::BasicAuthService;
use super::users::Users;

/// Lets through whoever brings the name and the password of a user, and nobody
/// else (RFC 7617).
///
/// Everyone else gets `401` with `WWW-Authenticate: Basic`, upon which a browser
/// asks for name and password (RFC 9110 §11.6.1). That is also the answer to
/// credentials that cannot be read, to two `Authorization` fields, and to
/// passwords that bcrypt would not read to the end: above 72 bytes, or with a
/// NUL. Names and passwords are compared byte by byte, in UTF-8. Name and
/// password come with every request, readable for whoever reads the
/// connection: use it with TLS.
///
/// Hashing is slow on purpose, so it never runs on an event loop: two checks
/// at once in a process, 64 waiting; beyond that the answer is `503` with
/// `Retry-After`. Requests that bring the same credentials at once are checked
/// once. Credentials that were right are remembered for the life of the
/// layer's users as a keyed hash, one for each user, and cost about a
/// microsecond from then on. Wrong ones are never remembered, and an unknown
/// name takes as long as a wrong password.
///
/// Around a whole axum `Router` it also covers paths without a route; around a
/// nested one, only if that has a fallback of its own. A request that passes is
/// not changed: handlers find its `Authorization`.
/// Browsers send no credentials with the preflight of CORS: a layer that
/// answers it belongs outside of this one.
///
/// Needs a Tokio runtime where the services are called. The response's body
/// must be one that can be made from bytes, as axum's is.
///
/// ```
/// use narae_layers::{BasicAuth, Credential};
///
/// let alice: Credential = "alice:$2y$10$fW1uSjsEXaV81SORylXPBOFp/lffTz.SFnTSJKPLoFfg61IjvM8ve".parse()?;
/// let router: axum::Router = axum::Router::new()
///     .route("/", axum::routing::get(|| async { "for alice" }))
///     .layer(BasicAuth::new([alice]).realm("accounts"));
/// # Ok::<(), narae_layers::CredentialError>(())
/// ```
#[derive(Clone)]
pub struct BasicAuth {
    door: Arc<Door>,
    challenge: HeaderValue,
}

impl BasicAuth {
    /// Lets `users` through. Without any, nobody.
    ///
    /// Of several with the same name the last one counts. Clones share what is
    /// remembered; a layer that is made anew, with other users, remembers
    /// nothing, so that the password of a hash that is gone is gone too.
    ///
    /// # Panics
    ///
    /// When the system has no random numbers.
    #[must_use]
    pub fn new(users: impl IntoIterator<Item = Credential>) -> Self {
        Self::with_queue(users, Queue::of_process())
    }

    pub(super) fn with_queue(users: impl IntoIterator<Item = Credential>, queue: Arc<Queue>) -> Self {
        Self { door: Door::new(Users::new(users), queue), challenge: challenge(DEFAULT_REALM) }
    }

    /// What the protected part is called, for whoever is asked for a password
    /// (RFC 9110 §11.5).
    ///
    /// Default: `restricted`. Browsers keep one name and password for each
    /// realm of an origin. A control character becomes a space.
    #[must_use]
    pub fn realm(mut self, realm: &str) -> Self {
        self.challenge = challenge(realm);
        self
    }

    #[cfg(test)]
    pub(super) fn door(&self) -> &Door {
        &self.door
    }
}

impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAuth").field("challenge", &self.challenge).finish_non_exhaustive()
    }
}

impl<S> Layer<S> for BasicAuth {
    type Service = BasicAuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BasicAuthService::new(inner, Arc::clone(&self.door), self.challenge.clone())
    }
}

const DEFAULT_REALM: &str = "restricted";
