//! The workers page: the processes behind the site, and a button that kills one of them.
//!
//! In: what the [`Cluster`] says of itself. Out: a page and JSON. Owns who may kill what; never sees a
//! supervisor or a process, which are behind the trait.
//!
//! A worker is killed only for someone at this machine, on a page of this site: the client's address and the
//! name that it asked for are those of the loopback, no proxy stands between, and no other site's page sent
//! the request.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use narae::cluster::{Status, WorkerStatus};
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use super::template::{Value, fill};
use super::{App, same_origin, site};

/// The cluster that this process belongs to, as far as the page needs it.
pub(crate) trait Cluster: Send + Sync {
    /// Which worker this process is. `None`: there is no cluster.
    fn place(&self) -> Option<Place>;

    /// Asks the supervisor. May wait: called where that is allowed.
    ///
    /// # Errors
    ///
    /// Why it does not answer.
    fn status(&self) -> Result<Status, String>;

    /// Ends a process at once, as `kill -9` does.
    ///
    /// # Errors
    ///
    /// It is gone, or belongs to somebody else.
    fn kill(&self, pid: i32) -> std::io::Result<()>;
}

/// A worker's place in its cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Its slot, from 0.
    pub(crate) slot: usize,
    /// Its generation, from 1.
    pub(crate) generation: u32,
}

/// From the answer to the end of the worker that gave it: the answer is to arrive first.
const LAST_WORDS: Duration = Duration::from_millis(50);

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/workers", get(page))
        .route("/workers/{pid}/kill", post(kill_from_form))
        .route("/api/workers", get(document))
        .route("/api/workers/{pid}/kill", post(kill))
}

/// `GET /api/workers`. Without a cluster, `cluster` is `null` and there are no workers.
#[derive(Serialize)]
struct Document {
    served_by: ServedBy,
    cluster: Option<Whole>,
    workers: Vec<Row>,
    can_kill: bool,
}

/// The process that answered.
#[derive(Serialize)]
pub(super) struct ServedBy {
    pub(super) pid: u32,
    /// The worker's slot, from 0. `None`: there is no cluster.
    pub(super) slot: Option<usize>,
    pub(super) generation: Option<u32>,
}

impl ServedBy {
    pub(super) fn new(app: &App, head: &Parts) -> Self {
        let place = app.cluster.place();
        Self {
            pid: (app.inspect)(head).pid,
            slot: place.map(|place| place.slot),
            generation: place.map(|place| place.generation),
        }
    }
}

/// The cluster as a whole.
#[derive(Serialize)]
struct Whole {
    name: String,
    supervisor: i32,
    state: String,
    generation: u32,
    uptime_seconds: f64,
    broken_slots: Vec<usize>,
}

/// One worker. Counters are those of this process alone, and begin at 0 with it.
#[derive(Serialize)]
struct Row {
    slot: usize,
    pid: i32,
    generation: u32,
    state: String,
    age_seconds: f64,
    restarts: u64,
    open: u64,
    parked: u64,
    requests: u64,
    memory: u64,
}

impl From<WorkerStatus> for Row {
    fn from(worker: WorkerStatus) -> Self {
        let count = |name: &str| worker.counters.get(name).copied().unwrap_or(0);
        Self {
            open: count("open"),
            parked: count("parked"),
            requests: count("requests"),
            slot: worker.slot,
            pid: worker.pid,
            generation: worker.generation,
            state: worker.state,
            age_seconds: worker.age_seconds,
            restarts: worker.restarts,
            memory: worker.memory,
        }
    }
}

/// What the supervisor says. `None`: there is none.
async fn status(cluster: &Arc<dyn Cluster>) -> Result<Option<Status>, Problem> {
    if cluster.place().is_none() {
        return Ok(None);
    }
    let asked = Arc::clone(cluster);
    let answer = tokio::task::spawn_blocking(move || asked.status()).await.map_err(Problem::from_error)?;
    answer.map(Some).map_err(|reason| {
        let mut problem = Problem::from_error(std::io::Error::other(reason));
        problem.status = StatusCode::SERVICE_UNAVAILABLE;
        problem.detail = "the supervisor does not answer; this worker serves on without it".into();
        problem
    })
}

