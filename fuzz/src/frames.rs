//! HTTP/2 frames: [`judge`] reads what a server sent, strictly; [`count`] what a peer sent; [`compose`] makes frames
//! of random bytes, so that they get beyond the first (RFC 9113).
//!
//! In: bytes. Out: counts, or bytes.

use std::collections::HashSet;

/// The client's preface.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0x0;
pub const HEADERS: u8 = 0x1;
pub const RST_STREAM: u8 = 0x3;
pub const SETTINGS: u8 = 0x4;
pub const PUSH_PROMISE: u8 = 0x5;
pub const PING: u8 = 0x6;
pub const GOAWAY: u8 = 0x7;
pub const WINDOW_UPDATE: u8 = 0x8;
pub const CONTINUATION: u8 = 0x9;

const END_STREAM: u8 = 0x1;
const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

/// What a peer sent, as far as it bounds what the server may say.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    pub headers: usize,
    pub settings: usize,
    pub pings: usize,
    /// Bytes of content that the server may send.
    pub window: u64,
    /// The largest frame that the server may send.
    pub max_frame: usize,
}

/// A frame.
#[derive(Clone, Copy, Debug)]
struct Frame<'a> {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: &'a [u8],
}

/// The first frame of `rest`, which goes on behind it. `None`: it is not whole.
fn next<'a>(rest: &mut &'a [u8]) -> Option<Frame<'a>> {
    let ([a, b, c, kind, flags, s0, s1, s2, s3], after) = rest.split_first_chunk()?;
    let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
    let (payload, after) = after.split_at_checked(length)?;
    *rest = after;
    let stream = u32::from_be_bytes([*s0, *s1, *s2, *s3]);
    Some(Frame { kind: *kind, flags: *flags, stream, payload })
}

/// Counts the frames behind a preface.
pub fn count(input: &[u8]) -> Sent {
    let mut sent = Sent { window: 65_535, max_frame: 16_384, ..Sent::default() };
    let mut rest = input.strip_prefix(PREFACE).unwrap_or_default();
    while let Some(frame) = next(&mut rest) {
        let is_ack = frame.flags & ACK != 0;
        match frame.kind {
            HEADERS => sent.headers += 1,
            SETTINGS if !is_ack => {
                sent.settings += 1;
                for pair in frame.payload.chunks_exact(6) {
                    if pair[..2] == [0, 5] {
                        let size = u32::from_be_bytes([pair[2], pair[3], pair[4], pair[5]]);
                        sent.max_frame = sent.max_frame.max(size as usize);
                    }
                }
            }
            PING if !is_ack => sent.pings += 1,
            WINDOW_UPDATE if frame.stream & 0x7fff_ffff == 0 => {
                if let Ok(increment) = frame.payload.try_into() {
                    sent.window += u64::from(u32::from_be_bytes(increment) & 0x7fff_ffff);
                }
            }
            _ => {}
        }
    }
    // A head that is not whole counts for the server as soon as its block is.
    sent
}

/// Reads all that the server sent to a peer that sent `sent`. How many answers it began.
pub fn judge(output: &[u8], sent: &Sent) -> usize {
    let mut rest = output;
    let mut said = Said::default();
    while let Some(frame) = next(&mut rest) {
        said.hear(frame, sent);
    }
    assert!(rest.is_empty(), "a frame that was cut: {}", rest.escape_ascii());
    assert!(said.block.is_none(), "a header block that was cut");
    said.begun.len()
}

/// What the server said so far.
#[derive(Default)]
struct Said {
    frames: usize,
    /// Streams with an answer.
    begun: HashSet<u32>,
    /// Streams on which the server may send nothing more.
    ended: HashSet<u32>,
    /// The stream whose header block is under way, and whether it is the stream's end.
    block: Option<(u32, bool)>,
    settings_acked: usize,
    pings_acked: usize,
    data: u64,
    /// The last stream that `GOAWAY` named.
    last_stream: Option<u32>,
    /// The connection's end was told with an error.
    is_over: bool,
}

