//! An axum application as it is, with its tower-http layers, its state and its extractors: only `main` changes.
//!
//! `cargo run --example existing_app`, then `curl -i http://127.0.0.1:8080/whoami`.

#![forbid(unsafe_code)]

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::routing::get;
use tower_http::cors::CorsLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

#[derive(Clone)]
struct Greeting(&'static str);

async fn whoami(State(greeting): State<Greeting>, ConnectInfo(peer): ConnectInfo<SocketAddr>) -> String {
    format!("{} {}\n", greeting.0, peer.ip())
}

/// What the application was before: nothing here knows narae.
fn application() -> Router {
    Router::new()
        .route("/whoami", get(whoami))
        .route("/slow", get(std::future::pending::<()>))
        .layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_millis(200)))
        .layer(CorsLayer::permissive())
        .layer(SetResponseHeaderLayer::if_not_present(
            HeaderName::from_static("x-frame-options"),
            HeaderValue::from_static("DENY"),
        ))
        .with_state(Greeting("hello"))
}

fn main() -> narae::Result {
    // Before: axum::serve(listener, application().into_make_service_with_connect_info::<SocketAddr>())
    narae::app(application).http("127.0.0.1:8080").run()
}
