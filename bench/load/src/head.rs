//! [`Head`]: the head of an HTTP/1.1 answer (RFC 9112 §4, §5, §6.3).
//!
//! In: its lines, without their ends. Out: the status, how the body is
//! delimited, and whether the connection goes on. Strict: what a careful
//! server does not send is an error.

/// How an answer's body ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

/// What matters of an answer's head.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
}

impl Head {
    /// Reads a status line and the field lines after it.
    pub(crate) fn parse(lines: &[Vec<u8>], to_head: bool) -> Result<Self, String> {
        let mut lines = lines.iter().map(Vec::as_slice);
        let (status, mut keep_alive) = status_line(lines.next().unwrap_or_default())?;
        let (mut length, mut chunked) = (None, false);
        for line in lines {
            let (name, value) = field_line(line)?;
            if name.eq_ignore_ascii_case("content-length") {
                let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                let value = value.parse().ok().filter(|_| digits).ok_or("an invalid Content-Length")?;
                if length.replace(value).is_some() {
                    return Err("Content-Length twice".to_owned());
                }
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                if chunked || !value.eq_ignore_ascii_case("chunked") {
                    return Err(format!("Transfer-Encoding {value:?}"));
                }
                chunked = true;
            } else if name.eq_ignore_ascii_case("connection") {
                for option in value.split(',').map(str::trim) {
                    if option.eq_ignore_ascii_case("close") {
                        keep_alive = false;
                    }
                }
            }
        }
        if chunked && length.is_some() {
            return Err("both Transfer-Encoding and Content-Length".to_owned());
        }
        let framing = match length {
            _ if to_head || status < 200 || matches!(status, 204 | 304) => Framing::Length(0),
            _ if chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::UntilClose,
        };
        let keep_alive = keep_alive && framing != Framing::UntilClose;
        Ok(Self { status, framing, keep_alive })
    }
}

/// The status, and whether this version keeps connections.
fn status_line(line: &[u8]) -> Result<(u16, bool), String> {
    let malformed = || format!("a status line \"{}\"", line.get(..60).unwrap_or(line).escape_ascii());
    let keep_alive = line.starts_with(b"HTTP/1.1 ");
    if !keep_alive && !line.starts_with(b"HTTP/1.0 ") {
        return Err(malformed());
    }
    let [_, _, _, _, _, _, _, _, _, a, b, c, rest @ ..] = line else { return Err(malformed()) };
    let digits = [*a, *b, *c];
    let valid =
        matches!(a, b'1'..=b'9') && digits.iter().all(u8::is_ascii_digit) && matches!(rest, [] | [b' ', ..]);
    if !valid {
        return Err(malformed());
    }
    let status = digits.iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'));
    Ok((status, keep_alive))
}

fn field_line(line: &[u8]) -> Result<(&str, &str), String> {
    let line = std::str::from_utf8(line).map_err(|_| "a field line that is not text")?;
    let (name, value) = line.split_once(':').ok_or_else(|| format!("a field line {line:?}"))?;
    let valid = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic());
    if valid { Ok((name, value.trim_matches([' ', '\t']))) } else { Err(format!("a field name {name:?}")) }
}

/// The size in the first line of a chunk (RFC 9112 §7.1), its extensions ignored.
pub(crate) fn chunk_size(line: &[u8]) -> Result<u64, String> {
    let digits = line.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii_end();
    let text =
        std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    text.and_then(|text| u64::from_str_radix(text, 16).ok())
        .ok_or_else(|| format!("a chunk size \"{}\"", line.get(..40).unwrap_or(line).escape_ascii()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<(u16, Framing, bool)>) {
        let lines: Vec<Vec<u8>> = text.split("\r\n").map(|line| line.as_bytes().to_vec()).collect();
        let found = Head::parse(&lines, false).ok().map(|head| (head.status, head.framing, head.keep_alive));
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn the_framing_of_an_answer_is_that_of_its_head() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 5", Some((200, Framing::Length(5), true)));
        check("HTTP/1.1 200\r\ntransfer-encoding: Chunked", Some((200, Framing::Chunked, true)));
        check("HTTP/1.1 200 OK", Some((200, Framing::UntilClose, false)));
        check("HTTP/1.1 204 No Content", Some((204, Framing::Length(0), true)));
        check(
            "HTTP/1.1 200 OK\r\nContent-Length:0\r\nConnection: x, Close",
            Some((200, Framing::Length(0), false)),
        );
        check("HTTP/1.0 200 OK\r\nContent-Length: 1", Some((200, Framing::Length(1), false)));
    }

    #[test]
    fn a_head_that_could_be_read_in_two_ways_is_an_error() {
        for text in [
            "",
            "HTTP/2 200 OK",
            "HTTP/1.1 2000 OK",
            "HTTP/1.1 20x OK",
            "HTTP/1.1 200 OK\r\nContent-Length: +5",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
            "HTTP/1.1 200 OK\r\nno colon",
            "HTTP/1.1 200 OK\r\nspace : 1",
        ] {
            check(text, None);
        }
        for line in ["", "-1", "0x5", "5 5"] {
            assert!(chunk_size(line.as_bytes()).is_err(), "{line:?}");
        }
        assert_eq!(chunk_size(b"fF ;a=b"), Ok(255));
    }
}
