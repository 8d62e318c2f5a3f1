//! A drain in which idle connections go to another server instead of being closed.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::routing::{get, post};
use narae_server::{Adopter, Builder, Connection, DrainSettings, Handed, Limits, Listener, Peer, Server};

use crate::client::{BOTH, Client, Over, ask};
use crate::site::Site;

const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LONG: Duration = Duration::from_secs(20);
const PATIENT: DrainSettings = DrainSettings { linger: LONG, deadline: LONG };

fn named(name: &'static str) -> Router {
    Router::new()
        .route("/", get(move || async move { name }))
        .route("/echo", post(|body: Bytes| async { body }))
        .route("/until-stop", get(until_stop))
}

async fn until_stop(request: Request) -> &'static str {
    let shutdown = request.extensions().get::<Connection>().unwrap().shutdown();
    shutdown.wait().await;
    "told"
}

fn builder(threads: usize, limits: Limits) -> Builder {
    Server::builder().threads(NonZeroUsize::new(threads).unwrap()).limits(limits)
}

fn eager() -> Limits {
    Limits::default().park_after(Some(Duration::from_millis(1)))
}

/// Two servers on one socket; the first serves, the second is to follow.
fn pair(limits: Limits) -> (Site, Site) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let first = Site::sharing(named("first"), builder(2, limits.clone()), &socket);
    // The second does not accept yet: it has a socket of its own.
    let second = Site::built(named("second"), builder(2, limits));
    (first, second)
}

/// Gives everything that is received to `adopter`. How many there were.
fn forward(adopter: Adopter) -> (mpsc::Sender<Handed>, JoinHandle<u64>) {
    let (to, from) = mpsc::channel();
    let forwarding = std::thread::spawn(move || {
        let mut handed = 0;
        for connection in from {
            adopter.adopt(connection).unwrap();
            handed += 1;
        }
        handed
    });
    (to, forwarding)
}

#[test]
fn five_hundred_idle_connections_are_answered_by_the_successor() {
    for limits in [eager(), Limits::default().park_after(None)] {
        let (mut first, second) = pair(limits);
        let mut clients: Vec<_> = (0..500).map(|_| ask(&first, Over::Plain, HELLO).1).collect();
        let (to, forwarding) = forward(second.running().adopter());
        let report = first.begin_handing_over(PATIENT, to).join().unwrap();
        assert_eq!((report.handed_over, report.open_at_start, report.reset), (500, 500, 0));
        assert_eq!(report.counts.handed_over, 500);
        assert_eq!(forwarding.join().unwrap(), 500);
        for client in &mut clients {
            client.send(HELLO);
            let reply = client.reply();
            assert_eq!((reply.body.as_str(), reply.closes()), ("second", false));
        }
        let counts = second.running().counts();
        assert_eq!((counts.adopted, counts.accepted, counts.requests), (500, 0, 500));
    }
}

#[test]
fn a_connection_goes_over_after_the_request_that_was_under_way() {
    let (mut first, second) = pair(eager());
    let mut client = Client::plain(&first);
    client.send("GET /until-stop HTTP/1.1\r\nHost: a\r\n\r\n");
    first.wait_for(|counts| counts.requests == 1);
    let (to, _forwarding) = forward(second.running().adopter());
    let stopping = first.begin_handing_over(PATIENT, to);
    let reply = client.reply();
    assert_eq!((reply.body.as_str(), reply.closes()), ("told", false));
    client.send(HELLO);
    assert_eq!(client.reply().body, "second");
    let report = stopping.join().unwrap();
    assert_eq!((report.handed_over, report.reset), (1, 0));
}

/// A connection to `address` of the first site that has said nothing when the site hands over, and its successor.
fn silent(address: impl Fn(&Site) -> SocketAddr) -> (TcpStream, Site) {
    let (mut first, second) = pair(eager());
    let socket = TcpStream::connect(address(&first)).unwrap();
    first.wait_for(|counts| counts.accepted == 1);
    let (to, forwarding) = forward(second.running().adopter());
    let report = first.begin_handing_over(PATIENT, to).join().unwrap();
    assert_eq!((report.handed_over, report.reset, forwarding.join().unwrap()), (1, 0, 1));
    (socket, second)
}

