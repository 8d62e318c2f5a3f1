//! Real clients against the real program: curl, Node, Python and Chromium, over every protocol they speak; and one that
//! only attacks.
//!
//! `cargo xtask test` installs these programs and says where they are.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "../narae.rs"]
mod narae;
#[path = "../program.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod program;

mod browser;
mod curl;
mod many;
mod node;
mod proxies;
mod python;
mod site;
mod slowhttptest;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use program::Program;

/// The demo on two ports of its own.
pub(crate) struct Demo {
    _program: Program,
    pub(crate) plain: SocketAddr,
    pub(crate) tls: SocketAddr,
    _home: tempfile::TempDir,
}

impl Demo {
    pub(crate) fn start() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut program =
            narae::start(home.path(), &["demo", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0"]);
        let plain = program.address("http://");
        let tls = program.address("https://");
        Self { _program: program, plain, tls, _home: home }
    }

    pub(crate) fn http(&self, path: &str) -> String {
        format!("http://{}{path}", self.plain)
    }

    pub(crate) fn https(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.tls.port())
    }
}

/// A program from outside: where `xtask` found it, or by its name.
pub(crate) fn outside(variable: &str, name: &str) -> Command {
    Command::new(std::env::var_os(variable).unwrap_or_else(|| name.into()))
}

/// A script beside these tests.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// Runs a command that must succeed; what it wrote.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}\n{err}", output.status);
    out.into_owned()
}
