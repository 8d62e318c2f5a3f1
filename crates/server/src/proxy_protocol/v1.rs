//! Version 1 of the PROXY protocol: one line of text (§2.1).
//!
//! In: bytes that begin like one. Out: a header, `None` if more is needed, or a fault.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{Fault, Header, Origin};

pub(super) const START: &[u8] = b"PROXY ";

/// Longest line, CRLF included (§2.1).
const MAX_LINE: usize = 107;

pub(super) fn parse(bytes: &[u8]) -> Result<Option<Header>, Fault> {
    let window = bytes.get(..MAX_LINE.min(bytes.len())).unwrap_or_default();
    let Some(end) = window.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if window.len() == MAX_LINE { Err(Fault::Line) } else { Ok(None) };
    };
    match window.get(end..).unwrap_or_default() {
        [b'\r', b'\n', ..] => {}
        [b'\r'] if window.len() < MAX_LINE => return Ok(None),
        _ => return Err(Fault::Line),
    }
    let fields = window.get(START.len()..end).ok_or(Fault::Fields)?;
    let origin = origin(fields).ok_or(Fault::Fields)?;
    Ok(Some(Header { origin, length: end + 2 }))
}

fn origin(fields: &[u8]) -> Option<Origin> {
    // What follows UNKNOWN is ignored, whatever it is.
    if fields == b"UNKNOWN" || fields.starts_with(b"UNKNOWN ") {
        return Some(Origin::Socket);
    }
    let text = std::str::from_utf8(fields).ok()?;
    let mut words = text.split(' ');
    let family = words.next()?;
    let mut address = || -> Option<IpAddr> {
        let word = words.next()?;
        match family {
            "TCP4" => word.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
            "TCP6" => word.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
            _ => None,
        }
    };
    let (source, destination) = (address()?, address()?);
    let (source_port, destination_port) = (port(words.next()?)?, port(words.next()?)?);
    if words.next().is_some() {
        return None;
    }
    Some(Origin::Tcp {
        source: SocketAddr::new(source.to_canonical(), source_port),
        destination: SocketAddr::new(destination.to_canonical(), destination_port),
    })
}

/// Digits without a sign or leading zeros.
fn port(word: &str) -> Option<u16> {
    let is_plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    if is_plain { word.parse().ok() } else { None }
}
