//! The start: what runs, what is said, and an exit code for what cannot start.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;

use crate::client::get;
use crate::home::{Home, QUICK, eventually};
use crate::program::Program;

fn parent_of(pid: i32) -> u32 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    rest.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn as_many_workers_serve_as_were_asked_for_and_the_status_says_so() {
    let home = Home::new(3);
    let app = home.start();
    let status = home.status();
    assert_eq!((status.name.as_str(), status.state.as_str(), status.generation), ("testbed", "serving", 1));
    assert_eq!(u32::try_from(status.pid).unwrap(), app.program.pid());
    assert_eq!(status.addresses, [format!("http://{}", app.http)]);
    assert!(status.broken_slots.is_empty() && status.memory > 0);
    let slots: Vec<usize> = status.workers.iter().map(|worker| worker.slot).collect();
    assert_eq!(slots, [0, 1, 2]);
    for worker in &status.workers {
        assert_eq!((worker.state.as_str(), worker.generation, worker.restarts), ("serving", 1, 0));
        assert_eq!(parent_of(worker.pid), app.program.pid());
        assert!(worker.memory > 1 << 20);
    }
    assert_eq!(home.tell(&["status"]).code, Some(0));
}

#[test]
fn every_worker_answers_and_counts_what_it_answered() {
    let home = Home::new(2);
    let app = home.start();
    let pids: BTreeSet<i32> = home.pids().into_iter().collect();
    let mut asked = 0;
    let mut seen = BTreeSet::new();
    eventually("answer from each worker", || {
        asked += 1;
        seen.insert(get(app.http, "/pid").body.parse::<i32>().unwrap());
        (seen == pids).then_some(())
    });
    let counted = home.status().workers.iter().map(|worker| worker.counters["requests"]).sum::<u64>();
    assert_eq!(counted, asked);
}

#[test]
fn all_workers_share_one_listening_socket() {
    let home = Home::new(2);
    let app = home.start();
    let port = format!(":{:04X} 00000000:0000 0A", app.http.port());
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows: Vec<&str> = table.lines().filter(|line| line.contains(&port)).collect();
    assert_eq!(rows.len(), 1, "{table}");
    let inode: u64 = rows[0].split_whitespace().nth(9).unwrap().parse().unwrap();
    for pid in home.pids() {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        let holds = open.filter_map(|fd| fd.unwrap().path().metadata().ok()).any(|file| file.ino() == inode);
        assert!(holds, "worker {pid} does not hold the socket");
    }
}

#[test]
fn with_zero_workers_one_process_does_everything() {
    let home = Home::new(0);
    let app = home.start();
    assert_eq!(get(app.http, "/pid").body, app.program.pid().to_string());
    assert_eq!(get(app.http, "/generation").body, "alone");
    assert_eq!(home.tell(&["status", "testbed"]).code, Some(7));
    app.stop();
}

#[test]
fn a_second_one_of_the_same_name_gets_a_number() {
    let home = Home::new(1);
    let _first = home.start();
    let mut second = Program::start(home.command());
    second.line_with("narae status testbed-2");
    let names = home.tell(&["list", "--json"]).said;
    assert!(names.contains("\"testbed\"") && names.contains("\"testbed-2\""), "{names}");
    let unnamed = home.tell(&["status"]);
    assert_eq!(unnamed.code, Some(2));
    assert!(unnamed.complained.contains("testbed, testbed-2"), "{unnamed:?}");
}

#[test]
fn a_name_that_the_operator_chose_is_not_changed_but_refused() {
    let home = Home::new(1).with(&["--name", "shop"]);
    let _first = home.start();
    let (code, said) = home.run();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("shop runs already"), "{said}");
}

#[test]
fn a_port_in_use_is_3() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = Home::new(1);
    let mut command = home.command();
    let output = command.args(["--http", &address]).stderr(Stdio::piped()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains(&address), "{said}");
}

#[test]
fn an_application_that_cannot_be_made_is_6_and_says_why_once_it_ends() {
    let home = Home::new(2);
    home.behave("start = error");
    let (code, said) = home.run();
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("the testbed was told to fail"), "{said}");
}

#[test]
fn a_broken_settings_file_is_2_and_names_the_line() {
    let home = Home::new(1);
    home.settings(&format!("{QUICK}colour = \"red\"\n"));
    let (code, said) = home.run();
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("narae.toml:7") && said.contains("colour"), "{said}");
}

#[test]
fn a_stop_finishes_the_requests_under_way() {
    let home = Home::new(2);
    let app = home.start();
    let address = app.http;
    let asks = std::thread::spawn(move || {
        let mut client = crate::client::Client::new(address);
        client.send("GET /slow?ms=1500 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        client.answer()
    });
    eventually("request under way", || {
        let open: u64 = home.status().workers.iter().map(|worker| worker.counters["open"]).sum();
        (open > 0).then_some(())
    });
    let said = app.stop();
    assert_eq!(asks.join().unwrap().unwrap().body, "slow");
    assert!(said.contains("cut 0"), "{said}");
}
