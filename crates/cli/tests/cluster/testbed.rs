//! The application of the cluster tests: it can be slow, stuck, greedy, broken, and says which worker it is.
//!
//! In: the flags of every narae application, and the file that TESTBED_FILE names: `key = value` lines, read
//! when a worker starts, so that a reload changes what it does. Out: answers that tests can judge.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::convert::Infallible;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::Query;
use axum::response::sse::{Event, Sse};
use futures_util::{Stream, stream};
use narae::axum::middleware::{Next, from_fn};
use narae::prelude::*;
use narae::session::{
    self,
    store::{Embedded, Memory, Store},
};

/// What the file says of this worker.
#[derive(Default)]
struct Behaviour(HashMap<String, String>);

impl Behaviour {
    fn read() -> Self {
        let text = std::env::var("TESTBED_FILE").ok().and_then(|path| std::fs::read_to_string(path).ok());
        let text = text.unwrap_or_default();
        let lines = text.lines().filter_map(|line| line.split_once('='));
        let behaviour: HashMap<String, String> =
            lines.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect();
        let here = narae::cluster::place().map_or(0, |place| place.slot).to_string();
        match behaviour.get("slot") {
            Some(slot) if *slot != here => Self::default(),
            _ => Self(behaviour),
        }
    }

    fn of(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }
}

async fn make() -> Result<Router, String> {
    let behaviour = Behaviour::read();
    match behaviour.of("start") {
        "abort" => std::process::abort(),
        "error" => return Err("the testbed was told to fail".to_owned()),
        "hang" => std::future::pending::<()>().await,
        other => {
            if let Some(code) = other.strip_prefix("exit:") {
                std::process::exit(code.parse().unwrap_or(1));
            }
        }
    }
    let fails = behaviour.of("fail") == "1";
    let health =
        if behaviour.of("health") == "bad" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    let says = match behaviour.of("says") {
        "" => std::env::var("TESTBED_SAYS").unwrap_or_else(|_| "testbed".to_owned()),
        text => text.to_owned(),
    };
    let break_all = from_fn(move |request: Request, next: Next| async move {
        if fails { StatusCode::INTERNAL_SERVER_ERROR.into_response() } else { next.run(request).await }
    });
    let mut router = Router::new();
    match behaviour.of("sessions") {
        "1" => {
            let store = Embedded::open("sessions").map_err(|error| error.to_string())?;
            router = router.merge(sessions(store));
        }
        "memory" => router = router.merge(sessions(Memory::new())),
        _ => {}
    }
    Ok(router
        .route("/", get(async move || says))
        .route("/echo", post(async |body: Bytes| body))
        .route("/pid", get(async || std::process::id().to_string()))
        .route("/generation", get(generation))
        .route("/block", get(block))
        .route("/slow", get(slow))
        .route("/sse", get(sse))
        .route("/sse-deaf", get(deaf))
        .route("/abort", get(abort))
        .route("/leak", get(leak))
        .route("/fail", get(async || StatusCode::INTERNAL_SERVER_ERROR))
        .layer(break_all)
        .route("/health", get(async move || health)))
}

/// Sessions on a store.
fn sessions(store: impl Store) -> Router {
    Router::new()
        .route("/session/add/{key}", get(add))
        .route("/session/insert/{key}", get(insert))
        .route("/session/values", get(values))
        .route("/session/login", get(async |session: Session| session.login("anna")))
        .route("/session/user", get(async |session: Session| session.user().unwrap_or_default()))
        .layer(Sessions::new(store))
}

async fn add(session: Session, Path(key): Path<String>) -> Result<String, session::Error> {
    let count = session.update(&key, |count: Option<u64>| count.unwrap_or(0) + 1).await?;
    Ok(count.to_string())
}

async fn insert(session: Session, Path(key): Path<String>) -> Result<(), session::Error> {
    session.insert(&key, &1)
}

async fn values(session: Session) -> Result<String, session::Error> {
    let value = |key: String| Ok(format!("{key}={}", session.get::<u64>(&key)?.unwrap_or(0)));
    let mut all = session.keys().into_iter().map(value).collect::<Result<Vec<_>, session::Error>>()?;
    all.sort();
    Ok(all.join(" "))
}

/// `slot/generation`; `alone` in one process.
async fn generation() -> String {
    narae::cluster::place()
        .map_or_else(|| "alone".to_owned(), |place| format!("{}/{}", place.slot, place.generation))
}

fn number(query: &HashMap<String, String>, key: &str) -> u64 {
    query.get(key).and_then(|value| value.parse().ok()).unwrap_or(0)
}

async fn block(Query(query): Query<HashMap<String, String>>) -> &'static str {
    // So that it can be seen to have begun; without it a test waits in vain.
    let _ = std::fs::write("blocking", "");
    // tidy: sleep ok: a handler that blocks is what is tested
    std::thread::sleep(Duration::from_millis(number(&query, "ms")));
    "blocked"
}

async fn slow(Query(query): Query<HashMap<String, String>>) -> &'static str {
    // tidy: sleep ok: a handler that is slow is what is tested
    tokio::time::sleep(Duration::from_millis(number(&query, "ms"))).await;
    "slow"
}

/// Ticks until the server stops; then it says goodbye.
async fn sse(connection: Extension<Connection>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let shutdown = connection.shutdown();
    Sse::new(stream::unfold(false, move |over| {
        let shutdown = shutdown.clone();
        async move {
            if over {
                return None;
            }
            Some(tokio::select! {
                () = shutdown.wait() => (Ok(Event::default().data("goodbye")), true),
                // tidy: sleep ok: the pace of an endless stream
                () = tokio::time::sleep(Duration::from_millis(100)) => (Ok(Event::default().data("tick")), false),
            })
        }
    }))
}

/// Ticks for ever.
async fn deaf() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(stream::unfold((), |()| async {
        // tidy: sleep ok: the pace of an endless stream
        tokio::time::sleep(Duration::from_millis(100)).await;
        Some((Ok(Event::default().data("tick")), ()))
    }))
}

async fn abort() {
    std::process::abort();
}

static LEAKED: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

async fn leak(Query(query): Query<HashMap<String, String>>) -> &'static str {
    let size = usize::try_from(number(&query, "mb")).unwrap_or(0) << 20;
    // Written to, so that it is resident.
    LEAKED.lock().unwrap_or_else(PoisonError::into_inner).push(vec![1; size]);
    "leaked"
}

fn main() -> ExitCode {
    match narae::app(make).http("127.0.0.1:0").run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("testbed: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
