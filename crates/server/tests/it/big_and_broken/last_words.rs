//! Answers that a client can read which writes everything first and reads afterwards (RFC 9112 §9.6, RFC 9113 §8.1).

use std::io::{ErrorKind, Read, Write};

use narae_server::Limits;
use rustix::net::sockopt::{set_socket_recv_buffer_size, set_socket_send_buffer_size};

use super::*;
use crate::client::BOTH;
use crate::site::routes;

const MIB: usize = 1 << 20;

/// A head and what follows it, of which only so much is made at a time.
struct Flood {
    head: String,
    piece: Vec<u8>,
    times: usize,
    end: &'static str,
}

impl Flood {
    fn with_length(start: &str, size: usize) -> Self {
        let head = format!("{start}Host: a\r\nContent-Length: {size}\r\n\r\n");
        Self { head, piece: vec![b'x'; 64 * 1024], times: size / (64 * 1024), end: "" }
    }

    fn chunked(start: &str, size: usize) -> Self {
        let head = format!("{start}Host: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        let piece = [b"10000\r\n".as_slice(), &vec![b'x'; 64 * 1024], b"\r\n"].concat();
        Self { head, piece, times: size / (64 * 1024), end: "0\r\n\r\n" }
    }

    /// Bytes that belong to the head.
    fn head(start: &str, size: usize) -> Self {
        Self { head: start.to_owned(), piece: vec![b'x'; 64 * 1024], times: size / (64 * 1024), end: "" }
    }

    /// All of it, before a byte is read.
    fn send(&self, client: &mut Client) -> std::io::Result<()> {
        client.try_send(self.head.as_bytes())?;
        (0..self.times).try_for_each(|_| client.try_send(&self.piece))?;
        client.try_send(self.end.as_bytes())
    }
}

/// The whole answer, then a clean end: over TLS with `close_notify`, without which reading is an error.
#[track_caller]
fn check(site: &Site, flood: &Flood, status: u16) {
    for (over, buffers) in BOTH.into_iter().flat_map(|over| [(over, None), (over, Some(4096))]) {
        let mut client = Client::connect(site, over);
        if let Some(size) = buffers {
            set_socket_send_buffer_size(client.socket(), size).unwrap();
            set_socket_recv_buffer_size(client.socket(), size).unwrap();
        }
        let sent = flood.send(&mut client);
        let what = format!("{over:?} {buffers:?} {:?}", &flood.head[..flood.head.len().min(60)]);
        assert!(sent.is_ok(), "{what}: {sent:?}");
        let reply = client.reply();
        assert_eq!((reply.status, reply.closes()), (status, true), "{what} {reply:?}");
        assert!(!reply.body.is_empty() || status == 431 || status == 400, "{what}");
        assert_eq!(client.rest().unwrap(), "", "{what}");
    }
}

#[test]
fn a_body_over_the_limit_is_413() {
    let site = Site::new();
    for size in [8 * MIB, 3 * MIB] {
        check(&site, &Flood::with_length("POST /echo HTTP/1.1\r\n", size), 413);
        check(&site, &Flood::chunked("POST /echo HTTP/1.1\r\n", size), 413);
    }
}

#[test]
fn a_body_of_64_mebibytes_is_413_too() {
    let site = Site::new();
    for flood in [
        Flood::with_length("POST /echo HTTP/1.1\r\n", 64 * MIB),
        Flood::chunked("POST /echo HTTP/1.1\r\n", 64 * MIB),
    ] {
        let mut client = Client::plain(&site);
        flood.send(&mut client).unwrap();
        assert_eq!(client.reply().status, 413);
        assert!(client.is_closed());
    }
}

#[test]
fn a_body_that_no_handler_wanted_spoils_no_answer() {
    let site = Site::new();
    for flood in [Flood::with_length, Flood::chunked] {
        check(&site, &flood("POST /ignore HTTP/1.1\r\n", 4 * MIB), 200);
        check(&site, &flood("POST /ignore HTTP/1.1\r\nConnection: close\r\n", 4 * MIB), 200);
        check(&site, &flood("POST /ignore HTTP/1.1\r\nExpect: 100-continue\r\n", 4 * MIB), 200);
    }
}

#[test]
fn a_request_that_a_rule_refuses_may_have_any_body() {
    let site = Site::new();
    for flood in [Flood::with_length, Flood::chunked] {
        check(&site, &flood("BREW /echo HTTP/1.1\r\n", 4 * MIB), 501);
        check(&site, &flood("POST /echo HTTP/1.1\r\nExpect: tea\r\n", 4 * MIB), 417);
        check(&site, &flood("POST /echo HTTP/1.1\r\nHost: b\r\n", 4 * MIB), 400);
        check(&site, &flood("POST echo HTTP/1.1\r\n", 4 * MIB), 400);
        check(&site, &flood("POST /echo HTTP/1.2\r\n", 4 * MIB), 400);
        check(&site, &flood("POST /echo HTTP/1.1\r\nX: y\n", 4 * MIB), 400);
    }
    let gzip = "POST /echo HTTP/1.1\r\nTransfer-Encoding: gzip\r\n";
    check(&site, &Flood::chunked(gzip, 4 * MIB), 501);
    // With a length besides it is not clear where the message ends.
    check(&site, &Flood::with_length(gzip, 4 * MIB), 400);
}

#[test]
fn a_huge_head_is_431_and_a_huge_target_414() {
    let site = Site::new();
    check(&site, &Flood::head("GET / HTTP/1.1\r\nHost: a\r\nX: ", 8 * MIB), 431);
    check(&site, &Flood::head("GET / HTTP/1.1\r\nHost: a\r\nX", 8 * MIB), 431);
    check(&site, &Flood::head("GET /", 8 * MIB), 414);
    check(&site, &Flood::head("hello\r\n\r\n", 8 * MIB), 400);
}

#[test]
fn a_head_of_many_fields_is_431() {
    let fields = Flood {
        head: "GET / HTTP/1.1\r\nHost: a\r\n".to_owned(),
        piece: b"X: y\r\n".repeat(10_000),
        times: 100,
        end: "\r\n",
    };
    check(&Site::new(), &fields, 431);
}

#[test]
fn plain_http_with_a_large_body_on_a_tls_port_is_400() {
    let site = Site::new();
    let mut client = Client::at(site.tls);
    Flood::with_length("POST / HTTP/1.1\r\n", 8 * MIB).send(&mut client).unwrap();
    assert_eq!(client.reply().status, 400);
    assert!(client.is_closed());
}

/// Sends on and on, slowly, until the server has taken the connection away.
fn trickle(client: &mut Client, piece: &[u8]) {
    let began = Instant::now();
    while client.try_send(piece).is_ok() {
        assert!(began.elapsed() < PATIENCE, "the server reads for ever");
        // tidy: sleep ok: a slow peer is the case itself
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_body_that_comes_too_slowly_is_408_also_while_it_comes() {
    let site = Site::limited(Limits::default().body_timeout(SHORT).lingering_close(SHORT * 10));
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        let began = Instant::now();
        // The whole body takes longer than its limit.
        while began.elapsed() < SHORT * 3 {
            client.send("1\r\nx\r\n");
            // tidy: sleep ok: a slow peer is the case itself
            std::thread::sleep(Duration::from_millis(10));
        }
        client.send("0\r\n\r\n");
        let reply = client.reply();
        assert_eq!((reply.status, reply.closes()), (408, true), "{over:?}");
        assert!(client.is_closed(), "{over:?}");
    }
}

#[test]
fn a_head_that_comes_too_slowly_is_408_also_while_it_comes() {
    let site = Site::limited(Limits::default().head_timeout(SHORT).lingering_close(SHORT * 10));
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        client.send("GET / HTTP/1.1\r\nHost: a\r\n");
        let began = Instant::now();
        while began.elapsed() < SHORT * 3 {
            client.send("X: y\r\n");
            // tidy: sleep ok: a slow peer is the case itself
            std::thread::sleep(Duration::from_millis(10));
        }
        client.send("\r\n");
        let reply = client.reply();
        assert_eq!((reply.status, reply.closes()), (408, true), "{over:?}");
        assert!(client.is_closed(), "{over:?}");
    }
}

/// A client behind a slow line takes longer for its rest than a silent one is waited for.
#[test]
fn a_slow_rest_is_read_to_its_end() {
    let site = Site::new();
    std::thread::scope(|scope| {
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            scope.spawn(move || {
                client.send("BREW / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
                let began = Instant::now();
                while began.elapsed() < Duration::from_millis(6500) {
                    client.send("1\r\nx\r\n");
                    // tidy: sleep ok: a slow peer is the case itself
                    std::thread::sleep(Duration::from_millis(50));
                }
                client.send("0\r\n\r\n");
                assert_eq!(client.reply().status, 501, "{over:?}");
                assert!(client.is_closed(), "{over:?}");
            });
        }
    });
}

mod a_client_that_never_stops {
    use super::*;

