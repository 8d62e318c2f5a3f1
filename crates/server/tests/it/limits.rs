//! The table of limits: a raw peer runs into each of them and reads the promised answer.

use std::time::{Duration, Instant};

use narae_server::{Budget, H2Budgets, Limits};

use crate::client::{BOTH, Client, Over, ask};
use crate::h2_frames::*;
use crate::site::Site;

/// Short enough for a test, long enough for a busy machine to do ordinary work in.
const SHORT: Duration = Duration::from_millis(300);

mod first_byte {
    use super::*;

    #[test]
    fn a_silent_connection_is_closed() {
        let site = Site::limited(Limits::default().first_byte(SHORT));
        let began = Instant::now();
        assert!(Client::plain(&site).is_closed());
        assert!(began.elapsed() >= SHORT);
    }

    #[test]
    fn a_handshake_that_never_ends_is_closed() {
        let site = Site::limited(Limits::default().first_byte(SHORT));
        let mut socket = std::net::TcpStream::connect(site.tls).unwrap();
        socket.set_read_timeout(Some(crate::client::PATIENCE)).unwrap();
        // The beginning of a handshake record.
        std::io::Write::write_all(&mut socket, b"\x16\x03\x01\x01\x00").unwrap();
        let mut rest = Vec::new();
        std::io::Read::read_to_end(&mut socket, &mut rest).unwrap();
        assert_eq!(rest, b"");
        site.wait_for(|counts| counts.timeouts == 1);
    }

    #[test]
    fn silence_after_the_handshake_is_closed() {
        let site = Site::limited(Limits::default().first_byte(SHORT));
        assert!(Client::connect(&site, Over::Tls).is_closed());
    }
}

mod head_timeout {
    use super::*;

    #[test]
    fn a_head_that_does_not_end_is_408() {
        let site = Site::limited(Limits::default().head_timeout(SHORT));
        for over in BOTH {
            let (reply, mut client) = ask(&site, over, "GET / HTTP/1.1\r\nHost:");
            assert_eq!((reply.status, reply.closes()), (408, true), "{over:?}");
            assert!(client.end().is_closed());
        }
    }

    #[test]
    fn the_time_runs_from_the_first_byte_of_each_request() {
        let site = Site::limited(Limits::default().head_timeout(SHORT));
        for over in BOTH {
            let (_, mut client) = ask(&site, over, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            let began = Instant::now();
            client.send("G");
            assert_eq!(client.reply().status, 408, "{over:?}");
            assert!(began.elapsed() >= SHORT);
        }
    }

    #[test]
    fn half_a_head_behind_a_whole_request_is_408_too() {
        let site = Site::limited(Limits::default().head_timeout(SHORT));
        for over in BOTH {
            let (reply, mut client) = ask(&site, over, "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HT");
            assert_eq!(reply.status, 200);
            assert_eq!(client.reply().status, 408, "{over:?}");
        }
    }

    #[test]
    fn an_empty_line_is_not_the_beginning_of_a_request() {
        for park_after in [None, Some(Duration::ZERO)] {
            let limits =
                Limits::default().head_timeout(SHORT / 3).keep_alive_idle(SHORT).park_after(park_after);
            let site = Site::limited(limits);
            for over in BOTH {
                for request in ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "PUT / HTTP/1.1\r\nHost: a\r\n\r\n"] {
                    let (reply, mut client) = ask(&site, over, request);
                    assert_ne!(reply.status, 400);
                    // RFC 9112 §2.2: some clients send one behind a request.
                    client.send("\r\n");
                    assert!(
                        client.is_closed(),
                        "{over:?} {request:?} {park_after:?}: not idle, as if nothing came"
                    );
                }
            }
            assert_eq!(site.running().counts().timeouts, 0);
        }
    }

    #[test]
    fn a_peer_that_sends_a_byte_now_and_then_gains_no_time() {
        let site = Site::limited(Limits::default().head_timeout(SHORT));
        let mut client = Client::plain(&site);
        let began = Instant::now();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n");
        client.socket().set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        // The read's own time limit is the pause between the bytes.
        while client.rest().is_err() && began.elapsed() < crate::client::PATIENCE {
            if client.try_send(b"x").is_err() {
                break;
            }
        }
        assert!(began.elapsed() < SHORT * 20, "{:?}", began.elapsed());
    }
}

mod sizes {
    use super::*;

