//! Handlers and bodies that fail on the way: the peer sees a broken body, never a whole one, and nobody else sees
//! anything (RFC 9112 §8, RFC 9113 §8.1.1).

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::StatusCode;
use narae_server::DrainSettings;

use super::*;
use crate::client::{BOTH, ask};

/// How bodies fail: a path, its steps, and the length that its head says.
const FAILURES: [(&str, &[Step], Option<&str>); 14] = [
    ("/fails", &[Data("part"), Turn, Fails], None),
    ("/fails-at-once", &[Fails], None),
    ("/fails-in-time", &[Data("part"), Fails], None),
    ("/fails-of-ten", &[Data("part"), Turn, Fails], Some("10")),
    ("/fails-at-its-end", &[Data("part"), Turn, Fails], Some("5")),
    ("/panics", &[Data("part"), Turn, Panics], None),
    ("/panics-at-once", &[Panics], None),
    ("/panics-of-ten", &[Data("part"), Turn, Panics], Some("10")),
    ("/too-few", &[Data("part"), Turn], Some("10")),
    ("/none", &[Turn], Some("10")),
    ("/too-few-with-trailers", &[Data("part"), Turn, Trailer("x-sum", "7")], Some("10")),
    ("/too-many", &[Data("part"), Turn, Data("and too much")], Some("10")),
    ("/too-many-at-once", &[Data("part and too much")], Some("10")),
    ("/too-many-in-time", &[Data("part"), Data(" and too much")], Some("10")),
];

fn failing() -> Site {
    site(|path, _| {
        let Some((_, steps, length)) = FAILURES.iter().find(|(name, ..)| *name == path) else {
            return plain("Hello, World!");
        };
        let mut response = Response::new(Body::new(Script::new(steps)));
        if let Some(length) = length {
            response.headers_mut().insert("content-length", length.parse().unwrap());
        }
        response
    })
}

fn panics() -> u64 {
    FAILURES.iter().filter(|(_, steps, _)| steps.iter().any(|step| matches!(step, Panics))).count() as u64
}

#[test]
fn a_body_that_fails_is_visibly_broken_in_http_1_1() {
    let site = failing();
    for (path, _, length) in FAILURES {
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send(get(path));
            let answer = client.rest().unwrap_or_default();
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            assert!(!answer.ends_with("0\r\n\r\n"), "{over:?} {path} {answer:?}");
            match length {
                Some(length) => assert!(body.len() < length.parse().unwrap(), "{over:?} {path} {answer:?}"),
                None if answer.is_empty() => {}
                None => assert!(answer.contains("transfer-encoding: chunked"), "{over:?} {path} {answer:?}"),
            }
            assert_eq!(ask(&site, over, get("/")).0.status, 200, "{over:?} after {path}");
        }
    }
    assert_eq!(site.running().counts().panics, 2 * panics());
}

/// A body that ends with the connection can be broken in one way only: by a reset, over TLS without `close_notify`.
#[test]
fn a_body_that_fails_in_http_1_0_ends_with_a_reset() {
    let site = failing();
    for (path, ..) in FAILURES {
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send(format!("GET {path} HTTP/1.0\r\n\r\n"));
            let end = client.rest();
            assert!(end.is_err(), "{over:?} {path}: a clean end after {end:?}");
            assert_eq!(ask(&site, over, get("/")).0.status, 200, "{over:?} after {path}");
        }
    }
    assert_eq!(site.running().counts().panics, 2 * panics());
}

#[test]
fn a_body_that_fails_resets_its_http_2_stream_and_no_other() {
    let site = failing();
    for over in BOTH {
        let mut client = open_h2(&site, over);
        let mut number = 1;
        for (path, ..) in FAILURES {
            let got = fetch(&mut client, number, "GET", path);
            assert_eq!((got.reset, got.ended), (Some(INTERNAL_ERROR), false), "{over:?} {path} {got:?}");
            assert!(
                fetch(&mut client, number + 2, "GET", "/").is_whole(200, "Hello, World!"),
                "after {path}"
            );
            number += 4;
        }
    }
    assert_eq!(site.running().counts().panics, 2 * panics());
}

