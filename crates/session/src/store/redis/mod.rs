//! [`Redis`]: sessions in Redis, Valkey or their cluster, for many machines.
//!
//! In: ids and changes. Out: records. Keeps sessions in narae's own form (`own`, with the index in `users`), or
//! as `connect-redis` does (`express_form`). Owns the settings; `connections` owns the connections.

mod connections;
mod express_form;
mod fault;
mod own;
mod script;
mod users;

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::time::Duration;

use self::connections::{Connections, Target};
use self::express_form::ExpressForm;
use self::own::Own;
use super::turns::Turns;
use super::warnings::Warnings;
use super::{Abilities, Committed, Listed, Pending, Store, StoreError, Update, Updated};
use crate::express;
use crate::id::{Handle, Id};
use crate::record::{Change, Record};
use crate::time::Timestamp;

/// Keeps sessions in Redis or Valkey, from version 6.2 on, or in their cluster.
///
/// What Redis acknowledged survives what Redis is configured to survive: with `appendfsync always` a crash,
/// with the usual `everysec` all but the last second; what a master acknowledged and its replica has not seen
/// is lost in a failover. Sessions expire in Redis itself; give it memory enough and the eviction policy
/// `noeviction`, or logins are lost under pressure.
///
/// ```no_run
/// use narae_session::store::Redis;
///
/// # fn main() -> Result<(), narae_session::store::StoreError> {
/// let store = Redis::new("rediss://:password@cache.internal:6379/0")?.prefix("shop:");
/// let shared_with_express = Redis::new("redis://127.0.0.1:6379")?.express_compatible();
/// # Ok(())
/// # }
/// ```
pub struct Redis {
    target: Target,
    prefix: Option<String>,
    is_express: bool,
    ttl: Duration,
    user_key: String,
    /// Made when it is first used.
    connections: OnceLock<Connections>,
    turns: Turns,
    warnings: Warnings,
}

impl Redis {
    /// Takes the address of one server: `redis://`, `rediss://` (TLS) or `redis+unix:///path`, with user,
    /// password and number of the database where they are needed: `redis://user:password@host:6379/0`.
    /// Connects at the first use.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] if it is no such address.
    pub fn new(url: impl Into<String>) -> Result<Self, StoreError> {
        Self::with(&[url.into()], false)
    }

    /// Takes the addresses of some nodes of a cluster, all with the same user and password; the others are
    /// found by them. Connects at the first use.
    ///
    /// A new id for a session ([`Store::renew`]) takes two steps there: if the process ends in between, the
    /// session has both ids, of which the browser knows the old one, and the new one expires unused.
    ///
    /// # Errors
    /// As for [`new`](Redis::new).
    pub fn cluster(urls: impl IntoIterator<Item = impl Into<String>>) -> Result<Self, StoreError> {
        let urls: Vec<String> = urls.into_iter().map(Into::into).collect();
        Self::with(&urls, true)
    }

    fn with(urls: &[String], is_cluster: bool) -> Result<Self, StoreError> {
        Ok(Self {
            target: Target::parse(urls, is_cluster)?,
            prefix: None,
            is_express: false,
            ttl: Duration::from_secs(86_400),
            user_key: "user".into(),
            connections: OnceLock::new(),
            turns: Turns::default(),
            warnings: Warnings::default(),
        })
    }

