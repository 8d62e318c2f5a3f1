//! Bodies and heads that are large, and handlers and bodies that fail: what the peer can read, and what goes on.
//!
//! In: handlers that do what they must not, clients that write before they read. Out: a whole answer and a clean end, or a
//! body that is visibly broken; and a server that goes on.

mod broken_bodies;
mod early_answers;
mod last_words;
mod leaving;
mod no_content;
mod trailers;

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use http::HeaderMap;

use crate::client::{Client, Over, PATIENCE};
use crate::rfc9113::block::{Block, read_status};
use crate::rfc9113::frames::*;
use crate::rfc9113::peer;
use crate::site::Site;

/// Short enough for a test, long enough for a busy machine to do ordinary work in.
const SHORT: Duration = Duration::from_millis(300);

/// What a body does when it is asked for a frame.
#[derive(Clone, Copy, Debug)]
enum Step {
    Data(&'static str),
    /// A turn of the event loop: what came before is on its way.
    Turn,
    /// One trailer field.
    Trailer(&'static str, &'static str),
    Fails,
    Panics,
    Stalls,
}

use Step::{Data, Fails, Panics, Stalls, Trailer, Turn};

/// A body that does what it is told.
struct Script {
    steps: VecDeque<Step>,
    /// What is done when it is dropped.
    at_end: Box<dyn Fn() + Send + Sync>,
}

impl Script {
    fn new(steps: &[Step]) -> Self {
        Self { steps: steps.iter().copied().collect(), at_end: Box::new(|| {}) }
    }

    fn at_end(mut self, act: impl Fn() + Send + Sync + 'static) -> Self {
        self.at_end = Box::new(act);
        self
    }
}

impl http_body::Body for Script {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        match self.steps.pop_front() {
            None => Poll::Ready(None),
            Some(Data(text)) => {
                Poll::Ready(Some(Ok(http_body::Frame::data(Bytes::from_static(text.as_bytes())))))
            }
            Some(Trailer(name, value)) => {
                let mut trailers = HeaderMap::new();
                trailers.insert(name, value.parse().unwrap());
                Poll::Ready(Some(Ok(http_body::Frame::trailers(trailers))))
            }
            Some(Turn) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Fails) => Poll::Ready(Some(Err(std::io::Error::other("on purpose")))),
            Some(Panics) => panic!("on purpose"),
            Some(Stalls) => {
                self.steps.push_front(Stalls);
                Poll::Pending
            }
        }
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        (self.at_end)();
    }
}

/// A site of one function, with nothing between it and the server.
fn site(answer: fn(&str, Request) -> Response) -> Site {
    Site::of(tower::service_fn(move |request: Request| async move {
        let path = request.uri().path().to_owned();
        Ok::<_, std::convert::Infallible>(answer(&path, request))
    }))
}

fn plain(text: &'static str) -> Response {
    Response::new(Body::from(text))
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")
}

/// Another request on the same connection is answered.
#[track_caller]
fn assert_lives(client: &mut Client) {
    client.send(get("/"));
    let reply = client.reply();
    assert_eq!((reply.status, reply.body.as_str()), (200, "Hello, World!"));
}

/// Reads until `text` has come.
fn until(client: &mut Client, text: &str) {
    let mut got = Vec::new();
    while !got.ends_with(text.as_bytes()) {
        got.extend(client.take(1));
    }
}

/// Waits for what has no other trace than a value in memory.
#[track_caller]
fn wait_until(what: &str, done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::yield_now();
    }
}

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;

/// What came on one HTTP/2 stream.
#[derive(Debug, Default)]
struct Stream {
    statuses: Vec<u16>,
    data: Vec<u8>,
    trailers: Option<Vec<u8>>,
    ended: bool,
    reset: Option<u32>,
}

impl Stream {
    /// Whole, with this status and content.
    fn is_whole(&self, status: u16, text: &str) -> bool {
        self.statuses == [status] && self.ended && self.data == text.as_bytes()
    }
}

/// Reads until a stream has ended or is reset, opening windows on the way.
#[track_caller]
fn stream(client: &mut Client, number: u32) -> Stream {
    let mut got = Stream::default();
    while !got.ended && got.reset.is_none() {
        let next = recv(client);
        assert_ne!(next.kind, GOAWAY, "{next:?}");
        if next.stream == number {
            note(&mut got, &next);
        }
    }
    got
}

fn note(got: &mut Stream, frame: &Frame) {
    match frame.kind {
        HEADERS if got.statuses.last().is_some_and(|status| *status >= 200) => {
            got.trailers = Some(frame.payload.clone());
        }
        HEADERS => got.statuses.push(read_status(&frame.payload)),
        DATA => got.data.extend(&frame.payload),
        RST_STREAM => got.reset = Some(reset_code(frame)),
        _ => return,
    }
    got.ended |= matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0;
}

/// A request without content on an HTTP/2 connection, and all that comes for it.
#[track_caller]
fn fetch(client: &mut Client, number: u32, method: &str, path: &str) -> Stream {
    client.send(headers(number, Block::request(method, path)));
    stream(client, number)
}

fn open_h2(site: &Site, over: Over) -> Client {
    peer::open(site, over)
}
