//! Reloads that succeed: new workers with what is on the disk now.

use std::os::unix::fs::MetadataExt;

use rustix::process::Signal;

use crate::built;
use crate::client::{Client, get};
use crate::home::{Home, QUICK, eventually};

#[test]
fn a_reload_replaces_every_worker_and_hands_out_a_receipt() {
    let home = Home::new(2);
    let app = home.start();
    let before = home.pids();
    let told = home.tell(&["reload"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.said.starts_with("reload 1 → 2: 2 workers in "), "{told:?}");
    assert!(told.said.contains("· reset 0 ·") && told.said.trim_end().ends_with("cut 0"), "{told:?}");
    assert!(told.complained.contains("worker 0 is replaced (1 left)"), "{told:?}");
    let status = home.settled(2);
    assert_eq!(status.generation, 2);
    assert!(status.workers.iter().all(|worker| worker.generation == 2 && !before.contains(&worker.pid)));
    assert!(get(app.http, "/generation").body.ends_with("/2"));
    let receipt = home.reload();
    assert_eq!((receipt.from, receipt.to, receipt.workers, receipt.unreported), (2, 3, 2, 0));
    assert!(receipt.drained_seconds >= receipt.seconds && receipt.seconds > 0.0);
}

#[test]
fn a_hangup_signal_reloads_and_the_log_has_the_receipt() {
    let home = Home::new(2);
    let mut app = home.start();
    app.program.signal(Signal::HUP);
    app.program.line_with("reload 1 → 2: 2 workers");
    assert_eq!(home.settled(2).generation, 2);
}

#[test]
fn a_changed_setting_holds_after_the_reload_and_not_before() {
    let home = Home::new(2);
    let app = home.start();
    let body = "x".repeat(4000);
    let status = || Client::new(app.http).post("/echo", &body).unwrap().status;
    assert_eq!(status(), 200);
    home.settings(&format!("{QUICK}\n[limits]\nmax_body_bytes = \"1KiB\"\n"));
    assert_eq!(status(), 200);
    home.reload();
    assert_eq!(status(), 413);
}

#[test]
fn a_replaced_program_runs_after_the_reload_and_a_crashed_worker_of_before_comes_back_as_it_was() {
    let home = Home::new(2).with_own_program();
    let _app = home.start();
    let old = home.program().metadata().unwrap().ino();
    home.replace_program(|path| {
        std::fs::copy(built::testbed(), path).unwrap();
    });
    let new = home.program().metadata().unwrap().ino();
    let programs = || -> Vec<u64> {
        let pids = home.settled(2).workers.into_iter().map(|worker| worker.pid);
        pids.map(|pid| std::fs::metadata(format!("/proc/{pid}/exe")).unwrap().ino()).collect()
    };
    let victim = home.pids()[0];
    crate::home::kill(victim);
    crate::home::eventually("replacement", || (!home.pids().contains(&victim)).then_some(()));
    assert_eq!(programs(), [old, old]);
    home.reload();
    assert_eq!(programs(), [new, new]);
}

#[test]
fn a_program_may_be_replaced_by_a_script_that_starts_it() {
    let home = Home::new(2).with_own_program();
    let app = home.start();
    assert_eq!(get(app.http, "/").body, "testbed");
    let real = built::testbed().display();
    home.replace_program_by_script(&format!("#!/bin/sh\nTESTBED_SAYS=wrapped exec {real} \"$@\"\n"));
    home.reload();
    assert_eq!(get(app.http, "/").body, "wrapped");
}

#[test]
fn reloads_one_after_the_other_count_on() {
    let home = Home::new(1);
    let _app = home.start();
    for to in 2..6 {
        let receipt = home.reload();
        assert_eq!((receipt.from, receipt.to), (to - 1, to));
    }
    assert_eq!(home.settled(1).generation, 5);
}

#[test]
fn a_connection_whose_successor_has_gone_too_goes_to_the_one_after() {
    let home = Home::new(1);
    let mut app = home.start();
    let mut client = Client::new(app.http);
    client.send("GET /slow?ms=2500 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    eventually("request under way", || (home.status().workers[0].counters["requests"] > 0).then_some(()));
    for generation in 2..=3 {
        app.program.said.clear();
        app.program.signal(Signal::HUP);
        app.program.line_with("every worker is replaced");
        assert_eq!(home.status().generation, generation);
    }
    assert_eq!(client.answer().unwrap().body, "slow");
    // Its answer said nothing of a close, so nothing may be closed.
    assert_eq!(client.get("/generation").unwrap().status, 200);
    drop(client);
}
