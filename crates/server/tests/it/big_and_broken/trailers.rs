//! Trailers of requests under limits, and of responses where they may be sent (RFC 9110 §6.5, RFC 9112 §7.1.2).

use http_body_util::BodyExt;

use super::*;
use crate::client::{BOTH, Reply};

const TRAILED: [Step; 2] = [Data("whole"), Trailer("x-sum", "7")];

/// `/count` says how many trailers came, and what the head's `Host` is; other paths send trailers.
fn trailing() -> Site {
    Site::of(tower::service_fn(|request: Request| async move {
        let response = match request.uri().path() {
            "/count" => {
                let host = request.headers().get_all("host").iter().count();
                let is_authorised = request.headers().contains_key("authorization");
                match request.into_body().collect().await {
                    Ok(body) => {
                        let count = body.trailers().map_or(0, HeaderMap::len);
                        Response::new(Body::from(format!("{count} trailers, {host} {is_authorised}")))
                    }
                    Err(_) => {
                        let mut response = plain("broken body");
                        *response.status_mut() = http::StatusCode::BAD_REQUEST;
                        response
                    }
                }
            }
            "/announced" => trailed("x-sum"),
            "/another" => trailed("x-other"),
            "/unannounced" => Response::new(Body::new(Script::new(&TRAILED))),
            "/length" => {
                let mut response = trailed("content-length");
                *response.body_mut() =
                    Body::new(Script::new(&[Data("whole"), Trailer("content-length", "1")]));
                response
            }
            _ => plain("Hello, World!"),
        };
        Ok::<_, std::convert::Infallible>(response)
    }))
}

fn trailed(name: &str) -> Response {
    let mut response = Response::new(Body::new(Script::new(&TRAILED)));
    response.headers_mut().insert("trailer", name.parse().unwrap());
    response
}

fn chunked(trailers: &str) -> String {
    format!(
        "POST /count HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n{trailers}\r\n"
    )
}

mod of_requests {
    use super::*;

    #[track_caller]
    fn check(trailers: &str, status: u16, text: &str) {
        let site = trailing();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send(chunked(trailers));
            let reply = client.reply();
            assert_eq!((reply.status, &*reply.body), (status, text), "{over:?}");
            if status == 200 {
                assert_lives(&mut client);
            } else {
                assert!(reply.closes(), "{over:?}");
                assert_eq!(client.end().rest().unwrap(), "", "{over:?}");
            }
        }
    }

    fn fields(count: usize) -> String {
        (0..count).map(|number| format!("X-{number}: y\r\n")).collect()
    }

    #[test]
    fn come_after_the_body_up_to_the_number_of_fields_that_a_head_may_have() {
        check("", 200, "0 trailers, 1 false");
        check(&fields(1), 200, "1 trailers, 1 false");
        check(&fields(100), 200, "100 trailers, 1 false");
        check(&fields(101), 400, "broken body");
        check(&fields(2000), 400, "broken body");
    }

    #[test]
    fn have_the_size_that_a_head_may_have() {
        check(&format!("X: {}\r\n", "y".repeat(16_000)), 200, "1 trailers, 1 false");
        check(&format!("X: {}\r\n", "y".repeat(17_000)), 400, "broken body");
        check(&format!("X: {}\r\n", "y".repeat(1 << 20)), 400, "broken body");
    }

    /// RFC 9110 §6.5.1: the head is what it was, whatever comes at the end.
    #[test]
    fn never_change_the_head() {
        check("Host: evil\r\nAuthorization: Basic eDp5\r\n", 200, "2 trailers, 1 false");
    }

    #[test]
    fn that_frame_the_message_make_it_broken() {
        for field in ["Content-Length: 3", "content-length: 0", "Transfer-Encoding: chunked"] {
            check(&format!("{field}\r\n"), 400, "broken body");
        }
    }

    #[test]
    fn come_over_http_2_too_and_are_as_limited() {
        let site = trailing();
        for over in BOTH {
            let mut client = open_h2(&site, over);
            let trailers = |count: u32| {
                (0..count).fold(Block::new(), |block, number| block.field(format!("x-{number}"), "y"))
            };
            let post = |number: u32, count: u32| {
                let end = frame(HEADERS, END_HEADERS | END_STREAM, number, trailers(count).as_ref());
                [open_headers(number, Block::post("/count")), data(number, b"abc"), end].concat()
            };
            client.send(post(1, 3));
            assert!(stream(&mut client, 1).is_whole(200, "3 trailers, 0 false"), "{over:?}");
            // Each counts as 32 octets and its own (RFC 9113 §6.5.2); what is more than a head's 16 KiB is cut, which
            // RFC 9110 §6.5.1 allows.
            client.send(post(3, 600));
            let got = stream(&mut client, 3);
            let text = String::from_utf8(got.data).unwrap();
            let count: usize = text.split(' ').next().unwrap().parse().unwrap();
            assert!(
                (got.statuses, got.ended) == (vec![200], true) && count < 16 * 1024 / 34,
                "{over:?} {text}"
            );
            assert!(fetch(&mut client, 5, "GET", "/").is_whole(200, "Hello, World!"), "{over:?}");
        }
    }
}

