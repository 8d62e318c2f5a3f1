//! Peers that are slow, silent or many, and peers that are gone at once: whoever comes meanwhile is served, and
//! nothing of them is left.
//!
//! A newcomer is a connection of its own with one request. That it is served in good time is checked without a clock:
//! while it was asked, every attacker still held its connection. How long it took is printed.

mod handshakes;
mod resets;
mod silent;
mod slow;

use std::cell::Cell;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use narae_server::Counts;

use crate::client::{Client, PATIENCE};
use crate::site::Site;
use crate::under_attack::{resident, under_attack};

/// Newcomers that are served in each round of an attack.
const EACH_ROUND: usize = 5;

/// Rounds of an attack: signs of life of every attacker.
const ROUNDS: usize = 8;

/// Between two newcomers. The others are what is to keep the server busy.
const PAUSE: Duration = Duration::from_millis(2);

/// Comes, asks, is answered, and goes.
#[track_caller]
fn newcomer(mut client: Client) {
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(client.reply().body, "Hello, World!");
    assert!(client.is_closed());
}

/// Runs `attack` while newcomers are served, over plain TCP and TLS in turn. `attack` gets a way to wait for some more
/// of them.
#[track_caller]
fn while_newcomers_come<T>(name: &str, site: &Site, attack: impl FnOnce(&dyn Fn()) -> T) -> T {
    let (served, come) = mpsc::channel();
    let (plain, tls) = (site.plain, site.tls);
    let mut number = 0;
    let ask = move || {
        number += 1;
        newcomer(if number % 2 == 0 { Client::at(plain) } else { Client::tls_at(tls) });
        // Nobody listens after the attack.
        let _ = served.send(());
        // tidy: sleep ok: the pace of newcomers
        std::thread::sleep(PAUSE);
    };
    under_attack(name, ask, || {
        let wait = || {
            // Those who came before this was asked do not count.
            while come.try_recv().is_ok() {}
            for _ in 0..EACH_ROUND {
                come.recv_timeout(PATIENCE).expect("no newcomer is served");
            }
        };
        attack(&wait)
    })
}

/// Attackers hold their connections by as little as `sign` is, round after round, while newcomers are served. Then they
/// go, all of them again, and nothing of them is left.
#[track_caller]
fn all_hold(
    name: &str,
    site: &Site,
    attacker: impl Fn() -> Client,
    count: usize,
    sign: impl Fn(&mut Client),
) {
    let left = Cell::new(None);
    for wave in ["first", "second"] {
        while_newcomers_come(&format!("{name}, {wave} wave"), site, |wait| {
            let mut attackers: Vec<Client> = (0..count).map(|_| attacker()).collect();
            site.wait_for(|counts| counts.open >= count as u64);
            for round in 0..ROUNDS {
                attackers.iter_mut().for_each(&sign);
                wait();
                let open = site.running().counts().open;
                assert!(open >= count as u64, "{name}: {open} of {count} hold in round {round}");
            }
        });
        nothing_is_left(site);
        let now = resident();
        // The allocator keeps some of the first wave for the next one.
        let most = left.replace(Some(now)).map_or(usize::MAX, |before: usize| before + (16 << 20));
        assert!(
            now < most,
            "{name}: {now} bytes are left after the {wave} wave, {left:?} after the one before"
        );
    }
}

/// Every connection is over, and its socket given back.
#[track_caller]
fn nothing_is_left(site: &Site) {
    site.wait_for(|counts: Counts| counts.open == 0 && counts.parked == 0);
    let began = Instant::now();
    for address in [site.plain, site.tls] {
        loop {
            let sockets = sockets_at(address.port());
            if sockets == 0 {
                break;
            }
            assert!(began.elapsed() < PATIENCE, "{sockets} sockets are still open at {address}");
            std::thread::yield_now();
        }
    }
}

/// Connected sockets of this machine with this port that a process still holds.
fn sockets_at(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let local = format!(":{port:04X}");
    let held = table.lines().skip(1).filter(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        // The local address, the state (0A: it listens) and the inode (0: no process holds it).
        fields[1].ends_with(&local) && fields[3] != "0A" && fields[9] != "0"
    });
    held.count()
}
