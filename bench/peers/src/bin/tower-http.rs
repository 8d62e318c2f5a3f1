//! Files by tower-http's `ServeDir` on one thread: under `axum::serve`, and over TLS under hyper, HTTP/1.1 or
//! HTTP/2 as the client chooses.
//!
//! In: `tower-http PORT FOLDER TLS-PORT CERTIFICATE KEY`, the last two PEM files. `TCP_NODELAY` is on: without it
//! the last part of a large file can wait for an acknowledgement.

#![forbid(unsafe_code)]

use std::error::Error;
use std::net::Ipv4Addr;

use axum::Router;
use axum::serve::ListenerExt;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio_rustls::TlsAcceptor;
use tower_http::services::ServeDir;

const USAGE: &str = "usage: tower-http PORT FOLDER TLS-PORT CERTIFICATE KEY";

type Result<T = (), E = Box<dyn Error>> = std::result::Result<T, E>;

fn main() -> Result {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut arguments = std::env::args().skip(2);
        let mut argument = || arguments.next().ok_or(USAGE);
        let router = Router::new().fallback_service(ServeDir::new(argument()?));
        let tls_port = argument()?.parse()?;
        let acceptor = peers::tls::acceptor(&argument()?, &argument()?)?;
        let secure = TcpListener::bind((Ipv4Addr::LOCALHOST, tls_port)).await?;
        tokio::spawn(serve_tls(secure, acceptor, router.clone()));
        let listener = peers::listen().await.tap_io(|socket| {
            // How a peer leaves is its own affair.
            let _ = socket.set_nodelay(true);
        });
        Ok(axum::serve(listener, router).await?)
    })
}

async fn serve_tls(listener: TcpListener, acceptor: TlsAcceptor, router: Router) {
    loop {
        let (socket, _) = listener.accept().await.expect("there are descriptors enough");
        let (acceptor, router) = (acceptor.clone(), router.clone());
        tokio::spawn(async move {
            // How a peer leaves is its own affair.
            let _ = serve_secure(socket, acceptor, router).await;
        });
    }
}

async fn serve_secure(socket: TcpStream, acceptor: TlsAcceptor, router: Router) -> Result {
    socket.set_nodelay(true)?;
    let stream = acceptor.accept(socket).await?;
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let (stream, service) = (TokioIo::new(stream), TowerToHyperService::new(router));
    if is_http2 {
        http2::Builder::new(TokioExecutor::new()).serve_connection(stream, service).await?;
    } else {
        http1::Builder::new().serve_connection(stream, service).await?;
    }
    Ok(())
}
