//! Connections to the server or the cluster: one for each runtime, shared by its requests.
//!
//! In: commands. Out: replies, or errors that name the address. Owns time limits and reconnecting: a connection
//! that failed is not used again, and the next request makes a new one, together with all that wait then.
//! Knows no sessions.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{RoutingInfo, SingleNodeRoutingInfo};
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, FromRedisValue,
    IntoConnectionInfo, ProtocolVersion, PushInfo, PushKind, RedisError, ServerErrorKind, TlsCertificates,
    Value,
};
use tokio::runtime::{Handle, Id};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};

use super::fault;
use super::script::Script;
use crate::store::StoreError;

/// Where the sessions are, and how long to wait. Holds the password.
#[derive(Clone)]
pub(super) struct Target {
    nodes: Vec<ConnectionInfo>,
    pub(super) is_cluster: bool,
    pub(super) root_certificate: Option<Vec<u8>>,
    pub(super) response_timeout: Duration,
    pub(super) connect_timeout: Duration,
}

impl Target {
    /// Reads addresses. The messages of errors hold none of their text, since there may be passwords in it.
    pub(super) fn parse(urls: &[String], is_cluster: bool) -> Result<Self, StoreError> {
        let parse = |url: &String| -> Result<ConnectionInfo, RedisError> {
            let info = url.as_str().into_connection_info()?;
            // With the newer protocol the server's end of a connection is noticed before it is used again.
            let protocol = redis_protocol(url, &info);
            let settings = info.redis_settings().clone().set_protocol(protocol);
            Ok(info.set_redis_settings(settings).set_tcp_settings(TcpSettings::default().set_nodelay(true)))
        };
        let nodes: Result<Vec<_>, _> = urls.iter().map(parse).collect();
        let nodes = nodes.map_err(|error| misuse(&error))?;
        if nodes.is_empty() {
            return Err(StoreError::Misuse("a Redis cluster needs the address of one node at least".into()));
        }
        let target = Self {
            nodes,
            is_cluster,
            root_certificate: None,
            response_timeout: LIMIT,
            connect_timeout: LIMIT,
        };
        target.check()?;
        Ok(target)
    }

    /// Checks what can be checked without a connection.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.response_timeout.is_zero() || self.connect_timeout.is_zero() {
            return Err(StoreError::Misuse(
                "a time limit of zero leaves Redis no time to answer: give the time limits some seconds"
                    .into(),
            ));
        }
        let is_tls = |info: &ConnectionInfo| matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        if self.root_certificate.is_some() && !self.nodes.iter().all(is_tls) {
            return Err(StoreError::Misuse(
                "a root certificate is given, but the Redis address is not rediss://".into(),
            ));
        }
        self.clients().map(drop).map_err(|error| misuse(&error))
    }

    /// The addresses, without the passwords.
    pub(super) fn address(&self) -> String {
        let addresses: Vec<String> = self.nodes.iter().map(|info| info.addr().to_string()).collect();
        format!("Redis at {}", addresses.join(", "))
    }

    fn clients(&self) -> Result<Clients, RedisError> {
        let certificates = self
            .root_certificate
            .clone()
            .map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) });
        if self.is_cluster {
            let builder = ClusterClient::builder(self.nodes.clone())
                .connection_timeout(self.connect_timeout)
                .response_timeout(self.response_timeout)
                // Commands are sent again here, and only where that does no harm.
                .retries(0)
                .tcp_settings(TcpSettings::default().set_nodelay(true));
            let builder = match certificates {
                Some(certificates) => builder.certs(certificates),
                None => builder,
            };
            return Ok(Clients::Cluster(Box::new(builder.build()?)));
        }
        let Some(node) = self.nodes.first().cloned() else { return Err(no_node()) };
        Ok(Clients::Single(Box::new(match certificates {
            Some(certificates) => Client::build_with_tls(node, certificates)?,
            None => Client::open(node)?,
        })))
    }

    async fn connect(&self, ended: Arc<AtomicBool>) -> Result<Kind, RedisError> {
        if self.nodes.iter().any(|info| matches!(info.addr(), ConnectionAddr::TcpTls { .. }))
            && CryptoProvider::get_default().is_none()
        {
            // Fails only if another thread was faster.
            let _ = aws_lc_rs::default_provider().install_default();
        }
        match self.clients()? {
            Clients::Cluster(client) => Ok(Kind::Cluster(client.get_async_connection().await?)),
            Clients::Single(client) => {
                let mut config = AsyncConnectionConfig::new()
                    .set_connection_timeout(Some(self.connect_timeout))
                    .set_response_timeout(Some(self.response_timeout));
                if client.get_connection_info().redis_settings().protocol() == ProtocolVersion::RESP3 {
                    config = config.set_push_sender(move |push: PushInfo| {
                        if push.kind == PushKind::Disconnection {
                            ended.store(true, Ordering::Relaxed);
                        }
                        Ok::<(), std::convert::Infallible>(())
                    });
                }
                let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
                Ok(Kind::Single(connection))
            }
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address())
    }
}

