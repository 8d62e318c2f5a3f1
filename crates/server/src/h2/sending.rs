//! Responses on their way out: heads, data within the peer's windows, trailers (RFC 9113 §5.2, §6.9, §8.1).

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Buf;
use http::{Response, StatusCode};
use http_body::Body as HttpBody;

use super::engine::Engine;
use super::frame::{self, END_STREAM, INTERNAL_ERROR, NO_ERROR};
use super::inbox::Broken;
use super::response_head;
use super::stream::{Stream, Work};
use super::wakes::Wakes;
use crate::application::Application;
use crate::exchange::ResponseBody;
use crate::tally::count;

/// What a body has next.
enum Next<D> {
    Data(D),
    Trailers(http::HeaderMap),
    End,
    Broken,
}

impl<S> Engine<S>
where
    S: Application,
{
    /// Goes on with a stream that was woken, or may send again.
    pub(super) fn look_at(&mut self, id: u32) {
        if let Some(stream) = self.streams.remove(&id) {
            self.go_on(id, stream);
        }
    }

    /// Serves a stream, and keeps it until it is at its end.
    pub(super) fn go_on(&mut self, id: u32, mut stream: Stream<S>) {
        if self.serve(id, &mut stream) {
            self.close(id, &stream, Broken::Gone, !stream.has_ended);
        } else {
            self.streams.insert(id, stream);
        }
    }

    /// Sends what streams have, in turn.
    pub(super) fn send_queued(&mut self) {
        while self.out.len() < self.room && self.send_window > 0 {
            let Some(id) = self.queue.pop_front() else { return };
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.is_queued = false;
                self.at_turn = id;
                self.look_at(id);
                self.at_turn = 0;
            }
        }
    }

    /// Does for a stream what can be done now. Whether it is at its end. A panic of the application where none is expected (in
    /// what a body says of its size) costs its stream, and no other.
    fn serve(&mut self, id: u32, stream: &mut Stream<S>) -> bool {
        let served = catch_unwind(AssertUnwindSafe(|| self.serve_or_panic(id, stream)));
        served.unwrap_or_else(|_| {
            count(self.shared.context.tally.panics());
            tracing::error!(stream = id, "a response's body panicked");
            frame::write_reset(&mut self.out, id, INTERNAL_ERROR);
            true
        })
    }

    fn serve_or_panic(&mut self, id: u32, stream: &mut Stream<S>) -> bool {
        let is_dropped = self.note_demand(id, stream);
        if let Work::Answering(slot) = &mut stream.work {
            let Some(answering) = slot.as_mut().as_pin_mut() else { return true };
            let response = match poll(&self.wakes, id, &mut stream.waker, answering, Future::poll) {
                Poll::Ready(Ok(response)) => response,
                Poll::Pending => return false,
            };
            if let Work::Answering(slot) = std::mem::replace(&mut stream.work, Work::Sent) {
                self.answers.empty(slot);
            }
            self.respond(id, stream, response);
        }
        match self.send(id, stream) {
            Sent::Some => false,
            Sent::Broken => {
                frame::write_reset(&mut self.out, id, INTERNAL_ERROR);
                true
            }
            Sent::All if stream.has_ended => true,
            Sent::All => {
                // §8.1: the answer does not depend on the rest of its request.
                let is_unread = stream.inbox.is_none() || is_dropped || self.note_demand(id, stream);
                if is_unread {
                    frame::write_reset(&mut self.out, id, NO_ERROR);
                }
                is_unread
            }
        }
    }

    /// Opens windows for what was read. Whether nobody reads the request's content any more.
    fn note_demand(&mut self, id: u32, stream: &mut Stream<S>) -> bool {
        let Some(inbox) = &stream.inbox else { return false };
        let demand = inbox.demand();
        self.returned += demand.taken;
        if !demand.is_dropped {
            stream.give_back(id, demand.taken, &mut self.out);
        }
        if demand.asks_to_continue && matches!(stream.work, Work::Answering(_)) {
            let Self { out, encoder, .. } = self;
            frame::write_block(out, id, false, frame::MOST, |out| {
                response_head::write_interim(StatusCode::CONTINUE, encoder, out);
            });
        }
        demand.is_dropped
    }

    /// Sends the head of a response.
    fn respond(&mut self, id: u32, stream: &mut Stream<S>, response: Response<ResponseBody<S::Content>>) {
        let (parts, body) = response.into_parts();
        let is_whole = body.is_end_stream();
        let length = if is_whole { None } else { body.size_hint().exact() };
        let Self { out, encoder, clock, .. } = self;
        frame::write_block(out, id, is_whole, frame::MOST, |out| {
            response_head::write(&parts, length, encoder, clock, out);
        });
        if !is_whole {
            stream.work = Work::Sending { body: self.bodies.fill(body), data: None };
        }
    }

    /// The answer to a head that is larger than is taken.
    pub(super) fn answer_too_large(&mut self, id: u32, ends_stream: bool) {
        let Self { out, encoder, clock, .. } = self;
        let (mut parts, ()) = Response::new(()).into_parts();
        parts.status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        frame::write_block(out, id, true, frame::MOST, |out| {
            response_head::write(&parts, None, encoder, clock, out);
        });
        if !ends_stream {
            frame::write_reset(out, id, NO_ERROR);
        }
        self.note_closed(id, !ends_stream);
        count(self.shared.context.tally.refused());
    }

    /// Sends as much of a response's content as its windows and this turn let through.
    fn send(&mut self, id: u32, stream: &mut Stream<S>) -> Sent {
        loop {
            let Work::Sending { body, data } = &mut stream.work else { return Sent::All };
            let Some(pinned) = body.as_mut().as_pin_mut() else { return Sent::All };
            let Some(held) = data else {
                let next = poll(&self.wakes, id, &mut stream.waker, pinned, next);
                let Poll::Ready(next) = next else { return Sent::Some };
                match next {
                    Next::Data(piece) => *data = Some(piece),
                    Next::Trailers(trailers) => {
                        let Self { out, encoder, .. } = self;
                        frame::write_block(out, id, true, frame::MOST, |out| {
                            response_head::write_trailers(&trailers, encoder, out);
                        });
                        return self.sent_all(stream);
                    }
                    Next::End => {
                        frame::write_head(&mut self.out, 0, frame::DATA, END_STREAM, id);
                        return self.sent_all(stream);
                    }
                    Next::Broken => return Sent::Broken,
                }
                continue;
            };
            let room = stream.send_window.min(self.send_window);
            // One frame for each that waits, in turn: who is woken in between waits as well.
            let others_wait = !self.queue.is_empty() && self.at_turn != id;
            if room <= 0 || self.out.len() >= self.room || others_wait {
                // A stream whose own window is shut waits for the peer to open it.
                if stream.send_window > 0 {
                    stream.join(id, &mut self.queue);
                }
                return Sent::Some;
            }
            let remaining = held.remaining();
            let length = remaining.min(frame::MOST).min(usize::try_from(room).unwrap_or(0));
            let is_last = length == remaining && pinned.is_end_stream();
            let start = self.out.len();
            frame::write_head(&mut self.out, length, frame::DATA, if is_last { END_STREAM } else { 0 }, id);
            if !append(&mut self.out, held, length) {
                self.out.truncate(start);
                return Sent::Broken;
            }
            stream.send_window -= length as i64;
            self.send_window -= length as i64;
            self.at_turn = 0;
            if length == remaining {
                *data = None;
            }
            if is_last {
                return self.sent_all(stream);
            }
        }
    }

    fn sent_all(&mut self, stream: &mut Stream<S>) -> Sent {
        if let Work::Sending { body, .. } = std::mem::replace(&mut stream.work, Work::Sent) {
            self.bodies.empty(body);
        }
        Sent::All
    }
}

