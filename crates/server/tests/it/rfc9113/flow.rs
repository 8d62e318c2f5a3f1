//! Answers keep to the client's windows and frame size, byte for byte (RFC 9113 §5.2, §6.9, §4.2).

use std::task::Poll;

use axum::body::Body;
use axum::routing::get;
use narae_server::Limits;

use crate::client::{BOTH, Client};
use crate::site::{Site, routes};

use super::block::Block;
use super::frames::*;
use super::peer;

/// A connection whose streams begin with a window of `bytes`, and a request for `path` on stream 1.
fn ask(site: &Site, over: crate::client::Over, bytes: u32, path: &str) -> Client {
    let mut client = peer::connect(site, over);
    client.send([PREFACE, &settings(&[(1, 0), (4, bytes)]), &headers(1, Block::get(path))].concat());
    recv_kind(&mut client, HEADERS);
    client
}

/// What comes before the answer to a `PING` that is sent now.
fn data_now(client: &mut Client) -> Vec<u8> {
    client.send(ping(0, b"so far.."));
    let mut data = Vec::new();
    loop {
        let frame = recv(client);
        match frame.kind {
            DATA => data.extend(frame.payload),
            PING => return data,
            _ => {}
        }
    }
}

#[test]
fn a_window_of_nothing_lets_nothing_through() {
    let site = Site::new();
    for over in BOTH {
        let mut client = ask(&site, over, 0, "/");
        assert!(data_now(&mut client).is_empty(), "{over:?}");
        client.send(window(1, 5));
        assert_eq!(recv_kind(&mut client, DATA).payload, b"Hello", "{over:?}");
        assert!(data_now(&mut client).is_empty(), "{over:?}");
        client.send(window(1, 1000));
        let rest = recv_kind(&mut client, DATA);
        assert_eq!((&rest.payload[..], rest.flags), (&b", World!"[..], END_STREAM), "{over:?}");
    }
}

#[test]
fn settings_open_the_window_of_a_stream_that_waits() {
    let site = Site::new();
    for over in BOTH {
        let mut client = ask(&site, over, 3, "/");
        assert_eq!(recv_kind(&mut client, DATA).payload, b"Hel");
        client.send(settings(&[(4, 4)]));
        assert_eq!(recv_kind(&mut client, DATA).payload, b"l", "{over:?}");
    }
}

#[test]
fn a_negative_window_is_made_up_for_first() {
    let site = Site::new();
    for over in BOTH {
        let mut client = ask(&site, over, 6, "/");
        assert_eq!(recv_kind(&mut client, DATA).payload, b"Hello,");
        // Six bytes are used: the window is now -6.
        client.send([settings(&[(4, 0)]), window(1, 6)].concat());
        assert!(data_now(&mut client).is_empty(), "{over:?}");
        client.send(window(1, 2));
        assert_eq!(recv_kind(&mut client, DATA).payload, b" W", "{over:?}");
    }
}

#[test]
fn the_connections_window_is_shared() {
    let site = Site::new();
    for over in BOTH {
        let mut client = ask(&site, over, 0x7fff_ffff, "/big");
        client.send(headers(3, Block::get("/big")));
        let mut got = 0;
        while got < 65_535 {
            let frame = recv(&mut client);
            if frame.kind == DATA {
                assert!(frame.payload.len() <= MAX_FRAME, "longer than the client takes");
                got += frame.payload.len();
            }
        }
        assert_eq!(got, 65_535, "{over:?}");
        assert!(data_now(&mut client).is_empty(), "{over:?}");
        client.send(window(0, 1));
        assert_eq!(recv_kind(&mut client, DATA).payload.len(), 1, "{over:?}");
    }
}

/// A stream that is woken in each turn, by itself, and has something to send in each.
fn restless() -> Body {
    let mut first = true;
    Body::from_stream(futures_util::stream::poll_fn(move |cx| {
        cx.waker().wake_by_ref();
        match std::mem::take(&mut first) {
            true => Poll::Pending,
            false => Poll::Ready(Some(Ok::<_, std::io::Error>(vec![7_u8; MAX_FRAME]))),
        }
    }))
}

#[test]
fn streams_that_wait_for_the_connections_window_get_a_frame_each() {
    let router = routes().route("/restless", get(|| async { restless() }));
    let site = Site::with(router, Limits::default());
    for over in BOTH {
        let mut client = ask(&site, over, 0x7fff_ffff, "/restless");
        // The connection's window is the stream's.
        let mut got = 0;
        while got < 65_535 {
            got += recv_kind(&mut client, DATA).payload.len();
        }
        for stream in [3, 5] {
            client.send(headers(stream, Block::get("/big")));
            assert_eq!(recv_kind(&mut client, HEADERS).stream, stream);
        }
        let mut shares = [0; 3];
        for _ in 0..30 {
            client.send(window(0, 1000));
            let mut got = 0;
            while got < 1000 {
                let frame = recv_kind(&mut client, DATA);
                got += frame.payload.len();
                shares[frame.stream as usize / 2] += frame.payload.len();
            }
        }
        assert!(shares.iter().all(|share| *share >= 9_000), "{shares:?}, {over:?}");
    }
}

#[test]
fn frames_are_as_long_as_the_client_takes_and_no_longer() {
    let site = Site::new();
    for over in BOTH {
        let mut client = peer::connect(&site, over);
        let opening =
            [PREFACE, &settings(&[(1, 0), (4, 1 << 20), (5, 20_000)]), &window(0, 1 << 20)].concat();
        client.send([opening, headers(1, Block::get("/big"))].concat());
        let mut longest = 0;
        let mut got = 0;
        while got < 1 << 20 {
            let frame = recv_kind(&mut client, DATA);
            longest = longest.max(frame.payload.len());
            got += frame.payload.len();
        }
        assert!((1..=20_000).contains(&longest), "{longest}, {over:?}");
    }
}
