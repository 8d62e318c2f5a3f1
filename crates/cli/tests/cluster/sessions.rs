//! Sessions on the embedded store, shared by worker processes: nothing is lost, whatever becomes of workers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use crate::client::Client;
use crate::home::{Home, eventually, kill};

fn home(workers: usize) -> Home {
    let home = Home::new(workers);
    home.behave("sessions = 1");
    home
}

/// A new session's cookie.
fn begin(address: SocketAddr) -> String {
    let answer = Client::new(address).get("/session/insert/begun").unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.cookie.unwrap()
}

fn values(address: SocketAddr, cookie: &str) -> BTreeMap<String, u64> {
    let answer = Client::new(address).get_with("/session/values", cookie).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let value =
        |pair: &str| pair.split_once('=').map(|(key, value)| (key.to_owned(), value.parse().unwrap()));
    answer.body.split(' ').filter_map(value).collect()
}

#[test]
fn two_workers_count_twenty_thousand_requests_of_one_session_exactly() {
    const CONNECTIONS: u64 = 64;
    const REQUESTS: u64 = 20_000;
    let home = home(2);
    let app = home.start();
    let cookie = begin(app.http);
    let next = AtomicU64::new(0);
    let mut pids = Vec::new();
    thread::scope(|scope| {
        let work = || {
            let mut client = Client::new(app.http);
            let pid = client.pid();
            while next.fetch_add(1, Ordering::Relaxed) < REQUESTS {
                let answer = client.get_with("/session/add/count", &cookie).unwrap();
                assert_eq!(answer.status, 200, "{answer:?}");
            }
            pid
        };
        let clients: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(work)).collect();
        pids.extend(clients.into_iter().map(|client| client.join().unwrap()));
    });
    pids.sort_unstable();
    pids.dedup();
    assert_eq!(pids.len(), 2, "both workers counted");
    assert_eq!(values(app.http, &cookie)["count"], REQUESTS);
}

#[test]
fn two_workers_lose_none_of_the_keys_that_are_written_at_once() {
    let home = home(2);
    let app = home.start();
    let cookie = begin(app.http);
    thread::scope(|scope| {
        for writer in 0..32 {
            let cookie = &cookie;
            scope.spawn(move || {
                let mut client = Client::new(app.http);
                for number in 0..8 {
                    let path = format!("/session/insert/key-{writer}-{number}");
                    assert_eq!(client.get_with(&path, cookie).unwrap().status, 200);
                }
            });
        }
    });
    assert_eq!(values(app.http, &cookie).len(), 1 + 32 * 8);
}

/// Fifty times; after every eighth a reload, so that the supervisor does not give the slot up.
#[test]
fn a_worker_that_is_killed_while_it_writes_takes_no_acknowledged_write_along() {
    const WRITERS: usize = 8;
    let home = home(2);
    let app = home.start();
    let cookie = begin(app.http);
    let is_over = AtomicBool::new(false);
    let acknowledged: Vec<AtomicU64> = (0..WRITERS).map(|_| AtomicU64::new(0)).collect();
    let attempted: Vec<AtomicU64> = (0..WRITERS).map(|_| AtomicU64::new(0)).collect();
    let total = || acknowledged.iter().map(|count| count.load(Ordering::Relaxed)).sum::<u64>();
    let write = |writer: usize| {
        let path = format!("/session/add/key{writer}");
        let mut client = None;
        while !is_over.load(Ordering::Relaxed) {
            let Some(open) = client.as_mut() else {
                client = Client::connect(app.http).ok();
                continue;
            };
            attempted[writer].fetch_add(1, Ordering::Relaxed);
            match Client::get_with(open, &path, &cookie) {
                Ok(answer) => {
                    assert_eq!(answer.status, 200, "{answer:?}");
                    acknowledged[writer].fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => client = None,
            }
        }
    };
    thread::scope(|scope| {
        (0..WRITERS).for_each(|writer| drop(scope.spawn(move || write(writer))));
        for number in 0..50 {
            let enough = total() + 20;
            eventually("more writes", || (total() >= enough).then_some(()));
            kill(home.settled(2).workers[number % 2].pid);
            if number % 8 == 7 {
                home.settled(2);
                home.reload();
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
    home.settled(2);
    let found = values(app.http, &cookie);
    for (writer, (acknowledged, attempted)) in acknowledged.iter().zip(&attempted).enumerate() {
        let bounds = acknowledged.load(Ordering::Relaxed)..=attempted.load(Ordering::Relaxed);
        let found = found[&format!("key{writer}")];
        assert!(
            bounds.contains(&found),
            "key{writer} is {found}, and {bounds:?} were acknowledged and attempted"
        );
    }
}

#[test]
fn a_login_survives_a_killed_worker_a_reload_and_a_restart() {
    let home = home(2);
    let app = home.start();
    let cookie = {
        let anonymous = begin(app.http);
        Client::new(app.http).get_with("/session/login", &anonymous).unwrap().cookie.unwrap()
    };
    let user = |address: SocketAddr| Client::new(address).get_with("/session/user", &cookie).unwrap().body;
    for worker in home.pids() {
        kill(worker);
        home.settled(2);
        assert_eq!(user(app.http), "anna");
    }
    home.reload();
    assert_eq!(user(app.http), "anna");
    app.stop();
    let again = home.start();
    assert_eq!(user(again.http), "anna");
}

#[test]
fn sessions_in_memory_refuse_to_serve_in_two_workers_and_serve_in_one() {
    let two = Home::new(2);
    two.behave("sessions = memory");
    let (code, said) = two.run();
    assert_eq!(code, Some(6), "{said}");
    assert!(said.contains("2 workers are to serve") && said.contains("use the embedded store"), "{said}");
    let one = Home::new(1);
    one.behave("sessions = memory");
    let app = one.start();
    let cookie = begin(app.http);
    assert_eq!(values(app.http, &cookie)["begun"], 1);
}