#[test]
fn a_connection_that_has_not_spoken_goes_over_whatever_it_will_speak() {
    let (socket, _second) = silent(|site| site.plain);
    let reply = Client::over(socket).send(HELLO).reply();
    assert_eq!((reply.body.as_str(), reply.closes()), ("second", false));

    let (socket, _second) = silent(|site| site.tls);
    let reply = Client::tls_over(socket).send(HELLO).reply();
    assert_eq!((reply.body.as_str(), reply.closes()), ("second", false));

    let (socket, _second) = silent(|site| site.plain);
    let mut client = Client::over(socket);
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    // The type of the first frame: SETTINGS (RFC 9113 §3.4).
    assert_eq!(client.take(9)[3], 4);
}

#[test]
fn a_connection_that_a_proxy_has_not_introduced_goes_over() {
    let start = |name: &'static str| {
        let listener = Listener::tcp("127.0.0.1:0").unwrap().proxy_protocol(true);
        let server = builder(1, eager()).listen(listener).build().unwrap();
        server.start(move || async move { Ok::<_, std::convert::Infallible>(named(name)) }).unwrap()
    };
    let (first, second) = (start("first"), start("second"));
    let mut client = Client::at(first.address(0).unwrap());
    while first.counts().accepted < 1 {
        std::thread::yield_now();
    }
    let (to, _forwarding) = forward(second.adopter());
    first.stopper().stop_handing_over(PATIENT, to);
    assert_eq!(first.wait().handed_over, 1);
    client.send("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n").send(HELLO);
    assert_eq!(client.reply().body, "second");
    drop(client);
    second.stop(PATIENT);
}

#[test]
fn a_connection_that_has_not_spoken_lingers_when_nobody_takes_it() {
    for over in BOTH {
        let (mut first, _second) = pair(eager());
        let socket = TcpStream::connect(if over == Over::Tls { first.tls } else { first.plain }).unwrap();
        first.wait_for(|counts| counts.accepted == 1);
        let (to, from) = mpsc::channel();
        drop(from);
        let stopping = first.begin_handing_over(PATIENT, to);
        let mut client = match over {
            Over::Plain => Client::over(socket),
            Over::Tls => Client::tls_over(socket),
        };
        let reply = client.send(HELLO).reply();
        assert_eq!((reply.body.as_str(), reply.closes()), ("first", true));
        assert!(client.end().is_closed());
        assert_eq!(stopping.join().unwrap().handed_over, 0);
    }
}

#[test]
fn encrypted_connections_linger() {
    let (mut first, second) = pair(eager());
    let (_, mut client) = ask(&first, Over::Tls, HELLO);
    let (to, _forwarding) = forward(second.running().adopter());
    let stopping = first.begin_handing_over(PATIENT, to);
    client.send(HELLO);
    let reply = client.reply();
    assert_eq!((reply.body.as_str(), reply.closes()), ("first", true));
    assert!(client.end().is_closed());
    assert_eq!(stopping.join().unwrap().handed_over, 0);
}

#[test]
fn connections_linger_when_nobody_takes_them() {
    for limits in [eager(), Limits::default().park_after(None)] {
        let (mut first, _second) = pair(limits);
        let mut clients: Vec<_> = (0..20).map(|_| ask(&first, Over::Plain, HELLO).1).collect();
        let (to, from) = mpsc::channel();
        drop(from);
        let stopping = first.begin_handing_over(PATIENT, to);
        for client in &mut clients {
            client.send(HELLO);
            let reply = client.reply();
            assert_eq!((reply.body.as_str(), reply.closes()), ("first", true));
            assert!(client.end().is_closed());
        }
        let report = stopping.join().unwrap();
        assert_eq!((report.handed_over, report.reset), (0, 0));
        assert!(report.took < LONG);
    }
}

#[test]
fn a_connection_is_idle_for_as_long_as_it_was_before() {
    let (mut first, second) = pair(eager().keep_alive_idle(Duration::from_secs(2)));
    let (_, mut client) = ask(&first, Over::Plain, HELLO);
    let (to, from) = mpsc::channel::<Handed>();
    let stopping = first.begin_handing_over(PATIENT, to);
    let mut handed = from.recv().unwrap();
    assert!(!handed.fresh && handed.listener == 0 && handed.idle < Duration::from_secs(2));
    assert_eq!(handed.peer, Peer::Tcp(client.socket().local_addr().unwrap()));
    handed.idle += Duration::from_secs(2);
    second.running().adopter().adopt(handed).unwrap();
    assert!(client.is_closed());
    stopping.join().unwrap();
}

