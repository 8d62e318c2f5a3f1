//! Accept threads: fair among loops and among servers on one socket, never stuck with a loop that is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use narae_server::{Accept, Adopter, Builder, DrainSettings, Handed, Listener, Neighbours, Observer, Server};

use crate::client::{Client, Over, ask};
use crate::site::{Site, routes};

const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n";

/// Nobody else accepts.
struct Alone;

impl Neighbours for Alone {
    fn should_yield(&self) -> bool {
        false
    }

    fn pass_on(&self, connection: Handed) -> Result<(), Handed> {
        Err(connection)
    }
}

/// The other of two servers.
#[derive(Default)]
struct Pair {
    observers: [OnceLock<Observer>; 2],
    adopters: [OnceLock<Adopter>; 2],
}

struct Side(Arc<Pair>, usize);

impl Neighbours for Side {
    fn should_yield(&self) -> bool {
        let open = |side: usize| self.0.observers[side].get().map(|observer| observer.counts().open);
        open(self.1).zip(open(1 - self.1)).is_some_and(|(own, other)| own > other + 8)
    }

    fn pass_on(&self, connection: Handed) -> Result<(), Handed> {
        match self.0.adopters[1 - self.1].get() {
            Some(adopter) => adopter.adopt(connection),
            None => Err(connection),
        }
    }
}

fn threads(count: usize, neighbours: impl Neighbours) -> Builder {
    let count = NonZeroUsize::new(count).unwrap();
    Server::builder().threads(count).accept(Accept::Threads(Arc::new(neighbours)))
}

/// Two servers on one socket. The routes of each say which it is.
fn pair(count: usize, routers: [Router; 2]) -> (Vec<Site>, Arc<Pair>, SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let pair = Arc::new(Pair::default());
    let mut sites = Vec::new();
    for (side, router) in routers.into_iter().enumerate() {
        let site = Site::sharing(router, threads(count, Side(Arc::clone(&pair), side)), &socket);
        assert!(pair.observers[side].set(site.running().observer()).is_ok());
        assert!(pair.adopters[side].set(site.running().adopter()).is_ok());
        sites.push(site);
    }
    (sites, pair, socket.local_addr().unwrap())
}

/// A route that blocks its event loop until something is sent.
fn blocking() -> (Router, mpsc::Sender<()>) {
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = Arc::new(Mutex::new(blocked));
    let block = move || async move {
        let _ = blocked.lock().unwrap().recv();
        "released"
    };
    (routes().route("/block", get(block)), release)
}

fn block(site: &Site) -> Client {
    let mut client = Client::plain(site);
    client.send("GET /block HTTP/1.1\r\nHost: a\r\n\r\n");
    site.wait_for(|counts| counts.requests >= 1);
    client
}

#[test]
fn connections_are_spread_evenly_over_loops() {
    let site = Site::built(routes(), threads(4, Alone));
    let clients: Vec<_> = (0..400).map(|_| ask(&site, Over::Plain, HELLO).1).collect();
    let spread = site.running().spread();
    assert_eq!(spread.iter().sum::<u64>(), 400);
    assert!(spread.iter().all(|open| (95..=105).contains(open)), "{spread:?}");
    assert_eq!(site.running().counts().accepted, 400);
    drop(clients);
}

#[test]
fn tls_and_unix_sockets_are_accepted_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("site.sock");
    let builder = threads(2, Alone).listen(Listener::unix(&path).unwrap());
    let site = Site::built(routes(), builder);
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("Hello, World!"), "{answer}");
    let (reply, _client) = ask(&site, Over::Tls, HELLO);
    assert_eq!(reply.body, "Hello, World!");
}

#[test]
fn a_blocked_loop_gets_no_connections_and_what_it_has_goes_to_another() {
    let (router, release) = blocking();
    let site = Site::built(router, threads(2, Alone));
    // Dropped before the site, so that a failure does not wait for the blocked loop.
    let release = release;
    let mut stuck = block(&site);
    let mut clients = Vec::new();
    for _ in 0..30 {
        // Each is answered although the blocked loop has the fewest connections.
        clients.push(ask(&site, Over::Plain, HELLO).1);
    }
    // One that has just changed its loop may be counted for both.
    site.wait_for(|_| sorted(&site) == [1, 30]);
    release.send(()).unwrap();
    assert_eq!(stuck.reply().body, "released");
    // It is well again and gets its share.
    clients.extend((0..20).map(|_| ask(&site, Over::Plain, HELLO).1));
    site.wait_for(|_| sorted(&site).iter().sum::<u64>() == 51);
    let spread = sorted(&site);
    assert!(spread[0] > 1, "{spread:?}");
}

/// Connections of each loop, the fewest first.
fn sorted(site: &Site) -> Vec<u64> {
    let mut spread = site.running().spread();
    spread.sort_unstable();
    spread
}

