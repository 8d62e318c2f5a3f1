//! Owns the bodies of answers: nothing, bytes at hand, parts of an open file, or several of these (RFC 9110 §6.4).
//!
//! In: bytes, and an open file with the parts to send. Out: frames, one chunk at a time, exactly as many bytes as
//! announced or an error. Must not know headers; never holds more than one chunk of a file.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use crate::{
    chunk::{self, Chunk},
    offload::{Offloaded, offload},
    open_file::{Change, OpenFile, Pace, ReadFault},
};

/// The body of an answer of [`Files`](crate::Files).
///
/// Its size hint is exact: the bytes that are still to come. Only the answers that must not have a length at all
/// (`204` and `304`, RFC 9110 §8.6) give no hint, so that nothing on the way adds `Content-Length: 0` to them.
///
/// # Errors
///
/// A frame is an error when the file became shorter than announced
/// ([`UnexpectedEof`](io::ErrorKind::UnexpectedEof)), when it was written to in place, so that the rest would belong to
/// another state of it ([`InvalidData`](io::ErrorKind::InvalidData)), or when the file system failed. The body ends
/// there; the connection must not be used as if it were whole. A file that grows is sent at its announced length,
/// and one that is replaced or removed is sent as it was.
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
    Several(VecDeque<Segment>),
}

/// A piece of a body that has several.
#[derive(Debug)]
pub(crate) enum Segment {
    Bytes(Bytes),
    Part(Part),
}

/// A part of an open file on its way.
#[derive(Debug)]
pub(crate) struct Part {
    file: Arc<OpenFile>,
    // position <= end
    position: u64,
    end: u64,
    witness: Witness,
    reading: Option<Offloaded<(Result<Bytes, ReadFault>, Witness)>>,
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

    pub(crate) fn part(part: Part) -> Self {
        Self { content: Content::Part(Box::new(part)) }
    }

    pub(crate) fn several(segments: impl IntoIterator<Item = Segment>) -> Self {
        let segments = segments.into_iter().filter(|segment| segment.len() > 0).collect();
        Self { content: Content::Several(segments) }
    }
}

impl Segment {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Part(part) => part.len(),
        }
    }
}

impl Part {
    /// The bytes `start..end` of `file`, read as they are asked for.
    pub(crate) fn new(file: Arc<OpenFile>, start: u64, end: u64) -> Self {
        Self { file, position: start, end: end.max(start), witness: None, reading: None }
    }

    fn len(&self) -> u64 {
        self.end - self.position
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ReadFault>>> {
        let chunk = if let Some(reading) = &mut self.reading {
            let result = ready!(reading.poll_result(cx));
            self.reading = None;
            let (chunk, witness) = result.unwrap_or((Err(ReadFault::WouldWait), None));
            self.witness = witness;
            chunk
        } else {
            let len = next_chunk(self.position, self.end, chunk::best_size());
            if len == 0 {
                return Poll::Ready(None);
            }
            match read(&self.file, &mut self.witness, self.position, len, Pace::NoWait) {
                Err(ReadFault::WouldWait) => {
                    let (file, position, end) = (Arc::clone(&self.file), self.position, self.end);
                    let mut witness = self.witness.take();
                    self.reading = Some(offload(move || {
                        let chunk = read(&file, &mut witness, position, len, Pace::MayWait);
                        let next = position.saturating_add(len as u64);
                        file.read_ahead(next, READ_AHEAD_BYTES.min(end.saturating_sub(next)));
                        (chunk, witness)
                    }));
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

/// A piece of the file as it was when its first chunk was read: what a file still holds to which something was appended,
/// and hardly one that was written anew.
type Witness = Option<Box<[u8]>>;

fn read(
    file: &OpenFile,
    witness: &mut Witness,
    position: u64,
    len: usize,
    pace: Pace,
) -> Result<Bytes, ReadFault> {
    let mut chunk = Chunk::with_len(len);
    file.read(position, chunk.as_mut(), pace)?;
    let begin = |pace| {
        let mut begin = vec![0; usize::try_from(file.len()).unwrap_or(usize::MAX).min(WITNESS_BYTES)];
        file.read(0, &mut begin, pace).map(|()| begin.into_boxed_slice())
    };
    if witness.is_none() {
        *witness = Some(begin(pace)?);
    }
    match file.change()? {
        Change::None => Ok(chunk.into_bytes()),
        Change::Grown if *witness == Some(begin(pace)?) => Ok(chunk.into_bytes()),
        Change::Shrunk => Err(ReadFault::Shrunk),
        Change::Grown | Change::Rewritten => Err(ReadFault::Rewritten),
    }
}

/// Chunks end at multiples of their size, so that no page is read twice.
fn next_chunk(position: u64, end: u64, size: u64) -> usize {
    let aligned = size - position % size;
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
            Content::Several(segments) => {
                let frame = match segments.front_mut() {
                    None => return Poll::Ready(None),
                    Some(Segment::Bytes(bytes)) => Ok(std::mem::take(bytes)),
                    Some(Segment::Part(part)) => match ready!(part.poll_chunk(cx)) {
                        Some(chunk) => chunk,
                        None => Ok(Bytes::new()),
                    },
                };
                if frame.is_err() {
                    segments.clear();
                } else if segments.front().is_some_and(|segment| segment.len() == 0) {
                    segments.pop_front();
                }
                Poll::Ready(Some(frame.map(Frame::data).map_err(io_error)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Absent => true,
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Part(part) => part.len() == 0,
            Content::Several(segments) => segments.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Absent => SizeHint::default(),
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Part(part) => SizeHint::with_exact(part.len()),
            Content::Several(segments) => SizeHint::with_exact(segments.iter().map(Segment::len).sum()),
        }
    }
}

fn io_error(fault: ReadFault) -> io::Error {
    match fault {
        ReadFault::Shrunk => {
            io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was sent")
        }
        ReadFault::Rewritten => {
            io::Error::new(io::ErrorKind::InvalidData, "the file was written to while it was sent")
        }
        ReadFault::WouldWait => io::Error::other("the runtime stopped before the file was read"),
        ReadFault::Failed(errno) => {
            tracing::error!("static files: cannot read an open file: {errno}");
            errno.into()
        }
    }
}

const WITNESS_BYTES: usize = 4096;
// What the system may fetch while a chunk is sent.
const READ_AHEAD_BYTES: u64 = 512 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_end_at_multiples_of_their_size_and_at_the_end() {
        const SIZE: u64 = 65_536;
        assert_eq!(next_chunk(0, 10, SIZE), 10);
        assert_eq!(next_chunk(0, SIZE * 2, SIZE), 65_536);
        assert_eq!(next_chunk(1, SIZE * 2, SIZE), 65_535);
        assert_eq!(next_chunk(SIZE * 3 - 1, SIZE * 9, SIZE), 1);
        assert_eq!(next_chunk(5, 5, SIZE), 0);
        assert_eq!(next_chunk(u64::MAX, u64::MAX, SIZE), 0);
    }
}
