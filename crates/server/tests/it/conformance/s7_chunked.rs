//! RFC 9112 §7.1: chunk sizes, extensions, the last chunk, trailers.

use super::{Case, Closes, Stays, case, check};

fn chunked(body: &str) -> String {
    format!("POST /all HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, body, seen) in [
        ("one chunk", "5\r\nhello\r\n0\r\n\r\n", "[hello]"),
        ("three chunks", "2\r\nhe\r\n2\r\nll\r\n1\r\no\r\n0\r\n\r\n", "[hello]"),
        ("no chunk but the last", "0\r\n\r\n", "[] []"),
        ("a size in small letters", "a\r\n0123456789\r\n0\r\n\r\n", "[0123456789]"),
        ("a size in capitals", "A\r\n0123456789\r\n0\r\n\r\n", "[0123456789]"),
        ("a size with leading zeros", "0005\r\nhello\r\n0\r\n\r\n", "[hello]"),
        ("a last chunk of many zeros", "5\r\nhello\r\n0000\r\n\r\n", "[hello]"),
        ("line ends within a chunk", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "[\r\n\r\n]"),
        ("a chunk that looks like chunks", "5\r\n0\r\n\r\n\r\n0\r\n\r\n", "[0\r\n\r\n]"),
        ("a chunk with bare LF", "3\r\na\nb\r\n0\r\n\r\n", "[a\nb]"),
        // §7.1.1: extensions are ignored. White space around `;` and `=` is in the grammar (BWS), and RFC 9110 §5.6.3 says
        // that a recipient MUST parse it; without an extension after it, it is refused below.
        ("an extension", "5;a\r\nhello\r\n0\r\n\r\n", "[hello]"),
        ("an extension with a value", "5;a=b\r\nhello\r\n0\r\n\r\n", "[hello]"),
        ("an extension with a quoted value", "5;a=\"b;c\\\"\"\r\nhello\r\n0\r\n\r\n", "[hello]"),
        ("two extensions", "5;a=b;c\r\nhello\r\n0\r\n\r\n", "[hello]"),
        ("an extension of the last chunk", "5\r\nhello\r\n0;a=b\r\n\r\n", "[hello]"),
        ("bad white space before an extension", "5 ; a=b\r\nhello\r\n0\r\n\r\n", "[hello]"),
        ("bad white space around extensions", "5 ; a = b\r\nhello\r\n0\r\n\r\n", "[hello]"),
        // §7.1.2: trailers.
        ("a trailer", "5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n", "[hello] [x-sum=7]"),
        ("two trailers", "0\r\nX: 1\r\nY: 2\r\n\r\n", "[x=1; y=2]"),
        ("an empty trailer", "0\r\nX:\r\n\r\n", "[x=]"),
    ] {
        cases.push(case("9112 §7.1", name, chunked(body), &[200], Stays).seen(seen));
    }
    for (name, body) in [
        ("no size", "\r\nhello\r\n0\r\n\r\n"),
        ("a size with +", "+5\r\nhello\r\n0\r\n\r\n"),
        ("a size with -", "-5\r\nhello\r\n0\r\n\r\n"),
        ("a size with 0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("a size that is not hexadecimal", "g\r\nhello\r\n0\r\n\r\n"),
        ("a size with a dot", "5.0\r\nhello\r\n0\r\n\r\n"),
        ("a size with a comma", "5,5\r\nhello\r\n0\r\n\r\n"),
        ("a size with an underscore", "0_5\r\nhello\r\n0\r\n\r\n"),
        ("a space before the size", " 5\r\nhello\r\n0\r\n\r\n"),
        ("a tab before the size", "\t5\r\nhello\r\n0\r\n\r\n"),
        ("a space after the size", "5 \r\nhello\r\n0\r\n\r\n"),
        ("a tab after the size", "5\t\r\nhello\r\n0\r\n\r\n"),
        ("a space within the size", "0 5\r\nhello\r\n0\r\n\r\n"),
        ("a space after the last size", "5\r\nhello\r\n0 \r\n\r\n"),
        ("a size of 17 digits", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        ("a size of 2^64", "10000000000000000\r\nhello\r\n0\r\n\r\n"),
        ("a size that is not ASCII", "\u{ff15}\r\nhello\r\n0\r\n\r\n"),
        ("a bare LF after the size", "5\nhello\r\n0\r\n\r\n"),
        ("a bare CR after the size", "5\rhello\r\n0\r\n\r\n"),
        ("CR CR LF after the size", "5\r\r\nhello\r\n0\r\n\r\n"),
        ("a bare LF after the chunk", "5\r\nhello\n0\r\n\r\n"),
        ("a bare CR after the chunk", "5\r\nhello\r0\r\n\r\n"),
        ("nothing after the chunk", "5\r\nhello0\r\n\r\n"),
        ("a chunk longer than its size", "5\r\nhelloXX\r\n0\r\n\r\n"),
        ("a chunk shorter than its size", "5\r\nhell\r\n0\r\n\r\n"),
        ("two line ends after the chunk", "5\r\nhello\r\n\r\n0\r\n\r\n"),
        ("a bare LF after the last size", "5\r\nhello\r\n0\n\r\n"),
        ("a bare LF at the end", "5\r\nhello\r\n0\r\n\n"),
        // Extensions.
        ("a bare LF in an extension", "5;a\nhello\r\n0\r\n\r\n"),
        ("a bare CR in an extension", "5;a\rb\r\nhello\r\n0\r\n\r\n"),
        ("a bare LF that hides a chunk", "5;a\n0\r\n\r\nhello\r\n0\r\n\r\n"),
        ("an extension without a name", "5;\r\nhello\r\n0\r\n\r\n"),
        ("an extension without a name and a value", "5;=b\r\nhello\r\n0\r\n\r\n"),
        ("an extension without its value", "5;a=\r\nhello\r\n0\r\n\r\n"),
        ("an extension with a NUL", "5;a\0\r\nhello\r\n0\r\n\r\n"),
        ("an extension with a control character", "5;a=\x01\r\nhello\r\n0\r\n\r\n"),
        ("an extension with an open quote", "5;a=\"b\r\nhello\r\n0\r\n\r\n"),
        ("text after an extension's quote", "5;a=\"b\"c\r\nhello\r\n0\r\n\r\n"),
        ("an extension without its semicolon", "5 a\r\nhello\r\n0\r\n\r\n"),
        ("an extension of the last chunk without a name", "5\r\nhello\r\n0;\r\n\r\n"),
        // Trailers.
        ("a trailer without a colon", "0\r\nhello\r\n\r\n"),
        ("a trailer with a space before the colon", "0\r\nX : y\r\n\r\n"),
        ("a trailer with a bad name", "0\r\nX Y: z\r\n\r\n"),
        ("a folded trailer", "0\r\nX: a\r\n b\r\n\r\n"),
        ("a bare LF after a trailer", "0\r\nX: a\nY: b\r\n\r\n"),
        ("a bare CR in a trailer", "0\r\nX: a\rb\r\n\r\n"),
        ("a NUL in a trailer", "0\r\nX: a\0b\r\n\r\n"),
        ("a length as a trailer", "0\r\nContent-Length: 40\r\n\r\n"),
        ("a coding as a trailer", "0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ] {
        cases.push(case("9112 §7.1", name, chunked(body), &[400], Closes));
    }
    cases.push(case(
        "9112 §7.1",
        "a request behind chunks",
        chunked("5\r\nhello\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        &[200, 200],
        Stays,
    ));
    cases.push(case(
        "9112 §7.1",
        "two requests in chunks",
        format!("{}{}", chunked("2\r\nhi\r\n0\r\n\r\n"), chunked("0\r\n\r\n")),
        &[200, 200],
        Stays,
    ));
    cases.push(case(
        "9112 §7.1",
        "a fragment behind chunks",
        chunked("5\r\nhello\r\n0\r\n\r\nGET /#f HTTP/1.1\r\nHost: a\r\n\r\n"),
        &[200, 400],
        Closes,
    ));
    cases
}

#[test]
fn chunks_have_one_form() {
    check(&cases());
}
