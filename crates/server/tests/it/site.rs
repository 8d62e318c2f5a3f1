//! A server on ports of its own, with the routes that the tests ask for.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use narae_server::{Connection, DrainSettings, Limits, Listener, Report, Running, Server, Tls};

/// A running server; stopped when dropped.
pub struct Site {
    running: Option<Running>,
    pub plain: SocketAddr,
    pub tls: SocketAddr,
    pub folder: tempfile::TempDir,
}

impl Site {
    /// The routes of [`routes`] under the default limits.
    pub fn new() -> Self {
        Self::with(routes(), Limits::default())
    }

    pub fn limited(limits: Limits) -> Self {
        Self::with(routes(), limits)
    }

    pub fn with(router: Router, limits: Limits) -> Self {
        Self::on(router, limits, 1)
    }

    pub fn on(router: Router, limits: Limits, workers: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let tls = Tls::development_in(folder.path()).load().unwrap();
        let server = Server::builder()
            .listen(Listener::tcp("127.0.0.1:0").unwrap())
            .listen(Listener::tcp("127.0.0.1:0").unwrap().tls(tls))
            .limits(limits)
            .workers(NonZeroUsize::new(workers).unwrap())
            .build()
            .unwrap();
        let running = server.start(|| async { Ok::<_, Infallible>(router) }).unwrap();
        let plain = running.address(0).unwrap();
        let tls = running.address(1).unwrap();
        Self { running: Some(running), plain, tls, folder }
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub fn stop(mut self, settings: DrainSettings) -> Report {
        self.running.take().unwrap().stop(settings)
    }

    /// Begins a graceful stop in the background.
    pub fn begin_stop(&mut self, linger: Duration, deadline: Duration) -> std::thread::JoinHandle<Report> {
        let running = self.running.take().unwrap();
        let stopper = running.stopper();
        stopper.stop(DrainSettings { linger, deadline });
        std::thread::spawn(move || running.wait())
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            running.stop(DrainSettings { linger: Duration::ZERO, deadline: Duration::ZERO });
        }
    }
}

/// Routes that show what a handler sees.
pub fn routes() -> Router {
    Router::new()
        .route("/", get(|| async { "Hello, World!" }).post(|| async { "posted" }))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/stream", post(|body: Body| async { body }))
        .route("/ignore", any(|| async { "ignored" }))
        .route("/seen", any(seen))
        .route("/empty", get(|| async {}))
        .route("/panic", get(panics))
        .route("/panic-late", get(panics_late))
        .route("/trailers", post(trailers))
        .route("/close", get(|| async { ([("connection", "close")], "bye") }))
        .fallback(|| async { (axum::http::StatusCode::NOT_FOUND, "not found") })
}

/// What arrived: method, target, host, protocol.
async fn seen(request: Request) -> impl IntoResponse {
    let connection = request.extensions().get::<Connection>().unwrap();
    let host = request.headers().get("host").map_or("-", |host| host.to_str().unwrap());
    format!(
        "{} {} host={host} {:?} {:?} secure={}",
        request.method(),
        request.uri(),
        request.version(),
        connection.protocol(),
        connection.is_secure()
    )
}

async fn panics() -> &'static str {
    panic!("on purpose")
}

async fn panics_late() -> Body {
    let mut step = 0;
    Body::from_stream(futures_util::stream::poll_fn(move |_| {
        step += 1;
        assert!(step < 3, "on purpose");
        std::task::Poll::Ready(Some(Ok::<_, Infallible>(Bytes::from_static(b"part"))))
    }))
}

async fn trailers(request: Request) -> String {
    use http_body_util::BodyExt;
    let collected = request.into_body().collect().await.unwrap();
    let trailer = collected.trailers().and_then(|trailers| trailers.get("x-sum").cloned());
    format!("{:?} {:?}", trailer, collected.to_bytes())
}