enum Clients {
    Single(Box<Client>),
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
enum Kind {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

/// A connection and whether it is of no more use.
#[derive(Clone)]
struct Connection {
    kind: Kind,
    ended: Arc<AtomicBool>,
}

/// What became of an attempt to connect; `None`: it goes on.
type Attempt = watch::Receiver<Option<Result<Connection, Arc<str>>>>;

struct Slot {
    attempt: Attempt,
    /// A task that ends with the runtime.
    life: AbortHandle,
}

/// The connections of all runtimes of this process.
pub(super) struct Connections {
    target: Arc<Target>,
    slots: Mutex<HashMap<Id, Slot>>,
}

impl Connections {
    pub(super) fn new(target: Target) -> Self {
        Self { target: Arc::new(target), slots: Mutex::default() }
    }

    pub(super) fn is_cluster(&self) -> bool {
        self.target.is_cluster
    }

    pub(super) fn response_timeout(&self) -> Duration {
        self.target.response_timeout
    }

    /// Sends a command and gives its reply. It must do no harm if it is done twice.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd) -> Result<T, StoreError> {
        let mut connection = self.connection().await?;
        let reply = self.send(&mut connection, command, Twice::Harmless).await;
        self.read(reply.map_err(|error| self.failure(&connection, &error))?)
    }

    /// Runs a script; sends its text only if the server does not know it.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[&[u8]],
        arguments: &[impl AsRef<[u8]>],
        twice: Twice,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection().await?;
        for known in [true, false] {
            let command = script.command(known, keys, arguments);
            match self.send(&mut connection, &command, twice).await {
                Err(error) if known && error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {}
                Err(error) => return Err(self.failure(&connection, &error)),
                Ok(reply) => return self.read(reply),
            }
        }
        Err(StoreError::Unavailable(format!("{} takes no scripts", self.target.address()), None))
    }

    /// An answer of another form is no fault of the connection.
    fn read<T: FromRedisValue>(&self, reply: Value) -> Result<T, StoreError> {
        T::from_redis_value(reply).map_err(|_| {
            StoreError::Unreadable(format!("{}: what is there is none of narae's", self.target.address()))
        })
    }

    async fn send(
        &self,
        connection: &mut Connection,
        command: &Cmd,
        twice: Twice,
    ) -> Result<Value, RedisError> {
        match &mut connection.kind {
            Kind::Single(single) => {
                let mut waiting = Waiting {
                    ended: Arc::clone(&connection.ended),
                    since: Instant::now(),
                    patience: self.target.response_timeout / 2,
                    is_over: false,
                };
                let reply = command.query_async(single).await;
                waiting.is_over = true;
                reply
            }
            Kind::Cluster(cluster) => self.send_to_cluster(cluster, command, twice).await,
        }
    }

