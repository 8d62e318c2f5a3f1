//! RFC 9112 §5: field lines, white space, folding; RFC 9110 §5: names and values.

use super::{Case, Closes, Stays, case, check};

fn with(line: &str) -> Vec<u8> {
    format!("GET /all HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n").into_bytes()
}

fn with_bytes(name: &[u8], value: &[u8]) -> Vec<u8> {
    [b"GET /all HTTP/1.1\r\nHost: a\r\n", name, b":", value, b"\r\n\r\n"].concat()
}

pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    // §5: `field-name ":" OWS field-value OWS`.
    for (name, line, seen) in [
        ("a field without white space", "X:y", "x=y]"),
        ("a field with a space", "X: y", "x=y]"),
        ("a field with a tab", "X:\ty", "x=y]"),
        ("white space around a value is no part of it", "X: \t y \t ", "x=y]"),
        ("an empty value", "X:", "x=]"),
        ("a value of white space alone", "X: \t ", "x=]"),
        ("a space within a value", "X: a b", "x=a b]"),
        ("a tab within a value", "X: a\tb", "x=a\tb]"),
        ("colons within a value", "X: a:b:", "x=a:b:]"),
        ("a value that is not ASCII", "X: caf\u{e9}", "x=caf\u{e9}]"),
        ("quotes in a value", "X: \"a\\\"b\"", "x=\"a\\\"b\"]"),
        ("a name of all characters of a token", "!#$%&'*+-.^_`|~09aZ: y", "!#$%&'*+-.^_`|~09az=y]"),
        ("names have no case", "x-UPPER-lower: y", "x-upper-lower=y]"),
        ("a field twice is two fields", "X: 1\r\nx: 2", "x=1; x=2]"),
        ("a field that nobody knows", "X-Unknown-To-All: y", "x-unknown-to-all=y]"),
        ("a lone comma", "X: ,", "x=,]"),
    ] {
        cases.push(case("9112 §5", name, with(line), &[200], Stays).seen(seen));
    }
    for (name, line) in [
        ("a space before the colon", "X : y"),
        ("a tab before the colon", "X\t: y"),
        ("a space before the colon of Host", "Host : a"),
        ("a space before the colon of a length", "Content-Length : 40"),
        ("a tab before the colon of a coding", "Transfer-Encoding\t: chunked"),
        ("a space within a name", "X Y: z"),
        ("a line without a colon", "hello"),
        ("a line without a name", ": y"),
        ("a line of a colon", ":"),
        ("a name with a quote", "X\"Y: z"),
        ("a name with brackets", "X(Y): z"),
        ("a name with a slash", "X/Y: z"),
        ("a name with @", "X@Y: z"),
        ("a name with [", "X[Y: z"),
        ("a name with \\", "X\\Y: z"),
        ("a name with a comma", "X,Y: z"),
        ("a name with a semicolon", "X;Y: z"),
        ("a name with =", "X=Y: z"),
        ("a name with a brace", "X{Y: z"),
        ("a name with <", "X<Y: z"),
        ("a name with ?", "X?Y: z"),
        ("a name that is not ASCII", "caf\u{e9}: z"),
        ("a name that begins with a space", " X: z"),
    ] {
        cases.push(case("9112 §5.1", name, with(line), &[400], Closes));
    }
    for byte in [0x00, 0x01, 0x08, 0x0b, 0x0c, 0x1b, 0x1f, 0x7f] {
        let name = format!("the byte {byte:#04x} in a value");
        cases.push(case("9110 §5.5", name, with_bytes(b"X", &[b' ', b'a', byte, b'b']), &[400], Closes));
        let name = format!("the byte {byte:#04x} in a name");
        cases.push(case("9110 §5.1", name, with_bytes(&[b'X', byte], b" a"), &[400], Closes));
    }
    for byte in [0x80, 0xa0, 0xff] {
        let name = format!("the byte {byte:#04x} in a value is obs-text");
        cases.push(case("9110 §5.5", name, with_bytes(b"X", &[b' ', b'a', byte, b'b']), &[200], Stays));
    }
    // §5.2: obs-fold is refused.
    for (name, line) in [
        ("a value folded with a space", "X: a\r\n b"),
        ("a value folded with a tab", "X: a\r\n\tb"),
        ("a value folded twice", "X: a\r\n b\r\n c"),
        ("an empty value folded", "X:\r\n b"),
        ("a fold of white space alone", "X: a\r\n "),
        ("a folded length", "Content-Length:\r\n 5"),
        ("a folded coding", "Transfer-Encoding:\r\n chunked"),
        ("a fold that hides a length", "X: a\r\n Content-Length: 40"),
    ] {
        cases.push(case("9112 §5.2", name, with(line), &[400], Closes));
    }
    cases.push(case("9112 §5.2", "a folded Host", "GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n", &[400], Closes));
    cases
}

#[test]
fn a_field_is_a_name_a_colon_and_a_value_on_one_line() {
    check(&cases());
}
