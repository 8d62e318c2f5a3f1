//! The byte side of one connection: what was read, what waits to be written, and since when nothing moved.
//!
//! [`Wire`](crate::wire::Wire) is the socket as the HTTP engine sees it. Behind it the [`Link`] watches every byte go by: it
//! knows whether a request is awaited, arriving or being answered, how long its first line is, and whether
//! the peer takes what is sent. Small writes are gathered and sent once per turn of the event loop, so
//! that pipelined answers, HTTP/2 frames and TLS records leave together. Knows no routes and no handlers.

mod last_words;
mod peer_end;
mod sending;
mod to_file;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use http::Method;
use http::uri::PathAndQuery;
use tokio::io::{AsyncRead, ReadBuf};

use crate::body::{BodyStage, BodyState};
use crate::connection::InFlight;
use crate::framing::{Flaw, Framing};
use crate::h2_frames::{FrameMeter, Goodbye, Verdict};
use crate::in_file::InFiles;
use crate::incoming::Incoming;
use crate::socket::Transport;

/// Writes up to this size are gathered; larger ones go to the socket at once. One TLS record's worth.
const GATHER: usize = 16 * 1024;
/// The same for an answer that nothing waits beside.
const GATHER_ALONE: usize = 4 * 1024;

/// The last bytes of a head.
const HEAD_END: [u8; 3] = *b"\n\r\n";

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

/// How much of a request line was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestLine {
    /// At most its method.
    Method,
    /// So many bytes from the space before its target on.
    Target(usize),
    Whole,
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
    /// Whether the engine has a part of an answer left that could not be written.
    pub(crate) engine_holds: bool,
    line: RequestLine,
    /// So many bytes a request line may have after its method.
    max_rest: usize,
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
    /// The peer was seen to have ended its side while an answer was being made: since when there has been nothing
    /// for it. It may still read, or be gone.
    ended: Option<Instant>,
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
            engine_holds: false,
            line: RequestLine::Method,
            // Two spaces, the version and the line end; the exact check of the target comes after parsing.
            max_rest: max_target.saturating_add(64),
            last: HEAD_END,
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
            ended: None,
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

    /// Begins a turn of the driver, in which reading the clock once is enough.
    pub(crate) fn begin_turn(&mut self) {
        self.now = None;
        self.in_turn = true;
    }

    /// Between turns every look at the clock is a fresh one: another thread may be looking.
    fn now(&mut self) -> Instant {
        time(&mut self.now, self.in_turn)
    }

    /// HTTP/2: a stream whose window is shut is not asked for more. Since when, is what the stall limit asks.
    pub(crate) fn note_demand(&mut self, number: u64, gave: bool) {
        let since = gave.then(|| self.now());
        if let Some(request) = self.requests.iter_mut().find(|request| request.number == number) {
            request.unasked = since;
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

    /// A request's response is complete, or nobody waits for it any more. Whether the driver should look: none is left, and
    /// it is not at work, when it would look in any case.
    pub(crate) fn end(&mut self, number: u64, body: BodyStage) -> bool {
        if let Some(index) = self.requests.iter().position(|request| request.number == number) {
            self.answered = Some(self.requests.swap_remove(index));
        }
        if !self.requests.is_empty() {
            return false;
        }
        let at_head_end = matches!(self.last, HEAD_END | [_, b'\n', b'\n']);
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
        !self.in_turn
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
        self.line = RequestLine::Method;
        self.phase = if nothing_read { Phase::Idle } else { Phase::Head };
    }

    /// Cuts both directions; every later read or write fails.
    pub(crate) fn cut(&mut self) {
        self.is_cut = true;
        let is_half_said = self.close_delimited && self.unfinished().next().is_some();
        match &self.io {
            // The driver, which is woken, closes.
            Some(io) if is_half_said => io.reset_on_close(),
            Some(io) => io.cut(),
            None => {}
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
                let now = time(&mut self.now, self.in_turn);
                if let Verdict::End(goodbye) = meter.recv(bytes, now) {
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

    /// Bytes that were not sent yet.
    pub(crate) fn unsent(&self) -> usize {
        self.out.len() - self.out_sent
    }

    /// Bytes that were read, and looked at, are read once more. There are no others: these were [taken](Self::take_before).
    pub(crate) fn put_back(&mut self, bytes: Bytes) {
        self.before = bytes.into();
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
            if are_empty_lines(bytes) {
                return;
            }
            self.await_request(false);
        }
        if self.phase == Phase::Head && self.line != RequestLine::Whole {
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let line = &bytes[..end.unwrap_or(bytes.len())];
            let rest = match self.line {
                RequestLine::Target(before) => before + line.len(),
                // A method of any length is one that is not known (RFC 9112 §3): that is for the rules to say.
                _ => line.iter().position(|byte| *byte == b' ').map_or(0, |space| line.len() - space),
            };
            if rest > self.max_rest {
                self.fault = Some(Fault::TargetTooLong);
            }
            self.line = match (end, rest) {
                (Some(_), _) => RequestLine::Whole,
                (None, 0) => RequestLine::Method,
                (None, _) => RequestLine::Target(rest),
            };
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
        let start = buffer.filled().len();
        ready!(self.poll_fresh(cx, buffer))?;
        let fresh = &buffer.filled()[start..];
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

    /// Reads for whoever takes requests only if they are whole and as they should be, and has everything else
    /// [looked at](Self::look).
    pub(crate) fn poll_read_unseen(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.meet_flaw();
        self.refuse_if_over()?;
        if self.phase == Phase::Idle {
            // What was read before is taken, and what comes now may not be looked at.
            self.last = HEAD_END;
        }
        self.poll_fresh(cx, buffer)
    }

    /// Whether it is worth to read. Wakes when it may be.
    pub(crate) fn poll_may_read(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.io {
            Some(io) if self.flaw.is_none() && self.refuse_if_over().is_ok() => io.poll_may_read(cx),
            _ => Poll::Ready(()),
        }
    }

    fn poll_fresh(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let start = buffer.filled().len();
        ready!(Pin::new(open(&mut self.io)?).poll_read(cx, buffer))?;
        self.read_closed |= buffer.filled().len() == start;
        Poll::Ready(Ok(()))
    }

    /// Looks at bytes of which `seen` have been looked at, and leaves in them what may be seen: all before a flaw.
    pub(crate) fn look(&mut self, bytes: &mut Bytes, seen: usize) {
        let good = seen + self.observe(bytes.get(seen..).unwrap_or_default());
        if good < bytes.len() {
            self.withhold(bytes.split_off(good).into());
        }
    }

    /// What was read before the engine was there, and has been looked at.
    pub(crate) fn take_before(&mut self) -> Bytes {
        std::mem::take(&mut self.before).freeze()
    }

    fn refuse_if_over(&self) -> io::Result<()> {
        match (self.fault, self.is_cut) {
            (None, false) => Ok(()),
            _ => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

/// Whether no request begins here: empty lines may stand before it (RFC 9112 §2.2).
fn are_empty_lines(bytes: &[u8]) -> bool {
    bytes.ends_with(b"\n") && bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n'))
}

fn time(known: &mut Option<Instant>, in_turn: bool) -> Instant {
    match *known {
        Some(now) if in_turn => now,
        _ => *known.insert(Instant::now()),
    }
}

/// The socket, while there is one.
fn open(io: &mut Option<Transport>) -> io::Result<&mut Transport> {
    io.as_mut().ok_or_else(|| io::ErrorKind::NotConnected.into())
}
