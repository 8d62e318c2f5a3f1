//! The HTTP/2 engine of one connection: frames in, requests, responses, frames out (RFC 9113).
//!
//! In: bytes, by way of the [`Wire`]. Out: frames, which leave together at the end of a turn. Handlers run in the turn of
//! their connection, and are polled again when they are woken. What floods is told by the
//! [`FrameMeter`](crate::h2_frames::FrameMeter), which sees the bytes first; time is the driver's.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;

use super::frame::{
    self, ACK, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, Head, NO_ERROR, PROTOCOL_ERROR, STREAM_CLOSED,
};
use super::hpack::{Decoder, Encoder};
use super::inbox::Broken;
use super::stream::{MOST_WINDOW, STREAM_WINDOW, Slots, Stream, Streams};
use super::wakes::Wakes;
use crate::application::Application;
use crate::connection::Shared;
use crate::date::Clock;
use crate::exchange::{Answering, Exchange, ResponseBody};
use crate::h2_frames::{Goodbye, PREFACE};
use crate::wire::Wire;

/// The connection's window for the peer. It is larger than a stream's, so that one upload does not stop the others.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What both windows are before anybody says otherwise (§6.9.2).
const FIRST_WINDOW: u32 = 65_535;
/// Our table for the peer's fields, which is what it is before anybody says otherwise.
const TABLE: usize = 4096;
/// Room for what is read at once: the longest frame, and more.
const READ: usize = 32 * 1024;
/// Looks at what is there, and reads, in one turn.
const READS: u32 = 4;
/// Frames that are taken until streams that were woken have their turn.
const FRAMES: u32 = 256;
/// So much is made to be sent in one turn; no data is added above it.
const MOST_OUT: usize = 64 * 1024;
/// Above, nothing is read: the peer does not take what it has.
const MOST_UNSENT: usize = 128 * 1024;
/// Room that is kept for the next turn.
const MOST_KEPT: usize = 16 * 1024;
/// Streams that are remembered after their end.
const MOST_CLOSED: usize = 512;
/// The answer to it tells that the peer has seen the first goodbye.
const GOODBYE_PING: &[u8; 8] = b"goodbye?";

/// How a connection ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// Both sides know.
    Done,
    /// The peer's fault, which it is to be told.
    Told(Goodbye),
    Failed,
}

/// How far the end of a connection is (§6.8).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// The peer was told that there is an end, and has not answered yet.
    Asked,
    /// No stream above this is served.
    Last(u32),
}

/// A header block of which more is to come.
pub(super) struct Block {
    pub(super) stream: u32,
    pub(super) ends_stream: bool,
    pub(super) bytes: Vec<u8>,
}

pub(super) struct Engine<S>
where
    S: Application,
{
    pub(super) exchange: Exchange<S>,
    pub(super) shared: Arc<Shared>,
    wire: Wire,
    input: BytesMut,
    has_preface: bool,
    has_more: bool,
    has_input: bool,
    /// Up to which length of `out` data is added: what was not sent counts too.
    pub(super) room: usize,
    /// What this turn sends.
    pub(super) out: Vec<u8>,
    pub(super) clock: Clock,
    pub(super) decoder: Decoder,
    pub(super) encoder: Encoder,
    pub(super) block: Option<Block>,
    pub(super) streams: Streams<S>,
    /// The highest stream that was opened.
    pub(super) last: u32,
    /// Streams that ended, the oldest first, and whether that was the server's will: then the peer may not know yet.
    closed: VecDeque<(u32, bool)>,
    /// The highest stream that ended and is not in `closed` any more: whether one below it was open is not known.
    forgotten: u32,
    /// Streams that have data to send.
    pub(super) queue: VecDeque<u32>,
    /// The stream of it that may send a frame; 0: none, since only one that nobody waits beside may send out of turn.
    pub(super) at_turn: u32,
    pub(super) wakes: Arc<Wakes>,
    woken: Vec<u32>,
    /// Bytes that the peer may send on the connection, and those that it was not told of yet.
    pub(super) recv_window: i64,
    pub(super) returned: u32,
    /// Bytes that the peer takes on the connection, and on a new stream.
    pub(super) send_window: i64,
    pub(super) first_window: i64,
    leaving: Leaving,
    peer_leaves: bool,
    /// Frames of padding alone, in a row.
    pub(super) hollow: u32,
    pub(super) answers: Slots<Answering<S>>,
    pub(super) bodies: Slots<ResponseBody<S::Content>>,
}

