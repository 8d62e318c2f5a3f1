//! Follows the frame boundaries of an HTTP/2 connection: meters frames that cost the peer nothing, and finds frames
//! whose fault the engine would not name (RFC 9113 §3.4, §4.1, §4.2, §10.5).
//!
//! In: the bytes of both directions, and the time. Out: a [`Verdict`]. The engine still parses every frame;
//! this looks at their heads. Never sees sockets or requests.

use std::time::Instant;

use crate::h2::frame::{
    self, ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR, GOAWAY, HEAD, HEADERS, Head, PING, PRIORITY, PROTOCOL_ERROR, REFUSED_STREAM,
    RST_STREAM, SETTINGS, STREAM_CLOSED, WINDOW_UPDATE,
};
use crate::limits::{Budget, H2Budgets};

/// Length of the client's preface (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether the peer may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Fine,
    /// The connection must end.
    End(Goodbye),
}

/// How the server ends a connection by itself: an error code for `GOAWAY`, and a word for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Goodbye {
    code: u32,
    pub(crate) why: &'static str,
}

impl Goodbye {
    /// The peer has broken a rule.
    pub(crate) const fn new(code: u32, why: &'static str) -> Self {
        Self { code, why }
    }

    /// A budget is used up.
    pub(crate) const fn calm(why: &'static str) -> Self {
        Self { code: ENHANCE_YOUR_CALM, why }
    }
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
    /// Whether a frame has come yet: the first is `SETTINGS`.
    begun: bool,
    /// The frame that goes out is one of these, whose code was not seen yet: `RST_STREAM` or `GOAWAY`.
    telling: Option<u8>,
    /// The last stream of the `GOAWAY` that went out last, and whether it told of an error.
    told: Option<(u32, bool)>,
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
            begun: false,
            telling: None,
            told: None,
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
            let verdict = self.count(frame, now);
            if verdict != Verdict::Fine {
                return verdict;
            }
        }
        if self.block_ends && self.received.payload == 0 {
            self.block_since = None;
        }
        Verdict::Fine
    }

    /// Follows what goes to the peer. A stream that the server had to reset for the peer's fault counts as one that
    /// the peer reset.
    pub(crate) fn sent(&mut self, bytes: &[u8], now: Instant) -> Verdict {
        let mut rest = bytes;
        let mut verdict = Verdict::Fine;
        loop {
            let frame = self.sent.next(&mut rest);
            // The code is complete when the frame's payload is, which is where the next one begins.
            if (frame.is_some() || self.sent.payload == 0)
                && let Some(kind) = self.telling.take()
                && !self.tell(kind, now)
            {
                // What is sent is followed on to its end: the goodbye must not land inside a frame.
                verdict = Verdict::End(Goodbye::calm("too many streams that had to be reset"));
            }
            let Some(frame) = frame else { return verdict };
            match frame.kind {
                DATA => {
                    self.data_sent = Some(now);
                    self.pings.gain(1);
                }
                HEADERS => self.pings.gain(1),
                RST_STREAM | GOAWAY => self.telling = Some(frame.kind),
                _ => {}
            }
        }
    }

    /// A frame of this kind went out whole. `false`: the peer had to be told of too many faults.
    fn tell(&mut self, kind: u8, now: Instant) -> bool {
        let [s0, s1, s2, s3, c0, c1, c2, c3] = self.sent.start.to_be_bytes();
        let (stream, code) = (u32::from_be_bytes([s0, s1, s2, s3]), u32::from_be_bytes([c0, c1, c2, c3]));
        if kind == GOAWAY {
            self.told = Some((stream, code != 0));
            return true;
        }
        let is_fault = matches!(
            code,
            PROTOCOL_ERROR | FLOW_CONTROL_ERROR | STREAM_CLOSED | FRAME_SIZE_ERROR | REFUSED_STREAM
        );
        !is_fault || self.resets.take(now)
    }

    /// When the last `DATA` frame went out.
    pub(crate) fn data_sent(&self) -> Option<Instant> {
        self.data_sent
    }

    /// `GOAWAY` (RFC 9113 §6.8), or `None` in the middle of another frame, and where the engine has told of an error
    /// already.
    pub(crate) fn goaway(&self, goodbye: Goodbye) -> Option<Vec<u8>> {
        let Goodbye { code, why } = goodbye;
        if !self.sent.is_between() || self.told.is_some_and(|(_, is_error)| is_error) {
            return None;
        }
        // §6.8: the last stream never grows.
        let last_stream = self.told.map_or(self.last_stream, |(told, _)| told.min(self.last_stream));
        let mut frame = Vec::new();
        frame::write_goaway(&mut frame, last_stream, code, why);
        Some(frame)
    }

    fn count(&mut self, frame: Head, now: Instant) -> Verdict {
        if let Some(goodbye) = fault(&frame, self.begun) {
            return Verdict::End(goodbye);
        }
        self.begun = true;
        if frame.kind == HEADERS || frame.kind == CONTINUATION {
            self.last_stream = self.last_stream.max(frame.stream);
            self.block_since = if self.block_ends { Some(now) } else { self.block_since.or(Some(now)) };
            self.block_ends = frame.has(END_HEADERS);
            if frame.kind == HEADERS {
                self.empty.gain(1);
            }
            self.continuations = if frame.kind == CONTINUATION { self.continuations + 1 } else { 0 };
            if self.continuations > self.max_continuations {
                return Verdict::End(Goodbye::calm("too many CONTINUATION frames"));
            }
        }
        let is_ack = frame.has(ACK);
        let (bucket, name) = match frame.kind {
            RST_STREAM => (&mut self.resets, "too many RST_STREAM frames"),
            PING if !is_ack => (&mut self.pings, "too many PING frames"),
            SETTINGS if !is_ack => (&mut self.settings, "too many SETTINGS frames"),
            DATA if frame.length == 0 && !frame.has(END_STREAM) => {
                (&mut self.empty, "too many empty DATA frames")
            }
            CONTINUATION if frame.length == 0 => (&mut self.empty, "too many empty CONTINUATION frames"),
            PRIORITY => (&mut self.empty, "too many PRIORITY frames"),
            kind if kind > CONTINUATION => (&mut self.empty, "too many frames of unknown types"),
            _ => return Verdict::Fine,
        };
        debug_assert_ne!(frame.kind, WINDOW_UPDATE);
        if bucket.take(now) { Verdict::Fine } else { Verdict::End(Goodbye::calm(name)) }
    }
}

