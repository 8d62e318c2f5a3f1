//! [`Server`]: a real `redis-server` of a test's own, and [`Cluster`]: several.
//!
//! Needs version 7 or later, for `--enable-debug-command`, `--cluster-port` and `CLUSTER ADDSLOTSRANGE`; the store
//! itself needs 6.2.
//!
//! In: options. Out: addresses, and raw commands. Ends the process that it started, whatever the test does.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ::redis::{Client, Connection, FromRedisValue};
use tempfile::TempDir;

/// A server on a port of its own, in a folder of its own.
pub struct Server {
    child: Option<Child>,
    pub port: u16,
    /// Where a node of a cluster talks to the others.
    pub bus: u16,
    pub folder: TempDir,
    options: Vec<String>,
}

impl Server {
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one with options as on the command line; `{folder}` in them stands for its folder, `{port}` and
    /// `{bus}` for its ports.
    pub fn with(options: &[&str]) -> Self {
        Self::in_folder(tempfile::tempdir().unwrap(), options)
    }

    pub fn in_folder(folder: TempDir, options: &[&str]) -> Self {
        let path = folder.path().to_str().unwrap().to_owned();
        let mut folder = Some(folder);
        let mut attempt = 1;
        loop {
            let (port, bus) = (free_port(), free_port());
            let replace = |option: &str| {
                option
                    .replace("{folder}", &path)
                    .replace("{port}", &port.to_string())
                    .replace("{bus}", &bus.to_string())
            };
            let defaults = "--port {port} --bind 127.0.0.1 --dir {folder} --save  --daemonize no --enable-debug-command yes";
            let options = defaults.split(' ').chain(options.iter().copied()).map(replace).collect();
            let mut server = Self { child: None, port, bus, folder: folder.take().unwrap(), options };
            match server.try_run() {
                Ok(()) => return server,
                // Another program took the port since.
                Err(log) if attempt < 5 && log.contains("Address already in use") => attempt += 1,
                Err(log) => panic!("redis-server 7 or later is needed, and this one does not start: {log}"),
            }
            let empty = tempfile::tempdir().unwrap();
            folder = Some(std::mem::replace(&mut server.folder, empty));
        }
    }

    /// Starts the process again.
    pub fn run(&mut self) {
        let outcome = self.try_run();
        assert_eq!(outcome, Ok(()), "redis-server does not start");
    }

    /// Starts the process and waits until it takes commands. Gives its log if it ends.
    fn try_run(&mut self) -> Result<(), String> {
        let mut child = Command::new("redis-server")
            .args(&self.options)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        let mut output = BufReader::new(child.stdout.take().unwrap());
        self.child = Some(child);
        let mut log = String::new();
        while !log.contains("Ready to accept connections") {
            if output.read_line(&mut log).unwrap() == 0 {
                self.kill();
                return Err(log);
            }
        }
        // Nothing may stay in the pipe, or the server waits for its reader.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        Ok(())
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A connection for raw commands.
    pub fn connect(&self) -> Connection {
        Client::open(self.url()).unwrap().get_connection().unwrap()
    }

    /// Sends a raw command.
    pub fn ask<T: FromRedisValue>(&self, words: &str) -> T {
        ask(&mut self.connect(), words)
    }

    fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("it runs");
        let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Stops it in the middle of what it does; it keeps its connections and answers nothing.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Ends it as a crash does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Three masters that share the slots, and replicas of the first.
pub struct Cluster {
    pub nodes: Vec<Server>,
    pub masters: usize,
}

impl Cluster {
    pub fn start(replicas: usize) -> Self {
        let masters = 3;
        let nodes: Vec<Server> = (0..masters + replicas)
            .map(|_| {
                let enabled = ["--cluster-enabled", "yes", "--cluster-config-file", "{folder}/nodes.conf"];
                let settings = ["--cluster-node-timeout", "1000", "--cluster-port", "{bus}"];
                let replica = ["--cluster-replica-validity-factor", "0", "--repl-diskless-sync-delay", "0"];
                Server::with(&[&enabled[..], &settings, &replica].concat())
            })
            .collect();
        let bounds = [0, 5461, 10922, 16384];
        for (node, bounds) in nodes.iter().zip(bounds.windows(2)) {
            node.ask::<()>(&format!("CLUSTER ADDSLOTSRANGE {} {}", bounds[0], bounds[1] - 1));
        }
        for node in &nodes[1..] {
            nodes[0].ask::<()>(&format!("CLUSTER MEET 127.0.0.1 {} {}", node.port, node.bus));
        }
        let cluster = Self { nodes, masters };
        cluster.wait_until_whole();
        let first: String = cluster.nodes[0].ask("CLUSTER MYID");
        for replica in &cluster.nodes[masters..] {
            replica.ask::<()>(&format!("CLUSTER REPLICATE {first}"));
            wait_until("the replica follows", || {
                replica.ask::<String>("INFO replication").contains("master_link_status:up")
            });
        }
        if replicas > 0 {
            wait_until("the master knows its replica", || {
                cluster.nodes[0].ask::<String>("INFO replication").contains("state=online")
            });
            wait_until("all know the replicas", || {
                cluster.nodes.iter().all(|node| {
                    node.ask::<String>("CLUSTER NODES").lines().filter(|line| line.contains("slave")).count()
                        == replicas
                })
            });
        }
        cluster
    }

    fn wait_until_whole(&self) {
        let known = format!("cluster_known_nodes:{}", self.nodes.len());
        wait_until("all nodes know each other", || {
            self.nodes.iter().all(|node| {
                let info: String = node.ask("CLUSTER INFO");
                info.contains("cluster_state:ok") && info.contains(&known)
            })
        });
    }

    pub fn urls(&self) -> Vec<String> {
        self.nodes[..self.masters].iter().map(Server::url).collect()
    }

    /// The master that holds a slot.
    pub fn holder(&self, slot: u16) -> &Server {
        &self.nodes[usize::from(slot / 5462).min(self.masters - 1)]
    }
}

/// Sends a raw command: words without blanks.
pub fn ask<T: FromRedisValue>(connection: &mut Connection, words: &str) -> T {
    let mut words = words.split(' ');
    let mut command = ::redis::cmd(words.next().unwrap());
    words.for_each(|word| {
        command.arg(word);
    });
    command.query(connection).unwrap()
}

/// Waits for a state that no one announces.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(45);
    while !is_so() {
        assert!(Instant::now() < deadline, "not within 45 seconds: {what}");
        // tidy: sleep ok: a cluster says nothing when it has settled
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

/// A server that speaks TLS only, with a certificate that a private authority signed; and that authority.
pub fn with_tls() -> (Server, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = authority.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(authority, key);
    let server_key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let certificate = CertificateParams::new(names).unwrap().signed_by(&server_key, &issuer).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(Path::new(folder.path()).join(name), text).unwrap();
    write("authority.pem", &pem);
    write("server.pem", &certificate.pem());
    write("server.key", &server_key.serialize_pem());
    let options = [
        "--tls-port",
        "{port}",
        "--port",
        "0",
        "--tls-cert-file",
        "{folder}/server.pem",
        "--tls-key-file",
        "{folder}/server.key",
        "--tls-ca-cert-file",
        "{folder}/authority.pem",
        "--tls-auth-clients",
        "no",
    ];
    (Server::in_folder(folder, &options), pem)
}
