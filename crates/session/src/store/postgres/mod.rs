//! [`Postgres`]: sessions in PostgreSQL, for many machines.
//!
//! In: ids and changes. Out: records. Owns the settings and the time limit around everything; `pool` has the
//! connections, `own` and `express_form` the statements of the two forms, `migrations` the tables.

mod address;
mod channel_binding;
mod connection;
mod express_form;
mod fault;
mod migrations;
mod names;
mod own;
mod pool;
mod sweeper;
mod tls;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::timeout;

use self::address::Address;
use self::connection::Target;
use self::express_form::ExpressForm;
use self::fault::Fault;
use self::migrations::Migration;
use self::names::{Names, literal};
use self::own::Own;
use self::pool::Pools;
use self::sweeper::Sweeping;
use self::tls::Connector;
use super::{Abilities, Committed, Listed, Pending, Store, StoreError, Update, Updated};
use crate::express;
use crate::id::{Handle, Id};
use crate::record::{Change, Record};
use crate::time::{Timestamp, milliseconds};

/// Keeps sessions in PostgreSQL (12 or later; tested with 15).
///
/// In its own form it makes one table, `narae_sessions`, by itself at first use, with ids hashed, and each
/// change is one statement. Keys are not kept in the order in which they were added.
/// [`express_compatible`](Postgres::express_compatible) shares the table of an Express application instead.
///
/// Connections are opened at first use, up to [`pool_size`](Postgres::pool_size) for every thread that
/// serves. While the server is down or does not answer, everything is an error within
/// [`response_timeout`](Postgres::response_timeout), and works again by itself afterwards. A pooler in between
/// (PgBouncer) must leave a connection to one client (`pool_mode = session`): statements stay prepared on it.
/// A connection is closed when nobody used it for 5 minutes, and has no greatest age. The password is read
/// once: to change it, add a second role or reload with the new one before the old one ends.
pub struct Postgres {
    settings: Settings,
    core: OnceLock<Result<Arc<Core>, String>>,
}

struct Settings {
    address: Address,
    schema: Option<String>,
    table: Option<String>,
    pool_size: usize,
    connect_timeout: Duration,
    response_timeout: Duration,
    root_certificate: Option<Vec<u8>>,
    may_create: Option<bool>,
    sweep_interval: Option<Duration>,
    is_express: bool,
    time_zone: String,
    ttl: Duration,
    user_key: String,
}

/// What the runtimes of a process share.
struct Core {
    server: String,
    pools: Arc<Pools>,
    names: Names,
    form: Form,
    may_create: bool,
    migration: Migration,
    response_timeout: Duration,
    sweep_interval: Option<Duration>,
    sweeping: Sweeping,
}

enum Form {
    Own(Own),
    Express(ExpressForm),
}

impl Postgres {
    /// Sessions in the database at `url`: `postgres://user:password@host:5432/database`, or
    /// `host=/run/postgresql user=narae dbname=narae`. Opens no connection.
    ///
    /// With `?sslmode=require` connections are encrypted, and the server's certificate and name are checked:
    /// against the [root certificate](Postgres::root_certificate), or what the system trusts. Without, they
    /// are not encrypted. With `channel_binding=require` the password is of use to that server alone.
    ///
    /// Of several hosts (`host1:5432,host2:5432`) the one is asked first that answered last, and each has its
    /// share of the [time](Postgres::connect_timeout); `target_session_attrs=read-write` passes standbys by.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] if `url` cannot be read or names no host.
    pub fn new(url: &str) -> Result<Self, StoreError> {
        Ok(Self {
            settings: Settings {
                address: Address::parse(url)?,
                schema: None,
                table: None,
                pool_size: 8,
                connect_timeout: Duration::from_secs(2),
                response_timeout: Duration::from_secs(2),
                root_certificate: None,
                may_create: None,
                sweep_interval: Some(Duration::from_secs(15 * 60)),
                is_express: false,
                time_zone: "UTC".into(),
                ttl: Duration::from_secs(86_400),
                user_key: "user".into(),
            },
            core: OnceLock::new(),
        })
    }

