//! Routes with a session.

use std::sync::Arc;
use std::time::Duration;

use narae::prelude::*;
use narae::session::Error;
use narae::session::store::Store;
use serde::Deserialize;

pub(crate) fn routes(store: Arc<dyn Store>) -> Router {
    let long = Router::new()
        .route("/login", any(login))
        .route("/me", get(whoami))
        .route("/count", get(count))
        .route("/session/incr", get(increment))
        .route("/session/peek", get(peek))
        .route("/session/login", post(login))
        .route("/session/whoami", get(whoami))
        .route(
            "/session/logout",
            post(|session: Session| async move { session.destroy().await.map(|()| "ok") }),
        )
        .route("/session/set", any(set))
        .route("/session/get", get(text))
        .layer(Sessions::new(Arc::clone(&store)));
    let short = Router::new()
        .route("/session/short", get(increment))
        .layer(Sessions::new(store).cookie_name("short").idle_timeout(Duration::from_secs(2)));
    long.merge(short)
}

fn told(count: u64) -> String {
    format!("n={count} pid={}", std::process::id())
}

async fn increment(session: Session) -> Result<String, Error> {
    session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1).await.map(told)
}

async fn peek(session: Session) -> Result<String, Error> {
    Ok(told(session.get("n")?.unwrap_or(0)))
}

async fn count(session: Session) -> Result<String, Error> {
    let count = session.update("n", |n: Option<u64>| n.unwrap_or(0) + 1).await?;
    Ok(count.to_string())
}

#[derive(Deserialize)]
struct Login {
    #[serde(alias = "u")]
    user: Option<String>,
}

async fn login(session: Session, Query(login): Query<Login>) -> Result<String, Error> {
    let user = login.user.unwrap_or_else(|| "anna".to_owned());
    session.login(&user)?;
    session.insert("user", &user)?;
    Ok(format!("user={user}"))
}

async fn whoami(session: Session) -> Result<String, Error> {
    let user = session.get::<String>("user")?;
    Ok(format!("user={}", user.as_deref().unwrap_or("anonymous")))
}

#[derive(Deserialize)]
struct Text {
    #[serde(default)]
    v: String,
}

async fn set(session: Session, Query(text): Query<Text>) -> Result<String, Error> {
    session.insert("v", &text.v)?;
    Ok(text.v)
}

async fn text(session: Session) -> Result<String, Error> {
    Ok(session.get("v")?.unwrap_or_default())
}
