//! [`Express`]: a real Express application with a store of its own choice, as a process.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::client::Peer;

/// The process; ended when dropped.
pub(crate) struct Express {
    child: Child,
    pub(crate) peer: Peer,
}

impl Express {
    /// Starts it with settings as in `node/app.cjs`, and waits until it takes requests.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outside/node");
        let node = std::env::var_os("NARAE_NODE").unwrap_or_else(|| "node".into());
        let mut child = Command::new(node)
            .arg("app.cjs")
            .current_dir(folder)
            .envs([("SESSION_SECRETS", SECRET), ("MAX_AGE", "3600000"), ("NODE_ENV", "production")])
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let mut line = String::new();
        let output = child.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let port = line.trim().strip_prefix("ready ").and_then(|port| port.parse().ok());
        let port = port.expect("the application starts: its packages come with npm ci in tests/outside/node");
        Self { child, peer: Peer { port } }
    }
}

impl Drop for Express {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The secret that both sides sign with if nothing else is said.
pub(crate) const SECRET: &str = "interop secret 비밀";
