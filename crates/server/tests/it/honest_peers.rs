//! Peers that are slow, that leave, or that ask for much, and mean no harm: no limit may hit them.

use std::convert::Infallible;
use std::io::Read;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::routing::{any, get};
use narae_server::{DrainSettings, Limits};

use crate::client::{BOTH, Client, Over, ask};
use crate::h2_frames::*;
use crate::site::{Site, routes};

const SHORT: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(20);
const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
/// More than the sockets' buffers hold.
const LARGE: usize = 32 << 20;

fn more() -> Router {
    routes()
        .route("/large", get(|| async { Bytes::from(vec![b'x'; LARGE]) }))
        .route("/megabytes", get(megabytes))
        .route("/later", any(later))
        .route("/keeps", get(keeps))
}

async fn megabytes() -> Body {
    let chunk = Bytes::from(vec![b'x'; 1 << 20]);
    Body::from_stream(futures_util::stream::iter((0..2).map(move |_| Ok::<_, Infallible>(chunk.clone()))))
}

/// Lets its body go, then takes a few turns of the event loop to answer.
async fn later(body: Body) -> &'static str {
    drop(body);
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    "later"
}

/// Leaves a task behind that keeps the request, and with it the connection's description.
async fn keeps(request: Request) -> &'static str {
    tokio::spawn(async move {
        std::future::pending::<()>().await;
        drop(request);
    });
    "kept"
}

/// Reads like someone on a slow line; what came before the end or an error.
fn read_slowly(client: &Client, limit: usize) -> usize {
    let mut socket = client.socket().try_clone().unwrap();
    let mut buffer = vec![0; 1 << 20];
    let mut got = 0;
    while got < limit {
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => break,
            Ok(length) => got += length,
        }
        pause();
    }
    got
}

fn pause() {
    // tidy: sleep ok: the pace of a slow peer is the case itself
    std::thread::sleep(Duration::from_millis(20));
}

#[test]
fn a_client_that_gives_up_in_the_middle_of_an_answer_stops_nobody_else() {
    let site = Site::new();
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        client.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
        client.take(100_000);
        rustix::net::sockopt::set_socket_linger(client.socket(), Some(Duration::ZERO)).unwrap();
        drop(client);
        site.wait_for(|counts| counts.open == 0);
        assert_eq!(ask(&site, over, HELLO).0.status, 200, "{over:?}");
    }
}

#[test]
fn a_download_that_a_deadline_cuts_is_named() {
    let mut site = Site::with(more(), Limits::default());
    let mut client = Client::plain(&site);
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    client.take(100_000);
    let report = site.begin_stop(Duration::ZERO, SHORT).join().unwrap();
    assert_eq!(report.cut.len(), 1, "{report:?}");
    assert_eq!(report.cut[0].path, "/large");
}

#[test]
fn a_slow_download_outlives_the_keep_alive_time() {
    let site = Site::with(more(), Limits::default().keep_alive_idle(SHORT));
    let mut client = Client::plain(&site);
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(read_slowly(&client, LARGE) >= LARGE);
}

#[test]
fn a_slow_download_outlives_the_linger_of_a_drain() {
    let mut site = Site::with(more(), Limits::default());
    let mut client = Client::plain(&site);
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.take(1000).len();
    let stopping = site.begin_stop(Duration::from_millis(100), LONG);
    // What `take` read beyond the head is in its buffer.
    assert!(read_slowly(&client, usize::MAX) + head + 16 * 1024 >= LARGE);
    drop(client);
    assert!(stopping.join().unwrap().cut.is_empty());
}

#[test]
fn a_head_whose_end_comes_apart_is_whole() {
    let site = Site::limited(Limits::default().head_timeout(SHORT));
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        client.send("GET / HTTP/1.1\r\nHost: a\r\n");
        pause();
        client.send("\r\n");
        assert_eq!(client.reply().status, 200);
        client.socket().set_read_timeout(Some(SHORT * 3)).unwrap();
        assert!(client.rest().is_err(), "{over:?}: something came on an idle connection");
    }
}

