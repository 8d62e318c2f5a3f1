//! Attacks that the protocol allows, and which must cost the server little: stalls, slow reading, bombs, small frames
//! (RFC 9113 §10.5). Here too is the honest client of all attacks over HTTP/2.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use narae_server::Limits;

use super::block::{Block, read_status};
use super::frames::*;
use super::{peer, site};
use crate::client::{BOTH, Client, Over};
use crate::site::Site;

/// Runs `attack` while an honest client asks again and again on a connection of its own.
#[track_caller]
pub fn under_attack<T>(name: &str, site: &Site, attack: impl FnOnce() -> T) -> T {
    let mut honest = Honest::new(site);
    crate::under_attack::under_attack(name, move || honest.ask(), attack)
}

/// A client that behaves.
struct Honest {
    client: Client,
    stream: u32,
}

impl Honest {
    fn new(site: &Site) -> Self {
        Self { client: peer::open(site, Over::Plain), stream: 1 }
    }

    #[track_caller]
    fn ask(&mut self) {
        self.client.send([headers(self.stream, Block::get("/")), window(0, 13)].concat());
        let head = recv_kind(&mut self.client, HEADERS);
        assert_eq!((head.stream, read_status(&head.payload)), (self.stream, 200));
        assert_eq!(recv_kind(&mut self.client, DATA).payload, b"Hello, World!");
        self.stream += 2;
    }
}

/// Sends until the server takes no more.
pub fn flood(client: &mut Client, batches: impl Iterator<Item = Vec<u8>>) {
    let batches: Vec<Vec<u8>> = batches.collect();
    for bytes in batches.concat().chunks(32 * 1024) {
        if client.try_send(bytes).is_err() {
            return;
        }
    }
}

/// How the server ends the connection.
pub fn end_of(client: &mut Client) -> String {
    while let Some(frame) = peer::next(client) {
        if frame.kind == GOAWAY {
            while peer::next(client).is_some() {}
            return name_of_end(&frame);
        }
    }
    "closed".to_owned()
}

pub fn name_of_end(frame: &Frame) -> String {
    peer::Event::Goaway(goaway(frame).1).to_string()
}

/// 256 requests for 64 MiB each, on streams that take `bytes` at first.
fn ask_for_much(site: &Site, bytes: u32) -> Client {
    let mut client = peer::open(site, Over::Plain);
    client.send(settings(&[(4, bytes)]));
    for stream in (1..512).step_by(2) {
        client.send(headers(stream, Block::get("/big")));
    }
    client
}

#[test]
fn zero_window_stall() {
    let site = site(Limits::default().write_stall(Duration::from_millis(300)));
    under_attack("zero-window stall", &site, || {
        let mut client = ask_for_much(&site, 0);
        assert_eq!(end_of(&mut client), "closed");
    });
    site.wait_for(|counts| counts.timeouts == 1);
}

#[test]
fn one_byte_window_stall() {
    let site = site(Limits::default().write_stall(Duration::from_millis(300)));
    under_attack("one-byte-window stall", &site, || {
        let mut client = ask_for_much(&site, 1);
        assert_eq!(end_of(&mut client), "closed");
    });
    site.wait_for(|counts| counts.timeouts == 1);
}

#[test]
fn a_window_that_opens_byte_by_byte() {
    let site = site(Limits::default());
    under_attack("a window byte by byte", &site, || {
        let mut client = ask_for_much(&site, 1);
        let mut got = 0;
        for round in 1..=20 {
            while got < 256 * round {
                got += recv_kind(&mut client, DATA).payload.len();
            }
            let each: Vec<u8> = (1..512).step_by(2).flat_map(|stream| window(stream, 1)).collect();
            client.send(each);
        }
    });
}

#[test]
fn slow_read() {
    let site = site(Limits::default().write_stall(Duration::from_millis(300)));
    under_attack("slow read", &site, || {
        let mut client = ask_for_much(&site, 0x7fff_ffff);
        client.send(window(0, 0x7000_0000));
        // Nothing is read until the server has given up.
        site.wait_for(|counts| counts.timeouts == 1);
        assert_eq!(end_of(&mut client), "closed");
    });
}

/// A field of 4 000 bytes enters the table and is named 10 000 times: 10 KiB that stand for 40 MB.
#[test]
fn header_bomb() {
    let site = site(Limits::default());
    let end = under_attack("header bomb", &site, || {
        let mut client = peer::open(&site, Over::Plain);
        client.send(headers(1, Block::get("/").kept("x", "y".repeat(4000))));
        let bomb = Block::get("/").raw([0xbe; 10_000]);
        flood(&mut client, (1..101).map(|n| headers(2 * n + 1, &bomb)));
        let mut refused = 0;
        while let Some(frame) = peer::next(&mut client) {
            match frame.kind {
                GOAWAY => return name_of_end(&frame),
                HEADERS if frame.stream > 1 => {
                    assert_eq!(read_status(&frame.payload), 431);
                    refused += 1;
                }
                _ => {}
            }
            if refused == 100 {
                break;
            }
        }
        format!("{refused} times 431")
    });
    assert!(["100 times 431", "GOAWAY PROTOCOL_ERROR", "GOAWAY ENHANCE_YOUR_CALM"].contains(&&*end), "{end}");
}