    /// The table's name. Default: `narae_sessions`, or `session` in the form of Express.
    #[must_use]
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.settings.table = Some(name.into());
        self
    }

    /// The schema in which the table is; it must exist. Default: where PostgreSQL looks (`search_path`).
    #[must_use]
    pub fn schema(mut self, name: impl Into<String>) -> Self {
        self.settings.schema = Some(name.into());
        self
    }

    /// How many connections each thread that serves opens at most, one at least. Default: 8. All workers
    /// together must stay below the server's `max_connections`.
    #[must_use]
    pub const fn pool_size(mut self, connections: usize) -> Self {
        self.settings.pool_size = if connections == 0 { 1 } else { connections };
        self
    }

    /// Longest wait for a new connection, whichever host it leads to. Default: 2 s.
    #[must_use]
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.settings.connect_timeout = limit;
        self
    }

    /// Longest wait for an answer, with all that it takes: a free connection, the turn after other updates of
    /// the same session, several statements. Default: 2 s. The server gives up a statement at the same time.
    #[must_use]
    pub const fn response_timeout(mut self, limit: Duration) -> Self {
        self.settings.response_timeout = limit;
        self
    }

    /// Encrypts connections and trusts the certificates in `pem` alone. Default: see [`new`](Postgres::new).
    #[must_use]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.settings.root_certificate = Some(pem.into());
        self
    }

    /// Whether the table is made if it is missing. Default: yes; no in the form of Express, as there.
    ///
    /// Making or changing it is no part of a request: it has 10 minutes, and requests meanwhile are errors
    /// after their own time limit.
    #[must_use]
    pub const fn create_table_if_missing(mut self, create: bool) -> Self {
        self.settings.may_create = Some(create);
        self
    }

    /// How often each process forgets expired sessions, between half and one and a half times this, but not
    /// more than once a second. Default: 15 minutes. `None`: never.
    #[must_use]
    pub const fn sweep_interval(mut self, interval: Option<Duration>) -> Self {
        self.settings.sweep_interval = interval;
        self
    }

    /// Reads and writes the table of connect-pg-simple, so that an Express application has the same sessions.
    ///
    /// Ids are in it as they are, users cannot be listed, and no absolute timeout is known. What Express
    /// writes as a whole still overwrites what was changed while its handler ran.
    #[must_use]
    pub const fn express_compatible(mut self) -> Self {
        self.settings.is_express = true;
        self
    }

    /// The time zone of the Express application's connections. Default: `UTC`.
    ///
    /// `expire` has no zone in that table and means the local time of the connection that wrote it: with
    /// another zone than Node's, sessions end hours too early or too late. `SHOW TimeZone`, asked by the
    /// application, tells it. Only for the form of Express.
    #[must_use]
    pub fn time_zone(mut self, name: impl Into<String>) -> Self {
        self.settings.time_zone = name.into();
        self
    }

    /// How long a session lives that the browser forgets when it is closed, as connect-pg-simple's `ttl`.
    /// Default: one day. Only for the form of Express.
    #[must_use]
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.settings.ttl = ttl;
        self
    }

    /// Under which key the Express application keeps who is logged in. Default: `user`. Only for the form of
    /// Express.
    #[must_use]
    pub fn user_key(mut self, key: impl Into<String>) -> Self {
        self.settings.user_key = key.into();
        self
    }

    fn core(&self) -> Result<&Arc<Core>, StoreError> {
        let core = self.core.get_or_init(|| self.settings.core().map(Arc::new));
        core.as_ref().map_err(|why| StoreError::Misuse(why.clone()))
    }

    /// Runs a step within the time limit.
    async fn run<T>(&self, step: impl AsyncFnOnce(&Core) -> Result<T, Fault>) -> Result<T, StoreError> {
        let core = self.core()?;
        if let Some(interval) = core.sweep_interval {
            sweeper::start(core, interval);
        }
        core.run(step).await
    }
}

