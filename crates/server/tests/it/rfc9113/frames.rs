//! Builders for HTTP/2 frames, right and wrong ones (RFC 9113 §6), on top of the shared vocabulary.
//!
//! In: fields, lengths and flags, none of them checked. Out: bytes.

pub use crate::h2_frames::*;

pub const PUSH_PROMISE: u8 = 0x5;
pub const WINDOW_UPDATE: u8 = 0x8;
pub const PADDED: u8 = 0x8;
pub const WITH_PRIORITY: u8 = 0x20;

/// The largest frame that the server takes (`SETTINGS_MAX_FRAME_SIZE`, its initial value).
pub const MAX_FRAME: usize = 16_384;

/// A frame whose head says another length than its payload has.
pub fn misstated(length: u32, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    [&length.to_be_bytes()[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A whole request without content.
pub fn headers(stream: u32, block: impl AsRef<[u8]>) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, block.as_ref())
}

/// The head of a request whose content follows.
pub fn open_headers(stream: u32, block: impl AsRef<[u8]>) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, block.as_ref())
}

pub fn data(stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(DATA, 0, stream, payload)
}

pub fn last_data(stream: u32, payload: &[u8]) -> Vec<u8> {
    frame(DATA, END_STREAM, stream, payload)
}

pub fn priority(stream: u32, on: u32) -> Vec<u8> {
    frame(PRIORITY, 0, stream, &[&on.to_be_bytes()[..], &[15]].concat())
}

pub fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

pub fn settings(pairs: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> =
        pairs.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect();
    frame(SETTINGS, 0, 0, &payload)
}

pub fn ping(flags: u8, payload: &[u8]) -> Vec<u8> {
    frame(PING, flags, 0, payload)
}

pub fn goaway_frame(last: u32, code: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last.to_be_bytes(), code.to_be_bytes()].concat())
}

pub fn window(stream: u32, more: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &more.to_be_bytes())
}

pub fn continuation(flags: u8, stream: u32, block: impl AsRef<[u8]>) -> Vec<u8> {
    frame(CONTINUATION, flags, stream, block.as_ref())
}
