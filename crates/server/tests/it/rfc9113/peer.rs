//! A scripted HTTP/2 peer: sends bytes, then asks for something harmless, and notes what comes until that is
//! answered.
//!
//! The harmless request (on [`PROBE`]) and a `PING` after it replace any waiting: when both are answered, the
//! server has done whatever it does about the bytes before.

use std::fmt;
use std::io::ErrorKind;

use crate::client::{Client, Over};
use crate::site::Site;

use super::Start;
use super::block::{Block, read_status};
use super::frames::*;

/// The stream of the harmless request. Cases use streams below it.
pub const PROBE: u32 = 1001;

/// What a server can do about bytes that it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Goaway(u32),
    /// The end of the connection without a `GOAWAY` before it.
    Closed,
    /// An answer in HTTP/1.1.
    Http1,
    Reset(u32, u32),
    Status(u32, u16),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Goaway(error) => write!(f, "GOAWAY {}", name_of(*error)),
            Self::Closed => f.write_str("closed"),
            Self::Http1 => f.write_str("HTTP/1.1"),
            Self::Reset(stream, error) => write!(f, "{stream}: RST_STREAM {}", name_of(*error)),
            Self::Status(stream, status) => write!(f, "{stream}: {status}"),
        }
    }
}

/// The error codes of RFC 9113 §7, in their order.
const CODES: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

pub fn name_of(code: u32) -> String {
    CODES.get(code as usize).map_or_else(|| format!("{code:#x}"), |name| (*name).to_owned())
}

/// Preface and settings of a client that keeps no table, so that each status stands by itself.
pub fn opening() -> Vec<u8> {
    [PREFACE, &settings(&[(1, 0)])].concat()
}

pub fn connect(site: &Site, over: Over) -> Client {
    match over {
        Over::Plain => Client::plain(site),
        Over::Tls => Client::tls(site, &[b"h2"]),
    }
}

/// A connection on which both sides have each other's settings, and the server has opened its window.
pub fn open(site: &Site, over: Over) -> Client {
    let mut client = connect(site, over);
    client.send(opening());
    let settings = recv(&mut client);
    assert_eq!((settings.kind, settings.flags, settings.stream), (SETTINGS, 0, 0), "the server's preface");
    client.send(frame(SETTINGS, ACK, 0, &[]));
    let (mut has_window, mut has_ack) = (false, false);
    while !(has_window && has_ack) {
        let frame = recv(&mut client);
        has_window |= frame.kind == WINDOW_UPDATE;
        has_ack |= frame.kind == SETTINGS;
    }
    client
}

/// Sends `bytes` and the harmless request, and gives what came before both were answered, as text.
pub fn play(site: &Site, over: Over, start: Start, bytes: &[u8]) -> String {
    let mut client = match start {
        Start::Nothing => connect(site, over),
        Start::Opened => open(site, over),
    };
    let probe = [bytes, &headers(PROBE, Block::get("/")), &ping(0, b"the end.")].concat();
    // A server that has closed already is seen when reading.
    let _ = client.try_send(&probe);
    let events = watch(&mut client);
    if events.is_empty() {
        return "nothing".to_owned();
    }
    events.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn watch(client: &mut Client) -> Vec<Event> {
    let (mut events, mut probe, mut pong) = (Vec::new(), false, false);
    while let Some(frame) = next(client) {
        match frame.kind {
            // "HTTP/1.1 " where a frame's head should be.
            b'P' if frame.flags == b'/' => {
                events.push(Event::Http1);
                return events;
            }
            GOAWAY => {
                events.push(Event::Goaway(goaway(&frame).1));
                // The connection must end now, or this reads until the client's patience is over.
                while next(client).is_some() {}
                return events;
            }
            RST_STREAM => events.push(Event::Reset(frame.stream, reset_code(&frame))),
            HEADERS if frame.stream == PROBE => probe = true,
            HEADERS => events.push(Event::Status(frame.stream, read_status(&frame.payload))),
            PING if frame.flags & ACK != 0 && frame.payload == b"the end." => pong = true,
            _ => {}
        }
        if probe && pong {
            // Whatever the turn of these two left unsent is sent before this is answered.
            let _ = client.try_send(&ping(0, b"the end!"));
            return settle(client, events);
        }
    }
    events.push(Event::Closed);
    events
}

/// Reads until the last `PING` is answered.
fn settle(client: &mut Client, mut events: Vec<Event>) -> Vec<Event> {
    while let Some(frame) = next(client) {
        match frame.kind {
            PING if frame.payload == b"the end!" => return events,
            GOAWAY => events.push(Event::Goaway(goaway(&frame).1)),
            RST_STREAM => events.push(Event::Reset(frame.stream, reset_code(&frame))),
            HEADERS => events.push(Event::Status(frame.stream, read_status(&frame.payload))),
            _ => {}
        }
    }
    events.push(Event::Closed);
    events
}

/// The next frame; `None` at the end of the connection. Silence is a failure: something was always asked for.
pub fn next(client: &mut Client) -> Option<Frame> {
    let head = take(client, 9)?;
    if head.starts_with(b"HTTP/1.1 ") {
        return Some(Frame { kind: b'P', flags: b'/', stream: 0, payload: Vec::new() });
    }
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    Some(Frame {
        kind: head[3],
        flags: head[4],
        stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
        payload: take(client, length)?,
    })
}

fn take(client: &mut Client, length: usize) -> Option<Vec<u8>> {
    match client.try_take(length) {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            let is_silence = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
            assert!(!is_silence, "neither an answer nor an end");
            None
        }
    }
}
