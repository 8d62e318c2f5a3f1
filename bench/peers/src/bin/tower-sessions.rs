//! Sessions by tower-sessions in memory, under `axum::serve` on one thread.

#![forbid(unsafe_code)]

use axum::Router;
use axum::routing::get;
use tokio::runtime::Builder;
use tower_sessions::{MemoryStore, Session, SessionManagerLayer};

fn main() -> std::io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let router = Router::new()
        .route("/session/incr", get(increment))
        .route("/session/peek", get(peek))
        .layer(SessionManagerLayer::new(MemoryStore::default()).with_secure(false))
        .route("/nosession", get(|| async { "ok" }));
    runtime.block_on(async { axum::serve(peers::listen().await, router).await })
}

async fn increment(session: Session) -> String {
    let n = session.get::<u64>("n").await.ok().flatten().unwrap_or(0) + 1;
    match session.insert("n", n).await {
        Ok(()) => told(n),
        Err(error) => error.to_string(),
    }
}

async fn peek(session: Session) -> String {
    told(session.get::<u64>("n").await.ok().flatten().unwrap_or(0))
}

fn told(n: u64) -> String {
    format!("n={n} pid={}", std::process::id())
}
