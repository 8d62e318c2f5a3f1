//! Supervisors that die: their workers serve on, and the next supervisor takes them over.

use narae_load::{Load, Protocol, Target};

use crate::client::{Client, get, under};
use crate::home::{Home, eventually, is_alive};
use crate::program::Program;

fn load(address: std::net::SocketAddr) -> Load {
    let mut load = Load::new(Target::new(address, Protocol::Http1));
    load.connections = 16;
    load.rate = 120.0;
    load
}

#[test]
fn workers_serve_on_and_the_next_supervisor_takes_them_over() {
    let home = Home::new(2);
    let app = home.start();
    let address = app.http;
    let before = home.pids();
    let (summary, mut next) = under(load(address), || {
        app.kill();
        // Nobody supervises, everybody is served.
        for _ in 0..20 {
            assert_eq!(get(address, "/").status, 200);
        }
        let mut next = Program::start(home.command());
        next.line_with("took over 2 workers");
        next
    });
    assert_eq!(summary.failed(), 0, "{summary}");
    let status = home.settled(2);
    assert_eq!(crate::home::serving(&status), before);
    assert_eq!((status.generation, status.name.as_str()), (1, "testbed"));
    assert_eq!(u32::try_from(status.pid).unwrap(), next.pid());
    assert_eq!(status.addresses, [format!("http://{address}")]);
    // Everything can be done with them that could be before.
    let (summary, receipt) = under(load(address), || home.reload());
    assert_eq!(summary.failed(), 0, "{summary}");
    assert_eq!((receipt.from, receipt.to, receipt.workers, receipt.unreported), (1, 2, 2, 0));
    next.said.clear();
    next.signal(rustix::process::Signal::TERM);
    assert!(next.wait().0.success());
    Client::connect(address).map(drop).unwrap_err();
}

#[test]
fn a_worker_that_dies_without_a_supervisor_is_made_up_for_by_the_next_one() {
    let home = Home::new(2);
    let app = home.start();
    let address = app.http;
    let before = app.kill();
    crate::home::kill(before[0]);
    eventually("its end", || (!is_alive(before[0])).then_some(()));
    let mut next = Program::start(home.command());
    next.line_with("took over 1 workers");
    let status = home.settled(2);
    assert!(status.workers.iter().any(|worker| worker.pid == before[1]));
    assert!(status.workers.iter().all(|worker| worker.pid != before[0]));
    assert_eq!(get(address, "/").status, 200);
}

#[test]
fn another_application_of_the_same_name_leaves_them_alone() {
    let home = Home::new(2);
    let app = home.start();
    let address = app.http;
    let before = app.kill();
    // Other arguments: another application.
    let mut command = home.command();
    command.args(["--threads", "2"]);
    let mut other = Program::start(command);
    other.line_with("narae status testbed-2");
    assert!(before.iter().all(|pid| is_alive(*pid)));
    assert!(before.contains(&get(address, "/pid").body.parse().unwrap()));
    let status = home.tell(&["status", "testbed-2", "--json"]).said;
    assert!(before.iter().all(|pid| !status.contains(&format!("\"pid\": {pid},"))), "{status}");
    // The right one still can.
    let mut next = Program::start(home.command());
    next.line_with("took over 2 workers");
    let status = home.tell(&["status", "testbed", "--json"]).said;
    assert!(before.iter().all(|pid| status.contains(&format!("\"pid\": {pid},"))), "{status}");
}

#[test]
fn a_worker_that_cannot_start_costs_none_that_was_taken_over() {
    let home = Home::new(2);
    let app = home.start();
    let address = app.http;
    let slots: Vec<(usize, i32)> =
        home.status().workers.iter().map(|worker| (worker.slot, worker.pid)).collect();
    let before = app.kill();
    let (slot, pid) = slots[0];
    crate::home::kill(pid);
    eventually("its end", || (!is_alive(pid)).then_some(()));
    home.behave(&format!("start = exit:6\nslot = {slot}"));
    let mut next = Program::start(home.command());
    next.line_with("took over 1 workers");
    next.line_with("trying again");
    assert_eq!(get(address, "/").status, 200);
    assert!(is_alive(*before.iter().find(|other| **other != pid).unwrap()));
    home.behave("start = ok");
    assert_eq!(home.settled(2).workers.len(), 2);
}
