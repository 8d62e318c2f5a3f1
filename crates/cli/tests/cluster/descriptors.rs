//! Processes that run out of descriptors: they go on with what they have, rest where they cannot, and are well again as
//! soon as there are some.
//!
//! The limit of a running process is lowered to what it has. Whether it rests is told by its CPU time: a loop that asks
//! again and again would use all that it gets.

use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use rustix::process::{Resource, Rlimit, prlimit};

use crate::client::{Client, get};
use crate::home::{Home, eventually, pid_of};
use crate::program::Program;

/// A process that gets no descriptor beside those that it has, as long as this lives.
struct Exhausted {
    pid: i32,
    before: Rlimit,
}

impl Exhausted {
    fn new(pid: i32) -> Self {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
        let open: Vec<u64> =
            open.map(|entry| entry.unwrap().file_name().to_str().unwrap().parse().unwrap()).collect();
        let first_free = (0..).find(|number| !open.contains(number)).unwrap();
        let now = rustix::process::getrlimit(Resource::Nofile);
        let lowered = Rlimit { current: Some(first_free), maximum: now.maximum };
        let before = prlimit(Some(pid_of(pid)), Resource::Nofile, lowered).unwrap();
        Self { pid, before }
    }

    /// The process does next to nothing, for a while.
    #[track_caller]
    fn rests(&self) {
        let (began, before) = (Instant::now(), cpu(self.pid));
        // tidy: sleep ok: the time in which nothing is done is what is measured
        std::thread::sleep(Duration::from_millis(1500));
        let (window, used) = (began.elapsed(), cpu(self.pid) - before);
        println!("{used:?} of CPU in {window:?}");
        assert!(used < window / 5, "{used:?} of CPU in {window:?}");
    }
}

impl Drop for Exhausted {
    fn drop(&mut self) {
        // It may be gone.
        let _ = prlimit(Some(pid_of(self.pid)), Resource::Nofile, self.before);
    }
}

