//! The supervisor as the first process of a container: signals reach it, and it reaps what others leave.

use std::fs;
use std::process::{Command, Stdio};

use rustix::process::{Signal, kill_process};

use crate::client::get;
use crate::home::{Home, eventually, pid_of};

fn children(pid: i32) -> Vec<i32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

/// Ends the first process, and with it everything inside, whatever happens to the test.
struct End(i32);

impl Drop for End {
    fn drop(&mut self) {
        let _ = kill_process(pid_of(self.0), Signal::KILL);
    }
}

#[test]
fn it_reaps_orphans_and_ends_on_sigterm() {
    let home = Home::new(2);
    let inner = home.command();
    let mut command = Command::new("unshare");
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--pid", "--fork", "--mount-proc", "--"]).arg(inner.get_program()).args(inner.get_args());
    for (name, value) in inner.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(inner.get_current_dir().unwrap()).stdout(Stdio::null());
    let app = home.start_with(command);
    assert_eq!(get(app.http, "/").status, 200);
    let unshare = i32::try_from(app.program.pid()).unwrap();
    let [first] = children(unshare)[..] else { panic!("{:?}", children(unshare)) };
    // `unshare` itself passes no signal on.
    let _end = End(first);
    assert_eq!(children(first).len(), 2, "the workers");
    // A process inside whose parent ends: it becomes the first process's child, until its input ends.
    let script = "exec 3<&0; (cat <&3 >/dev/null &)";
    let mut enter = Command::new("nsenter");
    enter.args(["--target", &first.to_string(), "--pid", "--mount"]);
    if !is_root {
        enter.args(["--user", "--preserve-credentials"]);
    }
    enter.args(["sh", "-c", script]);
    let mut entered = enter.stdin(Stdio::piped()).spawn().unwrap();
    let input = entered.stdin.take();
    assert!(entered.wait().unwrap().success());
    eventually("the orphan is adopted", || (children(first).len() == 3).then_some(()));
    drop(input);
    eventually("the orphan is reaped", || (children(first).len() == 2).then_some(()));
    kill_process(pid_of(first), Signal::TERM).unwrap();
    let (status, said) = app.program.wait();
    assert!(status.success() && said.contains("drained"), "{said}");
}
