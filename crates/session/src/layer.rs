//! [`SessionService`]: finds a request's session, and keeps it before the response's head is sent.
//!
//! In: a request. Out: the inner service's response, with `Set-Cookie` where one is due, or 503 where the
//! store failed. A request whose session is here at once, and stays as it was, costs no task and no clone
//! of the inner service.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower::Service;

use crate::answer::Answer;
use crate::begin::{Beginning, Begun, begin};
use crate::end::{End, save_login};
use crate::shared::Shared;

/// The service that [`Sessions`](crate::Sessions) makes.
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    pub(crate) inner: S,
    pub(crate) shared: Arc<Shared>,
}

impl<S, B, A> Service<Request<B>> for SessionService<S>
where
    S: Service<Request<B>, Response = Response<A>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
    A: From<&'static str> + Send + 'static,
{
    type Response = Response<A>;
    type Error = S::Error;
    type Future = Answering<S::Future, A, S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        let stage = match begin(&shared, &request) {
            Beginning::Here(Ok(begun)) => {
                request.extensions_mut().insert(begun.session.clone());
                Stage::Inner { inner: self.inner.call(request), begun: Some(begun) }
            }
            Beginning::Here(Err(answer)) => Stage::Refused { answer },
            Beginning::Later(begun) => {
                // The clone waits to be ready; the one that is ready is used.
                let clone = self.inner.clone();
                let mut inner = std::mem::replace(&mut self.inner, clone);
                let shared = Arc::clone(&shared);
                let slow = async move {
                    let begun = match begun.await {
                        Ok(begun) => begun,
                        Err(answer) => return Ok(answer.into_response()),
                    };
                    request.extensions_mut().insert(begun.session.clone());
                    let response = inner.call(request).await?;
                    Ok(finish(&shared, begun, response).await)
                };
                Stage::Slow { slow: Box::pin(slow) }
            }
        };
        Answering { shared, stage }
    }
}

pin_project! {
    /// The response of a [`SessionService`], on its way.
    pub struct Answering<F, A, E> {
        shared: Arc<Shared>,
        #[pin]
        stage: Stage<F, A, E>,
    }
}

type Slow<A, E> = Pin<Box<dyn Future<Output = Result<Response<A>, E>> + Send>>;

pin_project! {
    #[project = Projected]
    enum Stage<F, A, E> {
        Refused { answer: Answer },
        // `begun` is there until the inner service has answered.
        Inner { #[pin] inner: F, begun: Option<Begun> },
        Slow { slow: Slow<A, E> },
    }
}

impl<F, A, E> Future for Answering<F, A, E>
where
    F: Future<Output = Result<Response<A>, E>>,
    A: From<&'static str> + Send + 'static,
    E: Send,
{
    type Output = Result<Response<A>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let slow = match this.stage.as_mut().project() {
                Projected::Refused { answer } => return Poll::Ready(Ok(answer.into_response())),
                Projected::Slow { slow } => return slow.as_mut().poll(context),
                Projected::Inner { inner, begun } => {
                    let response = ready!(inner.poll(context))?;
                    let Some(begun) = begun.take() else { return Poll::Ready(Ok(response)) };
                    match conclude(this.shared, begun, response) {
                        Concluded::Done(response) => return Poll::Ready(Ok(response)),
                        Concluded::Asks(end, begun, response) => {
                            let shared = Arc::clone(this.shared);
                            Box::pin(async move { Ok(ask(&shared, end, begun, response).await) })
                        }
                    }
                }
            };
            this.stage.set(Stage::Slow { slow });
        }
    }
}

enum Concluded<A> {
    Done(Response<A>),
    /// The store must be asked first.
    Asks(End, Begun, Response<A>),
}

fn conclude<A: From<&'static str>>(shared: &Shared, begun: Begun, mut response: Response<A>) -> Concluded<A> {
    match End::of(shared, &begun, response.status()) {
        Err(answer) => Concluded::Done(refuse(shared, &begun, answer)),
        Ok(end) if end.needs_store() => Concluded::Asks(end, begun, response),
        Ok(end) => {
            end.conclude(shared, &begun, response.headers_mut());
            Concluded::Done(response)
        }
    }
}

async fn ask<A: From<&'static str>>(
    shared: &Shared,
    end: End,
    begun: Begun,
    mut response: Response<A>,
) -> Response<A> {
    match end.work(shared, &begun.session).await {
        Err(answer) => refuse(shared, &begun, answer),
        Ok(end) => {
            end.conclude(shared, &begun, response.headers_mut());
            response
        }
    }
}

fn refuse<A: From<&'static str>>(shared: &Shared, begun: &Begun, answer: Answer) -> Response<A> {
    let mut response = answer.into_response();
    save_login(shared, &begun.session, response.headers_mut());
    response
}

async fn finish<A: From<&'static str>>(shared: &Shared, begun: Begun, response: Response<A>) -> Response<A> {
    match conclude(shared, begun, response) {
        Concluded::Done(response) => response,
        Concluded::Asks(end, begun, response) => ask(shared, end, begun, response).await,
    }
}