impl Document {
    fn new(app: &App, head: &Parts, status: Option<Status>) -> Self {
        let served_by = ServedBy::new(app, head);
        let client = (app.inspect)(head).client;
        let can_kill = status.is_some() && at_this_machine(&client, head).is_ok();
        let (cluster, workers) = status.map_or((None, Vec::new()), |status| {
            let whole = Whole {
                name: status.name,
                supervisor: status.pid,
                state: status.state,
                generation: status.generation,
                uptime_seconds: status.uptime_seconds,
                broken_slots: status.broken_slots,
            };
            (Some(whole), status.workers.into_iter().map(Row::from).collect())
        });
        Self { served_by, cluster, workers, can_kill }
    }
}

async fn document(State(app): State<App>, head: Parts) -> Result<Json<Document>, Problem> {
    let status = status(&app.cluster).await?;
    Ok(Json(Document::new(&app, &head, status)))
}

/// What the redirect after a form says.
#[derive(Default, Deserialize)]
struct Told {
    killed: Option<i32>,
}

async fn page(
    State(app): State<App>,
    told: Result<Query<Told>, QueryRejection>,
    head: Parts,
) -> impl IntoResponse {
    let (status, trouble) = match status(&app.cluster).await {
        Ok(status) => (status, None),
        Err(problem) => (None, Some(problem.detail)),
    };
    let document = Document::new(&app, &head, status);
    let killed = told.ok().and_then(|Query(told)| told.killed);
    Html(site::page("/workers", "Workers", &main_part(&document, trouble.as_deref(), killed)))
}

/// The page between header and footer.
fn main_part(document: &Document, trouble: Option<&str>, killed: Option<i32>) -> String {
    let number =
        |number: Option<usize>| number.map_or_else(|| "none".to_owned(), |number| number.to_string());
    let generation = document.served_by.generation.map(|generation| generation as usize);
    let notice = match (trouble, killed) {
        (Some(trouble), _) => fill(NOTICE, &[("text", Value::Text(trouble))]),
        (None, Some(pid)) => {
            let text = format!("Process {pid} was killed. Look again to see another one in its place.");
            fill(NOTICE, &[("text", Value::Text(&text))])
        }
        (None, None) => String::new(),
    };
    let fleet = match &document.cluster {
        Some(cluster) => fleet(document, cluster),
        None if trouble.is_none() => include_str!("site/workers_none.html").to_owned(),
        None => String::new(),
    };
    fill(
        include_str!("site/workers.html"),
        &[
            ("slot", Value::Text(&number(document.served_by.slot))),
            ("generation", Value::Text(&number(generation))),
            ("pid", Value::Text(&document.served_by.pid.to_string())),
            ("notice", Value::Html(&notice)),
            ("fleet", Value::Html(&fleet)),
        ],
    )
}

const NOTICE: &str = "<p class=\"notice\" role=\"status\">{{text}}</p>";

fn fleet(document: &Document, cluster: &Whole) -> String {
    let rows: String = document.workers.iter().map(|worker| row(worker, document)).collect();
    let pattern = Row {
        slot: 0,
        pid: 0,
        generation: 0,
        state: String::new(),
        age_seconds: 0.0,
        restarts: 0,
        open: 0,
        parked: 0,
        requests: 0,
        memory: 0,
    };
    let broken = cluster.broken_slots.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let may = if document.can_kill {
        "Kill one, and watch another take its place. Only what that worker was doing at that moment is lost."
    } else {
        "Workers can be killed only from the machine that the site runs on."
    };
    fill(
        include_str!("site/workers_fleet.html"),
        &[
            ("name", Value::Text(&cluster.name)),
            ("supervisor", Value::Text(&cluster.supervisor.to_string())),
            ("state", Value::Text(&cluster.state)),
            ("may", Value::Text(may)),
            ("broken", Value::Text(&broken)),
            ("no-broken", Value::Html(if broken.is_empty() { " hidden" } else { "" })),
            ("rows", Value::Html(&rows)),
            ("pattern", Value::Html(&row(&pattern, document))),
        ],
    )
}

