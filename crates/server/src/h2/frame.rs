//! Frames: their heads, what their flags say, error codes, and how the server writes its own (RFC 9113 §4.1, §6, §7).
//!
//! In and out: bytes. Pure; knows no streams.

use bytes::{Buf, BytesMut};

/// Length of a frame's head.
pub(crate) const HEAD: usize = 9;
/// The longest payload that is taken, and sent: what every receiver takes (§4.2).
pub(crate) const MOST: usize = 16_384;

pub(crate) const DATA: u8 = 0x0;
pub(crate) const HEADERS: u8 = 0x1;
pub(crate) const PRIORITY: u8 = 0x2;
pub(crate) const RST_STREAM: u8 = 0x3;
pub(crate) const SETTINGS: u8 = 0x4;
pub(crate) const PUSH_PROMISE: u8 = 0x5;
pub(crate) const PING: u8 = 0x6;
pub(crate) const GOAWAY: u8 = 0x7;
pub(crate) const WINDOW_UPDATE: u8 = 0x8;
pub(crate) const CONTINUATION: u8 = 0x9;

pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const WITH_PRIORITY: u8 = 0x20;

/// Error codes (§7).
pub(crate) const NO_ERROR: u32 = 0x0;
pub(crate) const PROTOCOL_ERROR: u32 = 0x1;
pub(crate) const INTERNAL_ERROR: u32 = 0x2;
pub(crate) const FLOW_CONTROL_ERROR: u32 = 0x3;
pub(crate) const STREAM_CLOSED: u32 = 0x5;
pub(crate) const FRAME_SIZE_ERROR: u32 = 0x6;
pub(crate) const REFUSED_STREAM: u32 = 0x7;
pub(crate) const COMPRESSION_ERROR: u32 = 0x9;
pub(crate) const ENHANCE_YOUR_CALM: u32 = 0xb;

/// The head of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// Of the payload.
    pub(crate) length: u32,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl Head {
    /// The head that `bytes` begin with, if all of it is there.
    pub(crate) fn peek(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, s0, s1, s2, s3] = *bytes.first_chunk::<HEAD>()?;
        Some(Self {
            length: u32::from_be_bytes([0, a, b, c]),
            kind,
            flags,
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff,
        })
    }

    /// Of the whole frame.
    pub(crate) fn end(&self) -> usize {
        HEAD + self.length as usize
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// What a payload holds besides its padding and its priority. `None`: they do not fit (§6.1, §6.2).
    pub(crate) fn content<'a>(&self, payload: &'a [u8]) -> Option<&'a [u8]> {
        let (padding, mut rest) = match self.has(PADDED) {
            true => payload.split_first().map(|(padding, rest)| (usize::from(*padding), rest))?,
            false => (0, payload),
        };
        if self.kind == HEADERS && self.has(WITH_PRIORITY) {
            rest = rest.get(5..)?;
        }
        rest.get(..rest.len().checked_sub(padding)?)
    }
}

/// As [`Head::content`], of a payload of its own.
pub(crate) fn cut_padding(head: &Head, payload: &mut BytesMut) -> Option<()> {
    let content = head.content(payload)?.len();
    if head.has(PADDED) {
        payload.advance(1);
    }
    payload.truncate(content);
    Some(())
}

/// The 31 bits of a number behind a reserved bit.
pub(crate) fn number(payload: &[u8]) -> u32 {
    payload.first_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes)) & 0x7fff_ffff
}

/// Three octets, of a length below 2^24.
fn octets(length: usize) -> [u8; 3] {
    let [.., a, b, c] = length.to_be_bytes();
    [a, b, c]
}

/// Adds the head of a frame. `length` < 2^24.
pub(crate) fn write_head(out: &mut Vec<u8>, length: usize, kind: u8, flags: u8, stream: u32) {
    let [a, b, c] = octets(length);
    let [s0, s1, s2, s3] = stream.to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags, s0, s1, s2, s3]);
}

pub(crate) fn write_reset(out: &mut Vec<u8>, stream: u32, code: u32) {
    write_head(out, 4, RST_STREAM, 0, stream);
    out.extend_from_slice(&code.to_be_bytes());
}

pub(crate) fn write_window(out: &mut Vec<u8>, stream: u32, increment: u32) {
    write_head(out, 4, WINDOW_UPDATE, 0, stream);
    out.extend_from_slice(&increment.to_be_bytes());
}

pub(crate) fn write_ping(out: &mut Vec<u8>, flags: u8, payload: &[u8]) {
    write_head(out, 8, PING, flags, 0);
    out.extend_from_slice(payload);
}

/// `why`: a word for people.
pub(crate) fn write_goaway(out: &mut Vec<u8>, last_stream: u32, code: u32, why: &str) {
    write_head(out, 8 + why.len(), GOAWAY, 0, 0);
    out.extend_from_slice(&last_stream.to_be_bytes());
    out.extend_from_slice(&code.to_be_bytes());
    out.extend_from_slice(why.as_bytes());
}

pub(crate) fn write_settings(out: &mut Vec<u8>, parameters: &[(u16, u32)]) {
    write_head(out, parameters.len() * 6, SETTINGS, 0, 0);
    for (id, value) in parameters {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
    }
}

/// Frames a header block that `write` adds: `HEADERS`, and `CONTINUATION` if it is longer than the peer takes.
pub(crate) fn write_block(
    out: &mut Vec<u8>,
    stream: u32,
    ends_stream: bool,
    most: usize,
    write: impl FnOnce(&mut Vec<u8>),
) {
    let start = out.len();
    let ends_stream = if ends_stream { END_STREAM } else { 0 };
    write_head(out, 0, HEADERS, END_HEADERS | ends_stream, stream);
    write(out);
    let length = out.len() - start - HEAD;
    if length <= most {
        if let Some(place) = out.get_mut(start..start + 3) {
            place.copy_from_slice(&octets(length));
        }
        return;
    }
    let block = out.split_off(start + HEAD);
    out.truncate(start);
    let pieces = block.len().div_ceil(most);
    for (index, piece) in block.chunks(most).enumerate() {
        let ends_block = if index + 1 == pieces { END_HEADERS } else { 0 };
        match index {
            0 => write_head(out, piece.len(), HEADERS, ends_block | ends_stream, stream),
            _ => write_head(out, piece.len(), CONTINUATION, ends_block, stream),
        }
        out.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_as_it_is_written() {
        let mut out = Vec::new();
        write_head(&mut out, 0x01_02_03, HEADERS, END_STREAM, 0x8000_0007);
        let head = Head::peek(&out).unwrap();
        assert_eq!((head.length, head.kind, head.flags, head.stream), (0x01_02_03, HEADERS, END_STREAM, 7));
        assert!(Head::peek(&out[..8]).is_none());
    }

    #[test]
    fn a_block_that_is_too_long_is_continued() {
        let mut out = Vec::new();
        write_block(&mut out, 3, true, 10, |out| out.extend_from_slice(&[7; 25]));
        let mut rest = &out[..];
        let mut frames = Vec::new();
        while let Some(head) = Head::peek(rest) {
            frames.push((head.kind, head.flags, head.length));
            rest = &rest[head.end()..];
        }
        assert!(rest.is_empty());
        let want = [(HEADERS, END_STREAM, 10), (CONTINUATION, 0, 10), (CONTINUATION, END_HEADERS, 5)];
        assert_eq!(frames, want);
    }
}
