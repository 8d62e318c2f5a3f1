//! [`Sessions`]: sessions as a layer, and the setters that say how.
//!
//! In: a store and settings. Out: a tower layer. Checks nothing itself: `settings` does, before the first
//! request.

use std::sync::Arc;
use std::time::Duration;

use narae_cookie::Secrets;
use tower::Layer;

use crate::id::Id;
use crate::layer::SessionService;
use crate::settings::{CookieSettings, OnStoreError, Settings};
use crate::shared::{Counters, SessionCounts, Shared};
use crate::store::Store;
use crate::time::Timestamp;

/// Sessions for an application: a layer that gives every request its [`Session`](crate::Session).
///
/// A session is read from the store before the handler runs, and kept **before the head of the response is
/// sent**: whoever follows a redirect finds what was written. When the store is read, written or touched and
/// when the cookie is sent follows express-session; see the setters.
///
/// Setters check nothing; what cannot be (an empty secret, a cookie that browsers refuse) is an error when
/// the server starts, or a 500 for every request where no one [prepares](crate::prepare) the layer.
#[derive(Clone, Debug)]
#[must_use = "a layer does something when it is added to a router"]
pub struct Sessions {
    shared: Arc<Shared>,
}

impl Sessions {
    /// Sessions in `store`, with every other setting at its default.
    pub fn new(store: impl Store) -> Self {
        Self { shared: Shared::new(Arc::new(store), Settings::default(), Arc::default()) }
    }

    /// Secrets that sign the cookie, in Node's form: the first one signs, all of them verify, so a new one is
    /// put in front and the old one is taken out when its cookies are gone.
    ///
    /// Default: none; the cookie is the bare id, whose 192 random bits nobody guesses. With
    /// express-compatible stores secrets are required.
    pub fn secrets<S: AsRef<[u8]>>(self, secrets: impl IntoIterator<Item = S>) -> Self {
        let secrets = Secrets::new(secrets);
        self.set(|settings| match secrets {
            Ok(secrets) => settings.secrets = Some(secrets),
            Err(error) => settings.fault = Some(format!("the session's secrets cannot be used: {error}")),
        })
    }

    /// The cookie's name. Default: `__Host-sid` on connections with TLS, `sid` on others (`__Secure-sid` with
    /// a domain or another path than `/`). Express's is `connect.sid`.
    pub fn cookie_name(self, name: impl Into<String>) -> Self {
        self.set(|settings| settings.name = Some(name.into()))
    }

    /// How long a session lives without a request. Default: 20 minutes. At least one second.
    pub fn idle_timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.idle = timeout)
    }

    /// How long a session lives at most, counted from its beginning or the last [login](crate::Session::login),
    /// however much it is used. Default: 12 hours; `None`: for ever. Who is
    /// [remembered](crate::Session::remember_for) longer lives so long. Not offered, and off, with
    /// express-compatible stores, whose records do not say when they began.
    pub fn absolute_timeout(self, timeout: impl Into<Option<Duration>>) -> Self {
        self.set(|settings| settings.absolute = Some(timeout.into()))
    }

    /// Whether browsers keep the cookie when they are closed, for as long as the idle timeout (express:
    /// `cookie.maxAge`). Default: `false`. Wants [`rolling`](Sessions::rolling) too, or browsers drop the
    /// cookie one idle timeout after it was last sent. A single session: [`remember_for`](crate::Session::remember_for).
    pub fn persistent(self, persistent: bool) -> Self {
        self.set(|settings| settings.persistent = persistent)
    }

    /// Whether the cookie is sent with every response that moves the session's expiry
    /// ([`touch_after`](Sessions::touch_after)), so that its end in the browser moves too. Default: `false`.
    /// Without effect where the cookie has no end ([`persistent`](Sessions::persistent)). With
    /// express-compatible stores it is sent with every response, as Node does it.
    pub fn rolling(self, rolling: bool) -> Self {
        self.set(|settings| settings.options.rolling = rolling)
    }

    /// Whether a session is written although nothing in it changed. Default: `false`; the expiry is moved
    /// alone.
    pub fn resave(self, resave: bool) -> Self {
        self.set(|settings| settings.options.resave = resave)
    }

    /// Whether a session that nobody wrote to is kept and its cookie sent. Default: `false`: visitors whom
    /// nobody remembers cost nothing, and no cookie needs their consent.
    pub fn save_uninitialized(self, save: bool) -> Self {
        self.set(|settings| settings.options.save_uninitialized = save)
    }

    /// Changes the cookie's attributes. Default: [`CookieSettings`].
    pub fn cookie(self, change: impl FnOnce(CookieSettings) -> CookieSettings) -> Self {
        self.set(|settings| settings.cookie = change(std::mem::take(&mut settings.cookie)))
    }

    /// How much later an expiry must be before a request that only reads writes it. Default: a twentieth of
    /// the idle timeout, at most a minute; with express-compatible stores zero, as Node does it.
    pub fn touch_after(self, duration: Duration) -> Self {
        self.set(|settings| settings.touch_after = Some(duration))
    }

    /// What a request meets when the store fails to read. Default: [`OnStoreError::Unavailable`].
    pub fn on_store_error(self, choice: OnStoreError) -> Self {
        self.set(|settings| settings.on_store_error = choice)
    }

    /// Whether the first word of `X-Forwarded-Proto` says if a request came over TLS, for servers behind a
    /// proxy that ends TLS and sets that field itself. Default: `false`: anybody could send it.
    pub fn trust_proxy(self, trust: bool) -> Self {
        self.set(|settings| settings.trust_proxy = trust)
    }

    /// Whether a response that ends the session also makes the browser forget the cookie. Default: `true`;
    /// `false` with express-compatible stores, as Node does it.
    pub fn clear_cookie(self, clear: bool) -> Self {
        self.set(|settings| settings.clear_cookie = Some(clear))
    }

    /// Whether a cookie signed with an older secret is sent again, signed with the newest. Default: `true`;
    /// `false` with express-compatible stores, as Node does it.
    pub fn resign(self, resign: bool) -> Self {
        self.set(|settings| settings.resign = Some(resign))
    }

    /// Makes ids. They must be random: whoever guesses one is that user. Default: [`Id::random`].
    pub fn generate_id(self, make: impl Fn() -> Id + Send + Sync + 'static) -> Self {
        self.set(|settings| settings.make_id = Some(Arc::new(make)))
    }

    /// Reads the time from `clock`. For tests. Default: [`Timestamp::now`].
    pub fn clock(self, clock: fn() -> Timestamp) -> Self {
        self.set(|settings| settings.clock = clock)
    }

    /// What the sessions of this layer did in this process.
    #[must_use]
    pub fn counts(&self) -> SessionCounts {
        self.shared.counters.counts()
    }

    fn set(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.shared.settings.clone();
        change(&mut settings);
        let counters: Arc<Counters> = Arc::clone(&self.shared.counters);
        Self { shared: Shared::new(Arc::clone(&self.shared.store), settings, counters) }
    }
}

impl<S> Layer<S> for Sessions {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        self.shared.register();
        SessionService { inner, shared: Arc::clone(&self.shared) }
    }
}
