//! Follows the frame boundaries of an HTTP/2 connection and meters frames that cost the peer nothing
//! (RFC 9113 §4.1, §10.5).
//!
//! In: the bytes of both directions, and the time. Out: a [`Verdict`]. The engine still parses every frame;
//! this only counts them. Never sees sockets or requests.

use std::time::Instant;

use crate::limits::{Budget, H2Budgets};

/// Length of a frame's head.
const HEAD: usize = 9;
/// Length of the client's preface (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0x0;
const HEADERS: u8 = 0x1;
const PRIORITY: u8 = 0x2;
const RST_STREAM: u8 = 0x3;
const SETTINGS: u8 = 0x4;
const PING: u8 = 0x6;
const GOAWAY: u8 = 0x7;
const WINDOW_UPDATE: u8 = 0x8;
const CONTINUATION: u8 = 0x9;

const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

const ENHANCE_YOUR_CALM: u32 = 0xb;

/// Whether the peer may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    /// A budget is used up; its name.
    Excess(&'static str),
}

/// Both directions of one connection.
pub(crate) struct FrameMeter {
    received: Boundary,
    sent: Boundary,
    /// Bytes of the preface still to come.
    preface: usize,
    resets: Bucket,
    pings: Bucket,
    settings: Bucket,
    empty: Bucket,
    max_continuations: u32,
    continuations: u32,
    /// Since when a header block has been arriving.
    block_since: Option<Instant>,
    /// Whether the frame that is arriving ends the block.
    block_ends: bool,
    last_stream: u32,
    /// When the last `DATA` frame went out.
    data_sent: Option<Instant>,
}

impl FrameMeter {
    pub(crate) fn new(budgets: &H2Budgets, now: Instant) -> Self {
        Self {
            received: Boundary::default(),
            sent: Boundary::default(),
            preface: PREFACE.len(),
            resets: Bucket::new(budgets.resets, now),
            pings: Bucket::new(budgets.pings, now),
            settings: Bucket::new(budgets.settings, now),
            empty: Bucket::new(budgets.empty, now),
            max_continuations: budgets.continuations,
            continuations: 0,
            block_since: None,
            block_ends: false,
            last_stream: 0,
            data_sent: None,
        }
    }

    /// Since when the peer owes the rest of a header block.
    pub(crate) fn block_since(&self) -> Option<Instant> {
        self.block_since
    }

    /// Whether the preface is still incomplete.
    pub(crate) fn awaits_preface(&self) -> bool {
        self.preface > 0
    }

    /// Counts the frames whose heads are in `bytes`.
    pub(crate) fn recv(&mut self, bytes: &[u8], now: Instant) -> Verdict {
        let skip = self.preface.min(bytes.len());
        self.preface -= skip;
        let mut rest = bytes.get(skip..).unwrap_or_default();
        while let Some(frame) = self.received.next(&mut rest) {
            if let Verdict::Excess(what) = self.count(frame, now) {
                return Verdict::Excess(what);
            }
        }
        if self.block_ends && self.received.payload == 0 {
            self.block_since = None;
        }
        Verdict::Fine
    }

    /// Follows what goes to the peer.
    pub(crate) fn sent(&mut self, bytes: &[u8], now: Instant) {
        let mut rest = bytes;
        while let Some(frame) = self.sent.next(&mut rest) {
            match frame.kind {
                DATA => {
                    self.data_sent = Some(now);
                    self.pings.gain(1);
                }
                HEADERS => self.pings.gain(1),
                _ => {}
            }
        }
    }

    /// When the last `DATA` frame went out.
    pub(crate) fn data_sent(&self) -> Option<Instant> {
        self.data_sent
    }

    /// `GOAWAY` with `ENHANCE_YOUR_CALM` (RFC 9113 §6.8), or `None` in the middle of another frame.
    pub(crate) fn goaway(&self, why: &str) -> Option<Vec<u8>> {
        if !self.sent.is_between() {
            return None;
        }
        let length = u32::try_from(8 + why.len()).ok()?;
        let mut frame = Vec::with_capacity(HEAD + 8 + why.len());
        frame.extend_from_slice(&length.to_be_bytes()[1..]);
        frame.extend_from_slice(&[GOAWAY, 0, 0, 0, 0, 0]);
        frame.extend_from_slice(&self.last_stream.to_be_bytes());
        frame.extend_from_slice(&ENHANCE_YOUR_CALM.to_be_bytes());
        frame.extend_from_slice(why.as_bytes());
        Some(frame)
    }