#[test]
fn what_cannot_be_taken_is_given_back() {
    let (mut first, second) = pair(eager().max_connections(Some(1)));
    let (_, mut client) = ask(&first, Over::Plain, HELLO);
    let (to, from) = mpsc::channel::<Handed>();
    let stopping = first.begin_handing_over(PATIENT, to);
    let mut handed = from.recv().unwrap();
    stopping.join().unwrap();
    let adopter = second.running().adopter();
    for listener in [1, 9] {
        handed.listener = listener;
        handed = adopter.adopt(handed).unwrap_err();
    }
    handed.listener = 0;
    let (_, _other) = ask(&second, Over::Plain, HELLO);
    // There is no place for a new one; one that rests was open already, and gets a place above the limit.
    handed.fresh = true;
    handed = adopter.adopt(handed).unwrap_err();
    handed.fresh = false;
    adopter.adopt(handed).unwrap();
    client.send(HELLO);
    assert_eq!(client.reply().body, "second");
}

#[test]
fn a_server_that_has_ended_takes_nothing() {
    let (mut first, second) = pair(eager());
    let (_, _client) = ask(&first, Over::Plain, HELLO);
    let (to, from) = mpsc::channel::<Handed>();
    let stopping = first.begin_handing_over(PATIENT, to);
    let handed = from.recv().unwrap();
    stopping.join().unwrap();
    let adopter = second.running().adopter();
    second.stop(PATIENT);
    assert!(adopter.adopt(handed).is_err());
}

#[test]
fn a_unix_connection_goes_over() {
    let folder = tempfile::tempdir().unwrap();
    let start = |name: &'static str| {
        let listener = Listener::unix(folder.path().join(name)).unwrap();
        let server = builder(1, eager()).listen(listener).build().unwrap();
        server.start(move || async move { Ok::<_, std::convert::Infallible>(named(name)) }).unwrap()
    };
    let (first, second) = (start("first"), start("second"));
    let mut client = UnixStream::connect(folder.path().join("first")).unwrap();
    client.write_all(HELLO.as_bytes()).unwrap();
    let mut answer = [0; 512];
    let length = client.read(&mut answer).unwrap();
    assert!(answer[..length].ends_with(b"first"));
    let (to, _forwarding) = forward(second.adopter());
    first.stopper().stop_handing_over(PATIENT, to);
    assert_eq!(first.wait().handed_over, 1);
    client.write_all(HELLO.as_bytes()).unwrap();
    let length = client.read(&mut answer).unwrap();
    assert!(answer[..length].ends_with(b"second"));
    drop(client);
    second.stop(PATIENT);
}

/// Asks in a loop over one connection as long as it is kept, a request or several at once. Every request is
/// answered, or not begun and sent again on a new connection after the server said that it ends.
fn ask_in_a_loop(address: SocketAddr, done: &AtomicBool, seed: usize) -> u64 {
    let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello";
    let mut client = Client::at(address);
    let mut answered = 0;
    let mut round = seed;
    while !done.load(Ordering::Relaxed) {
        let batch: &[&str] = match round % 4 {
            0 => &[HELLO],
            1 => &[post],
            2 => &[HELLO, post, HELLO],
            _ => &[post, post],
        };
        round += 1;
        let mut left = batch;
        while !left.is_empty() {
            client.send(left.concat());
            let mut closes = false;
            while let (false, [request, rest @ ..]) = (closes, left) {
                let reply = client.reply();
                assert_eq!(reply.status, 200);
                assert_eq!(reply.body == "hello", *request == post);
                closes = reply.closes();
                answered += 1;
                left = rest;
            }
            if closes {
                client = Client::at(address);
            }
        }
    }
    answered
}

#[test]
fn a_hand_over_under_load_fails_no_request() {
    for limits in [Limits::default(), Limits::default().park_after(Some(Duration::ZERO))] {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut first = Site::sharing(named("first"), builder(2, limits.clone()), &socket);
        let address = first.plain;
        let done = Arc::new(AtomicBool::new(false));
        let clients: Vec<_> = (0..16)
            .map(|seed| {
                let done = Arc::clone(&done);
                std::thread::spawn(move || ask_in_a_loop(address, &done, seed))
            })
            .collect();
        first.wait_for(|counts| counts.open == 16 && counts.requests > 500);
        let second = Site::sharing(named("second"), builder(2, limits), &socket);
        let (to, forwarding) = forward(second.running().adopter());
        let report = first.begin_handing_over(PATIENT, to).join().unwrap();
        let requests = second.running().counts().requests;
        second.wait_for(|counts| counts.requests > requests + 500);
        done.store(true, Ordering::Relaxed);
        let answered: u64 = clients.into_iter().map(|client| client.join().unwrap()).sum();
        assert!(answered > 1000);
        assert_eq!((report.reset, report.cut.len()), (0, 0));
        assert_eq!(forwarding.join().unwrap(), report.handed_over);
    }
}
