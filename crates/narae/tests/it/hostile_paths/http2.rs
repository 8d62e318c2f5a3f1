//! An HTTP/2 client that sends a `:path` byte for byte, which no library would (RFC 9113 §8.3.1, RFC 7541).
//!
//! In: the bytes of a path. Out: status and body, or that the server refused it. One request at a time.

use std::io;
use std::net::SocketAddr;

use crate::wire::Wire;

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const GOAWAY: u8 = 0x7;
const WINDOW_UPDATE: u8 = 0x8;
const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

pub struct Client {
    wire: Wire,
    next_stream: u32,
}

#[derive(Debug)]
pub enum Answer {
    Response {
        status: u16,
        body: Vec<u8>,
    },
    /// The stream was reset: the request is malformed (RFC 9113 §8.1.1).
    Reset,
    /// The connection was ended with an error.
    Ended,
}

impl Client {
    pub fn tls(address: SocketAddr) -> Self {
        let mut wire = Wire::tls(address, b"h2");
        // No table for the server's fields, so that each status stands by itself; a window for all bodies.
        let settings = frame(SETTINGS, 0, 0, b"\x00\x01\x00\x00\x00\x00");
        let window = frame(WINDOW_UPDATE, 0, 0, b"\x3f\xff\x00\x00");
        let preface = [&b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..], &settings, &window].concat();
        wire.send(&preface).unwrap();
        Self { wire, next_stream: 1 }
    }

    pub fn get(&mut self, path: &[u8]) -> io::Result<Answer> {
        let stream = self.next_stream;
        self.next_stream += 2;
        // `:method GET`, `:scheme https`, `:authority a`, `:path`.
        let fields = [b"\x82\x87\x01\x01a\x04", &*length(path.len()), path].concat();
        self.wire.send(&frame(HEADERS, END_STREAM | END_HEADERS, stream, &fields))?;
        let (mut status, mut body) = (0, Vec::new());
        loop {
            let (kind, flags, of, payload) = self.recv()?;
            match kind {
                SETTINGS if flags & ACK == 0 => self.wire.send(&frame(SETTINGS, ACK, 0, &[]))?,
                PING if flags & ACK == 0 => self.wire.send(&frame(PING, ACK, 0, &payload))?,
                GOAWAY => return Ok(Answer::Ended),
                RST_STREAM if of == stream => return Ok(Answer::Reset),
                HEADERS if of == stream => status = read_status(&payload),
                DATA if of == stream => body.extend(payload),
                _ => {}
            }
            if of == stream && matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
                return Ok(Answer::Response { status, body });
            }
        }
    }

    /// Kind, flags, stream and payload of the next frame.
    fn recv(&mut self) -> io::Result<(u8, u8, u32, Vec<u8>)> {
        let head: [u8; 9] = self.wire.take(9)?.try_into().unwrap();
        let [l1, l2, l3, kind, flags, s1, s2, s3, s4] = head;
        let length = u32::from_be_bytes([0, l1, l2, l3]) as usize;
        Ok((kind, flags, u32::from_be_bytes([s1, s2, s3, s4]), self.wire.take(length)?))
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// An integer with a prefix of seven bits (RFC 7541 §5.1), which is also the length of a text that is not coded.
fn length(mut number: usize) -> Vec<u8> {
    if number < 127 {
        return vec![u8::try_from(number).unwrap()];
    }
    let mut bytes = vec![127];
    number -= 127;
    while number >= 128 {
        bytes.push(u8::try_from(number % 128).unwrap() | 0x80);
        number /= 128;
    }
    bytes.push(u8::try_from(number).unwrap());
    bytes
}

/// `:status`, which is the first field: from the static table, or as a text (RFC 7541 §6).
fn read_status(block: &[u8]) -> u16 {
    // Changes of the table's size come before.
    let start = block.iter().position(|byte| byte & 0xe0 != 0x20).unwrap();
    match block[start..] {
        [index @ 0x88..=0x8e, ..] => STATUSES[usize::from(index - 0x88)],
        [0x48 | 0x08 | 0x18, length, ref rest @ ..] => {
            let text = &rest[..usize::from(length & 0x7f)];
            let digits = if length & 0x80 == 0 { text.to_vec() } else { read_digits(text) };
            std::str::from_utf8(&digits).unwrap().parse().unwrap()
        }
        ref other => panic!("no status: {other:x?}"),
    }
}

/// Three digits in the Huffman code of RFC 7541, appendix B: five bits for 0, 1 and 2, else six.
fn read_digits(coded: &[u8]) -> Vec<u8> {
    let bits = coded.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
    let mut left = coded.len() * 8;
    let mut digits = Vec::new();
    while digits.len() < 3 {
        let five = bits >> (left - 5) & 0b1_1111;
        let (length, digit) = if five < 3 { (5, five) } else { (6, (bits >> (left - 6) & 0b11_1111) - 22) };
        left -= length;
        digits.push(b'0' + u8::try_from(digit).unwrap());
    }
    digits
}

/// The statuses of RFC 7541, appendix A, from index 8 on.
const STATUSES: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
