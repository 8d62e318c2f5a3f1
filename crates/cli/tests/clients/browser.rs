//! Chromium: a person uses the demo over https. The screenshots stay in the target folder.

use std::path::Path;

use crate::{Demo, outside, run, script};

#[test]
fn a_person_adds_edits_and_deletes_a_user() {
    let demo = Demo::start();
    let artefacts = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    std::fs::create_dir_all(&artefacts).unwrap();
    let out =
        run(outside("NARAE_NODE", "node").arg(script("js/browser.mjs")).arg(demo.https("")).arg(&artefacts));
    assert!(out.ends_with("all well\n"), "{out}");
    for name in ["board", "phone", "dark", "connection", "about", "not-found", "failure"] {
        assert!(artefacts.join(format!("{name}.png")).metadata().unwrap().len() > 5_000, "{name}");
    }
}