    /// What the names of keys begin with. Default: `narae:`, or `sess:` if it is
    /// [compatible with Express](Redis::express_compatible). Applications that share a server take different
    /// ones.
    #[must_use]
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = Some(prefix.into());
        self
    }

    /// How long an operation on a session may take in all, waiting for other requests that change the same
    /// session included. Default: 2 s; at most 1 hour. What took longer fails; it may have been done. Counting
    /// all sessions has this limit for each reply.
    #[must_use]
    pub fn response_timeout(mut self, limit: Duration) -> Self {
        self.target.response_timeout = limit.min(LONGEST_WAIT);
        self
    }

    /// How long to wait for a connection, for each node; a request does not wait longer for it than for a
    /// [response](Redis::response_timeout). Default: 2 s; at most 1 hour.
    #[must_use]
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.target.connect_timeout = limit.min(LONGEST_WAIT);
        self
    }

    /// The certificate, as PEM, of the authority that signed the server's, in place of the system's
    /// authorities. It is checked before the program serves. Default: those of the system.
    #[must_use]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.target.root_certificate = Some(pem.into());
        self
    }

    /// Reads and writes what `connect-redis` does, so that an Express application and this one share their
    /// sessions: its keys, its JSON, its lifetimes. Ids are then at rest in the names of keys, sessions are not
    /// found by user, and when they began is not known. Two keys at once both win here, but an Express
    /// application writes its whole record and may undo what was written meanwhile.
    ///
    /// Express ignores the keys that are named like methods of its sessions: `id`, `req`, `save`, `touch`,
    /// `reload`, `destroy`, `regenerate`, `resetMaxAge`.
    #[must_use]
    pub fn express_compatible(mut self) -> Self {
        self.is_express = true;
        self
    }

    /// How long sessions live whose cookie has no expiry, as the option `ttl` of `connect-redis`. Default: 1 day.
    /// Only for a store that is [compatible with Express](Redis::express_compatible).
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// The key under which the Express application keeps who is logged in, as text. Default: `user`. Not
    /// `cookie`, nor a name that Express ignores. Only for a store that is
    /// [compatible with Express](Redis::express_compatible).
    #[must_use]
    pub fn user_key(mut self, key: impl Into<String>) -> Self {
        self.user_key = key.into();
        self
    }

    fn connections(&self) -> &Connections {
        self.connections.get_or_init(|| Connections::new(self.target.clone()))
    }

    fn prefix_text(&self) -> &str {
        let default = if self.is_express { "sess:" } else { "narae:" };
        self.prefix.as_deref().unwrap_or(default)
    }

    fn form(&self) -> Form<'_> {
        let (connections, prefix, turns) = (self.connections(), self.prefix_text(), &self.turns);
        if self.is_express {
            let (ttl, user_key, warnings) = (self.ttl, &*self.user_key, &self.warnings);
            Form::Express(ExpressForm { connections, prefix, turns, ttl, user_key, warnings })
        } else {
            Form::Own(Own { connections, prefix, turns })
        }
    }

    /// Does it within the limit of time. Whatever is given up half way leaves a whole session: each change is
    /// one script.
    fn within<'a, T: Send + 'a>(
        &'a self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'a,
    ) -> Pending<'a, T> {
        Box::pin(async move {
            let done = tokio::time::timeout(self.target.response_timeout, work).await;
            done.unwrap_or_else(|_| Err(self.connections().too_slow()))
        })
    }

    async fn count_keys(&self) -> Result<u64, StoreError> {
        let names = if self.is_express { "*".into() } else { "[0-9a-f]".repeat(2 * Handle::BYTES) };
        let pattern = format!("{}{names}", escape(self.prefix_text()));
        let hasher = RandomState::new();
        // A scan may give a key twice.
        let mut seen = HashSet::new();
        let next = |last: Option<(String, Vec<Vec<u8>>)>| {
            let cursor = match last {
                None => "0".to_owned(),
                Some((cursor, keys)) => {
                    seen.extend(keys.iter().map(|key| hasher.hash_one(key)));
                    if cursor == "0" {
                        return None;
                    }
                    cursor
                }
            };
            let mut command = redis::cmd("SCAN");
            command.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1000);
            Some(command)
        };
        self.connections().ask_masters(next).await?;
        Ok(seen.len() as u64)
    }
}

