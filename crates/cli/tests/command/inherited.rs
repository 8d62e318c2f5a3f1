//! Sockets of a service manager: the real program, started with descriptors (`sd_listen_fds(3)`).

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::narae;
use crate::program::{Program, get};

/// Starts `narae serve` with the two sockets as descriptors 3 and 4, as a service manager does: its process
/// id is in `LISTEN_PID`, which only the process itself can know before it becomes the program.
fn start(home: &std::path::Path, names: &str, sockets: [&TcpListener; 2], more: &str) -> Program {
    let script = format!("exec 3<&0 4<&1 0</dev/null 1>/dev/null; LISTEN_PID=$$ exec \"$0\" serve {more}");
    let mut command = Command::new("sh");
    let [first, second] = sockets.map(|socket| OwnedFd::from(socket.try_clone().unwrap()));
    command
        .args(["-c", &script, env!("CARGO_BIN_EXE_narae")])
        .env_remove("XDG_STATE_HOME")
        .env("HOME", home)
        .env("NO_COLOR", "1")
        .env("NARAE_RUNTIME_DIR", home.join("run"))
        .env("LISTEN_FDS", "2")
        .env("LISTEN_FDNAMES", names)
        .current_dir(home)
        .stdin(Stdio::from(first))
        .stdout(Stdio::from(second));
    Program::start(command)
}

#[test]
fn inherited_sockets_are_served_and_stay_open_for_the_next_program() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("index.html"), "inherited").unwrap();
    let first = TcpListener::bind("127.0.0.1:0").unwrap();
    let second = TcpListener::bind("127.0.0.1:0").unwrap();
    for _ in 0..2 {
        let mut program = start(home.path(), "web:other", [&first, &second], "--http off --https off");
        program.line_with("http://");
        for socket in [&first, &second] {
            assert!(get(socket.local_addr().unwrap(), "/").ends_with("inherited"));
        }
        // Also a reload's check knows what is inherited: no address of its own is set.
        let reload = narae::narae(home.path()).args(["reload", "serve"]).output().unwrap();
        assert!(reload.status.success(), "{}", String::from_utf8_lossy(&reload.stderr));
        program.signal(Signal::TERM);
        let (status, said) = program.wait();
        assert!(status.success(), "{said}");
    }
}

#[test]
fn a_socket_that_is_named_https_speaks_tls() {
    let home = tempfile::tempdir().unwrap();
    std::fs::write(home.path().join("index.html"), "inherited").unwrap();
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let tls = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut program = start(home.path(), "http:https", [&plain, &tls], "");
    program.line_with("https://");
    assert!(get(plain.local_addr().unwrap(), "/").ends_with("inherited"));
    assert!(get(tls.local_addr().unwrap(), "/").contains("this port speaks https"));
}
