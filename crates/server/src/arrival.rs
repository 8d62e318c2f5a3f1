//! From an accepted socket to the right engine: TLS handshake, protocol, first byte.
//!
//! In: a socket. Out: a [`Shared`] connection handed to the HTTP/1 or HTTP/2 driver. The limits of silence
//! before the first request are kept here. An HTTP/1 connection comes back here when it is idle, and is
//! parked: as a row where it is plain, as a small task where it is encrypted.

use std::future::{Future, poll_fn};
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::task::{self, Poll, ready};
use std::time::{Duration, Instant};

use atomic_waker::AtomicWaker;
use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::time::sleep_until;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::answer::Refusal;
use crate::application::Application;
use crate::connection::{Context, Protocol, Shared, TlsSession};
use crate::drain::Stage;
use crate::h1::Rest;
use crate::h2_frames::{FrameMeter, PREFACE};
use crate::handed::Handed;
use crate::link::Link;
use crate::lot::Row;
use crate::seat::{Admission, Arrival, Endpoint, Seat};
use crate::socket::{Accepted, Peer, Socket, Transport};
use crate::tally::{count, discount};
use crate::tls::TlsConfig;
use crate::{h1, h2, introduction, parking};

/// Bytes of the first read: a whole request of a browser, as a rule.
const FIRST_READ: usize = 4 * 1024;

/// Serves one connection from its arrival to its end, or until it is parked.
///
/// A plain function, and the steps after it, so that a connection that has not spoken yet is a small task: an
/// async function keeps what it was given beside what it makes of it.
pub(crate) fn begin<S>(arrival: Arrival, context: &Arc<Context>, seat: &Arc<Seat>, service: &S)
where
    S: Application,
{
    let Arrival { socket, peer, endpoint, permit, .. } = arrival;
    let admission = Admission::new(Arc::clone(seat), permit);
    let Ok(socket) = socket.register(&endpoint.local) else { return };
    let (context, service) = (Arc::clone(context), service.clone());
    let limit = next_limit(&context);
    tokio::spawn(Newcomer { admission, peer, endpoint, context, service, limit }.be_heard(socket));
}

/// Serves a connection that was parked and whose peer has sent `before`.
pub(crate) fn resume<S>(row: Row, before: BytesMut, context: &Arc<Context>, service: &S)
where
    S: Application,
{
    let Row { socket, peer, listener, since, admission } = row;
    let Some(endpoint) = context.endpoints.get(listener).map(Arc::clone) else { return };
    let Ok(socket) = Accepted::Bare(socket).register(&endpoint.local) else { return };
    let opened = Opened { transport: Transport::Plain(socket), before, since, tls: None, peer, endpoint };
    tokio::spawn(drive(opened, admission, Arc::clone(context), service.clone()));
}

/// A connection of which nothing was read.
struct Newcomer<S> {
    admission: Admission,
    peer: Peer,
    endpoint: Arc<Endpoint>,
    context: Arc<Context>,
    service: S,
    /// When the step that it is at must be over.
    limit: Instant,
}

