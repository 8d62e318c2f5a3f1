//! Hello by hyper alone behind rustls, on one thread: HTTP/2 or HTTP/1.1 as the client chooses.
//!
//! In: `hyper-tls PORT TLS-PORT CERTIFICATE KEY`, the last two PEM files. PORT answers without TLS. No router, no
//! limits, no timers; `TCP_NODELAY` is on, tickets are as rustls has them by default.

#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::error::Error;
use std::net::Ipv4Addr;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_rustls::TlsAcceptor;

const USAGE: &str = "usage: hyper-tls PORT TLS-PORT CERTIFICATE KEY";

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut arguments = std::env::args().skip(2);
        let mut argument = || arguments.next().ok_or(USAGE);
        let port: u16 = argument()?.parse()?;
        let acceptor = peers::tls::acceptor(&argument()?, &argument()?)?;
        let secure = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let plain = peers::listen().await;
        tokio::spawn(async move {
            while let Ok((socket, _)) = plain.accept().await {
                // How a peer leaves is its own affair.
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(socket), service_fn(hello)));
            }
        });
        loop {
            let (socket, _) = secure.accept().await?;
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // How a peer leaves is its own affair.
                let _ = serve(socket, acceptor).await;
            });
        }
    })
}

async fn serve(socket: TcpStream, acceptor: TlsAcceptor) -> Result {
    socket.set_nodelay(true)?;
    let stream = acceptor.accept(socket).await?;
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let stream = TokioIo::new(stream);
    if is_http2 {
        http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service_fn(hello)).await?;
    } else {
        http1::Builder::new().serve_connection(stream, service_fn(hello)).await?;
    }
    Ok(())
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(peers::HELLO.as_bytes())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(peers::TEXT));
    Ok(response)
}
