//! Reloads while clients ask: not one request is refused, reset or lost, whatever the protocol.

use narae_load::{Load, Phases, Protocol, Target, Work};
use std::time::Duration;

use crate::client::under;
use crate::home::Home;

const RELOADS: u32 = 5;

fn check(protocol: Protocol) {
    let home = Home::new(2).with(&["--https", "127.0.0.1:0"]);
    let mut app = home.start();
    let address = match protocol {
        Protocol::Http1 | Protocol::Http2 => app.http,
        Protocol::Http1Tls | Protocol::Http2Tls => app.https(),
    };
    let mut target = Target::new(address, protocol);
    target.host = Some("localhost".to_owned());
    let mut load = Load::new(target);
    load.connections = 24;
    load.rate = 120.0;
    load.works = vec![Work::get("/"), Work::echo("/echo"), Work::get("/slow?ms=30")];
    // Rests end at any phase of the drain.
    load.think =
        Phases { idle_share: 0.4, shortest: Duration::from_millis(50), longest: Duration::from_millis(1500) };
    let (summary, receipts) = under(load, || (0..RELOADS).map(|_| home.reload()).collect::<Vec<_>>());
    assert_eq!(summary.failed(), 0, "{summary}\n{receipts:?}");
    for receipt in &receipts {
        assert_eq!((receipt.workers, receipt.reset, receipt.cut.len(), receipt.unreported), (2, 0, 0, 0));
    }
    assert_eq!(home.settled(2).generation, 1 + RELOADS);
}

#[test]
fn http1() {
    check(Protocol::Http1);
}

#[test]
fn http1_over_tls() {
    check(Protocol::Http1Tls);
}

#[test]
fn http2_by_prior_knowledge() {
    check(Protocol::Http2);
}

#[test]
fn http2_over_tls() {
    check(Protocol::Http2Tls);
}
