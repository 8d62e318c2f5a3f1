//! `narae demo`: the site, its error pages, and what survives a restart.

use std::net::SocketAddr;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use crate::narae;
use crate::program::{PATIENCE, Program, ask, get};

const ADDRESSES: [&str; 5] = ["demo", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0"];

#[test]
fn the_banner_names_both_addresses_and_the_pages_are_there() {
    let home = tempfile::tempdir().unwrap();
    let mut program = narae::start(home.path(), &ADDRESSES);
    let address = program.address("http://");
    program.address("https://");
    for page in ["/", "/about", "/connection", "/workers", "/account"] {
        let answer = get(address, page);
        assert!(answer.contains(" 200 ") && answer.contains("</html>"), "{page}: {answer}");
    }
    let supervisor = program.pid().to_string();
    let connection = get(address, "/api/connection");
    assert!(connection.contains("\"pid\":") && connection.contains("HTTP/1.0"), "{connection}");
    assert!(!connection.contains(&supervisor), "a worker answers, not the supervisor: {connection}");
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
fn a_login_survives_a_reload_and_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let mut program = narae::start(home.path(), &ADDRESSES);
    let body = r#"{"name":"Nuri","password":"narae"}"#;
    let fields = format!("Host: a\r\nContent-Type: application/json\r\nContent-Length: {}", body.len());
    let login = format!("POST /api/account/login HTTP/1.0\r\n{fields}\r\n\r\n{body}");
    let answer = ask(program.address("http://"), &login);
    assert_eq!(json(&answer)["user"], "Nuri", "{answer}");
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).unwrap();
    let cookie = cookie.split(';').next().unwrap();
    let user = |address| {
        let fields = format!("Host: a\r\nCookie: {cookie}");
        let document = json(&ask(address, &format!("GET /api/account HTTP/1.0\r\n{fields}\r\n\r\n")));
        (document["user"].clone(), document["served_by"]["pid"].clone())
    };
    let (_, first) = user(program.address("http://"));
    let reload = narae::narae(home.path()).args(["reload", "demo"]).output().unwrap();
    assert!(reload.status.success(), "{reload:?}");
    let (name, second) = user(program.address("http://"));
    assert_eq!(name, "Nuri");
    assert_ne!(first, second);
    program.signal(Signal::TERM);
    assert!(program.wait().0.success());
    let mut program = narae::start(home.path(), &ADDRESSES);
    assert_eq!(user(program.address("http://")).0, "Nuri");
    let folder = home.path().join(".local/state/narae/demo/sessions");
    assert!(folder.is_dir(), "sessions are beside the users");
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

#[test]
fn workers_take_no_huge_pages_unless_they_are_told_to() {
    let home = tempfile::tempdir().unwrap();
    // A system without them has none to allow.
    let exist = std::fs::exists("/sys/kernel/mm/transparent_hugepage").unwrap();
    for (told, expected) in [(None, "0"), (Some("1"), if exist { "1" } else { "0" })] {
        let mut command = narae::narae(home.path());
        command
            .args(ADDRESSES)
            .env_remove("MIMALLOC_ALLOW_THP")
            .envs(told.map(|told| ("MIMALLOC_ALLOW_THP", told)));
        let mut program = Program::start(command);
        let (pids, _) = workers(program.address("http://"));
        assert!(!pids.is_empty());
        for pid in pids {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let allowed = status.lines().find_map(|line| line.strip_prefix("THP_enabled:")).unwrap();
            assert_eq!(allowed.trim(), expected);
        }
    }
}

/// The body of an answer.
fn json(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error} in {answer}"))
}

/// The process ids of the workers that serve, sorted; and how often slots were filled anew.
fn workers(address: SocketAddr) -> (Vec<u64>, u64) {
    let document = json(&get(address, "/api/workers"));
    let workers = document["workers"].as_array().unwrap();
    let serving = workers.iter().filter(|worker| worker["state"] == "serving");
    let mut pids: Vec<u64> = serving.map(|worker| worker["pid"].as_u64().unwrap()).collect();
    pids.sort_unstable();
    (pids, workers.iter().map(|worker| worker["restarts"].as_u64().unwrap()).sum())
}

fn kill(address: SocketAddr, pid: u64) -> String {
    let fields = "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 2";
    ask(address, &format!("POST /api/workers/{pid}/kill HTTP/1.0\r\n{fields}\r\n\r\n{{}}"))
}

#[test]
fn a_worker_that_is_killed_over_http_comes_back_as_another_process() {
    let home = tempfile::tempdir().unwrap();
    let arguments = [&ADDRESSES[..], &["--workers", "3"]].concat();
    let mut program = narae::start(home.path(), &arguments);
    let address = program.address("http://");
    let (before, _) = workers(address);
    assert_eq!(before.len(), 3);
    // Not a worker: the supervisor, and init.
    for pid in [u64::from(program.pid()), 1] {
        assert!(kill(address, pid).contains(" 404 "), "{pid}");
    }
    // One of them may be the one that answers; that answer arrives all the same.
    for (restarts, victim) in before.iter().enumerate() {
        let answer = kill(address, *victim);
        assert!(answer.contains(" 202 ") && json(&answer)["pid"] == *victim, "{answer}");
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < PATIENCE, "{victim} is not replaced");
            // Whoever is asked may be the one that is about to die.
            let found = std::panic::catch_unwind(|| workers(address));
            let Ok((now, restarted)) = found else { continue };
            if now.len() == 3 && !now.contains(victim) {
                assert!(restarted > restarts as u64, "{restarted}");
                break;
            }
        }
    }
}

#[test]
fn without_workers_there_is_nobody_to_kill() {
    let home = tempfile::tempdir().unwrap();
    let arguments = [&ADDRESSES[..], &["--workers", "0"]].concat();
    let mut program = narae::start(home.path(), &arguments);
    let address = program.address("http://");
    assert!(get(address, "/workers").contains("There is no cluster"));
    assert!(kill(address, u64::from(program.pid())).contains(" 404 "));
}
