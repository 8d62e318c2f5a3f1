//! HTTP/1.1 on the wire, in the order of RFC 9112. Every case runs over plain TCP and over TLS.

use crate::client::{BOTH, Client, Over, ask};
use crate::site::Site;

/// Sends `bytes`, expects `status`, and expects the connection to end or to go on.
#[track_caller]
fn check(bytes: &[u8], status: u16, ends: bool) {
    let site = Site::new();
    for over in BOTH {
        let (reply, mut client) = ask(&site, over, bytes);
        let sent = String::from_utf8_lossy(bytes);
        assert_eq!(reply.status, status, "{over:?} {sent:?} {reply:?}");
        if ends {
            assert!(client.is_closed(), "{over:?} {sent:?} stays open");
        } else {
            assert_lives(&mut client);
        }
    }
}

/// Another request on the same connection is answered.
#[track_caller]
fn assert_lives(client: &mut Client) {
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply().body, "Hello, World!");
}

/// What the handler of `/seen` saw of a request.
#[track_caller]
fn check_seen(bytes: &str, want: &str) {
    let site = Site::new();
    for over in BOTH {
        let (reply, _) = ask(&site, over, bytes);
        assert_eq!(reply.status, 200, "{over:?} {bytes:?} {reply:?}");
        assert!(reply.body.starts_with(want), "{over:?} {:?} is not {want:?}", reply.body);
    }
}

mod s2_2_message_parsing {
    use super::*;

    #[test]
    fn empty_lines_before_a_request_are_skipped() {
        check(b"\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, false);
    }

    #[test]
    fn a_request_may_arrive_byte_by_byte() {
        let site = Site::new();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            for byte in b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" {
                client.send([*byte]);
            }
            assert_eq!(client.reply().body, "hello", "{over:?}");
            assert_lives(&mut client);
        }
    }

    #[test]
    fn white_space_between_start_line_and_first_field_is_refused() {
        check(b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, true);
    }

    #[test]
    fn garbage_is_refused() {
        check(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, true);
        check(b"hello\r\n\r\n", 400, true);
    }
}

mod s2_3_http_version {
    use super::*;

    #[test]
    fn versions_that_do_not_exist_are_refused() {
        check(b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400, true);
        check(b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", 400, true);
        check(b"GET / http/1.1\r\nHost: a\r\n\r\n", 400, true);
    }

    #[test]
    fn a_one_zero_client_is_answered_and_the_connection_ends() {
        check(b"GET / HTTP/1.0\r\n\r\n", 200, true);
    }

    #[test]
    fn a_one_zero_client_may_ask_to_keep_the_connection() {
        check(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, false);
    }

    #[test]
    fn a_one_zero_client_never_gets_chunks() {
        let site = Site::new();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send("POST /stream HTTP/1.0\r\nContent-Length: 5\r\n\r\nhello");
            let answer = client.rest().unwrap();
            assert!(!answer.to_lowercase().contains("chunked"), "{answer:?}");
            assert!(answer.ends_with("\r\n\r\nhello"), "{answer:?}");
        }
    }
}

mod s3_1_method {
    use super::*;

    #[test]
    fn a_method_that_the_server_does_not_know_is_not_implemented() {
        check(b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501, true);
        check(b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501, true);
    }

    #[test]
    fn a_registered_method_reaches_the_application() {
        check(b"PROPFIND /seen HTTP/1.1\r\nHost: a\r\n\r\n", 200, false);
        check(b"DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", 405, false);
    }

    #[test]
    fn a_method_that_is_not_a_token_is_refused() {
        check(b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, true);
    }
}

mod s3_2_request_target {
    use super::*;

    #[test]
    fn origin_form_reaches_the_application_as_it_is() {
        check_seen("GET /seen?x=%41&y HTTP/1.1\r\nHost: a\r\n\r\n", "GET /seen?x=%41&y host=a ");
    }

