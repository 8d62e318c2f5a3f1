//! [`Application`]: a handler for every way of treating a request, the same each time.
//!
//! In: requests. Out: answers that say in `x-call` which call they belong to, and [`Seen`]. The path chooses:
//!
//! | path | what is done |
//! |---|---|
//! | `/early` | answers without looking at the body |
//! | `/late` | waits for two turns, then reads the body |
//! | `/stream` | sends the body back as it comes, trailers too |
//! | `/slow` | sends frames with rests between them, then trailers |
//! | `/large` | sends more than a window or a gathered write holds |
//! | `/empty`, `/same` | answers `204`, `304` |
//! | `/fail` | fails |
//! | `/switch` | answers `101` and sends back what comes |
//! | any other | reads the body and says what it was |

use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, TRAILER, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use narae_server::Body;

/// What the handlers saw on one connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// The method of each call.
    pub methods: Vec<Method>,
    /// Whether an answer could not be given whole.
    pub is_broken: bool,
}

/// The service of one connection. Its clones share what they see.
#[derive(Clone, Debug, Default)]
pub struct Application(Arc<Mutex<Seen>>);

impl Application {
    pub fn seen(&self) -> Seen {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl tower::Service<Request<Body>> for Application {
    type Response = Response<Body>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, io::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), io::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let mut seen = self.lock();
        let number = seen.methods.len();
        seen.methods.push(request.method().clone());
        drop(seen);
        let application = self.clone();
        Box::pin(async move {
            let mut response = application.answer(request).await?;
            response.headers_mut().insert(HeaderName::from_static("x-call"), HeaderValue::from(number));
            Ok(response)
        })
    }
}

impl Application {
    async fn answer(&self, mut request: Request<Body>) -> io::Result<Response<Body>> {
        let text = Response::new;
        let of_status = |status| {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status;
            response
        };
        Ok(match request.uri().path() {
            "/early" => text(Body::from("early")),
            "/empty" => of_status(StatusCode::NO_CONTENT),
            "/same" => of_status(StatusCode::NOT_MODIFIED),
            "/fail" => return Err(io::Error::other("as it should")),
            "/large" => text(Body::from(vec![b'x'; LARGE])),
            "/slow" => {
                let mut response = text(Body::new(Slow { left: 6 }));
                response.headers_mut().insert(TRAILER, HeaderValue::from_static("x-end"));
                response
            }
            "/stream" => {
                let passing =
                    Passing { body: request.into_body(), application: self.clone(), is_over: false };
                text(Body::new(passing))
            }
            "/switch" if request.headers().contains_key(UPGRADE) => {
                let upgrade = hyper::upgrade::on(&mut request);
                tokio::spawn(async move {
                    let Ok(upgraded) = upgrade.await else { return };
                    let (mut reader, mut writer) = tokio::io::split(TokioIo::new(upgraded));
                    let _ = tokio::io::copy(&mut reader, &mut writer).await;
                });
                let mut response = of_status(StatusCode::SWITCHING_PROTOCOLS);
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
                response.headers_mut().insert(UPGRADE, HeaderValue::from_static("echo"));
                response
            }
            path => {
                if path == "/late" {
                    rest().await;
                    rest().await;
                }
                describe(request).await
            }
        })
    }
}

/// Reads the request to its end and says what it was.
async fn describe(request: Request<Body>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let (status, what) = match body.collect().await {
        Ok(collected) => {
            let trailers = collected.trailers().map_or(0, HeaderMap::len);
            let bytes = collected.to_bytes();
            (StatusCode::OK, format!("{trailers} {}", bytes.escape_ascii()))
        }
        Err(_) => (StatusCode::IM_A_TEAPOT, "broken".to_owned()),
    };
    let text = format!("{} {} {:?} {what}", head.method, head.uri, head.headers);
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response
}

/// Comes back in the next turn.
async fn rest() {
    let mut rested = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut rested, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// More than the window of an HTTP/2 stream.
const LARGE: usize = 100_000;

/// Rests before each frame; the last are trailers.
struct Slow {
    /// Turns that are left: one to rest, one to give.
    left: u8,
}

impl HttpBody for Slow {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(left) = self.left.checked_sub(1) else { return Poll::Ready(None) };
        self.left = left;
        match left {
            0 => {
                let name = HeaderName::from_static("x-end");
                let trailers = HeaderMap::from_iter([(name, HeaderValue::from_static("yes"))]);
                Poll::Ready(Some(Ok(Frame::trailers(trailers))))
            }
            left if left % 2 == 1 => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            _ => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"slowly "))))),
        }
    }
}

/// The request's body as the response's.
struct Passing {
    body: Body,
    application: Application,
    is_over: bool,
}

impl HttpBody for Passing {
    type Data = Bytes;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        match &frame {
            Some(Err(_)) => self.application.lock().is_broken = true,
            None => self.is_over = true,
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if !self.is_over && !self.body.is_end_stream() {
            self.application.lock().is_broken = true;
        }
    }
}