    /// Sends a command to where its key is, however often that moves. The client's own way of doing so would
    /// repeat a command too whose reply was lost with a connection.
    async fn send_to_cluster(
        &self,
        cluster: &mut ClusterConnection,
        command: &Cmd,
        twice: Twice,
    ) -> Result<Value, RedisError> {
        let began = Instant::now();
        let mut pause = SHORTEST_PAUSE;
        loop {
            let mut error = match command.query_async(cluster).await {
                Ok(reply) => return Ok(reply),
                Err(error) => error,
            };
            if error.kind() == ErrorKind::Server(ServerErrorKind::Ask) {
                error = match ask_node(cluster, command, &error).await {
                    Ok(reply) => return Ok(reply),
                    Err(error) => error,
                };
            }
            let is_lost = error.is_io_error() && error.is_connection_dropped();
            let again = fault::is_refusal(&error) || (is_lost && matches!(twice, Twice::Harmless));
            if !again || began.elapsed() >= self.target.response_timeout {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// Sends a command to every master. `command` makes it from what the node answered last; `None`: it is
    /// done with that node.
    pub(super) async fn ask_masters<T: FromRedisValue>(
        &self,
        mut command: impl FnMut(Option<T>) -> Option<Cmd>,
    ) -> Result<(), StoreError> {
        let masters = if self.is_cluster() {
            self.masters().await?.into_iter().map(Some).collect()
        } else {
            vec![None]
        };
        for master in masters {
            let mut last = None;
            while let Some(next) = command(last.take()) {
                last = Some(match &master {
                    None => self.query(&next).await?,
                    Some((host, port)) => self.query_node(next, host, *port).await?,
                });
            }
        }
        Ok(())
    }

    async fn query_node<T: FromRedisValue>(
        &self,
        command: Cmd,
        host: &str,
        port: u16,
    ) -> Result<T, StoreError> {
        let mut connection = self.connection().await?;
        let Kind::Cluster(cluster) = &mut connection.kind else { return self.query(&command).await };
        let node = SingleNodeRoutingInfo::ByAddress { host: host.to_owned(), port };
        let reply = cluster.route_command(command, RoutingInfo::SingleNode(node)).await;
        let reply = reply.and_then(Value::extract_error);
        self.read(reply.map_err(|error| self.failure(&connection, &error))?)
    }

    /// The masters that hold slots.
    async fn masters(&self) -> Result<Vec<(String, u16)>, StoreError> {
        let slots: Vec<Value> = self.query(redis::cmd("CLUSTER").arg("SLOTS")).await?;
        let mut masters = Vec::new();
        for slot in slots {
            let Value::Array(parts) = slot else { continue };
            let Some(Value::Array(node)) = parts.into_iter().nth(2) else { continue };
            let mut node = node.into_iter();
            let (Some(host), Some(Value::Int(port))) = (node.next(), node.next()) else { continue };
            let Ok(host) = String::from_redis_value(host) else { continue };
            let Ok(port) = u16::try_from(port) else { continue };
            if !masters.contains(&(host.clone(), port)) {
                masters.push((host, port));
            }
        }
        Ok(masters)
    }

    /// The connection of the current runtime; a new one if there is none or it failed.
    async fn connection(&self) -> Result<Connection, StoreError> {
        let mut attempt = {
            let runtime = Handle::current();
            let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
            match slots.get_mut(&runtime.id()) {
                Some(slot) if !slot.life.is_finished() => {
                    let known = slot.attempt.borrow().clone();
                    match known {
                        Some(Ok(connection)) if !connection.ended.load(Ordering::Relaxed) => {
                            return Ok(connection);
                        }
                        Some(_) => slot.attempt = self.attempt(&runtime),
                        None if slot.attempt.has_changed().is_err() => slot.attempt = self.attempt(&runtime),
                        None => {}
                    }
                    slot.attempt.clone()
                }
                _ => {
                    slots.retain(|_, slot| !slot.life.is_finished());
                    let life = runtime.spawn(std::future::pending::<()>()).abort_handle();
                    let attempt = self.attempt(&runtime);
                    slots.insert(runtime.id(), Slot { attempt: attempt.clone(), life });
                    attempt
                }
            }
        };
        let outcome = attempt.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        match outcome {
            Some(Ok(connection)) => Ok(connection),
            Some(Err(why)) => Err(StoreError::Unavailable(format!("{}: {why}", self.target.address()), None)),
            None => Err(StoreError::Unavailable(format!("{}: stopping", self.target.address()), None)),
        }
    }

    /// Begins to connect, in a task of its own: a request that gives up does not stop it for the others.
    fn attempt(&self, runtime: &Handle) -> Attempt {
        let (outcome, attempt) = watch::channel(None);
        let target = Arc::clone(&self.target);
        runtime.spawn(async move {
            let ended = Arc::new(AtomicBool::new(false));
            // A cluster's client asks one node after the other.
            let times = if target.is_cluster { 2 } else { 1 };
            let limit = target.connect_timeout.saturating_mul(times);
            let connected = timeout(limit, target.connect(Arc::clone(&ended))).await;
            let _ = outcome.send(Some(match connected {
                Ok(Ok(kind)) => Ok(Connection { kind, ended }),
                Ok(Err(error)) => Err(fault::text(&error).into()),
                Err(_) => Err(format!("no connection within {limit:?}").into()),
            }));
        });
        attempt
    }

    /// No answer came within the limit for the whole of a method.
    pub(super) fn too_slow(&self) -> StoreError {
        let (address, limit) = (self.target.address(), self.target.response_timeout);
        StoreError::Unavailable(format!("{address}: no answer within {limit:?}"), None)
    }

    fn failure(&self, connection: &Connection, error: &RedisError) -> StoreError {
        let is_of_no_use = match connection.kind {
            Kind::Single(_) => {
                error.is_unrecoverable_error()
                    || error.is_io_error()
                    || error.is_timeout()
                    || fault::is_no_master(error)
            }
            // It mends itself while it has a node left, and the sessions on other nodes do not wait for that.
            Kind::Cluster(_) => fault::is_cluster_lost(error),
        };
        if is_of_no_use {
            connection.ended.store(true, Ordering::Relaxed);
        }
        let address = self.target.address();
        if fault::is_full(error) {
            return StoreError::Full(address);
        }
        if error.is_timeout() {
            return self.too_slow();
        }
        StoreError::Unavailable(format!("{address}: {}", fault::text(error)), None)
    }
}

/// Whether a command may be done twice where its reply was lost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Twice {
    Harmless,
    Harmful,
}

/// A command that waits for its reply. Given up after a long wait, it takes the connection out of use: nothing
/// else would notice that the server is silent.
struct Waiting {
    ended: Arc<AtomicBool>,
    since: Instant,
    patience: Duration,
    is_over: bool,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.is_over && self.since.elapsed() >= self.patience {
            self.ended.store(true, Ordering::Relaxed);
        }
    }
}

/// Sends a command to the node that a key is on its way to.
async fn ask_node(
    cluster: &mut ClusterConnection,
    command: &Cmd,
    error: &RedisError,
) -> Result<Value, RedisError> {
    let node = error.redirect_node().and_then(|(address, _)| {
        let (host, port) = address.rsplit_once(':')?;
        Some(SingleNodeRoutingInfo::ByAddress { host: host.to_owned(), port: port.parse().ok()? })
    });
    let Some(node) = node else { return Err(error.clone()) };
    let mut both = redis::pipe();
    both.cmd("ASKING").add_command(command.clone());
    let replies = cluster.route_pipeline(both, 0, 2, node).await?;
    replies.into_iter().next_back().unwrap_or(Value::Nil).extract_error()
}

impl Drop for Connections {
    fn drop(&mut self) {
        let slots = self.slots.get_mut().unwrap_or_else(PoisonError::into_inner);
        slots.values().for_each(|slot| slot.life.abort());
    }
}

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}

/// The protocol that `url` asks for, or the newer one.
fn redis_protocol(url: &str, info: &ConnectionInfo) -> ProtocolVersion {
    if url.contains("protocol=") { info.redis_settings().protocol() } else { ProtocolVersion::RESP3 }
}

fn misuse(error: &RedisError) -> StoreError {
    StoreError::Misuse(format!("cannot use the Redis address: {}", fault::text(error)))
}

fn no_node() -> RedisError {
    RedisError::from((ErrorKind::InvalidClientConfig, "there is no address"))
}

/// Default of both time limits.
const LIMIT: Duration = Duration::from_secs(2);

/// How long to wait before a command is sent again: at first, and at most.
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