    #[test]
    fn is_cut_when_the_lingering_is_over() {
        let site = Site::limited(Limits::default().lingering_close(SHORT));
        for over in BOTH {
            for flood in [
                Flood::chunked("POST /echo HTTP/1.1\r\n", usize::MAX),
                Flood::chunked("BREW / HTTP/1.1\r\n", usize::MAX),
                Flood::head("GET / HTTP/1.1\r\nX: ", usize::MAX),
            ] {
                let mut client = Client::connect(&site, over);
                let began = Instant::now();
                let error = flood.send(&mut client).unwrap_err();
                let is_reset = matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
                assert!(is_reset, "{over:?} {error:?}");
                assert!(began.elapsed() >= SHORT, "{over:?}: cut at once");
            }
        }
        site.wait_for(|counts| counts.open == 0);
    }

    #[test]
    fn is_cut_also_if_it_sends_little_at_a_time() {
        let site = Site::limited(Limits::default().lingering_close(SHORT));
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            client.send("BREW / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            trickle(&mut client, b"1\r\nx\r\n");
        }
        site.wait_for(|counts| counts.open == 0);
    }

    #[test]
    fn can_read_its_answer_until_then() {
        let site = Site::limited(Limits::default().lingering_close(SHORT * 20));
        let mut client = Client::plain(&site);
        let mut socket = client.socket().try_clone().unwrap();
        let sender = std::thread::spawn(move || {
            let head = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\n";
            socket.write_all(head).unwrap();
            while socket.write_all(&[b'x'; 64 * 1024]).is_ok() {}
        });
        assert_eq!(client.reply().status, 413);
        assert!(client.is_closed());
        let _ = client.socket().shutdown(std::net::Shutdown::Both);
        sender.join().unwrap();
    }

