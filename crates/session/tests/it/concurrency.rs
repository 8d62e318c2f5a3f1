//! Many requests at once on one session: nothing is lost.

use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::routing::get;
use narae_session::store::Memory;
use narae_session::{Error, Session, Sessions};
use tokio::sync::Barrier;

use crate::browser::Browser;

/// express-session and tower-sessions keep one of these keys: each request writes the whole record.
#[tokio::test]
async fn requests_that_write_different_keys_all_win() {
    const WRITERS: usize = 16;
    let barrier = Arc::new(Barrier::new(WRITERS));
    let write = move |session: Session, Path(key): Path<String>| {
        let barrier = Arc::clone(&barrier);
        async move {
            // Every request has read the session before the first one writes.
            barrier.wait().await;
            session.insert(&key, &1)
        }
    };
    let router = Router::new()
        .route("/write/{key}", get(write))
        .route("/begin", get(|session: Session| async move { session.insert("begun", &true) }))
        .route("/keys", get(|session: Session| async move { session.keys().len().to_string() }))
        .layer(Sessions::new(Memory::new()));
    let mut browser = Browser::new(router);
    browser.get("/begin").await;
    let mut tabs = tokio::task::JoinSet::new();
    for key in 0..WRITERS {
        let mut tab = browser.clone();
        tabs.spawn(async move { tab.get(&format!("/write/key{key}")).await.status });
    }
    assert!(tabs.join_all().await.iter().all(http::StatusCode::is_success));
    assert_eq!(browser.get("/keys").await.text, (WRITERS + 1).to_string());
}

#[tokio::test]
async fn updates_at_once_count_every_one() {
    let count = |session: Session| async move {
        let count = session.update("count", |count: Option<u64>| count.unwrap_or(0) + 1).await?;
        Ok::<_, Error>(count.to_string())
    };
    let router = Router::new().route("/", get(count)).layer(Sessions::new(Memory::new()));
    let mut browser = Browser::new(router);
    browser.get("/").await;
    let mut tabs = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let mut tab = browser.clone();
        tabs.spawn(async move { tab.get("/").await.text.parse::<u64>().unwrap() });
    }
    let mut seen = tabs.join_all().await;
    seen.sort_unstable();
    assert_eq!(seen, (2..=101).collect::<Vec<_>>());
}

#[tokio::test]
async fn work_of_one_request_that_runs_side_by_side_is_all_kept() {
    let handler = |session: Session| async move {
        let one = async {
            session.insert("one", &1)?;
            session.save().await
        };
        let two = async {
            tokio::task::yield_now().await;
            session.insert("two", &2)
        };
        let (one, two) = tokio::join!(one, two);
        one.and(two)
    };
    let router = Router::new()
        .route("/", get(handler))
        .route("/keys", get(|session: Session| async move { session.keys().join(",") }))
        .layer(Sessions::new(Memory::new()));
    let mut browser = Browser::new(router);
    browser.get("/").await;
    assert_eq!(browser.get("/keys").await.text, "one,two");
}
