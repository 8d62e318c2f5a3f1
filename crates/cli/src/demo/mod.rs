//! The demo site: a small REST API and the pages that show it at work.
//!
//! In: requests, from whichever server holds the [`router`]. Out: responses.
//! Owns what the site answers; never sees sockets, TLS or processes. What the
//! connection page shows about those comes in through [`Inspect`], and what
//! the workers page does with them goes out through [`Cluster`].
//!
//! Read in this order: [`users`] (the verbs), `user` (what a user may be),
//! `store` (where users live), `problem` (how errors look), `methods`
//! (`OPTIONS` and `405`), `site` (the pages), `account` (sessions).

use std::sync::Arc;

use axum::Router;
use axum::http::request::Parts;
use axum::response::Response;
use axum::{middleware, routing::get};
use narae::session::Sessions;

mod account;
mod account_page;
mod audience;
mod connection;
mod database;
mod device;
mod entity_tag;
mod extract;
mod methods;
mod problem;
mod response_headers;
mod same_origin;
mod schema;
mod site;
mod store;
mod store_error;
mod template;
#[cfg(test)]
mod tests;
mod user;
mod users;
mod when;
mod workers;

pub(crate) use account::sessions;
pub(crate) use audience::Audience;
use problem::Problem;
pub(crate) use store::Store;
pub(crate) use workers::{Cluster, Place};

/// How one request reached the process that answers it.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Served {
    /// `HTTP/1.1` or `HTTP/2`.
    pub(crate) protocol: String,
    /// The TLS version, such as `TLS 1.3`; `None` on a plain connection.
    pub(crate) tls: Option<String>,
    /// Address of the client as the server saw it.
    pub(crate) client: String,
    /// Process that answers.
    pub(crate) pid: u32,
    /// Number of the worker that answers, counted from 0.
    pub(crate) worker: usize,
}

/// Reads [`Served`] from the head of a request.
///
/// The server knows where it left the connection's facts (usually in the
/// request's extensions); the demo only shows what it is told.
pub(crate) type Inspect = fn(&Parts) -> Served;

/// What every handler can ask for with `State`.
#[derive(Clone)]
struct App {
    store: Store,
    inspect: Inspect,
    cluster: Arc<dyn Cluster>,
}

/// The whole site as one service.
///
/// `OPTIONS`, `HEAD`, `405` with `Allow`, error pages and security headers
/// hold for every route. A handler that panics is not caught here: the server
/// does that, and answers with [`internal_error`].
pub(crate) fn router(
    store: Store,
    sessions: Sessions,
    inspect: Inspect,
    cluster: Arc<dyn Cluster>,
) -> Router {
    let routes = Router::new()
        .merge(users::routes())
        .merge(connection::routes())
        .merge(workers::routes())
        .merge(account::routes(sessions))
        .merge(site::routes())
        .route("/fail", get(fail))
        .route("/boom", get(boom))
        .fallback(Problem::nothing_here)
        .method_not_allowed_fallback(Problem::method_not_allowed)
        .with_state(App { store, inspect, cluster });
    // A router adds `Allow` outside of its layers, so what reads `Allow` has to
    // stand around a finished router.
    Router::new()
        .fallback_service(routes)
        .layer(middleware::from_fn(methods::answer_options))
        .layer(middleware::from_fn(audience::show_errors))
        .layer(middleware::map_response(async |response| response_headers::protect(response)))
}

/// The answer to a request whose handler panicked.
///
/// Take the [`Audience`] from the request's head before the handler runs: the
/// head is gone when the panic arrives.
pub(crate) fn internal_error(audience: Audience) -> Response {
    response_headers::protect(audience.answer(&Problem::internal()))
}

/// Fails on purpose, so that the 500 page can be seen.
///
/// The error goes to the log by way of [`narae::Failure`]; the client is told nothing
/// but that it happened.
async fn fail() -> Problem {
    Problem::from_error(std::io::Error::other("the demo was asked to fail at /fail"))
}

/// Panics on purpose, so that one broken handler can be seen not to take its
/// process along.
async fn boom() -> Response {
    panic!("the demo was asked to panic at /boom")
}