impl Said {
    fn hear(&mut self, frame: Frame<'_>, sent: &Sent) {
        assert!(!self.is_over, "more after GOAWAY with an error: {frame:?}");
        assert!(frame.payload.len() <= sent.max_frame, "a frame of {} bytes", frame.payload.len());
        assert!(frame.stream >> 31 == 0, "the reserved bit: {frame:?}");
        let is_ack = frame.flags & ACK != 0;
        if self.frames == 0 {
            assert!(frame.kind == SETTINGS && !is_ack, "the first frame: {frame:?}");
        }
        self.frames += 1;
        match self.block {
            Some((stream, _)) => assert!(frame.kind == CONTINUATION && frame.stream == stream, "{frame:?}"),
            None => assert_ne!(frame.kind, CONTINUATION, "{frame:?}"),
        }
        let is_of_connection = matches!(frame.kind, SETTINGS | PING | GOAWAY);
        assert!(frame.kind == WINDOW_UPDATE || is_of_connection == (frame.stream == 0), "{frame:?}");
        match frame.kind {
            DATA | HEADERS => {
                assert!(!self.ended.contains(&frame.stream), "more on a stream that has ended: {frame:?}");
                let ends = frame.flags & END_STREAM != 0;
                if frame.kind == HEADERS {
                    self.begun.insert(frame.stream);
                    self.block = Some((frame.stream, ends));
                    self.hear_block(frame.flags);
                } else {
                    assert!(self.begun.contains(&frame.stream), "content before its head: {frame:?}");
                    assert_eq!(frame.flags & !END_STREAM, 0, "{frame:?}");
                    self.data += frame.payload.len() as u64;
                    assert!(self.data <= sent.window, "more than the window: {}", self.data);
                    self.end(frame.stream, ends);
                }
            }
            CONTINUATION => self.hear_block(frame.flags),
            RST_STREAM => {
                assert_eq!(frame.payload.len(), 4);
                self.end(frame.stream, true);
            }
            SETTINGS if is_ack => {
                assert!(frame.payload.is_empty());
                self.settings_acked += 1;
                assert!(self.settings_acked <= sent.settings, "an acknowledgement too many");
            }
            SETTINGS => assert_eq!((frame.payload.len() % 6, self.frames), (0, 1)),
            PING => {
                assert_eq!(frame.payload.len(), 8);
                if is_ack {
                    self.pings_acked += 1;
                    assert!(self.pings_acked <= sent.pings, "an acknowledgement too many");
                }
            }
            WINDOW_UPDATE => {
                let increment = frame.payload.try_into().map(u32::from_be_bytes).expect("four bytes");
                assert!((1..1 << 31).contains(&increment), "{increment}");
            }
            GOAWAY => self.hear_goodbye(frame.payload),
            other => panic!("a frame of type {other}"),
        }
    }

    fn hear_block(&mut self, flags: u8) {
        if flags & END_HEADERS != 0
            && let Some((stream, ends)) = self.block.take()
        {
            self.end(stream, ends);
        }
    }

    fn end(&mut self, stream: u32, ends: bool) {
        if ends {
            self.ended.insert(stream);
        }
    }

    fn hear_goodbye(&mut self, payload: &[u8]) {
        let Some(([s0, s1, s2, s3, c0, c1, c2, c3], _)) = payload.split_first_chunk() else {
            panic!("GOAWAY of {} bytes", payload.len())
        };
        let stream = u32::from_be_bytes([*s0, *s1, *s2, *s3]);
        assert!(self.last_stream.is_none_or(|last| stream <= last), "GOAWAY takes streams back");
        self.last_stream = Some(stream);
        self.is_over = u32::from_be_bytes([*c0, *c1, *c2, *c3]) != 0;
    }
}

