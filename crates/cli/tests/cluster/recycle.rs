//! Workers replaced for their use, their age or their size; and more or fewer of them.

use std::collections::HashSet;

use rustix::process::Signal;

use crate::client::{Client, get};
use crate::home::{Home, QUICK, eventually};

/// Waits until another worker serves in place of `old`, without a moment in which nobody does.
fn replaced(home: &Home, old: i32) {
    eventually("replacement", || {
        let pids = home.pids();
        assert_eq!(pids.len(), 1);
        (pids[0] != old).then_some(())
    });
    assert_eq!(home.status().generation, 1);
}

#[test]
fn a_worker_that_served_enough_is_replaced_and_its_connections_live_on() {
    let home = Home::new(1);
    home.settings(&format!("{QUICK}max_requests = 50\n"));
    let mut app = home.start();
    let mut client = Client::new(app.http);
    let old = client.pid();
    for _ in 0..60 {
        assert_eq!(client.get("/").unwrap().body, "testbed");
    }
    app.program.line_with("is replaced: it served 6");
    replaced(&home, old);
    assert_ne!(client.pid(), old);
}

#[test]
fn a_worker_that_reached_its_age_is_replaced() {
    let home = Home::new(1);
    home.settings(&format!("{QUICK}max_age = \"2s\"\n"));
    let mut app = home.start();
    let old = home.pids()[0];
    app.program.line_with("is replaced: it reached its age");
    replaced(&home, old);
    assert_eq!(get(app.http, "/").body, "testbed");
}

#[test]
fn a_worker_that_holds_too_much_memory_is_replaced() {
    let home = Home::new(1);
    home.settings(&format!("{QUICK}max_memory = \"256MiB\"\n"));
    let mut app = home.start();
    let old = home.pids()[0];
    assert_eq!(get(app.http, "/leak?mb=300").body, "leaked");
    app.program.line_with("MiB of memory");
    replaced(&home, old);
}

#[test]
fn the_number_of_workers_is_changed_by_command() {
    let home = Home::new(1);
    let app = home.start();
    let first = home.pids()[0];
    let told = home.tell(&["scale", "testbed", "3"]);
    assert_eq!((told.code, told.said.trim()), (Some(0), "1 → 3 workers"), "{told:?}");
    let status = home.settled(3);
    assert_eq!(status.workers[0].pid, first);
    let mut clients: Vec<_> = (0..12).map(|_| Client::new(app.http)).collect();
    // Some have been served, the others have said nothing yet.
    let served: HashSet<_> = clients.iter_mut().step_by(2).map(Client::pid).collect();
    assert!(served.len() > 1, "all with {served:?}");
    assert_eq!(home.tell(&["scale", "testbed", "1"]).code, Some(0));
    home.settled(1);
    // Wherever the connections were, they are the first worker's now.
    for client in &mut clients {
        assert_eq!(client.pid(), first);
    }
    let none = home.tell(&["scale", "testbed", "0"]);
    assert_eq!(none.code, Some(1));
    assert!(none.complained.contains("at least one worker"), "{none:?}");
}

#[test]
fn the_number_of_workers_is_changed_by_signals() {
    let home = Home::new(1);
    let mut app = home.start();
    app.program.signal(Signal::TTIN);
    home.settled(2);
    app.program.signal(Signal::TTOU);
    home.settled(1);
    // The last one stays.
    app.program.signal(Signal::TTOU);
    app.program.line_with("at least one worker is needed");
    assert_eq!(home.settled(1).workers.len(), 1);
}
