//! Follows where HTTP/1 messages begin and end, and finds what the engine hides (RFC 9112 §2.2, §3.2, §6, §7.1).
//!
//! In: bytes from the peer, in any pieces, before the engine sees them. Out: the first [`Flaw`], and how many bytes
//! before it are good. The engine takes a line that ends in LF alone, cuts a fragment off a target, drops a
//! Content-Length beside a Transfer-Encoding and does not look into chunk extensions: each is a way for two
//! servers to disagree about one message. What the engine refuses by itself is left to it. Never sees sockets.
//!
//! Most requests never come here: `h1/whole.rs` takes them. Others without a body cost one pass that only looks for
//! suspicious bytes.

use crate::answer::Refusal;

/// Something that the engine would let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// In a head: the server answers for itself, and nobody sees the request.
    Head(Refusal),
    /// In a body, whose request has a handler already: the body is broken.
    Body,
}

/// One connection's framing.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    at: At,
    /// The beginning of a line whose end has not come. Bounded by what the engine reads without an end in sight.
    carry: Vec<u8>,
    /// Content-Length of the head under way.
    length: Option<u64>,
    is_chunked: bool,
}

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    /// A request line, or an empty line before it.
    #[default]
    Start,
    Fields,
    /// A body of known length; so many bytes are missing.
    Body(u64),
    ChunkSize,
    /// A chunk and the line end after it; so many bytes are missing.
    Chunk(u64),
    Trailers,
}

impl Framing {
    /// Follows `bytes`. At the first flaw: how many of them the engine may still see.
    pub(crate) fn recv(&mut self, bytes: &[u8]) -> Result<(), (usize, Flaw)> {
        if self.at == At::Start && self.carry.is_empty() && is_plain(bytes) {
            return Ok(());
        }
        // Where the message that is looked at began in `bytes`; 0 if before them.
        let mut message = 0;
        let mut rest = bytes;
        while !rest.is_empty() {
            let offset = bytes.len() - rest.len();
            if let At::Body(missing) | At::Chunk(missing) = self.at {
                let length = usize::try_from(missing).unwrap_or(usize::MAX).min(rest.len());
                rest = rest.get(length..).unwrap_or_default();
                self.advance(missing - length as u64);
                continue;
            }
            if self.at == At::Start && self.carry.is_empty() {
                message = offset;
            }
            let Some(end) = rest.iter().position(|byte| *byte == b'\n') else {
                self.carry.extend_from_slice(rest);
                return Ok(());
            };
            let (line, after) = rest.split_at(end + 1);
            rest = after;
            let flaw = if self.carry.is_empty() {
                self.line(line)
            } else {
                let mut whole = std::mem::take(&mut self.carry);
                whole.extend_from_slice(line);
                self.line(&whole)
            };
            match flaw {
                None => {}
                Some(flaw @ Flaw::Head(_)) => return Err((message, flaw)),
                Some(flaw @ Flaw::Body) => return Err((offset, flaw)),
            }
        }
        Ok(())
    }

    /// So many bytes of a body or chunk are still missing.
    fn advance(&mut self, missing: u64) {
        self.at = match (self.at, missing) {
            (At::Body(_), 0) => At::Start,
            (At::Chunk(_), 0) => At::ChunkSize,
            (At::Body(_), _) => At::Body(missing),
            (At::Chunk(_), _) => At::Chunk(missing),
            (at, _) => at,
        };
    }