/// Makes a preface, settings and frames of random bytes: two bytes choose what comes, as many follow as it needs.
pub fn compose(mut bytes: &[u8]) -> Vec<u8> {
    let mut frames = PREFACE.to_vec();
    push(&mut frames, SETTINGS, 0, 0, &[]);
    let mut newest = 0;
    while let Some(([what, how], rest)) = bytes.split_first_chunk() {
        let (what, how) = (*what, *how);
        bytes = rest;
        let stream = if how & 0x80 == 0 { newest } else { u32::from(how >> 3 & 7) };
        let mut take = |most: usize| {
            let (taken, rest) = bytes.split_at(most.min(bytes.len()));
            bytes = rest;
            taken
        };
        match what % 16 {
            // A request whose head is good, on a new stream; what follows it is up to the fuzzer.
            kind @ 0..=3 => {
                newest += if newest == 0 { 1 } else { 2 };
                let path = PATHS[usize::from(what >> 4) % PATHS.len()];
                let extra = take(if kind == 3 { usize::from(how >> 2 & 31) } else { 0 });
                let block =
                    [METHODS[usize::from(how >> 2) % METHODS.len()], SCHEME, &literal(4, path), HOST, extra];
                let flags = if how & 1 == 0 { END_STREAM } else { 0 };
                let ends = if how & 2 == 0 { END_HEADERS } else { 0 };
                push(&mut frames, HEADERS, flags | ends, newest, &block.concat());
            }
            4 | 5 => {
                let content = take(usize::from(what >> 4) * 8);
                push(&mut frames, DATA, how & END_STREAM, stream, content);
            }
            6 => push(&mut frames, DATA, how & END_STREAM, stream, &vec![b'd'; usize::from(what >> 4) * 200]),
            7 => push(&mut frames, RST_STREAM, 0, stream, &[0, 0, 0, how & 15]),
            8 => {
                let stream = if how & 1 == 0 { 0 } else { stream };
                push(&mut frames, WINDOW_UPDATE, 0, stream, &(1_u32 << (what >> 3)).to_be_bytes());
            }
            9 => {
                let setting = [0, how & 7, 0, what >> 6, *take(1).first().unwrap_or(&0), 0];
                push(&mut frames, SETTINGS, 0, 0, &setting);
            }
            10 => push(&mut frames, PING, how & ACK, 0, &[how; 8]),
            11 => push(&mut frames, CONTINUATION, how & END_HEADERS, stream, take(usize::from(what >> 4))),
            12 => push(&mut frames, GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, how & 15]),
            13 => {
                let block = take(usize::from(what >> 4) * 4);
                push(&mut frames, HEADERS, how & 0x2d, stream + 2 * u32::from(how >> 1 & 1), block);
            }
            // Any frame of any length that is true.
            14 => {
                let payload = take(usize::from(what >> 4) * 2);
                push(&mut frames, how & 15, *take(1).first().unwrap_or(&0), stream, payload);
            }
            // No frame at all.
            _ => frames.extend_from_slice(take(usize::from(what >> 4))),
        }
    }
    frames
}

fn push(frames: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).expect("a short frame");
    frames.extend_from_slice(&length.to_be_bytes()[1..]);
    frames.extend_from_slice(&[kind, flags]);
    frames.extend_from_slice(&stream.to_be_bytes());
    frames.extend_from_slice(payload);
}

/// A field that no table keeps, whose name is in the static table (RFC 7541 §6.2.2).
fn literal(name: u8, value: &str) -> Vec<u8> {
    let length = u8::try_from(value.len()).expect("a short value");
    [&[name, length], value.as_bytes()].concat()
}

/// `:method`: GET, POST, HEAD, OPTIONS.
const METHODS: [&[u8]; 4] = [b"\x82", b"\x83", b"\x02\x04HEAD", b"\x02\x07OPTIONS"];
/// `:scheme http`.
const SCHEME: &[u8] = b"\x86";
/// `:authority a`, into the table.
const HOST: &[u8] = b"\x41\x01a";
/// What the application does something else for.
const PATHS: [&str; 10] =
    ["/", "/early", "/late", "/stream", "/slow", "/large", "/empty", "/same", "/fail", "/switch"];