mod of_responses {
    use super::*;

    /// The answer as it came, and that the connection goes on.
    #[track_caller]
    fn raw(site: &Site, over: Over, path: &str, fields: &str) -> String {
        let mut client = Client::connect(site, over);
        let close = "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{close}"));
        let answer = client.rest().unwrap();
        let (first, last) = answer.rsplit_once("HTTP/1.1 200 OK").unwrap();
        assert!(last.ends_with("Hello, World!"), "{answer:?}");
        first.to_owned()
    }

    #[test]
    fn are_sent_to_whoever_says_that_it_reads_them() {
        let site = trailing();
        for over in BOTH {
            let answer = raw(&site, over, "/announced", "TE: trailers\r\nConnection: TE\r\n");
            assert!(answer.ends_with("5\r\nwhole\r\n0\r\nx-sum: 7\r\n\r\n"), "{over:?} {answer:?}");
        }
    }

    /// RFC 9110 §6.5.1; and the engine sends those alone that the head announced.
    #[test]
    fn are_left_out_for_others_and_if_they_were_not_announced() {
        let site = trailing();
        for over in BOTH {
            for (path, fields) in [
                ("/announced", ""),
                ("/announced", "TE: gzip\r\n"),
                ("/another", "TE: trailers\r\n"),
                ("/unannounced", "TE: trailers\r\n"),
            ] {
                let answer = raw(&site, over, path, fields);
                assert!(!answer.contains("x-sum: 7"), "{over:?} {path} {fields:?} {answer:?}");
                assert!(answer.ends_with("5\r\nwhole\r\n0\r\n\r\n"), "{over:?} {path} {fields:?} {answer:?}");
            }
        }
    }

    #[test]
    fn never_say_where_the_message_ends() {
        let site = trailing();
        for over in BOTH {
            let answer = raw(&site, over, "/length", "TE: trailers\r\n");
            assert!(answer.ends_with("5\r\nwhole\r\n0\r\n\r\n"), "{over:?} {answer:?}");
        }
    }

    #[test]
    fn are_none_in_http_1_0_and_for_head() {
        let site = trailing();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send("GET /announced HTTP/1.0\r\nTE: trailers\r\n\r\n");
            let answer = client.rest().unwrap();
            assert!(answer.ends_with("\r\n\r\nwhole"), "{over:?} {answer:?}");
            let mut client = Client::connect(&site, over);
            client.send("HEAD /announced HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n");
            let reply: Reply = client.reply_to_head();
            assert_eq!(reply.status, 200, "{over:?}");
            assert_lives(&mut client);
        }
    }

    #[test]
    fn are_sent_over_http_2_to_everyone() {
        let site = trailing();
        for over in BOTH {
            let mut client = open_h2(&site, over);
            for (number, path) in [(1, "/announced"), (3, "/unannounced")] {
                let got = fetch(&mut client, number, "GET", path);
                assert!(got.is_whole(200, "whole") && got.trailers.is_some(), "{over:?} {path} {got:?}");
            }
            let got = fetch(&mut client, 5, "HEAD", "/announced");
            assert!(got.is_whole(200, "") && got.trailers.is_none(), "{over:?} {got:?}");
        }
    }
}
