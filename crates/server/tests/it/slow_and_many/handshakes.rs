//! TLS handshakes that stop on their way, many of them.

use std::sync::Arc;
use std::time::Duration;

use narae_server::Limits;
use rustls::ClientConnection;

use super::{all_hold, nothing_is_left, while_newcomers_come};
use crate::client::{Client, any_certificate};
use crate::site::Site;

const ATTACKERS: usize = 300;

/// How far a handshake comes.
#[derive(Clone, Copy, Debug)]
enum Stop {
    BeforeTheFirstByte,
    InTheRecordsHead,
    InTheHello,
    AfterTheHello,
}

const ALL: [Stop; 4] =
    [Stop::BeforeTheFirstByte, Stop::InTheRecordsHead, Stop::InTheHello, Stop::AfterTheHello];

/// A client's first flight.
pub fn hello() -> (ClientConnection, Vec<u8>) {
    let config = any_certificate(rustls::ALL_VERSIONS);
    let mut session = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    let mut bytes = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut bytes).unwrap();
    }
    (session, bytes)
}

fn stopped(site: &Site, hello: &[u8], stop: Stop) -> Client {
    let length = match stop {
        Stop::BeforeTheFirstByte => 0,
        Stop::InTheRecordsHead => 3,
        Stop::InTheHello => hello.len() / 2,
        Stop::AfterTheHello => hello.len(),
    };
    let mut client = Client::at(site.tls);
    client.send(&hello[..length]);
    client
}

#[test]
fn handshakes_that_stop_keep_nobody_out() {
    let site = Site::new();
    let (_, hello) = hello();
    for stop in ALL {
        let name = format!("{ATTACKERS} handshakes that stop {stop:?}");
        all_hold(&name, &site, || stopped(&site, &hello, stop), ATTACKERS, |_| {});
    }
}

#[test]
fn handshakes_that_stop_are_cut() {
    let site = Site::limited(Limits::default().first_byte(Duration::from_millis(500)));
    let (_, hello) = hello();
    for (turn, stop) in ALL.into_iter().enumerate() {
        while_newcomers_come(&format!("handshakes that stop {stop:?} and are cut"), &site, |_| {
            let attackers: Vec<Client> = (0..50).map(|_| stopped(&site, &hello, stop)).collect();
            site.wait_for(|counts| counts.timeouts == 50 * (turn as u64 + 1));
            for mut client in attackers {
                // The server's own flight may have come; bytes that it has not read make the end a reset.
                let _ = client.rest();
            }
        });
        nothing_is_left(&site);
    }
}
