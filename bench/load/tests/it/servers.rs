//! Tiny servers for the tests: any behaviour on each connection, with or without TLS, and an echo over hyper.
//!
//! All run on the test's own runtime and end with it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use narae_load::{Load, Phases, Protocol, Summary, Target, Work};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// A connection, with or without TLS.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Io for T {}
pub type Connection = Box<dyn Io>;

/// A load of 200 requests a second over two connections that never rest.
pub fn load(address: SocketAddr, protocol: Protocol) -> Load {
    let mut load = Load::new(Target::new(address, protocol));
    load.connections = 2;
    load.rate = 200.0;
    load.think = Phases { idle_share: 0.0, ..Phases::default() };
    load.late = Duration::from_secs(60);
    load.works = vec![Work::get("/")];
    load
}

/// Runs `load` for at least `requests` requests, and checks that none is counted twice or not at all.
pub async fn run(load: Load, requests: u64) -> Summary {
    let running = load.start().await;
    running.ended(requests).await;
    let summary = running.stop().await;
    assert!(summary.requests >= requests, "{summary}");
    assert_eq!(summary.ended(), summary.requests, "{summary}");
    summary
}

/// Serves connections with `behaviour`, which gets the number of the connection too.
pub async fn serve<B, F>(protocol: Protocol, behaviour: B) -> SocketAddr
where
    B: Fn(usize, Connection) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = match protocol {
        Protocol::Http1 | Protocol::Http2 => None,
        Protocol::Http1Tls => Some(acceptor(b"http/1.1")),
        Protocol::Http2Tls => Some(acceptor(b"h2")),
    };
    let behaviour = Arc::new(behaviour);
    tokio::spawn(async move {
        for number in 0.. {
            let (tcp, _) = listener.accept().await.unwrap();
            tcp.set_nodelay(true).unwrap();
            let (tls, behaviour) = (tls.clone(), Arc::clone(&behaviour));
            tokio::spawn(async move {
                let connection: Connection = match tls {
                    None => Box::new(tcp),
                    Some(tls) => match tls.accept(tcp).await {
                        Ok(stream) => Box::new(stream),
                        Err(_) => return,
                    },
                };
                behaviour(number, connection).await;
            });
        }
    });
    address
}

fn acceptor(alpn: &[u8]) -> tokio_rustls::TlsAcceptor {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![alpn.to_vec()];
    tokio_rustls::TlsAcceptor::from(Arc::new(config))
}

/// Reads up to the end of a request's head; false at the end of the stream.
pub async fn read_head(connection: &mut Connection) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match connection.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

/// A healthy server that sends every body back. Connections end gracefully whenever `drain` changes.
pub async fn echo(protocol: Protocol, drain: watch::Receiver<u32>) -> SocketAddr {
    serve(protocol, move |_, connection| {
        let mut drain = drain.clone();
        drain.mark_unchanged();
        async move {
            let io = TokioIo::new(connection);
            if matches!(protocol, Protocol::Http1 | Protocol::Http1Tls) {
                let served =
                    hyper::server::conn::http1::Builder::new().serve_connection(io, service_fn(answer));
                let mut served = std::pin::pin!(served);
                // Only an answer may announce the close here: an idle close could cross a request.
                let _ = served.as_mut().await;
            } else {
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let mut served = std::pin::pin!(builder.serve_connection(io, service_fn(answer)));
                let ended = tokio::select! {
                    _ = served.as_mut() => true,
                    _ = drain.changed() => false,
                };
                if !ended {
                    served.as_mut().graceful_shutdown();
                    let _ = served.await;
                }
            }
        }
    })
    .await
}

async fn answer(request: http::Request<Incoming>) -> Result<http::Response<Full<bytes::Bytes>>, Infallible> {
    let Ok(body) = request.into_body().collect().await else {
        return Ok(http::Response::builder().status(400).body(Full::default()).unwrap());
    };
    Ok(http::Response::new(Full::new(body.to_bytes())))
}
