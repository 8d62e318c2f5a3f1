//! RFC 9112 §3: the request line, the forms of a target, `Host`.

use super::{Case, Closes, Stays, case, check};

pub fn cases() -> Vec<Case> {
    let mut cases = request_line();
    cases.extend(targets());
    cases.extend(hosts());
    cases
}

/// §3: `method SP request-target SP HTTP-version`, one space each.
fn request_line() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, line) in [
        ("two spaces before the target", "GET  / HTTP/1.1"),
        ("two spaces before the version", "GET /  HTTP/1.1"),
        ("a space after the version", "GET / HTTP/1.1 "),
        ("a tab between method and target", "GET\t/ HTTP/1.1"),
        ("a tab between target and version", "GET /\tHTTP/1.1"),
        ("a form feed between method and target", "GET\x0c/ HTTP/1.1"),
        ("a vertical tab between target and version", "GET /\x0bHTTP/1.1"),
        ("no target", "GET HTTP/1.1"),
        ("an empty target", "GET  HTTP/1.1"),
        ("a method alone", "GET"),
        ("a space in the target", "GET /a b HTTP/1.1"),
        ("a space and a version in the target", "GET / HTTP/1.1 HTTP/1.1"),
        ("a query with a space", "GET /?a b HTTP/1.1"),
        ("no method", "/ HTTP/1.1"),
        // §3.1: a method is a token.
        ("a method with @", "G@T / HTTP/1.1"),
        ("a method with a colon", "GET: / HTTP/1.1"),
        ("a method with quotes", "\"GET\" / HTTP/1.1"),
        ("a method with a slash", "GE/T / HTTP/1.1"),
        ("a method with brackets", "(GET) / HTTP/1.1"),
        ("a method with a NUL", "GE\0T / HTTP/1.1"),
        ("a method that is not ASCII", "G\u{c9}T / HTTP/1.1"),
        ("a method with DEL", "GET\x7f / HTTP/1.1"),
    ] {
        cases.push(case("9112 §3", name, format!("{line}\r\nHost: a\r\n\r\n"), &[400], Closes));
    }
    // RFC 9113 §3.4: the preface of HTTP/2 is one at the beginning of a connection only.
    for (name, before, statuses) in [
        ("the preface of HTTP/2 after an empty line", "\r\n", &[400][..]),
        ("the preface of HTTP/2 after a line feed", "\n", &[400]),
        ("the preface of HTTP/2 after a carriage return", "\r", &[400]),
        ("the preface of HTTP/2 as a second request", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", &[200, 400]),
    ] {
        let bytes = format!("{before}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        cases.push(case("9113 §3.4", name, bytes, statuses, Closes));
    }
    cases
}

/// §3.2: origin-form, absolute-form, authority-form for CONNECT, asterisk-form for OPTIONS.
fn targets() -> Vec<Case> {
    let mut cases = Vec::new();
    let host = "Host: a\r\n\r\n";
    for (target, seen) in [
        ("/all", "GET /all "),
        ("/all?", "GET /all? "),
        ("/all?a=%20&b=+", "GET /all?a=%20&b=+ "),
        ("/all?a/b?c", "GET /all?a/b?c "),
        ("/all?-._~!$&'()*+,;=:@%41", "GET /all?-._~!$&'()*+,;=:@%41 "),
        ("http://a/all", "GET http://a/all "),
        ("HTTP://A/all", "/all "),
        ("https://a/all", "GET https://a/all "),
        ("http://a:80/all", "GET http://a:80/all "),
        ("http://[::1]:8080/all?x", "GET http://[::1]:8080/all?x "),
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\n{host}");
        cases.push(case("9112 §3.2", format!("the target {target}"), bytes, &[200], Stays).seen(seen));
    }
    for target in [
        "all",
        "../all",
        "./all",
        "?q",
        "#f",
        "a:80",
        "a",
        "*",
        "*/",
        "/*#",
        "/all#f",
        "/all?a#f",
        "/#",
        "http://a/all#f",
        "http://a#f",
        "ftp://a/all",
        "ws://a/all",
        "http:///all",
        "http://",
        "http:/all",
        "http:all",
        "://a/all",
        "http://user@a/all",
        "http://user:word@a/all",
        "http://@a/all",
        "http://a b/all",
        "http://a:x/all",
        "http://a:99999/all",
        "http://[::1/all",
        "http://a,b/all",
        "http://a:80:80/all",
        "/caf\u{e9}",
        "/?\u{e9}",
        "/\u{d55c}",
        "http://\u{fc}/all",
        "/\0",
        "/\x01",
        "/\t",
        "/\x7f",
        "/\x1b",
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\n{host}");
        cases.push(case("9112 §3.2", format!("no target: {target:?}"), bytes, &[400], Closes));
    }
    for (name, byte) in [("0x80", b"\x80"), ("0xff", b"\xff"), ("0xe9", b"\xe9")] {
        let bytes = [&b"GET /"[..], byte, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat();
        cases.push(case("9112 §3.2", format!("the byte {name} in a target"), bytes, &[400], Closes));
    }
    for (method, target, status) in [("POST", "*", 400), ("HEAD", "*", 400), ("OPTIONS", "a:80", 400)] {
        let bytes = format!("{method} {target} HTTP/1.1\r\n{host}");
        cases.push(case("9112 §3.2", format!("{method} {target}"), bytes, &[status], Closes));
    }
    let section = "9112 §3.2.4";
    cases.push(case(section, "OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", &[404], Stays));
    cases.push(case(section, "OPTIONS *?", "OPTIONS *? HTTP/1.1\r\nHost: a\r\n\r\n", &[400], Closes));
    for target in ["a:443", "a", "/all", "http://a/all", "*", "user@a:443"] {
        let bytes = format!("CONNECT {target} HTTP/1.1\r\n{host}");
        cases.push(case("9110 §9.3.6", format!("CONNECT {target} is no tunnel"), bytes, &[501], Closes));
    }
    // What browsers send though RFC 3986 has it encoded: a 400 would lock people out (§3.2: SHOULD).
    for target in ["/all?a|b", "/all?a^b", "/all?{}", "/all?a`b", "/all?a\\b"] {
        let bytes = format!("GET {target} HTTP/1.1\r\n{host}");
        cases.push(case("9112 §3.2", format!("browsers send {target}"), bytes, &[200], Stays));
    }
    cases
}

/// §3.2, §3.2.2: `Host` exactly once and valid; an absolute form wins over it.
fn hosts() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, fields) in [
        ("no Host", ""),
        ("two Hosts", "Host: a\r\nHost: b\r\n"),
        ("the same Host twice", "Host: a\r\nHost: a\r\n"),
        ("two Hosts in two cases", "Host: a\r\nhOST: a\r\n"),
        ("two Hosts with a field between", "Host: a\r\nX: y\r\nHost: a\r\n"),
    ] {
        cases.push(case("9112 §3.2", name, format!("GET / HTTP/1.1\r\n{fields}\r\n"), &[400], Closes));
        let bytes = format!("GET http://a/ HTTP/1.1\r\n{fields}\r\n");
        cases.push(case("9112 §3.2", format!("{name}, absolute form"), bytes, &[400], Closes));
    }
    for host in [
        "",
        " ",
        "a b",
        "a/b",
        "a?b",
        "a#b",
        "a\\b",
        "user@a",
        "a,b",
        "a, b",
        "a:port",
        "a:-1",
        "a:+1",
        "a:99999",
        "a:1:2",
        ":80",
        "[::1",
        "::1",
        "[]",
        "[g]",
        "[::1]x",
        "[::1]:x",
        "http://a",
        "a\"",
        "<a>",
        "caf\u{e9}",
        "a\tb",
    ] {
        let bytes = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        cases.push(case("9112 §3.2", format!("no Host: {host:?}"), bytes, &[400], Closes));
    }
    for host in ["a", "a.b-c_d~e", "a:80", "a:", "127.0.0.1", "[::1]", "[::1]:8080", "a%20b", "A.EXAMPLE"] {
        let bytes = format!("GET /all HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let seen = format!("host={host}");
        cases.push(case("9112 §3.2", format!("the Host {host}"), bytes, &[200], Stays).seen(seen));
    }
    cases.push(
        case(
            "9112 §3.2.2",
            "an absolute form wins over Host",
            "GET http://right:1/all HTTP/1.1\r\nHost: wrong\r\n\r\n",
            &[200],
            Stays,
        )
        .seen("[host=right:1]"),
    );
    cases.push(case(
        "9112 §3.2.2",
        "an absolute form does not mend a bad Host",
        "GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n",
        &[400],
        Closes,
    ));
    cases.push(case(
        "9112 §3.2",
        "two Hosts in HTTP/1.0",
        "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
        &[400],
        Closes,
    ));
    cases.push(case(
        "9112 §3.2",
        "a bad Host in HTTP/1.0",
        "GET / HTTP/1.0\r\nHost: a b\r\n\r\n",
        &[400],
        Closes,
    ));
    cases
}

#[test]
fn the_request_line_has_one_form_and_one_host() {
    check(&cases());
}
