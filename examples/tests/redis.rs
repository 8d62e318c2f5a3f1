//! The lessons that need Redis, run as programs against a redis-server that the test starts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "../../crates/cli/tests/program.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod program;

mod lesson;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use lesson::cookie_of;
use narae::cookies::{Secrets, SetCookie};
use program::{PATIENCE, Program, ask};

/// A redis-server on a port of its own, which keeps nothing; killed when dropped.
struct Redis {
    child: Child,
    port: u16,
    /// Kept open: a server whose log nobody can take stops.
    _log: BufReader<ChildStdout>,
    _folder: tempfile::TempDir,
}

impl Redis {
    fn start() -> Self {
        // Another program may take the port before the server does: then it ends, and another one is tried.
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let folder = tempfile::tempdir().unwrap();
            let mut child = Command::new("redis-server")
                .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
                .args(["--port", &port.to_string()])
                .arg("--dir")
                .arg(folder.path())
                .stdout(Stdio::piped())
                .spawn()
                .expect("redis-server is installed: cargo xtask test does that");
            let mut log = BufReader::new(child.stdout.take().unwrap());
            let ready =
                log.by_ref().lines().map_while(Result::ok).any(|line| line.contains("Ready to accept"));
            if ready {
                return Self { child, port, _log: log, _folder: folder };
            }
            child.wait().unwrap();
        }
        panic!("redis-server does not start");
    }

    /// Sends a command, its words as they are; the reply up to its first line's end.
    fn ask(&self, words: &[&str]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut command = format!("*{}\r\n", words.len());
        for word in words {
            command += &format!("${}\r\n{word}\r\n", word.len());
        }
        stream.write_all(command.as_bytes()).unwrap();
        let mut replies = BufReader::new(stream).lines().map_while(Result::ok);
        let first = replies.next().unwrap();
        // A text comes after its length.
        if first.starts_with('$') && first != "$-1" { replies.next().unwrap() } else { first }
    }

    fn lesson(&self, name: &str) -> (Program, tempfile::TempDir) {
        let url = format!("redis://127.0.0.1:{}", self.port);
        lesson::start(name, |command| command.args(["--http", "127.0.0.1:0"]).env("REDIS_URL", url))
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn send(address: SocketAddr, method: &str, path: &str, cookie: &str, body: &str) -> String {
    let fields = format!("Cookie: {cookie}\r\nContent-Length: {}", body.len());
    ask(address, &format!("{method} {path} HTTP/1.0\r\nHost: a\r\n{fields}\r\n\r\n{body}"))
}

#[test]
fn redis_sessions_count_list_devices_and_log_out_everywhere() {
    let redis = Redis::start();
    // Two servers, as two machines would be.
    let ((mut one, _home), (mut two, _other_home)) =
        (redis.lesson("redis_sessions"), redis.lesson("redis_sessions"));
    let (one, two) = (one.address("http://"), two.address("http://"));
    let first = send(one, "GET", "/", "a=b", "");
    assert!(first.ends_with("visit 1 of nobody\n"), "{first}");
    let anonymous = cookie_of(&first).to_owned();
    assert!(send(two, "GET", "/", &anonymous, "").ends_with("visit 2 of nobody\n"));
    let logged_in = send(two, "POST", "/login", &anonymous, "ada");
    let cookie = cookie_of(&logged_in);
    assert_ne!(cookie, anonymous, "a login gives a new id");
    assert!(send(one, "GET", "/", cookie, "").ends_with("visit 3 of ada\n"));
    let phone = send(one, "POST", "/login", "a=b", "ada");
    let phone = cookie_of(&phone);
    let devices = send(two, "GET", "/devices", cookie, "");
    assert_eq!(devices.matches(", this one\n").count(), 1, "{devices}");
    assert!(send(two, "POST", "/logout", cookie, "").ends_with("2 sessions ended\n"));
    assert!(send(one, "GET", "/", phone, "").ends_with("visit 1 of nobody\n"));
}

#[test]
fn express_sessions_read_what_express_wrote_and_write_what_it_reads() {
    let redis = Redis::start();
    let (mut program, _home) = redis.lesson("express_sessions");
    let address = program.address("http://");

    // A login on Express, as connect-redis keeps it.
    let id = "kPUWVRpfMHmKyK_bHSLdvqDBFGMFMlSG";
    let record = r#"{"cookie":{"originalMaxAge":1200000,"expires":"2126-11-21T01:53:23.143Z","httpOnly":true,"path":"/","sameSite":"lax"},"user":"ada","cart":[1,2]}"#;
    redis.ask(&["SET", &format!("sess:{id}"), record, "EX", "1200"]);
    let secrets = Secrets::new(["a lesson's older secret"]).unwrap();
    let sent = SetCookie::new("connect.sid", &secrets.sign_cookie(id)).unwrap().to_header().unwrap();

    let answer = send(address, "GET", "/", &sent, "");
    assert!(answer.ends_with("views 1 of ada\n"), "{answer}");
    let kept = redis.ask(&["GET", &format!("sess:{id}")]);
    assert!(kept.starts_with(r#"{"cookie":{"originalMaxAge":1200000,"expires":"20"#), "{kept}");
    assert!(kept.ends_with(r#""user":"ada","cart":[1,2],"views":1}"#), "{kept}");

    let answer = send(address, "POST", "/login/eve", &sent, "");
    let new = cookie_of(&answer);
    assert!(new.starts_with("connect.sid=s%3A") && !answer.contains("Max-Age"), "{answer}");
    assert_eq!(redis.ask(&["EXISTS", &format!("sess:{id}")]), ":0", "the old id is dead");
    assert!(send(address, "GET", "/", new, "").ends_with("views 1 of eve\n"));
    assert!(send(address, "POST", "/logout", new, "").ends_with("goodbye\n"));
    assert_eq!(redis.ask(&["DBSIZE"]), ":0");
    assert!(send(address, "GET", "/", new, "").ends_with("views 1 of nobody\n"));
}
