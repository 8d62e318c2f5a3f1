//! The byte side of one connection: what was read, what waits to be written, and since when nothing moved.
//!
//! [`Wire`](crate::wire::Wire) is the socket as the HTTP engine sees it. Behind it the [`Link`] watches every byte go by: it
//! knows whether a request is awaited, arriving or being answered, how long its first line is, and whether
//! the peer takes what is sent. Small writes are gathered and sent once per turn of the event loop, so
//! that pipelined answers, HTTP/2 frames and TLS records leave together. Knows no routes and no handlers.

mod to_file;

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, BytesMut};
use http::Method;
use http::uri::PathAndQuery;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::body::{BodyStage, BodyState};
use crate::connection::InFlight;
use crate::framing::{Flaw, Framing};
use crate::h2_frames::{FrameMeter, Goodbye, Verdict};
use crate::in_file::InFiles;
use crate::socket::Transport;

/// Writes up to this size are gathered; larger ones go to the socket at once. One TLS record's worth.
const GATHER: usize = 16 * 1024;
/// The same for an answer that nothing waits beside.
const GATHER_ALONE: usize = 4 * 1024;

/// What the server waits for on an HTTP/1 connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of a request's head.
    Head,
    /// A handler, or the response's way to the peer.
    Busy,
    /// The rest of a body whose request is answered already.
    Tail,
}

/// Why the connection must end although the engine would go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The request target is longer than the limit: `414`.
    TargetTooLong,
    /// A message is not what it should be, where the engine does not look.
    Flaw(Flaw),
    /// The peer wastes frames, or sent a wrong one: `GOAWAY`.
    Frames(Goodbye),
}

/// How the engine's reads and writes are treated.
enum Mode {
    Http1,
    Http2(Box<FrameMeter>),
    /// After an upgrade the bytes are the handler's.
    Raw,
}

pub(crate) struct Link {
    /// `None` once the connection is over: handlers may keep what they know of it, but not its socket.
    io: Option<Transport>,
    mode: Mode,
    /// Bytes read before the engine was there.
    before: BytesMut,
    /// Bytes gathered for the end of this turn.
    out: Vec<u8>,
    /// How many of them are sent. 0 <= out_sent <= out.len()
    out_sent: usize,
    phase: Phase,
    since: Instant,
    /// The time of this turn of the driver, read at most once; `None` between turns.
    now: Option<Instant>,
    in_turn: bool,
    /// The last request's number.
    number: u64,
    /// Since when the peer has taken no byte, while there are some for it.
    blocked: Option<Instant>,
    /// Whether it is the engine whose write waits, and not what was gathered.
    engine_waits: bool,
    /// Bytes of the request line so far; `None` once its end was seen.
    line: Option<usize>,
    max_line: usize,
    /// The last three bytes read: whether they ended a head, as far as can be told from them.
    last: [u8; 3],
    framing: Framing,
    /// What was found in bytes that the engine has not seen, and these bytes. It is told when it asks for them: before
    /// it has answers to give.
    flaw: Option<Box<(Flaw, BytesMut)>>,
    /// The request whose answer the engine gave to the socket last, while some of it may be unsent.
    answered: Option<InFlight>,
    pub(crate) fault: Option<Fault>,
    pub(crate) requests: Vec<InFlight>,
    /// Contents of responses that are in files too.
    pub(crate) in_files: InFiles,
    /// The unread rest of a request body, to be thrown away in the background.
    pub(crate) leftover: Option<Leftover>,
    /// The request that asked for an upgrade: the engine must be allowed to give the socket away.
    pub(crate) upgrading: Option<InFlight>,
    /// A handler answered `101`. The engine gives the socket away also where none did, once it is done with it.
    pub(crate) is_switching: bool,
    /// The end of the response under way is the end of the connection (RFC 9112 §6.3): a clean close would
    /// make a broken body look whole.
    pub(crate) close_delimited: bool,
    read_closed: bool,
    is_cut: bool,
}

/// A request body that its handler did not read to the end.
pub(crate) struct Leftover {
    pub(crate) body: Incoming,
    pub(crate) state: Arc<BodyState>,
    /// Bytes that may still be thrown away.
    pub(crate) budget: usize,
}

