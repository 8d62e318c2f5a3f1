//! [`Server`]: a real PostgreSQL in a folder of its own, on a port of its own.
//!
//! In: extra settings. Out: its address, and a connection to look into it. Stopped when dropped. PostgreSQL
//! refuses to run as root, so root starts it as `nobody`.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

pub(crate) struct Server {
    folder: TempDir,
    pub(crate) port: u16,
    settings: Vec<String>,
    running: Mutex<Option<Child>>,
}

impl Server {
    /// One server for all tests of this process that do not stop it.
    pub(crate) fn shared() -> Arc<Self> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Self::start(&[]));
        *shared = Arc::downgrade(&server);
        server
    }

    pub(crate) fn start(settings: &[&str]) -> Self {
        let folder = Self::folder();
        let password = folder.path().join("password");
        std::fs::write(&password, PASSWORD).expect("a file");
        own(&password);
        let made = command(folder.path(), "initdb")
            .args([
                "--no-sync",
                "--no-locale",
                "--encoding=UTF8",
                "--auth=scram-sha-256",
                "--username=tester",
            ])
            .arg(format!("--pwfile={}", password.display()))
            .arg(format!("--pgdata={}", data(folder.path()).display()))
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let settings = settings.iter().map(|setting| (*setting).to_owned()).collect();
        let mut server = Self { folder, port: 0, settings, running: Mutex::default() };
        // Between the choice of a port and its use another program may take it.
        for _ in 0..10 {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            server.port = listener.local_addr().expect("an address").port();
            drop(listener);
            match server.try_to_start() {
                Ok(()) => return server,
                Err(said) => assert!(said.contains("could not bind"), "postgres ended: {said}"),
            }
        }
        panic!("every port is taken");
    }

    /// A folder that the server may read.
    pub(crate) fn folder() -> TempDir {
        let folder = TempDir::new().expect("a folder");
        own(folder.path());
        folder
    }

    /// Puts a file into a folder, which the server alone may read.
    pub(crate) fn keep(folder: &Path, name: &str, content: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, content).expect("a file");
        own(&path);
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("a mode");
        path
    }

    /// Starts it and waits until it says that it takes connections.
    pub(crate) fn resume(&self) {
        self.try_to_start().unwrap_or_else(|said| panic!("postgres ended: {said}"));
    }

    /// Starts it. Gives what it said if it ends instead.
    fn try_to_start(&self) -> Result<(), String> {
        let mut postgres = command(self.folder.path(), "postgres");
        postgres.arg("-D").arg(data(self.folder.path())).arg("-p").arg(self.port.to_string());
        let own =
            ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "max_connections=200"];
        for setting in own.into_iter().chain(self.settings.iter().map(String::as_str)) {
            postgres.args(["-c", setting]);
        }
        let mut child =
            postgres.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("postgres starts");
        let mut lines = BufReader::new(child.stderr.take().expect("its messages")).lines();
        let mut said = String::new();
        while !said.contains("ready to accept connections") {
            let Some(line) = lines.next() else {
                child.wait().expect("postgres ended");
                return Err(said);
            };
            said.push_str(&line.expect("a line"));
            said.push('\n');
        }
        std::thread::spawn(move || lines.for_each(drop));
        *self.running() = Some(child);
        Ok(())
    }

    /// Stops it as a crash would (`immediate`), or in order (`fast`), and waits until it has ended.
    pub(crate) fn stop(&self, mode: &str) {
        let Some(mut child) = self.running().take() else { return };
        let signal = if mode == "immediate" { "-QUIT" } else { "-INT" };
        let killed = Command::new("kill").arg(signal).arg(child.id().to_string()).status();
        assert!(killed.expect("kill runs").success());
        child.wait().expect("postgres ends");
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://tester:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes an empty database and gives its address.
    pub(crate) async fn database(&self, name: &str) -> String {
        let client = self.connect("postgres").await;
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a database");
        self.url(name)
    }

    /// Connects, to look into a database.
    pub(crate) async fn connect(&self, database: &str) -> Client {
        let (client, connection) =
            tokio_postgres::connect(&self.url(database), NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client
    }

    fn running(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut child) = self.running().take() {
            let _ = Command::new("kill").arg("-QUIT").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }
}

/// A program of the newest PostgreSQL, as a user that may run it.
fn command(folder: &Path, name: &str) -> Command {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |name: std::ffi::OsString| name.to_str().and_then(|name| name.parse::<u32>().ok());
    let mut found: Vec<_> = installed
        .filter_map(|folder| Some((version(folder.file_name())?, folder.path().join("bin").join(name))))
        .filter(|(_, path)| path.exists())
        .collect();
    found.sort();
    let mut command = Command::new(found.pop().map_or_else(|| name.into(), |(_, path)| path));
    command.current_dir(folder).env("LC_ALL", "C").env("TZ", "UTC");
    if is_root(folder) {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

fn own(path: &Path) {
    if is_root(path) {
        chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
    }
}

/// Whether this process is root: what it makes is root's, or `nobody`'s if it was given away.
fn is_root(path: &Path) -> bool {
    let owner = path.metadata().map_or(0, |metadata| metadata.uid());
    owner == 0 || owner == NOBODY
}

pub(crate) const PASSWORD: &str = "the-password";
const NOBODY: u32 = 65_534;
