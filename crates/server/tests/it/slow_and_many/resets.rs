//! Peers that reset the connection (RST), at every point of its life: nothing of it is left, and nobody else notices.
//!
//! Each point is tried twice: the reset comes at once, and when the server holds the connection and waits.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use narae_server::Limits;

use super::handshakes::hello;
use super::{nothing_is_left, while_newcomers_come};
use crate::client::{BOTH, Client, Over, PATIENCE};
use crate::h2_frames::*;
use crate::site::Site;

const POST: &str = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world";
const CHUNKED: &str = "POST /stream HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";
const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const BIG: &str = "GET /big HTTP/1.1\r\nHost: a\r\n\r\n";
const NEVER: &str = "GET /never HTTP/1.1\r\nHost: a\r\n\r\n";

/// Limits that end nothing here: whatever is gone is gone by its reset.
fn patient() -> Limits {
    let long = Duration::from_secs(600);
    let limits = Limits::default().first_byte(long).head_timeout(long).body_timeout(long);
    limits.keep_alive_idle(long).write_stall(long).lingering_close(long)
}

/// Every prefix of `bytes`, the empty and the whole one included; of a long text every `step`th.
fn prefixes(bytes: &[u8], step: usize) -> impl Iterator<Item = &[u8]> {
    (0..bytes.len()).step_by(step).chain([bytes.len()]).map(|length| &bytes[..length])
}

/// Connections that are reset, and how to wait until the server has one.
struct Resets<'a> {
    site: &'a Site,
    made: AtomicU64,
}

impl<'a> Resets<'a> {
    fn new(site: &'a Site) -> Self {
        Self { site, made: AtomicU64::new(0) }
    }

    /// Opens a connection with `open`, has it reset at once, and once more when the server serves it.
    fn both(&self, open: impl Fn() -> Client) {
        self.made.fetch_add(2, Ordering::Relaxed);
        open().reset();
        let accepted = self.site.running().counts().accepted;
        let client = open();
        self.site.wait_for(|counts| counts.accepted > accepted);
        // It has what was sent as soon as it has answered somebody who came later.
        super::newcomer(Client::at(self.site.plain));
        client.reset();
    }
}