impl Link {
    /// `since`: since when a request is awaited; the first bytes of `before` end that.
    pub(crate) fn new(
        io: Transport,
        mut before: BytesMut,
        since: Instant,
        http2: Option<FrameMeter>,
        max_target: usize,
    ) -> Self {
        let mut link = Self {
            io: Some(io),
            mode: http2.map_or(Mode::Http1, |meter| Mode::Http2(Box::new(meter))),
            before: BytesMut::new(),
            out: Vec::new(),
            out_sent: 0,
            phase: Phase::Idle,
            since,
            now: None,
            in_turn: false,
            number: 0,
            blocked: None,
            engine_waits: false,
            line: Some(0),
            // Method, two spaces, version and line end; the exact check of the target comes after parsing.
            max_line: max_target.saturating_add(64),
            last: *b"\n\r\n",
            framing: Framing::default(),
            flaw: None,
            answered: None,
            fault: None,
            requests: Vec::new(),
            in_files: InFiles::default(),
            leftover: None,
            upgrading: None,
            is_switching: false,
            close_delimited: false,
            read_closed: false,
            is_cut: false,
        };
        let good = link.observe(&before);
        let rest = before.split_off(good);
        link.withhold(rest);
        link.before = before;
        link
    }

    pub(crate) fn phase(&self) -> (Phase, Instant) {
        (self.phase, self.since)
    }

    pub(crate) fn blocked_since(&self) -> Option<Instant> {
        self.blocked
    }

    /// Whether the peer has ended its side.
    pub(crate) fn is_read_closed(&self) -> bool {
        self.read_closed
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut
    }

    pub(crate) fn meter(&self) -> Option<&FrameMeter> {
        match &self.mode {
            Mode::Http2(meter) => Some(meter),
            Mode::Http1 | Mode::Raw => None,
        }
    }

    /// Begins a turn of the HTTP/1 driver, in which reading the clock once is enough.
    pub(crate) fn begin_turn(&mut self) {
        self.now = None;
        self.in_turn = true;
    }

    /// Between turns every look at the clock is a fresh one: another thread may be looking.
    fn now(&mut self) -> Instant {
        match self.now {
            Some(now) if self.in_turn => now,
            _ => *self.now.insert(Instant::now()),
        }
    }

    /// A request's head is complete. Its number, by which it is ended.
    pub(crate) fn begin(&mut self, method: Method, target: Option<PathAndQuery>) -> u64 {
        self.phase = Phase::Busy;
        self.number += 1;
        let since = self.now();
        self.requests.push(InFlight { number: self.number, method, target, since, unasked: None });
        self.number
    }

    /// A request's response is complete, or nobody waits for it any more. Whether none is left.
    pub(crate) fn end(&mut self, number: u64, body: BodyStage) -> bool {
        if let Some(index) = self.requests.iter().position(|request| request.number == number) {
            self.answered = Some(self.requests.swap_remove(index));
        }
        if !self.requests.is_empty() {
            return false;
        }
        let at_head_end = matches!(self.last, [b'\n', b'\r', b'\n'] | [_, b'\n', b'\n']);
        match body {
            _ if !matches!(self.mode, Mode::Http1) => self.await_request(true),
            BodyStage::Absent => self.await_request(at_head_end),
            // Where a body ended is the engine's knowledge; the longer limit must do for what follows.
            BodyStage::Whole => self.await_request(true),
            _ => {
                self.since = self.now();
                self.phase = Phase::Tail;
            }
        }
        true
    }

    /// Requests that a cut would cost: those under way, and one whose answer is not all sent.
    pub(crate) fn unfinished(&self) -> impl Iterator<Item = &InFlight> {
        self.requests.iter().chain(self.answered.as_ref().filter(|_| self.blocked.is_some()))
    }

    /// The body of a request is at its end.
    pub(crate) fn body_ended(&mut self) {
        if self.phase == Phase::Tail {
            self.await_request(true);
        }
    }

    /// Bytes after a request's head are the beginning of the next one.
    fn await_request(&mut self, nothing_read: bool) {
        self.since = self.now();
        self.line = Some(0);
        self.phase = if nothing_read { Phase::Idle } else { Phase::Head };
    }

