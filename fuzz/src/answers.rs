//! [`read`]: what an HTTP/1 server sent, as answers; strict, since a server has no excuse (RFC 9112).
//!
//! In: bytes, and the methods of the requests that handlers saw. Out: whole answers, and what is behind them.
//! Fails if a byte is where none may be.

use std::ops::Range;

use http::Method;

/// A whole answer that is not interim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// Fields of the head, but for the date.
    pub fields: Vec<(String, Vec<u8>)>,
    /// Content, without its chunks.
    pub content: Vec<u8>,
    pub trailers: Vec<(String, Vec<u8>)>,
}

/// What is behind the last whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    Nothing,
    /// An answer that was cut.
    Unfinished,
    /// What a handler said after `101`.
    Switched(Vec<u8>),
}

/// Reads `output` to its end. `methods`: of the handlers' calls.
pub fn read(output: &[u8], methods: &[Method]) -> (Vec<Answer>, Rest) {
    let mut input = Input { bytes: output, at: 0 };
    let mut answers = Vec::new();
    let mut calls = 0;
    while !input.is_over() {
        let Some(head) = input.head() else { return (answers, Rest::Unfinished) };
        let call = head.value("x-call").map(|value| number(value, 10));
        if let Some(call) = call {
            // The server's answer may stand where a handler's was.
            assert!(call >= calls, "answers in the order of the requests");
            calls = call + 1;
        }
        let is_last = head.is_last();
        if head.status == 101 {
            answers.push(head.with(Vec::new(), Vec::new()));
            return (answers, Rest::Switched(input.rest().to_vec()));
        }
        if head.status < 200 {
            assert!(head.fields.is_empty(), "an interim answer with fields");
            continue;
        }
        let is_to_head = match call.and_then(|call| methods.get(call)) {
            Some(method) => method == Method::HEAD,
            // An answer of the server's own; its content begins with no status line.
            None => input.rest().is_empty() || input.rest().starts_with(b"HTTP/1."),
        };
        let Some((content, trailers)) = input.content(&head, is_to_head) else {
            return (answers, Rest::Unfinished);
        };
        answers.push(head.with(content, trailers));
        assert!(!is_last || input.is_over(), "bytes after the last answer: {}", input.rest().escape_ascii());
    }
    (answers, Rest::Nothing)
}

/// A status line and its fields.
struct Head {
    is_http_10: bool,
    status: u16,
    fields: Vec<(String, Vec<u8>)>,
}

impl Head {
    fn value(&self, name: &str) -> Option<&[u8]> {
        let mut values = self.fields.iter().filter(|(other, _)| other == name);
        let value = values.next()?.1.as_slice();
        assert!(values.next().is_none(), "{name} twice");
        Some(value)
    }

    /// Whether the connection ends after this.
    fn is_last(&self) -> bool {
        let connection = self.value("connection").unwrap_or_default();
        connection.eq_ignore_ascii_case(b"close")
            || (self.is_http_10 && !connection.eq_ignore_ascii_case(b"keep-alive"))
    }

    fn with(mut self, content: Vec<u8>, trailers: Vec<(String, Vec<u8>)>) -> Answer {
        self.fields.retain(|(name, _)| name != "date");
        Answer { status: self.status, fields: self.fields, content, trailers }
    }
}

struct Input<'a> {
    bytes: &'a [u8],
    // 0 <= at <= bytes.len()
    at: usize,
}

impl<'a> Input<'a> {
    fn is_over(&self) -> bool {
        self.at == self.bytes.len()
    }

    fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.rest().get(..length)?;
        self.at += length;
        Some(taken)
    }

    /// A line without its end. `None`: its end has not come.
    fn line(&mut self) -> Option<&'a [u8]> {
        let length = self.rest().windows(2).position(|pair| pair == b"\r\n")?;
        let line = self.take(length)?;
        self.at += 2;
        assert!(line.iter().all(|byte| *byte >= b' ' || *byte == b'\t'), "{}", line.escape_ascii());
        Some(line)
    }

    fn head(&mut self) -> Option<Head> {
        let line = self.line()?;
        let (version, rest) = split(line, 9..9);
        assert!(matches!(version, b"HTTP/1.1 " | b"HTTP/1.0 "), "{}", line.escape_ascii());
        let (status, reason) = split(rest, 3..4);
        assert!(reason.is_ascii(), "{}", line.escape_ascii());
        let status = number(status, 10) as u16;
        assert!((100..600).contains(&status), "{status}");
        Some(Head { is_http_10: version == b"HTTP/1.0 ", status, fields: self.fields()? })
    }

    /// Field lines, up to the empty line behind them.
    fn fields(&mut self) -> Option<Vec<(String, Vec<u8>)>> {
        let mut fields = Vec::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(fields);
            }
            let colon = line.iter().position(|byte| *byte == b':').expect("a colon");
            let (name, value) = split(line, colon..colon + 1);
            let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
            assert!(!name.is_empty() && name.iter().all(is_token), "{}", line.escape_ascii());
            fields.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value.trim_ascii().to_vec()));
        }
    }

    /// Content and trailers behind a head (RFC 9112 §6.3).
    fn content(&mut self, head: &Head, is_to_head: bool) -> Option<(Vec<u8>, Vec<(String, Vec<u8>)>)> {
        let (length, coding) = (head.value("content-length"), head.value("transfer-encoding"));
        assert!(length.is_none() || coding.is_none(), "two ways to say where the content ends");
        if head.status == 204 {
            assert!(length.is_none() && coding.is_none(), "204 has no content");
        }
        if is_to_head || matches!(head.status, 204 | 304) {
            return Some((Vec::new(), Vec::new()));
        }
        if let Some(length) = length {
            return Some((self.take(number(length, 10))?.to_vec(), Vec::new()));
        }
        let Some(coding) = coding else {
            assert!(head.is_last(), "content without an end");
            return Some((self.take(self.rest().len())?.to_vec(), Vec::new()));
        };
        assert_eq!(coding, b"chunked");
        let mut content = Vec::new();
        loop {
            let size = number(self.line()?, 16);
            if size == 0 {
                return Some((content, self.fields()?));
            }
            content.extend_from_slice(self.take(size)?);
            let end = self.take(2)?;
            assert_eq!(end, b"\r\n", "the end of a chunk");
        }
    }
}

/// What is before and behind a range.
fn split(line: &[u8], between: Range<usize>) -> (&[u8], &[u8]) {
    assert!(between.end <= line.len(), "{}", line.escape_ascii());
    (&line[..between.start], &line[between.end..])
}

/// A number in nothing but digits.
fn number(text: &[u8], radix: u32) -> usize {
    assert!(text.iter().all(u8::is_ascii_hexdigit), "{}", text.escape_ascii());
    let text = String::from_utf8_lossy(text);
    usize::from_str_radix(&text, radix).unwrap_or_else(|error| panic!("{text}: {error}"))
}
