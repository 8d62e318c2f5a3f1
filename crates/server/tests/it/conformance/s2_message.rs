//! RFC 9112 §2: line ends, what stands before a request, garbage, versions.

use super::{Case, Closes, Stays, case, check};

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // §2.2, end of line: CRLF alone. A server MAY take a bare LF; narae does not, as Node does not.
    for (name, bytes) in [
        ("a bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
        ("a bare LF after a field", "GET / HTTP/1.1\r\nHost: a\n\r\n"),
        ("a bare LF after a middle field", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n"),
        ("a bare LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
        ("bare LF everywhere", "GET / HTTP/1.1\nHost: a\n\n"),
        ("bare LF everywhere in HTTP/1.0", "GET / HTTP/1.0\n\n"),
        ("a bare LF that hides a field", "GET / HTTP/1.1\r\nHost: a\r\nX: b\nContent-Length: 40\r\n\r\n"),
        ("a bare LF after the length", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\n\r\nhi"),
        (
            "a bare LF after the coding",
            "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\n\r\n0\r\n\r\n",
        ),
        ("LF CR instead of CR LF", "GET / HTTP/1.1\n\rHost: a\n\r\n\r"),
    ] {
        cases.push(case("9112 §2.2", name, bytes, &[400], Closes));
    }
    for (name, bytes) in [
        ("a bare CR after the request line", "GET / HTTP/1.1\rHost: a\r\n\r\n"),
        ("a bare CR in the method", "GE\rT / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a bare CR in the target", "GET /\r HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a bare CR in the version", "GET / HTTP\r/1.1\r\nHost: a\r\n\r\n"),
        ("a bare CR in a field name", "GET / HTTP/1.1\r\nHost: a\r\nX\r: b\r\n\r\n"),
        ("a bare CR in a field value", "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n"),
        (
            "a bare CR that looks like a field's end",
            "GET / HTTP/1.1\r\nHost: a\r\nX: b\rContent-Length: 40\r\n\r\n",
        ),
        ("CR CR LF after a field", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
        ("CR CR LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\r\r\n"),
        ("CR CR LF after the request line", "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n"),
    ] {
        cases.push(case("9112 §2.2", name, bytes, &[400], Closes));
    }
    // A server SHOULD ignore an empty line before a request line.
    for (name, bytes) in [
        ("one empty line before a request", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("three empty lines before a request", "\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("an empty line of LF before a request", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] {
        cases.push(case("9112 §2.2", name, bytes, &[200], Stays).seen("Hello"));
    }
    cases.push(case(
        "9112 §2.2",
        "an empty line after a body, as old clients send it",
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        &[200, 200],
        Stays,
    ));
    // White space between the start line and the first field: reject.
    for (name, bytes) in [
        ("a space before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
        ("a tab before the first field", "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n"),
        ("a line of white space before the first field", "GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n"),
        ("white space that hides a length", "GET / HTTP/1.1\r\n Content-Length: 40\r\nHost: a\r\n\r\n"),
    ] {
        cases.push(case("9112 §2.2", name, bytes, &[400], Closes));
    }
    // What is no HTTP request.
    for (name, bytes) in [
        ("a word", &b"hello\r\n\r\n"[..]),
        ("a TLS hello inside the connection", b"\x16\x03\x00\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
        ("a response", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("a byte order mark", b"\xef\xbb\xbfGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a NUL before the request", b"\x00GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a space before the request", b" GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a tab before the request", b"\tGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ] {
        cases.push(case("9112 §2.2", name, bytes, &[400], Closes));
    }
    // §2.3.
    for version in [
        "HTTP/0.9",
        "HTTP/1.2",
        "HTTP/1.9",
        "HTTP/2.0",
        "HTTP/3.0",
        "HTTP/11.1",
        "HTTP/1.10",
        "HTTP/1.01",
        "HTTP/01.1",
        "HTTP/1",
        "HTTP/1.",
        "HTTP/.1",
        "HTTP/1,1",
        "http/1.1",
        "Http/1.1",
        "HTTP 1.1",
        "HTTP/ 1.1",
        "HTTP/1. 1",
        "HTTP/1.1x",
        "HTTP/+1.1",
        "HTTP/-1.1",
        "HTTPS/1.1",
        "RTSP/1.0",
        "HTTP/a.b",
    ] {
        let bytes = format!("GET / {version}\r\nHost: a\r\n\r\n");
        cases.push(case("9112 §2.3", format!("the version {version}"), bytes, &[400], Closes));
    }
    cases.push(case("9112 §2.3", "a request of HTTP/0.9", "GET /\r\n\r\n", &[400], Closes));
    cases.push(
        case("9110 §6.2", "HTTP/1.0 is answered as HTTP/1.1", "GET / HTTP/1.0\r\n\r\n", &[200], Closes)
            .field("http/1.1 200"),
    );
    cases.push(case("9112 §2.3", "HTTP/1.0 needs no Host", "GET / HTTP/1.0\r\n\r\n", &[200], Closes));
    cases
}

#[test]
fn lines_end_in_crlf_and_versions_are_those_that_exist() {
    check(&cases());
}
