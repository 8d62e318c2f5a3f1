//! `narae demo`: the site, its error pages, and what survives a restart.

use rustix::process::Signal;

use crate::narae;
use crate::program::{ask, get};

const ADDRESSES: [&str; 5] = ["demo", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0"];

#[test]
fn the_banner_names_both_addresses_and_the_pages_are_there() {
    let home = tempfile::tempdir().unwrap();
    let mut program = narae::start(home.path(), &ADDRESSES);
    let address = program.address("http://");
    program.address("https://");
    for page in ["/", "/about", "/connection"] {
        let answer = get(address, page);
        assert!(answer.contains(" 200 ") && answer.contains("</html>"), "{page}: {answer}");
    }
    let pid = program.pid().to_string();
    let connection = get(address, "/api/connection");
    assert!(connection.contains(&pid) && connection.contains("HTTP/1.0"), "{connection}");
}

#[test]
fn users_survive_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let body = r#"{"name":"Grace Hopper"}"#;
    let request = format!(
        "POST /api/users HTTP/1.0\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut program = narae::start(home.path(), &ADDRESSES);
    let answer = ask(program.address("http://"), &request);
    assert!(answer.contains(" 201 "), "{answer}");
    program.signal(Signal::TERM);
    assert!(program.wait().0.success());
    let mut program = narae::start(home.path(), &ADDRESSES);
    let users = get(program.address("http://"), "/api/users");
    assert!(users.contains("Grace Hopper"), "{users}");
}

#[test]
fn failures_are_pages_without_the_reason_and_the_log_has_it() {
    let home = tempfile::tempdir().unwrap();
    let mut program = narae::start(home.path(), &ADDRESSES);
    let address = program.address("http://");
    let html = |path: &str| format!("GET {path} HTTP/1.0\r\nHost: a\r\nAccept: text/html\r\n\r\n");
    let failed = ask(address, &html("/fail"));
    assert!(failed.contains(" 500 ") && failed.contains("</html>"), "{failed}");
    assert!(!failed.contains("asked to fail"), "{failed}");
    program.line_with("asked to fail");
    let panicked = ask(address, &html("/boom"));
    assert!(panicked.contains(" 500 ") && panicked.contains("</html>"), "{panicked}");
    assert!(!panicked.contains("asked to panic"), "{panicked}");
    program.line_with("asked to panic");
    let missing = ask(address, &html("/nothing-here"));
    assert!(missing.contains(" 404 ") && missing.contains("</html>"), "{missing}");
}
