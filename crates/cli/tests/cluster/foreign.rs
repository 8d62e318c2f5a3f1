//! A program that knows nothing of narae, clustered by `narae start`: served, reloaded, restarted, stopped.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;

use crate::client::Client;
use crate::home::{Application, Home, eventually, is_alive, kill};

fn start(home: &Home) -> Application<'_> {
    std::fs::write(home.path().join("server.py"), include_str!("server.py")).unwrap();
    let mut command = home.narae(&["start", "--workers", "2", "--http", "127.0.0.1:0", "--name", "snake"]);
    command.args(["--", "python3", "server.py"]);
    home.start_with(command)
}

/// Requests one after the other, each on a connection of its own, while something is done. How many.
fn while_asking(address: SocketAddr, work: impl FnOnce()) -> u32 {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asks = scope.spawn(|| {
            let mut count = 0;
            while !over.load(Ordering::Relaxed) {
                let answer = Client::connect(address).and_then(|mut client| client.get("/"));
                assert_eq!(answer.unwrap_or_else(|error| panic!("request {count}: {error}")).status, 200);
                count += 1;
            }
            count
        });
        work();
        over.store(true, Ordering::Relaxed);
        asks.join().unwrap()
    })
}

#[test]
fn is_served_and_reloaded_without_a_refused_request() {
    let home = Home::new(0);
    let app = start(&home);
    let before = home.pids();
    assert!(before.contains(&Client::new(app.http).pid()));
    assert!(home.status().workers.iter().all(|worker| worker.said == "python"));
    let asked = while_asking(app.http, || {
        for _ in 0..3 {
            assert_eq!(home.reload().workers, 2);
        }
    });
    assert!(asked > 0);
    let status = home.settled(2);
    assert_eq!(status.generation, 4);
    assert!(before.iter().all(|pid| !is_alive(*pid)));
    app.program.signal(Signal::TERM);
    assert!(app.program.wait().0.success());
}

#[test]
fn is_restarted_when_it_crashes() {
    let home = Home::new(0);
    let app = start(&home);
    let victim = home.pids()[0];
    kill(victim);
    eventually("replacement", || {
        let pids = home.pids();
        (pids.len() == 2 && !pids.contains(&victim)).then_some(())
    });
    Client::new(app.http).get("/abort").unwrap_err();
    home.settled(2);
    assert_eq!(Client::new(app.http).get("/").unwrap().status, 200);
}

#[test]
fn its_supervisor_cannot_be_upgraded_and_serves_on() {
    let home = Home::new(0);
    let app = start(&home);
    let before = home.pids();
    let told = home.tell(&["upgrade"]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert_eq!(home.pids(), before);
    assert_eq!(Client::new(app.http).get("/").unwrap().status, 200);
}