    #[test]
    fn is_not_waited_for_by_a_drain() {
        let mut site = Site::limited(Limits::default());
        let mut client = Client::plain(&site);
        client.send("BREW / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(client.reply().status, 501);
        let stopping = site.begin_stop(Duration::ZERO, SHORT);
        trickle(&mut client, b"1\r\nx\r\n");
        assert!(stopping.join().unwrap().took < PATIENCE / 2);
    }
}

mod h2 {
    use super::*;

    /// The windows that the server opened, and how far they are used (RFC 9113 §6.9).
    struct Windows {
        /// The connection's, which outlives its streams.
        all: usize,
        /// The stream's that is sent on.
        own: usize,
    }

    const FRESH: usize = 256 * 1024;

    impl Windows {
        fn new() -> Self {
            Self { all: MIB, own: FRESH }
        }

        /// The next frame, if it is of this stream and says something.
        fn recv(&mut self, client: &mut Client, number: u32, got: &mut Stream) {
            let next = recv(client);
            assert_ne!(next.kind, GOAWAY, "{next:?}");
            if next.kind == WINDOW_UPDATE {
                let more = u32::from_be_bytes(next.payload[..4].try_into().unwrap()) as usize;
                match next.stream {
                    0 => self.all += more,
                    stream if stream == number => self.own += more,
                    _ => {}
                }
            } else if next.stream == number {
                note(got, &next);
            }
        }

