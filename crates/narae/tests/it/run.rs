//! `run`: banner, signals, inherited sockets. Each test runs this test binary again as a program of its own.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStderr, Command, Stdio};

use narae::Log;
use narae::prelude::*;
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process};

use crate::client::Client;

/// The program. As a test of its own it does nothing.
#[test]
fn program() {
    if std::env::var_os("RUN_AS_PROGRAM").is_none() {
        return;
    }
    let router = || {
        let limit = || async { format!("{:?}", getrlimit(Resource::Nofile)) };
        Router::new().route("/", get(|| async { "hello" })).route("/limit", get(limit))
    };
    let outcome = narae::app(router)
        .http("127.0.0.1:0")
        .name("greeter")
        .serving("a greeting")
        .workers(0)
        .threads(1)
        .access_log(Log::off())
        .arguments(false)
        .run();
    assert!(outcome.is_ok(), "{outcome:?}");
}

struct Program {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStderr>>,
}

impl Program {
    fn start(mut command: Command) -> Self {
        let mut child =
            command.env("RUN_AS_PROGRAM", "1").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The lines of the standard error output until one holds `text`.
    fn until(&mut self, text: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for line in self.lines.by_ref() {
            lines.push(line.unwrap());
            if lines.last().unwrap().contains(text) {
                return lines;
            }
        }
        panic!("no line with {text:?}: {lines:#?}");
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It has ended already if the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn itself() -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "run::program", "--nocapture", "--test-threads=1"]);
    command
}

fn address_in(line: &str) -> SocketAddr {
    line.split("http://").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_banner_says_where_and_a_signal_stops_with_a_report() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let mut program = Program::start(itself());
        let banner = program.until("Ctrl-C");
        let text = banner.join("\n");
        for part in [
            "greeter on narae",
            "http://127.0.0.1:",
            "HTTP/1.1",
            "a greeting",
            "event loops  1 in this process",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains('\x1b'), "no colours outside of a terminal: {text}");
        let address = address_in(banner.iter().find(|line| line.contains("http://")).unwrap());
        let mut client = Client::connect(address);
        assert_eq!(client.get("/").body, "hello");
        drop(client);
        // The handlers stand: they are registered before the banner.
        program.signal(signal);
        let report = program.until("drained").pop().unwrap();
        assert!(report.contains("requests served 1 · cut 0"), "{report}");
        assert!(program.child.wait().unwrap().success());
    }
}

#[test]
fn a_second_signal_does_not_wait_for_idle_connections() {
    let mut program = Program::start(itself());
    let banner = program.until("Ctrl-C");
    let address = address_in(banner.iter().find(|line| line.contains("http://")).unwrap());
    let mut client = Client::connect(address);
    assert_eq!(client.get("/").body, "hello");
    let begun = std::time::Instant::now();
    program.signal(Signal::TERM);
    program.until("again to stop at once");
    program.signal(Signal::TERM);
    program.until("drained 1 connections");
    assert!(begun.elapsed().as_secs() < 4, "less than the linger of 5 s");
    assert!(program.child.wait().unwrap().success());
}

/// The program with `listener` where a service manager would put it, under `name`.
fn inheriting(listener: TcpListener, name: &str) -> Command {
    let mut shell = Command::new("sh");
    let script = "exec 3<&0 0</dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" \"$@\"";
    shell.args(["-c", script]).arg(std::env::current_exe().unwrap());
    shell.args(["--exact", "run::program", "--nocapture", "--test-threads=1"]);
    shell.env("LISTEN_FDNAMES", name).stdin(OwnedFd::from(listener));
    shell
}

#[test]
fn inherited_sockets_take_the_place_of_configured_ones() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let mut program = Program::start(inheriting(listener, "web"));
    let banner = program.until("Ctrl-C").join("\n");
    assert!(banner.contains(&format!("http://{address}")) && banner.contains("inherited"), "{banner}");
    assert_eq!(banner.matches("http://").count(), 1, "{banner}");
    assert_eq!(Client::connect(address).get("/").body, "hello");
    program.signal(Signal::TERM);
    program.until("drained");
    assert!(program.child.wait().unwrap().success());
}

#[test]
fn an_inherited_socket_that_is_named_https_speaks_tls() {
    let state = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut command = inheriting(listener, "https-web");
    command.env("XDG_STATE_HOME", state.path());
    let banner = Program::start(command).until("Ctrl-C").join("\n");
    assert!(banner.contains(&format!("https://localhost:{port}")), "{banner}");
    assert_eq!(banner.matches("http://").count(), 1, "the plain address stays: {banner}");
    assert!(
        banner.contains(&state.path().join("narae/development/localhost.pem").display().to_string()),
        "{banner}"
    );
}

#[test]
fn the_soft_limit_of_open_files_is_raised_to_the_hard_one() {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", "ulimit -Sn 300; ulimit -Hn 400; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap());
    shell.args(["--exact", "run::program", "--nocapture", "--test-threads=1"]);
    let mut program = Program::start(shell);
    let banner = program.until("Ctrl-C");
    let address = address_in(banner.iter().find(|line| line.contains("http://")).unwrap());
    let limit = Client::connect(address).get("/limit").body;
    assert!(limit.contains("current: Some(400)"), "{limit}");
}