/// The CPU time of a process so far.
fn cpu(pid: i32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

fn asking(address: std::net::SocketAddr) -> Client {
    let mut client = Client::new(address);
    client.send("GET /pid HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    client
}

#[test]
fn a_worker_serves_on_rests_and_accepts_again() {
    let home = Home::new(1);
    let app = home.start();
    let pid = home.pids()[0];
    let mut old = Client::new(app.http);
    assert_eq!(old.pid(), pid);
    let exhausted = Exhausted::new(pid);
    let waiting: Vec<Client> = (0..20).map(|_| asking(app.http)).collect();
    let errors = || home.status().workers[0].counters["accept_errors"];
    eventually("error of accept", || (errors() > 0).then_some(()));
    exhausted.rests();
    // Some twenty times a second, and not as fast as it can.
    let (before, began) = (errors(), Instant::now());
    eventually("more errors", || (errors() > before + 5).then_some(()));
    let rate = f64::from(u32::try_from(errors() - before).unwrap()) / began.elapsed().as_secs_f64();
    assert!(rate < 100.0, "{rate} times a second");
    assert_eq!(old.pid(), pid, "who was there before is served");
    drop(exhausted);
    for mut client in waiting {
        assert_eq!(client.answer().unwrap().body, pid.to_string());
    }
    assert_eq!(home.pids(), [pid]);
}

#[test]
fn a_supervisor_lets_operators_wait_and_rests() {
    let home = Home::new(2);
    let app = home.start();
    let exhausted = Exhausted::new(home.status().pid);
    let mut command = home.narae(&["status", "--json"]);
    let mut asked: Vec<_> = (0..3).map(|_| command.stdout(Stdio::piped()).spawn().unwrap()).collect();
    exhausted.rests();
    assert_eq!(get(app.http, "/").body, "testbed");
    for child in &mut asked {
        assert!(child.try_wait().unwrap().is_none(), "it waits");
    }
    drop(exhausted);
    for child in asked {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{output:?}");
    }
    home.settled(2);
}

#[test]
fn a_supervisor_that_cannot_start_a_worker_tries_again_until_it_can() {
    let home = Home::new(2);
    let mut app = home.start();
    let before = home.pids();
    let exhausted = Exhausted::new(home.status().pid);
    crate::home::kill(before[1]);
    app.program.line_with("a worker cannot be started");
    exhausted.rests();
    assert_eq!(get(app.http, "/pid").body, before[0].to_string());
    drop(exhausted);
    let after = home.settled(2);
    assert_eq!(crate::home::serving(&after)[0], before[0]);
}

#[test]
fn a_worker_to_which_no_descriptor_can_be_sent_still_hears_that_it_is_to_leave() {
    let home = Home::new(1);
    let app = home.start();
    let old = home.pids()[0];
    let mut client = Client::new(app.http);
    assert_eq!(client.pid(), old);
    let exhausted = Exhausted::new(old);
    // The drain comes with a descriptor for idle connections, which does not arrive.
    let receipt = home.reload();
    drop(exhausted);
    assert_eq!((receipt.unreported, receipt.cut.len()), (0, 0), "{receipt}");
    assert_ne!(get(app.http, "/pid").body, old.to_string());
    home.settled(1);
}

#[test]
fn a_supervisor_that_gets_no_descriptor_from_a_worker_still_hears_it() {
    let home = Home::new(2);
    let mut app = home.start();
    let mut blocker = Client::new(app.http);
    blocker.send("GET /block?ms=5000 HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let exhausted = Exhausted::new(home.status().pid);
    eventually("handler that blocks", || home.path().join("blocking").exists().then_some(()));
    // The worker that is blocked accepts some of them, and then offers them to the other one.
    let waiting: Vec<Client> = (0..60).map(|_| asking(app.http)).collect();
    app.program.line_with("a connection was lost: there was no descriptor for it");
    exhausted.rests();
    drop(exhausted);
    drop(waiting);
    assert_eq!(blocker.answer().unwrap().body, "blocked");
    let receipt = home.reload();
    assert_eq!(receipt.unreported, 0, "{receipt}");
    home.settled(2);
}

#[test]
fn a_worker_lets_a_visitor_wait_and_rests() {
    let home = Home::new(1);
    let app = home.start();
    let pid = home.pids()[0];
    let folder = home.runtime_folder().join("testbed.d");
    let socket = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap().path();
    let exhausted = Exhausted::new(pid);
    let _visitor = visit(&socket);
    exhausted.rests();
    drop(exhausted);
    // It listens to its supervisor as before.
    let receipt = home.reload();
    assert_eq!(receipt.unreported, 0, "{receipt}");
    assert_ne!(get(app.http, "/pid").body, pid.to_string());
}

/// Knocks where the next supervisor would.
fn visit(path: &std::path::Path) -> OwnedFd {
    let socket =
        rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None);
    let socket = socket.unwrap();
    rustix::net::connect(&socket, &SocketAddrUnix::new(path).unwrap()).unwrap();
    socket
}

#[test]
fn a_file_that_cannot_be_opened_now_is_503_and_can_be_opened_later() {
    let home = Home::new(1);
    let site = home.path().join("site");
    std::fs::create_dir(&site).unwrap();
    for name in ["known.txt", "new.txt"] {
        std::fs::write(site.join(name), name).unwrap();
    }
    let mut command =
        home.narae(&["serve", "site", "--http", "127.0.0.1:0", "--workers", "1", "--log", "off"]);
    command.stdout(Stdio::null());
    let mut program = Program::start(command);
    let address = program.address("http://");
    let worker = eventually("worker", || home.pids().first().copied());
    let mut client = Client::new(address);
    assert_eq!(client.get("/known.txt").unwrap().body, "known.txt");
    let exhausted = Exhausted::new(worker);
    assert_eq!(client.get("/new.txt").unwrap().status, 503);
    exhausted.rests();
    drop(exhausted);
    assert_eq!(client.get("/new.txt").unwrap().body, "new.txt");
    assert_eq!(client.get("/known.txt").unwrap().body, "known.txt");
}