enum Form<'a> {
    Own(Own<'a>),
    Express(ExpressForm<'a>),
}

impl Store for Redis {
    fn load<'a>(&'a self, id: &'a Id, now: Timestamp) -> Pending<'a, Option<Record>> {
        self.within(async move {
            match self.form() {
                Form::Own(own) => own.load(id.handle(), now).await,
                Form::Express(form) => form.load(id, now).await,
            }
        })
    }

    fn create(&self, id: Id, change: Change) -> Pending<'_, Committed> {
        self.within(async move {
            match self.form() {
                Form::Own(own) => own.create(&id, change).await,
                Form::Express(form) => form.create(&id, &change).await,
            }
        })
    }

    fn commit(&self, id: Id, change: Change) -> Pending<'_, Committed> {
        self.within(async move {
            match self.form() {
                Form::Own(own) => own.commit(&id, &change).await,
                Form::Express(form) => form.commit(&id, &change).await,
            }
        })
    }

    fn renew(&self, from: Id, to: Id, change: Change) -> Pending<'_, Committed> {
        self.within(async move {
            match self.form() {
                Form::Own(own) => own.renew(&from, &to, &change).await,
                Form::Express(form) => form.renew(&from, &to, &change).await,
            }
        })
    }

    fn update(&self, id: Id, update: Update) -> Pending<'_, Updated> {
        self.within(async move {
            match self.form() {
                Form::Own(own) => own.update(&id, &update).await,
                Form::Express(form) => form.update(&id, &update).await,
            }
        })
    }

    fn touch(&self, id: Id, now: Timestamp, expires: Timestamp) -> Pending<'_, bool> {
        self.within(async move {
            match self.form() {
                Form::Own(own) => own.touch(&id, now, expires).await,
                Form::Express(form) => form.touch(&id, now, expires).await,
            }
        })
    }

    fn destroy(&self, id: Id) -> Pending<'_, bool> {
        self.within(async move {
            match self.form() {
                Form::Own(own) => own.destroy(id.handle()).await,
                Form::Express(form) => form.destroy(&id).await,
            }
        })
    }

    fn sessions_of<'a>(&'a self, user: &'a str, now: Timestamp) -> Pending<'a, Vec<Listed>> {
        self.within(async move {
            match self.form() {
                Form::Own(own) => own.users().list(user, now).await,
                Form::Express(_) => Err(NO_USERS),
            }
        })
    }

    fn destroy_all_of<'a>(&'a self, user: &'a str, except: Option<Handle>) -> Pending<'a, u64> {
        self.within(async move {
            match self.form() {
                Form::Own(own) => own.users().destroy_all(user, except).await,
                Form::Express(_) => Err(NO_USERS),
            }
        })
    }

    fn revoke<'a>(&'a self, user: &'a str, handle: Handle) -> Pending<'a, bool> {
        self.within(async move {
            match self.form() {
                Form::Own(own) => own.users().destroy(user, handle).await,
                Form::Express(_) => Err(NO_USERS),
            }
        })
    }

    /// Looks through all keys of the server. In a cluster, a session that got a new id within the last seconds
    /// counts twice.
    fn count(&self, _: Timestamp) -> Pending<'_, u64> {
        Box::pin(self.count_keys())
    }

    /// Nothing: the server does it.
    fn sweep(&self, _: Timestamp) -> Pending<'_, u64> {
        Box::pin(std::future::ready(Ok(0)))
    }

    fn prepare(&self, _: usize) -> Result<(), StoreError> {
        if self.is_express {
            express::check_user_key(&self.user_key)?;
            if self.ttl.is_zero() || self.ttl > LONGEST_TTL {
                return Err(StoreError::Misuse(
                    "the ttl of sessions shared with Express must be between 1 s and 100 years".into(),
                ));
            }
        }
        self.target.check()
    }

    fn abilities(&self) -> Abilities {
        let express = self.is_express;
        Abilities { users: !express, created: !express, express, ..Abilities::default() }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("target", &self.target)
            .field("prefix", &self.prefix_text())
            .field("express_compatible", &self.is_express)
            .finish_non_exhaustive()
    }
}

/// Text that stands for itself in the pattern of a scan.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\' | '^' | '-') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Lets other writers of a session go first after an attempt that they won, now and then. Gives whether it
/// waited: what was known of the session is old then.
async fn pause(attempt: u32) -> bool {
    if attempt % FREE_ATTEMPTS != FREE_ATTEMPTS - 1 {
        return false;
    }
    let most = 1_u64 << (attempt / FREE_ATTEMPTS).min(4);
    let part = RandomState::new().hash_one(attempt) % most;
    tokio::time::sleep(Duration::from_millis(1 + part)).await;
    true
}