/// Resets connections while newcomers come; nothing of them is left.
#[track_caller]
fn check(name: &str, site: &Site, attack: impl FnOnce(&Resets<'_>)) {
    let resets = Resets::new(site);
    while_newcomers_come(name, site, |wait| {
        attack(&resets);
        wait();
    });
    nothing_is_left(site);
    println!("{name}: {} connections reset", resets.made.load(Ordering::Relaxed));
    assert!(resets.made.load(Ordering::Relaxed) > 0);
    assert_eq!(site.running().counts().panics, 0);
}

fn sent(site: &Site, over: Over, bytes: &[u8]) -> Client {
    let mut client = Client::connect(site, over);
    client.send(bytes);
    client
}

#[test]
fn after_each_byte_of_a_request() {
    let site = Site::limited(patient());
    check("reset after each byte of a request", &site, |resets| {
        for request in [POST, CHUNKED] {
            for bytes in prefixes(request.as_bytes(), 1) {
                resets.both(|| sent(&site, Over::Plain, bytes));
            }
            for bytes in prefixes(request.as_bytes(), 7) {
                resets.both(|| sent(&site, Over::Tls, bytes));
            }
        }
    });
}

#[test]
fn after_each_byte_of_a_handshake() {
    let site = Site::limited(patient());
    check("reset after each byte of a ClientHello", &site, |resets| {
        let (_, hello) = hello();
        for bytes in prefixes(&hello, 1).take(64).chain(prefixes(&hello, 16)) {
            resets.both(|| {
                let mut client = Client::at(site.tls);
                client.send(bytes);
                client
            });
        }
    });
    check("reset after each byte of a client's second flight", &site, |resets| {
        let length = second_flight(&site, None).1;
        assert!(length > 50, "{length}");
        for length in (0..length).step_by(4).chain([length]) {
            resets.both(|| second_flight(&site, Some(length)).0);
        }
    });
}

/// A handshake up to the client's last flight, of which `sent` bytes go out. How many it has.
fn second_flight(site: &Site, sent: Option<usize>) -> (Client, usize) {
    let (mut session, first) = hello();
    let mut socket = TcpStream::connect(site.tls).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(&first).unwrap();
    let mut last = Vec::new();
    while session.is_handshaking() {
        assert_ne!(session.read_tls(&mut socket).unwrap(), 0);
        session.process_new_packets().unwrap();
    }
    while session.wants_write() {
        session.write_tls(&mut last).unwrap();
    }
    socket.write_all(&last[..sent.unwrap_or(last.len())]).unwrap();
    (Client::over(socket), last.len())
}

#[test]
fn in_the_middle_of_an_answer() {
    let site = Site::limited(patient());
    check("reset in the middle of an answer", &site, |resets| {
        for over in BOTH {
            for read in [0, 1, 100, 5_000, 70_000, 1_000_000] {
                resets.both(|| {
                    let mut client = sent(&site, over, BIG.as_bytes());
                    client.take(read);
                    client
                });
            }
        }
    });
}

#[test]
fn behind_pipelined_requests() {
    let site = Site::limited(patient());
    check("reset behind pipelined requests", &site, |resets| {
        for over in BOTH {
            for bytes in [HELLO.repeat(100), [BIG, HELLO].concat(), [NEVER, HELLO, &HELLO[..9]].concat()] {
                resets.both(|| sent(&site, over, bytes.as_bytes()));
            }
        }
    });
}

#[test]
fn while_a_handler_runs() {
    let site = Site::limited(patient());
    check("reset while a handler runs", &site, |resets| {
        for over in BOTH {
            for bytes in [NEVER, "POST /never HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhell", POST] {
                resets.both(|| sent(&site, over, bytes.as_bytes()));
            }
        }
    });
}

#[test]
fn on_a_kept_alive_connection_between_two_requests() {
    let site = Site::limited(patient().park_after(None));
    check("reset between two requests", &site, |resets| {
        for over in BOTH {
            for bytes in prefixes(HELLO.as_bytes(), 5) {
                resets.both(|| {
                    let mut client = sent(&site, over, HELLO.as_bytes());
                    assert_eq!(client.reply().body, "Hello, World!");
                    client.send(bytes);
                    client
                });
            }
        }
    });
}

#[test]
fn on_a_parked_connection() {
    for park_after in [Duration::ZERO, Duration::from_millis(1)] {
        let site = Site::limited(patient().park_after(Some(park_after)));
        check("reset of a parked connection", &site, |resets| {
            for over in BOTH {
                for bytes in prefixes(HELLO.as_bytes(), 5) {
                    resets.both(|| {
                        let mut client = sent(&site, over, HELLO.as_bytes());
                        assert_eq!(client.reply().body, "Hello, World!");
                        client.send(bytes);
                        client
                    });
                }
            }
        });
    }
    // When it certainly is.
    let site = Site::limited(patient().park_after(Some(Duration::from_millis(1))));
    for over in BOTH {
        let clients: Vec<Client> = (0..50)
            .map(|_| {
                let mut client = sent(&site, over, HELLO.as_bytes());
                client.reply();
                client
            })
            .collect();
        site.wait_for(|counts| counts.parked == 50);
        clients.into_iter().for_each(Client::reset);
        nothing_is_left(&site);
    }
}

#[test]
fn while_the_server_reads_on_after_its_last_words() {
    let site = Site::limited(patient());
    let length = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\nsome";
    check("reset after the last words", &site, |resets| {
        for over in BOTH {
            for (bytes, status) in [(length, 413), ("GET / HTTP/1.1\r\n\r\n", 400), ("x y z\r\n\r\n", 400)] {
                resets.both(|| sent(&site, over, bytes.as_bytes()));
                resets.both(|| {
                    let mut client = sent(&site, over, bytes.as_bytes());
                    assert_eq!(client.reply().status, status);
                    client
                });
            }
        }
    });
}

/// A client's whole side of an HTTP/2 connection with a request that has content.
fn whole() -> Vec<u8> {
    [
        PREFACE,
        &frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]),
        &frame(SETTINGS, ACK, 0, &[]),
        &frame(HEADERS, END_HEADERS, 1, b"\x83\x86\x44\x05/echo\x41\x01a"),
        &frame(DATA, 0, 1, b"hello"),
        &frame(DATA, END_STREAM, 1, b"world"),
        &frame(PING, 0, 0, b"the end."),
    ]
    .concat()
}

