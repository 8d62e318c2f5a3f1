//! Workers as another user: only root can say so, and then it holds.

use std::net::TcpListener;

use crate::client::get;
use crate::home::Home;

fn about(pid: i32, key: &str) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.split_whitespace().map(str::to_owned).collect()
}

/// A port that only root may bind, free just now.
fn low_port() -> Option<u16> {
    (600..1024).rev().find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
}

#[test]
fn workers_run_as_the_user_that_was_named_on_a_port_that_needs_root() {
    let home = Home::new(2).with(&["--user", "nobody"]);
    if !rustix::process::geteuid().is_root() {
        let (code, said) = home.run();
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("only root can become nobody"), "{said}");
        return;
    }
    let port = low_port().unwrap();
    home.settings(&format!("{}\n", crate::home::QUICK));
    let mut command = home.command();
    let address = format!("127.0.0.1:{port}");
    command.args(["--http", &address]);
    let app = home.start_with(command);
    let nobody = about_nobody();
    for _ in 0..2 {
        for pid in home.settled(2).workers.into_iter().map(|worker| worker.pid) {
            assert_eq!(about(pid, "Uid:"), vec![nobody.clone(); 4]);
            assert_eq!(about(pid, "NoNewPrivs:"), ["1"]);
            assert_eq!(about(pid, "CapEff:"), ["0000000000000000"]);
        }
        assert_eq!(get(address.parse().unwrap(), "/").status, 200);
        // And those that come after them, too.
        home.reload();
    }
    drop(app);
}

fn about_nobody() -> String {
    let text = std::fs::read_to_string("/etc/passwd").unwrap();
    let line = text.lines().find(|line| line.starts_with("nobody:")).unwrap();
    line.split(':').nth(2).unwrap().to_owned()
}

#[test]
fn workers_can_gain_no_privileges_even_without_a_user() {
    let home = Home::new(1);
    let _app = home.start();
    assert_eq!(about(home.pids()[0], "NoNewPrivs:"), ["1"]);
}
