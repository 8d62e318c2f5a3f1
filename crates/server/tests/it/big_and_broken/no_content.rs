//! Answers that have no content whatever their handler gives them, and statuses that are no final answer
//! (RFC 9110 §6.4.1, §9.3.2, §15.2; RFC 9112 §6.3; RFC 9113 §8.1).

use axum::http::StatusCode;

use super::*;
use crate::client::{BOTH, ask};

/// Answers with the status that the path names and with a body, of known size, of unknown size, or with a length.
fn bodies() -> Site {
    site(|path, _| {
        let Some((status, kind)) = path.trim_start_matches('/').split_once('/') else {
            return plain("Hello, World!");
        };
        let body = match kind {
            "known" | "length" => Body::from("HTTP/1.1 299 Content"),
            _ => Body::new(Script::new(&[Data("HTTP/1.1 "), Turn, Data("299 Content")])),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_bytes(status.as_bytes()).unwrap();
        if kind == "length" {
            response.headers_mut().insert("content-length", "20".parse().unwrap());
        }
        response
    })
}

const KINDS: [&str; 3] = ["known", "unknown", "length"];

#[test]
fn a_204_205_or_304_has_no_content_and_the_connection_goes_on() {
    let site = bodies();
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        let mut h2 = open_h2(&site, over);
        let mut number = 1;
        for (status, kind) in [204, 205, 304].into_iter().flat_map(|status| KINDS.map(|kind| (status, kind)))
        {
            let path = format!("/{status}/{kind}");
            client.send(get(&path));
            let reply = client.reply();
            assert_eq!((reply.status, &*reply.body), (status, ""), "{over:?} {path}");
            assert_eq!(reply.header("transfer-encoding"), None, "{over:?} {path}");
            let length = if status == 205 { Some("0") } else { None };
            assert_eq!(reply.header("content-length"), length, "{over:?} {path}");
            assert_lives(&mut client);
            let got = fetch(&mut h2, number, "GET", &path);
            assert!(got.is_whole(status, ""), "{over:?} {path} {got:?}");
            number += 2;
        }
        assert!(fetch(&mut h2, number, "GET", "/").is_whole(200, "Hello, World!"), "{over:?}");
    }
}

#[test]
fn an_answer_to_head_has_no_content_and_the_connection_goes_on() {
    let site = bodies();
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        let mut h2 = open_h2(&site, over);
        let mut number = 1;
        for (status, kind) in [200, 404, 500].into_iter().flat_map(|status| KINDS.map(|kind| (status, kind)))
        {
            let path = format!("/{status}/{kind}");
            client.send(format!("HEAD {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let reply = client.reply_to_head();
            assert_eq!(reply.status, status, "{over:?} {path}");
            let length = if kind == "unknown" { None } else { Some("20") };
            assert_eq!(reply.header("content-length"), length, "{over:?} {path}");
            assert_lives(&mut client);
            let got = fetch(&mut h2, number, "HEAD", &path);
            assert!(got.is_whole(status, ""), "{over:?} {path} {got:?}");
            number += 2;
        }
        assert!(fetch(&mut h2, number, "GET", "/").is_whole(200, "Hello, World!"), "{over:?}");
    }
}

/// What a handler says of the length of an answer to HEAD is what GET would have.
#[test]
fn an_answer_to_head_keeps_the_length_that_its_handler_says() {
    let site = site(|_, _| {
        let mut response = Response::new(Body::empty());
        response.headers_mut().insert("content-length", "12345".parse().unwrap());
        response
    });
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        for _ in 0..2 {
            assert_eq!(client.reply_to_head().header("content-length"), Some("12345"), "{over:?}");
        }
        let mut h2 = open_h2(&site, over);
        assert!(fetch(&mut h2, 1, "HEAD", "/").is_whole(200, ""), "{over:?}");
    }
}

#[test]
fn the_servers_own_answers_to_head_have_no_content() {
    let site = Site::new();
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        client.send("HEAD / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n");
        let reply = client.reply_to_head();
        assert_eq!((reply.status, reply.closes()), (417, true), "{over:?}");
        assert_eq!(client.end().rest().unwrap(), "", "{over:?}");
        let mut h2 = open_h2(&site, over);
        let block = Block::request("HEAD", "/").field("expect", "tea");
        h2.send(headers(1, block));
        assert!(stream(&mut h2, 1).is_whole(417, ""), "{over:?}");
    }
}

mod interim {
    use super::*;

    const UPGRADE: &str = "Connection: upgrade\r\nUpgrade: echo\r\n";

    /// A final answer is due, and this is none: a client would wait for another, or take what follows for it.
    #[test]
    fn a_handlers_1xx_is_500_and_the_connection_goes_on() {
        let site = bodies();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            let mut h2 = open_h2(&site, over);
            let mut number = 1;
            for (status, kind) in
                [100, 101, 102, 103, 199].into_iter().flat_map(|status| KINDS.map(|kind| (status, kind)))
            {
                let path = format!("/{status}/{kind}");
                client.send(get(&path));
                let reply = client.reply();
                assert_eq!((reply.status, reply.closes()), (500, false), "{over:?} {path}");
                assert_eq!(reply.body, "500 Internal Server Error\n", "{over:?} {path}");
                assert_lives(&mut client);
                let got = fetch(&mut h2, number, "GET", &path);
                assert!(got.is_whole(500, "500 Internal Server Error\n"), "{over:?} {path} {got:?}");
                number += 2;
            }
            assert!(fetch(&mut h2, number, "GET", "/").is_whole(200, "Hello, World!"), "{over:?}");
        }
    }

    #[test]
    fn a_1xx_other_than_101_is_500_also_where_an_upgrade_is_offered() {
        let site = bodies();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send(format!("GET /103/known HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n"));
            assert_eq!(client.reply().status, 500, "{over:?}");
            assert_lives(&mut client);
        }
    }

    /// `101` is said, but nobody takes the socket: nothing that follows may be taken for HTTP.
    #[test]
    fn a_101_whose_socket_nobody_takes_ends_the_connection() {
        let site = bodies();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send(format!("GET /101/known HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n{}", get("/")));
            assert_eq!(client.reply().status, 101, "{over:?}");
            let rest = client.rest().unwrap_or_default();
            assert_eq!(rest, "", "{over:?}");
            site.wait_for(|counts| counts.open == 0);
        }
    }

    #[test]
    fn an_http_1_0_client_cannot_upgrade() {
        let site = bodies();
        let request = format!("GET /101/known HTTP/1.0\r\n{UPGRADE}\r\n");
        for over in BOTH {
            assert_eq!(ask(&site, over, &request).0.status, 500, "{over:?}");
        }
    }

    #[test]
    fn a_handler_that_takes_the_socket_and_answers_otherwise_gets_none() {
        let site = site(|path, mut request| {
            if path == "/takes" {
                let upgrade = hyper::upgrade::on(&mut request);
                tokio::spawn(async move {
                    assert!(upgrade.await.is_err(), "there was no upgrade");
                });
            }
            plain("Hello, World!")
        });
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            for _ in 0..3 {
                client.send(format!("GET /takes HTTP/1.1\r\nHost: a\r\n{UPGRADE}\r\n"));
                assert_eq!(client.reply().body, "Hello, World!", "{over:?}");
            }
            assert_lives(&mut client);
        }
    }
}
