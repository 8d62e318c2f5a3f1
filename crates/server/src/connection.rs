//! What the server knows of one connection, shared by its driver, its socket half inside the engine, its
//! requests, and the drain.
//!
//! [`Connection`] is the part a handler sees, as a request extension. Never parses bytes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;
use http::uri::PathAndQuery;
use http::{Extensions, Method};

use crate::drain::{Cut, Drain, Shutdown};
use crate::in_file::InFile;
use crate::limits::Limits;
use crate::link::Link;
use crate::listen::Local;
use crate::lot::Lot;
use crate::seat::{Admission, Endpoint};
use crate::socket::{Peer, Transport};
use crate::tally::Tally;
use crate::trusted::TrustedProxies;

/// The connection that a request came on. In every request's extensions.
#[derive(Clone)]
pub struct Connection(pub(crate) Arc<Shared>);

/// Adds request extensions that hold for a whole connection.
pub(crate) type Describe = fn(&Connection, &mut Extensions);

/// Finds what a response says of its content.
pub(crate) type FindFile = fn(&mut Extensions) -> Option<InFile>;

/// What one event loop and its connections share.
pub(crate) struct Context {
    pub(crate) limits: Limits,
    pub(crate) tally: Tally,
    pub(crate) drain: Drain,
    /// Which event loop this is, from 0.
    pub(crate) thread: usize,
    pub(crate) describe: Option<Describe>,
    pub(crate) find_file: Option<FindFile>,
    /// The loop's parked connections.
    pub(crate) lot: Lot,
    pub(crate) endpoints: Arc<[Arc<Endpoint>]>,
    /// Whose word on other people's addresses is believed.
    pub(crate) trusted: TrustedProxies,
}

pub(crate) struct Shared {
    pub(crate) context: Arc<Context>,
    pub(crate) peer: Peer,
    pub(crate) local: Local,
    pub(crate) tls: Option<Arc<TlsSession>>,
    pub(crate) protocol: Protocol,
    pub(crate) link: Mutex<Link>,
    /// Whether the socket became a handler's after an upgrade.
    pub(crate) given_away: AtomicBool,
    /// Wakes the driver: for a drain, and when the last request ended elsewhere.
    pub(crate) driver: AtomicWaker,
    pub(crate) shutdown: Shutdown,
    pub(crate) number: u64,
    /// The place in the server; given back at the end of the connection, whoever keeps this struct.
    pub(crate) admission: Mutex<Option<Admission>>,
}

/// The protocol spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protocol {
    /// HTTP/1.1 or HTTP/1.0 (RFC 9112).
    Http1,
    /// HTTP/2 (RFC 9113).
    Http2,
}

/// What was agreed on in the TLS handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TlsSession {
    /// `TLS 1.2` or `TLS 1.3`.
    pub version: &'static str,
    /// The name of the cipher suite.
    pub cipher: String,
    /// The host name that the client asked for (SNI, RFC 6066 §3).
    pub server_name: Option<String>,
    /// Whether the session was resumed from a ticket.
    pub resumed: bool,
}

/// A request that a handler is working on, or whose response is being sent.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    pub(crate) number: u64,
    pub(crate) method: Method,
    pub(crate) target: Option<PathAndQuery>,
    pub(crate) since: Instant,
    /// HTTP/2: since when the engine has not asked for more of the response body.
    pub(crate) unasked: Option<Instant>,
}

impl Connection {
    /// The other end of the connection: what the socket says, or what the header of the PROXY protocol says
    /// ([`Listener::proxy_protocol`](crate::Listener::proxy_protocol)). It may be a proxy: who sent a request is
    /// [`Client`](crate::Client)'s to say.
    pub fn peer(&self) -> Peer {
        self.0.peer
    }

    /// The address that the peer connected to.
    pub fn local(&self) -> &Local {
        &self.0.local
    }

    /// The protocol spoken.
    pub fn protocol(&self) -> Protocol {
        self.0.protocol
    }

    /// What TLS agreed on; `None` on a plain connection.
    pub fn tls(&self) -> Option<&TlsSession> {
        self.0.tls.as_deref()
    }

    /// Whether the connection is encrypted.
    pub fn is_secure(&self) -> bool {
        self.0.tls.is_some()
    }

    /// The event loop that serves this connection, from 0.
    pub fn thread(&self) -> usize {
        self.0.context.thread
    }

    /// A token that tells a long answer (server-sent events, WebSocket) that the server is stopping.
    pub fn shutdown(&self) -> Shutdown {
        self.0.shutdown.clone()
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("peer", &self.0.peer).field("protocol", &self.0.protocol).finish()
    }
}

impl Shared {
    /// The connection's changing part. A panic elsewhere while it was held is no reason to give up: every
    /// change of it is complete by itself.
    pub(crate) fn link(&self) -> MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_given_away(&self) -> bool {
        self.given_away.load(Ordering::Relaxed)
    }

    /// From here on the bytes belong to the handler that took the connection over.
    pub(crate) fn give_away(&self) {
        self.given_away.store(true, Ordering::Relaxed);
        self.link().give_away();
    }

    /// Gives back the socket and the place in the server.
    pub(crate) fn release(&self) {
        self.link().close();
        let admission = self.admission.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(admission);
    }

    /// Takes the socket and the place in the server out, for a while in which nothing is asked for. Whoever
    /// keeps this struct finds its connection over. `None`: it is over already.
    pub(crate) fn take_out(&self) -> Option<(Transport, Admission)> {
        let transport = self.link().take_out();
        let admission = self.admission.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.context.drain.forget(self.number);
        transport.zip(admission)
    }

    /// Ends the connection at once and says which requests that cost.
    pub(crate) fn cut(&self) -> Vec<Cut> {
        let mut link = self.link();
        let now = Instant::now();
        let cuts = link
            .unfinished()
            .map(|request| Cut {
                method: request.method.clone(),
                path: request.target.as_ref().map_or("*", |target| target.path()).to_owned(),
                age: now.saturating_duration_since(request.since),
                peer: self.peer,
            })
            .collect();
        link.cut();
        drop(link);
        self.driver.wake();
        cuts
    }
}

/// The earlier of two deadlines, of which each may be missing.
pub(crate) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// `since` plus `limit`, where there is a since.
pub(crate) fn after(since: Option<Instant>, limit: Duration) -> Option<Instant> {
    since.map(|since| since + limit)
}
