//! Where the testbed is, built if it is not there or older than its sources.
//!
//! Running one test binary builds the package's commands, and not its examples; a run of all tests builds
//! both. In: the folder of this test binary. Out: a path. Knows nothing of clusters.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::SystemTime;

/// The testbed's program.
pub fn testbed() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let this = std::env::current_exe().unwrap();
        let profile = this.ancestors().nth(2).unwrap();
        let program = profile.join("examples/testbed");
        if !is_fresh(&program, changed(&this).unwrap()) {
            build(profile);
        }
        program
    })
}

fn changed(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|metadata| metadata.modified()).ok()
}

/// Whether it is newer than what it was made from. What was changed after this test binary was built does
/// not count: it is not in the test binary, either.
fn is_fresh(program: &Path, this: SystemTime) -> bool {
    let Some(built) = changed(program) else { return false };
    let Ok(list) = std::fs::read_to_string(program.with_extension("d")) else { return false };
    let Some((_, sources)) = list.split_once(": ") else { return false };
    !sources
        .split_whitespace()
        .filter_map(|source| changed(source.as_ref()))
        .any(|at| built < at && at <= this)
}

fn build(profile: &Path) {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "narae-cli", "--example", "testbed", "--target-dir"]);
    cargo.arg(profile.parent().unwrap()).current_dir(env!("CARGO_MANIFEST_DIR"));
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.status().unwrap();
    assert!(status.success(), "the testbed cannot be built: {status}");
}
