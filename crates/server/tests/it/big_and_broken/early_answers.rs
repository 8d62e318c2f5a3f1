//! Answers that come before the request's end, and what follows on the connection (RFC 9110 §10.1.1, RFC 9112 §9.3).

use axum::Router;
use axum::routing::{any, post};
use http_body_util::BodyExt;
use narae_server::Limits;

use super::*;
use crate::client::BOTH;
use crate::site::routes;

/// What a handler can do with a body that it does not read to its end.
fn early() -> Site {
    let router = Router::new()
        .merge(routes())
        .route(
            "/first",
            post(|mut body: Body| async move {
                let frame = body.frame().await.unwrap().unwrap();
                String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
            }),
        )
        .route("/answers-first", post(answers_first))
        .route("/keeps-half", any(keeps_half));
    Site::with(router, Limits::default())
}

/// Begins its answer, then reads one frame of the request, and ends.
async fn answers_first(body: Body) -> Body {
    let start = futures_util::stream::iter([Ok::<_, axum::Error>(Bytes::from_static(b"read "))]);
    let first = futures_util::stream::once(async move {
        let mut body = body;
        body.frame().await.unwrap().map(|frame| frame.into_data().unwrap())
    });
    Body::from_stream(futures_util::StreamExt::chain(start, first))
}

/// Leaves its body to a task, which reads it after the answer.
async fn keeps_half(body: Body) -> &'static str {
    tokio::spawn(async move { body.collect().await.map(|_| ()) });
    "kept"
}

fn with_length(path: &str, more: &str, length: usize, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\n{more}Content-Length: {length}\r\n\r\n{body}")
}

fn chunked(path: &str, more: &str, chunks: &[&str]) -> String {
    let chunks: String = chunks.iter().map(|chunk| format!("{:x}\r\n{chunk}\r\n", chunk.len())).collect();
    format!("POST {path} HTTP/1.1\r\nHost: a\r\n{more}Transfer-Encoding: chunked\r\n\r\n{chunks}")
}

/// The answer came and said that it is the last; what follows is no request.
#[track_caller]
fn assert_last(client: &mut Client) {
    // Bytes of the old body, and what looks like a request.
    client.send(get("/smuggled"));
    assert_eq!(client.end().rest().unwrap(), "");
}

#[test]
fn a_small_rest_is_thrown_away_and_the_connection_goes_on() {
    let site = early();
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        client.send(with_length("/first", "", 10, "hello"));
        assert_eq!(client.reply().body, "hello", "{over:?}");
        // The rest comes after the answer; the next request comes with it.
        client.send(["world", &get("/")].concat());
        assert_eq!(client.reply().body, "Hello, World!", "{over:?}");
        assert_lives(&mut client);
    }
}

#[test]
fn a_large_rest_or_one_of_unknown_size_ends_the_connection() {
    let site = early();
    for over in BOTH {
        for request in [with_length("/first", "", 1 << 20, "hello"), chunked("/first", "", &["hello"])] {
            let mut client = Client::connect(&site, over);
            client.send(&request);
            let reply = client.reply();
            assert_eq!((&*reply.body, reply.closes()), ("hello", true), "{over:?} {request:?}");
            assert_last(&mut client);
        }
    }
}

/// Here the head is gone before anyone knows; the answer must be whole all the same.
#[test]
fn an_answer_that_had_begun_is_whole_whatever_becomes_of_the_rest() {
    let site = early();
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        client.send(with_length("/answers-first", "", 10, "hello"));
        assert_eq!(client.reply().body, "read hello", "{over:?}");
        client.send(["world", &get("/")].concat());
        assert_eq!(client.reply().body, "Hello, World!", "{over:?}");

        for request in
            [with_length("/answers-first", "", 1 << 20, "hello"), chunked("/answers-first", "", &["hello"])]
        {
            let mut client = Client::connect(&site, over);
            client.send(&request);
            assert_eq!(client.reply().body, "read hello", "{over:?} {request:?}");
            assert_last(&mut client);
        }
    }
}

#[test]
fn a_body_that_a_task_reads_after_the_answer_is_followed_by_the_next_request() {
    let site = early();
    for over in BOTH {
        for (first, rest) in [
            (with_length("/keeps-half", "", 10, "hello"), "world"),
            (chunked("/keeps-half", "", &["hello"]), "5\r\nworld\r\n0\r\n\r\n"),
        ] {
            let mut client = Client::connect(&site, over);
            client.send(first);
            assert_eq!(client.reply().body, "kept", "{over:?}");
            client.send([rest, &get("/")].concat());
            assert_eq!(client.reply().body, "Hello, World!", "{over:?}");
        }
    }
}

#[test]
fn an_early_answer_ends_the_connection_if_the_client_asked_for_that() {
    let site = early();
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        client.send(with_length("/first", "Connection: close\r\n", 10, "hello"));
        let reply = client.reply();
        assert_eq!((&*reply.body, reply.closes()), ("hello", true), "{over:?}");
        client.send("world");
        assert_last(&mut client);
    }
}

