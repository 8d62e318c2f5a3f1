//! `narae serve`: a folder, its log, its stop.

use std::io::Read;
use std::process::Stdio;

use rustix::process::Signal;

use crate::narae;
use crate::program::{Program, get};

fn site() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("index.html"), "<h1>home</h1>").unwrap();
    std::fs::write(folder.path().join(".secret"), "hidden").unwrap();
    std::fs::create_dir(folder.path().join("sub")).unwrap();
    folder
}

#[test]
fn a_folder_is_served_on_the_address_that_was_asked_for() {
    let folder = site();
    let mut program = narae::start(folder.path(), &["serve", ".", "--http", "127.0.0.1:0"]);
    let address = program.address("http://");
    let answer = get(address, "/");
    assert!(answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with("<h1>home</h1>"), "{answer}");
    assert!(get(address, "/sub").contains(" 301 "));
    assert!(get(address, "/.secret").contains(" 404 "));
    assert!(get(address, "/../etc/passwd").contains(" 404 "));
    assert!(!program.said.iter().any(|line| line.contains("https://")), "{:?}", program.said);
}

#[test]
fn hidden_files_are_served_when_asked_for() {
    let folder = site();
    let mut program = narae::start(folder.path(), &["serve", "--dotfiles", "--http", "127.0.0.1:0"]);
    let address = program.address("http://");
    assert!(get(address, "/.secret").ends_with("hidden"));
}

#[test]
fn each_request_is_a_line_on_the_standard_output() {
    let folder = site();
    let mut command = narae::narae(folder.path());
    command.args(["serve", "--http", "127.0.0.1:0"]).stdout(Stdio::piped());
    let mut program = Program::start(command);
    let address = program.address("http://");
    get(address, "/");
    get(address, "/nothing");
    program.signal(Signal::TERM);
    let mut log = String::new();
    program.stdout().read_to_string(&mut log).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].starts_with("127.0.0.1 - - ["), "{log}");
    assert!(lines[0].contains("\"GET / HTTP/1.0\" 200 13"), "{log}");
    assert!(lines[1].contains("\"GET /nothing HTTP/1.0\" 404"), "{log}");
}

#[test]
fn the_log_can_be_json_in_a_file() {
    let folder = site();
    let log = folder.path().join("access.log");
    let mut program = narae::start(
        folder.path(),
        &["serve", "--http", "127.0.0.1:0", "--log", "json", "--log-file", log.to_str().unwrap()],
    );
    get(program.address("http://"), "/");
    program.signal(Signal::TERM);
    let (status, said) = program.wait();
    assert!(status.success(), "{said}");
    let line: serde_json::Value = serde_json::from_str(std::fs::read_to_string(log).unwrap().trim()).unwrap();
    assert_eq!((line["method"].as_str(), line["status"].as_u64()), (Some("GET"), Some(200)), "{line}");
}

#[test]
fn every_signal_to_stop_stops_it() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let folder = site();
        let mut program = narae::start(folder.path(), &["serve", "--http", "127.0.0.1:0"]);
        get(program.address("http://"), "/");
        program.signal(signal);
        let (status, said) = program.wait();
        assert_eq!(status.code(), Some(0), "{signal:?} {said}");
        assert!(said.contains("drained"), "{signal:?} {said}");
    }
}

#[test]
fn the_settings_file_of_the_folder_is_read_and_flags_win_over_it() {
    let folder = site();
    std::fs::write(
        folder.path().join("narae.toml"),
        "http = \"127.0.0.1:0\"\n[limits]\nmax_target_bytes = 10\n",
    )
    .unwrap();
    let mut program = narae::start(folder.path(), &["serve", "--http", "127.0.0.1:0"]);
    let address = program.address("http://");
    assert!(get(address, "/").contains(" 200 "));
    assert!(get(address, "/longer-than-ten").contains(" 414 "));
}
