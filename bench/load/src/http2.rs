//! [`Http2`]: one HTTP/2 connection, from the client's side (RFC 9113).
//!
//! In: requests, several at a time. Out: whole answers, or why there is none,
//! with what the protocol promises about whether the request was begun. Never
//! retries, never judges content.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream, SendStream};

use crate::count::Counts;
use crate::fault::{Class, Fault, Phase};
use crate::request::{Answer, Request};
use crate::transport::Stream;

/// How much a stream, and a connection, may receive ahead, in bytes.
const WINDOW_BYTES: u32 = 1 << 20;

/// A connection, and what its users know of it.
#[derive(Clone)]
pub(crate) struct Http2 {
    sender: SendRequest<Bytes>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    outstanding: AtomicUsize,
    /// Set once a request failed, or once we let the connection go: its end is then no idle close.
    excused: AtomicBool,
}

/// Why a request has no answer.
pub(crate) enum Unanswered {
    /// The connection had ended before; nothing was sent.
    Unsent,
    /// The server promises that it has not begun the request.
    NotBegun {
        /// By a GOAWAY, else by `REFUSED_STREAM`.
        by_goaway: bool,
        detail: String,
    },
    /// A failure.
    Fault(Fault),
}

impl From<Fault> for Unanswered {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Http2 {
    /// Begins HTTP/2 on `stream`, with a task of its own that ends with the connection.
    pub(crate) async fn open(stream: Stream, counts: Arc<Counts>) -> Result<Self, Fault> {
        let handshake = h2::client::Builder::new()
            .initial_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .enable_push(false)
            .handshake(stream)
            .await;
        let (sender, connection) =
            handshake.map_err(|error| Fault::new(Class::Reset, Phase::Handshake, error.to_string()))?;
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            // An error of the connection is also that of each of its streams.
            let _ = connection.await;
            let outstanding = shared.outstanding.load(Ordering::SeqCst);
            if outstanding == 0 && !shared.excused.load(Ordering::SeqCst) {
                counts.closed_idle();
            }
        });
        Ok(Self { sender, state })
    }

    /// Says that the end of the connection will be our doing.
    pub(crate) fn excuse(&self) {
        self.state.excused.store(true, Ordering::SeqCst);
    }

    /// Whether `other` is the same connection.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.state, &other.state)
    }

    /// Sends `request` and reads its answer at the same time.
    pub(crate) async fn exchange(self, request: &Request, url: &str) -> Result<Answer, Unanswered> {
        let Self { sender, state } = self;
        let mut outstanding = Outstanding { state: &state, ended: false };
        outstanding.state.outstanding.fetch_add(1, Ordering::SeqCst);
        let result = exchange(sender, request, url).await;
        outstanding.ended = !matches!(result, Err(Unanswered::Fault(_)));
        result
    }
}

/// Counts a request as outstanding until dropped; one that is dropped before its answer excuses the connection.
struct Outstanding<'a> {
    state: &'a State,
    ended: bool,
}

impl Drop for Outstanding<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.state.excused.store(true, Ordering::SeqCst);
        }
        self.state.outstanding.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn exchange(sender: SendRequest<Bytes>, request: &Request, url: &str) -> Result<Answer, Unanswered> {
    let mut head = http::Request::builder().method(&request.method).uri(format!("{url}{}", request.path));
    if let Some(body) = request.body.as_ref().filter(|_| !request.chunked) {
        head = head.header(http::header::CONTENT_LENGTH, body.len());
    }
    let head = head.body(()).map_err(|error| Fault::new(Class::Wrong, Phase::Exchange, error.to_string()))?;
    let mut sender = sender.ready().await.map_err(|_| Unanswered::Unsent)?;
    let (answer, body) = sender.send_request(head, request.body.is_none()).map_err(|_| Unanswered::Unsent)?;
    drop(sender);
    // A failure to send is told by the answer, or by its absence.
    let send = async {
        if request.body.is_some() {
            let _ = send_body(body, request).await;
        }
        std::future::pending::<()>().await;
    };
    let receive = async {
        let (head, body) = answer.await.map_err(|error| refused(&error))?.into_parts();
        receive_body(head.status.as_u16(), body).await.map_err(Unanswered::Fault)
    };
    tokio::select! {
        result = receive => result,
        () = send => Err(Fault::new(Class::Reset, Phase::Exchange, "sending ended").into()),
    }
}

async fn send_body(mut stream: SendStream<Bytes>, request: &Request) -> Result<(), h2::Error> {
    let (first, second) = request.pieces();
    send_piece(&mut stream, first, second.is_none()).await?;
    if let Some((pause, second)) = second {
        tokio::time::sleep(pause).await;
        send_piece(&mut stream, second, true).await?;
    }
    Ok(())
}

async fn send_piece(stream: &mut SendStream<Bytes>, mut piece: Bytes, last: bool) -> Result<(), h2::Error> {
    while !piece.is_empty() {
        stream.reserve_capacity(piece.len());
        let Some(capacity) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else { return Ok(()) };
        let part = piece.split_to(capacity?.min(piece.len()));
        stream.send_data(part, last && piece.is_empty())?;
        if last && piece.is_empty() {
            return Ok(());
        }
    }
    if last { stream.send_data(Bytes::new(), true) } else { Ok(()) }
}

async fn receive_body(status: u16, mut stream: RecvStream) -> Result<Answer, Fault> {
    let mut answer = Answer { status, ..Answer::default() };
    while let Some(data) = stream.data().await {
        let data = data.map_err(|error| broken(Phase::Body, &error))?;
        // Fails only if more is released than was received.
        let _ = stream.flow_control().release_capacity(data.len());
        answer.body.extend_from_slice(&data);
    }
    stream.trailers().await.map_err(|error| broken(Phase::Body, &error))?;
    Ok(answer)
}

/// What an error before the answer's head means (RFC 9113 §8.7).
fn refused(error: &h2::Error) -> Unanswered {
    // With an error from a GOAWAY only the streams above its last one end.
    let by_goaway = error.is_go_away() && error.is_remote();
    let by_reset = error.is_reset() && error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM);
    if by_goaway || by_reset {
        return Unanswered::NotBegun { by_goaway, detail: error.to_string() };
    }
    Unanswered::Fault(broken(Phase::Waiting, error))
}

fn broken(phase: Phase, error: &h2::Error) -> Fault {
    if let Some(error) = error.get_io() {
        // The end of a TLS stream without close_notify, which HTTP/2 has no use for.
        let ended = matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe);
        let class = if phase == Phase::Body && ended { Class::Short } else { Class::Reset };
        return Fault::new(class, phase, error.to_string());
    }
    // The engine compares a body with its Content-Length and reports a difference as an error of its own.
    let mismatch =
        phase == Phase::Body && error.is_library() && error.reason() == Some(Reason::PROTOCOL_ERROR);
    let class = if mismatch { Class::Short } else { Class::Reset };
    Fault::new(class, phase, error.to_string())
}
