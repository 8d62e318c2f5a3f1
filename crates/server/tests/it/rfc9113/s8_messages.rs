//! Messages: framing, lengths, trailers and control data (RFC 9113 §8.1, §8.3, §8.5).

use crate::client::BOTH;
use crate::site::Site;

use super::block::Block;
use super::frames::*;
use super::{Case, MALFORMED, case, check, peer};

pub fn cases() -> Vec<Case> {
    [s8_1(), s8_1_1(), s8_3(), s8_3_1(), s8_5()].into_iter().flatten().collect()
}

const TRAILED: &str = "/trailers";

fn s8_1() -> Vec<Case> {
    vec![
        case("a request without content", &[headers(1, Block::get("/"))], "1: 200"),
        case("a request to HEAD", &[headers(1, Block::request("HEAD", "/"))], "1: 200"),
        case(
            "a request with content",
            &[open_headers(1, Block::post("/echo")), data(1, b"a"), last_data(1, b"b")],
            "1: 200",
        ),
        // RFC 9110 §10.1.1.
        case(
            "a request that waits to be told to go on",
            &[open_headers(1, Block::post("/echo").field("expect", "100-continue"))],
            "1: 100",
        ),
        case(
            "a request that waits to be told to go on, and is too large",
            &[open_headers(
                1,
                Block::post("/echo").field("expect", "100-continue").field("content-length", "99999999"),
            )],
            "1: 413",
        ),
        case(
            "a request whose end is an empty frame",
            &[open_headers(1, Block::post("/echo")), data(1, b"a"), last_data(1, b"")],
            "1: 200",
        ),
        case(
            "a request with trailers",
            &[open_headers(1, Block::post(TRAILED)), data(1, b"a"), headers(1, Block::of(&[("x-sum", "1")]))],
            "1: 200",
        ),
        case(
            "trailers without content",
            &[open_headers(1, Block::post(TRAILED)), headers(1, Block::of(&[("x-sum", "1")]))],
            "1: 200",
        ),
        case(
            "trailers that do not end the request",
            &[
                open_headers(1, Block::post("/echo")),
                data(1, b"a"),
                open_headers(1, Block::of(&[("x-sum", "1")])),
            ],
            "1: RST_STREAM PROTOCOL_ERROR",
        ),
        case(
            "trailers with control data",
            &[open_headers(1, Block::post("/echo")), data(1, b"a"), headers(1, Block::of(&[(":path", "/")]))],
            "1: RST_STREAM PROTOCOL_ERROR",
        ),
        case(
            "trailers with a status",
            &[open_headers(1, Block::post("/echo")), headers(1, Block::of(&[(":status", "200")]))],
            "1: RST_STREAM PROTOCOL_ERROR",
        ),
        case(
            "trailers with an uppercase name",
            &[open_headers(1, Block::post("/echo")), headers(1, Block::of(&[("X-Sum", "1")]))],
            "1: RST_STREAM PROTOCOL_ERROR",
        ),
        case(
            "trailers with a field of the connection",
            &[open_headers(1, Block::post("/echo")), headers(1, Block::of(&[("connection", "close")]))],
            "1: RST_STREAM PROTOCOL_ERROR",
        ),
    ]
}

fn s8_1_1() -> Vec<Case> {
    let length = |value: &str| Block::post("/echo").field("content-length", value);
    let reset = "1: RST_STREAM PROTOCOL_ERROR";
    vec![
        case("the length that was promised", &[open_headers(1, length("3")), last_data(1, b"abc")], "1: 200"),
        case(
            "the length that was promised, with padding",
            &[open_headers(1, length("3")), frame(DATA, END_STREAM | PADDED, 1, b"\x02abc\0\0")],
            "1: 200",
        ),
        case("less than was promised", &[open_headers(1, length("3")), last_data(1, b"ab")], reset),
        case("more than was promised", &[open_headers(1, length("3")), data(1, b"abcd")], reset),
        case(
            "more than was promised, in a second frame",
            &[open_headers(1, length("3")), data(1, b"abc"), last_data(1, b"d")],
            reset,
        ),
        case("nothing where something was promised", &[headers(1, length("3"))], reset),
        case(
            "less than was promised, before trailers",
            &[open_headers(1, length("3")), data(1, b"ab"), headers(1, Block::of(&[("x-sum", "1")]))],
            reset,
        ),
        case("no content, and none promised", &[headers(1, length("0"))], "1: 200"),
        case(
            "something where nothing was promised",
            &[open_headers(1, length("0")), last_data(1, b"a")],
            reset,
        ),
        case("a length that is no number", &[open_headers(1, length("x")), last_data(1, b"a")], MALFORMED),
        case("a length with a sign", &[open_headers(1, length("+1")), last_data(1, b"a")], MALFORMED),
        case("an empty length", &[open_headers(1, length("")), last_data(1, b"a")], MALFORMED),
        case(
            "two lengths that differ",
            &[open_headers(1, length("1").field("content-length", "2")), last_data(1, b"a")],
            MALFORMED,
        ),
        case(
            "a length beyond all numbers",
            &[open_headers(1, length("99999999999999999999999")), last_data(1, b"a")],
            "1: RST_STREAM PROTOCOL_ERROR or 1: 400 or 1: 413",
        ),
    ]
}

