//! Chromium: a person uses the demo. The screenshots stay in the target folder.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::program::Program;
use crate::{Demo, narae, outside, run, script};

/// Where screenshots go.
fn artefacts() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots")
}

/// Runs a script with the address of a site; the screenshots that it must have taken.
pub(crate) fn browse(name: &str, site: &str, screenshots: &[&str]) {
    let artefacts = artefacts();
    std::fs::create_dir_all(&artefacts).unwrap();
    let out = run(outside("NARAE_NODE", "node").arg(script(name)).arg(site).arg(&artefacts));
    assert!(out.ends_with("all well\n"), "{out}");
    for name in screenshots {
        assert!(artefacts.join(format!("{name}.png")).metadata().unwrap().len() > 5_000, "{name}");
    }
}

#[test]
fn a_person_adds_edits_and_deletes_a_user() {
    let demo = Demo::start();
    let screenshots = ["board", "phone", "dark", "connection", "about", "not-found", "failure"];
    browse("js/browser.mjs", &demo.https(""), &screenshots);
}

#[test]
fn a_person_kills_a_worker_and_sees_another_one_come() {
    let demo = Demo::start();
    let screenshots = ["workers", "workers-killed", "workers-phone", "workers-dark", "workers-plain"];
    browse("js/workers.mjs", &demo.https(""), &screenshots);
}

#[test]
fn two_browsers_stay_logged_in_whatever_happens_to_the_processes() {
    for scheme in ["http", "https"] {
        let home = tempfile::tempdir().unwrap();
        let quick = "[drain]\nlinger = \"200ms\"\n\n[cluster]\ncanary = \"100ms\"\n";
        std::fs::write(home.path().join("narae.toml"), quick).unwrap();
        let mut site = Some(Restartable::start(home.path()));
        let address = |site: &mut Option<Restartable>| site.as_mut().unwrap().address(scheme);
        let first = address(&mut site);
        converse("js/account.mjs", &first, |request| {
            match request.split(' ').collect::<Vec<_>>()[..] {
                ["kill", pid] => {
                    let pid = Pid::from_raw(pid.parse().unwrap()).unwrap();
                    kill_process(pid, Signal::KILL).unwrap();
                }
                ["reload"] => drop(run(narae::narae(home.path()).args(["reload", "demo"]))),
                ["restart"] => {
                    let Restartable(program) = site.take().unwrap();
                    program.signal(Signal::TERM);
                    assert!(program.wait().0.success());
                    site = Some(Restartable::start(home.path()));
                }
                _ => panic!("{request:?} is no request"),
            }
            address(&mut site)
        });
        for name in ["login", "phone", "devices", "dark"] {
            let path = artefacts().join(format!("account-{scheme}-{name}.png"));
            assert!(path.metadata().unwrap().len() > 5_000, "{name}");
        }
    }
}

/// The demo with several workers, whose files outlive it.
struct Restartable(Program);

impl Restartable {
    fn start(home: &Path) -> Self {
        let addresses = ["--http", "127.0.0.1:0", "--https", "127.0.0.1:0"];
        Self(narae::start(home, &[&["demo", "--workers", "3"], addresses.as_slice()].concat()))
    }

    fn address(&mut self, scheme: &str) -> String {
        let port = self.0.address(&format!("{scheme}://")).port();
        format!("{scheme}://localhost:{port}")
    }
}

/// Runs a script that asks for something now and then: `grant` does it, and says the site's address.
fn converse(name: &str, site: &str, mut grant: impl FnMut(&str) -> String) {
    std::fs::create_dir_all(artefacts()).unwrap();
    let mut command = outside("NARAE_NODE", "node");
    command.arg(script(name)).arg(site).arg(artefacts()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut node = command.spawn().unwrap();
    let mut answers = node.stdin.take().unwrap();
    let mut last = String::new();
    for line in BufReader::new(node.stdout.take().unwrap()).lines() {
        last = line.unwrap();
        if let Some(request) = last.strip_prefix("please ") {
            writeln!(answers, "{}", grant(request)).unwrap();
        }
    }
    assert!(node.wait().unwrap().success() && last == "all well", "{name} ended after {last:?}");
}
