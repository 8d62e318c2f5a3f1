//! Clients that leave while nothing is sent: what was made for them is given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get as on_get;
use narae_server::Limits;
use tokio::sync::Notify;

use super::*;
use crate::client::BOTH;

/// Counts when it is dropped.
struct Kept(Arc<AtomicUsize>);

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// `/body` stalls in its body, `/handler` before it; both are counted when they are given up.
fn stalling(limits: Limits) -> (Site, Arc<AtomicUsize>) {
    let dropped = Arc::new(AtomicUsize::new(0));
    let (body, handler) = (Arc::clone(&dropped), Arc::clone(&dropped));
    let router = Router::new()
        .route(
            "/body",
            on_get(move || async move {
                let kept = Kept(body);
                Body::new(Script::new(&[Data("part"), Stalls]).at_end(move || {
                    let _ = &kept;
                }))
            }),
        )
        .route(
            "/handler",
            on_get(move || async move {
                let _kept = Kept(handler);
                std::future::pending::<()>().await;
            }),
        )
        .route("/", on_get(|| async { "Hello, World!" }));
    (Site::with(router, limits), dropped)
}

const PATHS: [&str; 2] = ["/body", "/handler"];

fn given_up(dropped: &AtomicUsize, count: usize) {
    wait_until("the work is given up", || dropped.load(Ordering::Relaxed) == count);
}

/// A request of which nothing more will come for now.
fn stalled(site: &Site, over: Over, path: &str, requests: u64) -> Client {
    let mut client = Client::connect(site, over);
    client.send(get(path));
    if path == "/body" {
        until(&mut client, "part");
    }
    site.wait_for(|counts| counts.requests == requests);
    client
}

#[test]
fn a_reset_is_noticed_at_once() {
    let (site, dropped) = stalling(Limits::default());
    let mut count = 0;
    for (over, path) in BOTH.into_iter().flat_map(|over| PATHS.map(|path| (over, path))) {
        count += 1;
        stalled(&site, over, path, count as u64).reset();
        given_up(&dropped, count);
    }
    site.wait_for(|counts| counts.open == 0);
}

#[test]
fn an_end_is_noticed_when_there_is_nothing_for_the_peer_for_too_long() {
    let (site, dropped) = stalling(Limits::default().write_stall(SHORT));
    let mut count = 0;
    for (over, path) in BOTH.into_iter().flat_map(|over| PATHS.map(|path| (over, path))) {
        count += 1;
        drop(stalled(&site, over, path, count as u64));
        given_up(&dropped, count);
    }
    site.wait_for(|counts| counts.open == 0);
}

#[test]
fn an_http_2_client_that_leaves_ends_its_requests_at_once() {
    let (site, dropped) = stalling(Limits::default());
    let mut count = 0;
    for over in BOTH {
        for leave in ["a stream's reset", "a reset", "an end"] {
            let mut client = open_h2(&site, over);
            client.send([headers(1, Block::get("/body")), headers(3, Block::get("/handler"))].concat());
            while recv(&mut client).kind != DATA {}
            match leave {
                "a stream's reset" => {
                    client.send([reset(1, 8), reset(3, 8)].concat());
                    count += 2;
                    given_up(&dropped, count);
                    assert!(fetch(&mut client, 5, "GET", "/").is_whole(200, "Hello, World!"));
                    continue;
                }
                "a reset" => client.reset(),
                _ => drop(client),
            }
            count += 2;
            given_up(&dropped, count);
        }
    }
}

#[test]
fn a_client_that_only_ended_its_side_gets_its_late_answer() {
    let go = Arc::new(Notify::new());
    let wait = Arc::clone(&go);
    let router = Router::new().route(
        "/",
        on_get(move || async move {
            wait.notified().await;
            "late"
        }),
    );
    let site = Site::with(router, Limits::default());
    for (number, over) in (1..).zip(BOTH) {
        let mut client = Client::connect(&site, over);
        client.send(get("/")).end();
        site.wait_for(|counts| counts.requests == number);
        go.notify_one();
        assert_eq!(client.reply().body, "late", "{over:?}");
        assert!(client.is_closed());
    }
}

/// Whoever takes what comes is there, however little it is.
#[test]
fn a_client_that_ended_its_side_gets_all_of_a_slow_answer() {
    let router = Router::new().route(
        "/",
        on_get(|| async {
            let tick = tokio::time::interval(Duration::from_millis(20));
            let pieces = futures_util::stream::unfold((tick, 0), |(mut tick, number)| async move {
                tick.tick().await;
                (number < 50).then_some((Ok::<_, std::convert::Infallible>("piece "), (tick, number + 1)))
            });
            Body::from_stream(pieces)
        }),
    );
    // The whole answer takes longer than the limit, each piece of it far less.
    let site = Site::with(router, Limits::default().write_stall(SHORT * 2));
    for over in BOTH {
        let mut client = Client::connect(&site, over);
        client.send(get("/")).end();
        assert_eq!(client.reply().body, "piece ".repeat(50), "{over:?}");
        assert!(client.is_closed());
    }
}
