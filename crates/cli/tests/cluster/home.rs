//! A folder of its own for each test, and an application that runs in it.
//!
//! In: settings, arguments, what the testbed is to do. Out: a running [`Application`], its status, the
//! `narae` command for it. Whatever happens to a test, no process of it stays behind.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use narae::cluster::{Receipt, Reply, Status};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::built;
use crate::program::{PATIENCE, Program};

/// Quick decisions, so that tests are quick.
pub const QUICK: &str = "\
[drain]
linger = \"500ms\"
deadline = \"10s\"

[cluster]
canary = \"100ms\"
";

/// A folder with everything that one application needs.
pub struct Home {
    folder: TempDir,
    program: PathBuf,
    arguments: Vec<String>,
    /// Workers that a killed supervisor left.
    orphans: Mutex<BTreeSet<i32>>,
}

impl Home {
    /// The testbed with `workers` workers.
    pub fn new(workers: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workers = workers.to_string();
        let arguments = ["--http", "127.0.0.1:0", "--workers", &workers].map(str::to_owned).into();
        let program = built::testbed().to_owned();
        let home = Self { folder, program, arguments, orphans: Mutex::default() };
        home.settings(QUICK);
        home
    }

    /// More arguments.
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// A copy of the testbed called `app` in the folder, to be replaced.
    pub fn with_own_program(mut self) -> Self {
        self.program = self.path().join("app");
        std::fs::copy(built::testbed(), &self.program).unwrap();
        self
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn runtime_folder(&self) -> PathBuf {
        self.path().join("run")
    }

    /// Writes `narae.toml`.
    pub fn settings(&self, text: &str) {
        std::fs::write(self.path().join("narae.toml"), text).unwrap();
    }

    /// What workers do that start from now on.
    pub fn behave(&self, text: &str) {
        let new = self.path().join("behaviour.new");
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, self.path().join("behaviour")).unwrap();
    }

    /// Puts another program in the place of `app`, as an installation does.
    pub fn replace_program(&self, put: impl FnOnce(&Path)) {
        let new = self.path().join("app.new");
        put(&new);
        std::fs::rename(new, &self.program).unwrap();
    }

    /// The same, by a script.
    pub fn replace_program_by_script(&self, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        self.replace_program(|path| {
            std::fs::write(path, script).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        });
    }

    /// The program on the disk.
    pub fn program(&self) -> &Path {
        &self.program
    }

    fn environment(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("NARAE_") || name.starts_with("TESTBED_") || name == "NOTIFY_SOCKET" {
                command.env_remove(name);
            }
        }
        command
            .env_remove("XDG_STATE_HOME")
            .env("HOME", self.path())
            .env("NO_COLOR", "1")
            .env("NARAE_RUNTIME_DIR", self.runtime_folder())
            .env("TESTBED_FILE", self.path().join("behaviour"))
            .current_dir(self.path())
            .stdout(Stdio::null())
            .stdin(Stdio::null());
    }

    /// How the application is started.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        if !self.arguments.iter().any(|argument| argument == "--log") {
            command.args(["--log", "off"]);
        }
        self.environment(&mut command);
        command
    }

    fn orphans(&self) -> std::sync::MutexGuard<'_, BTreeSet<i32>> {
        self.orphans.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The `narae` command for what runs here.
    pub fn narae(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_narae"));
        command.args(arguments);
        self.environment(&mut command);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts the application; every worker serves.
    pub fn start(&self) -> Application<'_> {
        self.start_with(self.command())
    }

    pub fn start_with(&self, command: Command) -> Application<'_> {
        let mut program = Program::start(command);
        let http = program.address("http://");
        Application { home: self, program, http }
    }

    /// Runs the application to its end.
    pub fn run(&self) -> (Option<i32>, String) {
        let output = self.command().stderr(Stdio::piped()).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// Runs a command to its end.
    pub fn tell(&self, arguments: &[&str]) -> Told {
        self.narae(arguments).output().unwrap().into()
    }

    /// Asks with `--json`.
    pub fn status(&self) -> Status {
        let told = self.tell(&["status", "--json"]);
        match serde_json::from_str(&told.said) {
            Ok(Reply::Status(status)) => status,
            other => panic!("{other:?}: {told:?}"),
        }
    }

    /// The process ids of those that serve, by slot.
    pub fn pids(&self) -> Vec<i32> {
        serving(&self.status())
    }

    /// Waits until `count` workers serve and none is on its way out.
    pub fn settled(&self, count: usize) -> Status {
        eventually(&format!("{count} workers"), || {
            let status = self.status();
            (status.workers.len() == count && serving(&status).len() == count && status.state == "serving")
                .then_some(status)
        })
    }

    /// Reloads, which must succeed.
    #[track_caller]
    pub fn reload(&self) -> Receipt {
        let told = self.tell(&["reload", "--json"]);
        match serde_json::from_str(&told.said) {
            Ok(Reply::Receipt(receipt)) if told.code == Some(0) => receipt,
            other => panic!("{other:?}: {told:?}"),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let mark = format!("NARAE_RUNTIME_DIR={}", self.runtime_folder().display());
        let orphans = std::mem::take(&mut *self.orphans());
        for pid in orphans {
            // The number may be another process's by now.
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            if environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()) {
                let _ = kill_process(pid_of(pid), Signal::KILL);
            }
        }
    }
}

/// What a command said.
#[derive(Debug)]
pub struct Told {
    pub code: Option<i32>,
    /// On the standard output.
    pub said: String,
    /// On the standard error output.
    pub complained: String,
}

impl From<Output> for Told {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            said: String::from_utf8_lossy(&output.stdout).into_owned(),
            complained: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// A supervisor that runs, and where it is reached.
pub struct Application<'a> {
    pub home: &'a Home,
    pub program: Program,
    pub http: SocketAddr,
}

impl Application<'_> {
    pub fn https(&mut self) -> SocketAddr {
        self.program.address("https://")
    }

    /// The supervisor dies at once; its workers serve on. They end with the test at the latest.
    pub fn kill(self) -> Vec<i32> {
        let pids: Vec<i32> = self.home.status().workers.iter().map(|worker| worker.pid).collect();
        self.home.orphans().extend(&pids);
        self.program.signal(Signal::KILL);
        // Waits for its end.
        drop(self.program);
        pids
    }

    /// Stops it gracefully; it must end well. What it said.
    pub fn stop(self) -> String {
        self.program.signal(Signal::TERM);
        let (status, said) = self.program.wait();
        assert!(status.success(), "{status}: {said}");
        said
    }
}

/// The process ids of workers that serve, by slot.
pub fn serving(status: &Status) -> Vec<i32> {
    status.workers.iter().filter(|worker| worker.state == "serving").map(|worker| worker.pid).collect()
}

pub fn pid_of(pid: i32) -> Pid {
    Pid::from_raw(pid).unwrap()
}

pub fn kill(pid: i32) {
    kill_process(pid_of(pid), Signal::KILL).unwrap();
}

/// Whether a process is there and is no zombie.
pub fn is_alive(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

/// Asks again and again until there is an answer.
#[track_caller]
pub fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(Instant::now() < until, "still no {what}");
        // tidy: sleep ok: polling what no event tells
        std::thread::sleep(Duration::from_millis(30));
    }
}