fn row(worker: &Row, document: &Document) -> String {
    let is_served_by = u32::try_from(worker.pid) == Ok(document.served_by.pid);
    let button = if document.can_kill {
        let values = [("pid", worker.pid.to_string()), ("slot", worker.slot.to_string())];
        let values = values.each_ref().map(|(name, value)| (*name, Value::Text(value)));
        fill(include_str!("site/workers_kill.html"), &values)
    } else {
        String::new()
    };
    let texts = [
        ("slot", worker.slot.to_string()),
        ("pid", worker.pid.to_string()),
        ("generation", worker.generation.to_string()),
        ("state", worker.state.clone()),
        ("age", span(worker.age_seconds)),
        ("restarts", worker.restarts.to_string()),
        ("open", worker.open.to_string()),
        ("parked", worker.parked.to_string()),
        ("requests", worker.requests.to_string()),
        ("memory", format!("{:.1} MiB", worker.memory as f64 / f64::from(1 << 20))),
    ];
    let mut values: Vec<_> = texts.iter().map(|(name, text)| (*name, Value::Text(text))).collect();
    values.push(("served", Value::Html(if is_served_by { " data-served" } else { "" })));
    values.push(("button", Value::Html(&button)));
    fill(include_str!("site/workers_row.html"), &values)
}

/// `3 s`, `4 min`, `5 h`.
fn span(seconds: f64) -> String {
    for (unit, length) in [("h", 3600.0), ("min", 60.0)] {
        if seconds >= 2.0 * length {
            return format!("{:.0} {unit}", (seconds / length).floor());
        }
    }
    format!("{:.0} s", seconds.floor())
}

/// `POST /api/workers/{pid}/kill`: `202`, and the worker that ends.
async fn kill(State(app): State<App>, pid: PathPid, head: Parts) -> Result<Response, Problem> {
    same_origin::check_json(&head)?;
    let worker = end(&app, pid, &head).await?;
    Ok((StatusCode::ACCEPTED, Json(worker)).into_response())
}

/// The same from a form, for browsers without scripts.
async fn kill_from_form(State(app): State<App>, pid: PathPid, head: Parts) -> Result<Redirect, Problem> {
    same_origin::check_form(&head)?;
    let worker = end(&app, pid, &head).await?;
    Ok(Redirect::to(&format!("/workers?killed={}", worker.pid)))
}

type PathPid = Result<Path<i32>, PathRejection>;

/// Kills a worker of this cluster, and no other process.
async fn end(app: &App, pid: PathPid, head: &Parts) -> Result<Row, Problem> {
    let served = (app.inspect)(head);
    at_this_machine(&served.client, head)?;
    let no_such_worker = || Problem::new(StatusCode::NOT_FOUND, "there is no worker with this process id");
    let Ok(Path(pid)) = pid else { return Err(no_such_worker()) };
    let workers = status(&app.cluster).await?.map_or_else(Vec::new, |status| status.workers);
    let worker = workers.into_iter().find(|worker| worker.pid == pid).ok_or_else(no_such_worker)?;
    if u32::try_from(pid) == Ok(served.pid) {
        let cluster = Arc::clone(&app.cluster);
        tokio::spawn(async move {
            tokio::time::sleep(LAST_WORDS).await;
            // If it fails, this worker serves on, and the page shows it.
            let _ = cluster.kill(pid);
        });
    } else {
        app.cluster.kill(pid).map_err(Problem::from_error)?;
    }
    Ok(worker.into())
}

/// Refuses whoever is not at this machine, or not known to be.
fn at_this_machine(client: &str, head: &Parts) -> Result<(), Problem> {
    let client: Option<std::net::SocketAddr> = client.parse().ok();
    let is_near = client.is_some_and(|client| client.ip().to_canonical().is_loopback());
    // A name that leads here by somebody else's will is not this machine's.
    let is_named_so =
        same_origin::authority(head).is_some_and(|authority| is_loopback_name(authority.host()));
    if is_near && is_named_so && !is_forwarded(&head.headers) {
        return Ok(());
    }
    let detail =
        "workers can be killed only from the machine that the site runs on, as 127.0.0.1 or localhost";
    Err(Problem::new(StatusCode::FORBIDDEN, detail))
}

fn is_forwarded(headers: &HeaderMap) -> bool {
    ["forwarded", "x-forwarded-for", "via"].iter().any(|name| headers.contains_key(*name))
}

fn is_loopback_name(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}
