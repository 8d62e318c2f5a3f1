//! Answers requests that need no engine, which are most: those that have come whole, on a connection that goes on
//! (RFC 9112).
//!
//! In: bytes, and out: answers, both by way of the [`Link`](crate::link::Link), until something comes that
//! is for the engine, as a body that is still on its way: it then gets the connection with every byte that was not taken.
//! Sets no limits and keeps no time; that is the driver's.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, Response};
use http_body::Body as HttpBody;
use tokio::io::{AsyncRead, AsyncReadExt, ReadBuf};

use crate::application::Application;
use crate::connection::Shared;
use crate::date::Clock;
use crate::exchange::{Answering, Data, Exchange, ResponseBody};
use crate::incoming::Incoming;

use super::request_head::{self, Head};
use super::response_head::{self, Framing, Size};

/// Room for what is read at once.
const READ: usize = 8 * 1024;
/// With less room left, other memory is taken, or this again.
const LEAST_ROOM: usize = 2 * 1024;
/// A head of more bytes than this that is not complete is the engine's.
const LONGEST_PART: usize = 4 * 1024;
/// Requests that are answered in one turn of the event loop, if they are there.
const TURN: usize = 32;
/// Slices of a body that are written at once.
const SLICES: usize = 16;

/// How it goes on.
pub(super) enum Next {
    /// The connection is at its end.
    Closed,
    /// Something for the engine has come.
    Engine,
}

/// An HTTP/1.1 connection without an engine.
pub(super) struct Whole<S>
where
    S: Application,
{
    exchange: Exchange<S>,
    shared: Arc<Shared>,
    /// Read and not yet taken.
    bytes: Bytes,
    /// So many of them the link has looked at: none, which is cheap, while requests come whole. 0 <= seen <= bytes.len()
    seen: usize,
    /// Where the next are read to.
    room: BytesMut,
    /// Memory for the fields of the next request.
    fields: HeaderMap,
    is_head: bool,
    clock: Clock,
    answering: Pin<Box<Option<Answering<S>>>>,
    sending: Option<Sending>,
    body: Pin<Box<Option<ResponseBody<S::Content>>>>,
    data: Option<Data<<S::Content as HttpBody>::Data>>,
    /// Bytes of a response's head, or of what frames its body. `head_sent` of them are sent; <= its length.
    head: Vec<u8>,
    head_sent: usize,
}

/// A response on its way.
struct Sending {
    framing: Framing,
    /// Whether nothing follows `data`.
    is_whole: bool,
    is_last: bool,
}