impl Settings {
    fn core(&self) -> Result<Core, String> {
        let default = if self.is_express { "session" } else { "narae_sessions" };
        let names = Names::new(self.schema.as_deref(), self.table.as_deref().unwrap_or(default))?;
        // Then the row's lock decides, and there must be time for that.
        let longest_turn = self.response_timeout / 2;
        let form = if self.is_express {
            express::check_user_key(&self.user_key).map_err(|error| error.to_string())?;
            Form::Express(ExpressForm::new(&names, self.ttl, self.user_key.clone(), longest_turn))
        } else {
            Form::Own(Own::new(&names, longest_turn))
        };
        let server = self.address.name.clone();
        let is_encrypted = self.root_certificate.is_some() || self.address.is_encrypted();
        let roots = self.root_certificate.as_deref();
        let connector = is_encrypted.then(|| Connector::new(roots)).transpose();
        let connector = connector.map_err(|why| format!("{server}: the root certificate: {why}"))?;
        let target = Target::new(
            self.address.configs(is_encrypted)?,
            connector,
            self.greeting(),
            self.connect_timeout,
            self.response_timeout,
        );
        Ok(Core {
            server,
            pools: Pools::new(target, self.pool_size),
            names,
            form,
            may_create: self.may_create.unwrap_or(!self.is_express),
            migration: Migration::default(),
            response_timeout: self.response_timeout,
            sweep_interval: self.sweep_interval,
            sweeping: Sweeping::default(),
        })
    }

    /// What every new connection is told. As statements, since poolers refuse unknown start parameters.
    fn greeting(&self) -> String {
        let limit = milliseconds(self.response_timeout).clamp(1, i32::MAX.unsigned_abs().into());
        let mut greeting = format!(
            "SET statement_timeout = {limit}; SET idle_in_transaction_session_timeout = {limit}; \
             SET default_transaction_isolation = 'read committed'; SET client_min_messages = 'warning'"
        );
        if self.is_express {
            greeting.push_str("; SET TimeZone = ");
            greeting.push_str(&literal(&self.time_zone));
        }
        greeting
    }
}

impl Core {
    async fn run<T>(
        self: &Arc<Self>,
        step: impl AsyncFnOnce(&Core) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let work = async {
            migrations::ready(self).await?;
            step(self).await
        };
        let limit = self.response_timeout;
        timeout(limit, work)
            .await
            .unwrap_or(Err(Fault::Response(limit)))
            .map_err(|fault| fault.at(&self.server))
    }

    async fn migrate(&self) -> Result<(), Fault> {
        let mut lease = self.pools.lease().await?;
        match self.form {
            Form::Own(_) => migrations::migrate(&mut lease, &self.names, self.may_create).await,
            Form::Express(_) if self.may_create => migrations::create_express(&mut lease, &self.names).await,
            Form::Express(_) => Ok(()),
        }
    }

    async fn load(&self, id: &Id, now: Timestamp) -> Result<Option<Record>, Fault> {
        let mut lease = self.pools.lease().await?;
        match &self.form {
            Form::Own(own) => own.load(&mut lease, id, now).await,
            Form::Express(express) => express.load(&mut lease, id, now).await,
        }
    }

    async fn change(&self, id: &Id, to: Option<&Id>, change: &Change) -> Result<Committed, Fault> {
        match &self.form {
            Form::Own(own) => own.change(&mut self.pools.lease().await?, id, to, change).await,
            Form::Express(express) => express.change(&self.pools, id, to, change).await,
        }
    }

    async fn sweep(self: &Arc<Self>, now: Timestamp) -> Result<u64, StoreError> {
        self.run(async |core| {
            let mut lease = core.pools.lease().await?;
            match &core.form {
                Form::Own(own) => own.sweep(&mut lease, now).await,
                Form::Express(express) => express.sweep(&mut lease, now).await,
            }
        })
        .await
    }

    fn own(&self) -> Result<&Own, Fault> {
        match &self.form {
            Form::Own(own) => Ok(own),
            Form::Express(_) => Err(Fault::Store(StoreError::Unsupported(
                "the table of connect-pg-simple has no users; PostgreSQL in narae's own form has",
            ))),
        }
    }
}

