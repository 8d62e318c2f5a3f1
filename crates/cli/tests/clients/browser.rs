//! Chromium: a person uses the demo. The screenshots stay in the target folder.

use std::path::Path;

use crate::{Demo, outside, run, script};

/// Runs a script with the address of a site; the screenshots that it must have taken.
fn browse(name: &str, site: &str, screenshots: &[&str]) {
    let artefacts = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
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