#[test]
fn a_body_that_fails_leaves_an_http_2_stream_alone_that_is_under_way() {
    let site = site(|path, request| match path {
        "/fails" => Response::new(Body::new(Script::new(&[Data("part"), Turn, Panics]))),
        _ => Response::new(request.into_body()),
    });
    for over in BOTH {
        let mut client = open_h2(&site, over);
        client.send([open_headers(1, Block::post("/")), data(1, b"before, ")].concat());
        assert_eq!(fetch(&mut client, 3, "GET", "/fails").reset, Some(INTERNAL_ERROR), "{over:?}");
        client.send(last_data(1, b"after"));
        let got = stream(&mut client, 1);
        assert!(got.ended && got.data.ends_with(b"after"), "{over:?} {got:?}");
    }
}

/// A length that the body says of itself it has not is seen before the head is sent.
#[test]
fn a_length_that_is_known_to_be_wrong_is_500() {
    let site = site(|path, _| {
        let (body, lengths): (Body, &[&str]) = match path {
            "/longer" => (Body::from("hello"), &["10"]),
            "/shorter" => (Body::from("hello"), &["2"]),
            "/of-nothing" => (Body::empty(), &["10"]),
            "/no-number" => (Body::from("hello"), &["five"]),
            "/plus" => (Body::from("hello"), &["+5"]),
            "/empty" => (Body::from("hello"), &[""]),
            "/twice" => (Body::from("hello"), &["5", "5"]),
            "/unknown-no-number" => (Body::new(Script::new(&[Data("hello")])), &["five"]),
            _ => return plain("Hello, World!"),
        };
        let mut response = Response::new(body);
        for length in lengths {
            response.headers_mut().append("content-length", length.parse().unwrap());
        }
        response
    });
    const PATHS: [&str; 8] = [
        "/longer",
        "/shorter",
        "/of-nothing",
        "/no-number",
        "/plus",
        "/empty",
        "/twice",
        "/unknown-no-number",
    ];
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        let mut h2 = open_h2(&site, over);
        for (number, path) in (1..).step_by(2).zip(PATHS) {
            client.send(get(path));
            let reply = client.reply();
            assert_eq!((reply.status, &*reply.body), (500, "500 Internal Server Error\n"), "{over:?} {path}");
            assert_lives(&mut client);
            let got = fetch(&mut h2, number, "GET", path);
            assert!(got.is_whole(500, "500 Internal Server Error\n"), "{over:?} {path} {got:?}");
        }
    }
}

#[test]
fn both_a_length_and_a_coding_is_500() {
    let site = site(|path, _| {
        let mut response = plain("Hello, World!");
        if path == "/both" {
            response.headers_mut().insert("content-length", "13".parse().unwrap());
            response.headers_mut().insert("transfer-encoding", "chunked".parse().unwrap());
        }
        response
    });
    for over in BOTH {
        let (reply, mut client) = ask(&site, over, get("/both"));
        assert_eq!(reply.status, 500, "{over:?}");
        assert_lives(&mut client);
    }
}

#[test]
fn a_body_of_the_right_length_is_whole_whatever_its_pieces() {
    let site = site(|path, _| {
        let steps: &[Step] = match path {
            "/pieces" => &[Data("Hello"), Turn, Data(""), Data(", "), Data("World!"), Data("")],
            "/trailed" => &[Data("Hello, World!"), Trailer("x-sum", "7")],
            _ => return plain("Hello, World!"),
        };
        let mut response = Response::new(Body::new(Script::new(steps)));
        response.headers_mut().insert("content-length", "13".parse().unwrap());
        response
    });
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        let mut h2 = open_h2(&site, over);
        for (number, path) in [(1, "/pieces"), (3, "/trailed"), (5, "/")] {
            client.send(get(path));
            assert_eq!(client.reply().body, "Hello, World!", "{over:?} {path}");
            let got = fetch(&mut h2, number, "GET", path);
            assert!(got.is_whole(200, "Hello, World!"), "{over:?} {path} {got:?}");
        }
    }
}

