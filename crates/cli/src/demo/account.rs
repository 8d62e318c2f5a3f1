//! The account: a visitor's session, who is logged in, and on which devices.
//!
//! In: requests below `/account` and `/api/account`. Out: the page and its redirects, and JSON. Owns what may
//! be asked for and what becomes of it; how it looks is `account_page`'s, where sessions live the store's,
//! which all workers share.
//!
//! | `POST` below `/account` and `/api/account` | does |
//! |---|---|
//! | `/login` | logs in, under a new session id |
//! | `/logout` | logs this device out |
//! | `/logout-elsewhere` | logs the others out |
//! | `/logout-everywhere` | logs all of them out |
//! | `/devices/{handle}/logout` | logs one of them out |
//!
//! A form is answered with a redirect to the page, which shows once what became of it.

use std::path::Path;
use std::time::Duration;

use axum::extract::rejection::FormRejection;
use axum::extract::{self, DefaultBodyLimit, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Json, Router, middleware};
use narae::session::store::Embedded;
use narae::session::{self, Handle, Session, SessionInfo, Sessions, Timestamp};
use serde::{Deserialize, Serialize};

use super::device::Device;
use super::extract::Fields;
use super::problem::Problem;
use super::workers::ServedBy;
use super::{App, account_page, same_origin, when};

/// With this password, anybody is who they say they are: it is a demo.
pub(super) const PASSWORD: &str = "narae";
/// Longest name, in characters; in bytes, it fits what a session allows.
pub(super) const MAX_NAME: usize = 60;
/// "Stay logged in".
const A_MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
/// Longest body in bytes. The longest login needs less than 1 KiB.
const MAX_BODY: usize = 16 * 1024;

/// How often the page was seen.
const VISITS: &str = "visits";
/// With which device somebody logged in.
const DEVICE: &str = "device";
/// The name of a login that failed, for the form that comes next.
const TRIED: &str = "tried";

/// Sessions in `folder`, for all workers. Opens nothing yet.
///
/// Over https the cookie is `__Host-sid`, which no page without TLS can plant; over http it is `sid`. So
/// somebody who uses both has two sessions, and two logins.
///
/// # Errors
///
/// When `folder` cannot be a folder's name.
pub(crate) fn sessions(folder: &Path) -> Result<Sessions, session::Error> {
    Ok(Sessions::new(Embedded::open(folder)?))
}

/// The routes, with sessions around these alone: no other page reads one.
pub(super) fn routes(sessions: Sessions) -> Router<App> {
    let mut router = Router::new()
        .route("/account", get(page))
        .route("/account/login", post(login_from_form))
        .route("/account/devices/{handle}/logout", post(log_device_out_from_form))
        .route("/api/account", get(document))
        .route("/api/account/visits", post(visit))
        .route("/api/account/login", post(login))
        .route("/api/account/devices/{handle}/logout", post(log_device_out));
    for (path, wish) in [
        ("/logout", Wish::LogOut),
        ("/logout-elsewhere", Wish::Elsewhere),
        ("/logout-everywhere", Wish::Everywhere),
    ] {
        let by_form =
            move |session: Session, head: Parts| async move { grant_form(&session, &head, wish).await };
        let by_json =
            move |session: Session, head: Parts| async move { grant_json(&session, &head, wish).await };
        router = router
            .route(&format!("/account{path}"), post(by_form))
            .route(&format!("/api/account{path}"), post(by_json));
    }
    router
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(sessions)
        .layer(middleware::map_response(tell_failures))
}

/// `GET /api/account`.
#[derive(Serialize)]
pub(super) struct Document {
    /// Who is logged in.
    pub(super) user: Option<String>,
    /// How often the page was seen in this session.
    pub(super) visits: u64,
    /// This device first, then the one that logged in last.
    pub(super) devices: Vec<Row>,
    pub(super) served_by: ServedBy,
}

/// One of the user's sessions.
#[derive(Serialize)]
pub(super) struct Row {
    /// Names the session, and opens nothing.
    pub(super) handle: String,
    #[serde(flatten)]
    pub(super) device: Device,
    pub(super) is_current: bool,
    /// RFC 3339, UTC.
    pub(super) logged_in_at: Option<String>,
    /// RFC 3339, UTC; a minute late at most.
    pub(super) seen_at: Option<String>,
    #[serde(skip)]
    pub(super) logged_in: Option<String>,
    #[serde(skip)]
    pub(super) seen: Option<String>,
}

impl Row {
    fn new(info: &SessionInfo, now: Timestamp) -> Self {
        let device = info.get(DEVICE).ok().flatten();
        Self {
            handle: info.handle.to_string(),
            device: device.unwrap_or_else(Device::unknown),
            is_current: info.is_current,
            logged_in_at: info.created.map(when::rfc3339),
            seen_at: info.seen.map(when::rfc3339),
            logged_in: info.created.map(|then| when::ago(then, now)),
            seen: info.seen.map(|then| when::ago(then, now)),
        }
    }
}