    /// Cuts both directions; every later read or write fails.
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
        if let Some(io) = &self.io {
            io.cut();
        }
    }

    /// Makes the coming close a reset, which throws away what the system still holds for the peer.
    pub(crate) fn reset(&mut self) {
        self.is_cut = true;
        if let Some(io) = &self.io {
            io.reset_on_close();
        }
    }

    /// Gives the socket up.
    pub(crate) fn close(&mut self) {
        self.is_cut = true;
        self.io = None;
    }

    /// Whether nothing is under way: no request, no byte on its way to the peer, nothing to throw away.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.phase == Phase::Idle
            && self.blocked.is_none()
            && self.requests.is_empty()
            && self.leftover.is_none()
            && self.out.is_empty()
            && self.before.is_empty()
            && self.fault.is_none()
            && self.flaw.is_none()
            && !self.read_closed
            && !self.is_cut
    }

    /// Takes the socket out. The connection is over for whoever still holds this.
    pub(crate) fn take_out(&mut self) -> Option<Transport> {
        self.is_cut = true;
        self.io.take()
    }

    /// From here on the bytes belong to the handler that took the connection over.
    pub(crate) fn give_away(&mut self) {
        self.mode = Mode::Raw;
        self.requests.extend(self.upgrading.take());
    }

    /// Whether the bytes are a handler's.
    pub(crate) fn is_raw(&self) -> bool {
        matches!(self.mode, Mode::Raw)
    }

    /// Looks at bytes from the peer before the engine does. How many of them it may see.
    fn observe(&mut self, bytes: &[u8]) -> usize {
        if bytes.is_empty() {
            return 0;
        }
        match &mut self.mode {
            Mode::Http1 => {
                self.observe_head(bytes);
                if let Err((good, flaw)) = self.framing.recv(bytes) {
                    self.flaw = Some(Box::new((flaw, BytesMut::new())));
                    return good;
                }
            }
            Mode::Http2(meter) => {
                if let Verdict::End(goodbye) = meter.recv(bytes, Instant::now()) {
                    self.fault = Some(Fault::Frames(goodbye));
                }
            }
            Mode::Raw => {}
        }
        bytes.len()
    }

    /// Keeps what the engine must not see: from a flaw on.
    fn withhold(&mut self, bytes: BytesMut) {
        if let Some(flaw) = &mut self.flaw {
            flaw.1 = bytes;
        }
    }

    /// The engine asks for more, and a flaw is next. After an upgrade the bytes were the handler's.
    fn meet_flaw(&mut self) {
        match self.flaw.take() {
            Some(flaw) if self.is_raw() => self.before = flaw.1,
            Some(flaw) => self.fault = Some(Fault::Flaw(flaw.0)),
            None => {}
        }
    }

    fn observe_head(&mut self, bytes: &[u8]) {
        self.last = match bytes {
            [.., a, b, c] => [*a, *b, *c],
            [a, b] => [self.last[2], *a, *b],
            [a] => [self.last[1], self.last[2], *a],
            [] => self.last,
        };
        if self.phase == Phase::Idle {
            self.await_request(false);
        }
        if self.phase == Phase::Head
            && let Some(line) = self.line
        {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let line = line + end.unwrap_or(bytes.len());
            if line > self.max_line {
                self.fault = Some(Fault::TargetTooLong);
            }
            self.line = end.is_none().then_some(line);
        }
    }

    /// Reads for the engine.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.flaw.is_some() && self.before.is_empty() {
            self.meet_flaw();
        }
        self.refuse_if_over()?;
        if !self.before.is_empty() {
            let length = self.before.len().min(buffer.remaining());
            buffer.put_slice(&self.before[..length]);
            self.before.advance(length);
            if self.before.is_empty() {
                // Not only emptied: an idle connection should not keep its memory.
                self.before = BytesMut::new();
            }
            return Poll::Ready(Ok(()));
        }
        if self.must_pause() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let start = buffer.filled().len();
        ready!(Pin::new(open(&mut self.io)?).poll_read(cx, buffer))?;
        let fresh = &buffer.filled()[start..];
        self.read_closed |= fresh.is_empty();
        let length = fresh.len();
        let good = self.observe(fresh);
        if good < length {
            self.withhold(fresh[good..].into());
            buffer.set_filled(start + good);
            if good == 0 {
                self.meet_flaw();
            }
        }
        // The engine must not see what was refused: its answer would be another.
        Poll::Ready(self.refuse_if_over())
    }

    /// Whether handlers must have a turn before the engine reads on.
    fn must_pause(&mut self) -> bool {
        match &mut self.mode {
            Mode::Http2(meter) => meter.take_pause(),
            Mode::Http1 | Mode::Raw => false,
        }
    }

    fn refuse_if_over(&self) -> io::Result<()> {
        match (self.fault, self.is_cut) {
            (None, false) => Ok(()),
            _ => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// Takes what the engine writes, or as much of it as can be taken now.
    pub(crate) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut {
            return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
        }
        let total: usize = slices.iter().map(|slice| slice.len()).sum();
        if !matches!(self.mode, Mode::Raw) && self.out.len() + total <= self.gathers() {
            for slice in slices {
                self.out.extend_from_slice(slice);
            }
            self.sent(slices, total);
            return Poll::Ready(Ok(total));
        }
        if let Some(step) = self.step_to_file(slices) {
            return self.poll_send_file(cx, slices, step);
        }
        ready!(self.poll_flush(cx))?;
        let write = Pin::new(open(&mut self.io)?).poll_write_vectored(cx, slices);
        let written = ready!(self.note_engine_write(write))?;
        self.sent(slices, written);
        Poll::Ready(Ok(written))
    }

    /// How many bytes are worth being copied so that they leave with others. A record of TLS is copied anyway; on a plain
    /// connection an answer that is alone leaves without.
    fn gathers(&self) -> usize {
        match &self.io {
            Some(Transport::Plain(_)) if matches!(self.mode, Mode::Http1) && self.out.is_empty() => {
                GATHER_ALONE
            }
            _ => GATHER,
        }
    }

    /// Notes whether the peer took something of what the engine has for it.
    fn note_engine_write(&mut self, write: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match write {
            Poll::Ready(Ok(_)) => {
                self.engine_waits = false;
                self.unblock();
            }
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                self.engine_waits = true;
                self.blocked.get_or_insert_with(Instant::now);
            }
        }
        write
    }

    /// The peer takes bytes again. A request that is awaited is awaited from now on: nobody sends the next one
    /// before the answer is there.
    fn unblock(&mut self) {
        if self.blocked.take().is_some() && matches!(self.phase, Phase::Idle | Phase::Head) {
            self.since = self.now();
        }
    }

    /// Lets the frame meter follow what is sent, so that a frame of our own is never put inside another.
    fn sent(&mut self, slices: &[IoSlice<'_>], mut length: usize) {
        if let Mode::Http2(meter) = &mut self.mode {
            let now = Instant::now();
            for slice in slices {
                let part = length.min(slice.len());
                if let Verdict::End(goodbye) = meter.sent(&slice[..part], now) {
                    self.fault = Some(Fault::Frames(goodbye));
                }
                length -= part;
            }
        }
    }

    /// Sends what was gathered.
    pub(crate) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest @ [_, ..]) = self.out.get(self.out_sent..) {
            match Pin::new(open(&mut self.io)?).poll_write(cx, rest) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Poll::Ready(Ok(written)) => {
                    self.unblock();
                    self.out_sent += written;
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => {
                    self.blocked.get_or_insert_with(Instant::now);
                    return Poll::Pending;
                }
            }
        }
        self.out.clear();
        self.out_sent = 0;
        match Pin::new(open(&mut self.io)?).poll_flush(cx) {
            Poll::Ready(result) => {
                if !self.engine_waits {
                    self.unblock();
                }
                Poll::Ready(result)
            }
            Poll::Pending => {
                self.blocked.get_or_insert_with(Instant::now);
                Poll::Pending
            }
        }
    }

    /// Sends what was gathered in a turn of the driver, which is over.
    pub(crate) fn poll_end_turn(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.in_turn = false;
        let flushed = self.poll_flush(cx);
        if flushed.is_ready() && !self.engine_waits {
            self.answered = None;
            if self.requests.is_empty() {
                self.in_files.forget();
            }
        }
        flushed
    }

    /// Adds an answer of the server's own after everything that was sent.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// Tells the peer that nothing more will come (TLS `close_notify`, then FIN).
    pub(crate) fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_flush(cx))?;
        Pin::new(open(&mut self.io)?).poll_shutdown(cx)
    }

    /// Reads and throws away. `Ok(0)` at the end.
    pub(crate) fn poll_discard(
        &mut self,
        cx: &mut Context<'_>,
        scratch: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_cut {
            return Poll::Ready(Ok(0));
        }
        let mut buffer = ReadBuf::new(scratch);
        ready!(Pin::new(open(&mut self.io)?).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

/// The socket, while there is one.
fn open(io: &mut Option<Transport>) -> io::Result<&mut Transport> {
    io.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
}
