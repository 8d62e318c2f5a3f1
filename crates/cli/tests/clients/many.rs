//! Many connections at once: ten thousand that stay open, as the operating system allows.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::{narae, outside, script};

#[test]
fn ten_thousand_connections_stay_open_and_are_all_answered_twice() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "hello").unwrap();
    let mut program = narae::start(folder.path(), &["serve", ".", "--http", "127.0.0.1:0", "--log", "off"]);
    let address = program.address("http://");
    // A process of its own: server and client each need ten thousand descriptors.
    let mut client = outside("NARAE_PYTHON", "/usr/bin/python3")
        .arg(script("many.py"))
        .args([address.ip().to_string(), address.port().to_string(), "10000".to_owned()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<String> =
        BufReader::new(client.stdout.take().unwrap()).lines().map(Result::unwrap).collect();
    assert!(client.wait().unwrap().success(), "{lines:?}");
    assert_eq!(lines.last().map(String::as_str), Some("20000 answers on 10000 connections"));
}