#[test]
fn what_no_loop_takes_is_passed_on() {
    let (first, release) = blocking();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let pair = Arc::new(Pair::default());
    let stuck = Site::sharing(first, threads(1, Side(Arc::clone(&pair), 0)), &socket);
    let mut client = block(&stuck);
    let mut waiting = Client::plain(&stuck);
    waiting.send(HELLO);
    stuck.wait_for(|counts| counts.accepted == 2);
    // The second server listens elsewhere: it gets the connection by no other way.
    let other = Router::new().route("/", get(|| async { "the other" }));
    let other = Site::built(other, threads(1, Side(Arc::clone(&pair), 1)));
    assert!(pair.adopters[1].set(other.running().adopter()).is_ok());
    assert_eq!(waiting.reply().body, "the other");
    let counts = stuck.running().counts();
    assert_eq!((counts.passed_on, counts.open), (1, 1));
    let counts = other.running().counts();
    assert_eq!((counts.adopted, counts.accepted, counts.open), (1, 0, 1));
    release.send(()).unwrap();
    assert_eq!(client.reply().body, "released");
}

#[test]
fn two_servers_share_a_socket_evenly() {
    let (sites, _pair, _) = pair(1, [routes(), routes()]);
    let clients: Vec<_> = (0..1000).map(|_| ask(&sites[0], Over::Plain, HELLO).1).collect();
    let open: Vec<_> = sites.iter().map(|site| site.running().counts().open).collect();
    assert_eq!(open.iter().sum::<u64>(), 1000);
    assert!(open.iter().all(|open| (450..=550).contains(open)), "{open:?}");
    drop(clients);
}

#[test]
fn a_drain_loses_no_connection_that_was_accepted() {
    let (mut sites, _pair, address) = pair(2, [routes(), routes()]);
    let done = Arc::new(AtomicBool::new(false));
    let survivor = sites.pop().unwrap();
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let done = Arc::clone(&done);
            std::thread::spawn(move || {
                let mut answered = 0;
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(Client::at(address).send(HELLO).reply().body, "Hello, World!");
                    answered += 1;
                }
                answered
            })
        })
        .collect();
    let leaving = sites.pop().unwrap();
    leaving.wait_for(|counts| counts.requests > 100);
    let report =
        leaving.stop(DrainSettings { linger: Duration::from_secs(1), deadline: Duration::from_secs(20) });
    let requests = survivor.running().counts().requests;
    survivor.wait_for(|counts| counts.requests > requests + 100);
    done.store(true, Ordering::Relaxed);
    let answered: u64 = clients.into_iter().map(|client| client.join().unwrap()).sum();
    assert!(answered > 200);
    assert_eq!((report.reset, report.cut.len()), (0, 0));
}

#[test]
fn the_limit_of_connections_is_kept() {
    let limits = narae_server::Limits::default().max_connections(Some(2));
    let site = Site::built(routes(), threads(2, Alone).limits(limits));
    let (_, first) = ask(&site, Over::Plain, HELLO);
    let (_, _second) = ask(&site, Over::Plain, HELLO);
    let mut third = Client::plain(&site);
    third.send(HELLO);
    site.wait_for(|counts| counts.accept_waits >= 1);
    assert_eq!(site.running().counts().open, 2);
    drop(first);
    assert_eq!(third.reply().body, "Hello, World!");
}

mod a_process_without_descriptors {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::*;

    const IN_CHILD: &str = "NARAE_TEST_SERVES_WITH_FEW_DESCRIPTORS";

    /// The server of the test below, in a process of its own, since the limit is the whole process's.
    #[test]
    fn serves_for_the_test_below() {
        if std::env::var_os(IN_CHILD).is_none() {
            return;
        }
        let limits = narae_server::Limits::default().max_connections(Some(10_000));
        let site = Site::built(routes(), threads(1, Alone).limits(limits));
        let limit = rustix::process::Rlimit { current: Some(60), maximum: Some(60) };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
        println!("\naddress {}", site.plain);
        site.wait_for(|counts| counts.accept_errors >= 1);
        println!("\nfull {}", site.running().counts().open);
        // Until the other process goes.
        let _ = std::io::stdin().read(&mut [0]);
        println!("\nerrors {}", site.running().counts().accept_errors);
    }

    fn line(output: &mut impl BufRead, name: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "no {name}");
            if let Some(value) = line.strip_prefix(name) {
                return value.trim().to_owned();
            }
        }
    }

    #[test]
    fn accepts_on_when_there_are_some_again() {
        let mut child: Child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--nocapture",
                "--exact",
                "accept::a_process_without_descriptors::serves_for_the_test_below",
            ])
            .env(IN_CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let address: SocketAddr = line(&mut output, "address ").parse().unwrap();
        let mut clients: Vec<_> = (0..100).map(|_| Client::at(address)).collect();
        for client in &mut clients {
            client.send(HELLO);
        }
        let open: u64 = line(&mut output, "full ").parse().unwrap();
        assert!((1..60).contains(&open), "{open}");
        // In the order in which they are accepted; the last find room only when the first have left.
        for mut client in clients {
            assert_eq!(client.reply().body, "Hello, World!");
        }
        drop(child.stdin.take());
        let errors: u64 = line(&mut output, "errors ").parse().unwrap();
        assert!((1..1000).contains(&errors), "{errors}");
        assert!(child.wait().unwrap().success());
    }
}
