//! A small vocabulary of HTTP/2 frames (RFC 9113 §6), for peers that no client library would play.

use crate::client::{Client, Over};
use crate::site::Site;

pub const DATA: u8 = 0x0;
pub const HEADERS: u8 = 0x1;
pub const PRIORITY: u8 = 0x2;
pub const RST_STREAM: u8 = 0x3;
pub const SETTINGS: u8 = 0x4;
pub const PING: u8 = 0x6;
pub const GOAWAY: u8 = 0x7;
pub const CONTINUATION: u8 = 0x9;

pub const ACK: u8 = 0x1;
pub const END_STREAM: u8 = 0x1;
pub const END_HEADERS: u8 = 0x4;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// HPACK for `:method GET`, `:scheme http`, `:path /`, `:authority a`.
pub const GET: &[u8] = b"\x82\x86\x84\x41\x01a";
/// The same with `:method POST`.
pub const POST: &[u8] = b"\x83\x86\x84\x41\x01a";

#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// A connection after both prefaces, and the server's settings.
pub fn open(site: &Site, over: Over) -> (Client, Vec<(u16, u32)>) {
    let mut client = match over {
        Over::Plain => Client::plain(site),
        Over::Tls => Client::tls(site, &[b"h2"]),
    };
    client.send([PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
    let settings = recv(&mut client);
    assert_eq!(settings.kind, SETTINGS);
    let settings = settings
        .payload
        .chunks(6)
        .map(|pair| {
            let id = u16::from_be_bytes([pair[0], pair[1]]);
            (id, u32::from_be_bytes([pair[2], pair[3], pair[4], pair[5]]))
        })
        .collect();
    (client, settings)
}

pub fn recv(client: &mut Client) -> Frame {
    let head = client.take(9);
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
    Frame {
        kind: head[3],
        flags: head[4],
        stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
        payload: client.take(length),
    }
}

/// Reads on until a frame of `kind`.
pub fn recv_kind(client: &mut Client, kind: u8) -> Frame {
    loop {
        let frame = recv(client);
        if frame.kind == kind {
            return frame;
        }
    }
}

/// The error code of a RST_STREAM.
pub fn reset_code(frame: &Frame) -> u32 {
    assert_eq!(frame.kind, RST_STREAM);
    u32::from_be_bytes(frame.payload[..4].try_into().unwrap())
}

/// The last stream and the error code of a GOAWAY.
pub fn goaway(frame: &Frame) -> (u32, u32) {
    assert_eq!(frame.kind, GOAWAY);
    let word = |at: usize| u32::from_be_bytes(frame.payload[at..at + 4].try_into().unwrap());
    (word(0), word(4))
}
