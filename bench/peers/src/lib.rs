//! What the servers have in common: the answers, the arguments, the word that they are ready, the allocator.
//!
//! In: `SERVER PORT [ROUTES]`. Out: an address to bind, and `listening on PORT` on stdout. Every server is a
//! binary of its own, so that the compiler inlines in each only what that server uses. `bodies` is what requests
//! carry, `tls` what all that speak TLS share. Knows none of the servers.

#![forbid(unsafe_code)]

pub mod bodies;
pub mod tls;

use std::net::{Ipv4Addr, SocketAddr};

use axum::extract::Path;
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use tokio::net::TcpListener;

/// The allocator of every server. Without the feature it is the system's.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The body of every answer to `GET /`.
pub const HELLO: &str = "Hello, World!";

/// The content type of it: what axum and actix give to a `&str`.
pub const TEXT: &str = "text/plain; charset=utf-8";

/// The address to listen on: this machine, at the port given as the first argument.
///
/// # Panics
///
/// Without an argument that is a port.
pub fn address() -> SocketAddr {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok());
    SocketAddr::from((Ipv4Addr::LOCALHOST, port.expect("usage: SERVER PORT [ROUTES]")))
}

/// The paths of as many routes as the second argument says, none without it; the last one has a parameter, as has
/// every second before it.
pub fn paths() -> Vec<String> {
    let count: usize = std::env::args().nth(2).and_then(|count| count.parse().ok()).unwrap_or(0);
    let path = |number| {
        if (count - number) % 2 == 1 { format!("/area{number}/{{id}}") } else { format!("/area{number}/all") }
    };
    (0..count).map(path).collect()
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
pub fn router() -> Router {
    let router = Router::new()
        .route("/", get(|| async { HELLO }))
        .route("/json", get(|| async { Json(bodies::Greeting { message: HELLO }) }))
        .route("/form", post(|Form(person): Form<bodies::Person>| async move { person.told() }))
        .route(
            "/json-body",
            post(|Json(person): Json<bodies::Person>| async move { Json(person.summary()) }),
        );
    paths().iter().fold(router, |router, path| {
        if path.contains('{') {
            router.route(path, get(|Path(id): Path<String>| async move { id }))
        } else {
            router.route(path, get(|| async { "all" }))
        }
    })
}