#[test]
fn a_panic_before_the_response_is_500_for_this_request_alone() {
    let site = site(|path, _| if path == "/panics" { panic!("on purpose") } else { plain("Hello, World!") });
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        // In one write with others, in HTTP/1.0, and for HEAD.
        client.send([get("/"), get("/panics"), get("/")].concat());
        for status in [200, 500, 200] {
            assert_eq!(client.reply().status, status, "{over:?}");
        }
        client.send("HEAD /panics HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.reply_to_head().status, 500);
        client.send("GET /panics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        assert_eq!(client.reply().status, 500);
        assert_lives(&mut client);
        let mut h2 = open_h2(&site, over);
        assert!(fetch(&mut h2, 1, "GET", "/panics").is_whole(500, "500 Internal Server Error\n"));
        assert!(fetch(&mut h2, 3, "HEAD", "/panics").is_whole(500, ""));
        assert!(fetch(&mut h2, 5, "GET", "/").is_whole(200, "Hello, World!"));
    }
    assert_eq!(site.running().counts().panics, 2 * 5);
}

/// The body is sent by then: what its destructor does is no matter of the peer's.
#[test]
fn a_panic_when_a_body_is_dropped_costs_nobody_anything() {
    let site = site(|path, _| match path {
        "/panics" | "/204" => {
            let body = Script::new(&[Data("whole")]).at_end(|| panic!("on purpose"));
            let mut response = Response::new(Body::new(body));
            if path == "/204" {
                *response.status_mut() = StatusCode::NO_CONTENT;
            }
            response
        }
        _ => plain("Hello, World!"),
    });
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        client.send([get("/panics"), get("/")].concat());
        assert_eq!(client.reply().body, "whole", "{over:?}");
        assert_eq!(client.reply().body, "Hello, World!", "{over:?}");
        client.send(get("/204"));
        assert_eq!(client.reply().status, 204, "{over:?}");
        client.send("HEAD /panics HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.reply_to_head().status, 200, "{over:?}");
        assert_lives(&mut client);
        let mut h2 = open_h2(&site, over);
        assert!(fetch(&mut h2, 1, "GET", "/panics").is_whole(200, "whole"), "{over:?}");
        assert!(fetch(&mut h2, 3, "GET", "/204").is_whole(204, ""), "{over:?}");
        assert!(fetch(&mut h2, 5, "GET", "/").is_whole(200, "Hello, World!"), "{over:?}");
    }
    site.wait_for(|counts| counts.panics == 2 * 5);
}

#[test]
fn a_body_that_would_panic_after_its_end_is_not_asked_again() {
    let site = site(|path, _| match path {
        "/" => plain("Hello, World!"),
        _ => {
            let script = Script::new(&[Data("whole"), Turn, Trailer("x-sum", "7"), Panics]);
            let mut response = Response::new(Body::new(script));
            response.headers_mut().insert("trailer", "x-sum".parse().unwrap());
            response
        }
    });
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        for te in ["", "TE: trailers\r\n"] {
            client.send(format!("GET /trailed HTTP/1.1\r\nHost: a\r\n{te}\r\n"));
            assert_eq!(client.reply().body, "whole", "{over:?}");
            assert_lives(&mut client);
        }
        let mut h2 = open_h2(&site, over);
        assert!(fetch(&mut h2, 1, "GET", "/trailed").is_whole(200, "whole"), "{over:?}");
    }
    assert_eq!(site.running().counts().panics, 0);
}

/// A body that panics when it is asked for its size.
struct Sizeless;

impl http_body::Body for Sizeless {
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, std::io::Error>>> {
        std::task::Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        panic!("on purpose")
    }
}

