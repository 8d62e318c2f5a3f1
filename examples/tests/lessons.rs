//! Every lesson is run as a program and asked what it promises.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "../../crates/cli/tests/program.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod program;

mod lesson;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

use lesson::cookie_of;
use program::{PATIENCE, Program, ask, get};
use rustix::process::Signal;

/// Starts the example `name` with `arguments`.
fn lesson(name: &str, arguments: &[&str]) -> (Program, tempfile::TempDir) {
    lesson::start(name, |command| command.args(arguments))
}

const HTTP: [&str; 2] = ["--http", "127.0.0.1:0"];
const BOTH: [&str; 4] = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"];

#[test]
fn hello_says_hello() {
    let (mut program, _home) = lesson("hello", &HTTP);
    assert!(get(program.address("http://"), "/").ends_with("Hello, World!\n"));
}

#[test]
fn function_answers_every_path() {
    let (mut program, _home) = lesson("function", &HTTP);
    assert!(get(program.address("http://"), "/any/path").ends_with("You asked for GET /any/path\n"));
}

#[test]
fn html_file_serves_the_file_and_hides_why_another_is_missing() {
    let (mut program, _home) = lesson("html_file", &HTTP);
    let address = program.address("http://");
    let page = get(address, "/");
    assert!(page.contains("text/html") && page.contains("A page from a file"), "{page}");
    let missing = get(address, "/missing");
    assert!(missing.contains(" 500 ") && !missing.contains("No such file"), "{missing}");
    program.line_with("No such file");
    assert!(get(address, "/elsewhere").contains(" 404 "));
}

