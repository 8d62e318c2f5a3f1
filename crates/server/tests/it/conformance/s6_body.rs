//! RFC 9112 §6: Content-Length, Transfer-Encoding, both at once, bodies cut short (§8).

use super::{Case, Closes, Stays, case, check};

fn post(fields: &str, body: &str) -> String {
    format!("POST /all HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}")
}

const CHUNKS: &str = "2\r\nhi\r\n0\r\n\r\n";

pub fn cases() -> Vec<Case> {
    let mut cases = lengths();
    cases.extend(codings());
    cases.extend(both());
    cases.extend(cut_short());
    cases
}

/// §6.2, §6.3: `Content-Length = 1*DIGIT`, once.
fn lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, value) in [
        ("a length", "2"),
        ("a length with leading zeros", "0002"),
        ("a length with white space around it", "\t 2 \t"),
        ("a length with many leading zeros", "00000000000000000000000000002"),
    ] {
        let bytes = post(&format!("Content-Length: {value}"), "hi");
        cases.push(case("9112 §6.2", name, bytes, &[200], Stays).seen("[hi]"));
    }
    for value in [
        "-1",
        "-0",
        "+2",
        "2a",
        "a",
        "0x2",
        "",
        " ",
        "2 2",
        "2,2",
        "2, 2",
        "2, 3",
        ",",
        "2,",
        ",2",
        "2;",
        "2.0",
        "2e0",
        "\"2\"",
        "18446744073709551616",
        "99999999999999999999999",
        "1_0",
        "\u{b2}",
        "\u{ff12}",
        "0b1",
        "inf",
    ] {
        let bytes = post(&format!("Content-Length: {value}"), "hi");
        cases.push(case("9112 §6.3", format!("no length: {value:?}"), bytes, &[400], Closes));
    }
    for (name, fields) in [
        ("two lengths that differ", "Content-Length: 2\r\nContent-Length: 3"),
        ("two lengths that differ, the larger first", "Content-Length: 3\r\nContent-Length: 2"),
        ("one length twice", "Content-Length: 2\r\nContent-Length: 2"),
        ("one length twice in two cases", "Content-Length: 2\r\ncontent-LENGTH: 2"),
        ("a length of 0 twice", "Content-Length: 0\r\nContent-Length: 0"),
        ("a length and a bad one", "Content-Length: 2\r\nContent-Length: x"),
        ("a bad length and a good one", "Content-Length: x\r\nContent-Length: 2"),
        ("two lengths with a field between", "Content-Length: 2\r\nX: y\r\nContent-Length: 2"),
        ("two lengths, one with a zero more", "Content-Length: 2\r\nContent-Length: 02"),
    ] {
        cases.push(case("9112 §6.3", name, post(fields, "hi"), &[400], Closes));
    }
    for method in ["GET", "DELETE", "OPTIONS", "PROPFIND", "PUT", "PATCH"] {
        let bytes = format!("{method} /all HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
        cases.push(case("9112 §6", format!("{method} may have a body"), bytes, &[200], Stays).seen("[hi]"));
    }
    cases.push(
        case("9112 §6.3", "without a length there is no body", post("X: y", ""), &[200], Stays).seen("[] []"),
    );
    cases
        .push(case("9112 §6.3", "a length of 0", post("Content-Length: 0", ""), &[200], Stays).seen("[] []"));
    cases.push(case(
        "9112 §6.3",
        "bytes without a length are the next request",
        post("X: y", "hi\r\n\r\n"),
        &[200, 400],
        Closes,
    ));
    cases.push(case(
        "9112 §6.3",
        "bytes beyond the length are the next request",
        post("Content-Length: 2", "hihi\r\n\r\n"),
        &[200, 400],
        Closes,
    ));
    cases.push(case(
        "9112 §6.3",
        "a name that only looks like a length",
        post("Content_Length: 2", ""),
        &[200],
        Stays,
    ));
    cases.push(
        case(
            "9112 §6.3",
            "a length in HTTP/1.0",
            "POST /all HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi",
            &[200],
            Closes,
        )
        .seen("[hi]"),
    );
    cases
}

