//! Requests as they come in: heads, content, trailers (RFC 9113 §6.1, §6.2, §6.10, §8.1).

use std::sync::Arc;

use axum_core::body::Body;
use bytes::BytesMut;
use http::header::EXPECT;

use super::engine::{Block, Engine};
use super::frame::{
    self, COMPRESSION_ERROR, END_HEADERS, END_STREAM, FLOW_CONTROL_ERROR, Head, PROTOCOL_ERROR,
    REFUSED_STREAM, STREAM_CLOSED,
};
use super::inbox::{Broken, Content, Inbox};
use super::request_head::{Fields, Malformed};
use super::stream::{STREAM_WINDOW, Stream, Work};
use crate::application::Application;
use crate::h2_frames::Goodbye;
use crate::incoming::Incoming;

/// Frames in a row that hold padding alone.
const MOST_HOLLOW: u32 = 200;
/// Octets of a header block, as it is sent, in relation to the most that it may stand for.
const MOST_BLOCK: usize = 4;

impl<S> Engine<S>
where
    S: Application,
{
    /// §6.1
    pub(super) fn take_data(&mut self, head: &Head, mut payload: BytesMut) -> Result<(), Goodbye> {
        let id = head.stream;
        if id == 0 || self.block.is_some() {
            return Err(Goodbye::new(PROTOCOL_ERROR, "data where none can be"));
        }
        let Some(()) = frame::cut_padding(head, &mut payload) else {
            return Err(Goodbye::new(PROTOCOL_ERROR, "more padding than payload"));
        };
        self.refuse_idle(id)?;
        // §6.9.1: all of the payload counts, and what nobody reads is given back.
        let length = i64::from(head.length);
        let content = u32::try_from(payload.len()).unwrap_or(head.length);
        let padding = head.length.saturating_sub(content);
        self.recv_window -= length;
        if self.recv_window < 0 {
            return Err(Goodbye::new(FLOW_CONTROL_ERROR, "data beyond the connection's window"));
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            self.returned += head.length;
            self.refuse_closed(id);
            return Ok(());
        };
        stream.recv_window -= length;
        let is_more = stream.missing.is_some_and(|missing| missing < u64::from(content));
        let fault = if stream.has_ended {
            Some(STREAM_CLOSED)
        } else if stream.recv_window < 0 {
            Some(FLOW_CONTROL_ERROR)
        } else {
            is_more.then_some(PROTOCOL_ERROR)
        };
        if let Some(code) = fault {
            self.returned += head.length;
            self.reset(id, code);
            return Ok(());
        }
        stream.missing = stream.missing.map(|missing| missing - u64::from(content));
        self.returned += padding;
        stream.give_back(id, padding, &mut self.out);
        if content == 0 && !head.has(END_STREAM) {
            self.hollow += 1;
            return match self.hollow {
                ..=MOST_HOLLOW => Ok(()),
                _ => Err(Goodbye::calm("too many DATA frames of padding alone")),
            };
        }
        self.hollow = 0;
        if !stream.inbox.as_ref().is_some_and(|inbox| inbox.push(payload)) {
            self.returned += content;
        }
        if head.has(END_STREAM) {
            self.end_request(id, None);
        }
        Ok(())
    }

    /// The request is at its end.
    fn end_request(&mut self, id: u32, trailers: Option<http::HeaderMap>) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.missing.is_some_and(|missing| missing > 0) {
            return self.reset(id, PROTOCOL_ERROR);
        }
        stream.has_ended = true;
        if let Some(inbox) = &stream.inbox {
            inbox.end(trailers);
        }
        if matches!(stream.work, Work::Sent) {
            self.look_at(id);
        }
    }

    /// §6.2
    pub(super) fn take_headers(&mut self, head: &Head, payload: &[u8]) -> Result<(), Goodbye> {
        if head.stream == 0 || head.stream.is_multiple_of(2) {
            return Err(Goodbye::new(PROTOCOL_ERROR, "a head on a stream that is not a client's"));
        }
        let Some(fragment) = head.content(payload) else {
            return Err(Goodbye::new(PROTOCOL_ERROR, "a head that does not hold its padding or priority"));
        };
        let ends_stream = head.has(END_STREAM);
        if head.has(END_HEADERS) {
            return self.take_block(head.stream, ends_stream, fragment);
        }
        self.block = Some(Block { stream: head.stream, ends_stream, bytes: fragment.to_vec() });
        Ok(())
    }

    /// §6.10
    pub(super) fn take_continuation(&mut self, head: &Head, payload: &[u8]) -> Result<(), Goodbye> {
        let Some(block) = &mut self.block else {
            return Err(Goodbye::new(PROTOCOL_ERROR, "a continuation of nothing"));
        };
        block.bytes.extend_from_slice(payload);
        let most = self.shared.context.limits.max_head_bytes.saturating_mul(MOST_BLOCK);
        if block.bytes.len() > most.max(frame::MOST) {
            return Err(Goodbye::calm("a header block that is too long"));
        }
        match self.block.take_if(|_| head.has(END_HEADERS)) {
            Some(block) => self.take_block(block.stream, block.ends_stream, &block.bytes),
            None => Ok(()),
        }
    }

    /// A header block is whole. It is decoded in any case, for both tables must stay the same (§4.3).
    fn take_block(&mut self, id: u32, ends_stream: bool, block: &[u8]) -> Result<(), Goodbye> {
        let most = self.shared.context.limits.max_head_bytes;
        let mut fields = Fields::default();
        if self.decoder.decode(block, |field, size| fields.take(field, size, most)).is_err() {
            return Err(Goodbye::new(COMPRESSION_ERROR, "a header block that cannot be decoded"));
        }
        if id > self.last {
            self.last = id;
            self.open(id, ends_stream, fields);
            return Ok(());
        }
        if let Some(stream) = self.streams.get(&id) {
            if stream.has_ended {
                self.reset(id, STREAM_CLOSED);
            } else {
                self.take_trailers(id, ends_stream, fields);
            }
        } else if self.may_have_been_open(id) {
            self.refuse_closed(id);
        } else {
            // §5.1.1: it was left out, and is closed since.
            return Err(Goodbye::new(PROTOCOL_ERROR, "a stream below the last one"));
        }
        Ok(())
    }

    fn take_trailers(&mut self, id: u32, ends_stream: bool, fields: Fields) {
        // What is more than a head may have is cut, which RFC 9110 §6.5.1 allows.
        match fields.into_trailers() {
            Ok(trailers) if ends_stream => self.end_request(id, Some(trailers)),
            _ => self.reset(id, PROTOCOL_ERROR),
        }
    }

    /// Begins to answer a request.
    fn open(&mut self, id: u32, ends_stream: bool, fields: Fields) {
        let limits = &self.shared.context.limits;
        if self.is_too_late(id) || self.streams.len() >= limits.h2_max_streams as usize {
            return self.refuse(id, REFUSED_STREAM);
        }
        if fields.is_over(limits.max_head_bytes) {
            return self.answer_too_large(id, ends_stream);
        }
        let (request, length) = match fields.into_request(Body::empty()) {
            Ok((_, Some(1..))) if ends_stream => return self.refuse(id, PROTOCOL_ERROR),
            Ok(request) => request,
            Err(Malformed) => return self.refuse(id, PROTOCOL_ERROR),
        };
        let mut answering = self.answers.take();
        let inbox = if ends_stream {
            self.exchange.answer(request, answering.as_mut());
            None
        } else {
            let expects = request.headers().contains_key(EXPECT);
            let inbox = Inbox::new(Arc::clone(&self.wakes), id, length, expects);
            let content = Content::new(Arc::clone(&inbox));
            self.exchange.answer_to(request.map(|_| Incoming::Http2(content)), answering.as_mut());
            Some(inbox)
        };
        let stream = Stream {
            inbox,
            has_ended: ends_stream,
            missing: length,
            recv_window: i64::from(STREAM_WINDOW),
            returned: 0,
            send_window: self.first_window,
            work: Work::Answering(answering),
            waker: None,
            is_queued: false,
        };
        self.go_on(id, stream);
    }

    /// Ends a stream that was never served.
    fn refuse(&mut self, id: u32, code: u32) {
        frame::write_reset(&mut self.out, id, code);
        self.note_closed(id, true);
    }

    /// Ends a stream for the peer's fault.
    pub(super) fn reset(&mut self, id: u32, code: u32) {
        frame::write_reset(&mut self.out, id, code);
        if let Some(stream) = self.streams.remove(&id) {
            self.close(id, &stream, Broken::Malformed, true);
        }
    }
}