    #[test]
    fn a_target_that_is_no_path_is_refused() {
        check(b"GET seen HTTP/1.1\r\nHost: a\r\n\r\n", 400, true);
        check(b"GET ../seen HTTP/1.1\r\nHost: a\r\n\r\n", 400, true);
        check(b"GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400, true);
        check(b"GET ?q HTTP/1.1\r\nHost: a\r\n\r\n", 400, true);
    }

    #[test]
    fn an_absolute_form_wins_over_host() {
        check_seen(
            "GET http://right/seen HTTP/1.1\r\nHost: wrong\r\n\r\n",
            "GET http://right/seen host=right ",
        );
    }

    #[test]
    fn an_absolute_form_with_another_scheme_or_user_is_refused() {
        check(b"GET ftp://a/seen HTTP/1.1\r\nHost: a\r\n\r\n", 400, true);
        check(b"GET http://user@a/seen HTTP/1.1\r\nHost: a\r\n\r\n", 400, true);
        check(b"GET http:///seen HTTP/1.1\r\nHost: a\r\n\r\n", 400, true);
    }

    #[test]
    fn connect_is_never_a_tunnel() {
        check(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501, true);
        check(b"CONNECT /seen HTTP/1.1\r\nHost: a\r\n\r\n", 501, true);
    }

    #[test]
    fn asterisk_form_belongs_to_options() {
        check(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404, false);
        check(b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, true);
    }

    #[test]
    fn host_is_needed_exactly_once() {
        check(b"GET / HTTP/1.1\r\n\r\n", 400, true);
        check(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, true);
        check(b"GET http://a/ HTTP/1.1\r\n\r\n", 400, true);
        check(b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, true);
    }

    #[test]
    fn a_host_that_is_no_host_is_refused() {
        for host in ["", "a b", "a/b", "user@a", "a:port", "a,b", "[::1"] {
            check(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(), 400, true);
        }
    }

    #[test]
    fn control_characters_in_a_target_are_refused() {
        check(b"GET /a\x00b HTTP/1.1\r\nHost: a\r\n\r\n", 400, true);
        check(b"GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n", 400, true);
        check(b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400, true);
    }
}

mod s5_field_syntax {
    use super::*;

    #[test]
    fn white_space_before_the_colon_is_refused() {
        check(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, true);
    }

    #[test]
    fn a_folded_field_is_refused() {
        check(b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400, true);
    }

    #[test]
    fn a_field_without_colon_or_name_is_refused() {
        check(b"GET / HTTP/1.1\r\nHost: a\r\nhello\r\n\r\n", 400, true);
        check(b"GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400, true);
    }

    #[test]
    fn nul_and_bare_cr_in_a_value_are_refused() {
        check(b"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", 400, true);
        check(b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400, true);
    }
}

mod s6_message_body {
    use super::*;

    const HEAD: &str = "POST /echo HTTP/1.1\r\nHost: a\r\n";

    fn post(fields_and_body: &str) -> Vec<u8> {
        format!("{HEAD}{fields_and_body}").into_bytes()
    }

    #[test]
    fn a_body_of_known_length_is_echoed() {
        check(&post("Content-Length: 5\r\n\r\nhello"), 200, false);
        check(&post("Content-Length: 0\r\n\r\n"), 200, false);
    }

    #[test]
    fn lengths_that_are_no_numbers_are_refused() {
        for length in ["-1", "+5", "5a", "0x5", "", "5 5", "5,6", "99999999999999999999"] {
            check(&post(&format!("Content-Length: {length}\r\n\r\nhello")), 400, true);
        }
    }

    #[test]
    fn two_different_lengths_are_refused() {
        check(&post("Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"), 400, true);
    }

    #[test]
    fn both_a_length_and_chunks_are_refused() {
        check(
            &post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
            400,
            true,
        );
    }

    #[test]
    fn a_final_coding_other_than_chunked_is_refused() {
        check(&post("Transfer-Encoding: gzip\r\n\r\nhello"), 400, true);
        check(&post("Transfer-Encoding: chunked, gzip\r\n\r\nhello"), 400, true);
    }