impl<S> Newcomer<S>
where
    S: Application,
{
    /// Until the peer speaks, the connection may go to another process.
    async fn be_heard(self, mut socket: Socket) {
        loop {
            match heard(&socket, self.limit, &self.context).await {
                Heard::Peer => break,
                Heard::Successor => match self.give(socket) {
                    Ok(()) => return,
                    Err(Some(back)) => socket = back,
                    // A socket that cannot change its event loop is closed.
                    Err(None) => return,
                },
                Heard::Nothing => {
                    count(self.context.tally.timeouts());
                    return;
                }
            }
        }
        match self.endpoint.tls.clone() {
            _ if self.endpoint.proxy_protocol => Box::pin(self.be_introduced(socket)).await,
            None => Box::pin(self.listen(Transport::Plain(socket), None)).await,
            Some(config) => Box::pin(self.shake_hands(socket, config)).await,
        }
    }

    /// Gives the connection to the successor of a drain. If that one is gone, it comes back.
    fn give(&self, socket: Socket) -> Result<(), Option<Socket>> {
        let socket = socket.into_fd().map_err(|_| None)?;
        let (peer, listener) = (self.peer, self.endpoint.index);
        let handed = Handed { socket, peer, listener, fresh: true, idle: Duration::ZERO };
        let Err(back) = parking::hand_over(handed, &self.context) else { return Ok(()) };
        Err(Accepted::Bare(back.socket).register(&self.endpoint.local).ok())
    }

    /// A proxy says who the peer is, before anything else.
    async fn be_introduced(mut self, mut socket: Socket) {
        let introduced = introduced(&mut socket, self.peer, self.limit, &self.context);
        let Some(peer) = Box::pin(introduced).await else { return };
        self.peer = peer;
        self.limit = next_limit(&self.context);
        match self.endpoint.tls.clone() {
            None => Box::pin(self.listen(Transport::Plain(socket), None)).await,
            Some(config) => Box::pin(self.shake_hands(socket, config)).await,
        }
    }

    async fn shake_hands(mut self, socket: Socket, config: TlsConfig) {
        let handshake = handshake(socket, &config, self.limit, &self.context);
        let Some((stream, session, protocol)) = Box::pin(handshake).await else { return };
        self.limit = next_limit(&self.context);
        let transport = Transport::Tls(Box::new(stream));
        let session = Some(Arc::new(session));
        match protocol {
            Protocol::Http1 => Box::pin(self.listen(transport, session)).await,
            Protocol::Http2 => self.speak(transport, BytesMut::new(), protocol, session).await,
        }
    }

    /// Over TLS the protocol is agreed on; over plain sockets the first bytes tell.
    async fn listen(self, mut transport: Transport, tls: Option<Arc<TlsSession>>) {
        let first = first_bytes(&mut transport, self.limit, &self.context, tls.is_none()).await;
        let Some((protocol, before)) = first else { return };
        self.speak(transport, before, protocol, tls).await;
    }

    fn speak(
        self,
        transport: Transport,
        before: BytesMut,
        protocol: Protocol,
        tls: Option<Arc<TlsSession>>,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let Self { admission, peer, endpoint, context, service, .. } = self;
        let opened = Opened { transport, before, since: Instant::now(), tls, peer, endpoint };
        match protocol {
            Protocol::Http1 => Box::pin(drive(opened, admission, context, service)),
            Protocol::Http2 => Box::pin(h2::serve(opened.share(protocol, admission, &context), service)),
        }
    }
}

/// The introduction, the handshake and the first byte of a request have the same time each.
fn next_limit(context: &Context) -> Instant {
    Instant::now() + context.limits.first_byte
}

/// A connection that can be spoken on.
struct Opened {
    transport: Transport,
    /// What was read of its next request.
    before: BytesMut,
    /// Since when a request is awaited.
    since: Instant,
    tls: Option<Arc<TlsSession>>,
    peer: Peer,
    endpoint: Arc<Endpoint>,
}

impl Opened {
    fn share(self, protocol: Protocol, admission: Admission, context: &Arc<Context>) -> Arc<Shared> {
        let limits = &context.limits;
        let meter =
            (protocol == Protocol::Http2).then(|| FrameMeter::new(&limits.h2_budgets, Instant::now()));
        let link = Link::new(self.transport, self.before, self.since, meter, limits.max_target_bytes);
        let shared = Arc::new(Shared {
            shutdown: context.drain.token(admission.number),
            peer: self.peer,
            local: self.endpoint.local.clone(),
            tls: self.tls,
            protocol,
            link: Mutex::new(link),
            given_away: AtomicBool::new(false),
            driver: AtomicWaker::new(),
            number: admission.number,
            admission: Mutex::new(Some(admission)),
            context: Arc::clone(context),
        });
        shared.context.drain.register(&shared);
        shared
    }
}

/// Speaks HTTP/1 until the connection ends or is parked. The engine is boxed, so that a connection that waits
/// here without one is small.
async fn drive<S>(mut opened: Opened, mut admission: Admission, context: Arc<Context>, service: S)
where
    S: Application,
{
    loop {
        let (peer, tls, endpoint) = (opened.peer, opened.tls.clone(), Arc::clone(&opened.endpoint));
        let shared = opened.share(Protocol::Http1, admission, &context);
        let Some(rest) = Box::pin(h1::serve(shared, service.clone())).await else { return };
        let Rest { transport, before, since, admission: kept } = rest;
        admission = kept;
        let transport = match transport {
            Transport::Plain(socket) if before.is_empty() => {
                // A socket that cannot leave its event loop is closed.
                if let Ok(socket) = socket.into_fd() {
                    parking::park(Row { socket, peer, listener: endpoint.index, since, admission }, &context);
                }
                return;
            }
            Transport::Tls(stream) if before.is_empty() => {
                if !Box::pin(speaks_again(&stream, since, &context)).await {
                    return;
                }
                Transport::Tls(stream)
            }
            transport => transport,
        };
        opened = Opened { transport, before: BytesMut::from(before), since, tls, peer, endpoint };
    }
}