fn s8_3() -> Vec<Case> {
    const M: (&str, &str) = (":method", "GET");
    const S: (&str, &str) = (":scheme", "http");
    const P: (&str, &str) = (":path", "/");
    const A: (&str, &str) = (":authority", "a");
    let head = |fields: &[(&str, &str)]| vec![headers(1, Block::of(fields))];
    vec![
        case("control data in any order", &head(&[A, P, S, M]), "1: 200"),
        case("control data after a field", &head(&[M, S, P, ("x", "y"), A]), MALFORMED),
        case("no method", &head(&[S, P, A]), MALFORMED),
        case("no scheme", &head(&[M, P, A]), MALFORMED),
        case("no path", &head(&[M, S, A]), MALFORMED),
        case("two methods", &head(&[M, M, S, P, A]), MALFORMED),
        case("two schemes", &head(&[M, S, S, P, A]), MALFORMED),
        case("two paths", &head(&[M, S, P, P, A]), MALFORMED),
        case("two authorities", &head(&[M, S, P, A, A]), MALFORMED),
        case("unknown control data", &head(&[M, S, P, A, (":foo", "x")]), MALFORMED),
        case("a status in a request", &head(&[M, S, P, A, (":status", "200")]), MALFORMED),
        case("control data in uppercase", &head(&[(":METHOD", "GET"), S, P, A]), MALFORMED),
        case("a protocol without CONNECT", &head(&[M, S, P, A, (":protocol", "websocket")]), MALFORMED),
        case("fields and no control data", &head(&[("x", "y")]), MALFORMED),
    ]
}

