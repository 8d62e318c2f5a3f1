//! The header block of a response, and of its trailers (RFC 9113 §8.2, §8.3.2).
//!
//! In: the parts of a response that [`settle`](crate::response::settle) has looked at. Out: its block. Pure; never sees
//! streams or a body's bytes.

use http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::response::Parts;
use http::{HeaderMap, StatusCode};

use super::hpack::Encoder;
use crate::date::Clock;

/// Adds the block. `length`: what the body says of itself, if there is one.
pub(super) fn write(
    parts: &Parts,
    length: Option<u64>,
    encoder: &mut Encoder,
    clock: &mut Clock,
    out: &mut Vec<u8>,
) {
    encoder.begin(out);
    encoder.status(parts.status, out);
    let (mut has_date, mut has_length) = (false, false);
    for (name, value) in &parts.headers {
        match *name {
            CONTENT_LENGTH => has_length = true,
            DATE => has_date = true,
            _ if is_of_connection(name) => continue,
            _ => {}
        }
        encoder.field(name, value, out);
    }
    if let Some(length) = length.filter(|_| !has_length) {
        encoder.field(&CONTENT_LENGTH, &HeaderValue::from(length), out);
    }
    if !has_date {
        encoder.field(&DATE, &clock.date(), out);
    }
}

/// Adds the block of an answer that is none yet (RFC 9110 §15.2).
pub(super) fn write_interim(status: StatusCode, encoder: &mut Encoder, out: &mut Vec<u8>) {
    encoder.begin(out);
    encoder.status(status, out);
}

pub(super) fn write_trailers(trailers: &HeaderMap, encoder: &mut Encoder, out: &mut Vec<u8>) {
    encoder.begin(out);
    for (name, value) in trailers {
        if !is_of_connection(name) {
            encoder.field(name, value, out);
        }
    }
}

/// §8.2.2: fields of the connection have no place in a message.
pub(super) fn is_of_connection(name: &HeaderName) -> bool {
    matches!(*name, CONNECTION | TRANSFER_ENCODING | UPGRADE)
        || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}