        /// Sends a body as far as the windows allow, until the answer has ended and the body is sent or reset.
        fn upload(&mut self, client: &mut Client, number: u32, block: Block, size: usize) -> (Stream, usize) {
            let (mut got, mut sent) = (Stream::default(), 0);
            self.own = FRESH;
            client.send(open_headers(number, block));
            while got.reset.is_none() && !(got.ended && sent == size) {
                let length = self.own.min(self.all).min(size - sent).min(MAX_FRAME);
                if length == 0 {
                    self.recv(client, number, &mut got);
                    continue;
                }
                let flags = if sent + length == size { END_STREAM } else { 0 };
                client.send(frame(DATA, flags, number, &vec![b'x'; length]));
                (self.own, self.all, sent) = (self.own - length, self.all - length, sent + length);
            }
            (got, sent)
        }
    }

    #[track_caller]
    fn check(block: &Block, status: u16, text: &str) {
        let site = Site::new();
        for over in BOTH {
            let mut client = open_h2(&site, over);
            let mut windows = Windows::new();
            let (got, sent) = windows.upload(&mut client, 1, block.clone(), 4 * MIB);
            assert!(got.is_whole(status, text), "{over:?} {sent} {got:?}");
            assert!(got.reset.is_none_or(|code| code == NO_ERROR), "{over:?} {got:?}");
            // The windows that it took are given back, and other streams go on.
            for number in [3, 5, 7] {
                let (got, _) = windows.upload(&mut client, number, Block::post("/ignore"), MIB);
                assert!(got.is_whole(200, "ignored"), "{over:?} {number} {got:?}");
            }
            assert!(fetch(&mut client, 9, "GET", "/").is_whole(200, "Hello, World!"), "{over:?}");
        }
    }

    #[test]
    fn a_body_over_the_limit_is_413_and_other_streams_go_on() {
        check(&Block::post("/echo"), 413, "413 Content Too Large\n");
    }

    #[test]
    fn a_body_that_nobody_reads_spoils_no_answer() {
        check(&Block::post("/ignore"), 200, "ignored");
    }

    #[test]
    fn a_refused_request_may_have_any_body() {
        check(&Block::request("BREW", "/echo"), 501, "501 Not Implemented: unknown method\n");
        let expects = Block::post("/echo").field("expect", "tea");
        check(&expects, 417, "417 Expectation Failed: only 100-continue is supported\n");
    }

    #[test]
    fn a_body_that_does_not_come_is_408_and_other_streams_go_on() {
        let site = Site::limited(Limits::default().body_timeout(SHORT));
        for over in BOTH {
            let mut client = open_h2(&site, over);
            client.send([open_headers(1, Block::post("/echo")), data(1, b"hel")].concat());
            let got = stream(&mut client, 1);
            assert!(got.is_whole(408, "408 Request Timeout: the request's body did not arrive in time\n"));
            assert!(fetch(&mut client, 3, "GET", "/").is_whole(200, "Hello, World!"), "{over:?}");
        }
    }

    #[test]
    fn a_body_that_never_ends_is_reset_when_the_lingering_is_over() {
        let site = Site::with(routes(), Limits::default().lingering_close(SHORT));
        for over in BOTH {
            let mut client = open_h2(&site, over);
            let (got, sent) = Windows::new().upload(&mut client, 1, Block::post("/ignore"), usize::MAX);
            assert!(got.is_whole(200, "ignored"), "{over:?} {sent} {got:?}");
            assert_eq!(got.reset, Some(NO_ERROR), "{over:?} {sent}");
            assert!(fetch(&mut client, 3, "GET", "/").is_whole(200, "Hello, World!"), "{over:?}");
        }
    }
}

mod an_end_without_a_request {
    use super::*;

    /// RFC 9112 §9.8: over TLS an end is said (`close_notify`); a client that reads sees no error.
    #[test]
    fn is_answered_with_a_clean_end() {
        let site = Site::new();
        for over in BOTH {
            let mut client = Client::connect(&site, over);
            assert!(client.end().is_closed(), "{over:?}");
        }
        let mut client = Client::tls(&site, &[b"h2"]);
        client.end();
        // The server's settings may come before.
        client.rest().unwrap();
    }

    #[test]
    fn is_answered_with_a_clean_end_behind_half_a_preface() {
        let site = Site::new();
        let mut client = Client::plain(&site);
        client.send("PRI * HT").end();
        let mut rest = Vec::new();
        client.socket().read_to_end(&mut rest).unwrap();
    }
}