/// How much of a response is sent.
enum Sent {
    Some,
    All,
    Broken,
}

/// Polls something of a stream. Most of it is ready at once, and needs no waker.
fn poll<T, R>(
    wakes: &Arc<Wakes>,
    id: u32,
    waker: &mut Option<Waker>,
    mut it: Pin<&mut T>,
    mut poll: impl FnMut(Pin<&mut T>, &mut Context<'_>) -> Poll<R>,
) -> Poll<R> {
    if waker.is_none() {
        let ready = poll(it.as_mut(), &mut Context::from_waker(Waker::noop()));
        if ready.is_ready() {
            return ready;
        }
    }
    let waker = waker.get_or_insert_with(|| wakes.waker(id));
    poll(it, &mut Context::from_waker(waker))
}

/// What a body has next; empty pieces are left out.
fn next<B: HttpBody>(mut body: Pin<&mut B>, cx: &mut Context<'_>) -> Poll<Next<B::Data>> {
    loop {
        if body.is_end_stream() {
            return Poll::Ready(Next::End);
        }
        return Poll::Ready(match ready!(body.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) if !data.has_remaining() => continue,
                Ok(data) => Next::Data(data),
                Err(frame) => frame.into_trailers().map_or(Next::End, Next::Trailers),
            },
            Some(Err(_)) => Next::Broken,
            None => Next::End,
        });
    }
}

/// Adds so many bytes of what a body gave. `false`: it has not as many as it said.
fn append(out: &mut Vec<u8>, data: &mut impl Buf, mut length: usize) -> bool {
    while length > 0 {
        let chunk = data.chunk();
        let part = chunk.get(..length).unwrap_or(chunk);
        if part.is_empty() {
            return false;
        }
        out.extend_from_slice(part);
        let taken = part.len();
        data.advance(taken);
        length -= taken;
    }
    true
}
