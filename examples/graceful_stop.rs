//! Stopping without losing work: Ctrl-C (or SIGTERM) lets requests finish and tells long answers to end.
//!
//! `cargo run --example graceful_stop`, then `curl -N http://127.0.0.1:8080/clock` in another terminal, then
//! Ctrl-C here: the clock says goodbye by itself. `/slow` finishes. What is not done after ten seconds is cut,
//! and the last line on this terminal names it.

#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use futures_util::{Stream, stream};
use narae::DrainSettings;
use narae::prelude::*;

/// An answer without an end, until the server stops.
async fn clock(connection: Extension<Connection>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let shutdown = connection.shutdown();
    Sse::new(stream::unfold((0, false), move |(tick, over)| {
        let shutdown = shutdown.clone();
        async move {
            if over {
                return None;
            }
            let event = tokio::select! {
                () = shutdown.wait() => return Some((Ok(Event::default().data("goodbye")), (tick, true))),
                () = tokio::time::sleep(Duration::from_millis(100)) => Event::default().data(tick.to_string()),
            };
            Some((Ok(event), (tick + 1, false)))
        }
    }))
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_secs(1)).await;
    "slow, but whole\n"
}

fn main() -> narae::Result {
    narae::app(|| Router::new().route("/clock", get(clock)).route("/slow", get(slow)))
        .http("127.0.0.1:8080")
        .drain(DrainSettings { linger: Duration::from_secs(1), deadline: Duration::from_secs(10) })
        .run()
}