#[test]
fn rest_lists_creates_replaces_and_deletes() {
    let (mut program, _home) = lesson("rest", &HTTP);
    let address = program.address("http://");
    let send = |method: &str, path: &str, body: &str| {
        let fields = format!("Content-Type: application/json\r\nContent-Length: {}", body.len());
        ask(address, &format!("{method} {path} HTTP/1.0\r\nHost: a\r\n{fields}\r\n\r\n{body}"))
    };
    let created = send("POST", "/users", r#"{"name":"Ada"}"#);
    assert!(created.contains(" 201 ") && created.contains("location: /users/1\r\n"), "{created}");
    assert!(get(address, "/users/1").ends_with(r#"{"name":"Ada"}"#));
    assert!(send("PUT", "/users/1", r#"{"name":"Ada L."}"#).contains(" 200 "));
    assert!(get(address, "/users").ends_with(r#"{"1":{"name":"Ada L."}}"#));
    assert!(send("PATCH", "/users/1", "{}").to_lowercase().contains("allow: get,head,put,delete"));
    assert!(send("DELETE", "/users/1", "").contains(" 204 "));
    assert!(get(address, "/users/1").contains(" 404 "));
}

#[test]
fn cookies_counts_visits_and_forgets_them() {
    let (mut program, _home) = lesson("cookies", &HTTP);
    let address = program.address("http://");
    let send = |path: &str, cookie: &str| {
        ask(address, &format!("GET {path} HTTP/1.0\r\nHost: a\r\nCookie: {cookie}\r\n\r\n"))
    };
    let first = get(address, "/");
    assert!(first.ends_with("visit 1\n") && cookie_of(&first) == "visits=1", "{first}");
    assert!(first.contains("; Max-Age=2592000; Path=/; HttpOnly; SameSite=Lax\r\n"), "{first}");
    let second = send("/", cookie_of(&first));
    assert!(second.ends_with("visit 2\n") && cookie_of(&second) == "visits=2", "{second}");
    assert!(send("/", "visits=many").ends_with("visit 1\n"), "a stranger's text is no number");
    let forgotten = send("/forget", "visits=2");
    assert!(forgotten.contains("set-cookie: visits=; Path=/; Expires=Thu, 01 Jan 1970"), "{forgotten}");
}

#[test]
fn signed_cookies_knows_who_signed_in_and_takes_no_ones_word() {
    let (mut program, _home) = lesson("signed_cookies", &HTTP);
    let address = program.address("http://");
    let send = |method: &str, path: &str, cookie: &str, body: &str| {
        let fields = format!("Cookie: {cookie}\r\nContent-Length: {}", body.len());
        ask(address, &format!("{method} {path} HTTP/1.0\r\nHost: a\r\n{fields}\r\n\r\n{body}"))
    };
    let signed_in = send("POST", "/sign-in", "a=b", "ada");
    let cookie = cookie_of(&signed_in);
    assert!(cookie.starts_with("user=s%3Aada."), "{signed_in}");
    assert!(send("GET", "/", cookie, "").ends_with("hello ada\n"));
    for forged in ["user=ada", "user=s%3Aada", &cookie.replace("ada", "eve")] {
        assert!(send("GET", "/", forged, "").contains(" 401 "), "{forged}");
    }
    let signed_out = send("POST", "/sign-out", cookie, "");
    assert!(signed_out.contains("set-cookie: user=; Path=/; Expires=Thu, 01 Jan 1970"), "{signed_out}");
}

#[test]
fn login_remembers_who_logged_in_and_forgets_who_logged_out() {
    let (mut program, home) = lesson("login", &HTTP);
    let address = program.address("http://");
    let send = |method: &str, path: &str, cookie: &str, body: &str| {
        let fields = "Content-Type: application/x-www-form-urlencoded";
        let fields = format!("Cookie: {cookie}\r\n{fields}\r\nContent-Length: {}", body.len());
        ask(address, &format!("{method} {path} HTTP/1.0\r\nHost: a\r\n{fields}\r\n\r\n{body}"))
    };
    let stranger = send("GET", "/", "a=b", "");
    assert!(stranger.contains("Log in") && !stranger.contains("set-cookie"), "{stranger}");
    let wrong = send("POST", "/login", "a=b", "name=ada&password=byron");
    assert!(wrong.contains(" 303 ") && wrong.contains("; Path=/; HttpOnly; SameSite=Lax\r\n"), "{wrong}");
    assert!(send("GET", "/", cookie_of(&wrong), "").contains("error: wrong name or password"));
    assert!(!send("GET", "/", cookie_of(&wrong), "").contains("error:"), "shown once");

    let right = send("POST", "/login", cookie_of(&wrong), "name=ada&password=lovelace&remember=on");
    let cookie = cookie_of(&right);
    assert_ne!(cookie, cookie_of(&wrong), "a login gives a new id");
    assert!(right.contains("; Max-Age=2592000; "), "{right}");
    let page = send("GET", "/", cookie, "");
    assert!(page.contains("info: welcome") && page.contains("hello ada"), "{page}");
    assert!(home.path().join("sessions/data.mdb").exists());

    let logged_out = send("POST", "/logout", cookie, "");
    assert!(logged_out.contains("set-cookie: sid=; Path=/; Expires=Thu, 01 Jan 1970"), "{logged_out}");
    assert!(send("GET", "/", cookie, "").contains("Log in"), "a copy of the cookie is worth nothing");
}

#[test]
fn basic_auth_lets_two_people_see_the_reports() {
    let (mut program, _home) = lesson("basic_auth", &HTTP);
    let address = program.address("http://");
    // "ada:lovelace", "grace:hopper", "ada:hopper"
    let [ada, grace, wrong] = ["YWRhOmxvdmVsYWNl", "Z3JhY2U6aG9wcGVy", "YWRhOmhvcHBlcg=="];
    let send = |path: &str, credentials: &str| {
        let field = format!("Authorization: Basic {credentials}");
        ask(address, &format!("GET {path} HTTP/1.0\r\nHost: a\r\n{field}\r\n\r\n"))
    };
    assert!(get(address, "/").ends_with("for everyone\n"));
    for answer in [get(address, "/reports"), get(address, "/reports/x"), send("/reports", wrong)] {
        let challenge = "www-authenticate: Basic realm=\"reports\", charset=\"UTF-8\"\r\n";
        assert!(answer.contains(" 401 ") && answer.contains(challenge), "{answer}");
    }
    for right in [ada, grace, ada] {
        assert!(send("/reports", right).ends_with("reports for Ada and Grace\n"));
        assert!(send("/reports/x", right).contains(" 404 "));
    }
}

#[test]
fn https_tells_plain_from_encrypted() {
    let (mut program, home) = lesson("https", &BOTH);
    assert!(get(program.address("http://"), "/").ends_with("not encrypted: try https\n"));
    program.address("https://");
    assert!(home.path().join(".local/state/narae/development/localhost.pem").exists());
}

#[test]
fn http2_speaks_the_version_of_the_client() {
    let (mut program, _home) = lesson("http2", &BOTH);
    let address = program.address("http://");
    assert!(get(address, "/").ends_with("you speak HTTP/1.0\n"));
    // The first frame of the answer to an HTTP/2 preface is SETTINGS (RFC 9113 §3.4).
    let mut stream = connect(address);
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut head = [0; 9];
    std::io::Read::read_exact(&mut stream, &mut head).unwrap();
    assert_eq!(head[3], 4);
}

#[test]
fn an_existing_app_keeps_its_layers_and_extractors() {
    let (mut program, _home) = lesson("existing_app", &HTTP);
    let address = program.address("http://");
    let answer = get(address, "/whoami");
    assert!(answer.ends_with("hello 127.0.0.1\n"), "{answer}");
    let head = answer.to_lowercase();
    assert!(
        head.contains("x-frame-options: deny") && head.contains("access-control-allow-origin: *"),
        "{head}"
    );
    assert!(get(address, "/slow").contains(" 504 "));
}

#[test]
fn graceful_stop_finishes_requests_and_tells_streams() {
    let (mut program, _home) = lesson("graceful_stop", &HTTP);
    let address = program.address("http://");
    let mut clock = connect(address);
    clock.write_all(b"GET /clock HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut lines = BufReader::new(clock).lines();
    lines.find(|line| line.as_ref().unwrap().starts_with("data: 0")).unwrap().unwrap();
    let slow = std::thread::spawn(move || get(address, "/slow"));
    // The second request is seen by the server before the signal: its answer takes a second.
    lines.find(|line| line.as_ref().unwrap().starts_with("data: 3")).unwrap().unwrap();
    program.signal(Signal::TERM);
    assert!(lines.any(|line| line.is_ok_and(|line| line == "data: goodbye")));
    assert!(slow.join().unwrap().ends_with("slow, but whole\n"));
    let (status, said) = program.wait();
    assert!(status.success() && said.contains("drained 2 connections") && said.contains("cut 0"), "{said}");
}

#[test]
fn a_cluster_replaces_the_worker_that_dies_and_all_of_them_in_a_reload() {
    let (mut program, _home) = lesson("cluster", &HTTP);
    let address = program.address("http://");
    let answer = get(address, "/");
    assert!(answer.contains("worker ") && answer.contains("generation 1, process "), "{answer}");
    let pid = answer.split_once("process ").unwrap().1.split(':').next().unwrap();
    assert_ne!(pid, program.pid().to_string());
    let pid = rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    program.line_with("killed (SIGKILL)");

    let mut events = connect(address);
    events.write_all(b"GET /events HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut lines = BufReader::new(events).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("data: tick 0 of worker ") && line.contains("generation 1")));
    program.signal(Signal::HUP);
    assert!(lines.any(|line| line == "data: goodbye") && lines.any(|line| line == "retry: 100"));
    let receipt = program.line_with("reload 1 → 2: 2 workers");
    assert!(receipt.contains("reset 0") && receipt.contains("cut 0"), "{receipt}");
    assert!(get(address, "/").contains("generation 2"));
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}
