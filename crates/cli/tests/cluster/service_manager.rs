//! What a service manager hears (`Type=notify-reload`): ready, reloading, stopping, from one process.

use std::os::unix::net::UnixDatagram;

use rustix::process::Signal;

use crate::home::Home;
use crate::program::PATIENCE;

/// A manager's end.
struct Manager(UnixDatagram);

impl Manager {
    fn new(home: &Home) -> Self {
        let socket = UnixDatagram::bind(home.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// The next thing that is said, as lines.
    fn next(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let length = self.0.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned).collect()
    }
}

fn has(said: &[String], line: &str) -> bool {
    said.iter().any(|other| other == line)
}

#[test]
fn readiness_reloads_and_the_stop_are_told_and_the_main_process_stays() {
    let home = Home::new(2);
    let manager = Manager::new(&home);
    let mut command = home.command();
    command.env("NOTIFY_SOCKET", home.path().join("notify"));
    let app = home.start_with(command);
    let main = format!("MAINPID={}", app.program.pid());
    let ready = manager.next();
    assert!(has(&ready, "READY=1") && has(&ready, &main), "{ready:?}");

    app.program.signal(Signal::HUP);
    let reloading = manager.next();
    assert!(has(&reloading, "RELOADING=1"), "{reloading:?}");
    let since = reloading.iter().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap();
    assert!(since.parse::<u64>().unwrap() > 0);
    let ready = manager.next();
    assert!(has(&ready, "READY=1") && has(&ready, &main), "{ready:?}");

    app.program.signal(Signal::USR2);
    let ready = manager.next();
    assert!(has(&ready, "READY=1") && has(&ready, &main), "{ready:?}");

    app.program.signal(Signal::TERM);
    let stopping = manager.next();
    assert!(has(&stopping, "STOPPING=1"), "{stopping:?}");
    let (status, said) = app.program.wait();
    assert!(status.success(), "{said}");
}

#[test]
fn a_reload_that_fails_ends_with_ready_too() {
    let home = Home::new(1);
    let manager = Manager::new(&home);
    let mut command = home.command();
    command.env("NOTIFY_SOCKET", home.path().join("notify"));
    let app = home.start_with(command);
    assert!(has(&manager.next(), "READY=1"));
    home.behave("start = exit:5");
    app.program.signal(Signal::HUP);
    assert!(has(&manager.next(), "RELOADING=1"));
    assert!(has(&manager.next(), "READY=1"));
}