impl<S> Engine<S>
where
    S: Application,
{
    pub(super) fn new(exchange: Exchange<S>, shared: Arc<Shared>) -> Self {
        let limits = &shared.context.limits;
        let mut out = Vec::new();
        let most_fields = u32::try_from(limits.max_head_bytes).unwrap_or(u32::MAX);
        frame::write_settings(&mut out, &[(3, limits.h2_max_streams), (4, STREAM_WINDOW), (6, most_fields)]);
        frame::write_window(&mut out, 0, CONNECTION_WINDOW - FIRST_WINDOW);
        Self {
            exchange,
            wire: Wire(Arc::clone(&shared)),
            wakes: Wakes::new(Arc::clone(&shared)),
            shared,
            input: BytesMut::new(),
            has_preface: false,
            has_more: false,
            has_input: false,
            room: MOST_OUT,
            out,
            clock: Clock::default(),
            decoder: Decoder::new(TABLE),
            encoder: Encoder::new(),
            block: None,
            streams: Streams::default(),
            last: 0,
            closed: VecDeque::new(),
            forgotten: 0,
            queue: VecDeque::new(),
            at_turn: 0,
            woken: Vec::new(),
            recv_window: i64::from(CONNECTION_WINDOW),
            returned: 0,
            send_window: i64::from(FIRST_WINDOW),
            first_window: i64::from(FIRST_WINDOW),
            leaving: Leaving::No,
            peer_leaves: false,
            hollow: 0,
            answers: Slots::new(),
            bodies: Slots::new(),
        }
    }

    /// One turn: reads, answers, and leaves to the link what is to be sent.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.clock = Clock::default();
        self.has_more = false;
        self.has_input = false;
        self.room = {
            let mut link = self.shared.link();
            if link.unsent() > 0 {
                // A failure shows again at the end of the turn.
                let _ = link.poll_flush(cx);
            }
            MOST_OUT.saturating_sub(link.unsent())
        };
        let end = self.turn(cx);
        self.has_more |= !self.queue.is_empty() && self.send_window > 0;
        self.shared.link().take_frames(&mut self.out);
        if self.streams.is_empty() {
            self.save_memory();
        }
        end
    }

    /// Whether the next turn has something to do once this one's frames are sent.
    pub(super) fn has_more(&self) -> bool {
        self.has_more
    }

    /// Whether the next turn has something to read, with so many bytes unsent.
    pub(super) fn has_input(&self, unsent: usize) -> bool {
        self.has_input && unsent <= MOST_UNSENT
    }

    fn turn(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.attend();
        for _ in 0..READS {
            let is_more = match self.take_frames() {
                Ok(is_more) => is_more,
                Err(goodbye) => return Poll::Ready(End::Told(goodbye)),
            };
            self.attend();
            self.send_queued();
            self.return_window();
            if self.is_over() {
                self.say_last_goodbye();
                return Poll::Ready(End::Done);
            }
            if self.out.len() > MOST_OUT || self.shared.link().unsent() + self.out.len() > MOST_UNSENT {
                self.has_more = true;
                return Poll::Pending;
            }
            if is_more {
                continue;
            }
            match self.poll_read(cx) {
                Poll::Ready(Ok(0)) => return Poll::Ready(End::Done),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(End::Failed),
                Poll::Pending => return Poll::Pending,
            }
        }
        self.has_more = true;
        self.has_input = true;
        Poll::Pending
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<std::io::Result<usize>> {
        if self.input.capacity() - self.input.len() < frame::HEAD + frame::MOST {
            self.input.reserve(READ);
        }
        pin!(self.wire.read_buf(&mut self.input)).poll(cx)
    }

    /// Looks at the streams that were woken.
    fn attend(&mut self) {
        let mut woken = self.wakes.take(std::mem::take(&mut self.woken));
        for id in woken.drain(..) {
            self.look_at(id);
        }
        self.woken = woken;
    }

    /// Takes the frames that are there as a whole, up to a number. Whether there may be more.
    fn take_frames(&mut self) -> Result<bool, Goodbye> {
        if !self.has_preface {
            let seen = self.input.len().min(PREFACE.len());
            if self.input.get(..seen) != PREFACE.get(..seen) {
                return Err(Goodbye::new(PROTOCOL_ERROR, "that is no HTTP/2"));
            }
            if seen < PREFACE.len() {
                return Ok(false);
            }
            self.input.advance(seen);
            self.has_preface = true;
        }
        let mut input = std::mem::take(&mut self.input);
        let mut left = FRAMES;
        let taken = loop {
            if left == 0 {
                break Ok(true);
            }
            left -= 1;
            let Some(head) = Head::peek(&input) else { break Ok(false) };
            if head.end() > frame::HEAD + frame::MOST {
                break Err(Goodbye::new(FRAME_SIZE_ERROR, "a frame longer than is taken"));
            }
            let Some(payload) = input.get(frame::HEAD..head.end()) else { break Ok(false) };
            let taken = if head.kind == frame::DATA {
                input.advance(frame::HEAD);
                let payload = input.split_to(head.length as usize);
                self.take_data(&head, payload)
            } else {
                let taken = self.take(&head, payload);
                input.advance(head.end());
                taken
            };
            if let Err(goodbye) = taken {
                break Err(goodbye);
            }
        };
        self.input = input;
        taken
    }

    /// Takes a frame that is not `DATA`. Its length is one that its type can have, which the meter has looked at.
    fn take(&mut self, head: &Head, payload: &[u8]) -> Result<(), Goodbye> {
        if let Some(block) = &self.block
            && (head.kind != frame::CONTINUATION || head.stream != block.stream)
        {
            return Err(Goodbye::new(PROTOCOL_ERROR, "a frame within a header block"));
        }
        match (head.kind, head.stream) {
            (frame::HEADERS, _) => self.take_headers(head, payload),
            (frame::CONTINUATION, _) => self.take_continuation(head, payload),
            (frame::PRIORITY, 1..) => Ok(()),
            (frame::RST_STREAM, 1..) => self.take_reset(head.stream),
            (frame::SETTINGS, 0) if head.has(ACK) => Ok(()),
            (frame::SETTINGS, 0) => self.take_settings(payload),
            (frame::PING, 0) => {
                self.take_ping(head, payload);
                Ok(())
            }
            (frame::GOAWAY, 0) => {
                self.peer_leaves = true;
                Ok(())
            }
            (frame::WINDOW_UPDATE, _) => self.take_window(head.stream, frame::number(payload)),
            (frame::PUSH_PROMISE, _) => Err(Goodbye::new(PROTOCOL_ERROR, "a client promises nothing")),
            (frame::PRIORITY..=frame::GOAWAY, _) => {
                Err(Goodbye::new(PROTOCOL_ERROR, "a frame on a stream that it has nothing to say of"))
            }
            // §5.5: of a later time.
            _ => Ok(()),
        }
    }

    /// §6.5
    fn take_settings(&mut self, payload: &[u8]) -> Result<(), Goodbye> {
        for parameter in payload.chunks_exact(6) {
            let [i0, i1, v0, v1, v2, v3] = *parameter else { continue };
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            match u16::from_be_bytes([i0, i1]) {
                1 => self.encoder.set_peer_table(value),
                2 if value > 1 => return Err(Goodbye::new(PROTOCOL_ERROR, "push is on or off")),
                4 if i64::from(value) > MOST_WINDOW => {
                    return Err(Goodbye::new(FLOW_CONTROL_ERROR, "a window beyond its most"));
                }
                4 => self.set_first_window(i64::from(value))?,
                // More than the least that a peer takes is never sent.
                5 if !(16_384..=0xff_ffff).contains(&value) => {
                    return Err(Goodbye::new(PROTOCOL_ERROR, "a frame size that cannot be"));
                }
                _ => {}
            }
        }
        frame::write_head(&mut self.out, 0, frame::SETTINGS, ACK, 0);
        Ok(())
    }

    /// §6.9.2: the windows of open streams change with it.
    fn set_first_window(&mut self, window: i64) -> Result<(), Goodbye> {
        let change = window - self.first_window;
        self.first_window = window;
        for (id, stream) in &mut self.streams {
            if stream.open_window(*id, change, &mut self.queue).is_err() {
                return Err(Goodbye::new(FLOW_CONTROL_ERROR, "a window beyond its most"));
            }
        }
        Ok(())
    }

    fn take_ping(&mut self, head: &Head, payload: &[u8]) {
        if !head.has(ACK) {
            frame::write_ping(&mut self.out, ACK, payload);
        } else if payload == GOODBYE_PING && self.leaving == Leaving::Asked {
            self.leaving = Leaving::Last(self.last);
            frame::write_goaway(&mut self.out, self.last, NO_ERROR, "");
        }
    }

    /// §6.9
    fn take_window(&mut self, id: u32, increment: u32) -> Result<(), Goodbye> {
        if id == 0 {
            self.send_window += i64::from(increment);
            return match (increment, self.send_window) {
                (0, _) => Err(Goodbye::new(PROTOCOL_ERROR, "a window update of nothing")),
                (_, ..=MOST_WINDOW) => Ok(()),
                _ => Err(Goodbye::new(FLOW_CONTROL_ERROR, "a window beyond its most")),
            };
        }
        self.refuse_idle(id)?;
        let Some(stream) = self.streams.get_mut(&id) else { return Ok(()) };
        if increment == 0 {
            self.reset(id, PROTOCOL_ERROR);
        } else if stream.open_window(id, i64::from(increment), &mut self.queue).is_err() {
            self.reset(id, FLOW_CONTROL_ERROR);
        }
        Ok(())
    }

    /// §6.4
    fn take_reset(&mut self, id: u32) -> Result<(), Goodbye> {
        self.refuse_idle(id)?;
        if let Some(stream) = self.streams.remove(&id) {
            self.close(id, &stream, Broken::Reset, false);
        }
        Ok(())
    }

    /// §5.1: an idle stream takes a head or a priority only.
    pub(super) fn refuse_idle(&self, id: u32) -> Result<(), Goodbye> {
        match id > self.last || id.is_multiple_of(2) {
            true => Err(Goodbye::new(PROTOCOL_ERROR, "a frame on an idle stream")),
            false => Ok(()),
        }
    }

    /// What becomes of a frame on a stream that ended. One that the server has ended may have crossed the end.
    pub(super) fn refuse_closed(&mut self, id: u32) {
        if !self.closed.iter().any(|(closed, is_ours)| *closed == id && *is_ours) {
            frame::write_reset(&mut self.out, id, STREAM_CLOSED);
            self.note_closed(id, true);
        }
    }

    /// Whether a stream was open once, as far as that is remembered.
    pub(super) fn may_have_been_open(&self, id: u32) -> bool {
        id <= self.forgotten || self.closed.iter().any(|(closed, _)| *closed == id)
    }

    /// Gives back what a stream held of the connection's window, and remembers it. Who still reads a request that is not
    /// whole is told `why`.
    pub(super) fn close(&mut self, id: u32, stream: &Stream<S>, why: Broken, is_ours: bool) {
        if let Some(inbox) = &stream.inbox {
            inbox.fail(why);
            self.returned += inbox.detach();
        }
        if stream.is_queued {
            self.queue.retain(|queued| *queued != id);
        }
        self.note_closed(id, is_ours);
    }

    pub(super) fn note_closed(&mut self, id: u32, is_ours: bool) {
        if self.closed.len() == MOST_CLOSED
            && let Some((forgotten, _)) = self.closed.pop_front()
        {
            self.forgotten = self.forgotten.max(forgotten);
        }
        self.closed.push_back((id, is_ours));
    }

    /// Opens the connection's window again, once as much was taken as the peer has left: what others do not read must not
    /// keep it shut.
    fn return_window(&mut self) {
        if self.returned > 0 && i64::from(self.returned) >= self.recv_window {
            frame::write_window(&mut self.out, 0, self.returned);
            self.recv_window += i64::from(self.returned);
            self.returned = 0;
        }
    }

    /// `GOAWAY` with the highest id, a round trip, `GOAWAY` with the last one (§6.8).
    pub(super) fn say_goodbye(&mut self) {
        if self.leaving == Leaving::No {
            self.leaving = Leaving::Asked;
            frame::write_goaway(&mut self.out, 0x7fff_ffff, NO_ERROR, "");
            frame::write_ping(&mut self.out, 0, GOODBYE_PING);
        }
    }

    /// The peer's goodbye is answered by one of the server's.
    fn say_last_goodbye(&mut self) {
        if !matches!(self.leaving, Leaving::Last(_)) {
            frame::write_goaway(&mut self.out, self.last, NO_ERROR, "");
        }
    }

    /// Whether a new stream comes too late.
    pub(super) fn is_too_late(&self, id: u32) -> bool {
        matches!(self.leaving, Leaving::Last(last) if id > last)
    }

    fn is_over(&self) -> bool {
        self.streams.is_empty() && (self.peer_leaves || matches!(self.leaving, Leaving::Last(_)))
    }

    /// An idle connection should not keep what a busy one needed.
    fn save_memory(&mut self) {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
        if self.out.capacity() > MOST_KEPT {
            self.out = Vec::new();
        }
        self.answers.save_memory();
        self.bodies.save_memory();
    }
}

impl<S> Drop for Engine<S>
where
    S: Application,
{
    fn drop(&mut self) {
        self.wakes.end();
        for stream in self.streams.values() {
            if let Some(inbox) = &stream.inbox {
                inbox.fail(Broken::Gone);
            }
        }
    }
}