/// What is wrong with a frame as its head tells, whatever the engine would say of it.
fn fault(frame: &Head, begun: bool) -> Option<Goodbye> {
    let is_ack = frame.has(ACK);
    // RFC 9113 §3.4: the preface ends with SETTINGS.
    if !begun && (frame.kind != SETTINGS || is_ack) {
        return Some(Goodbye { code: PROTOCOL_ERROR, why: "the first frame is not SETTINGS" });
    }
    let is_sized = match frame.kind {
        PRIORITY => frame.length == 5,
        RST_STREAM | WINDOW_UPDATE => frame.length == 4,
        SETTINGS if is_ack => frame.length == 0,
        SETTINGS => frame.length.is_multiple_of(6),
        PING => frame.length == 8,
        GOAWAY => frame.length >= 8,
        _ => true,
    };
    // RFC 9113 §6.3 to §6.9. For PRIORITY it is a stream's error, which may be the connection's (§5.4.1).
    (!is_sized)
        .then_some(Goodbye { code: FRAME_SIZE_ERROR, why: "a frame of a length that its type cannot have" })
}

/// Where one direction stands between two frames.
#[derive(Default)]
struct Boundary {
    head: [u8; HEAD],
    /// Bytes of `head` that are there. 0 <= filled < HEAD
    filled: usize,
    /// Payload bytes still to come.
    payload: usize,
    /// The payload's first eight bytes, of `RST_STREAM` its four, as far as they were seen: the last are lowest.
    start: u64,
    /// How many of them are to come. 0 <= start_missing <= 8
    start_missing: usize,
}

impl Boundary {
    fn is_between(&self) -> bool {
        self.filled == 0 && self.payload == 0
    }

