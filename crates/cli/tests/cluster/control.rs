//! The commands, and the socket through which they speak.

use std::os::unix::fs::PermissionsExt;

use crate::client::{Client, get};
use crate::home::{Home, eventually, is_alive};
use crate::program::Program;

#[test]
fn the_control_socket_is_for_this_user_only() {
    let home = Home::new(1);
    let _app = home.start();
    let mode = |path: std::path::PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(home.runtime_folder()), 0o700);
    assert_eq!(mode(home.runtime_folder().join("testbed.sock")), 0o600);
}

#[test]
fn stop_waits_for_the_end() {
    let home = Home::new(2);
    let app = home.start();
    let pids = home.pids();
    let mut client = Client::new(app.http);
    client.send("GET /slow?ms=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    eventually("request under way", || {
        let open: u64 = home.status().workers.iter().map(|worker| worker.counters["open"]).sum();
        (open > 0).then_some(())
    });
    let reader = std::thread::spawn(move || client.answer());
    let told = home.tell(&["stop"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    assert_eq!(reader.join().unwrap().unwrap().body, "slow");
    assert!(pids.iter().all(|pid| !is_alive(*pid)));
    Client::connect(app.http).map(drop).unwrap_err();
    assert!(app.program.wait().0.success());
    assert_eq!(home.tell(&["status"]).code, Some(7));
    assert!(home.tell(&["list"]).said.contains("nothing runs"));
}

#[test]
fn who_comes_after_a_stop_began_is_refused_at_once() {
    let home = Home::new(2);
    let app = home.start();
    let mut client = Client::new(app.http);
    client.send("GET /slow?ms=3000 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    eventually("request under way", || {
        let requests: u64 = home.status().workers.iter().map(|worker| worker.counters["requests"]).sum();
        (requests > 0).then_some(())
    });
    app.program.signal(rustix::process::Signal::TERM);
    eventually("refusal", || Client::connect(app.http).is_err().then_some(()));
    assert_eq!(client.answer().unwrap().body, "slow", "and who came before is served");
    drop(client);
    assert!(app.program.wait().0.success());
}

#[test]
fn a_fast_stop_waits_for_nobody() {
    let home = Home::new(2);
    let app = home.start();
    let mut client = Client::new(app.http);
    client.send("GET /sse-deaf HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    client.up_to("tick");
    assert_eq!(home.tell(&["stop", "--fast"]).code, Some(0));
    let (status, said) = app.program.wait();
    assert!(status.success(), "{said}");
    assert!(said.contains("cut: GET /sse-deaf"), "{said}");
}

#[test]
fn restart_replaces_every_worker() {
    let home = Home::new(2);
    let app = home.start();
    let before = home.pids();
    assert_eq!(home.tell(&["restart"]).code, Some(0));
    let after = eventually("new workers", || {
        let status = home.status();
        let pids = crate::home::serving(&status);
        (pids.len() == 2 && status.workers.iter().all(|worker| !before.contains(&worker.pid))).then_some(pids)
    });
    assert!(after.contains(&get(app.http, "/pid").body.parse().unwrap()));
}

#[test]
fn logs_are_opened_anew_after_they_were_moved() {
    let home = Home::new(2).with(&["--log-file", "access.log", "--log", ":url"]);
    let app = home.start();
    let log = home.path().join("access.log");
    let moved = home.path().join("access.log.1");
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap_or_default();
    get(app.http, "/?before");
    eventually("line", || read(&log).contains("/?before").then_some(()));
    std::fs::rename(&log, &moved).unwrap();
    assert_eq!(home.tell(&["reopen-logs"]).code, Some(0));
    eventually("new log", || log.exists().then_some(()));
    eventually("line in the new log", || {
        get(app.http, "/?after");
        read(&log).contains("/?after").then_some(())
    });
    app.program.signal(rustix::process::Signal::USR1);
    assert!(read(&moved).contains("/?before"));
}

#[test]
fn the_list_names_every_application() {
    let home = Home::new(1).with(&["--name", "first"]);
    let _first = home.start();
    let mut second = home.narae(&["serve", "--http", "127.0.0.1:0", "--workers", "1", "--name", "second"]);
    second.stdout(std::process::Stdio::null());
    let mut second = Program::start(second);
    second.line_with("narae status second");
    let told = home.tell(&["list", "--json"]);
    assert_eq!(told.code, Some(0));
    let list: Vec<narae::cluster::Status> = serde_json::from_str(&told.said).unwrap();
    let names: Vec<&str> = list.iter().map(|status| status.name.as_str()).collect();
    assert_eq!(names, ["first", "second"]);
    assert!(list.iter().all(|status| status.state == "serving" && status.workers.len() == 1));
    let table = home.tell(&["list"]).said;
    assert!(table.contains("NAME") && table.contains("first") && table.contains("second"), "{table}");
}