/// Waits on an idle TLS connection without an engine: until its peer speaks, or the engine must end it. `false`:
/// the drain's deadline has come.
async fn speaks_again(stream: &TlsStream<Socket>, since: Instant, context: &Context) -> bool {
    let _parked = Parked::new(context);
    let mut stages = context.drain.stages();
    tokio::select! {
        // An error shows again in the next read.
        _ = stream.get_ref().0.readable() => true,
        () = sleep_until((since + context.limits.keep_alive_idle).into()) => true,
        () = lingered(context) => true,
        _ = stages.wait_for(|stage| *stage == Stage::Cut) => false,
    }
}

/// Counts a connection as parked while it lives.
struct Parked<'a>(&'a Context);

impl<'a> Parked<'a> {
    fn new(context: &'a Context) -> Self {
        count(context.tally.parked());
        Self(context)
    }
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        discount(self.0.tally.parked());
    }
}

/// Who a proxy says the peer is. `None`: nobody that is believed said anything in time; counted.
async fn introduced(
    socket: &mut Socket,
    socket_peer: Peer,
    limit: Instant,
    context: &Context,
) -> Option<Peer> {
    let proxies = &context.trusted;
    if !proxies.is_empty() && !proxies.trusts(socket_peer) {
        count(context.tally.introduction_failures());
        tracing::debug!(peer = %socket_peer, "not introduced: no trusted proxy");
        return None;
    }
    match in_time(introduction::take(socket, socket_peer), limit, context).await {
        Some(Ok(peer)) => Some(peer),
        Some(Err(failure)) => {
            count(context.tally.introduction_failures());
            tracing::debug!(peer = %socket_peer, %failure, "not introduced");
            None
        }
        None => {
            count(context.tally.timeouts());
            None
        }
    }
}

/// Waits for the peer's first bytes and tells the protocol by them. `None`: nothing came in time.
async fn first_bytes(
    transport: &mut Transport,
    limit: Instant,
    context: &Context,
    may_be_http2: bool,
) -> Option<(Protocol, BytesMut)> {
    let mut before = BytesMut::new();
    let reading = poll_fn(|cx| {
        loop {
            match ready!(poll_more(transport, &mut before, cx)) {
                Ok(0) | Err(_) => return Poll::Ready(None),
                Ok(_) => {}
            }
            let start = before.len().min(PREFACE.len());
            let is_preface = may_be_http2 && before.get(..start) == PREFACE.get(..start);
            match is_preface {
                false => return Poll::Ready(Some(Protocol::Http1)),
                true if start == PREFACE.len() => return Poll::Ready(Some(Protocol::Http2)),
                // "PRI" alone may still become either.
                true => {}
            }
        }
    });
    let first = in_time(reading, limit, context).await;
    if let Some(Some(protocol)) = first {
        return Some((protocol, before));
    }
    if first.is_none() {
        count(context.tally.timeouts());
    }
    // RFC 9112 §9.8: TLS is closed in words, also towards a peer that has said nothing. Little was sent before, so
    // nothing waits; and nobody is left to be told of an error.
    let _ = transport.shutdown().await;
    None
}

/// Reads onto the stack first: a connection that has not spoken should keep no memory for what it may say.
fn poll_more(
    transport: &mut Transport,
    before: &mut BytesMut,
    cx: &mut task::Context<'_>,
) -> Poll<io::Result<usize>> {
    let mut scratch = [MaybeUninit::uninit(); FIRST_READ];
    let mut buffer = ReadBuf::uninit(&mut scratch);
    ready!(Pin::new(transport).poll_read(cx, &mut buffer))?;
    before.extend_from_slice(buffer.filled());
    Poll::Ready(Ok(buffer.filled().len()))
}

