//! RFC 9112 §9: persistence, pipelining, closing; RFC 9110 §7.6.1, §7.8: Connection and Upgrade.

use super::{Case, Closes, Stays, case, check};

fn get(path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

pub fn cases() -> Vec<Case> {
    let mut cases = persistence();
    cases.extend(pipelines());
    cases.extend(upgrades());
    cases
}

fn persistence() -> Vec<Case> {
    let mut cases = Vec::new();
    for value in ["keep-alive", "Keep-Alive", "x", "", ",", "closed", "close;x", "xclose", "upgrade", "te"] {
        let bytes = get("/", &format!("Connection: {value}\r\n"));
        cases.push(case("9112 §9.3", format!("stays with Connection: {value:?}"), bytes, &[200], Stays));
    }
    for value in [
        "close",
        "Close",
        "CLOSE",
        "close, x",
        "x, close",
        "keep-alive, close",
        "close,keep-alive",
        " close ",
        ",close",
    ] {
        let bytes = get("/", &format!("Connection: {value}\r\n"));
        let name = format!("closes with Connection: {value:?}");
        cases.push(case("9112 §9.6", name, bytes, &[200], Closes).field("connection: close"));
    }
    for (name, fields) in [
        ("closes with the second of two fields", "Connection: keep-alive\r\nConnection: close\r\n"),
        ("closes with the first of two fields", "Connection: close\r\nConnection: keep-alive\r\n"),
    ] {
        cases.push(case("9112 §9.6", name, get("/", fields), &[200], Closes).field("connection: close"));
    }
    cases.push(case("9112 §9.3", "HTTP/1.1 stays", get("/", ""), &[200], Stays));
    cases.push(case("9112 §9.3", "HTTP/1.0 closes", "GET / HTTP/1.0\r\nHost: a\r\n\r\n", &[200], Closes));
    cases.push(
        case(
            "9112 §9.3",
            "HTTP/1.0 stays with keep-alive",
            "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            &[200],
            Stays,
        )
        .field("connection: keep-alive"),
    );
    cases.push(case(
        "9112 §9.3",
        "HTTP/1.0 closes with keep-alive and close",
        "GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
        &[200],
        Closes,
    ));
    cases.push(
        case(
            "9112 §6.1",
            "no chunks to HTTP/1.0, whose body then ends with the connection",
            "GET /pieces HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            &[200],
            Closes,
        )
        .seen("hello")
        .no_field("transfer-encoding"),
    );
    cases.push(
        case("9112 §9.6", "a handler's close ends the connection", get("/close", ""), &[200], Closes)
            .field("connection: close"),
    );
    cases.push(
        case("9112 §9.5", "a client's end is no end of its answer", get("/", ""), &[200], Closes)
            .ends()
            .seen("Hello"),
    );
    cases.push(
        case(
            "9112 §9.5",
            "a client's end behind a body",
            "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
            &[200],
            Closes,
        )
        .ends()
        .seen("hi"),
    );
    cases.push(case("9112 §9.5", "an empty line and an end", "\r\n", &[], Closes).ends());
    for (status, path) in [(404, "/nothing"), (418, "/teapot"), (500, "/panic"), (204, "/204"), (304, "/304")]
    {
        let name = format!("{status} does not end the connection");
        cases.push(case("9112 §9.3", name, get(path, ""), &[status], Stays));
    }
    cases.push(case(
        "9112 §9.3",
        "a small body that nobody read is thrown away",
        "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        &[200],
        Stays,
    ));
    cases.push(case(
        "9112 §9.3",
        "an unread body that looks like a request is none",
        "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n ",
        &[200],
        Stays,
    ));
    cases
}

/// §9.3.2: answers in the order of the requests; nothing is answered behind the last one.
fn pipelines() -> Vec<Case> {
    let mut cases = Vec::new();
    let (hello, post) = (get("/", ""), "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    cases.push(case("9112 §9.3.2", "two requests", format!("{hello}{hello}"), &[200, 200], Stays));
    cases.push(case("9112 §9.3.2", "ten requests", hello.repeat(10), &[200; 10], Stays));
    cases.push(case("9112 §9.3.2", "a body, then a request", format!("{post}{hello}"), &[200, 200], Stays));
    cases.push(case("9112 §9.3.2", "two bodies", format!("{post}{post}"), &[200, 200], Stays));
    cases.push(case(
        "9112 §9.3.2",
        "an empty line between requests",
        format!("{hello}\r\n{hello}"),
        &[200, 200],
        Stays,
    ));
    cases.push(case(
        "9112 §9.3.2",
        "errors between answers",
        format!("{}{}{hello}", get("/nothing", ""), get("/panic", "")),
        &[404, 500, 200],
        Stays,
    ));
    cases.push(case(
        "9112 §9.6",
        "nothing behind a request that closes",
        format!("{}{hello}", get("/", "Connection: close\r\n")),
        &[200],
        Closes,
    ));
    cases.push(case(
        "9112 §9.6",
        "nothing behind an answer that closes",
        format!("{}{hello}", get("/close", "")),
        &[200],
        Closes,
    ));
    for (name, bad) in [
        ("no Host", "GET / HTTP/1.1\r\n\r\n"),
        ("a fragment", "GET /#f HTTP/1.1\r\nHost: a\r\n\r\n"),
        ("a bare LF", "GET / HTTP/1.1\r\nHost: a\n\r\n"),
        ("a fold", "GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n"),
        ("two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n"),
        ("garbage", "hello\r\n\r\n"),
    ] {
        let name = format!("answers before {name}, and none behind");
        cases.push(case("9112 §9.3.2", name, format!("{hello}{post}{bad}{hello}"), &[200, 200, 400], Closes));
    }
    cases
}

/// RFC 9110 §7.8: who does not want to upgrade ignores it.
fn upgrades() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, fields) in [
        (
            "h2c",
            "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        ),
        ("websocket", "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
        ("several protocols", "Connection: Upgrade\r\nUpgrade: a, b/1\r\n"),
        ("without Connection", "Upgrade: websocket\r\n"),
        ("an empty list", "Connection: Upgrade\r\nUpgrade:\r\n"),
        ("TLS", "Connection: Upgrade\r\nUpgrade: TLS/1.0\r\n"),
    ] {
        let name = format!("an upgrade that nobody wants: {name}");
        cases.push(
            case("9110 §7.8", name, get("/", fields), &[200], Stays).seen("Hello").no_field("upgrade:"),
        );
    }
    cases.push(case(
        "9110 §7.8",
        "an upgrade in HTTP/1.0 is ignored",
        "GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        &[200],
        Closes,
    ));
    cases.push(
        case(
            "9110 §7.8",
            "an upgrade with a body",
            "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 2\r\n\r\nhi",
            &[200],
            Stays,
        )
        .seen("hi"),
    );
    cases
}

#[test]
fn a_connection_goes_on_or_ends_as_both_sides_can_tell() {
    check(&cases());
}
