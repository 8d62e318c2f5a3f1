//! Who sent it, for lists that proxies and strangers write; the examples of RFC 7239 among them.

use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};
use http::uri::Scheme;

use super::element::split_last;
use super::{Forwarded, Node};
use crate::socket::Peer;
use crate::trusted::{ProxyHeaders, TrustedProxies};

/// The header fields, a line each.
fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    headers
}

/// Behind 127.0.0.1, with 127.0.0.0/8, 10.0.0.0/8 and Unix sockets trusted.
fn read(lines: &[(&'static str, &str)]) -> Forwarded {
    read_of("127.0.0.1:1", lines)
}

fn read_of(peer: &str, lines: &[(&'static str, &str)]) -> Forwarded {
    let proxies = TrustedProxies::new(["127.0.0.0/8", "10.0.0.0/8", "unix"]).unwrap();
    let peer = peer.parse().map_or(Peer::Unix, Peer::Tcp);
    Forwarded::read(&proxies, peer, &headers(lines))
}

#[track_caller]
fn forwarded(value: &str, address: &str) {
    let told = read(&[("forwarded", value)]);
    assert_eq!(told.address, Some(address.parse().unwrap()), "{value}");
}

#[track_caller]
fn x_forwarded_for(value: &str, address: &str) {
    let told = read(&[("x-forwarded-for", value)]);
    assert_eq!(told.address, Some(address.parse().unwrap()), "{value}");
}

/// Nothing believed: the address of the peer.
const PEER: &str = "127.0.0.1";

mod s4_the_forwarded_field {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        forwarded("for=\"_gazonk\"", PEER);
        forwarded("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17");
        forwarded("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60");
        forwarded("for=192.0.2.43, for=198.51.100.17", "198.51.100.17");
        forwarded("for=_hidden, for=_SEVKISEK", PEER);
        forwarded("for=192.0.2.43,for=\"[2001:db8:cafe::17]\",for=unknown", PEER);
    }

    #[test]
    fn trusted_addresses_are_skipped_from_the_right() {
        forwarded("for=192.0.2.1, for=192.0.2.2, for=10.0.0.1, for=10.0.0.2", "192.0.2.2");
        forwarded("for=10.0.0.3, for=10.0.0.2", "10.0.0.3");
        forwarded("for=192.0.2.1, for=\"unix:\", for=10.0.0.2", "192.0.2.1");
    }

    #[test]
    fn an_element_that_says_nothing_usable_ends_the_search() {
        for element in ["for=unknown", "for=_a", "proto=https", "for=1.2.3", "for", "=", "for=", "x y=1"] {
            forwarded(&format!("for=192.0.2.1, {element}, for=10.0.0.2"), "10.0.0.2");
        }
    }

    #[test]
    fn several_lines_are_one_list() {
        let told = read(&[("forwarded", "for=192.0.2.1, for=192.0.2.2"), ("forwarded", "for=10.0.0.1")]);
        assert_eq!(told.address, Some("192.0.2.2".parse().unwrap()));
    }

    #[test]
    fn names_have_any_case_and_stand_once() {
        forwarded("FOR=192.0.2.1;PROTO=https", "192.0.2.1");
        forwarded("for=192.0.2.1;For=192.0.2.2", PEER);
        forwarded("for=192.0.2.1;x=1;X=2", PEER);
    }

    #[test]
    fn blanks_and_empty_elements_mean_nothing() {
        forwarded(" , for=192.0.2.1 ; proto=https;; , ,", "192.0.2.1");
        forwarded("", PEER);
        forwarded(",,", PEER);
        forwarded("for=192.0.2.1, ;", PEER);
    }

    #[test]
    fn quoted_strings_hold_commas_and_escapes() {
        forwarded("for=\"192.0.2.1\";secret=\"a, for=1.1.1.1; \\\" \\\\\"", "192.0.2.1");
        forwarded("for=\"192.0.2.\\1\"", "192.0.2.1");
        forwarded("for=\"192.0.2.1\"x", PEER);
        forwarded("for=\"192.0.2.1", PEER);
    }

    #[test]
    fn what_a_stranger_wrote_cannot_reach_what_the_proxy_wrote() {
        for evil in ["for=\"", "for=\"x", "x=\"\\", "for=6.6.6.6;x=\"", "\"", ";;\"\"\"", "for=\"6.6.6.6\\\""]
        {
            forwarded(&format!("{evil}, for=192.0.2.1"), "192.0.2.1");
            forwarded(&format!("{evil}, for=\"[2001:db8::1]:80\";host=\"a:1\""), "2001:db8::1");
        }
    }

    #[test]
    fn the_list_is_split_at_commas_outside_of_quotes() {
        for (list, before, element) in [
            ("a, b", Some("a"), "b"),
            ("a,\"b,c\"", Some("a"), "\"b,c\""),
            ("a,\"b\\\",c\"", Some("a"), "\"b\\\",c\""),
            ("\"a\\\\\",b", Some("\"a\\\\\""), "b"),
            ("a", None, "a"),
            ("", None, ""),
            (",", Some(""), ""),
        ] {
            let split = (before.map(str::as_bytes), element.as_bytes());
            assert_eq!(split_last(list.as_bytes()), split, "{list}");
        }
    }
}

mod s5_proto_and_host {
    use super::*;

    #[test]
    fn the_trusted_proxy_nearest_to_the_client_is_asked() {
        let told = read(&[(
            "forwarded",
            "for=6.6.6.6;proto=http;host=evil, for=192.0.2.1;proto=https;host=\"shop.example:8443\", \
             for=10.0.0.1;proto=http;host=inner",
        )]);
        assert_eq!(told.scheme, Some(Scheme::HTTPS));
        assert_eq!(told.host.unwrap(), "shop.example:8443");
        let told = read(&[("forwarded", "for=192.0.2.1, for=10.0.0.1;proto=https;host=a")]);
        assert_eq!((told.scheme, told.host.unwrap().as_str()), (Some(Scheme::HTTPS), "a"));
    }

    #[test]
    fn what_is_no_scheme_or_host_is_not_said() {
        let told = read(&[("forwarded", "for=192.0.2.1;proto=gopher;host=\"a@b\"")]);
        assert_eq!(
            (told.address.unwrap().to_string().as_str(), told.scheme, told.host),
            ("192.0.2.1", None, None)
        );
        for host in ["", "a b", "a,b", "a/b", "user@a", "\u{e9}"] {
            assert_eq!(super::super::host(host.as_bytes()), None, "{host}");
        }
    }
}

mod s6_nodes {
    use super::*;

    #[test]
    fn addresses_with_and_without_ports() {
        for (text, address) in [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1:80", "192.0.2.1"),
            ("192.0.2.1:_port.1", "192.0.2.1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:65535", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("[::ffff:192.0.2.1]", "192.0.2.1"),
        ] {
            assert_eq!(Node::parse(text.as_bytes()), Node::Address(address.parse().unwrap()), "{text}");
        }
        assert_eq!(Node::parse(b"unix:"), Node::Unix);
    }

    #[test]
    fn everything_else_is_hidden() {
        for text in [
            "",
            "unknown",
            "_a",
            "localhost",
            "192.0.2.1:",
            "192.0.2.1:x",
            "192.0.2.1:123456",
            "192.0.2.1:_",
            "[192.0.2.1]",
            "[2001:db8::1",
            "[2001:db8::1]x",
            "[]",
            "[",
            ":80",
            "192.0.2.01",
            "fe80::1%eth0",
            "unix",
        ] {
            assert_eq!(Node::parse(text.as_bytes()), Node::Hidden, "{text}");
        }
        assert_eq!(Node::parse(&[0xff]), Node::Hidden);
    }
}

mod x_forwarded {
    use super::*;

    #[test]
    fn the_first_untrusted_address_from_the_right_is_the_client() {
        x_forwarded_for("192.0.2.1", "192.0.2.1");
        x_forwarded_for("6.6.6.6, 192.0.2.1", "192.0.2.1");
        x_forwarded_for("6.6.6.6, 192.0.2.1, 10.0.0.1,10.0.0.2", "192.0.2.1");
        x_forwarded_for("2001:db8::1, unix:, 10.0.0.1:80", "2001:db8::1");
        x_forwarded_for("10.0.0.3, 10.0.0.4", "10.0.0.3");
        x_forwarded_for("192.0.2.1, nonsense, 10.0.0.1", "10.0.0.1");
        x_forwarded_for("192.0.2.1, , 10.0.0.1,", "192.0.2.1");
        let lines = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "10.0.0.1")];
        assert_eq!(read(&lines).address, Some("192.0.2.1".parse().unwrap()));
    }

    #[test]
    fn the_last_scheme_and_host_count() {
        let told = read(&[("x-forwarded-proto", "http, HTTPS"), ("x-forwarded-host", "a, b.example:81")]);
        assert_eq!((told.scheme, told.host.unwrap().as_str()), (Some(Scheme::HTTPS), "b.example:81"));
        assert_eq!(read(&[("x-forwarded-proto", "wss")]).scheme, Some(Scheme::HTTPS));
        assert_eq!(read(&[("x-forwarded-proto", "https, x")]).scheme, None);
    }

    #[test]
    fn with_forwarded_for_of_the_older_kind_forwarded_is_not_looked_at() {
        let told =
            read(&[("x-forwarded-for", "192.0.2.1"), ("forwarded", "for=6.6.6.6;proto=https;host=evil")]);
        assert_eq!(told, Forwarded { address: "192.0.2.1".parse().ok(), scheme: None, host: None });
    }

    #[test]
    fn without_an_address_of_its_own_forwarded_is_read_instead() {
        let told = read(&[("x-forwarded-proto", "http"), ("forwarded", "for=192.0.2.1;proto=https")]);
        assert_eq!((told.address, told.scheme), ("192.0.2.1".parse().ok(), Some(Scheme::HTTPS)));
    }
}

mod the_fields_that_the_proxies_write {
    use super::*;

    fn read_in(fields: ProxyHeaders, lines: &[(&'static str, &str)]) -> Forwarded {
        let proxies = TrustedProxies::new(["127.0.0.1"]).unwrap().headers(fields);
        Forwarded::read(&proxies, Peer::Tcp("127.0.0.1:1".parse().unwrap()), &headers(lines))
    }

    const FORWARDED: [(&str, &str); 1] = [("forwarded", "for=192.0.2.1;proto=https;host=a")];
    const X_FORWARDED: [(&str, &str); 3] =
        [("x-forwarded-for", "192.0.2.2"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "b")];

    #[test]
    fn are_believed_whatever_others_a_client_adds() {
        let both = [&FORWARDED[..], &X_FORWARDED].concat();
        let told = read_in(ProxyHeaders::Forwarded, &both);
        assert_eq!((told.address, told.scheme), ("192.0.2.1".parse().ok(), Some(Scheme::HTTPS)));
        assert_eq!(told.host.unwrap(), "a");
        let told = read_in(ProxyHeaders::XForwarded, &both);
        assert_eq!((told.address, told.scheme), ("192.0.2.2".parse().ok(), Some(Scheme::HTTP)));
        assert_eq!(told.host.unwrap(), "b");
    }

    #[test]
    fn are_believed_alone() {
        let peer = Forwarded { address: PEER.parse().ok(), scheme: None, host: None };
        assert_eq!(read_in(ProxyHeaders::Forwarded, &X_FORWARDED), peer);
        assert_eq!(read_in(ProxyHeaders::XForwarded, &FORWARDED), peer);
    }
}

mod peers {
    use super::*;

    const LINES: [(&str, &str); 2] = [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "https")];

    #[test]
    fn an_untrusted_one_is_not_believed() {
        let told = read_of("192.0.2.9:1", &LINES);
        assert_eq!(told, Forwarded { address: "192.0.2.9".parse().ok(), scheme: None, host: None });
        let told = read_of("192.0.2.9:1", &[("forwarded", "for=192.0.2.1;proto=https;host=a")]);
        assert_eq!(told, Forwarded { address: "192.0.2.9".parse().ok(), scheme: None, host: None });
    }

    #[test]
    fn a_unix_socket_has_no_address_but_can_be_trusted() {
        assert_eq!(read_of("unix", &LINES).address, "192.0.2.1".parse().ok());
        assert_eq!(read_of("unix", &[]).address, None);
        assert_eq!(read_of("unix", &[("x-forwarded-for", "unknown")]).address, None);
    }

    #[test]
    fn nobody_is_believed_by_default() {
        let peer = Peer::Tcp("127.0.0.1:1".parse().unwrap());
        let told = Forwarded::read(&TrustedProxies::default(), peer, &headers(&LINES));
        assert_eq!(told, Forwarded { address: "127.0.0.1".parse().ok(), scheme: None, host: None });
    }
}

mod every_list {
    use super::*;

    /// Whatever a stranger writes, what the trusted proxy appends holds.
    #[test]
    fn of_a_stranger_leaves_the_proxys_element_as_it_is() {
        let alphabet = b"\",;=\\ f:[1a\xff";
        let mut count = 0;
        for length in 0..=4_u32 {
            for number in 0..alphabet.len().pow(length) {
                let digit = |place: u32| alphabet[number / alphabet.len().pow(place) % alphabet.len()];
                let stranger: Vec<u8> = (0..length).map(digit).collect();
                for (name, own) in [(FORWARDED, "for=192.0.2.1;proto=https"), (super::X_FOR, "192.0.2.1")] {
                    let value = [stranger.as_slice(), b", ", own.as_bytes()].concat();
                    let mut map = HeaderMap::new();
                    map.insert(name, HeaderValue::from_bytes(&value).unwrap());
                    let proxies = TrustedProxies::new(["127.0.0.1"]).unwrap();
                    let told = Forwarded::read(&proxies, Peer::Tcp("127.0.0.1:1".parse().unwrap()), &map);
                    assert_eq!(told.address, "192.0.2.1".parse().ok(), "{}", value.escape_ascii());
                    count += 1;
                }
                // Alone it may say anything, and must not panic.
                let mut map = HeaderMap::new();
                map.insert(FORWARDED, HeaderValue::from_bytes(&stranger).unwrap());
                let proxies = TrustedProxies::new(["0.0.0.0/0"]).unwrap();
                Forwarded::read(&proxies, Peer::Tcp("127.0.0.1:1".parse().unwrap()), &map);
            }
        }
        assert!(count > 40_000);
    }
}

const X_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
