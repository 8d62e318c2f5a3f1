//! What the program says about its sessions, in one place, checked before they are used.
//!
//! In: setters of [`Sessions`](crate::Sessions). Out: names, times and attributes for the layer.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use narae_cookie::{Priority, SameSite, Secrets, SetCookie};

use crate::decide::Options;
use crate::id::Id;
use crate::record::{Attributes, MaxAge, Record};
use crate::store::Abilities;
use crate::time::{Timestamp, milliseconds};

/// Attributes of the session's cookie. Given to [`Sessions::cookie`](crate::Sessions::cookie).
#[derive(Clone, Debug)]
#[must_use]
pub struct CookieSettings {
    pub(crate) http_only: bool,
    pub(crate) secure: Secure,
    pub(crate) same_site: Option<SameSite>,
    pub(crate) path: String,
    pub(crate) domain: Option<String>,
    pub(crate) partitioned: bool,
    pub(crate) priority: Option<Priority>,
}

/// When the cookie gets the attribute `Secure`, with which browsers send it over TLS alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Secure {
    /// When the request came over TLS. A session that began over TLS is not sent without it.
    #[default]
    Auto,
    /// Always. A request that came without TLS gets no cookie, though its session is kept.
    Always,
    /// Never.
    Never,
}

impl CookieSettings {
    /// Whether scripts of the page cannot read it. Default: `true`.
    pub const fn http_only(mut self, http_only: bool) -> Self {
        self.http_only = http_only;
        self
    }

    /// When it is sent over TLS alone. Default: [`Secure::Auto`].
    pub const fn secure(mut self, secure: Secure) -> Self {
        self.secure = secure;
        self
    }

    /// Whether requests that another site causes carry it. Default: [`SameSite::Lax`], which leaves it out of
    /// forms and scripts of other sites. `None` leaves the attribute out, as express-session does.
    pub fn same_site(mut self, same_site: impl Into<Option<SameSite>>) -> Self {
        self.same_site = same_site.into();
        self
    }

    /// For which paths browsers send it. Default: `/`. With another one, the default name has no `__Host-`.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// For which domain and its subdomains browsers send it. Default: the host alone. With a domain, the
    /// default name has no `__Host-`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// Whether each top-level site that embeds this one has a cookie of its own (CHIPS). Default: `false`.
    pub const fn partitioned(mut self, partitioned: bool) -> Self {
        self.partitioned = partitioned;
        self
    }

    /// Which cookies browsers drop first when there are too many. Default: not said.
    pub const fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }
}

impl Default for CookieSettings {
    fn default() -> Self {
        Self {
            http_only: true,
            secure: Secure::Auto,
            same_site: Some(SameSite::Lax),
            path: "/".into(),
            domain: None,
            partitioned: false,
            priority: None,
        }
    }
}

/// What a request meets when the store fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStoreError {
    /// `503 Service Unavailable` with `Retry-After: 1`; the handler is not called.
    #[default]
    Unavailable,
    /// The handler runs with an empty session of nobody, and what it writes to it is lost. For sites that
    /// must show something in any case.
    Anonymous,
}

/// See [`Sessions::generate_id`](crate::Sessions::generate_id).
pub(crate) type MakeId = Arc<dyn Fn() -> Id + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) secrets: Option<Secrets>,
    pub(crate) name: Option<String>,
    pub(crate) idle: Duration,
    pub(crate) absolute: Option<Option<Duration>>,
    pub(crate) persistent: bool,
    pub(crate) options: Options,
    pub(crate) cookie: CookieSettings,
    pub(crate) touch_after: Option<Duration>,
    pub(crate) on_store_error: OnStoreError,
    pub(crate) trust_proxy: bool,
    pub(crate) clear_cookie: Option<bool>,
    pub(crate) resign: Option<bool>,
    pub(crate) make_id: Option<MakeId>,
    pub(crate) clock: fn() -> Timestamp,
    /// The first setting that cannot be.
    pub(crate) fault: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            secrets: None,
            name: None,
            idle: Duration::from_secs(20 * 60),
            absolute: None,
            persistent: false,
            options: Options { resave: false, save_uninitialized: false, rolling: false },
            cookie: CookieSettings::default(),
            touch_after: None,
            on_store_error: OnStoreError::Unavailable,
            trust_proxy: false,
            clear_cookie: None,
            resign: None,
            make_id: None,
            clock: Timestamp::now,
            fault: None,
        }
    }
}

