//! Sizes up to the limits and one past them (RFC 9110 §4.1, §15.5.14, §15.5.15; RFC 6585 §5; docs/limits.md).

use super::{Case, Closes, Stays, Then, case, check};

fn padded(before: &str, after: &str, length: usize) -> String {
    format!("{before}{}{after}", "x".repeat(length - before.len() - after.len()))
}

fn limit(name: String, bytes: String, status: u16) -> Case {
    let then: Then = if status == 200 { Stays } else { Closes };
    case("9110 §2.3", name, bytes, &[status], then)
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: String, bytes: String, status: u16| cases.push(limit(name, bytes, status));
    for (length, status) in [(8_000, 200), (16_383, 200), (16_384, 200), (16_385, 431), (20_000, 431)] {
        let bytes = padded("GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n\r\n", length);
        add(format!("a head of {length} bytes"), bytes, status);
        let bytes = padded("GET / HTTP/1.1\r\nHost: a\r\n", ": y\r\n\r\n", length);
        add(format!("a head of {length} bytes in a field's name"), bytes, status);
    }
    for (length, status) in [(4_000, 200), (8_191, 200), (8_192, 200), (8_193, 414), (10_000, 414)] {
        let target = padded("/all?", "", length);
        add(
            format!("a target of {length} bytes"),
            format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
            status,
        );
        let target = padded("http://a/all?", "", length);
        add(
            format!("an absolute target of {length} bytes"),
            format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"),
            status,
        );
    }
    for (count, status) in [(50, 200), (99, 200), (100, 200), (101, 431), (200, 431)] {
        let fields = (1..count).map(|n| format!("X{n}: y\r\n")).collect::<String>();
        add(format!("{count} fields"), format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"), status);
        let fields = "X: y\r\n".repeat(count - 1);
        add(
            format!("{count} fields of one name"),
            format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"),
            status,
        );
    }
    for (limit, status) in [(9, 200), (10, 200), (11, 413)] {
        let body = "x".repeat(limit);
        let bytes = format!("POST /small-only HTTP/1.1\r\nHost: a\r\nContent-Length: {limit}\r\n\r\n{body}");
        add(format!("a body of {limit} where 10 are allowed"), bytes, status);
        let bytes = format!(
            "POST /small-only HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{limit:x}\r\n{body}\r\n0\r\n\r\n"
        );
        add(format!("chunks of {limit} where 10 are allowed"), bytes, status);
    }
    add(
        "a length of 2^63 - 1".into(),
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n".into(),
        413,
    );
    add(
        "a chunk of 2^64 - 1".into(),
        "POST /all HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n".to_owned()
            + &"x".repeat(3_000_000),
        413,
    );
    let trailer = |length| {
        format!(
            "POST /all HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: {}\r\n\r\n",
            "x".repeat(length)
        )
    };
    add("a trailer of 8000 bytes".into(), trailer(8_000), 200);
    add("a trailer of 20000 bytes".into(), trailer(20_000), 400);
    let extension = |length| {
        format!(
            "POST /all HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;{}\r\nx\r\n0\r\n\r\n",
            "x".repeat(length)
        )
    };
    add("an extension of 8000 bytes".into(), extension(8_000), 200);
    add("an extension of 20000 bytes".into(), extension(20_000), 400);
    // RFC 9112 §3: a method longer than any that is known is not known, however its bytes come.
    for length in [8_000, 8_300, 12_000] {
        let head = padded("", " / HTTP/1.1\r\nHost: a\r\n\r\n", length);
        let second = format!("GET / HTTP/1.1\r\nHost: a\r\n\r\n{head}");
        cases.push(limit(format!("a method in a head of {length} bytes"), head, 501));
        let name = format!("a method in a second head of {length} bytes");
        cases.push(case("9112 §3", name, second, &[200, 501], Closes));
    }
    cases
}

#[test]
fn what_is_within_a_limit_is_served_and_one_more_is_refused() {
    check(&cases());
}
