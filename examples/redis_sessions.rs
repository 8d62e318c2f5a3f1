//! Sessions on Redis: several machines, one login. Needs a Redis or Valkey, version 6.2 or later.
//!
//! ```text
//! REDIS_URL=redis://127.0.0.1:6379 cargo run --example redis_sessions --features redis
//! curl -c jar -b jar http://127.0.0.1:8080/                    visit 1; again: visit 2, on any machine
//! curl -c jar -b jar -d ada http://127.0.0.1:8080/login        and again, with another jar
//! curl -b jar http://127.0.0.1:8080/devices                    both, the youngest first
//! curl -c jar -b jar -X POST http://127.0.0.1:8080/logout      everywhere
//! ```
//!
//! Stop Redis and ask again: 503 with `Retry-After`, for whoever has a session; start it, and all are logged in
//! as before.

#![forbid(unsafe_code)]

use narae::prelude::*;
use narae::session::Error;
use narae::session::store::{Redis, StoreError};

async fn visit(session: Session) -> Result<String, Error> {
    // However many requests count at once, on however many machines: none is lost.
    let visits = session.update("visits", |visits: Option<u64>| visits.unwrap_or(0) + 1).await?;
    let user = session.user().unwrap_or_else(|| "nobody".to_owned());
    Ok(format!("visit {visits} of {user}\n"))
}

/// A real application checks a password here: see the lesson `login`.
async fn login(session: Session, name: String) -> Result<&'static str, Error> {
    session.login(&name)?;
    Ok("welcome\n")
}

async fn devices(session: Session) -> Result<String, Error> {
    let Some(user) = session.user() else { return Ok("log in first\n".to_owned()) };
    let line = |device: &narae::session::SessionInfo| {
        let this = if device.is_current { ", this one" } else { "" };
        format!("{}{this}\n", device.handle)
    };
    Ok(session.sessions_of(user).await?.iter().map(line).collect())
}

async fn logout(session: Session) -> Result<String, Error> {
    let Some(user) = session.user() else { return Ok("log in first\n".to_owned()) };
    let ended = session.log_out_everywhere(user).await?;
    Ok(format!("{ended} sessions ended\n"))
}

fn router() -> Result<Router, StoreError> {
    let url = std::env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    // Applications that share a server take different prefixes.
    let store = Redis::new(url)?.prefix("lesson:");
    Ok(Router::new()
        .route("/", get(visit))
        .route("/login", post(login))
        .route("/devices", get(devices))
        .route("/logout", post(logout))
        .layer(Sessions::new(store)))
}

fn main() -> narae::Result {
    narae::app(router).http("127.0.0.1:8080").run()
}