    /// A line with its end.
    fn line(&mut self, line: &[u8]) -> Option<Flaw> {
        let content = line.strip_suffix(b"\r\n");
        match self.at {
            // RFC 9112 §2.2: empty lines before a request line are ignored, also those of old clients.
            At::Start if matches!(line, b"\n" | b"\r\n") => None,
            At::Start => {
                self.length = None;
                self.is_chunked = false;
                self.at = At::Fields;
                let Some(content) = content else { return Some(Flaw::Head(Refusal::LineEnd)) };
                has_fragment(content).then_some(Flaw::Head(Refusal::Target))
            }
            At::Fields => match content {
                None => Some(Flaw::Head(Refusal::LineEnd)),
                Some([]) => {
                    self.at = match self.length {
                        _ if self.is_chunked => At::ChunkSize,
                        Some(length @ 1..) => At::Body(length),
                        _ => At::Start,
                    };
                    None
                }
                Some(field) => self.field(field),
            },
            At::ChunkSize => match content.and_then(chunk_size) {
                None => Some(Flaw::Body),
                Some(0) => {
                    self.at = At::Trailers;
                    None
                }
                Some(size) => {
                    self.at = At::Chunk(size.saturating_add(2));
                    None
                }
            },
            At::Trailers => match content {
                None => Some(Flaw::Body),
                Some([]) => {
                    self.at = At::Start;
                    None
                }
                // RFC 9110 §6.5.1: what says where a message ends comes too late in its trailers.
                Some(field) => frames(field).map(|_| Flaw::Body),
            },
            At::Body(_) | At::Chunk(_) => None,
        }
    }

    fn field(&mut self, field: &[u8]) -> Option<Flaw> {
        match frames(field)? {
            // RFC 9112 §6.1, §6.3: one length, or one coding.
            _ if self.length.is_some() => return Some(Flaw::Head(Refusal::Framing)),
            Frames::Coding => self.is_chunked = true,
            Frames::Length(_) if self.is_chunked => return Some(Flaw::Head(Refusal::Framing)),
            // What is no number is refused by the engine.
            Frames::Length(value) => self.length = Some(decimal(value).unwrap_or_default()),
        }
        None
    }
}

/// A field that says where its message ends.
enum Frames<'a> {
    Length(&'a [u8]),
    Coding,
}

fn frames(field: &[u8]) -> Option<Frames<'_>> {
    const LENGTH: &[u8] = b"content-length:";
    const CODING: &[u8] = b"transfer-encoding:";
    let begins = |name: &[u8]| field.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    if begins(LENGTH) {
        return field.get(LENGTH.len()..).map(Frames::Length);
    }
    begins(CODING).then_some(Frames::Coding)
}

fn decimal(value: &[u8]) -> Option<u64> {
    std::str::from_utf8(value.trim_ascii()).ok()?.parse().ok()
}

/// A request target has no fragment (RFC 9112 §3.2); the engine would cut it off.
fn has_fragment(line: &[u8]) -> bool {
    line.iter().skip_while(|byte| **byte != b' ').any(|byte| *byte == b'#')
}

/// `chunk-size [ chunk-ext ]` (RFC 9112 §7.1). The size's own form is the engine's business, but for its end.
fn chunk_size(line: &[u8]) -> Option<u64> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (size, extensions) = line.split_at(digits);
    let size = u64::from_str_radix(std::str::from_utf8(size).ok()?, 16).ok()?;
    are_extensions(extensions).then_some(size)
}