impl Store for Postgres {
    fn load<'a>(&'a self, id: &'a Id, now: Timestamp) -> Pending<'a, Option<Record>> {
        Box::pin(self.run(async move |core| match core.load(id, now).await {
            // The connection had died while nobody used it. Reading twice is no harm.
            Err(fault) if fault.is_closed() => core.load(id, now).await,
            result => result,
        }))
    }

    fn create(&self, id: Id, change: Change) -> Pending<'_, Committed> {
        Box::pin(self.run(async move |core| {
            let mut lease = core.pools.lease().await?;
            match &core.form {
                Form::Own(own) => own.create(&mut lease, &id, change).await,
                Form::Express(express) => express.create(&mut lease, &id, &change).await,
            }
        }))
    }

    fn commit(&self, id: Id, change: Change) -> Pending<'_, Committed> {
        Box::pin(self.run(async move |core| core.change(&id, None, &change).await))
    }

    fn renew(&self, from: Id, to: Id, change: Change) -> Pending<'_, Committed> {
        Box::pin(self.run(async move |core| core.change(&from, Some(&to), &change).await))
    }

    fn update(&self, id: Id, update: Update) -> Pending<'_, Updated> {
        Box::pin(self.run(async move |core| match &core.form {
            Form::Own(own) => own.update(&core.pools, &id, &update).await,
            Form::Express(express) => express.update(&core.pools, &id, &update).await,
        }))
    }

    fn touch(&self, id: Id, now: Timestamp, expires: Timestamp) -> Pending<'_, bool> {
        Box::pin(self.run(async move |core| {
            let mut lease = core.pools.lease().await?;
            match &core.form {
                Form::Own(own) => own.touch(&mut lease, &id, now, expires).await,
                Form::Express(express) => express.touch(&mut lease, &id, now, expires).await,
            }
        }))
    }

    fn destroy(&self, id: Id) -> Pending<'_, bool> {
        Box::pin(self.run(async move |core| {
            let mut lease = core.pools.lease().await?;
            match &core.form {
                Form::Own(own) => own.destroy(&mut lease, &id).await,
                Form::Express(express) => express.destroy(&mut lease, &id).await,
            }
        }))
    }

    fn sessions_of<'a>(&'a self, user: &'a str, now: Timestamp) -> Pending<'a, Vec<Listed>> {
        Box::pin(self.run(async move |core| {
            let own = core.own()?;
            own.sessions_of(&mut core.pools.lease().await?, user, now).await
        }))
    }

    fn destroy_all_of<'a>(&'a self, user: &'a str, except: Option<Handle>) -> Pending<'a, u64> {
        Box::pin(self.run(async move |core| {
            let own = core.own()?;
            own.destroy_all_of(&mut core.pools.lease().await?, user, except).await
        }))
    }

    fn revoke<'a>(&'a self, user: &'a str, handle: Handle) -> Pending<'a, bool> {
        Box::pin(self.run(async move |core| {
            let own = core.own()?;
            own.revoke(&mut core.pools.lease().await?, user, handle).await
        }))
    }

    fn count(&self, now: Timestamp) -> Pending<'_, u64> {
        Box::pin(self.run(async move |core| {
            let mut lease = core.pools.lease().await?;
            match &core.form {
                Form::Own(own) => own.count(&mut lease, now).await,
                Form::Express(express) => express.count(&mut lease, now).await,
            }
        }))
    }

    fn sweep(&self, now: Timestamp) -> Pending<'_, u64> {
        Box::pin(async move { self.core()?.sweep(now).await })
    }

    /// Checks the names and the certificate; the server is asked at first use.
    fn prepare(&self, _workers: usize) -> Result<(), StoreError> {
        self.core().map(|_| ())
    }

    fn abilities(&self) -> Abilities {
        let is_own = !self.settings.is_express;
        Abilities { users: is_own, created: is_own, express: !is_own, ..Abilities::default() }
    }
}

/// Shows where the sessions are, and no password.
impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("server", &self.settings.address.name).finish_non_exhaustive()
    }
}

/// How many sessions one statement forgets at most.
const SWEPT_AT_ONCE: i64 = 500;