/// How many attempts follow each other without a pause: whoever comes too late is told what is there, so the
/// next one mostly wins.
const FREE_ATTEMPTS: u32 = 4;

/// The longest time that a setter takes for a wait.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// The longest lifetime that the settings may ask for: 100 years.
const LONGEST_TTL: Duration = Duration::from_secs(100 * 366 * 86_400);

const NO_USERS: StoreError = StoreError::Unsupported(
    "sessions shared with Express are not found by user: the embedded store, and those in Redis and PostgreSQL \
     in narae's own form, are",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_refused_without_its_password() {
        for url in [
            "http://:secret@host",
            "redis://:secret@host:nonsense",
            "redis://:secret@host/x",
            "redis://:secret@",
            "rediss://:secret@host/#secret",
            "secret",
            "",
        ] {
            let error = Redis::new(url).unwrap_err();
            assert!(matches!(error, StoreError::Misuse(_)), "{error}");
            assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
        }
        assert!(matches!(Redis::cluster(Vec::<String>::new()), Err(StoreError::Misuse(_))));
        assert!(Redis::cluster(["redis+unix:///tmp/socket"]).is_err(), "a cluster has no sockets in files");
    }

    #[test]
    fn the_password_is_not_shown() {
        let store = Redis::new("redis://user:secret@host:1234/5").unwrap();
        let shown = format!("{store:?}");
        assert!(shown.contains("host:1234") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_root_certificate_is_checked_before_the_program_serves() {
        let plain = Redis::new("redis://host").unwrap().root_certificate("x");
        assert!(matches!(plain.prepare(1), Err(StoreError::Misuse(_))));
        let pem = "-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n";
        let broken = Redis::new("rediss://host").unwrap().root_certificate(pem);
        assert!(matches!(broken.prepare(1), Err(StoreError::Misuse(_))));
        assert!(Redis::new("rediss://host").unwrap().prepare(1).is_ok());
    }

    #[test]
    fn what_the_forms_can_do_is_told() {
        let own = Redis::new("redis://host").unwrap();
        assert_eq!(own.abilities(), Abilities::default());
        let express = Redis::new("redis://host").unwrap().express_compatible();
        assert_eq!(
            express.abilities(),
            Abilities { users: false, created: false, express: true, ..Abilities::default() }
        );
        assert_eq!((own.prefix_text(), express.prefix_text()), ("narae:", "sess:"));
    }

    #[test]
    fn settings_without_sense_are_refused_before_the_program_serves() {
        let store = || Redis::new("redis://host").unwrap().express_compatible();
        for key in ["cookie", "id", "req", "save", "touch", "reload", "destroy", "regenerate", "resetMaxAge"]
        {
            let error = store().user_key(key).prepare(1).unwrap_err();
            assert!(matches!(&error, StoreError::Misuse(why) if why.contains(key)), "{error}");
        }
        assert!(matches!(store().ttl(Duration::MAX).prepare(1), Err(StoreError::Misuse(_))));
        assert!(matches!(store().ttl(Duration::ZERO).prepare(1), Err(StoreError::Misuse(_))));
        assert!(matches!(store().response_timeout(Duration::ZERO).prepare(1), Err(StoreError::Misuse(_))));
        store().user_key("who").response_timeout(Duration::MAX).prepare(1).unwrap();
    }

    #[test]
    fn settings_for_express_alone_do_not_make_a_store_compatible_with_it() {
        let store = Redis::new("redis://host").unwrap().ttl(Duration::from_secs(5)).user_key("who");
        assert_eq!(store.abilities(), Abilities::default());
        assert_eq!(store.prefix_text(), "narae:");
    }

    #[test]
    fn prefixes_stand_for_themselves_in_patterns() {
        assert_eq!(escape("a*[b]?:"), "a\\*\\[b\\]\\?:");
    }
}
