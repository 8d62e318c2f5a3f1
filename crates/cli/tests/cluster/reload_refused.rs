//! Reloads that must not happen: whatever is wrong with the new, the old serves on and nothing is lost.

use narae_load::{Load, Protocol, Target};

use crate::built;
use crate::client::{get, under};
use crate::home::{Application, Home, QUICK, eventually};

/// A reload under load fails for `reason`; the same workers serve on, and no request notices.
#[track_caller]
fn check(home: &Home, app: &Application<'_>, reason: &str) {
    let before = home.pids();
    let mut load = Load::new(Target::new(app.http, Protocol::Http1));
    load.connections = 8;
    load.rate = 100.0;
    let (summary, told) = under(load, || home.tell(&["reload"]));
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.complained.contains(reason), "{reason:?} is not in {told:?}");
    assert!(told.complained.contains("generation 1 keeps serving"), "{told:?}");
    assert_eq!(summary.failed(), 0, "{summary}");
    let status = home.settled(before.len());
    assert_eq!((crate::home::serving(&status), status.generation), (before, 1));
}

fn check_behaviour(behaviour: &str, settings: &str, reason: &str) {
    let home = Home::new(2);
    home.settings(&format!("{QUICK}{settings}"));
    let app = home.start();
    home.behave(behaviour);
    check(&home, &app, reason);
    // Mended, it goes on as if nothing had been.
    home.behave("");
    assert_eq!(home.reload().workers, 2);
}

#[test]
fn one_that_exits() {
    check_behaviour("start = exit:5", "", "exited with code 5 before it was ready");
}

#[test]
fn one_that_aborts() {
    check_behaviour("start = abort", "", "aborted (SIGABRT) before it was ready");
}

#[test]
fn one_whose_application_cannot_be_made() {
    check_behaviour("start = error", "", "exited with code 6 before it was ready");
}

#[test]
fn one_that_never_becomes_ready() {
    check_behaviour("start = hang", "start_timeout = \"2s\"\n", "did not say READY in time");
}

#[test]
fn one_that_is_not_healthy() {
    check_behaviour("health = bad", "health = \"/health\"\n", "before it was ready");
}

#[test]
fn one_with_broken_settings() {
    let home = Home::new(2);
    let app = home.start();
    home.settings("workers = \"many\"\n");
    check(&home, &app, "narae.toml:1");
    home.settings(QUICK);
    home.reload();
}

fn check_program(script: &str, settings: &str, reason: &str) {
    let home = Home::new(2).with_own_program();
    home.settings(&format!("{QUICK}{settings}"));
    let app = home.start();
    home.replace_program_by_script(script);
    check(&home, &app, reason);
    home.replace_program(|path| {
        std::fs::copy(built::testbed(), path).unwrap();
    });
    assert_eq!(home.reload().workers, 2);
}

#[test]
fn a_program_that_exits() {
    check_program("#!/bin/sh\necho no library >&2\nexit 127\n", "", "no library");
}

#[test]
fn a_program_that_is_none() {
    check_program("this is not a program", "", "cannot be started");
}

#[test]
fn a_program_that_checks_well_and_then_does_nothing() {
    let script = "#!/bin/sh\n[ \"$NARAE_WORKER\" = check ] && exit 0\nexec sleep 600\n";
    check_program(script, "start_timeout = \"2s\"\n", "did not say READY in time");
}

#[test]
fn a_program_that_does_not_even_finish_its_check() {
    check_program("#!/bin/sh\nexec sleep 600\n", "start_timeout = \"2s\"\n", "within 2 s");
}

#[test]
fn a_program_that_is_gone() {
    let home = Home::new(2).with_own_program();
    let app = home.start();
    std::fs::remove_file(home.program()).unwrap();
    check(&home, &app, "cannot be opened");
}

#[test]
fn one_that_answers_with_errors_is_noticed_by_its_first_worker_and_taken_back() {
    let home = Home::new(2);
    home.settings(&QUICK.replace("canary = \"100ms\"", "canary = \"1500ms\""));
    let app = home.start();
    let before = home.pids();
    home.behave("fail = 1");
    let mut load = Load::new(Target::new(app.http, Protocol::Http1));
    load.connections = 32;
    load.rate = 150.0;
    load.think.idle_share = 0.0;
    // New connections, so that the new worker gets some.
    let (summary, told) = under(load, || {
        std::thread::scope(|scope| {
            let told = scope.spawn(|| home.tell(&["reload"]));
            while !told.is_finished() {
                get(app.http, "/");
            }
            told.join().unwrap()
        })
    });
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.complained.contains("with 5xx"), "{told:?}");
    // Whoever was served by the new worker saw its errors, and nothing worse.
    assert_eq!(summary.failed(), summary.wrong, "{summary}");
    assert_eq!(crate::home::serving(&home.settled(2)), before);
    assert_eq!(get(app.http, "/").status, 200);
}

#[test]
fn one_that_fails_in_its_second_slot_goes_back_in_the_first() {
    let home = Home::new(2);
    let app = home.start();
    let before = home.pids();
    home.behave("slot = 1\nstart = exit:5");
    let mut load = Load::new(Target::new(app.http, Protocol::Http1));
    load.connections = 8;
    load.rate = 100.0;
    let (summary, ()) = under(load, || {
        let told = home.tell(&["reload"]);
        assert_eq!(told.code, Some(1), "{told:?}");
        assert!(told.complained.contains("generation 1 keeps serving"), "{told:?}");
        eventually("the old generation everywhere", || {
            let status = home.status();
            let old = status.workers.len() == 2 && status.workers.iter().all(|worker| worker.generation == 1);
            (old && status.state == "serving").then_some(())
        });
    });
    assert_eq!(summary.failed(), 0, "{summary}");
    let after = home.pids();
    assert_ne!(after[0], before[0]);
    assert_eq!(after[1], before[1]);
}

#[test]
fn a_second_reload_during_the_first() {
    let home = Home::new(2);
    home.settings(&format!("{QUICK}start_timeout = \"3s\"\n"));
    let _app = home.start();
    home.behave("start = hang");
    let first = home.narae(&["reload"]).spawn().unwrap();
    eventually("reload under way", || (home.status().state == "reloading").then_some(()));
    let second = home.tell(&["reload"]);
    assert_eq!(second.code, Some(1));
    assert!(second.complained.contains("a reload is under way"), "{second:?}");
    assert_eq!(first.wait_with_output().unwrap().status.code(), Some(1));
}