/// §6.1: `Transfer-Encoding: chunked` and nothing else.
fn codings() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, value) in [
        ("chunked", "chunked"),
        ("chunked in capitals", "CHUNKED"),
        ("chunked in two cases", "Chunked"),
        ("chunked with white space around it", " \tchunked \t"),
        ("an empty element before chunked", ",chunked"),
        ("an empty element and a space before chunked", " , chunked"),
    ] {
        let bytes = post(&format!("Transfer-Encoding: {value}"), CHUNKS);
        cases.push(case("9112 §6.1", name, bytes, &[200], Stays).seen("[hi]"));
    }
    for value in [
        "chunked, chunked",
        "chunked,chunked",
        "chunked, gzip",
        "gzip",
        "identity",
        "",
        "xchunked",
        "chunkedx",
        "chunked;a=b",
        "chunked; q=1",
        "\"chunked\"",
        "'chunked'",
        "chunked chunked",
        "x chunked",
        "chunked,identity",
        "chunk",
        "chun ked",
        "chunked\u{a0}",
        "0",
        "(chunked)",
    ] {
        let bytes = post(&format!("Transfer-Encoding: {value}"), CHUNKS);
        cases.push(case("9112 §6.1", format!("no coding: {value:?}"), bytes, &[400], Closes));
    }
    // A coding that the server does not know SHOULD be 501.
    for value in
        ["gzip, chunked", "deflate, chunked", "identity, chunked", "gzip,deflate,chunked", "x, chunked"]
    {
        let bytes = post(&format!("Transfer-Encoding: {value}"), CHUNKS);
        cases.push(case("9112 §6.1", format!("unknown coding: {value}"), bytes, &[501], Closes));
    }
    for (name, fields, status) in [
        ("two fields, each chunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400),
        ("two fields, gzip first", "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501),
        ("two fields, gzip last", "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip", 400),
        ("two fields, identity last", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", 400),
        ("two fields, the last empty", "Transfer-Encoding: chunked\r\nTransfer-Encoding:", 400),
        ("two fields in two cases", "Transfer-Encoding: chunked\r\ntransfer-encoding: x", 400),
    ] {
        cases.push(case("9112 §6.1", name, post(fields, CHUNKS), &[status], Closes));
    }
    for (name, fields) in [
        ("chunks from HTTP/1.0", "Transfer-Encoding: chunked"),
        ("chunks from HTTP/1.0 that stays", "Connection: keep-alive\r\nTransfer-Encoding: chunked"),
        ("chunks and a length from HTTP/1.0", "Content-Length: 12\r\nTransfer-Encoding: chunked"),
        ("an unknown coding from HTTP/1.0", "Transfer-Encoding: gzip"),
    ] {
        let bytes = format!("POST /all HTTP/1.0\r\n{fields}\r\n\r\n{CHUNKS}");
        cases.push(case("9112 §6.1", name, bytes, &[400], Closes));
    }
    cases
}

/// §6.1, §6.3: a length together with a coding is refused, and nothing behind it is a request.
fn both() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, fields) in [
        ("length, then coding", "Content-Length: 12\r\nTransfer-Encoding: chunked"),
        ("coding, then length", "Transfer-Encoding: chunked\r\nContent-Length: 12"),
        ("coding, then a length that is too short", "Transfer-Encoding: chunked\r\nContent-Length: 3"),
        ("a length of 0, then coding", "Content-Length: 0\r\nTransfer-Encoding: chunked"),
        ("coding, then a length of 0", "Transfer-Encoding: chunked\r\nContent-Length: 0"),
        ("coding, then a bad length", "Transfer-Encoding: chunked\r\nContent-Length: x"),
        ("a bad length, then coding", "Content-Length: x\r\nTransfer-Encoding: chunked"),
        ("length, a field, coding", "Content-Length: 12\r\nX: y\r\nTransfer-Encoding: chunked"),
        ("coding, a field, length", "Transfer-Encoding: chunked\r\nX: y\r\nContent-Length: 12"),
        ("coding in capitals, then length", "TRANSFER-ENCODING: CHUNKED\r\nCONTENT-LENGTH: 12"),
        ("length, then an unknown coding", "Content-Length: 12\r\nTransfer-Encoding: xchunked"),
        ("length, then identity", "Content-Length: 12\r\nTransfer-Encoding: identity"),
        (
            "coding between two lengths",
            "Content-Length: 12\r\nTransfer-Encoding: chunked\r\nContent-Length: 12",
        ),
        ("both without white space", "Content-Length:12\r\nTransfer-Encoding:chunked"),
    ] {
        cases.push(case("9112 §6.1", name, post(fields, CHUNKS), &[400], Closes));
    }
    for method in ["GET", "PUT", "DELETE"] {
        let bytes = format!(
            "{method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 12\r\n\r\n{CHUNKS}"
        );
        let name = format!("{method} with both");
        cases.push(case("9112 §6.1", name, bytes, &[400], Closes));
    }
    cases.push(case(
        "9112 §6.1",
        "both, behind an honest request",
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n{}",
            post("Transfer-Encoding: chunked\r\nContent-Length: 12", CHUNKS)
        ),
        &[200, 400],
        Closes,
    ));
    cases.push(case(
        "9112 §6.1",
        "both, behind a body",
        format!(
            "{}{}",
            post("Content-Length: 2", "hi"),
            post("Content-Length: 12\r\nTransfer-Encoding: chunked", CHUNKS)
        ),
        &[200, 400],
        Closes,
    ));
    cases
}

/// §8: a body that is cut short is never a whole one.
fn cut_short() -> Vec<Case> {
    [
        ("a body cut short", "Content-Length: 10", "hello"),
        ("a body of which nothing comes", "Content-Length: 10", ""),
        ("a chunk cut short", "Transfer-Encoding: chunked", "5\r\nhe"),
        ("a chunk's size cut short", "Transfer-Encoding: chunked", "5"),
        ("chunks without the last", "Transfer-Encoding: chunked", "5\r\nhello\r\n"),
        ("chunks without the end of the last", "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n"),
        ("trailers cut short", "Transfer-Encoding: chunked", "0\r\nX: y\r\n"),
    ]
    .map(|(name, fields, body)| case("9112 §8", name, post(fields, body), &[400], Closes).ends())
    .into()
}

#[test]
fn a_body_has_one_length_and_it_is_clear_which() {
    check(&cases());
}
