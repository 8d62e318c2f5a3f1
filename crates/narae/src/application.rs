//! What can be an application: [`Application`] and its shapes.
//!
//! In: a router, or a function in one of several forms. Out: a future of a router, made on the first event
//! loop. Must not know settings or sockets.

use std::future::Future;
use std::pin::Pin;

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use narae_server::BoxError;

/// The way to a router. It runs on the first event loop, so it may use Tokio, and need not be `Send`.
pub type Making = Pin<Box<dyn Future<Output = Result<Router, BoxError>>>>;

/// Something that [`narae::app`](crate::app) can serve. `Shape` is inferred; nobody writes it.
///
/// | form | for |
/// |---|---|
/// | `Router` | an application that is already made |
/// | `\|\| Router` | the usual way |
/// | `\|\| async { Router }`, `async fn make() -> Router` | one that needs a connection pool first |
/// | `\|\| Result<Router, E>` | one that may fail |
/// | `\|\| async { Ok::<Router, E>(…) }`, `async fn make() -> Result<Router, E>` | both |
/// | `async fn handle(request: Request) -> impl IntoResponse` | no routes: every request, whatever its path |
///
/// The function runs once, on the first event loop, before the first connection is served. The router is
/// cloned for the other event loops: what handlers share goes into its state. `E` is anything that turns
/// into a boxed error: an error type, `anyhow::Error`, a `String`.
#[diagnostic::on_unimplemented(
    message = "this is no application: `{Self}`",
    label = "`narae::app` cannot serve this",
    note = "give it a `Router`, or a function without arguments that returns one: `|| Router::new()`",
    note = "the function may be `async`, and may return `Result<Router, E>`; in a closure, name the error: \
            `|| async {{ Ok::<_, std::io::Error>(router) }}`",
    note = "or give it one handler: `async fn handle(request: Request) -> impl IntoResponse`, which must be \
            `Clone + Send + Sync + 'static` and return a `Send` future"
)]
pub trait Application<Shape>: Send + 'static {
    /// Begins to make the router.
    fn make(self) -> Making;
}

/// The shapes of applications, so that one trait can cover them all. Only the compiler names them.
pub mod shape {
    use std::marker::PhantomData;

    /// `Router`.
    #[derive(Debug)]
    pub struct Made;
    /// `|| Router`.
    #[derive(Debug)]
    pub struct Plain;
    /// `|| Result<Router, E>`.
    #[derive(Debug)]
    pub struct Fallible<E>(PhantomData<E>);
    /// `|| async { Router }`.
    #[derive(Debug)]
    pub struct Async<Fut>(PhantomData<Fut>);
    /// `|| async { Ok::<Router, E>(…) }`.
    #[derive(Debug)]
    pub struct AsyncFallible<Fut, E>(PhantomData<(Fut, E)>);
    /// `async fn(Request) -> impl IntoResponse`.
    #[derive(Debug)]
    pub struct Handler<Fut>(PhantomData<Fut>);
}

impl Application<shape::Made> for Router {
    fn make(self) -> Making {
        Box::pin(async { Ok(self) })
    }
}

impl<F> Application<shape::Plain> for F
where
    F: FnOnce() -> Router + Send + 'static,
{
    fn make(self) -> Making {
        Box::pin(async { Ok(self()) })
    }
}

impl<F, E> Application<shape::Fallible<E>> for F
where
    F: FnOnce() -> Result<Router, E> + Send + 'static,
    E: Into<BoxError>,
{
    fn make(self) -> Making {
        Box::pin(async { self().map_err(Into::into) })
    }
}

impl<F, Fut> Application<shape::Async<Fut>> for F
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Router> + 'static,
{
    fn make(self) -> Making {
        Box::pin(async { Ok(self().await) })
    }
}

impl<F, Fut, E> Application<shape::AsyncFallible<Fut, E>> for F
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<Router, E>> + 'static,
    E: Into<BoxError>,
{
    fn make(self) -> Making {
        Box::pin(async { self().await.map_err(Into::into) })
    }
}

impl<F, Fut> Application<shape::Handler<Fut>> for F
where
    F: FnOnce(Request) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output: IntoResponse> + Send + 'static,
{
    fn make(self) -> Making {
        Box::pin(async { Ok(Router::new().fallback(self)) })
    }
}