    fn count(&mut self, frame: Frame, now: Instant) -> Verdict {
        if frame.kind == HEADERS || frame.kind == CONTINUATION {
            self.last_stream = self.last_stream.max(frame.stream);
            self.block_since = if self.block_ends { Some(now) } else { self.block_since.or(Some(now)) };
            self.block_ends = frame.flags & END_HEADERS != 0;
            if frame.kind == HEADERS {
                self.empty.gain(1);
            }
            self.continuations = if frame.kind == CONTINUATION { self.continuations + 1 } else { 0 };
            if self.continuations > self.max_continuations {
                return Verdict::Excess("too many CONTINUATION frames");
            }
        }
        let is_ack = frame.flags & ACK != 0;
        let (bucket, name) = match frame.kind {
            RST_STREAM => (&mut self.resets, "too many RST_STREAM frames"),
            PING if !is_ack => (&mut self.pings, "too many PING frames"),
            SETTINGS if !is_ack => (&mut self.settings, "too many SETTINGS frames"),
            DATA if frame.length == 0 && frame.flags & END_STREAM == 0 => {
                (&mut self.empty, "too many empty DATA frames")
            }
            CONTINUATION if frame.length == 0 => (&mut self.empty, "too many empty CONTINUATION frames"),
            PRIORITY => (&mut self.empty, "too many PRIORITY frames"),
            kind if kind > CONTINUATION => (&mut self.empty, "too many frames of unknown types"),
            _ => return Verdict::Fine,
        };
        debug_assert_ne!(frame.kind, WINDOW_UPDATE);
        if bucket.take(now) { Verdict::Fine } else { Verdict::Excess(name) }
    }
}

/// The head of a frame.
#[derive(Clone, Copy)]
struct Frame {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

/// Where one direction stands between two frames.
#[derive(Default)]
struct Boundary {
    head: [u8; HEAD],
    /// Bytes of `head` that are there. 0 <= filled < HEAD
    filled: usize,
    /// Payload bytes still to come.
    payload: usize,
}

impl Boundary {
    fn is_between(&self) -> bool {
        self.filled == 0 && self.payload == 0
    }

    /// Takes bytes up to the end of the next frame head.
    fn next(&mut self, rest: &mut &[u8]) -> Option<Frame> {
        let skip = self.payload.min(rest.len());
        self.payload -= skip;
        *rest = rest.get(skip..)?;
        let take = (HEAD - self.filled).min(rest.len());
        let (now, later) = rest.split_at_checked(take)?;
        self.head.get_mut(self.filled..self.filled + take)?.copy_from_slice(now);
        self.filled += take;
        *rest = later;
        if self.filled < HEAD {
            return None;
        }
        self.filled = 0;
        let [a, b, c, kind, flags, s0, s1, s2, s3] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]) as usize;
        self.payload = length;
        let stream = u32::from_be_bytes([s0, s1, s2, s3]) & 0x7fff_ffff;
        Some(Frame { length, kind, flags, stream })
    }
}

/// A token bucket.
struct Bucket {
    budget: Budget,
    tokens: u32,
    since: Instant,
}

impl Bucket {
    fn new(budget: Budget, now: Instant) -> Self {
        Self { budget, tokens: budget.burst, since: now }
    }

    fn gain(&mut self, tokens: u32) {
        self.tokens = self.tokens.saturating_add(tokens).min(self.budget.burst);
    }