    /// Takes bytes up to the end of the next frame head.
    fn next(&mut self, rest: &mut &[u8]) -> Option<Head> {
        let skip = self.payload.min(rest.len());
        self.payload -= skip;
        let (payload, later) = rest.split_at_checked(skip)?;
        if self.start_missing > 0 {
            let seen = payload.iter().take(self.start_missing);
            self.start = seen.fold(self.start, |start, byte| start << 8 | u64::from(*byte));
            self.start_missing = self.start_missing.saturating_sub(skip);
        }
        *rest = later;
        let take = (HEAD - self.filled).min(rest.len());
        let (now, later) = rest.split_at_checked(take)?;
        self.head.get_mut(self.filled..self.filled + take)?.copy_from_slice(now);
        self.filled += take;
        *rest = later;
        if self.filled < HEAD {
            return None;
        }
        self.filled = 0;
        let head = Head::peek(&self.head)?;
        self.payload = head.length as usize;
        // What was seen of the frame before is asked for after this; the new bytes will push it out.
        self.start_missing = if matches!(head.kind, RST_STREAM | GOAWAY) { 8 } else { 0 };
        Some(head)
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

    fn calm(why: &'static str) -> Verdict {
        Verdict::End(Goodbye::calm(why))
    }

    /// Feeds the same bytes whole and one at a time; both must end with `want`.
    fn check(frames: &[Vec<u8>], want: Verdict) {
        let bytes: Vec<u8> = [&PREFACE[..], &frame(SETTINGS, 0, 0, &[]), &frames.concat()].concat();
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
        check(&vec![frame(PING, 0, 0, &[0; 8]); 51], calm("too many PING frames"));
        check(&vec![frame(SETTINGS, 0, 0, &[]); 20], calm("too many SETTINGS frames"));
        check(&vec![frame(RST_STREAM, 0, 1, &[0; 4]); 601], calm("too many RST_STREAM frames"));
        check(&vec![frame(DATA, 0, 1, &[]); 201], calm("too many empty DATA frames"));
        check(&vec![frame(PRIORITY, 0, 1, &[0; 5]); 201], calm("too many PRIORITY frames"));
        check(&vec![frame(0x77, 0, 1, &[0; 5]); 201], calm("too many frames of unknown types"));
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
        check(&frames, calm("too many CONTINUATION frames"));
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
        meter.recv(&frame(SETTINGS, 0, 0, &[]), now);
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
        assert!(meter.goaway(Goodbye::calm("x")).is_none());
        meter.sent(&data[12..], now);
        let goaway = meter.goaway(Goodbye::calm("calm")).unwrap();
        assert_eq!(goaway, frame(GOAWAY, 0, 0, b"\0\0\0\0\0\0\0\x0bcalm"));
    }

    #[test]
    fn the_first_frame_is_settings() {
        let now = Instant::now();
        for first in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, ACK, 0, &[])] {
            let mut meter = FrameMeter::new(&H2Budgets::default(), now);
            let verdict = meter.recv(&[&PREFACE[..], &first].concat(), now);
            assert!(matches!(verdict, Verdict::End(Goodbye { code: PROTOCOL_ERROR, .. })), "{verdict:?}");
        }
    }

    #[test]
    fn streams_that_the_server_resets_for_the_peers_fault_are_counted() {
        let now = Instant::now();
        let reset = |code: u32| frame(RST_STREAM, 0, 1, &code.to_be_bytes());
        for step in [1, 3, 1000] {
            let sent = |resets: Vec<Vec<u8>>| {
                let mut meter = FrameMeter::new(&H2Budgets::default(), now);
                let verdicts: Vec<_> =
                    resets.concat().chunks(step).map(|bytes| meter.sent(bytes, now)).collect();
                verdicts.into_iter().find(|verdict| *verdict != Verdict::Fine)
            };
            assert_eq!(sent(vec![reset(PROTOCOL_ERROR); 600]), None);
            let excess = calm("too many streams that had to be reset");
            assert_eq!(sent(vec![reset(STREAM_CLOSED); 601]), Some(excess));
            assert_eq!(sent(vec![reset(0); 1000]), None, "the end of an answer before its request's");
        }
    }

    /// What the server adds after `sent`, in which frames of the engine end the connection.
    fn last_words(sent: &[Vec<u8>], streams: u32) -> Option<Vec<u8>> {
        let now = Instant::now();
        let mut meter = FrameMeter::new(&H2Budgets::default(), now);
        meter.recv(&[&PREFACE[..], &frame(SETTINGS, 0, 0, &[])].concat(), now);
        meter.recv(&frame(HEADERS, END_HEADERS, streams, &[0x82]), now);
        for byte in sent.concat() {
            meter.sent(&[byte], now);
        }
        let single = meter.goaway(Goodbye::calm("x"));
        let mut meter = FrameMeter::new(&H2Budgets::default(), now);
        meter.recv(&[&PREFACE[..], &frame(SETTINGS, 0, 0, &[])].concat(), now);
        meter.recv(&frame(HEADERS, END_HEADERS, streams, &[0x82]), now);
        meter.sent(&sent.concat(), now);
        assert_eq!(meter.goaway(Goodbye::calm("x")), single);
        single
    }

    #[test]
    fn nothing_is_said_after_a_goaway_with_an_error() {
        let goaway =
            |stream: u8, code: u8| frame(GOAWAY, 0, 0, &[0, 0, 0, stream, 0, 0, 0, code, b'y', b'z']);
        let calm = |stream: u8| frame(GOAWAY, 0, 0, &[0, 0, 0, stream, 0, 0, 0, 11, b'x']);
        assert_eq!(last_words(&[], 7), Some(calm(7)));
        assert_eq!(last_words(&[goaway(5, 1)], 7), None);
        assert_eq!(last_words(&[goaway(5, 1), frame(RST_STREAM, 0, 5, &[0, 0, 0, 1])], 7), None);
        // A goodbye without an error may be followed by one with it, which takes no stream back.
        assert_eq!(last_words(&[goaway(5, 0)], 7), Some(calm(5)));
        assert_eq!(last_words(&[goaway(9, 0)], 7), Some(calm(7)));
        assert_eq!(last_words(&[goaway(9, 0), frame(RST_STREAM, 0, 5, &[0, 0, 0, 1])], 7), Some(calm(7)));
    }
}