impl<S> Whole<S>
where
    S: Application,
{
    pub(super) fn new(exchange: Exchange<S>, shared: Arc<Shared>) -> Self {
        let bytes = shared.link().take_before();
        Self {
            exchange,
            shared,
            seen: bytes.len(),
            bytes,
            room: BytesMut::new(),
            fields: HeaderMap::new(),
            is_head: false,
            clock: Clock::default(),
            answering: Box::pin(None),
            sending: None,
            body: Box::pin(None),
            data: None,
            head: Vec::new(),
            head_sent: 0,
        }
    }

    /// The exchange, and the bytes that were read and not taken.
    pub(super) fn into_parts(self) -> (Exchange<S>, Bytes) {
        (self.exchange, self.bytes)
    }

    /// Answers what comes. An error: the connection failed, or a response broke off.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Next>> {
        self.clock = Clock::default();
        let mut answered = 0;
        loop {
            if let Some(answering) = self.answering.as_mut().as_pin_mut() {
                let Ok(response) = ready!(answering.poll(cx));
                self.answering.set(None);
                self.begin(response);
            } else if self.sending.is_some() {
                let is_last = ready!(self.poll_send(cx))?;
                self.sending = None;
                self.body.set(None);
                if is_last {
                    return Poll::Ready(Ok(Next::Closed));
                }
                answered += 1;
                if answered == TURN {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            } else if let Some(next) = ready!(self.poll_head(cx))? {
                return Poll::Ready(Ok(next));
            }
        }
    }

    /// Takes the next request, or says what comes instead.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<Next>>> {
        loop {
            if self.seen > 0 {
                self.look();
            }
            request_head::skip_empty_lines(&mut self.bytes);
            if !self.bytes.is_empty() {
                let fields = std::mem::take(&mut self.fields);
                let head = request_head::take(&mut self.bytes, fields, &self.shared.context.limits);
                self.seen = self.seen.min(self.bytes.len());
                if let Head::Request(request, body) = head {
                    self.is_head = request.method() == http::Method::HEAD;
                    let place = self.answering.as_mut();
                    match body.is_empty() {
                        true => self.exchange.answer(request, place),
                        false => self.exchange.answer_to(request.map(|_| Incoming::Whole(body)), place),
                    }
                    return Poll::Ready(Ok(None));
                }
                self.look();
                let may_come = matches!(head, Head::Partial) && self.bytes.len() <= LONGEST_PART;
                // Nothing is left before a flaw, of which the next read tells.
                if !may_come && !self.bytes.is_empty() {
                    return Poll::Ready(Ok(Some(Next::Engine)));
                }
            }
            if ready!(self.poll_read(cx))? == 0 {
                // What a half head is worth is the engine's to say.
                let next = if self.bytes.is_empty() { Next::Closed } else { Next::Engine };
                return Poll::Ready(Ok(Some(next)));
            }
        }
    }

    /// Lets the link look at what it has not seen.
    fn look(&mut self) {
        if self.seen < self.bytes.len() {
            self.shared.link().look(&mut self.bytes, self.seen);
            self.seen = self.bytes.len();
        }
    }

    /// Reads more behind what is there.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.bytes.is_empty() {
            // An empty part of the memory holds it too.
            self.bytes = Bytes::new();
        }
        // If nobody holds it, it is used again from its beginning.
        if !self.room.try_reclaim(READ) && self.room.capacity() < LEAST_ROOM + self.bytes.len() {
            // Later, when the last request is gone, it may be free.
            ready!(self.shared.link().poll_may_read(cx));
            self.room.reserve(READ);
        }
        let mut reader = Unseen(&self.shared);
        let read = ready!(pin!(reader.read_buf(&mut self.room)).poll(cx))?;
        let fresh = self.room.split().freeze();
        self.bytes = match self.bytes.is_empty() {
            true => fresh,
            false => [&self.bytes[..], &fresh[..]].concat().into(),
        };
        Poll::Ready(Ok(read))
    }

    fn begin(&mut self, response: Response<ResponseBody<S::Content>>) {
        let (mut parts, body) = response.into_parts();
        let size = Size { is_empty: body.is_end_stream(), exact: body.size_hint().exact() };
        self.head.clear();
        self.head_sent = 0;
        let (framing, is_last) =
            response_head::write(&parts, self.is_head, size, &mut self.clock, &mut self.head);
        parts.headers.clear();
        self.fields = parts.headers;
        self.sending = Some(Sending { framing, is_whole: framing == Framing::None, is_last });
        self.body.set(Some(body));
    }

    /// Sends the response. Whether it is the connection's last.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        loop {
            let Some(sending) = &mut self.sending else { return Poll::Ready(Ok(true)) };
            if self.data.is_none() && !sending.is_whole {
                // A body that knows its end is not asked again: it may not expect that.
                let body = self.body.as_mut().as_pin_mut().filter(|body| !body.is_end_stream());
                match body.map(|body| body.poll_frame(cx)) {
                    Some(Poll::Ready(Some(Ok(frame)))) => match frame.into_data() {
                        Ok(data) if data.has_remaining() => {
                            sending.frame(data.remaining() as u64, &mut self.head)?;
                            self.data = Some(data);
                        }
                        Ok(_) => continue,
                        // Trailers are the end, and for those who ask for them, whom the engine answers.
                        Err(_) => sending.end(&mut self.head)?,
                    },
                    Some(Poll::Ready(Some(Err(error)))) => return Poll::Ready(Err(io::Error::other(error))),
                    Some(Poll::Ready(None)) | None => sending.end(&mut self.head)?,
                    Some(Poll::Pending) => {
                        ready!(self.poll_write(cx))?;
                        return Poll::Pending;
                    }
                }
            }
            ready!(self.poll_write(cx))?;
            if self.data.take().is_some() && self.sending.as_ref().is_some_and(Sending::is_chunked) {
                self.head.extend_from_slice(b"\r\n");
            }
            if let Some(Sending { is_whole: true, is_last, .. }) = self.sending {
                return Poll::Ready(Ok(is_last));
            }
        }
    }

    /// Writes the head, and the data after it.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let head = self.head.get(self.head_sent..).unwrap_or(&[]);
            let mut slices = [IoSlice::new(&[]); SLICES];
            let mut count = 0;
            if !head.is_empty() {
                slices[0] = IoSlice::new(head);
                count = 1;
            }
            if let Some(data) = &self.data {
                count += data.chunks_vectored(&mut slices[count..]);
            }
            let total: usize = slices[..count].iter().map(|slice| slice.len()).sum();
            if total == 0 {
                self.head.clear();
                self.head_sent = 0;
                return Poll::Ready(Ok(()));
            }
            let of_head = head.len();
            let written = ready!(self.shared.link().poll_write(cx, &slices[..count]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.head_sent += written.min(of_head);
            if let (Some(data), Some(rest @ 1..)) = (&mut self.data, written.checked_sub(of_head)) {
                data.advance(rest);
            }
        }
    }
}

/// The connection as the engine does not see it.
struct Unseen<'a>(&'a Shared);

impl AsyncRead for Unseen<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.link().poll_read_unseen(cx, buffer)
    }
}

impl Sending {
    fn is_chunked(&self) -> bool {
        self.framing == Framing::Chunked
    }

    /// Frames data of a length that is not zero.
    fn frame(&mut self, length: u64, head: &mut Vec<u8>) -> io::Result<()> {
        match &mut self.framing {
            Framing::Chunked => head.extend_from_slice(format!("{length:X}\r\n").as_bytes()),
            Framing::Length(missing) => {
                *missing = missing
                    .checked_sub(length)
                    .ok_or_else(|| io::Error::other("a body longer than it said"))?;
                self.is_whole = *missing == 0;
            }
            Framing::None => {}
        }
        Ok(())
    }

    /// The body is at its end.
    fn end(&mut self, head: &mut Vec<u8>) -> io::Result<()> {
        self.is_whole = true;
        match self.framing {
            Framing::Chunked => head.extend_from_slice(b"0\r\n\r\n"),
            Framing::Length(1..) => return Err(io::Error::other("a body shorter than it said")),
            Framing::Length(0) | Framing::None => {}
        }
        Ok(())
    }
}
