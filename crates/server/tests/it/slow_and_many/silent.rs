//! Twenty thousand connections that say nothing.
//!
//! The clients are processes of their own, so that this one needs one descriptor for each connection, and its memory is
//! the server's. Where the system does not allow so many descriptors, the test says so and takes as many as it can get.

use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use narae_server::Limits;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{newcomer, nothing_is_left, while_newcomers_come};
use crate::client::Client;
use crate::site::Site;
use crate::under_attack::resident;

const WANTED: usize = 20_000;

/// Descriptors of this process beside the connections, newcomers' included.
const OTHERS: usize = 200;

/// Connections of one client process.
const EACH: usize = 5_000;

/// What a connection that has said nothing may cost, in bytes: task, socket and its place in tables, in a debug build.
const MOST_EACH: usize = 6 * 1024;

const IN_CHILD: &str = "NARAE_TEST_HOLDS_SILENT_CONNECTIONS";

/// Raises the limit of descriptors as far as it goes; how far that is.
fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    limit.maximum.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX)
}

/// A client of the test below: connects, says so, and waits until it is to go.
#[test]
fn holds_connections_for_the_test_below() {
    let Ok(wish) = std::env::var(IN_CHILD) else { return };
    raise_limit();
    let mut words = wish.split(' ');
    let server: SocketAddr = words.next().unwrap().parse().unwrap();
    let from: SocketAddr = words.next().unwrap().parse().unwrap();
    let count: usize = words.next().unwrap().parse().unwrap();
    let connect = |_| {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&from.into()).unwrap();
        socket.connect(&server.into()).unwrap();
        socket
    };
    let _held: Vec<_> = (0..count).map(connect).collect();
    println!("\nholds all");
    // Until the other process goes.
    let _ = std::io::stdin().read(&mut [0]);
}

/// A process that holds connections until this is dropped.
struct Holder {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Holder {
    /// The address is of its own, so that ports do not run short.
    fn start(site: &Site, number: usize, count: usize) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--nocapture", "--exact", "slow_and_many::silent::holds_connections_for_the_test_below"])
            .env(IN_CHILD, format!("{} 127.0.0.{}:0 {count}", site.plain, number + 2))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn wait_until_it_holds_all(&mut self) {
        assert!(self.lines.any(|line| line.unwrap() == "holds all"), "a client could not connect");
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // It may be gone already.
        let _ = self.child.wait();
    }
}

#[test]
fn twenty_thousand_silent_connections_keep_nobody_out() {
    let count = WANTED.min(raise_limit() - OTHERS);
    if count < WANTED {
        // Past the harness, so that it is seen also where the test succeeds.
        let said = format!("only {count} silent connections: the hard limit of descriptors allows no more\n");
        std::io::stderr().write_all(said.as_bytes()).unwrap();
    }
    let patient = Limits::default().first_byte(Duration::from_secs(600));
    let site = Site::limited(patient.max_connections(Some(count + OTHERS / 2)));
    newcomer(Client::tls_at(site.tls));
    let before = resident();
    let mut left = Vec::new();
    for wave in ["first", "second"] {
        let mut holders: Vec<Holder> = Vec::new();
        for (number, first) in (0..count).step_by(EACH).enumerate() {
            holders.push(Holder::start(&site, number, EACH.min(count - first)));
        }
        for holder in &mut holders {
            holder.wait_until_it_holds_all();
        }
        site.wait_for(|counts| counts.open >= count as u64);
        let grown = resident().saturating_sub(before);
        println!("{count} silent connections, {wave} wave: {} bytes each", grown / count);
        assert!(grown < count * MOST_EACH, "{count} connections cost {grown} bytes");
        while_newcomers_come(&format!("{count} silent connections, {wave} wave"), &site, |wait| {
            for _ in 0..10 {
                wait();
                let open = site.running().counts().open;
                assert!(open >= count as u64, "{open} of {count} hold");
            }
        });
        drop(holders);
        nothing_is_left(&site);
        left.push(resident());
    }
    println!("resident before {before}, after each wave {left:?}");
    // The allocator may keep what the first wave needed, but needs no more for the second.
    assert!(left[1] < left[0] + (16 << 20), "{left:?}");
}
