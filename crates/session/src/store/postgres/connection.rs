//! [`Connection`]: one connection to the server, from the greeting to the last word.
//!
//! In: how to reach the server, by one or several hosts. Out: a client that is greeted, with its prepared
//! statements. Owns what it takes to open one in time, and to leave none behind on the server.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::timeout;
use tokio_postgres::config::LoadBalanceHosts;
use tokio_postgres::{Client, Config, NoTls, Statement};

use super::fault::Fault;
use super::tls::Connector;

/// How to reach the server.
pub(super) struct Target {
    /// One for each host, at least one.
    configs: Vec<Config>,
    /// `None`: connections are not encrypted.
    connector: Option<Connector>,
    /// Statements for every new connection.
    greeting: String,
    connect_timeout: Duration,
    pub(super) response_timeout: Duration,
    /// The host to ask first: the one that answered last.
    first: AtomicUsize,
}

impl Target {
    pub(super) fn new(
        configs: Vec<Config>,
        connector: Option<Connector>,
        greeting: String,
        connect_timeout: Duration,
        response_timeout: Duration,
    ) -> Self {
        let first = AtomicUsize::new(0);
        Self { configs, connector, greeting, connect_timeout, response_timeout, first }
    }

    fn first(&self) -> usize {
        let is_random = |config: &Config| config.get_load_balance_hosts() == LoadBalanceHosts::Random;
        let mut random = [0];
        if self.configs.first().is_some_and(is_random) && rand::fill(&mut random).is_ok() {
            return usize::from(random[0]);
        }
        self.first.load(Ordering::Relaxed)
    }
}

/// A connection and what was prepared on it.
pub(super) struct Connection {
    pub(super) client: Client,
    /// Speaks with the server, until the client is dropped and everything is answered.
    task: JoinHandle<()>,
    statements: HashMap<Box<str>, Statement>,
    pub(super) used: Instant,
}

impl Connection {
    /// Asks one host after the other. Each has its share of the time that is left, so that one that says
    /// nothing leaves time for the next.
    pub(super) async fn open(target: &Target) -> Result<Self, Fault> {
        let (begun, hosts, first) = (Instant::now(), target.configs.len(), target.first());
        let limit = target.connect_timeout.min(target.response_timeout);
        let mut fault = Fault::Closed;
        for tried in 0..hosts {
            let place = first.wrapping_add(tried) % hosts;
            let left = limit.saturating_sub(begun.elapsed());
            let share = left / u32::try_from(hosts - tried).unwrap_or(u32::MAX);
            match timeout(share, Self::open_at(target, &target.configs[place])).await {
                Ok(Ok(connection)) => {
                    target.first.store(place, Ordering::Relaxed);
                    return Ok(connection);
                }
                Ok(Err(refusal)) => fault = refusal,
                Err(_) => fault = Fault::Connect(limit),
            }
            target.first.store((place + 1) % hosts, Ordering::Relaxed);
        }
        Err(fault)
    }

    async fn open_at(target: &Target, config: &Config) -> Result<Self, Fault> {
        let (client, task) = match &target.connector {
            Some(connector) => {
                let (client, connection) = config.connect(connector.clone()).await?;
                (client, tokio::spawn(async move { drop(connection.await) }))
            }
            None => {
                let (client, connection) = config.connect(NoTls).await?;
                (client, tokio::spawn(async move { drop(connection.await) }))
            }
        };
        let mut given_up = GivenUp(Some(task.abort_handle()));
        client.batch_execute(&target.greeting).await?;
        given_up.0 = None;
        Ok(Self { client, task, statements: HashMap::new(), used: Instant::now() })
    }

    pub(super) async fn prepare(&mut self, sql: &str) -> Result<Statement, Fault> {
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql).await?;
        self.statements.insert(sql.into(), statement.clone());
        Ok(statement)
    }

    /// Ends the connection, and returns when it is gone on the server too, as far as the server answers. What
    /// still runs there after `patience` is cancelled: a `COMMIT` that waits for a standby ends in no other
    /// way, since `statement_timeout` does not count for it.
    pub(super) async fn close(self, target: &Target, patience: Duration) {
        let Self { client, mut task, .. } = self;
        let token = client.cancel_token();
        // The task says goodbye as soon as everything is answered.
        drop(client);
        if timeout(patience, &mut task).await.is_ok() {
            return;
        }
        let cancelling = async {
            match &target.connector {
                Some(connector) => token.cancel_query(connector.clone()).await,
                None => token.cancel_query(NoTls).await,
            }
        };
        // Whether it was heard shows in what the task does.
        let _ = timeout(target.connect_timeout, cancelling).await;
        if timeout(target.response_timeout, &mut task).await.is_err() {
            task.abort();
        }
    }
}

/// Dropped while a connection is greeted, it hangs up: nobody waits for the answer any more.
struct GivenUp(Option<AbortHandle>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}
