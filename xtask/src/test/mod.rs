//! `cargo xtask test`: gets what the tests need, runs them all, counts.
//!
//! In: the workspace's path and filters. Out: the runners' output as it comes,
//! then one line with the counts. `needs` finds out what is missing and how to
//! get it, `packages` installs the tests' npm packages, `runner` runs the tests,
//! `fuzz` the fuzz targets, `outcome` reads what the runners print.

mod fuzz;
mod needs;
mod outcome;
mod packages;
mod runner;

use std::path::Path;

use needs::Programs;

/// Runs the tests of the workspace at `top` whose names contain one of
/// `filters`, or all. `install`: get what is missing first.
///
/// # Errors
/// What is missing, or what could not be run. Empty if tests failed: the
/// runners have said which, and the last line how many.
pub(crate) fn run(top: &Path, install: bool, filters: &[String]) -> Result<(), String> {
    let programs = Programs::ensure(install)?;
    for folder in NPM_FOLDERS {
        packages::ensure(&top.join(folder), &programs.npm, install)?;
    }
    let targets = fuzz::targets(top, filters)?;
    if !targets.is_empty() {
        fuzz::ensure(install)?;
    }
    let (mut outcome, mut succeeded) = runner::run(top, &programs, filters)?;
    let (fuzzed, could_fuzz) = fuzz::run(top, &targets)?;
    outcome += fuzzed;
    succeeded &= could_fuzz;
    let ran = outcome.passed + outcome.failed > 0;
    if !succeeded && outcome.failed == 0 {
        eprintln!("a runner failed before it could count: see above");
    } else if !ran {
        eprintln!("no test was run: is there one whose name contains {}?", filters.join(" or "));
    }
    println!("{outcome}");
    if succeeded && ran && outcome.failed == 0 { Ok(()) } else { Err(String::new()) }
}

/// Folders with npm packages: of the JavaScript clients, and of the Express application that shares sessions.
const NPM_FOLDERS: [&str; 2] = ["crates/cli/tests/clients/js", "crates/session/tests/outside/node"];