    /// A head of exactly `length` bytes.
    fn head(length: usize) -> String {
        let frame = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(length - frame))
    }

    fn target(length: usize) -> String {
        format!("GET /seen?{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(length - "/seen?".len()))
    }

    fn fields(count: usize) -> String {
        let more: String = (1..count).map(|n| format!("X-{n}: y\r\n")).collect();
        format!("GET / HTTP/1.1\r\nHost: a\r\n{more}\r\n")
    }

    #[track_caller]
    fn check(site: &Site, bytes: &str, status: u16) {
        for over in BOTH {
            let (reply, mut client) = ask(site, over, bytes);
            assert_eq!(reply.status, status, "{over:?}");
            if status != 200 {
                assert!(reply.closes(), "{reply:?}");
                assert!(client.end().is_closed());
            }
        }
    }

    #[test]
    fn a_head_up_to_the_limit_is_served_and_one_byte_more_is_431() {
        let site = Site::new();
        check(&site, &head(16 * 1024), 200);
        check(&site, &head(16 * 1024 + 1), 431);
        check(&site, &head(200_000), 431);
    }

    #[test]
    fn a_head_that_never_ends_is_431() {
        let site = Site::new();
        check(&site, &head(20_000)[..19_000], 431);
    }

    #[test]
    fn a_hundred_fields_are_served_and_one_more_is_431() {
        let site = Site::new();
        check(&site, &fields(100), 200);
        check(&site, &fields(101), 431);
        check(&Site::limited(Limits::default().max_header_count(3)), &fields(4), 431);
        check(&Site::limited(Limits::default().max_header_count(150)), &fields(150), 200);
    }

    #[test]
    fn a_target_up_to_the_limit_is_served_and_one_byte_more_is_414() {
        let site = Site::new();
        check(&site, &target(8 * 1024), 200);
        check(&site, &target(8 * 1024 + 1), 414);
        check(&site, &target(20_000), 414);
        check(&site, &target(200_000), 414);
    }

    #[test]
    fn a_target_that_never_ends_is_414() {
        check(&Site::new(), &target(20_000)[..9_000], 414);
    }

    #[test]
    fn a_long_target_on_a_used_connection_is_414() {
        let site = Site::new();
        for over in BOTH {
            let (_, mut client) = ask(&site, over, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
            client.send(target(20_000));
            assert_eq!(client.reply().status, 414, "{over:?}");
        }
    }
}

mod body {
    use super::*;

    fn with_length(path: &str, length: usize) -> Vec<u8> {
        let mut bytes =
            format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").into_bytes();
        bytes.resize(bytes.len() + length, b'x');
        bytes
    }

    fn chunked(path: &str, length: usize) -> Vec<u8> {
        let mut bytes =
            format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
        bytes.extend(format!("{length:x}\r\n").into_bytes());
        bytes.resize(bytes.len() + length, b'x');
        bytes.extend(b"\r\n0\r\n\r\n");
        bytes
    }

    const LIMIT: usize = 2 * 1024 * 1024;

    #[test]
    fn two_mebibytes_are_served() {
        let site = Site::new();
        for over in BOTH {
            for bytes in [with_length("/stream", LIMIT), chunked("/stream", LIMIT)] {
                // The echo streams, so both directions must move at once.
                let mut client = Client::connect(&site, over);
                let sender = client.socket().try_clone().unwrap();
                let reply = match over {
                    Over::Plain => {
                        let writer = std::thread::spawn(move || {
                            std::io::Write::write_all(&mut &sender, &bytes).unwrap();
                        });
                        let reply = client.reply();
                        writer.join().unwrap();
                        reply
                    }
                    Over::Tls => {
                        let bytes = match bytes.windows(7).any(|window| window == b"chunked") {
                            true => chunked("/large-too", LIMIT),
                            false => with_length("/large-too", LIMIT),
                        };
                        client.send(bytes);
                        client.reply()
                    }
                };
                assert_eq!(reply.status, 200, "{over:?}");
            }
        }
    }

    #[test]
    fn one_byte_more_is_413_that_a_client_can_read_which_writes_first() {
        let site = Site::new();
        for over in BOTH {
            for bytes in
                [with_length("/echo", LIMIT + 1), chunked("/echo", LIMIT + 1), chunked("/echo", 20 * LIMIT)]
            {
                let mut client = Client::connect(&site, over);
                client.send(bytes);
                let reply = client.reply();
                assert_eq!((reply.status, reply.closes()), (413, true), "{over:?}");
                assert_eq!(client.end().rest().unwrap(), "", "{over:?}");
            }
        }
    }

    #[test]
    fn a_large_body_is_refused_before_it_is_sent() {
        let site = Site::new();
        for over in BOTH {
            let head = format!(
                "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
                LIMIT + 1
            );
            assert_eq!(ask(&site, over, head).0.status, 413, "{over:?}");
        }
    }

    #[test]
    fn a_route_can_ask_for_less_and_for_more() {
        let site = Site::new();
        for over in BOTH {
            assert_eq!(ask(&site, over, with_length("/small-only", 10)).0.status, 200);
            assert_eq!(ask(&site, over, with_length("/small-only", 11)).0.status, 413);
            let (reply, _) = ask(&site, over, with_length("/large-too", 3 * LIMIT));
            assert_eq!(reply.body, (3 * LIMIT).to_string());
        }
    }

    #[test]
    fn a_handler_keeps_its_own_413() {
        let site = Site::new();
        let (reply, _) = ask(&site, Over::Plain, with_length("/own-error", LIMIT + 1));
        assert_eq!((reply.status, reply.body.as_str()), (413, "my own words"));
    }

    #[test]
    fn a_body_that_does_not_come_in_time_is_408() {
        let site = Site::limited(Limits::default().body_timeout(SHORT));
        for over in BOTH {
            let (reply, mut client) =
                ask(&site, over, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
            assert_eq!((reply.status, reply.closes()), (408, true), "{over:?}");
            assert!(client.end().is_closed());
        }
    }
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let site = Site::limited(Limits::default().keep_alive_idle(SHORT));
    for over in BOTH {
        let (_, mut client) = ask(&site, over, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let began = Instant::now();
        assert!(client.is_closed(), "{over:?}");
        assert!(began.elapsed() >= SHORT / 2);
    }
}

#[test]
fn a_peer_that_takes_nothing_is_cut() {
    let site = Site::limited(Limits::default().write_stall(SHORT));
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        // Nothing is read until the server has given up.
        let cuts = if over == Over::Plain { 1 } else { 2 };
        site.wait_for(|counts| counts.timeouts == cuts && counts.open == 0);
        assert!(client.rest().is_err(), "{over:?}");
    }
}

#[test]
fn connections_over_the_limit_wait_in_the_kernel() {
    let site = Site::limited(Limits::default().max_connections(Some(2)));
    let (_, first) = ask(&site, Over::Plain, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let (_, _second) = ask(&site, Over::Plain, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut third = Client::plain(&site);
    third.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    drop(first);
    assert_eq!(third.reply().body, "Hello, World!");
    site.wait_for(|counts| counts.accept_waits >= 1 && counts.accepted == 3);
}

mod h2 {
    use super::*;

    const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    const MAX_HEADER_LIST_SIZE: u16 = 0x6;
    const REFUSED_STREAM: u32 = 0x7;
    const ENHANCE_YOUR_CALM: u32 = 0xb;

    #[test]
    fn the_limits_are_announced() {
        let site = Site::new();
        for over in BOTH {
            let (_, settings) = open(&site, over);
            assert!(settings.contains(&(MAX_CONCURRENT_STREAMS, 256)), "{settings:?}");
            assert!(settings.contains(&(MAX_HEADER_LIST_SIZE, 16 * 1024)), "{settings:?}");
        }
    }

    #[test]
    fn a_stream_over_the_limit_is_refused() {
        let site = Site::limited(Limits::default().h2_max_streams(2));
        for over in BOTH {
            let (mut client, _) = open(&site, over);
            // Requests that are never answered keep their streams open.
            for stream in [1, 3, 5] {
                client.send(frame(
                    HEADERS,
                    END_HEADERS | END_STREAM,
                    stream,
                    b"\x82\x86\x44\x06/never\x41\x01a",
                ));
            }
            let reset = recv_kind(&mut client, RST_STREAM);
            assert_eq!((reset.stream, reset_code(&reset)), (5, REFUSED_STREAM), "{over:?}");
        }
    }

    /// Sends `bytes` again and again until the server tells the peer to calm down, then serves another.
    #[track_caller]
    fn check_flood(budgets: H2Budgets, prelude: &[u8], bytes: &[u8], times: usize) {
        let site = Site::limited(Limits::default().h2_budgets(budgets));
        for over in BOTH {
            let (mut client, _) = open(&site, over);
            client.send(prelude);
            for _ in 0..times {
                if client.try_send(bytes).is_err() {
                    break;
                }
            }
            let last = goaway(&recv_kind(&mut client, GOAWAY));
            assert_eq!(last.1, ENHANCE_YOUR_CALM, "{over:?}");
            assert_eq!(ask(&site, Over::Plain, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").0.status, 200);
        }
    }

    fn tight() -> H2Budgets {
        let mut budgets = H2Budgets::default();
        budgets.resets = Budget::new(5, 0);
        budgets.pings = Budget::new(5, 0);
        budgets.settings = Budget::new(5, 0);
        budgets.empty = Budget::new(5, 0);
        budgets
    }

    #[test]
    fn a_flood_of_pings_is_calmed() {
        check_flood(tight(), b"", &frame(PING, 0, 0, &[0; 8]), 6);
        check_flood(H2Budgets::default(), b"", &frame(PING, 0, 0, &[0; 8]), 200);
    }

    #[test]
    fn a_flood_of_settings_is_calmed() {
        check_flood(tight(), b"", &frame(SETTINGS, 0, 0, &[]), 6);
    }

    #[test]
    fn a_flood_of_empty_data_is_calmed() {
        check_flood(tight(), &frame(HEADERS, END_HEADERS, 1, POST), &frame(DATA, 0, 1, &[]), 6);
    }

    #[test]
    fn a_flood_of_priorities_is_calmed() {
        check_flood(tight(), b"", &frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 16]), 6);
    }

    #[test]
    fn a_header_block_of_endless_frames_is_calmed() {
        check_flood(
            H2Budgets::default(),
            &frame(HEADERS, END_STREAM, 1, GET),
            &frame(CONTINUATION, 0, 1, b"\x40\x01x\x01y"),
            17,
        );
    }

    #[test]
    fn rapid_resets_are_calmed() {
        let site = Site::limited(Limits::default().h2_budgets(tight()));
        for over in BOTH {
            let (mut client, _) = open(&site, over);
            let both: Vec<u8> = (0..200u32)
                .flat_map(|n| {
                    let stream = 2 * n + 1;
                    let open = frame(HEADERS, END_HEADERS | END_STREAM, stream, GET);
                    [open, frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())].concat()
                })
                .collect();
            // The server may stop reading in the middle.
            let _ = client.try_send(&both);
            assert_eq!(goaway(&recv_kind(&mut client, GOAWAY)).1, ENHANCE_YOUR_CALM, "{over:?}");
        }
    }

    #[test]
    fn a_header_block_that_stops_is_ended() {
        let site = Site::limited(Limits::default().head_timeout(SHORT));
        for over in BOTH {
            let (mut client, _) = open(&site, over);
            client.send(frame(HEADERS, END_STREAM, 1, GET));
            assert_eq!(goaway(&recv_kind(&mut client, GOAWAY)).1, ENHANCE_YOUR_CALM, "{over:?}");
        }
    }

    #[test]
    fn a_header_list_over_the_limit_is_431() {
        let site = Site::new();
        let (mut client, _) = open(&site, Over::Plain);
        // Twenty fields of a thousand bytes, not indexed.
        let mut block = GET.to_vec();
        for n in 0..20u8 {
            block.extend([0x00, 0x01, b'a' + n, 0x7f, 0xe9, 0x06]);
            block.extend([b'v'; 1000]);
        }
        let (first, rest) = block.split_at(10_000);
        client.send(frame(HEADERS, END_STREAM, 1, first));
        client.send(frame(CONTINUATION, END_HEADERS, 1, rest));
        let answer = recv_kind(&mut client, HEADERS);
        // `:status` as a literal with an indexed name, its digits in Huffman code or plain.
        let is_431 = answer.payload.windows(3).any(|window| window == b"431")
            || answer.payload.windows(3).any(|window| window == [0x68, 0x22, 0x3f].as_slice())
            || answer.payload.first() == Some(&0x48);
        assert!(is_431, "{answer:?}");
    }

    #[test]
    fn an_idle_connection_is_told_goodbye() {
        let site = Site::limited(Limits::default().keep_alive_idle(SHORT));
        for over in BOTH {
            let (mut client, _) = open(&site, over);
            assert_eq!(goaway(&recv_kind(&mut client, GOAWAY)).1, 0, "{over:?}");
        }
    }

    #[test]
    fn a_peer_that_opens_no_window_is_cut() {
        let site = Site::limited(Limits::default().write_stall(SHORT));
        for over in BOTH {
            let mut client = match over {
                Over::Plain => Client::plain(&site),
                Over::Tls => Client::tls(&site, &[b"h2"]),
            };
            // SETTINGS_INITIAL_WINDOW_SIZE of zero, then a request for something large.
            let settings = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
            let path = [b"\x82\x86\x44\x04/big\x41\x01a".as_slice()].concat();
            let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &path);
            client.send([PREFACE, &settings, &request].concat());
            // The end of the connection, after the settings and the head.
            let _ = client.rest();
            let cuts = if over == Over::Plain { 1 } else { 2 };
            site.wait_for(|counts| counts.timeouts == cuts);
        }
    }
}