impl Settings {
    /// The first setting that cannot be, in words for whoever starts the program.
    pub(crate) fn check(&self, abilities: Abilities) -> Result<(), String> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone());
        }
        if self.idle < Duration::from_secs(1) {
            return Err(format!("a session's idle timeout is at least 1 s, not {:?}", self.idle));
        }
        if abilities.express && self.secrets.is_none() {
            return Err("sessions shared with Express need its secret: Sessions::secrets".into());
        }
        if !abilities.created && matches!(self.absolute, Some(Some(_))) {
            return Err("this store does not keep when a session began, so there is no absolute timeout; \
                        leave out Sessions::absolute_timeout"
                .into());
        }
        for secure in [true, false] {
            // With `Auto`, what cannot be sent without TLS is not sent without TLS.
            if self.may_send(secure) && (secure || self.cookie.secure == Secure::Never) {
                self.set_cookie(&self.cookie_name(secure), "value", secure, None, abilities)
                    .map_err(|error| format!("the session's cookie cannot be sent: {error}"))?;
            }
        }
        Ok(())
    }

    /// From when on a session is over that begins or is used at `now`.
    pub(crate) fn expiry(&self, max_age: MaxAge, created: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let idle = now.after(self.idle_of(max_age));
        match (self.absolute_of(max_age), created) {
            (Some(absolute), Some(created)) => idle.min(created.after(absolute)),
            _ => idle,
        }
    }

    /// Whether a session that the store still has is over by today's settings: too old, however much it was
    /// used, or unused for too long, where the idle timeout has become shorter.
    pub(crate) fn is_over(&self, record: &Record, now: Timestamp) -> bool {
        let is_past = |moment: Option<Timestamp>, limit: Duration| {
            moment.is_some_and(|moment| now >= moment.after(limit))
        };
        let idle = self.idle_of(record.max_age);
        let granted = idle.saturating_add(self.touch_after_own(idle));
        self.absolute_of(record.max_age).is_some_and(|limit| is_past(record.created, limit))
            || is_past(record.seen, granted)
    }

    pub(crate) fn absolute_timeout(&self) -> Option<Duration> {
        self.absolute.unwrap_or(Some(Duration::from_secs(12 * 3600)))
    }

    /// Who asked to be remembered longer than the absolute timeout is.
    fn absolute_of(&self, max_age: MaxAge) -> Option<Duration> {
        match max_age {
            MaxAge::Milliseconds(_) => self.absolute_timeout().map(|limit| limit.max(self.idle_of(max_age))),
            MaxAge::Configured | MaxAge::BrowserSession => self.absolute_timeout(),
        }
    }

    pub(crate) fn idle_of(&self, max_age: MaxAge) -> Duration {
        match max_age {
            MaxAge::Configured | MaxAge::BrowserSession => self.idle,
            MaxAge::Milliseconds(milliseconds) => Duration::from_millis(milliseconds),
        }
    }

    /// Whether browsers keep the cookie when they are closed.
    pub(crate) const fn is_persistent(&self, max_age: MaxAge) -> bool {
        match max_age {
            MaxAge::Configured => self.persistent,
            MaxAge::BrowserSession => false,
            MaxAge::Milliseconds(_) => true,
        }
    }

    /// How much later an expiry must be before it is worth a write.
    pub(crate) fn touch_after(&self, idle: Duration, abilities: Abilities) -> Duration {
        match self.touch_after {
            None if abilities.express => Duration::ZERO,
            _ => self.touch_after_own(idle),
        }
    }

    fn touch_after_own(&self, idle: Duration) -> Duration {
        self.touch_after.unwrap_or_else(|| (idle / 20).min(Duration::from_secs(60)))
    }

    pub(crate) fn new_id(&self) -> Id {
        self.make_id.as_ref().map_or_else(Id::random, |make| make())
    }

    /// The name of the cookie on connections with or without TLS.
    pub(crate) fn cookie_name(&self, secure: bool) -> String {
        let gets_secure = self.gets_secure(secure);
        match &self.name {
            Some(name) => name.clone(),
            None if gets_secure && self.cookie.path == "/" && self.cookie.domain.is_none() => {
                "__Host-sid".into()
            }
            None if gets_secure => "__Secure-sid".into(),
            None => "sid".into(),
        }
    }

    /// Whether a response on such a connection may carry the cookie.
    pub(crate) fn may_send(&self, secure: bool) -> bool {
        secure || self.cookie.secure != Secure::Always
    }

    fn gets_secure(&self, secure: bool) -> bool {
        match self.cookie.secure {
            Secure::Auto => secure,
            Secure::Always => true,
            Secure::Never => false,
        }
    }

    /// The `Set-Cookie` text. `lifetime`: how long the browser keeps it, and until when that is.
    pub(crate) fn set_cookie(
        &self,
        name: &str,
        value: &str,
        secure: bool,
        lifetime: Option<(Duration, Timestamp)>,
        abilities: Abilities,
    ) -> Result<String, narae_cookie::Error> {
        let mut cookie = SetCookie::new(name, value)?;
        if let Some((max_age, expires)) = lifetime {
            cookie = cookie.expires(expires.as_system_time());
            if !abilities.express {
                cookie = cookie.max_age(max_age);
            }
        }
        self.attributes_on(cookie, secure)?.to_header()
    }

    /// The `Set-Cookie` text that makes a browser forget the session.
    pub(crate) fn removal(&self, name: &str, secure: bool) -> Result<String, narae_cookie::Error> {
        self.attributes_on(SetCookie::removal(name)?, secure)?.to_header()
    }

    fn attributes_on(&self, cookie: SetCookie, secure: bool) -> Result<SetCookie, narae_cookie::Error> {
        let mut cookie = cookie.path(&self.cookie.path)?;
        if let Some(domain) = &self.cookie.domain {
            cookie = cookie.domain(domain)?;
        }
        if let Some(same_site) = self.cookie.same_site {
            cookie = cookie.same_site(same_site);
        }
        if let Some(priority) = self.cookie.priority {
            cookie = cookie.priority(priority);
        }
        let cookie = cookie.http_only(self.cookie.http_only).partitioned(self.cookie.partitioned);
        Ok(cookie.secure(self.gets_secure(secure)))
    }

    /// What express-compatible stores write beside a new session.
    pub(crate) fn attributes(&self, secure: bool) -> Attributes {
        Attributes {
            max_age: self.persistent.then(|| milliseconds(self.idle)),
            secure: self.gets_secure(secure),
            http_only: self.cookie.http_only,
            domain: self.cookie.domain.clone(),
            path: self.cookie.path.clone(),
            same_site: self.cookie.same_site.map(|same_site| match same_site {
                SameSite::Strict => "strict",
                SameSite::Lax => "lax",
                SameSite::None => "none",
            }),
            partitioned: self.cookie.partitioned,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("name", &self.name)
            .field("signed", &self.secrets.is_some())
            .field("idle", &self.idle)
            .field("absolute", &self.absolute_timeout())
            .field("options", &self.options)
            .field("cookie", &self.cookie)
            .finish_non_exhaustive()
    }
}
