//! [`Load`], its options, and [`Running`], a load under way.
//!
//! In: what to ask of which server, how often, over how many connections. Out:
//! counts at any time, and a [`Summary`] at the end. Starts the tasks; knows
//! no protocol.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::count::Counts;
use crate::schedule::{self, Queue, Rests};
use crate::summary::Summary;
use crate::transport::Dialer;
use crate::{keep_alive, streams};

/// The server under load.
#[derive(Clone, Debug)]
pub struct Target {
    /// Where to connect to.
    pub address: SocketAddr,
    /// What to speak.
    pub protocol: Protocol,
    /// The `Host` or `:authority` of requests, and the name in the TLS handshake. Default: the address.
    pub host: Option<String>,
}

impl Target {
    /// A server known by its address only.
    pub fn new(address: SocketAddr, protocol: Protocol) -> Self {
        Self { address, protocol, host: None }
    }
}

/// What is spoken with the server. Certificates are never checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Protocol {
    /// HTTP/1.1 without TLS, one request at a time on each connection.
    Http1,
    /// HTTP/1.1 over TLS.
    Http1Tls,
    /// HTTP/2 without TLS, by prior knowledge; several streams on each connection.
    Http2,
    /// HTTP/2 over TLS, by ALPN.
    Http2Tls,
}

impl Protocol {
    /// All four, in the order of their definition.
    pub const ALL: [Self; 4] = [Self::Http1, Self::Http1Tls, Self::Http2, Self::Http2Tls];

    pub(crate) fn is_tls(self) -> bool {
        matches!(self, Self::Http1Tls | Self::Http2Tls)
    }

    pub(crate) fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Http2Tls)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http1Tls => "HTTP/1.1 over TLS",
            Self::Http2 => "HTTP/2",
            Self::Http2Tls => "HTTP/2 over TLS",
        })
    }
}

/// One kind of request, and what must come back.
#[derive(Clone, Debug)]
pub struct Work {
    /// The method.
    pub method: Method,
    /// The path, beginning with `/`, with its query.
    pub path: String,
    /// The range of the body's size in bytes; `None` sends no body.
    ///
    /// A body is random bytes. It is sent whole, or in two parts some
    /// milliseconds apart, with its length or, over HTTP/1.1, chunked.
    pub body: Option<RangeInclusive<usize>>,
    /// What the answer must be.
    pub expect: Expect,
}

impl Work {
    /// A GET, answered by any 2xx.
    pub fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: None, expect: Expect::Any2xx }
    }

    /// A POST of 0 to 64 KiB, answered by the same bytes.
    pub fn echo(path: impl Into<String>) -> Self {
        Self { method: Method::POST, path: path.into(), body: Some(0..=64 * 1024), expect: Expect::Echo }
    }
}

/// What an answer must be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Expect {
    /// This status, with any content.
    Status(u16),
    /// A 2xx with exactly the request's body.
    Echo,
    /// A 2xx with exactly this body.
    Body(Vec<u8>),
    /// Any 2xx, with any content.
    Any2xx,
}

/// When connections are silent.
#[derive(Clone, Copy, Debug)]
pub struct Phases {
    /// The share of the connections that rest at a time, 0 to 1, rounded to whole connections. Default: 0.1.
    pub idle_share: f64,
    /// The shortest rest. Default: 0.1 s.
    pub shortest: Duration,
    /// The longest rest. Default: 8 s, beyond the usual linger of 5 s.
    pub longest: Duration,
}

impl Default for Phases {
    fn default() -> Self {
        Self { idle_share: 0.1, shortest: Duration::from_millis(100), longest: Duration::from_secs(8) }
    }
}

/// A load to be started. Make one with [`Load::new`] and change its fields.
#[derive(Clone, Debug)]
pub struct Load {
    /// The server.
    pub target: Target,
    /// How many connections. Default: 64. Zero is taken as one.
    pub connections: usize,
    /// Requests per second in all. Default: 500. Unless it is positive and finite, nothing is sent.
    pub rate: f64,
    /// An answer later than this after its planned time is a failure. Default: 5 s.
    pub late: Duration,
    /// The kinds of requests, chosen at random. Default: `GET /`, any 2xx. If empty, nothing is sent.
    pub works: Vec<Work>,
    /// When connections are silent.
    pub think: Phases,
    /// The longest time from the start of a request, its connect included, to its whole answer. Default: 30 s.
    pub timeout: Duration,
    /// The most concurrent streams of an HTTP/2 connection. Default: 8. Zero is taken as one.
    pub streams: usize,
    /// The seed of all random numbers. Default: 1.
    pub seed: u64,
}

impl Load {
    /// A load with the defaults.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            connections: 64,
            rate: 500.0,
            late: Duration::from_secs(5),
            works: vec![Work::get("/")],
            think: Phases::default(),
            timeout: Duration::from_secs(30),
            streams: 8,
            seed: 1,
        }
    }

    /// Starts the load, as tasks of the current tokio runtime.
    ///
    /// About half of the connections are opened at once, the others for their
    /// first request.
    ///
    /// # Panics
    /// Outside a tokio runtime with time and input/output enabled.
    pub async fn start(self) -> Running {
        let protocol = self.target.protocol;
        let counts = Arc::new(Counts::new(self.late, protocol, self.seed));
        let (stop, stopped) = watch::channel(false);
        let (sender, queue) = Queue::new();
        let connections = self.connections.max(1);
        let context = Arc::new(Context {
            dialer: Dialer::new(&self.target),
            counts: Arc::clone(&counts),
            queue,
            rests: Rests::new(self.think, connections),
            stopped,
            load: self,
        });
        let mut tasks = JoinSet::new();
        for connection in 0..connections {
            let context = Arc::clone(&context);
            if protocol.is_http2() {
                tasks.spawn(streams::run(context, connection));
            } else {
                tasks.spawn(keep_alive::run(context, connection));
            }
        }
        tasks.spawn(schedule::run(context, sender));
        Running { counts, stop, tasks }
    }
}

/// What all tasks of a load share.
pub(crate) struct Context {
    pub(crate) load: Load,
    pub(crate) dialer: Dialer,
    pub(crate) counts: Arc<Counts>,
    pub(crate) queue: Queue,
    pub(crate) rests: Rests,
    pub(crate) stopped: watch::Receiver<bool>,
}

/// A load under way. Dropping it ends it at once, without a result.
pub struct Running {
    counts: Arc<Counts>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Running {
    /// What has been counted so far.
    pub fn counts(&self) -> Summary {
        self.counts.snapshot()
    }

    /// Waits until at least `requests` requests have ended, well or not, since the start.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn ended(&self, requests: u64) {
        let mut ended = self.counts.watch_ended();
        // The sender is in `self.counts`, so this ends with a value only.
        let _ = ended.wait_for(|ended| *ended >= requests).await;
    }

    /// Plans no further requests, waits for the answers of those whose time had come, and returns the result.
    ///
    /// Takes at most about twice [`Load::timeout`].
    ///
    /// # Panics
    /// If a task of the load panicked.
    pub async fn stop(mut self) -> Summary {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        self.counts.snapshot()
    }
}