#[test]
fn an_echo_goes_both_ways_at_once() {
    let site = early();
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        client.send(chunked("/stream", "", &[]));
        let text = "0123456789".repeat(100);
        for round in 0..50 {
            let part = format!("{round}: {text}");
            client.send(format!("{:x}\r\n{part}\r\n", part.len()));
            // All of it is back before more is sent.
            until(&mut client, &part);
        }
        client.send("0\r\n\r\n");
        until(&mut client, "0\r\n\r\n");
        assert_lives(&mut client);

        let mut h2 = open_h2(&site, over);
        h2.send(open_headers(1, Block::post("/stream")));
        for round in 0..50 {
            let part = format!("{round}: {text}");
            h2.send(data(1, part.as_bytes()));
            let mut got = Vec::new();
            while got.len() < part.len() {
                got.extend(recv_kind(&mut h2, DATA).payload);
            }
            assert_eq!(String::from_utf8(got).unwrap(), part, "{over:?}");
        }
        h2.send(last_data(1, b""));
        assert!(stream(&mut h2, 1).ended, "{over:?}");
        assert!(fetch(&mut h2, 3, "GET", "/").is_whole(200, "Hello, World!"), "{over:?}");
    }
}

#[test]
fn early_answers_over_http_2_leave_the_connection_as_it_was() {
    let site = early();
    for over in BOTH {
        let mut h2 = open_h2(&site, over);
        for (number, path, text) in
            [(1, "/first", "hello"), (3, "/answers-first", "read hello"), (5, "/ignore", "ignored")]
        {
            h2.send([open_headers(number, Block::post(path)), data(number, b"hello")].concat());
            let got = stream(&mut h2, number);
            assert!(got.is_whole(200, text), "{over:?} {path} {got:?}");
            // Data and an end that cross the answer are no error.
            h2.send(last_data(number, b"world"));
            let next = number + 100;
            assert!(fetch(&mut h2, next, "GET", "/").is_whole(200, "Hello, World!"), "{over:?} {path}");
            if number < 5 {
                h2 = open_h2(&site, over);
            }
        }
    }
}

mod s10_1_1_expect {
    use super::*;

    const EXPECT: &str = "Expect: 100-continue\r\n";
    const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

    fn interim(answer: &str) -> usize {
        answer.matches("100 Continue").count()
    }

    #[test]
    fn a_body_that_is_read_is_asked_for_once_however_many_pieces_it_has() {
        let site = early();
        for over in BOTH {
            for (head, pieces) in [
                (with_length("/echo", EXPECT, 10, ""), ["hello", "world"]),
                (chunked("/echo", EXPECT, &[]), ["5\r\nhello\r\n", "5\r\nworld\r\n0\r\n\r\n"]),
            ] {
                let mut client = Client::connect(&site, over);
                client.send(head);
                assert_eq!(client.take(CONTINUE.len()), CONTINUE.as_bytes(), "{over:?}");
                client.send(pieces[0]).send(pieces[1]);
                assert_eq!(client.reply().body, "helloworld", "{over:?}");
                client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
                assert_eq!(interim(&client.rest().unwrap()), 0, "{over:?}");
            }
        }
    }

    #[test]
    fn a_body_that_comes_unasked_is_taken() {
        let site = early();
        for over in BOTH {
            for request in
                [with_length("/echo", EXPECT, 5, "hello"), chunked("/echo", EXPECT, &["hello"]) + "0\r\n\r\n"]
            {
                let mut client = Client::connect(&site, over);
                let last = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
                client.send([&request, last].concat());
                let answer = client.rest().unwrap();
                assert!(interim(&answer) <= 1, "{over:?} {answer:?}");
                assert!(answer.contains("\r\n\r\nhelloHTTP/1.1 200 OK"), "{over:?} {answer:?}");
                assert!(answer.ends_with("Hello, World!"), "{over:?} {answer:?}");
            }
        }
    }

    #[test]
    fn an_answer_without_reading_is_final_whether_the_body_comes_or_not() {
        let site = early();
        for over in BOTH {
            for body in ["", "hello", "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"] {
                for path in ["/ignore", "/nothing", "/small-only"] {
                    let mut client = Client::connect(&site, over);
                    client.send(with_length(path, EXPECT, body.len().max(11), body));
                    let reply = client.reply();
                    let status = match path {
                        "/ignore" => 200,
                        "/nothing" => 404,
                        _ => 413,
                    };
                    assert_eq!(reply.status, status, "{over:?} {path} {body:?}");
                    assert!(reply.closes(), "{over:?} {path} {body:?}");
                    assert_eq!(client.end().rest().unwrap(), "", "{over:?} {path} {body:?}");
                }
            }
        }
    }

    /// The final head says more than an interim one would; a client that waits sends then, or after a while.
    #[test]
    fn an_answer_that_begins_before_the_body_is_read_needs_no_interim_one() {
        let site = early();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send(chunked("/stream", EXPECT, &[]));
            until(&mut client, "\r\n\r\n");
            client.send("5\r\nhello\r\n0\r\n\r\n");
            until(&mut client, "5\r\nhello\r\n0\r\n\r\n");
            assert_lives(&mut client);
        }
    }

    #[test]
    fn a_request_behind_one_that_expects_is_answered_in_its_turn() {
        let site = early();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send(get("/") + &with_length("/echo", EXPECT, 5, ""));
            assert_eq!(client.reply().body, "Hello, World!", "{over:?}");
            assert_eq!(client.take(CONTINUE.len()), CONTINUE.as_bytes(), "{over:?}");
            client.send("hello".to_owned() + &get("/"));
            assert_eq!(client.reply().body, "hello", "{over:?}");
            assert_eq!(client.reply().body, "Hello, World!", "{over:?}");
        }
    }
}
