//! Owns the bodies of answers: nothing, bytes at hand, or a part of an open file (RFC 9110 §6.4).
//!
//! In: an open file and the part to send. Out: frames, one chunk at a time, exactly as many bytes as announced
//! or an error. Must not know headers; never holds more than one chunk in memory.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::{
    offload::{Offloaded, offload},
    open_file::{OpenFile, Pace, ReadFault},
};

/// The body of an answer of [`Files`](crate::Files).
///
/// Its size hint is exact: the bytes that are still to come. Only the answers that must not have a length at all
/// (`204` and `304`, RFC 9110 §8.6) give no hint, so that nothing on the way adds `Content-Length: 0` to them.
///
/// # Errors
///
/// A frame is an error when the file became shorter than announced
/// ([`UnexpectedEof`](io::ErrorKind::UnexpectedEof)) or the file system failed. The body ends there; the
/// connection must not be used as if it were whole. A file that grows is sent at its announced length.
#[derive(Debug)]
pub struct Body {
    content: Content,
}

#[derive(Debug)]
enum Content {
    Absent,
    /// Empty once sent.
    Whole(Bytes),
    Part(Box<Part>),
}

#[derive(Debug)]
struct Part {
    file: Arc<OpenFile>,
    // position <= end
    position: u64,
    end: u64,
    reading: Option<Offloaded<Result<Bytes, ReadFault>>>,
}

impl Body {
    /// For statuses that have no body and no length.
    pub(crate) fn absent() -> Self {
        Self { content: Content::Absent }
    }

    pub(crate) fn empty() -> Self {
        Self::whole(Bytes::new())
    }

    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { content: Content::Whole(bytes) }
    }

    /// The bytes `start..end` of `file`, read as they are asked for.
    pub(crate) fn part(file: OpenFile, start: u64, end: u64) -> Self {
        let part = Part { file: Arc::new(file), position: start, end: end.max(start), reading: None };
        Self { content: Content::Part(Box::new(part)) }
    }
}

impl Part {
    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadFault>>> {
        let chunk = if let Some(reading) = &mut self.reading {
            let result = ready!(reading.poll_result(cx));
            self.reading = None;
            result.unwrap_or(Err(ReadFault::WouldWait))
        } else {
            let len = next_chunk(self.position, self.end);
            if len == 0 {
                return Poll::Ready(None);
            }
            match self.file.read(self.position, len, Pace::NoWait) {
                Err(ReadFault::WouldWait) => {
                    let (file, position) = (Arc::clone(&self.file), self.position);
                    self.reading = Some(offload(move || file.read(position, len, Pace::MayWait)));
                    return self.poll_chunk(cx);
                }
                decided => decided,
            }
        };
        match &chunk {
            Ok(bytes) => self.position += bytes.len() as u64,
            Err(_) => self.position = self.end,
        }
        Poll::Ready(Some(chunk))
    }
}

/// Chunks end at multiples of their size, so that no page is read twice.
fn next_chunk(position: u64, end: u64) -> usize {
    let aligned = CHUNK_BYTES - position % CHUNK_BYTES;
    usize::try_from(aligned.min(end - position)).unwrap_or_default()
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match &mut self.get_mut().content {
            Content::Absent => Poll::Ready(None),
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Part(part) => {
                let chunk = ready!(part.poll_chunk(cx));
                Poll::Ready(chunk.map(|chunk| chunk.map(Frame::data).map_err(io_error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Absent => true,
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Part(part) => part.position == part.end,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Absent => SizeHint::default(),
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Part(part) => SizeHint::with_exact(part.end - part.position),
        }
    }
}

fn io_error(fault: ReadFault) -> io::Error {
    match fault {
        ReadFault::Shrunk => {
            io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was sent")
        }
        ReadFault::WouldWait => io::Error::other("the runtime stopped before the file was read"),
        ReadFault::Failed(errno) => {
            tracing::error!("static files: cannot read an open file: {errno}");
            errno.into()
        }
    }
}

// One chunk is all that a connection holds of a file.
const CHUNK_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_end_at_multiples_of_their_size_and_at_the_end() {
        assert_eq!(next_chunk(0, 10), 10);
        assert_eq!(next_chunk(0, CHUNK_BYTES * 2), 65_536);
        assert_eq!(next_chunk(1, CHUNK_BYTES * 2), 65_535);
        assert_eq!(next_chunk(CHUNK_BYTES * 3 - 1, CHUNK_BYTES * 9), 1);
        assert_eq!(next_chunk(5, 5), 0);
        assert_eq!(next_chunk(u64::MAX, u64::MAX), 0);
    }
}
