//! Every shape of application compiles by inference, and serves.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::ConnectInfo;
use narae::prelude::*;
use narae::{App, axum};

use crate::site::Site;

fn router() -> Router {
    Router::new().route("/", get(|| async { "hello" }))
}

async fn make() -> Router {
    // Tokio is there: the factory runs on the event loop.
    tokio::task::yield_now().await;
    router()
}

async fn make_or_fail() -> Result<Router, io::Error> {
    tokio::task::yield_now().await;
    Ok(router())
}

fn make_plainly_or_fail() -> Result<Router, String> {
    Ok(router())
}

async fn handle(request: Request) -> impl IntoResponse {
    (StatusCode::OK, format!("hello from {}", request.uri().path()))
}

async fn handle_or_fail(request: Request) -> HandlerResult<String> {
    let text = request.uri().path().strip_prefix("/").ok_or("no path")?;
    Ok(format!("hello {text}"))
}

fn check(app: App, body: &str) {
    let site = Site::quiet(app);
    let answer = site.get("/");
    assert_eq!((answer.status, &*answer.body), (200, body));
}

#[test]
fn a_router_that_is_made_already() {
    check(narae::app(router()), "hello");
}

#[test]
fn a_function_that_makes_a_router() {
    check(narae::app(router), "hello");
    check(narae::app(|| Router::new().route("/", get(|| async { "hello" }))), "hello");
    let greeting = String::from("hello");
    check(narae::app(move || Router::new().route("/", get(|| async { greeting }))), "hello");
}

#[test]
fn an_async_function_that_makes_a_router() {
    check(narae::app(make), "hello");
    check(narae::app(|| async { make().await }), "hello");
    // The future need not be `Send`.
    let not_send = || async {
        let local = std::rc::Rc::new(());
        tokio::task::yield_now().await;
        drop(local);
        router()
    };
    check(narae::app(not_send), "hello");
}

#[test]
fn a_function_that_may_fail() {
    check(narae::app(make_plainly_or_fail), "hello");
    check(narae::app(|| -> Result<Router, io::Error> { Ok(router()) }), "hello");
}

#[test]
fn an_async_function_that_may_fail() {
    check(narae::app(make_or_fail), "hello");
    check(narae::app(|| async { Ok::<Router, Infallible>(router()) }), "hello");
    check(narae::app(|| async { Ok::<_, Box<dyn std::error::Error + Send + Sync>>(make().await) }), "hello");
}

#[test]
fn one_handler_for_every_request() {
    check(narae::app(handle), "hello from /");
    check(narae::app(handle_or_fail), "hello ");
    check(narae::app(|request: Request| async move { request.method().to_string() }), "GET");
    let site = Site::quiet(narae::app(handle));
    assert_eq!(site.get("/deep/down?x=1").body, "hello from /deep/down");
    let posted = site.client().send("POST /any HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nhi");
    assert_eq!(posted.body, "hello from /any");
}

#[test]
fn an_application_that_cannot_be_made_says_why() {
    #[derive(Debug)]
    struct NoDatabase(io::Error);
    impl std::fmt::Display for NoDatabase {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("no database")
        }
    }
    impl std::error::Error for NoDatabase {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let fail = || async { Err::<Router, _>(NoDatabase(io::ErrorKind::ConnectionRefused.into())) };
    let error = narae::app(fail).http("127.0.0.1:0").start().unwrap_err();
    assert_eq!(error.exit_code(), 6);
    assert_eq!(error.to_string(), "the application could not be made: no database: connection refused");
    assert_eq!(format!("{error:?}"), error.to_string(), "what `main` prints");
}

#[test]
fn an_application_that_panics_while_it_is_made_is_an_error() {
    let panics = || -> Router { panic!("on purpose") };
    let error = narae::app(panics).http("127.0.0.1:0").start().unwrap_err();
    assert_eq!(error.exit_code(), 6);
}

#[test]
fn applications_written_for_axum_find_the_peer() {
    async fn who(
        ConnectInfo(address): ConnectInfo<SocketAddr>,
        Extension(connection): Extension<Connection>,
    ) -> String {
        assert_eq!(connection.peer().address(), Some(address));
        address.ip().to_string()
    }
    check(narae::app(|| Router::new().route("/", get(who))), "127.0.0.1");
}

/// A layer says how often it was put around a route.
#[test]
fn routes_are_made_once_and_not_for_each_request() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    let counted = tower::layer::layer_fn(|service: axum::routing::Route| {
        MADE.fetch_add(1, Ordering::Relaxed);
        service
    });
    let site = Site::quiet(narae::app(router().layer(counted)));
    site.get("/");
    let made = MADE.load(Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(site.get("/").body, "hello");
    }
    assert_eq!(MADE.load(Ordering::Relaxed), made);
}
