//! [`serve`]: the application of `node/app.cjs`, written with narae's sessions and cookies, on a real socket.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::{get, post};
use axum::{Json, Router};
use narae_cookie::{Cookies, Secrets, SetCookie};
use narae_session::store::Store;
use narae_session::{Error, Session, Sessions};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::client::Peer;

/// What the tests set.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The first one signs.
    pub(crate) secrets: Vec<&'static str>,
    /// Of sessions and cookies.
    pub(crate) age: Duration,
    /// Whether browsers keep the cookie when they are closed.
    pub(crate) persistent: bool,
    pub(crate) rolling: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let secrets = vec![super::node::SECRET];
        Self { secrets, age: Duration::from_secs(3600), persistent: true, rolling: false }
    }
}

/// In the order in which the application of Express writes it.
#[derive(Serialize)]
struct User {
    name: String,
    at: &'static str,
    note: &'static str,
}

struct Shared {
    secrets: Secrets,
    slow_has_begun: Notify,
    slow_may_go: Notify,
}

/// Serves until the runtime ends.
pub(crate) async fn serve(store: impl Store, settings: &Settings) -> Peer {
    let sessions = Sessions::new(store)
        .secrets(&settings.secrets)
        .cookie_name("connect.sid")
        .idle_timeout(settings.age)
        .persistent(settings.persistent)
        .rolling(settings.rolling);
    let shared = Shared {
        secrets: Secrets::new(&settings.secrets).expect("secrets"),
        slow_has_begun: Notify::new(),
        slow_may_go: Notify::new(),
    };
    let app = Router::new()
        .route("/login", post(login))
        .route("/views", post(count_views))
        .route("/cart", post(fill_cart))
        .route("/me", get(async |session: Session| view(&session).map(Json)))
        .route("/logout", post(log_out))
        .route("/slow", post(slow))
        .route("/slow/begun", post(async |shared: State<Arc<Shared>>| shared.slow_has_begun.notified().await))
        .route("/slow/go", post(async |shared: State<Arc<Shared>>| shared.slow_may_go.notify_one()))
        .route("/cookies", get(read_cookies).post(write_cookies))
        .with_state(Arc::new(shared))
        .layer(sessions);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move { axum::serve(listener, app).await });
    Peer { port }
}

fn view(session: &Session) -> Result<Value, Error> {
    Ok(json!({
        "sid": session.id().as_str(),
        "user": session.get::<Value>("user")?,
        "views": session.get::<u64>("views")?.unwrap_or(0),
        "cart": session.get::<Value>("cart")?,
    }))
}

async fn login(session: Session, Json(body): Json<Value>) -> Result<Json<Value>, Error> {
    session.regenerate()?;
    let name = body["user"].as_str().unwrap_or("tobi").to_owned();
    let user = User { name, at: "1970-01-01T00:00:00.000Z", note: "안녕 \"quoted\" \\ 😀" };
    session.insert("user", &user)?;
    session.insert("views", &0)?;
    view(&session).map(Json)
}

async fn count_views(session: Session) -> Result<Json<Value>, Error> {
    session.update("views", |views: Option<u64>| views.unwrap_or(0) + 1).await?;
    view(&session).map(Json)
}

async fn fill_cart(session: Session, Json(cart): Json<Value>) -> Result<Json<Value>, Error> {
    session.insert("cart", &cart)?;
    view(&session).map(Json)
}

async fn log_out(session: Session) -> Result<Json<Value>, Error> {
    session.destroy().await?;
    Ok(Json(json!({ "ok": true })))
}

async fn slow(session: Session, State(shared): State<Arc<Shared>>) -> Result<Json<Value>, Error> {
    session.insert("late", &true)?;
    shared.slow_has_begun.notify_one();
    shared.slow_may_go.notified().await;
    view(&session).map(Json)
}

async fn write_cookies(State(shared): State<Arc<Shared>>) -> impl IntoResponse {
    let json = |value: &Value| narae_cookie::json::encode(value).expect("JSON");
    let lines = [
        ("plain", "a b;c,\"d\" 안녕".to_owned()),
        ("signed", shared.secrets.sign_cookie("value.with.dots")),
        ("json", json(&json!({ "n": 1, "list": ["x", "한"] }))),
        ("signedjson", shared.secrets.sign_cookie(&json(&json!({ "ok": true })))),
    ]
    .map(|(name, value)| {
        let cookie = SetCookie::new(name, &value).and_then(|cookie| cookie.path("/"));
        (SET_COOKIE, cookie.and_then(|cookie| cookie.to_header()).expect("a cookie"))
    });
    (AppendHeaders(lines), Json(json!({ "ok": true })))
}

async fn read_cookies(headers: HeaderMap, State(shared): State<Arc<Shared>>) -> Json<Value> {
    let cookies = Cookies::parse(headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes));
    let read = |text: &str| narae_cookie::json::decode(text).unwrap_or_else(|| text.into());
    let plain = |name: &str| cookies.get(name).map(read);
    let signed = |name: &str| {
        let text = cookies.get(name)?;
        Some(shared.secrets.verify_cookie(text).map_or(Value::Bool(false), |verified| read(verified.value)))
    };
    Json(json!({
        "cookies": { "plain": plain("plain"), "json": plain("json") },
        "signed": { "signed": signed("signed"), "signedjson": signed("signedjson") },
    }))
}