fn http2(site: &Site, over: Over, bytes: &[u8]) -> Client {
    let mut client = match over {
        Over::Plain => Client::plain(site),
        Over::Tls => Client::tls(site, &[b"h2"]),
    };
    client.send(bytes);
    client
}

#[test]
fn after_each_byte_of_http2() {
    let site = Site::limited(patient());
    check("reset after each byte of HTTP/2", &site, |resets| {
        for bytes in prefixes(&whole(), 1) {
            resets.both(|| http2(&site, Over::Plain, bytes));
        }
        for bytes in prefixes(&whole(), 13) {
            resets.both(|| http2(&site, Over::Tls, bytes));
        }
    });
}

#[test]
fn while_http2_answers() {
    let site = Site::limited(patient());
    let request = |path: &[u8], stream| {
        let length = [u8::try_from(path.len()).unwrap()];
        let block = [b"\x82\x86\x44", &length[..], path, b"\x41\x01a"].concat();
        frame(HEADERS, END_HEADERS | END_STREAM, stream, &block)
    };
    check("reset while HTTP/2 answers", &site, |resets| {
        for over in BOTH {
            for path in [&b"/big"[..], b"/never"] {
                let streams: Vec<u8> = (1..64).step_by(2).flat_map(|stream| request(path, stream)).collect();
                let opening = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &streams].concat();
                resets.both(|| http2(&site, over, &opening));
            }
            for read in [9, 100, 20_000, 60_000] {
                let opening = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &request(b"/big", 1)].concat();
                resets.both(|| {
                    let mut client = http2(&site, over, &opening);
                    client.take(read);
                    client
                });
            }
        }
    });
}

#[test]
fn of_connections_that_wait_in_the_kernel() {
    let site = Site::limited(patient().max_connections(Some(2)));
    let first = sent(&site, Over::Plain, NEVER.as_bytes());
    let second = sent(&site, Over::Plain, NEVER.as_bytes());
    site.wait_for(|counts| counts.requests == 2);
    for bytes in ["", "G", HELLO, BIG] {
        for over in [site.plain, site.tls] {
            for _ in 0..20 {
                let mut client = Client::at(over);
                client.send(bytes);
                client.reset();
            }
        }
    }
    let mut waits = sent(&site, Over::Plain, HELLO.as_bytes());
    first.reset();
    assert_eq!(waits.reply().body, "Hello, World!");
    second.reset();
    drop(waits);
    nothing_is_left(&site);
}

/// What comes behind the end of the peer's side is not seen while a handler runs; there the limit of time helps.
#[test]
fn an_end_and_then_a_reset() {
    let site = Site::limited(patient().write_stall(Duration::from_millis(300)));
    check("the end of the client's side, and then a reset", &site, |resets| {
        for bytes in ["", "GET", NEVER, BIG, POST, &POST[..POST.len() - 3]] {
            resets.both(|| {
                let mut client = sent(&site, Over::Plain, bytes.as_bytes());
                client.end();
                client
            });
        }
    });
}

#[test]
fn a_peer_sees_the_answer_to_its_end_although_others_are_reset() {
    let site = Site::limited(patient());
    let mut reader = sent(&site, Over::Plain, BIG.as_bytes());
    for _ in 0..200 {
        sent(&site, Over::Plain, BIG.as_bytes()).reset();
        reader.socket().read_exact(&mut [0; 1000]).unwrap();
    }
    reader.send(HELLO);
    let mut answers = Vec::new();
    reader.end();
    reader.socket().read_to_end(&mut answers).unwrap();
    assert!(answers.ends_with(b"Hello, World!"));
}
