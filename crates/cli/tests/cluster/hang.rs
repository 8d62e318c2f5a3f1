//! Workers that are stuck: found, named, replaced; and nobody waits for them.

use rustix::process::Signal;

use crate::client::{Client, get};
use crate::home::{Home, QUICK, eventually, is_alive};

#[test]
fn a_stuck_worker_is_replaced_before_it_ends_and_the_log_names_its_request() {
    let home = Home::new(2);
    home.settings(&format!("{QUICK}stall_timeout = \"2s\"\n"));
    let mut app = home.start();
    let mut client = Client::new(app.http);
    let stuck = client.pid();
    client.send("GET /block?ms=7000 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    app.program.line_with("has been stuck for");
    app.program.line_with("GET /block");
    eventually("replacement beside the stuck worker", || {
        let status = home.status();
        let old = status.workers.iter().find(|worker| worker.pid == stuck)?;
        (old.state == "leaving" && crate::home::serving(&status).len() == 2).then_some(())
    });
    assert!(is_alive(stuck));
    // What it was asked for is still answered.
    assert_eq!(client.answer().unwrap().body, "blocked");
    eventually("end of the stuck worker", || (!is_alive(stuck)).then_some(()));
    assert!(!home.settled(2).workers.iter().any(|worker| worker.pid == stuck));
}

#[test]
fn a_stuck_worker_that_could_not_say_what_it_did_is_asked_again() {
    let home = Home::new(2);
    home.settings(&format!("{QUICK}stall_timeout = \"2s\"\n"));
    let mut app = home.start();
    let mut client = Client::new(app.http);
    let stuck = client.pid();
    client.send("GET /block?ms=8000 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    eventually("handler that blocks", || home.path().join("blocking").exists().then_some(()));
    let process = rustix::process::Pid::from_raw(stuck).unwrap();
    // Not even the thread runs that would notice.
    rustix::process::kill_process(process, Signal::STOP).unwrap();
    app.program.line_with("has been stuck for");
    rustix::process::kill_process(process, Signal::CONT).unwrap();
    app.program.line_with("GET /block");
    assert_eq!(client.answer().unwrap().body, "blocked");
}

#[test]
fn while_a_worker_is_blocked_new_connections_are_answered_by_the_other_one() {
    let home = Home::new(2);
    let app = home.start();
    let mut client = Client::new(app.http);
    let blocked = client.pid();
    client.send("GET /block?ms=4000 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    eventually("handler that blocks", || home.path().join("blocking").exists().then_some(()));
    for _ in 0..20 {
        let pid: i32 = get(app.http, "/pid").body.parse().unwrap();
        assert_ne!(pid, blocked);
    }
    assert_eq!(client.answer().unwrap().body, "blocked");
}