    #[test]
    fn chunks_from_a_one_zero_client_are_refused() {
        check(b"POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, true);
    }

    #[test]
    fn a_body_that_was_cut_off_is_never_a_whole_one() {
        let site = Site::new();
        for over in BOTH {
            for cut in [
                post("Content-Length: 10\r\n\r\nhello"),
                post("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
                post("Transfer-Encoding: chunked\r\n\r\n5\r\nhe"),
                post("Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"),
            ] {
                let mut client = Client::connect(&site, over);
                client.send(&cut).end();
                let answer = client.rest().unwrap_or_default();
                assert!(!answer.contains(" 200 "), "{over:?} {answer:?}");
            }
        }
    }
}

mod s6_3_unread_bodies {
    use super::*;

    #[test]
    fn a_small_body_that_nobody_read_is_thrown_away() {
        check(b"POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 200, false);
    }

    #[test]
    fn bodies_that_come_with_their_heads_are_read_passed_over_or_refused_in_turn() {
        let site = Site::new();
        let post =
            |path: &str| format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world");
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send([post("/echo"), post("/ignore"), post("/echo"), post("/small-only")].concat());
            let replies = [(); 4].map(|()| client.reply());
            let said = replies.each_ref().map(|reply| (reply.status, reply.closes()));
            assert_eq!(said, [(200, false), (200, false), (200, false), (413, true)], "{over:?}");
            let bodies = replies.each_ref().map(|reply| reply.body.as_str());
            assert_eq!(bodies[..3], ["hello world", "ignored", "hello world"], "{over:?}");
        }
    }

    #[test]
    fn the_rest_of_an_unread_body_is_never_a_request() {
        let site = Site::new();
        for over in BOTH {
            let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
            let mut client = Client::connect(&site, over);
            client.send(format!(
                "POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
                smuggled.len()
            ));
            assert_eq!(client.reply().body, "ignored");
            client.send(smuggled);
            assert_lives(&mut client);
        }
    }

    #[test]
    fn a_large_body_that_nobody_read_ends_the_connection_without_a_reset() {
        let site = Site::new();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send("POST /ignore HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
            client.send(vec![b'x'; 1_000_000]);
            let reply = client.reply();
            assert_eq!((reply.status, reply.closes()), (200, true), "{over:?}");
            client.end();
            assert!(client.is_closed(), "{over:?}");
        }
    }

    #[test]
    fn a_refused_request_with_a_large_body_gets_one_answer() {
        let site = Site::new();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send("BREW / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
            client.send(vec![b'x'; 1_000_000]);
            assert_eq!(client.reply().status, 501, "{over:?}");
            assert_eq!(client.end().rest().unwrap(), "", "{over:?}");
        }
    }

    #[test]
    fn an_unread_chunked_body_ends_the_connection() {
        let site = Site::new();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client
                .send("POST /ignore HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
            let reply = client.reply();
            assert_eq!((reply.status, reply.closes()), (200, true), "{over:?}");
        }
    }
}

mod s7_1_chunked_coding {
    use super::*;

    fn chunked(body: &str) -> Vec<u8> {
        format!("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into_bytes()
    }

    #[test]
    fn chunks_with_extensions_are_put_together() {
        let site = Site::new();
        for over in BOTH {
            let (reply, mut client) =
                ask(&site, over, chunked("5;a=b\r\nhello\r\n0006\r\n world\r\n0\r\n\r\n"));
            assert_eq!(reply.body, "hello world");
            assert_lives(&mut client);
        }
    }

    #[test]
    fn sizes_that_are_not_hex_are_refused() {
        for size in ["+5", "-5", "0x5", "g", " 5", "", "ffffffffffffffffff"] {
            check(&chunked(&format!("{size}\r\nhello\r\n0\r\n\r\n")), 400, true);
        }
    }

    #[test]
    fn trailers_reach_the_handler() {
        let site = Site::new();
        for over in BOTH {
            let (reply, _) = ask(
                &site,
                over,
                "POST /trailers HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
                 3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n",
            );
            assert_eq!(reply.body, "Some(\"7\") b\"abc\"");
        }
    }
}

mod s9_connection_management {
    use super::*;

    #[test]
    fn a_connection_serves_many_requests() {
        let site = Site::new();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            for _ in 0..100 {
                assert_lives(&mut client);
            }
        }
    }

    #[test]
    fn pipelined_requests_are_answered_in_order() {
        let site = Site::new();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            let bytes: String =
                (0..50).map(|n| format!("GET /seen?{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
            client.send(bytes);
            for n in 0..50 {
                let reply = client.reply();
                assert!(reply.body.starts_with(&format!("GET /seen?{n} ")), "{n}: {reply:?}");
            }
        }
    }

    #[test]
    fn an_answer_does_not_wait_for_the_rest_of_the_next_request() {
        let site = Site::new();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT");
            assert_eq!(client.reply().body, "Hello, World!");
            client.send("TP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(client.reply().body, "Hello, World!");
        }
    }

    #[test]
    fn close_from_either_side_ends_the_connection() {
        check(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 200, true);
        check(b"GET /close HTTP/1.1\r\nHost: a\r\n\r\n", 200, true);
    }

    #[test]
    fn a_client_that_ended_its_side_still_gets_its_answer() {
        let site = Site::new();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").end();
            assert_eq!(client.reply().body, "Hello, World!", "{over:?}");
            assert!(client.is_closed());
        }
    }
}

mod rfc9110 {
    use super::*;

    #[test]
    fn head_has_the_fields_of_get_and_no_body() {
        let site = Site::new();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
            let reply = client.reply_to_head();
            assert_eq!((reply.status, reply.header("content-length")), (200, Some("13")));
            assert_lives(&mut client);
        }
    }

    #[test]
    fn every_answer_has_a_date() {
        let site = Site::new();
        for bytes in [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "hello\r\n\r\n",
            "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n",
        ] {
            let (reply, _) = ask(&site, Over::Plain, bytes);
            let date = reply.header("date").unwrap_or_else(|| panic!("{bytes:?} {reply:?}"));
            assert!(date.ends_with(" GMT"), "{date}");
        }
    }

    #[test]
    fn s10_1_1_continue_is_sent_when_the_handler_reads() {
        let site = Site::new();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client
                .send("POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
            assert_eq!(client.reply().status, 100, "{over:?}");
            client.send("hello");
            assert_eq!(client.reply().body, "hello");
            assert_lives(&mut client);
        }
    }

    #[test]
    fn s10_1_1_a_body_that_nobody_wants_is_not_asked_for() {
        let site = Site::new();
        for over in BOTH {
            let (reply, _) = ask(
                &site,
                over,
                "POST /ignore HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n",
            );
            assert_eq!((reply.status, reply.closes()), (200, true), "{over:?}");
        }
    }

    #[test]
    fn s10_1_1_another_expectation_fails() {
        check(b"GET / HTTP/1.1\r\nHost: a\r\nExpect: the-unexpected\r\n\r\n", 417, true);
    }

    #[test]
    fn s15_6_1_a_panic_is_an_answer_and_the_connection_lives() {
        let site = Site::new();
        for over in BOTH {
            let (reply, mut client) = ask(&site, over, "GET /panic HTTP/1.1\r\nHost: a\r\n\r\n");
            assert_eq!(reply.status, 500);
            assert!(!reply.body.contains("on purpose"), "{reply:?}");
            assert_lives(&mut client);
        }
        assert_eq!(site.running().counts().panics, 2);
    }

    #[test]
    fn a_panic_in_the_middle_of_a_body_leaves_it_visibly_broken() {
        let site = Site::new();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send("GET /panic-late HTTP/1.1\r\nHost: a\r\n\r\n");
            let answer = client.rest().unwrap_or_default();
            assert!(answer.contains("chunked"), "{answer:?}");
            assert!(!answer.ends_with("0\r\n\r\n"), "{answer:?}");
        }
    }
}