#[test]
fn a_connection_is_idle_after_requests_with_bodies() {
    let site = Site::limited(Limits::default().head_timeout(SHORT * 3));
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        // In pieces and whole, then without a body.
        client.send(&post[..3]);
        pause();
        for bytes in [&post[3..], post, HELLO] {
            client.send(bytes);
            assert_eq!(client.reply().status, 200);
        }
        client.socket().set_read_timeout(Some(SHORT * 5)).unwrap();
        assert!(client.rest().is_err(), "{over:?}: something came on an idle connection");
    }
}

#[test]
fn a_head_of_any_length_is_whole() {
    let site = Site::limited(Limits::default().head_timeout(SHORT));
    let frame = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n".len();
    // Around the sizes of the server's reads.
    let mut clients: Vec<_> = (4090..4110)
        .chain(8185..8200)
        .map(|length| {
            let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(length - frame));
            (length, ask(&site, Over::Plain, head).1)
        })
        .collect();
    let timeouts = site.running().counts().timeouts;
    clients.iter_mut().for_each(|(length, client)| {
        client.socket().set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        assert!(client.rest().is_err(), "{length}");
    });
    assert_eq!(timeouts, site.running().counts().timeouts);
}

mod bodies_that_nobody_read {
    use super::*;

    const POST: &str = "POST /later HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";

    #[test]
    fn leave_the_limits_of_the_next_request_in_place() {
        let site = Site::with(more(), Limits::default().head_timeout(SHORT));
        for over in BOTH {
            let (reply, mut client) = ask(&site, over, POST);
            assert_eq!(reply.body, "later");
            client.send("GET / HT");
            assert_eq!(client.reply().status, 408, "{over:?}");
        }
    }

    #[test]
    fn do_not_hold_up_a_drain() {
        let mut site = Site::with(more(), Limits::default());
        let (_, mut client) = ask(&site, Over::Plain, POST);
        let stopping = site.begin_stop(Duration::from_millis(100), LONG);
        assert!(client.is_closed());
        drop(client);
        assert!(stopping.join().unwrap().took < LONG / 2);
    }

    #[test]
    fn do_not_make_a_used_h2_connection_idle() {
        let site = Site::with(more(), Limits::default().keep_alive_idle(Duration::from_millis(400)));
        let (mut client, _) = open(&site, Over::Plain);
        let began = std::time::Instant::now();
        let mut stream = 1;
        while began.elapsed() < Duration::from_millis(1200) {
            let post = frame(HEADERS, END_HEADERS, stream, &path(b"\x83", "/ignore"));
            client.send([post, frame(DATA, END_STREAM, stream, b"hello")].concat());
            loop {
                let next = recv(&mut client);
                assert_ne!(next.kind, GOAWAY, "after {:?}", began.elapsed());
                if next.kind == DATA {
                    break;
                }
            }
            stream += 2;
            pause();
        }
    }
}

