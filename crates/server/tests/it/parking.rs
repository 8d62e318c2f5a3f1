//! Parked connections: nobody notices, and no limit is lost.

use std::time::Duration;

use narae_server::Limits;

use crate::client::{BOTH, Client, Over, ask};
use crate::site::{Site, routes};

const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LONG: Duration = Duration::from_secs(20);

/// Parks after a millisecond.
fn eager() -> Limits {
    Limits::default().park_after(Some(Duration::from_millis(1)))
}

fn parked(over: Over, limits: Limits) -> (Site, Client) {
    let site = Site::limited(limits);
    let (_, client) = ask(&site, over, HELLO);
    site.wait_for(|counts| counts.parked == 1);
    (site, client)
}

#[test]
fn a_parked_connection_answers_again_and_again() {
    for over in BOTH {
        let (site, mut client) = parked(over, eager());
        for round in 0..20 {
            client.send(HELLO);
            assert_eq!(client.reply().body, "Hello, World!", "{over:?} {round}");
            site.wait_for(|counts| counts.parked == 1 && counts.open == 1);
        }
        assert_eq!(site.running().counts().accepted, 1);
    }
}

#[test]
fn a_request_in_pieces_is_put_together() {
    for over in BOTH {
        let (site, mut client) = parked(over, eager());
        for cut in [1, 5, 20, HELLO.len() - 1] {
            client.send(&HELLO[..cut]);
            site.wait_for(|counts| counts.parked == 0);
            client.send(&HELLO[cut..]);
            assert_eq!(client.reply().body, "Hello, World!", "{over:?} {cut}");
            site.wait_for(|counts| counts.parked == 1);
        }
    }
}

#[test]
fn pipelined_requests_are_all_answered() {
    for over in BOTH {
        for limits in [eager(), Limits::default().park_after(Some(Duration::ZERO))] {
            let (site, mut client) = parked(over, limits);
            let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
            client.send([HELLO, post, HELLO, post].concat());
            for body in ["Hello, World!", "body", "Hello, World!", "body"] {
                assert_eq!(client.reply().body, body, "{over:?}");
            }
            site.wait_for(|counts| counts.parked == 1);
        }
    }
}

#[test]
fn the_start_of_the_next_request_behind_a_body_is_kept() {
    for over in BOTH {
        let (_site, mut client) = parked(over, Limits::default().park_after(Some(Duration::ZERO)));
        let post = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";
        for cut in [1, 9, 25] {
            client.send([post, &HELLO[..cut]].concat());
            assert_eq!(client.reply().body, "body", "{over:?} {cut}");
            client.send(&HELLO[cut..]);
            assert_eq!(client.reply().body, "Hello, World!", "{over:?} {cut}");
        }
    }
}

#[test]
fn without_the_limit_nothing_is_parked() {
    let site = Site::limited(Limits::default().park_after(None).keep_alive_idle(Duration::from_millis(100)));
    let (_, mut client) = ask(&site, Over::Plain, HELLO);
    assert!(client.is_closed());
    assert_eq!(site.running().counts().parked, 0);
}

#[test]
fn the_idle_limit_closes_a_parked_connection_cleanly() {
    for over in BOTH {
        let (site, mut client) = parked(over, eager().keep_alive_idle(Duration::from_millis(150)));
        assert!(client.is_closed(), "{over:?}");
        drop(client);
        site.wait_for(|counts| counts.open == 0 && counts.parked == 0);
    }
}

#[test]
fn every_request_begins_the_idle_time_anew() {
    for over in BOTH {
        let idle = Duration::from_secs(2);
        let (site, mut client) = parked(over, eager().keep_alive_idle(idle));
        let began = std::time::Instant::now();
        while began.elapsed() < idle * 2 {
            client.send(HELLO);
            assert_eq!(client.reply().body, "Hello, World!", "{over:?}");
            site.wait_for(|counts| counts.parked == 1);
        }
    }
}

