//! Routes without sessions.

use std::convert::Infallible;
use std::fmt::Write;
use std::time::Duration;

use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, Sse};
use axum::routing::MethodRouter;
use futures_util::stream;
use narae::prelude::*;
use serde::{Deserialize, Serialize};

const MOST_OF_A_MESSAGE: usize = 16 << 20;

pub(crate) fn routes() -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!" }).merge(unlimited_echo()))
        .route("/echo", get(fields).merge(unlimited_echo()))
        .route("/cookie", get(cookies))
        .route("/json", get(json))
        .route("/slow", get(slow))
        .route("/sse", get(events))
        .route("/pid", get(|| async { std::process::id().to_string() }))
        .route("/ws", any(sockets))
        .route("/nosession", get(|| async { "ok" }))
}

fn unlimited_echo() -> MethodRouter {
    post(echo).layer(BodyLimit::disable())
}

/// As many routes as `count` says; the last one has a parameter, as has every second before it.
pub(crate) fn many(count: usize) -> Router {
    (0..count).fold(Router::new(), |router, number| {
        if (count - number) % 2 == 1 {
            let id = |Path(id): Path<String>| async move { id };
            router.route(&format!("/area{number}/{{id}}"), get(id))
        } else {
            router.route(&format!("/area{number}/all"), get(|| async { "all" }))
        }
    })
}

async fn echo(request: Request) -> Response {
    let content_type = request.headers().get(header::CONTENT_TYPE).cloned();
    let mut response = Response::new(request.into_body());
    if let Some(content_type) = content_type {
        response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    }
    response
}

async fn fields(headers: HeaderMap) -> String {
    let mut text = String::new();
    for (name, value) in &headers {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    text
}

async fn cookies(cookies: Cookies) -> String {
    cookies.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

#[derive(Serialize)]
struct Greeting {
    message: &'static str,
}

async fn json() -> Json<Greeting> {
    Json(Greeting { message: "Hello, World!" })
}

#[derive(Deserialize)]
struct Wait {
    #[serde(default)]
    ms: u64,
}

async fn slow(Query(wait): Query<Wait>) -> &'static str {
    tokio::time::sleep(Duration::from_millis(wait.ms)).await;
    "slow"
}

async fn events() -> Sse<impl stream::Stream<Item = Result<Event, Infallible>>> {
    Sse::new(stream::unfold(0_u64, |count| async move {
        if count > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        Some((Ok(Event::default().data(count.to_string())), count + 1))
    }))
}

async fn sockets(upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(MOST_OF_A_MESSAGE).max_frame_size(MOST_OF_A_MESSAGE).on_upgrade(echo_messages)
}

async fn echo_messages(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let is_data = matches!(message, Message::Text(_) | Message::Binary(_));
        if is_data && socket.send(message).await.is_err() {
            return;
        }
    }
}
