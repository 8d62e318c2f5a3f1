//! From an accepted socket to the right engine: TLS handshake, protocol, first byte.
//!
//! In: a socket. Out: a [`Shared`] connection handed to the HTTP/1 or HTTP/2 driver. The limits of silence
//! before the first request are kept here.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use atomic_waker::AtomicWaker;
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep_until, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::answer::Refusal;
use crate::application::Application;
use crate::connection::{Context, Protocol, Shared, TlsSession};
use crate::drain::Stage;
use crate::h2_frames::{FrameMeter, PREFACE};
use crate::link::Link;
use crate::socket::{Socket, Transport};
use crate::tally::count;
use crate::tls::TlsConfig;
use crate::worker::{Admission, Arrival, Seat};
use crate::{h1, h2};

/// Bytes of the first read: a whole request of a browser, as a rule.
const FIRST_READ: usize = 4 * 1024;

/// Serves one connection from its arrival to its end.
pub(crate) async fn serve<S>(arrival: Arrival, context: Arc<Context>, seat: Seat, service: S)
where
    S: Application,
{
    let Arrival { socket, peer, endpoint, permit } = arrival;
    let admission = Admission::new(&context, &seat, permit);
    let Ok(socket) = socket.register() else { return };
    let (mut transport, tls, agreed) = match &endpoint.tls {
        None => (Transport::Plain(socket), None, None),
        Some(config) => match Box::pin(handshake(socket, config, &context)).await {
            Some((stream, session, protocol)) => {
                (Transport::Tls(Box::new(stream)), Some(session), Some(protocol))
            }
            None => return,
        },
    };
    // Over TLS the protocol is agreed on; over plain sockets the first bytes tell.
    let mut before = BytesMut::new();
    let protocol = match agreed {
        Some(Protocol::Http2) => Protocol::Http2,
        _ => match first_bytes(&mut transport, &mut before, &context, agreed.is_none()).await {
            Some(protocol) => protocol,
            None => return,
        },
    };
    let limits = &context.limits;
    let meter = (protocol == Protocol::Http2).then(|| FrameMeter::new(&limits.h2_budgets, Instant::now()));
    let link = Link::new(transport, before, meter, limits.max_target_bytes);
    let shared = Arc::new(Shared {
        shutdown: context.drain.token(admission.number),
        peer,
        local: endpoint.local.clone(),
        tls,
        protocol,
        link: Mutex::new(link),
        given_away: AtomicBool::new(false),
        driver: AtomicWaker::new(),
        number: admission.number,
        admission: Mutex::new(Some(admission)),
        context,
    });
    shared.context.drain.register(&shared);
    match protocol {
        Protocol::Http1 => h1::serve(shared, service).await,
        Protocol::Http2 => Box::pin(h2::serve(shared, service)).await,
    }
}

/// Waits for the peer's first bytes and tells the protocol by them. `None`: nothing came in time.
async fn first_bytes(
    transport: &mut Transport,
    before: &mut BytesMut,
    context: &Context,
    may_be_http2: bool,
) -> Option<Protocol> {
    let reading = async {
        loop {
            before.reserve(FIRST_READ);
            if transport.read_buf(before).await.ok()? == 0 {
                return None;
            }
            let start = before.len().min(PREFACE.len());
            let is_preface = may_be_http2 && before.get(..start) == PREFACE.get(..start);
            match is_preface {
                false => return Some(Protocol::Http1),
                true if start == PREFACE.len() => return Some(Protocol::Http2),
                // "PRI" alone may still become either.
                true => {}
            }
        }
    };
    match in_time(reading, context).await {
        Some(protocol) => protocol,
        None => {
            count(&context.tally.timeouts);
            let _ = transport.shutdown().await;
            None
        }
    }
}

/// Runs `work` within the first-byte limit, and in a drain within its linger.
async fn in_time<T>(work: impl Future<Output = T>, context: &Context) -> Option<T> {
    let mut stages = context.drain.stages();
    let lingered = async {
        // The sender lives as long as the server.
        let _ = stages.wait_for(|stage| *stage >= Stage::Draining).await;
        match context.drain.linger_until() {
            Some(end) => sleep_until(end.into()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        done = timeout(context.limits.first_byte, work) => done.ok(),
        () = lingered => None,
    }
}

/// The TLS handshake. `None`: it failed or took too long, and is counted.
async fn handshake(
    socket: Socket,
    config: &TlsConfig,
    context: &Context,
) -> Option<(TlsStream<Socket>, TlsSession, Protocol)> {
    let accept = async {
        if speaks_plain(&socket).await {
            refuse_plain(socket).await;
            return Err(io::ErrorKind::InvalidData.into());
        }
        TlsAcceptor::from(Arc::clone(&config.server)).accept(socket).await
    };
    match in_time(accept, context).await {
        Some(Ok(stream)) => {
            let (session, protocol) = describe(&stream);
            Some((stream, session, protocol))
        }
        Some(Err(error)) => {
            count(&context.tally.handshake_failures);
            tracing::debug!(%error, "tls handshake failed");
            None
        }
        None => {
            count(&context.tally.timeouts);
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
