//! Supervisors that become their own successors: same process, same workers, another program.

use std::os::unix::fs::MetadataExt;

use narae_load::{Load, Protocol, Target};
use rustix::process::Signal;

use crate::built;
use crate::client::{get, under};
use crate::home::{Home, serving};

fn load(address: std::net::SocketAddr) -> Load {
    let mut load = Load::new(Target::new(address, Protocol::Http1));
    load.connections = 16;
    load.rate = 120.0;
    load
}

#[test]
fn by_command_and_by_signal_under_load() {
    let home = Home::new(2).with_own_program();
    let mut app = home.start();
    let address = app.http;
    let before = home.pids();
    home.replace_program(|path| {
        std::fs::copy(built::testbed(), path).unwrap();
    });
    let (summary, ()) = under(load(address), || {
        let told = home.tell(&["upgrade"]);
        assert_eq!(told.code, Some(0), "{told:?}");
        app.program.line_with("the supervisor was replaced");
        app.program.said.clear();
        app.program.signal(Signal::USR2);
        app.program.line_with("the supervisor was replaced");
    });
    assert_eq!(summary.failed(), 0, "{summary}");
    let status = home.settled(2);
    assert_eq!((serving(&status), status.generation), (before, 1));
    assert_eq!(u32::try_from(status.pid).unwrap(), app.program.pid());
    assert_eq!(status.addresses, [format!("http://{address}")]);
    let runs = std::fs::metadata(format!("/proc/{}/exe", status.pid)).unwrap().ino();
    assert_eq!(runs, home.program().metadata().unwrap().ino());
    // It can still do everything.
    let (summary, receipt) = under(load(address), || home.reload());
    assert_eq!(summary.failed(), 0, "{summary}");
    assert_eq!((receipt.from, receipt.to, receipt.unreported), (1, 2, 0));
    app.stop();
}

#[test]
fn a_worker_that_dies_after_it_is_noticed() {
    let home = Home::new(2);
    let mut app = home.start();
    assert_eq!(home.tell(&["upgrade"]).code, Some(0));
    app.program.line_with("the supervisor was replaced");
    let victim = home.pids()[1];
    crate::home::kill(victim);
    crate::home::eventually("replacement", || {
        let pids = home.pids();
        (pids.len() == 2 && !pids.contains(&victim)).then_some(())
    });
}

#[test]
fn not_by_a_broken_program() {
    let home = Home::new(2).with_own_program();
    let mut app = home.start();
    let before = home.pids();
    home.replace_program_by_script("#!/bin/sh\necho no library >&2\nexit 3\n");
    let (summary, ()) = under(load(app.http), || {
        let told = home.tell(&["upgrade"]);
        assert_eq!(told.code, Some(1), "{told:?}");
        assert!(told.complained.contains("the supervisor stays as it is"), "{told:?}");
        assert!(told.complained.contains("no library"), "{told:?}");
        app.program.said.clear();
        app.program.signal(Signal::USR2);
        app.program.line_with("the supervisor stays as it is");
    });
    assert_eq!(summary.failed(), 0, "{summary}");
    let status = home.settled(2);
    assert_eq!((serving(&status), u32::try_from(status.pid).unwrap()), (before, app.program.pid()));
    assert_eq!(get(app.http, "/").status, 200);
}
