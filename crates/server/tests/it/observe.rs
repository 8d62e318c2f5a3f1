//! What a running server tells: counters in given memory, heartbeats, requests under way.

use std::num::NonZeroUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use narae_server::{COUNTERS, Counters, Limits, Listener, Server};

use crate::client::{Client, Over, ask};
use crate::site::{Site, routes};

const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn counters_live_in_the_memory_that_was_given() {
    let counters: &'static Counters = Box::leak(Box::default());
    let builder = Server::builder().threads(NonZeroUsize::MIN).counters(vec![counters]);
    let site = Site::built(routes(), builder);
    let (_, mut client) = ask(&site, Over::Plain, HELLO);
    client.send("GET /panic HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.reply().status, 500);
    let value =
        |name: &str| counters[COUNTERS.iter().position(|other| *other == name).unwrap()].load(Relaxed);
    assert_eq!((value("requests"), value("server_errors"), value("panics"), value("open")), (2, 1, 1, 1));
}

#[test]
fn every_loop_needs_its_counters() {
    let error = Server::builder()
        .listen(Listener::tcp("127.0.0.1:0").unwrap())
        .threads(NonZeroUsize::new(2).unwrap())
        .counters(vec![Box::leak(Box::default())])
        .build()
        .unwrap_err();
    assert_eq!(error.to_string(), "setting: counters for 1 event loops, of which there are 2");
}

#[test]
fn a_loop_that_runs_beats() {
    let site = Site::on(routes(), Limits::default(), 2);
    site.wait_for(|counts| counts.beat > 0);
    let first = site.running().counts().beat;
    site.wait_for(|counts| counts.beat > first);
}

#[test]
fn a_loop_has_beaten_once_before_it_serves() {
    for _ in 0..20 {
        let site = Site::on(routes(), Limits::default(), 2);
        assert!(site.running().counts().beat > 0);
    }
}

#[test]
fn a_blocked_loop_does_not_beat_and_its_requests_can_be_seen() {
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = std::sync::Arc::new(std::sync::Mutex::new(blocked));
    let block = move || async move {
        let _ = blocked.lock().unwrap().recv();
        "released"
    };
    let site = Site::with(Router::new().route("/block", get(block)), Limits::default());
    let observer = site.running().observer();
    let mut client = Client::plain(&site);
    client.send("GET /block?secret=1 HTTP/1.1\r\nHost: a\r\n\r\n");
    site.wait_for(|counts| counts.requests >= 1);
    let underway = std::thread::spawn(move || observer.oldest_requests(10)).join().unwrap();
    assert_eq!(underway.len(), 1);
    assert_eq!((underway[0].method.as_str(), underway[0].path.as_str()), ("GET", "/block"));
    release.send(()).unwrap();
    assert_eq!(client.reply().body, "released");
    assert_eq!(site.running().oldest_requests(10), []);
}

#[test]
fn the_oldest_requests_come_first() {
    let site = Site::new();
    let mut clients = Vec::new();
    for path in ["/never?1", "/until-stop"] {
        let mut client = Client::plain(&site);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        clients.push(client);
        let under_way = clients.len() as u64;
        site.wait_for(|counts| counts.requests == under_way);
    }
    let paths: Vec<_> = site.running().oldest_requests(10).into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/never", "/until-stop"]);
    assert_eq!(site.running().oldest_requests(1).len(), 1);
    assert!(site.running().oldest_requests(1)[0].age < Duration::from_secs(60));
}