    fn take(&mut self, now: Instant) -> bool {
        let seconds = now.saturating_duration_since(self.since).as_secs();
        if seconds > 0 {
            let gained = u32::try_from(seconds).unwrap_or(u32::MAX).saturating_mul(self.budget.per_second);
            self.tokens = self.tokens.saturating_add(gained).min(self.budget.burst);
            self.since = now;
        }
        match self.tokens.checked_sub(1) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        bytes.extend_from_slice(&[kind, flags]);
        bytes.extend_from_slice(&stream.to_be_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    /// Feeds the same bytes whole and one at a time; both must end with `want`.
    fn check(frames: &[Vec<u8>], want: Verdict) {
        let bytes: Vec<u8> = PREFACE.iter().copied().chain(frames.concat()).collect();
        let now = Instant::now();
        let mut whole = FrameMeter::new(&H2Budgets::default(), now);
        assert_eq!(whole.recv(&bytes, now), want, "fed whole");
        let mut single = FrameMeter::new(&H2Budgets::default(), now);
        let got = bytes.iter().map(|byte| single.recv(&[*byte], now)).find(|v| *v != Verdict::Fine);
        assert_eq!(got.unwrap_or(Verdict::Fine), want, "fed byte by byte");
    }

    #[test]
    fn ordinary_traffic_is_fine() {
        check(
            &[
                frame(SETTINGS, 0, 0, &[0; 12]),
                frame(SETTINGS, ACK, 0, &[]),
                frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0x82; 40]),
                frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
                frame(PING, 0, 0, &[0; 8]),
            ],
            Verdict::Fine,
        );
    }

    #[test]
    fn a_flood_of_each_kind_is_named() {
        check(&vec![frame(PING, 0, 0, &[0; 8]); 51], Verdict::Excess("too many PING frames"));
        check(&vec![frame(SETTINGS, 0, 0, &[]); 21], Verdict::Excess("too many SETTINGS frames"));
        check(&vec![frame(RST_STREAM, 0, 1, &[0; 4]); 601], Verdict::Excess("too many RST_STREAM frames"));
        check(&vec![frame(DATA, 0, 1, &[]); 201], Verdict::Excess("too many empty DATA frames"));
        check(&vec![frame(PRIORITY, 0, 1, &[0; 5]); 201], Verdict::Excess("too many PRIORITY frames"));
        check(&vec![frame(0x77, 0, 1, &[0; 5]); 201], Verdict::Excess("too many frames of unknown types"));
    }

    #[test]
    fn acknowledgements_and_full_frames_are_never_a_flood() {
        check(&vec![frame(PING, ACK, 0, &[0; 8]); 1000], Verdict::Fine);
        check(&vec![frame(DATA, 0, 1, &[1; 100]); 1000], Verdict::Fine);
    }

    #[test]
    fn a_header_block_of_many_frames_is_cut() {
        let mut frames = vec![frame(HEADERS, 0, 1, &[0x82])];
        frames.extend(vec![frame(CONTINUATION, 0, 1, &[0x82]); 17]);
        check(&frames[..17], Verdict::Fine);
        check(&frames, Verdict::Excess("too many CONTINUATION frames"));
    }

    #[test]
    fn tokens_come_back_with_time() {
        let now = Instant::now();
        let mut bucket = Bucket::new(Budget::new(2, 1), now);
        assert!(bucket.take(now) && bucket.take(now) && !bucket.take(now));
        let later = now + Duration::from_secs(1);
        assert!(bucket.take(later) && !bucket.take(later));
        let much_later = later + Duration::from_secs(100);
        assert!(bucket.take(much_later) && bucket.take(much_later) && !bucket.take(much_later));
    }

    #[test]
    fn an_open_header_block_has_a_start() {
        let now = Instant::now();
        let mut meter = FrameMeter::new(&H2Budgets::default(), now);
        meter.recv(PREFACE, now);
        assert_eq!(meter.block_since(), None);
        meter.recv(&frame(HEADERS, 0, 5, &[0x82]), now);
        assert_eq!(meter.block_since(), Some(now));
        meter.recv(&frame(CONTINUATION, END_HEADERS, 5, &[0x82]), now + Duration::from_secs(3));
        assert_eq!(meter.block_since(), None);
    }

    #[test]
    fn goaway_is_never_put_inside_another_frame() {
        let now = Instant::now();
        let mut meter = FrameMeter::new(&H2Budgets::default(), now);
        let data = frame(DATA, 0, 1, &[7; 10]);
        meter.sent(&data[..12], now);
        assert!(meter.goaway("x").is_none());
        meter.sent(&data[12..], now);
        let goaway = meter.goaway("calm").unwrap();
        assert_eq!(goaway, frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\x0bcalm"));
    }
}
