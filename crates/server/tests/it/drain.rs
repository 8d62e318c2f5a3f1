//! Stopping: what each kind of connection experiences, and what the report says.

use std::time::Duration;

use crate::client::{BOTH, Client, Over, ask};
use crate::h2_frames::*;
use crate::site::{Site, routes};
use narae_server::{DrainSettings, Limits};

const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const LONG: Duration = Duration::from_secs(20);

#[test]
fn an_idle_server_stops_at_once() {
    let report = Site::new().stop(DrainSettings { linger: LONG, deadline: LONG });
    assert_eq!((report.open_at_start, report.cut.len()), (0, 0));
    assert!(report.took < LONG);
}

#[test]
fn a_request_under_way_is_finished_and_told_that_the_connection_ends() {
    for over in BOTH {
        let mut site = Site::new();
        let mut client = Client::connect(&site, over);
        client.send("GET /until-stop HTTP/1.1\r\nHost: a\r\n\r\n");
        site.wait_for(|counts| counts.requests >= 1);
        let stopping = site.begin_stop(LONG, LONG);
        let reply = client.reply();
        assert_eq!((reply.body.as_str(), reply.closes()), ("told", true), "{over:?}");
        assert!(client.end().is_closed());
        let report = stopping.join().unwrap();
        assert_eq!((report.cut.len(), report.open_at_start), (0, 1));
    }
}

#[test]
fn an_idle_connection_is_answered_once_more() {
    for over in BOTH {
        let mut site = Site::new();
        let (_, mut client) = ask(&site, over, HELLO);
        let stopping = site.begin_stop(LONG, LONG);
        client.send(HELLO);
        let reply = client.reply();
        assert_eq!((reply.body.as_str(), reply.closes()), ("Hello, World!", true), "{over:?}");
        assert!(client.end().is_closed());
        assert!(stopping.join().unwrap().took < LONG);
    }
}

#[test]
fn an_idle_connection_is_closed_after_the_linger() {
    for over in BOTH {
        let mut site = Site::new();
        let (_, mut client) = ask(&site, over, HELLO);
        let stopping = site.begin_stop(Duration::from_millis(100), LONG);
        assert!(client.is_closed(), "{over:?}");
        drop(client);
        let report = stopping.join().unwrap();
        assert!(report.took >= Duration::from_millis(100) && report.took < LONG, "{:?}", report.took);
        assert_eq!(report.cut.len(), 0);
    }
}

#[test]
fn a_connection_that_has_not_spoken_yet_is_served_its_first_request() {
    for over in BOTH {
        let mut site = Site::new();
        let mut client = Client::connect(&site, over);
        site.wait_for(|counts| counts.accepted >= 1);
        let stopping = site.begin_stop(LONG, LONG);
        client.send(HELLO);
        let reply = client.reply();
        assert_eq!((reply.body.as_str(), reply.closes()), ("Hello, World!", true), "{over:?}");
        client.end();
        stopping.join().unwrap();
    }
}

#[test]
fn nothing_new_is_accepted() {
    let mut site = Site::new();
    let address = site.plain;
    let (_, mut client) = ask(&site, Over::Plain, HELLO);
    let stopping = site.begin_stop(LONG, LONG);
    client.send(HELLO);
    client.reply();
    client.end();
    stopping.join().unwrap();
    assert!(std::net::TcpStream::connect(address).is_err());
}

#[test]
fn the_deadline_cuts_what_is_left_and_names_it() {
    for over in BOTH {
        let mut site = Site::new();
        let mut client = Client::connect(&site, over);
        client.send("GET /never?secret=1 HTTP/1.1\r\nHost: a\r\n\r\n");
        site.wait_for(|counts| counts.requests >= 1);
        let stopping = site.begin_stop(Duration::ZERO, Duration::from_millis(200));
        let _ = client.rest();
        let report = stopping.join().unwrap();
        assert_eq!(report.cut.len(), 1, "{report:?}");
        let cut = &report.cut[0];
        assert_eq!((cut.method.as_str(), cut.path.as_str()), ("GET", "/never"));
        assert!(cut.age >= Duration::from_millis(200));
        assert!(report.to_string().contains("cut: GET /never ("), "{report}");
    }
}

