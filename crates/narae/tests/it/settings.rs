//! Settings at work: what a real file and environment do to a real server.

use std::net::TcpListener;

use narae::prelude::*;
use narae::{App, Error, Local, Log};

use crate::messages;
use crate::site::Site;

fn app() -> App {
    narae::app(|| Router::new().route("/", get(|| async { "hello" }).post(|body: String| async { body })))
        .access_log(Log::off())
        .workers(1)
}

#[test]
fn the_environment_wins_over_the_file_and_the_file_over_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("narae.toml");
    let socket = folder.path().join("a.sock");
    // The port of the program and the one of the file cannot be bound: they must not be asked for.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    std::fs::write(&file, format!("http = \"127.0.0.1:{port}\"\n[limits]\nmax_body_bytes = \"3B\"\n"))
        .unwrap();
    let addresses = format!("127.0.0.1:0,unix:{}", socket.display());
    let site = Site::start(
        app()
            .http(format!("127.0.0.1:{port}"))
            .limits(Limits::default().max_body_bytes(1))
            .config_file(&file)
            .environment([("NARAE_HTTP", addresses.as_str()), ("NARAE_PROT", "80")]),
    );
    assert_eq!(site.running().locals()[1], Local::Unix(socket));
    let post = |length: usize| {
        let body = "x".repeat(length);
        site.client()
            .send(&format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}"))
            .status
    };
    assert_eq!((post(3), post(4)), (200, 413));
    assert_eq!(messages::with("NARAE_PROT").len(), 1, "an unknown variable is a warning");
}

#[test]
fn http_and_https_listen_side_by_side() {
    let folder = tempfile::tempdir().unwrap();
    let app = app()
        .https("127.0.0.1:0", Tls::development_in(folder.path()))
        .http("127.0.0.1:0")
        .http("127.0.0.1:0");
    let site = Site::start(app);
    let schemes: Vec<_> =
        site.running().urls().iter().map(|url| url.split("://").next().unwrap().to_owned()).collect();
    assert_eq!(schemes, ["http", "http", "https"]);
    assert_eq!(site.get("/").body, "hello");
}

#[test]
fn a_port_in_use_says_how_to_find_its_owner() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = app().http(address.to_string()).start().unwrap_err();
    assert_eq!(error.exit_code(), 3);
    let text = error.to_string();
    assert!(text.contains(&format!("ss -ltnp 'sport = :{}'", address.port())), "{text}");
}

#[test]
fn errors_have_the_exit_code_of_who_must_act() {
    let check = |app: App, code: u8, part: &str| {
        let error: Error = app.start().unwrap_err();
        assert_eq!(error.exit_code(), code, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    };
    check(app().http("8080"), 2, "App::http");
    check(app().http("127.0.0.1:0").config_file("/nowhere/narae.toml"), 2, "/nowhere/narae.toml");
    check(app().environment([("NARAE_HTTP", "off")]), 2, "nothing to listen on");
    check(
        app().http("127.0.0.1:0").environment([("NARAE_CERT", "a"), ("NARAE_KEY", "a")]),
        2,
        "NARAE_HTTPS=",
    );
    check(app().http("127.0.0.1:0").limits(Limits::default().max_header_count(0)), 2, "max_header_count");
    // An address of TEST-NET-1, which no machine has (RFC 5737 §3).
    check(app().http("192.0.2.1:0"), 4, "0.0.0.0");
    check(app().https("127.0.0.1:0", Tls::pem("/nowhere/a.pem", "/nowhere/a.key")), 5, "/nowhere/a.");
    check(
        app().http("127.0.0.1:0").access_log(Log::automatic().to_file("/nowhere/a.log")),
        1,
        "/nowhere/a.log",
    );
}