#[test]
fn a_peer_that_leaves_frees_its_place() {
    for over in BOTH {
        let (site, client) = parked(over, eager());
        drop(client);
        site.wait_for(|counts| counts.open == 0 && counts.parked == 0);
        let (site, mut client) = parked(over, eager());
        client.end();
        assert!(client.is_closed(), "{over:?}");
        site.wait_for(|counts| counts.open == 0 && counts.parked == 0);
    }
}

#[test]
fn a_request_and_the_end_together_are_answered() {
    for over in BOTH {
        let (_site, mut client) = parked(over, eager());
        client.send(HELLO).end();
        assert_eq!(client.reply().body, "Hello, World!", "{over:?}");
        assert!(client.is_closed(), "{over:?}");
    }
}

#[test]
fn two_thousand_connections_park_and_all_answer() {
    let site = Site::on(routes(), eager(), 2);
    let mut clients: Vec<_> = (0..2000).map(|_| ask(&site, Over::Plain, HELLO).1).collect();
    site.wait_for(|counts| counts.parked == 2000 && counts.open == 2000);
    for _ in 0..2 {
        for client in &mut clients {
            client.send(HELLO);
        }
        for client in &mut clients {
            assert_eq!(client.reply().body, "Hello, World!");
        }
    }
    site.wait_for(|counts| counts.parked == 2000);
    // Some leave in the middle of the others.
    for index in (0..1000).rev() {
        clients.swap_remove(index * 2);
    }
    site.wait_for(|counts| counts.parked == 1000 && counts.open == 1000);
    for client in &mut clients {
        client.send(HELLO);
        assert_eq!(client.reply().body, "Hello, World!");
    }
    let counts = site.running().counts();
    assert_eq!((counts.accepted, counts.requests), (2000, 7000));
}

#[test]
fn a_parked_connection_keeps_its_place_under_the_limit() {
    let site = Site::limited(eager().max_connections(Some(2)));
    let (_, first) = ask(&site, Over::Plain, HELLO);
    let (_, _second) = ask(&site, Over::Plain, HELLO);
    site.wait_for(|counts| counts.parked == 2);
    let mut third = Client::plain(&site);
    third.send(HELLO);
    site.wait_for(|counts| counts.accept_waits >= 1);
    drop(first);
    assert_eq!(third.reply().body, "Hello, World!");
}

#[test]
fn a_drain_answers_parked_connections_once_more() {
    for over in BOTH {
        let (mut site, mut client) = parked(over, eager());
        let stopping = site.begin_stop(LONG, LONG);
        client.send(HELLO);
        let reply = client.reply();
        assert_eq!((reply.body.as_str(), reply.closes()), ("Hello, World!", true), "{over:?}");
        assert!(client.end().is_closed());
        let report = stopping.join().unwrap();
        assert_eq!((report.open_at_start, report.reset, report.cut.len()), (1, 0, 0), "{over:?}");
        assert!(report.took < LONG);
    }
}

#[test]
fn a_drain_closes_parked_connections_after_the_linger_without_a_reset() {
    for over in BOTH {
        let (mut site, mut client) = parked(over, eager());
        let stopping = site.begin_stop(Duration::from_millis(100), LONG);
        assert!(client.is_closed(), "{over:?}");
        drop(client);
        let report = stopping.join().unwrap();
        assert_eq!((report.open_at_start, report.reset, report.closed_idle), (1, 0, 0), "{over:?}");
        assert!(report.took >= Duration::from_millis(100) && report.took < LONG, "{:?}", report.took);
    }
}

#[test]
fn the_deadline_of_a_drain_ends_parked_connections_and_counts_them() {
    for over in BOTH {
        let (mut site, mut client) = parked(over, eager());
        let stopping = site.begin_stop(LONG, Duration::from_millis(100));
        let _ = client.rest();
        let report = stopping.join().unwrap();
        assert_eq!((report.reset, report.closed_idle, report.cut.len()), (1, 1, 0), "{over:?}");
    }
}