#[test]
fn a_second_wish_to_stop_hurries_the_first() {
    let mut site = Site::new();
    let stopper = site.running().stopper();
    let mut client = Client::plain(&site);
    client.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n");
    site.wait_for(|counts| counts.requests >= 1);
    let stopping = site.begin_stop(LONG, LONG);
    stopper.stop(DrainSettings { linger: Duration::ZERO, deadline: Duration::ZERO });
    let report = stopping.join().unwrap();
    assert_eq!(report.cut.len(), 1);
    assert!(report.took < LONG);
}

#[test]
fn a_body_that_still_arrives_is_received_whole() {
    for over in BOTH {
        let mut site = Site::new();
        let mut client = Client::connect(&site, over);
        client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
        site.wait_for(|counts| counts.requests >= 1);
        let stopping = site.begin_stop(LONG, LONG);
        client.send("world");
        assert_eq!(client.reply().body, "helloworld", "{over:?}");
        client.end();
        assert_eq!(stopping.join().unwrap().cut.len(), 0);
    }
}

#[test]
fn h2_gets_goaway_in_two_steps_and_its_open_stream_is_finished() {
    for over in BOTH {
        let mut site = Site::new();
        let (mut client, _) = open(&site, over);
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x82\x86\x44\x0b/until-stop\x41\x01a"));
        site.wait_for(|counts| counts.requests >= 1);
        let stopping = site.begin_stop(LONG, LONG);
        assert_eq!(goaway(&recv_kind(&mut client, GOAWAY)), (0x7fff_ffff, 0), "{over:?}");
        let mut last = None;
        let mut body = Vec::new();
        while last.is_none() || body.is_empty() {
            let next = recv(&mut client);
            match next.kind {
                PING if next.flags & ACK == 0 => {
                    client.send(frame(PING, ACK, 0, &next.payload));
                }
                GOAWAY => last = Some(goaway(&next)),
                DATA => body.extend(next.payload),
                _ => {}
            }
        }
        assert_eq!((last, body.as_slice()), (Some((1, 0)), b"told".as_slice()), "{over:?}");
        client.end();
        assert_eq!(stopping.join().unwrap().cut.len(), 0);
    }
}

#[test]
fn an_idle_h2_connection_ends() {
    for over in BOTH {
        let mut site = Site::new();
        let (mut client, _) = open(&site, over);
        client.send(frame(SETTINGS, ACK, 0, &[]));
        site.wait_for(|counts| counts.accepted >= 1);
        let stopping = site.begin_stop(LONG, LONG);
        loop {
            let next = recv(&mut client);
            if next.kind == PING {
                client.send(frame(PING, ACK, 0, &next.payload));
                break;
            }
        }
        assert_eq!(goaway(&recv_kind(&mut client, GOAWAY)), (0, 0), "{over:?}");
        client.end();
        assert!(stopping.join().unwrap().took < LONG);
    }
}

#[test]
fn ends_of_long_answers_are_spread() {
    let mut site = Site::on(routes(), Limits::default(), 2);
    let mut clients: Vec<_> = (0..40)
        .map(|_| {
            let mut client = Client::plain(&site);
            client.send("GET /until-stop HTTP/1.1\r\nHost: a\r\n\r\n");
            client
        })
        .collect();
    site.wait_for(|counts| counts.requests >= 40);
    let stopping = site.begin_stop(LONG, LONG);
    for client in &mut clients {
        assert_eq!(client.reply().body, "told");
        client.end();
    }
    let report = stopping.join().unwrap();
    assert_eq!((report.cut.len(), report.open_at_start), (0, 40));
}

#[test]
fn loops_that_end_before_the_owner_looks_are_not_waited_for() {
    for _ in 0..20 {
        let site = Site::on(routes(), Limits::default(), 4);
        let report = site.stop(DrainSettings { linger: LONG, deadline: LONG });
        assert!(report.took < LONG / 2, "{:?}", report.took);
    }
}