#[test]
fn a_table_that_changes_with_every_field() {
    let site = site(Limits::default());
    under_attack("HPACK table abuse", &site, || {
        let mut client = peer::open(&site, Over::Plain);
        for stream in (1..2000).step_by(2) {
            // A table of its own size for the server's fields, and one that is thrown out for the client's.
            let block = Block::new().table_size(0).table_size(4096).raw(Block::get("/empty"));
            let block = (0..20).fold(block, |block, n| block.kept(format!("x-{stream}-{n}"), [b'y'; 150]));
            client.send(headers(stream, block));
            assert_eq!(read_status(&recv_kind(&mut client, HEADERS).payload), 200);
        }
    });
}

#[test]
fn the_largest_table_that_can_be_asked_for() {
    let site = site(Limits::default());
    under_attack("the largest HPACK table", &site, || {
        let mut client = peer::open(&site, Over::Plain);
        client.send(settings(&[(1, u32::MAX)]));
        for stream in (1..2000).step_by(2) {
            client.send(headers(stream, Block::get(format!("/not-there-{stream}"))));
            recv_kind(&mut client, HEADERS);
        }
    });
}

/// Content in frames of one byte, which nobody reads: a byte in a window must not cost much more in memory.
#[test]
fn content_in_crumbs() {
    let site = site(Limits::default());
    under_attack("DATA of one byte each", &site, || {
        let mut client = peer::open(&site, Over::Plain);
        client.send(open_headers(1, Block::post("/hold")));
        // As many as the stream's window lets through, and one more.
        flood(&mut client, (0..256).map(|_| data(1, b"x").repeat(1024)));
        client.send(ping(0, b"and now?"));
        let pong = recv_kind(&mut client, PING);
        assert_eq!((pong.flags, &pong.payload[..]), (ACK, &b"and now?"[..]), "within the window");
        client.send(data(1, b"x"));
        assert_eq!(peer::name_of(reset_code(&recv_kind(&mut client, RST_STREAM))), "FLOW_CONTROL_ERROR");
    });
}

#[test]
fn content_in_crumbs_that_is_read_is_no_attack() {
    let site = site(Limits::default());
    for over in BOTH {
        let mut client = peer::open(&site, over);
        client.send(open_headers(1, Block::post("/echo")));
        for _ in 0..100 {
            client.send(data(1, b"x").repeat(100));
        }
        client.send(last_data(1, b"x"));
        let head = recv_kind(&mut client, HEADERS);
        assert_eq!((head.stream, read_status(&head.payload)), (1, 200), "{over:?}");
    }
}

/// The server's own text waits for a window as any answer does.
#[test]
fn a_refusal_behind_a_window_that_stays_shut() {
    let site = site(Limits::default().write_stall(Duration::from_millis(300)));
    under_attack("refusals without a window", &site, || {
        let mut client = peer::open(&site, Over::Plain);
        client.send([settings(&[(4, 0)]), headers(1, Block::request("BREW", "/"))].concat());
        assert_eq!(end_of(&mut client), "closed");
    });
    site.wait_for(|counts| counts.timeouts == 1);
}

/// Whatever the windows say, what the peer does not read is not made either.
#[test]
fn an_answer_that_nobody_reads_is_not_made() {
    let made = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&made);
    let stream = move || {
        let counter = Arc::clone(&counter);
        async move {
            axum::body::Body::from_stream(futures_util::stream::unfold(0, move |piece| {
                let counter = Arc::clone(&counter);
                async move {
                    // Woken again and again, as by a disk or a channel.
                    tokio::task::yield_now().await;
                    counter.fetch_add(PIECE, Ordering::Relaxed);
                    (piece < 2048).then(|| (Ok::<_, std::io::Error>(vec![7_u8; PIECE]), piece + 1))
                }
            }))
        }
    };
    let limits = Limits::default().write_stall(Duration::from_millis(500));
    let site = Site::with(axum::Router::new().route("/", axum::routing::get(stream)), limits);
    let mut client = peer::open(&site, Over::Plain);
    client
        .send([settings(&[(4, 0x7fff_ffff)]), window(0, 0x7000_0000), headers(1, Block::get("/"))].concat());
    site.wait_for(|counts| counts.timeouts == 1);
    // Of 128 MiB, what the system's buffers take, and little more.
    let made = made.load(Ordering::Relaxed);
    assert!(made < 24 << 20, "{made}");
}

/// Three uploads that nobody reads leave room for a fourth that is read, however long it is.
#[test]
fn uploads_that_wait_do_not_stop_the_others() {
    let site = site(Limits::default());
    let chunk = [7; MAX_FRAME];
    for over in BOTH {
        let mut client = peer::open(&site, over);
        for stream in [1, 3, 5] {
            client.send(open_headers(stream, Block::post("/hold")));
            client.send((0..16).flat_map(|_| data(stream, &chunk)).collect::<Vec<u8>>());
        }
        client.send(open_headers(7, Block::post("/echo")));
        // All that the connection's window has left.
        client.send((0..16).flat_map(|_| data(7, &chunk)).collect::<Vec<u8>>());
        loop {
            let frame = recv_kind(&mut client, WINDOW_UPDATE);
            if frame.stream == 0 {
                break;
            }
        }
    }
}

const PIECE: usize = 64 * 1024;
