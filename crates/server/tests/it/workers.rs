//! Several event loops on one socket.

use narae_server::Limits;

use crate::client::{Client, Over, ask};
use crate::site::{Site, routes};

#[test]
fn connections_are_spread_evenly() {
    let site = Site::on(routes(), Limits::default(), 4);
    let clients: Vec<Client> =
        (0..200).map(|_| ask(&site, Over::Plain, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").1).collect();
    let spread = site.running().spread();
    assert_eq!(spread.iter().sum::<u64>(), 200);
    assert!(spread.iter().all(|open| (45..=55).contains(open)), "{spread:?}");
    drop(clients);
}

#[test]
fn the_factorys_error_is_the_starts_error() {
    let server = narae_server::Server::builder()
        .listen(narae_server::Listener::tcp("127.0.0.1:0").unwrap())
        .build()
        .unwrap();
    let error =
        server.start(|| async { Err::<axum::Router, _>(std::io::Error::other("no database")) }).unwrap_err();
    assert_eq!(error.to_string(), "the application could not be made: no database");
}

#[test]
fn a_server_without_a_listener_is_refused() {
    let error = narae_server::Server::builder().build().unwrap_err();
    assert!(error.to_string().contains("no listener"), "{error}");
}