/// What a connection waited for came.
enum Heard {
    /// Its peer speaks, or has left.
    Peer,
    /// A drain, and somebody who takes the connection.
    Successor,
    /// The end of its time.
    Nothing,
}

/// Waits until the peer of a connection speaks of which nothing was read.
async fn heard(socket: &Socket, limit: Instant, context: &Context) -> Heard {
    let drain = &context.drain;
    let spoken = async {
        let (mut stages, mut first) = (drain.stages(), [0]);
        loop {
            if drain.hands_over() {
                return Heard::Successor;
            }
            tokio::select! {
                // An error shows again in the next read.
                _ = socket.look(&mut first, 0) => return Heard::Peer,
                // The sender lives as long as the server.
                _ = stages.changed() => {}
            }
        }
    };
    in_time(spoken, limit, context).await.unwrap_or(Heard::Nothing)
}

/// Runs `work` until `limit`, and in a drain within its linger.
async fn in_time<T>(work: impl Future<Output = T>, limit: Instant, context: &Context) -> Option<T> {
    let mut work = pin!(work);
    // Subscribed before the drain is asked for: it begins before or after that, but not unseen.
    let mut stages = context.drain.stages();
    let end = || context.drain.linger_until().map_or(limit, |end| end.min(limit)).into();
    let mut timer = pin!(sleep_until(end()));
    loop {
        tokio::select! {
            biased;
            done = &mut work => return Some(done),
            () = &mut timer => return None,
            // The sender lives as long as the server.
            _ = stages.changed() => timer.as_mut().reset(end()),
        }
    }
}

/// Waits for the end of a drain's linger.
async fn lingered(context: &Context) {
    let mut stages = context.drain.stages();
    // The sender lives as long as the server.
    let _ = stages.wait_for(|stage| *stage >= Stage::Draining).await;
    match context.drain.linger_until() {
        Some(end) => sleep_until(end.into()).await,
        None => std::future::pending().await,
    }
}

/// The TLS handshake. `None`: it failed or took too long, and is counted.
async fn handshake(
    socket: Socket,
    config: &TlsConfig,
    limit: Instant,
    context: &Context,
) -> Option<(TlsStream<Socket>, TlsSession, Protocol)> {
    let accept = async {
        if speaks_plain(&socket).await {
            refuse_plain(socket).await;
            return Err(io::ErrorKind::InvalidData.into());
        }
        TlsAcceptor::from(Arc::clone(&config.server)).accept(socket).await
    };
    match in_time(accept, limit, context).await {
        Some(Ok(stream)) => {
            let (session, protocol) = describe(&stream);
            Some((stream, session, protocol))
        }
        Some(Err(error)) => {
            count(context.tally.handshake_failures());
            tracing::debug!(%error, "tls handshake failed");
            None
        }
        None => {
            count(context.tally.timeouts());
            None
        }
    }
}

fn describe(stream: &TlsStream<Socket>) -> (TlsSession, Protocol) {
    let (_, session) = stream.get_ref();
    let version = match session.protocol_version() {
        Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3",
        Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2",
        _ => "TLS",
    };
    let cipher = session
        .negotiated_cipher_suite()
        .and_then(|suite| suite.suite().as_str())
        .unwrap_or("unknown")
        .to_owned();
    let protocol = match session.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    };
    let resumed = session.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
    let server_name = session.server_name().map(str::to_owned);
    (TlsSession { version, cipher, server_name, resumed }, protocol)
}

/// Whether the peer begins with a letter, as a method does, and not with a handshake record (RFC 8446 §5.1).
/// A Unix socket cannot be looked into; its peers know what they do.
async fn speaks_plain(socket: &Socket) -> bool {
    let Socket::Tcp(stream) = socket else { return false };
    let mut first = [0];
    matches!(stream.peek(&mut first).await, Ok(1) if first[0].is_ascii_alphabetic())
}

/// Someone typed `http://` for an https port: say so, in the language they spoke, and let them read it.
async fn refuse_plain(mut socket: Socket) {
    // The peer may be gone; there is nobody else to tell.
    let _ = socket.write_all(&Refusal::PlainOnTls.bytes()).await;
    let _ = socket.shutdown().await;
    let mut rest = [0; 1024];
    while matches!(socket.read(&mut rest).await, Ok(length) if length > 0) {}
}