/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )` (RFC 9112 §7.1.1).
fn are_extensions(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some(name) = blank(rest).strip_prefix(b";").map(blank).and_then(after_token) else {
            return false;
        };
        rest = name;
        if let Some(value) = blank(name).strip_prefix(b"=").map(blank) {
            let Some(after) = after_token(value).or_else(|| after_quoted(value)) else { return false };
            rest = after;
        }
    }
    true
}

fn blank(text: &[u8]) -> &[u8] {
    let count = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text.get(count..).unwrap_or_default()
}

fn after_token(text: &[u8]) -> Option<&[u8]> {
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    match text.iter().take_while(|byte| is_token(byte)).count() {
        0 => None,
        count => text.get(count..),
    }
}

fn after_quoted(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'\t' | b' '..=b'~' | 0x80.., after @ ..] => after,
            [b'\t' | b' '..=b'[' | b']'..=b'~' | 0x80.., after @ ..] => after,
            _ => return None,
        };
    }
}

/// Whether `bytes` are whole heads of requests without a body and without anything suspicious. It is asked for each
/// read, so it looks at many bytes at once and follows no structure.
fn is_plain(bytes: &[u8]) -> bool {
    if !bytes.ends_with(b"\r\n\r\n") {
        return false;
    }
    let (Some(b), Some(c), Some(d)) = (bytes.get(1..), bytes.get(2..), bytes.get(3..)) else { return false };
    let mut suspicious = 0;
    for (((a, b), c), d) in bytes.iter().zip(b).zip(c).zip(d) {
        let fragment = *a == b'#';
        let bare = (*a != b'\r') & (*b == b'\n');
        // `Content-Length` and `Transfer-Encoding`, by what stands around their hyphens.
        let length = (*a | 0x20 == b'n') & (*b | 0x20 == b't') & (*c == b'-') & (*d | 0x20 == b'l');
        let coding = (*a | 0x20 == b'e') & (*b | 0x20 == b'r') & (*c == b'-') & (*d | 0x20 == b'e');
        suspicious |= u8::from(fragment | bare | length | coding);
    }
    suspicious == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The flaw, fed whole and in every two pieces; never another one, and never a byte of the bad message's head.
    #[track_caller]
    fn check(good: &str, bad: &str, want: Option<Flaw>) {
        let text = format!("{good}{bad}");
        let bytes = text.as_bytes();
        for cut in 0..=bytes.len() {
            let mut framing = Framing::default();
            let (first, second) = bytes.split_at(cut);
            let found = framing
                .recv(first)
                .and_then(|()| framing.recv(second).map_err(|(keep, flaw)| (first.len() + keep, flaw)));
            assert_eq!(found.err().map(|(_, flaw)| flaw), want, "{cut} {text:?}");
            if let (Err((keep, Flaw::Head(_))), true) = (found, cut <= good.len()) {
                assert_eq!(keep, good.len(), "{cut} {text:?}");
            }
        }
    }

    const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn honest_messages_have_no_flaw() {
        check(GET, GET, None);
        check("\r\n\n", GET, None);
        check("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n#\n\n", GET, None);
        check(CHUNKED, "3;a=b ; c=\"d\\\";\"\r\n#\n\n\r\n0\r\nX: y\r\n\r\n", None);
        check(GET, "GET / HTTP/1.1\r\nX: #\r\n\r\n", None);
    }

    #[test]
    fn a_flaw_in_a_head_is_found_behind_whole_messages() {
        for good in ["", GET, "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n\n\n"] {
            check(good, "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", Some(Flaw::Head(Refusal::Target)));
            check(good, "GET / HTTP/1.1\nHost: a\r\n\r\n", Some(Flaw::Head(Refusal::LineEnd)));
            check(good, "GET / HTTP/1.1\r\nHost: a\n\r\n", Some(Flaw::Head(Refusal::LineEnd)));
            check(good, "GET / HTTP/1.1\r\nHost: a\r\n\n", Some(Flaw::Head(Refusal::LineEnd)));
            for (one, two) in
                [("Content-Length: 0", "content-length: 0"), ("CONTENT-LENGTH:1", "Transfer-Encoding:x")]
            {
                for (one, two) in [(one, two), (two, one)] {
                    let head = format!("POST / HTTP/1.1\r\n{one}\r\n{two}\r\n\r\n");
                    check(good, &head, Some(Flaw::Head(Refusal::Framing)));
                }
            }
        }
    }

    #[test]
    fn a_flaw_between_chunks_is_found() {
        for bad in
            ["5 \r\n", "5\n", "5;\r\n", "5;a=\r\n", "5;a=\u{1}\r\n", "5;a\rb\r\n", "5;a=\"b\r\n", "5;a b\r\n"]
        {
            check(CHUNKED, bad, Some(Flaw::Body));
        }
        check(CHUNKED, "0\r\nX: a\nY: b\r\n\r\n", Some(Flaw::Body));
        check(CHUNKED, "0\r\nContent-Length: 1\r\n\r\n", Some(Flaw::Body));
    }
}
