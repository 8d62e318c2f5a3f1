//! Workers that die: what is lost, and how they come back.

use std::time::Duration;

use narae_load::{Load, Protocol, Target};

use crate::client::{Client, get, under};
use crate::home::{Home, QUICK, eventually, is_alive, kill};

#[test]
fn a_worker_that_aborts_is_replaced_and_the_other_one_stays() {
    let home = Home::new(2);
    let app = home.start();
    let before = home.pids();
    let mut client = Client::new(app.http);
    let dead = client.pid();
    client.get("/abort").unwrap_err();
    let after = eventually("replacement", || {
        let pids = home.pids();
        (pids.len() == 2 && !pids.contains(&dead)).then_some(pids)
    });
    let slot = before.iter().position(|pid| *pid == dead).unwrap();
    assert_eq!(after[1 - slot], before[1 - slot]);
    let status = home.status();
    assert_eq!((status.workers[slot].restarts, status.workers[1 - slot].restarts), (1, 0));
    assert_eq!((status.workers[slot].generation, status.state.as_str()), (1, "serving"));
    assert_eq!(get(app.http, "/").body, "testbed");
}

#[test]
fn a_worker_that_is_killed_takes_only_its_own_requests_along() {
    let home = Home::new(2);
    let app = home.start();
    let mut load = Load::new(Target::new(app.http, Protocol::Http1));
    load.connections = 16;
    load.rate = 150.0;
    load.think.idle_share = 0.0;
    let (summary, open) = under(load, || {
        let victim = home.status().workers[0].clone();
        kill(victim.pid);
        home.settled(2);
        victim.counters["open"]
    });
    let lost = summary.reset + summary.short;
    assert_eq!(summary.failed(), lost, "{summary}");
    assert!(lost <= open, "{lost} lost, but only {open} connections were open\n{summary}");
}

#[test]
fn a_worker_that_cannot_start_is_tried_again_at_growing_intervals_until_it_can() {
    let home = Home::new(2);
    let mut app = home.start();
    home.behave("start = exit:9");
    let victim = home.pids()[1];
    kill(victim);
    app.program.line_with("exited with code 9 before it was ready; trying again in 0.2 s");
    app.program.line_with("trying again in 0.4 s");
    app.program.line_with("trying again in 0.8 s");
    let status = home.status();
    assert_eq!((status.state.as_str(), status.empty_slots.as_slice()), ("degraded", [1].as_slice()));
    assert_eq!(home.tell(&["status"]).code, Some(1));
    assert_eq!(get(app.http, "/").body, "testbed");
    home.behave("");
    assert!(home.settled(2).empty_slots.is_empty());
    assert_eq!(home.tell(&["status"]).code, Some(0));
}

/// Takes three quarters of a minute: that is how long a worker may crash before it is given up.
#[test]
fn a_slot_whose_worker_crashes_ten_times_is_broken_until_a_reload_mends_it() {
    let home = Home::new(2);
    home.settings(&QUICK.replace("canary = \"100ms\"", "canary = \"0s\""));
    let mut app = home.start();
    home.behave("start = abort");
    let pids = home.pids();
    kill(pids[1]);
    let broken = eventually_within(Duration::from_secs(50), &mut app.program);
    assert!(broken.contains("crashed 10 times"), "{broken}");
    let status = home.status();
    assert_eq!((status.state.as_str(), status.broken_slots.as_slice()), ("degraded", [1].as_slice()));
    assert_eq!(home.tell(&["status"]).code, Some(1));
    assert!(is_alive(pids[0]));
    assert_eq!(get(app.http, "/pid").body, pids[0].to_string());
    home.behave("");
    home.reload();
    let status = home.settled(2);
    assert!(status.broken_slots.is_empty());
    assert_eq!(home.tell(&["status"]).code, Some(0));
}

/// Each line is a sign that it goes on, so each has its own deadline.
fn eventually_within(longest: Duration, program: &mut crate::program::Program) -> String {
    let until = std::time::Instant::now() + longest;
    loop {
        program.said.clear();
        let line = program.line_with("worker 1 ");
        if line.contains("broken") {
            return line;
        }
        assert!(std::time::Instant::now() < until, "the slot is still not broken: {line}");
    }
}

#[test]
fn a_supervisor_whose_messages_nobody_reads_heals_all_the_same() {
    use std::io::Write;

    let home = Home::new(2);
    let (reader, mut writer) = std::io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
    while writer.write(&[b'x'; 1024]).is_ok() {}
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::empty()).unwrap();
    let mut supervisor = home.command().stdout(std::process::Stdio::null()).stderr(writer).spawn().unwrap();
    eventually("start", || home.tell(&["status"]).code.filter(|code| *code == 0));
    let dead = home.pids()[0];
    kill(dead);
    eventually("replacement", || {
        let pids = home.pids();
        (pids.len() == 2 && !pids.contains(&dead)).then_some(())
    });
    assert_eq!(home.tell(&["stop"]).code, Some(0));
    assert!(supervisor.wait().unwrap().success());
    drop(reader);
}
