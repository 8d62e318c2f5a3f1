//! Slowloris: heads, bodies and readers that go on by a byte now and then.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::routing::get;
use narae_server::Limits;

use super::{all_hold, nothing_is_left, while_newcomers_come};
use crate::client::{BOTH, Client, Over};
use crate::site::Site;

const ATTACKERS: usize = 300;

/// How long a peer may be slow where it is to be cut.
const SHORT: Duration = Duration::from_millis(500);

/// A head without its end. More of it may follow for ever.
const HEAD: &str = "GET / HTTP/1.1\r\nHost: a\r\nX-a: ";

const BODY: &str = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n";

const CHUNKED: &str = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

fn opened(site: &Site, over: Over, bytes: &str) -> Client {
    let mut client = Client::connect(site, over);
    client.send(bytes);
    client
}

/// A connection whose peer has room for little that it has not read.
fn reader(site: &Site, path: &str) -> Client {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&site.plain.into()).unwrap();
    let mut client = Client::over(socket.into());
    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
    client
}

#[test]
fn slow_heads_keep_nobody_out() {
    let site = Site::new();
    for over in BOTH {
        let name = format!("{ATTACKERS} slow heads over {over:?}");
        all_hold(
            &name,
            &site,
            || opened(&site, over, HEAD),
            ATTACKERS,
            |client| {
                client.send("b");
            },
        );
    }
}

#[test]
fn slow_bodies_keep_nobody_out() {
    let site = Site::new();
    for over in BOTH {
        let name = format!("{ATTACKERS} slow bodies over {over:?}");
        all_hold(
            &name,
            &site,
            || opened(&site, over, BODY),
            ATTACKERS,
            |client| {
                client.send("b");
            },
        );
    }
    all_hold(
        "slow chunks",
        &site,
        || opened(&site, Over::Plain, CHUNKED),
        ATTACKERS,
        |client| {
            client.send("1\r\nb\r\n");
        },
    );
}

#[test]
fn slow_readers_keep_nobody_out() {
    let site = Site::new();
    all_hold(
        "100 slow readers",
        &site,
        || reader(&site, "/big"),
        100,
        |client| {
            client.socket().read_exact(&mut [0]).unwrap();
        },
    );
    let silent = || opened(&site, Over::Tls, "GET /big HTTP/1.1\r\nHost: a\r\n\r\n");
    all_hold("30 readers over TLS that read nothing", &site, silent, 30, |_| {});
}

/// What a handler gives for a reader that does not read must stay with the handler: the kernel would take megabytes, and
/// copying them for many readers at once would hold up everyone else.
#[test]
fn little_is_taken_from_a_handler_for_a_peer_that_does_not_read() {
    const CHUNK: usize = 64 * 1024;
    let given = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&given);
    let endless = move || {
        let counter = Arc::clone(&counter);
        let chunks = futures_util::stream::repeat_with(move || {
            counter.fetch_add(CHUNK, Ordering::Relaxed);
            Ok::<_, std::convert::Infallible>(vec![b'x'; CHUNK])
        });
        std::future::ready(Body::from_stream(chunks))
    };
    let site = Site::with(crate::site::routes().route("/endless", get(endless)), Limits::default());
    let readers: Vec<Client> = (0..10).map(|_| reader(&site, "/endless")).collect();
    site.wait_for(|counts| counts.requests == 10);
    // Served by the same event loop, after them.
    for _ in 0..20 {
        super::newcomer(Client::at(site.plain));
    }
    let each = given.load(Ordering::Relaxed) / readers.len();
    println!("{each} bytes taken for each reader");
    assert!((1..1 << 20).contains(&each), "{each} bytes for each of them");
}

/// Attackers that begin with `bytes` and go on with `more` are all answered `408` and cut, while newcomers are served.
#[track_caller]
fn check_cut(name: &str, limits: Limits, bytes: &str, more: &str) {
    let site = Site::limited(limits);
    for over in BOTH {
        while_newcomers_come(&format!("{name} over {over:?}"), &site, |wait| {
            let mut waiting: Vec<Client> = (0..50).map(|_| opened(&site, over, bytes)).collect();
            let mut answered = Vec::new();
            while !waiting.is_empty() {
                // Nobody gains time by what is sent.
                for client in &mut waiting {
                    let _ = client.try_send(more.as_bytes());
                }
                wait();
                answered.extend(waiting.extract_if(.., Client::has_answer));
            }
            for client in &mut answered {
                let reply = client.reply();
                assert_eq!((reply.status, reply.closes()), (408, true), "{name}, {over:?}");
                assert!(client.end().is_closed(), "{name}, {over:?}");
            }
        });
        nothing_is_left(&site);
    }
}

#[test]
fn slow_heads_are_cut() {
    check_cut("slow heads that are cut", Limits::default().head_timeout(SHORT), HEAD, "b");
}

#[test]
fn slow_bodies_are_cut() {
    check_cut("slow bodies that are cut", Limits::default().body_timeout(SHORT), BODY, "b");
    check_cut("slow chunks that are cut", Limits::default().body_timeout(SHORT), CHUNKED, "1\r\nb\r\n");
}

#[test]
fn readers_that_stop_are_cut() {
    let site = Site::limited(Limits::default().write_stall(SHORT));
    while_newcomers_come("readers that stop", &site, |_| {
        let attackers: Vec<Client> = (0..50).map(|_| reader(&site, "/big")).collect();
        // Nothing is read until the server has given up.
        site.wait_for(|counts| counts.timeouts == 50);
        for mut client in attackers {
            assert!(client.rest().is_err(), "it must see that its answer is not whole");
        }
    });
    nothing_is_left(&site);
}
