//! Fields of a request: names, values, fields of the connection, cookies (RFC 9113 §8.2).

use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use narae_server::Limits;

use crate::client::BOTH;
use crate::site::Site;

use super::block::Block;
use super::frames::*;
use super::{Case, MALFORMED, case, check, peer};

pub fn cases() -> Vec<Case> {
    [s8_2_1_names(), s8_2_1_values(), s8_2_2()].into_iter().flatten().collect()
}

fn with(name: &[u8], value: &[u8]) -> Vec<Vec<u8>> {
    vec![headers(1, Block::get("/").field(name, value))]
}

fn s8_2_1_names() -> Vec<Case> {
    vec![
        case("a name with a capital", &with(b"X-Upper", b"x"), MALFORMED),
        case("a name with a capital at its end", &with(b"x-uppeR", b"x"), MALFORMED),
        case("a name in the table with a capital", &with(b"Accept", b"x"), MALFORMED),
        case("an empty name", &with(b"", b"x"), MALFORMED),
        case("a name with a space", &with(b"x y", b"x"), MALFORMED),
        case("a name with a colon", &with(b"x:y", b"x"), MALFORMED),
        case("a name with a zero", &with(b"x\0", b"x"), MALFORMED),
        case("a name with a line end", &with(b"x\r\ny", b"x"), MALFORMED),
        case("a name with a delete", &with(b"x\x7f", b"x"), MALFORMED),
        case("a name that is not ASCII", &with("x\u{fc}".as_bytes(), b"x"), MALFORMED),
        case("a name with all that is allowed", &with(b"!#$%&'*+-.^_`|~09az", b"x"), "1: 200"),
    ]
}

fn s8_2_1_values() -> Vec<Case> {
    vec![
        case("a value with a zero", &with(b"x", b"a\0b"), MALFORMED),
        case("a value with a line feed", &with(b"x", b"a\nb"), MALFORMED),
        case("a value with a carriage return", &with(b"x", b"a\rb"), MALFORMED),
        case("a value with a second field within", &with(b"x", b"a\r\ny: z"), MALFORMED),
        case("a value that begins with a space", &with(b"x", b" a"), MALFORMED),
        case("a value that begins with a tab", &with(b"x", b"\ta"), MALFORMED),
        case("a value that ends with a space", &with(b"x", b"a "), MALFORMED),
        case("a value that ends with a tab", &with(b"x", b"a\t"), MALFORMED),
        case("a value with a space and a tab within", &with(b"x", b"a \tb"), "1: 200"),
        case("a value that is not ASCII", &with(b"x", b"\x80\xff"), "1: 200"),
        case("an empty value", &with(b"x", b""), "1: 200"),
    ]
}

fn s8_2_2() -> Vec<Case> {
    vec![
        case("the field connection", &with(b"connection", b"close"), MALFORMED),
        case("the field keep-alive", &with(b"keep-alive", b"timeout=5"), MALFORMED),
        case("the field proxy-connection", &with(b"proxy-connection", b"close"), MALFORMED),
        case("the field transfer-encoding", &with(b"transfer-encoding", b"chunked"), MALFORMED),
        case("the field upgrade", &with(b"upgrade", b"websocket"), MALFORMED),
        case("te with trailers", &with(b"te", b"trailers"), "1: 200"),
        case("te with anything else", &with(b"te", b"gzip"), MALFORMED),
        case("te with trailers and more", &with(b"te", b"trailers, gzip"), MALFORMED),
    ]
}

mod s8_2_1_validity {
    use super::*;

    #[test]
    fn names_are_tokens_in_lowercase() {
        check(&s8_2_1_names());
    }

    #[test]
    fn values_have_no_line_ends_and_no_space_around() {
        check(&s8_2_1_values());
    }
}

mod s8_2_2_connection_fields {
    use super::*;

    #[test]
    fn fields_of_the_connection_have_no_place() {
        check(&s8_2_2());
    }
}

mod s8_2_3_cookies {
    use super::*;

    #[test]
    fn crumbs_reach_the_handler_as_one_cookie() {
        let show = |fields: HeaderMap| async move {
            let all: Vec<_> = fields.get_all("cookie").iter().map(|value| value.to_str().unwrap()).collect();
            all.join(" + ")
        };
        let site = Site::with(Router::new().route("/", get(show)), Limits::default());
        for over in BOTH {
            let mut client = peer::connect(&site, over);
            let crumbs = Block::get("/").field("cookie", "a=b").field("x", "y").field("cookie", "c=d; e=f");
            let crumbs = crumbs.field("cookie", "g=h");
            client.send([peer::opening(), headers(1, crumbs)].concat());
            let seen = recv_kind(&mut client, DATA).payload;
            assert_eq!(String::from_utf8(seen).unwrap(), "a=b; c=d; e=f; g=h", "{over:?}");
        }
    }
}