#[test]
fn a_body_that_panics_over_its_size_costs_its_stream_alone() {
    let site = site(|path, _| match path {
        "/" => plain("Hello, World!"),
        _ => Response::new(Body::new(Sizeless)),
    });
    for over in BOTH {
        let mut h2 = open_h2(&site, over);
        h2.send(headers(1, Block::get("/sizeless")));
        assert_eq!(recv_kind(&mut h2, RST_STREAM).stream, 1, "{over:?}");
        assert!(fetch(&mut h2, 3, "GET", "/").is_whole(200, "Hello, World!"), "{over:?}");
    }
}

/// A body that says that it has ten bytes, and has others.
struct Liar(Option<&'static str>);

impl http_body::Body for Liar {
    type Data = bytes::Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, std::io::Error>>> {
        std::task::Poll::Ready(self.0.take().map(|text| Ok(http_body::Frame::data(text.into()))))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        http_body::SizeHint::with_exact(10)
    }
}

#[test]
fn a_body_of_another_length_than_it_said_is_visibly_broken() {
    let site = site(|path, _| match path {
        "/" => plain("Hello, World!"),
        "/few" => Response::new(Body::new(Liar(Some("part")))),
        "/none" => Response::new(Body::new(Liar(None))),
        _ => Response::new(Body::new(Liar(Some("part and too much")))),
    });
    for over in BOTH {
        for path in ["/few", "/none", "/many"] {
            let mut client = Client::connect(&site, over);
            client.send(get(path));
            let answer = client.rest().unwrap_or_default();
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            assert!(answer.is_empty() || answer.contains("content-length: 10"), "{over:?} {path} {answer:?}");
            assert!(body.len() < 10, "{over:?} {path} {answer:?}");
            let mut h2 = open_h2(&site, over);
            h2.send(headers(1, Block::get(path)));
            assert_eq!(recv_kind(&mut h2, RST_STREAM).stream, 1, "{over:?} {path}");
            assert!(fetch(&mut h2, 3, "GET", "/").is_whole(200, "Hello, World!"), "{over:?}");
        }
    }
}

/// The request's own failure reaches the handler, and the echo of it the peer.
#[test]
fn an_echo_of_a_broken_body_is_broken() {
    let site = site(|_, request| Response::new(request.into_body()));
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        until(&mut client, "hello");
        client.send("no size\r\n");
        let answer = client.rest().unwrap_or_default();
        assert!(!answer.ends_with("0\r\n\r\n"), "{over:?} {answer:?}");
        let mut h2 = open_h2(&site, over);
        let wrong = Block::post("/").field("content-length", "3");
        h2.send([open_headers(1, wrong), last_data(1, b"hello")].concat());
        let got = stream(&mut h2, 1);
        assert!(!got.ended && got.reset.is_some(), "{over:?} {got:?}");
        assert_eq!(ask(&site, over, get("/")).0.status, 200, "{over:?}");
    }
}

#[test]
fn a_drain_cuts_no_http_1_0_body_so_that_it_looks_whole() {
    for over in BOTH {
        let site = site(|_, _| Response::new(Body::new(Script::new(&[Data("part"), Stalls]))));
        let mut client = Client::connect(&site, over);
        client.send("GET / HTTP/1.0\r\n\r\n");
        until(&mut client, "part");
        let report = site.stop(DrainSettings { linger: Duration::ZERO, deadline: Duration::ZERO });
        assert_eq!(report.cut.len(), 1, "{report:?}");
        assert!(client.rest().is_err(), "{over:?}: a clean end");
    }
}

#[test]
fn failures_on_many_connections_at_once_leave_nothing_behind() {
    let site = failing();
    let (next, address) = (AtomicUsize::new(0), site.plain);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= 200 {
                        return;
                    }
                    let mut client = Client::at(address);
                    client.send(get(FAILURES[number % FAILURES.len()].0));
                    let _ = client.rest();
                }
            });
        }
    });
    site.wait_for(|counts| counts.open == 0);
    assert_eq!(ask(&site, Over::Plain, get("/")).0.status, 200);
}