fn s8_3_1() -> Vec<Case> {
    let path = |path: &[u8]| vec![headers(1, Block::get(path))];
    let head = |method: &str, scheme: &str, more: &[(&str, &str)]| {
        let control = [(":method", method), (":scheme", scheme), (":path", "/")];
        vec![headers(1, Block::of(&[&control, more].concat()))]
    };
    let a = (":authority", "a");
    vec![
        case("an empty path", &path(b""), MALFORMED),
        case("a path that is a query alone", &path(b"?x"), MALFORMED),
        case("a path without a slash", &path(b"seen"), MALFORMED),
        case("a path that is a whole target", &path(b"http://a/seen"), MALFORMED),
        case("a star for GET", &path(b"*"), MALFORMED),
        case("a path with a fragment", &path(b"/#x"), MALFORMED),
        case("a path with a space", &path(b"/a b"), MALFORMED),
        case("a path with a line end", &path(b"/a\r\nx: y"), MALFORMED),
        case("a path with a zero", &path(b"/\0"), MALFORMED),
        case("a path with a delete", &path(b"/\x7f"), MALFORMED),
        case("a path that is not UTF-8", &path(b"/\xff"), MALFORMED),
        case("a path in UTF-8", &path("/ü".as_bytes()), "1: RST_STREAM PROTOCOL_ERROR or 1: 400 or 1: 404"),
        case("a path with an empty query", &path(b"/?"), "1: 200"),
        case("a path with two slashes", &path(b"//seen"), "1: 404"),
        case("a star for OPTIONS", &[headers(1, Block::request("OPTIONS", "*"))], "1: 404 or 1: 200"),
        case("no authority and no host", &head("GET", "http", &[]), MALFORMED),
        case("a host in place of the authority", &head("GET", "http", &[("host", "a")]), "1: 200"),
        case("a host like the authority", &head("GET", "http", &[a, ("host", "a")]), "1: 200"),
        case("a host unlike the authority", &head("GET", "http", &[a, ("host", "b")]), MALFORMED),
        case("two hosts", &head("GET", "http", &[("host", "a"), ("host", "a")]), MALFORMED),
        case(
            "two hosts like the authority",
            &head("GET", "http", &[a, ("host", "a"), ("host", "a")]),
            MALFORMED,
        ),
        case("an empty authority", &head("GET", "http", &[(":authority", "")]), MALFORMED),
        case("an authority with a user", &head("GET", "http", &[(":authority", "u@a")]), MALFORMED),
        case("an authority with a path", &head("GET", "http", &[(":authority", "a/b")]), MALFORMED),
        case("an authority with a port", &head("GET", "http", &[(":authority", "a:80")]), "1: 200"),
        case(
            "an authority with a port that is none",
            &head("GET", "http", &[(":authority", "a:x")]),
            MALFORMED,
        ),
        case(
            "an authority that is an address",
            &head("GET", "http", &[(":authority", "[::1]:80")]),
            "1: 200",
        ),
        case("a scheme that is not served", &head("GET", "ftp", &[a]), MALFORMED),
        case(
            "a scheme that is not served, with a host",
            &head("GET", "ftp", &[("host", "a")]),
            "1: 200 or 1: 400",
        ),
        case("a scheme that is none", &head("GET", "ht tp", &[a]), MALFORMED),
        case("an empty scheme", &head("GET", "", &[a]), MALFORMED),
        case("an empty method", &head("", "http", &[a]), MALFORMED),
        case("a method with a space", &head("GE T", "http", &[a]), MALFORMED),
        case("a method in lowercase is another", &head("get", "http", &[a]), "1: 501"),
    ]
}

fn s8_5() -> Vec<Case> {
    let connect = |fields: &[(&str, &str)]| {
        vec![open_headers(1, Block::of(&[&[(":method", "CONNECT")], fields].concat()))]
    };
    let a = (":authority", "a:80");
    let web_socket = (":protocol", "websocket");
    vec![
        case("a tunnel", &connect(&[a]), "1: 501, 1: RST_STREAM NO_ERROR"),
        case("a tunnel with a scheme", &connect(&[a, (":scheme", "http")]), MALFORMED),
        case("a tunnel with a path", &connect(&[a, (":path", "/")]), MALFORMED),
        case(
            "a tunnel to nowhere",
            &connect(&[]),
            "1: RST_STREAM PROTOCOL_ERROR or 1: 400 or 1: 501, 1: RST_STREAM NO_ERROR",
        ),
        case(
            "an extended CONNECT that was not offered",
            &connect(&[a, (":scheme", "http"), (":path", "/"), web_socket]),
            "1: RST_STREAM PROTOCOL_ERROR or 1: 400",
        ),
        case("an upgrade to HTTP/2", &[headers(1, Block::get("/").field("upgrade", "h2c"))], MALFORMED),
    ]
}

mod s8_1_framing {
    use super::*;

    #[test]
    fn a_request_is_a_head_content_and_trailers() {
        check(&s8_1());
    }
}

mod s8_1_1_malformed_messages {
    use super::*;

    #[test]
    fn content_is_as_long_as_it_was_said_to_be() {
        check(&s8_1_1());
    }
}

mod s8_3_control_data {
    use super::*;

    #[test]
    fn control_data_comes_once_and_first() {
        check(&s8_3());
    }

    #[test]
    fn each_part_of_a_target_is_checked() {
        check(&s8_3_1());
    }

    #[test]
    fn the_handler_sees_the_authority_and_the_path_as_they_were_sent() {
        let site = Site::new();
        for over in BOTH {
            let mut client = peer::connect(&site, over);
            client.send([peer::opening(), headers(1, Block::get("/seen?a=%20"))].concat());
            let seen = String::from_utf8(recv_kind(&mut client, DATA).payload).unwrap();
            assert!(seen.starts_with("GET http://a/seen?a=%20 "), "{seen}");
        }
    }
}

mod s8_5_connect {
    use super::*;

    #[test]
    fn there_are_no_tunnels() {
        check(&s8_5());
    }
}