#[test]
fn a_task_that_keeps_a_request_keeps_no_connection() {
    let site = Site::with(more(), Limits::default());
    for over in BOTH {
        let (reply, client) = ask(&site, over, "GET /keeps HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        assert_eq!(reply.body, "kept");
        drop(client);
        site.wait_for(|counts| counts.open == 0);
    }
}

#[test]
fn a_limit_of_for_ever_is_no_limit() {
    let limits = Limits::default()
        .keep_alive_idle(Duration::MAX)
        .head_timeout(Duration::MAX)
        .body_timeout(Duration::MAX)
        .write_stall(Duration::MAX);
    let site = Site::limited(limits);
    for over in BOTH {
        let (_, mut client) = ask(&site, over, HELLO);
        client.send(HELLO);
        assert_eq!(client.reply().status, 200, "{over:?}");
    }
    site.stop(DrainSettings { linger: Duration::MAX, deadline: Duration::MAX });
}

#[test]
fn whoever_connects_to_a_draining_server_is_refused_at_once() {
    let mut site = Site::new();
    let address = site.plain;
    let mut client = Client::plain(&site);
    client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    site.wait_for(|counts| counts.requests == 1);
    let stopping = site.begin_stop(Duration::ZERO, SHORT * 5);
    while std::net::TcpStream::connect(address).is_ok() {
        assert!(!stopping.is_finished(), "the port was open until the end");
    }
    stopping.join().unwrap();
}

mod h2 {
    use super::*;

    fn get(stream: u32, target: &str) -> Vec<u8> {
        frame(HEADERS, END_STREAM | END_HEADERS, stream, &path(b"\x82", target))
    }

    /// Reads `want` bytes of DATA at a slow peer's pace, opening the windows by what it read.
    fn download(client: &mut Client, want: usize) -> usize {
        let mut got = 0;
        while got < want {
            let next = recv(client);
            match next.kind {
                DATA if !next.payload.is_empty() => {
                    got += next.payload.len();
                    pause();
                    let more = u32::try_from(next.payload.len()).unwrap().to_be_bytes();
                    let update = [frame(8, 0, 0, &more), frame(8, 0, next.stream, &more)].concat();
                    if client.try_send(&update).is_err() {
                        break;
                    }
                }
                PING if next.flags & ACK == 0 => {
                    client.send(frame(PING, ACK, 0, &next.payload));
                }
                _ => {}
            }
        }
        got
    }

    #[test]
    fn a_steady_reader_of_large_chunks_is_not_stalled() {
        let site = Site::with(more(), Limits::default().write_stall(SHORT));
        for over in BOTH {
            let (mut client, _) = open(&site, over);
            client.send(get(1, "/megabytes"));
            assert_eq!(download(&mut client, 2 << 20), 2 << 20, "{over:?}");
        }
    }

    #[test]
    fn a_slow_reader_in_a_drain_gets_its_whole_answer() {
        let mut site = Site::with(more(), Limits::default());
        let (mut client, _) = open(&site, Over::Plain);
        client.send(get(1, "/megabytes"));
        site.wait_for(|counts| counts.requests == 1);
        let stopping = site.begin_stop(Duration::ZERO, LONG);
        assert_eq!(download(&mut client, 2 << 20), 2 << 20);
        client.end();
        assert!(stopping.join().unwrap().cut.is_empty());
    }

    #[test]
    fn a_browser_that_leaves_a_page_cancels_all_its_requests() {
        let site = Site::new();
        let (mut client, _) = open(&site, Over::Plain);
        let streams = (0..250).map(|n| 2 * n + 1);
        client.send(streams.clone().flat_map(|stream| get(stream, "/never")).collect::<Vec<u8>>());
        site.wait_for(|counts| counts.requests == 250);
        let cancel = 8u32.to_be_bytes();
        client.send(streams.flat_map(|stream| frame(RST_STREAM, 0, stream, &cancel)).collect::<Vec<u8>>());
        client.send(get(501, "/"));
        loop {
            let next = recv(&mut client);
            assert_ne!(next.kind, GOAWAY, "{:?}", next);
            if next.kind == DATA {
                break;
            }
        }
    }

    #[test]
    fn a_client_may_measure_its_bandwidth_with_a_ping_per_answer() {
        let site = Site::new();
        let (mut client, _) = open(&site, Over::Plain);
        for stream in (0..200).map(|n| 2 * n + 1) {
            client.send(get(stream, "/"));
            recv_kind(&mut client, DATA);
            client.send(frame(PING, 0, 0, &[1; 8]));
            let pong = recv(&mut client);
            assert_eq!((pong.kind, pong.flags), (PING, ACK), "{pong:?}");
        }
    }
}

/// HPACK for a request: the method's octet, `:scheme http`, `:authority a`, and a path.
fn path(method: &[u8], target: &str) -> Vec<u8> {
    let length = u8::try_from(target.len()).unwrap();
    [method, b"\x86\x41\x01a\x04", &[length], target.as_bytes()].concat()
}
