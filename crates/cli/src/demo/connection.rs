//! The connection page: how this request came here, and who answered it.
//!
//! In: the request's head. Out: [`Served`] as a page and as JSON. Owns how the
//! facts are told; where they come from is the server's business.

use axum::http::request::Parts;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use axum::{Json, Router, extract::State};

use super::template::{Value, fill};
use super::{App, Served, site};

pub(super) fn routes() -> Router<App> {
    Router::new().route("/connection", get(page)).route("/api/connection", get(document))
}

async fn document(State(app): State<App>, head: Parts) -> Json<Served> {
    Json((app.inspect)(&head))
}

async fn page(State(app): State<App>, head: Parts) -> impl IntoResponse {
    let served = (app.inspect)(&head);
    let facts = fill(
        include_str!("site/connection.html"),
        &[
            ("protocol", Value::Text(&served.protocol)),
            ("tls", Value::Text(served.tls.as_deref().unwrap_or("none"))),
            ("client", Value::Text(&served.client)),
            ("pid", Value::Text(&served.pid.to_string())),
            ("worker", Value::Text(&served.worker.to_string())),
        ],
    );
    Html(site::page("/connection", "How you are connected", &facts))
}
