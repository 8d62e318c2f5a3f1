//! A server on ports of its own, with the routes that the tests ask for.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::sync::OnceLock;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Request};
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use narae_server::{
    BodyLimit, Builder, Connection, Counts, DrainSettings, Limits, Listener, Report, Running, Server, Tls,
    TlsConfig,
};

/// A running server; stopped when dropped.
pub struct Site {
    running: Option<Running>,
    pub plain: SocketAddr,
    pub tls: SocketAddr,
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

    pub fn on(router: Router, limits: Limits, threads: usize) -> Self {
        Self::start(router, limits, threads, development())
    }

    /// With a TLS configuration of the test's own.
    pub fn serving(router: Router, limits: Limits, tls: TlsConfig) -> Self {
        Self::start(router, limits, 1, tls)
    }

    /// Serves something that is no router.
    pub fn of<S>(service: S) -> Self
    where
        S: tower::Service<Request, Response = axum::response::Response> + Clone + Send + 'static,
        S::Error: Into<narae_server::BoxError>,
        S::Future: Send,
    {
        Self::start(service, Limits::default(), 1, development())
    }

    fn start<S>(service: S, limits: Limits, threads: usize, tls: TlsConfig) -> Self
    where
        S: tower::Service<Request, Response = axum::response::Response> + Clone + Send + 'static,
        S::Error: Into<narae_server::BoxError>,
        S::Future: Send,
    {
        let builder = Server::builder().limits(limits).threads(NonZeroUsize::new(threads).unwrap());
        Self::listening(service, builder, Listener::tcp("127.0.0.1:0").unwrap(), tls)
    }

    /// With settings of the test's own.
    pub fn built(router: Router, builder: Builder) -> Self {
        Self::sharing(router, builder, &TcpListener::bind("127.0.0.1:0").unwrap())
    }

    /// On a plain socket that others may listen on too.
    pub fn sharing(router: Router, builder: Builder, socket: &TcpListener) -> Self {
        let listener = Listener::try_from(socket.try_clone().unwrap()).unwrap();
        Self::listening(router, builder, listener, development())
    }

    fn listening<S>(service: S, builder: Builder, plain: Listener, tls: TlsConfig) -> Self
    where
        S: tower::Service<Request, Response = axum::response::Response> + Clone + Send + 'static,
        S::Error: Into<narae_server::BoxError>,
        S::Future: Send,
    {
        let encrypted = Listener::tcp("127.0.0.1:0").unwrap().tls(tls);
        let server = builder.listen(plain).listen(encrypted).build().unwrap();
        let running = server.start(|| async { Ok::<_, Infallible>(service) }).unwrap();
        // A test may have put listeners of its own before these.
        let count = running.locals().len();
        let plain = running.address(count - 2).unwrap();
        let tls = running.address(count - 1).unwrap();
        Self { running: Some(running), plain, tls }
    }

    pub fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    /// Waits until the counters show an event. They are its only trace; looking again is cheaper than any
    /// signal could be.
    #[track_caller]
    pub fn wait_for(&self, done: impl Fn(Counts) -> bool) {
        let began = std::time::Instant::now();
        while !done(self.running().counts()) {
            assert!(began.elapsed() < crate::client::PATIENCE, "{:?}", self.running().counts());
            std::thread::yield_now();
        }
    }

    pub fn stop(mut self, settings: DrainSettings) -> Report {
        self.running.take().unwrap().stop(settings)
    }

    /// Begins a stop in which connections go to `to`.
    pub fn begin_handing_over(
        &mut self,
        settings: DrainSettings,
        to: std::sync::mpsc::Sender<narae_server::Handed>,
    ) -> std::thread::JoinHandle<Report> {
        let running = self.running.take().unwrap();
        running.stopper().stop_handing_over(settings, to);
        std::thread::spawn(move || running.wait())
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

/// One certificate for all tests of a process.
pub fn development() -> TlsConfig {
    static MADE: OnceLock<TlsConfig> = OnceLock::new();
    let make = || {
        let folder = tempfile::tempdir().unwrap();
        Tls::development_in(folder.path()).load().unwrap()
    };
    MADE.get_or_init(make).clone()
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
        .route("/big", get(big))
        .route("/until-stop", get(until_stop))
        .route("/never", get(std::future::pending::<()>))
        .route("/trailers", post(trailers))
        .route("/small-only", post(|body: Bytes| async { body }).layer::<_, Infallible>(BodyLimit::max(10)))
        .route(
            "/large-too",
            post(|body: Bytes| async move { body.len().to_string() })
                .layer::<_, Infallible>(DefaultBodyLimit::disable())
                .layer::<_, Infallible>(BodyLimit::disable()),
        )
        .route("/own-error", post(own_error))
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
    Body::from_stream(futures_util::stream::poll_fn(move |cx| {
        step += 1;
        match step {
            1 => Poll::Ready(Some(Ok::<_, Infallible>(Bytes::from_static(b"part")))),
            // A turn of the event loop, so that the first part is on its way.
            2 => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            _ => panic!("on purpose"),
        }
    }))
}

/// More than any socket buffer holds.
async fn big() -> Body {
    let chunk = Bytes::from(vec![b'x'; 64 * 1024]);
    Body::from_stream(futures_util::stream::iter((0..1024).map(move |_| Ok::<_, Infallible>(chunk.clone()))))
}

/// Answers when the server stops, and never before.
async fn until_stop(request: Request) -> &'static str {
    let shutdown = request.extensions().get::<Connection>().unwrap().shutdown();
    shutdown.wait().await;
    "told"
}

async fn trailers(request: Request) -> String {
    use http_body_util::BodyExt;
    let collected = request.into_body().collect().await.unwrap();
    let trailer = collected.trailers().and_then(|trailers| trailers.get("x-sum").cloned());
    format!("{:?} {:?}", trailer, collected.to_bytes())
}

/// A handler with its own answer to a body that it could not read.
async fn own_error(body: Result<Bytes, axum::extract::rejection::BytesRejection>) -> impl IntoResponse {
    match body {
        Ok(_) => (axum::http::StatusCode::OK, "fine"),
        Err(_) => (axum::http::StatusCode::PAYLOAD_TOO_LARGE, "my own words"),
    }
}
