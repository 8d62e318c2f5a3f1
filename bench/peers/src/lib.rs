//! What the hello servers have in common: the answer, the argument, the word that they are ready, the allocator.
//!
//! In: the port, as the first argument. Out: an address to bind, and `listening on PORT` on stdout. Every
//! server is a binary of its own, so that the compiler inlines in each only what that server uses. Knows
//! none of the servers.

#![forbid(unsafe_code)]

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

/// The allocator of every server. Without the feature it is the system's.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The body of every answer.
pub const HELLO: &str = "Hello, World!";

/// The content type of every answer: what axum and actix give to a `&str`.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// The address to listen on: this machine, at the port given as the first argument.
///
/// # Panics
///
/// Without an argument that is a port.
pub fn address() -> SocketAddr {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    SocketAddr::from((Ipv4Addr::LOCALHOST, port.expect("usage: SERVER PORT")))
}

/// Says that connections to `address` are answered, or wait in the kernel to be.
pub fn ready(address: SocketAddr) {
    println!("listening on {}", address.port());
}

/// Binds [`address`] on the runtime of the caller, and says so.
///
/// # Panics
///
/// If the port is taken, or the caller is not inside a runtime.
pub async fn listen() -> TcpListener {
    let address = address();
    let listener = TcpListener::bind(address).await.expect("the port is free");
    ready(address);
    listener
}

/// The application of every server that takes an axum router.
pub fn router() -> axum::Router {
    axum::Router::new().route("/", axum::routing::get(|| async { HELLO }))
}