impl Document {
    async fn new(app: &App, session: &Session, head: &Parts, visits: u64) -> Result<Self, session::Error> {
        let user = session.user();
        let sessions = match &user {
            Some(user) => session.sessions_of(user).await?,
            None => Vec::new(),
        };
        let now = Timestamp::now();
        let mut devices: Vec<Row> = sessions.iter().map(|info| Row::new(info, now)).collect();
        devices.sort_by_key(|device| !device.is_current);
        Ok(Self { user, visits, devices, served_by: ServedBy::new(app, head) })
    }
}

/// The page. Shows messages once, and counts the visit: in the store, so that no two at once count as one.
async fn page(State(app): State<App>, session: Session, head: Parts) -> Result<Response, Problem> {
    match show(&app, &session, &head).await {
        Ok(page) => Ok(Html(page).into_response()),
        // Another device ended it while this request ran. The browser is told to forget it, and asks anew.
        Err(session::Error::Ended) => Ok(back()),
        Err(error) => Err(error.into()),
    }
}

async fn show(app: &App, session: &Session, head: &Parts) -> Result<String, session::Error> {
    let (flashes, tried, visits) = if head.method == Method::HEAD {
        // Nobody reads it: no message is spent on it, and no visit.
        (Vec::new(), None, visits(session)? + 1)
    } else {
        let (flashes, tried) = (session.take_flash()?, session.remove::<String>(TRIED)?);
        (flashes, tried, count(session).await?)
    };
    let document = Document::new(app, session, head, visits).await?;
    let is_tls = (app.inspect)(head).tls.is_some();
    Ok(account_page::render(&document, &flashes, tried.as_deref().unwrap_or_default(), is_tls))
}

fn visits(session: &Session) -> Result<u64, session::Error> {
    Ok(session.get::<u64>(VISITS)?.unwrap_or(0))
}

async fn count(session: &Session) -> Result<u64, session::Error> {
    session.update(VISITS, |visits: Option<u64>| visits.unwrap_or(0).saturating_add(1)).await
}

async fn document(State(app): State<App>, session: Session, head: Parts) -> Result<Json<Document>, Problem> {
    let visits = visits(&session)?;
    Ok(Json(Document::new(&app, &session, &head, visits).await?))
}

/// `POST /api/account/visits`: counts one, without the page.
async fn visit(State(app): State<App>, session: Session, head: Parts) -> Result<Json<Document>, Problem> {
    same_origin::check_json(&head)?;
    let visits = count(&session).await?;
    Ok(Json(Document::new(&app, &session, &head, visits).await?))
}

/// What the form sends.
#[derive(Deserialize)]
struct Login {
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
    /// There if the box is ticked.
    remember: Option<String>,
}

async fn login_from_form(
    session: Session,
    head: Parts,
    form: Result<Form<Login>, FormRejection>,
) -> Result<Response, Problem> {
    same_origin::check_form(&head)?;
    let Form(login) = form.map_err(|rejection| Problem::new(rejection.status(), rejection.body_text()))?;
    match check(&login.name, &login.password) {
        Ok(name) => {
            log_in(&session, name, login.remember.is_some(), &head)?;
            session.flash("info", format!("Welcome, {name}."))?;
        }
        Err(refusal) => {
            let tried: String = login.name.chars().take(MAX_NAME).collect();
            session.insert(TRIED, &tried)?;
            session.flash("error", refusal.words())?;
        }
    }
    Ok(back())
}

/// `POST /api/account/login`: `{"name": …, "password": …, "remember": true}`.
async fn login(
    State(app): State<App>,
    session: Session,
    head: Parts,
    Fields(fields): Fields,
) -> Result<Json<Document>, Problem> {
    same_origin::check_json(&head)?;
    let text = |field: &str| fields.get(field).and_then(serde_json::Value::as_str).unwrap_or_default();
    let remember = fields.get("remember").and_then(serde_json::Value::as_bool).unwrap_or(false);
    let name = check(text("name"), text("password")).map_err(Refusal::into_problem)?;
    log_in(&session, name, remember, &head)?;
    // The answer lists this session too, so it is kept before.
    session.save().await?;
    let visits = visits(&session)?;
    Ok(Json(Document::new(&app, &session, &head, visits).await?))
}

/// Why somebody is not logged in.
enum Refusal {
    Name,
    Password,
}

impl Refusal {
    fn words(&self) -> String {
        match self {
            Self::Name => format!("A name has 1 to {MAX_NAME} characters and is one line."),
            Self::Password => "That is not the password. It is on this page.".to_owned(),
        }
    }

    fn into_problem(self) -> Problem {
        match self {
            Self::Name => {
                let detail = format!("the name must have 1 to {MAX_NAME} characters and be one line");
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail)
            }
            // Not 401, which would ask for a scheme of HTTP's own (RFC 9110 §15.5.2).
            Self::Password => Problem::new(StatusCode::FORBIDDEN, "that is not the password"),
        }
    }
}

