//! Where a server listens: ports, Unix sockets, and sockets of a service manager.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use narae_server::{DrainSettings, Listener, Local, Server};

use crate::site::routes;

#[test]
fn port_zero_is_a_port_of_the_systems_choice() {
    let listener = Listener::tcp("127.0.0.1:0").unwrap();
    assert_ne!(listener.local().address().unwrap().port(), 0);
}

#[test]
fn a_port_in_use_is_named() {
    let first = Listener::tcp("127.0.0.1:0").unwrap();
    let address = first.local().to_string();
    let error = Listener::tcp(&address).unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on {address}: ")), "{error}");
}

#[test]
fn an_address_that_is_none_is_named() {
    for address in ["127.0.0.1", "256.0.0.1:80", "127.0.0.1:99999", ""] {
        let error = Listener::bind(address).unwrap_err();
        assert!(error.to_string().contains(address), "{error}");
    }
}

#[test]
fn a_unix_socket_serves_and_its_file_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.sock");
    let listener = Listener::bind(&format!("unix:{}", path.display())).unwrap();
    assert_eq!(listener.local(), Local::Unix(path.clone()));
    let server = Server::builder().listen(listener).build().unwrap();
    let running = server.start(|| async { Ok::<_, Infallible>(routes()) }).unwrap();
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("Hello, World!"), "{answer}");
    running.stop(DrainSettings::default());
    assert!(!path.exists());
}

#[test]
fn a_socket_file_left_by_a_crash_is_replaced_and_a_live_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.sock");
    // Dropping a standard listener leaves its file, as a crash does.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let _live = Listener::unix(&path).unwrap();
    assert!(Listener::unix(&path).is_err());
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    std::fs::write(&path, "data").unwrap();
    assert!(Listener::unix(&path).is_err());
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "data");
}

#[test]
fn without_a_service_manager_nothing_is_inherited() {
    assert!(Listener::inherited().unwrap().is_empty());
}
