//! Several processes: which one answers, what they share, and how a reload replaces them without losing a request.
//!
//! ```text
//! cargo run --example cluster
//! curl http://127.0.0.1:8080/             again and again: two workers take turns
//! curl -N http://127.0.0.1:8080/events    an answer without an end
//! narae status                            in another terminal; then: narae reload
//! ```
//!
//! The reload starts new workers, and the old ones finish: the events say goodbye, and a browser's `EventSource`
//! comes back by itself, to a new worker. Kill a worker (`kill -9` and its process id): another one takes its place.
//!
//! `main` is plain, without a runtime around it: this process becomes the supervisor, and what stands in the
//! closure below runs in the workers only, once in each.

#![forbid(unsafe_code)]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use axum::response::sse::{Event, Sse};
use futures_util::{Stream, stream};
use narae::ClusterSettings;
use narae::prelude::*;

/// Counts what this one process answered. What all workers are to share is kept outside of them, in a database.
#[derive(Clone, Default)]
struct Answers(Arc<AtomicU64>);

/// Which process this is.
fn who() -> String {
    let pid = std::process::id();
    match narae::cluster::place() {
        Some(place) => format!("worker {}, generation {}, process {pid}", place.slot, place.generation),
        None => format!("process {pid}, alone"),
    }
}

async fn hello(State(answers): State<Answers>) -> String {
    format!("{}: answer {} of this process\n", who(), answers.0.fetch_add(1, Relaxed) + 1)
}

/// A tick a second, until this worker is to leave.
async fn events(connection: Extension<Connection>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let shutdown = connection.shutdown();
    Sse::new(stream::unfold((0, false), move |(tick, over)| {
        let shutdown = shutdown.clone();
        async move {
            if over {
                return None;
            }
            let pause = Duration::from_secs(u64::from(tick > 0));
            Some(tokio::select! {
                // The browser is to come back after 100 ms.
                () = shutdown.wait() => {
                    (Ok(Event::default().data("goodbye").retry(Duration::from_millis(100))), (tick, true))
                }
                () = tokio::time::sleep(pause) => {
                    (Ok(Event::default().data(format!("tick {tick} of {}", who()))), (tick + 1, false))
                }
            })
        }
    }))
}

fn main() -> narae::Result {
    let mut cluster = ClusterSettings::default();
    // A new worker accepts nothing before this path answers 2xx.
    cluster.health = Some("/healthz".to_owned());
    // A worker that holds more is replaced by a new one, as in a reload.
    cluster.max_memory = Some(512 << 20);
    narae::app(|| {
        Router::new()
            .route("/", get(hello))
            .route("/events", get(events))
            .route("/healthz", get(|| async { "well\n" }))
            .with_state(Answers::default())
    })
    // The default is narae::PerCore; --workers and narae.toml replace either. With 0 there is no supervisor.
    .workers(2)
    // Event loops in each worker. One is enough: more workers do the same, and do not fall together.
    .threads(1)
    .cluster(cluster)
    .http("127.0.0.1:8080")
    .run()
}