/// The name, if somebody may be logged in by it.
fn check<'a>(name: &'a str, password: &str) -> Result<&'a str, Refusal> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME || name.contains(char::is_control) {
        return Err(Refusal::Name);
    }
    if password == PASSWORD { Ok(name) } else { Err(Refusal::Password) }
}

/// Gives the session to `name`, under a new id; what the visitor gathered before stays.
fn log_in(session: &Session, name: &str, remember: bool, head: &Parts) -> Result<(), session::Error> {
    if session.user().is_some_and(|user| user != name) {
        // Nothing of one user is shown to the next.
        session.regenerate()?;
    }
    session.login(name)?;
    session.insert(DEVICE, &Device::of(&head.headers))?;
    if remember {
        session.remember_for(A_MONTH)?;
    }
    Ok(())
}

/// What somebody who is logged in may wish.
#[derive(Clone, Copy)]
enum Wish {
    LogOut,
    Elsewhere,
    Everywhere,
    /// `None`: what was named can be no device.
    Device(Option<Handle>),
}

/// What became of a wish.
enum Granted {
    /// So many sessions ended.
    Ended(u64),
    NotLoggedIn,
    NoSuchDevice,
}

async fn log_device_out_from_form(
    session: Session,
    extract::Path(handle): extract::Path<String>,
    head: Parts,
) -> Result<Response, Problem> {
    grant_form(&session, &head, Wish::Device(Handle::parse(&handle))).await
}

async fn log_device_out(
    session: Session,
    extract::Path(handle): extract::Path<String>,
    head: Parts,
) -> Result<Response, Problem> {
    grant_json(&session, &head, Wish::Device(Handle::parse(&handle))).await
}

async fn grant_form(session: &Session, head: &Parts, wish: Wish) -> Result<Response, Problem> {
    same_origin::check_form(head)?;
    let (kind, text) = match (grant(session, wish).await?, wish) {
        (Granted::NotLoggedIn, _) => ("info", "You were not logged in any more.".to_owned()),
        (Granted::NoSuchDevice, _) => ("error", "That device was logged out already.".to_owned()),
        (Granted::Ended(_), Wish::LogOut) => ("info", "You are logged out.".to_owned()),
        (Granted::Ended(0), Wish::Elsewhere) => ("info", "You were logged in nowhere else.".to_owned()),
        (Granted::Ended(count), Wish::Everywhere) => {
            ("info", format!("You are logged out everywhere: {}.", devices(count)))
        }
        (Granted::Ended(count), Wish::Elsewhere | Wish::Device(_)) => {
            ("info", format!("Logged out: {}.", devices(count)))
        }
    };
    session.flash(kind, text)?;
    Ok(back())
}

fn devices(count: u64) -> String {
    if count == 1 { "1 device".to_owned() } else { format!("{count} devices") }
}

async fn grant_json(session: &Session, head: &Parts, wish: Wish) -> Result<Response, Problem> {
    same_origin::check_json(head)?;
    match grant(session, wish).await? {
        Granted::Ended(ended) => Ok(Json(serde_json::json!({ "ended": ended })).into_response()),
        Granted::NotLoggedIn => Err(Problem::new(StatusCode::FORBIDDEN, "nobody is logged in")),
        Granted::NoSuchDevice => Err(Problem::new(StatusCode::NOT_FOUND, "this user has no such device")),
    }
}

/// Ends sessions. Where it is this one, a new one of nobody begins, to carry the message: a session that was
/// destroyed keeps nothing.
async fn grant(session: &Session, wish: Wish) -> Result<Granted, session::Error> {
    let Some(user) = session.user() else { return Ok(Granted::NotLoggedIn) };
    match wish {
        Wish::LogOut => {
            session.regenerate()?;
            Ok(Granted::Ended(1))
        }
        Wish::Elsewhere => Ok(Granted::Ended(session.log_out_elsewhere(&user).await?)),
        Wish::Everywhere => {
            let others = session.log_out_elsewhere(&user).await?;
            session.regenerate()?;
            Ok(Granted::Ended(others + 1))
        }
        Wish::Device(Some(handle)) if handle == session.handle() => {
            session.regenerate()?;
            Ok(Granted::Ended(1))
        }
        // Of this user alone: the handle of somebody else's session ends nothing.
        Wish::Device(Some(handle)) if session.revoke(&user, handle).await? => Ok(Granted::Ended(1)),
        Wish::Device(_) => Ok(Granted::NoSuchDevice),
    }
}

/// To the page: what a form changed is seen there, and is not sent again by looking again.
fn back() -> Response {
    Redirect::to("/account").into_response()
}

/// The layer of sessions answers for itself while the store is away. Here that becomes a [`Problem`], which is
/// a page for a person.
async fn tell_failures(response: Response) -> Response {
    let status = response.status();
    if !status.is_server_error() || response.extensions().get::<Problem>().is_some() {
        return response;
    }
    if status == StatusCode::SERVICE_UNAVAILABLE { Problem::no_sessions() } else { Problem::internal() }
        .into_response()
}
