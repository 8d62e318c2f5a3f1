//! The fuzz targets, each for ten seconds from its seeds on: whoever breaks one learns of it at once.
//!
//! In: the workspace's path and filters. Out: a line for each target, all it printed if it failed, and counts:
//! a target is a test. Needs a nightly compiler and cargo-fuzz, which it gets.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::outcome::Outcome;

/// What this machine has.
#[derive(Clone, Copy, Debug, Default)]
struct Found {
    rustup: bool,
    nightly: bool,
    cargo_fuzz: bool,
}

/// The names of the targets to run: those that contain one of `filters`, or all.
///
/// # Errors
/// If the folder with the targets cannot be read.
pub(super) fn targets(top: &Path, filters: &[String]) -> Result<Vec<String>, String> {
    let folder = top.join("fuzz/fuzz_targets");
    let fail = |error: io::Error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in folder.read_dir().map_err(fail)? {
        let name = entry.map_err(fail)?.file_name();
        names.extend(name.to_string_lossy().strip_suffix(".rs").map(str::to_owned));
    }
    names.retain(|name| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str())));
    names.sort();
    Ok(names)
}

/// Gets the compiler and the program that build the targets.
///
/// # Errors
/// What is missing and how to get it.
pub(super) fn ensure(install: bool) -> Result<(), String> {
    let succeeds = |words: &[&str]| command(words).output().is_ok_and(|output| output.status.success());
    let rustup = succeeds(&["rustup", "--version"]);
    let nightly = rustup && succeeds(&[&NIGHTLY[..], &["--version"]].concat());
    let cargo_fuzz = nightly && succeeds(&[&NIGHTLY[..], &["fuzz", "--version"]].concat());
    for words in plan(Found { rustup, nightly, cargo_fuzz }, install)? {
        let line = words.join(" ");
        println!("+ {line} (for the fuzz targets)");
        match command(words).status() {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(format!("{line}: {status}; the fuzz targets cannot be run without it")),
            Err(error) => return Err(format!("{line}: {error}")),
        }
    }
    Ok(())
}

/// The commands that get what is missing.
fn plan(found: Found, install: bool) -> Result<Vec<&'static [&'static str]>, String> {
    if !found.rustup {
        return Err("the fuzz targets need a nightly compiler: install rustup, and run this again".to_owned());
    }
    let mut commands: Vec<&[&str]> = Vec::new();
    if !found.nightly {
        commands.push(&INSTALL_NIGHTLY);
    }
    if !found.cargo_fuzz {
        commands.push(&INSTALL_CARGO_FUZZ);
    }
    if install || commands.is_empty() {
        return Ok(commands);
    }
    let lines: Vec<String> = commands.iter().map(|words| words.join(" ")).collect();
    Err(format!("the fuzz targets need what is not here; run\n  {}", lines.join("\n  ")))
}

/// Builds `targets` and runs each; also says whether all could be run.
///
/// # Errors
/// If the compiler cannot be started.
pub(super) fn run(top: &Path, targets: &[String]) -> Result<(Outcome, bool), String> {
    if targets.is_empty() {
        return Ok((Outcome::default(), true));
    }
    let all = self::targets(top, &[])?.len() == targets.len();
    // All in one step, or those that were asked for.
    let builds: Vec<&[String]> = if all { vec![&[]] } else { targets.chunks(1).collect() };
    for target in builds {
        let words: Vec<&str> =
            ["fuzz", "build"].into_iter().chain(target.iter().map(String::as_str)).collect();
        println!("+ cargo +nightly {}", words.join(" "));
        let status = command(&[&NIGHTLY[..], &words].concat()).current_dir(top).status();
        match status {
            Ok(status) if status.success() => {}
            Ok(_) => return Ok((Outcome::default(), false)),
            Err(error) => return Err(format!("cargo +nightly {}: {error}", words.join(" "))),
        }
    }
    println!("+ cargo +nightly fuzz run, each target for {SECONDS} s, {AT_ONCE} at once");
    Ok((each(targets, |target| smoke(top, target)), true))
}

/// Does `work` for each target, some at once, and prints what it says. A target that fails does not stop the next.
fn each(targets: &[String], work: impl Fn(&str) -> Result<String, String> + Sync) -> Outcome {
    let queue = Mutex::new(targets.iter().collect::<VecDeque<_>>());
    let outcome = Mutex::new(Outcome::default());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(target) = lock(&queue).pop_front() else { return };
                    let result = work(target);
                    let mut outcome = lock(&outcome);
                    match result {
                        Ok(said) => {
                            println!("        PASS fuzz {target}: {said}");
                            outcome.passed += 1;
                        }
                        Err(said) => {
                            println!("{said}\n        FAIL fuzz {target}");
                            outcome.failed += 1;
                        }
                    }
                }
            });
        }
    });
    *lock(&outcome)
}

/// Runs one target, first with its seeds. What it found new goes to a folder that nobody keeps.
fn smoke(top: &Path, target: &str) -> Result<String, String> {
    let found = top.join("fuzz/target/smoke").join(target);
    // There may be none yet.
    let _ = std::fs::remove_dir_all(&found);
    std::fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    let found = found.to_string_lossy().into_owned();
    let seeds = top.join("fuzz/seeds").join(target).to_string_lossy().into_owned();
    let time = format!("-max_total_time={SECONDS}");
    let words = ["fuzz", "run", target, &found, &seeds, "--", &time, "-timeout=60"];
    let mut command = command(&[&NIGHTLY[..], &words].concat());
    let output = command.current_dir(top).stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    // libFuzzer speaks on the second output.
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    match (output.status.success(), runs(&said)) {
        (true, Some(line)) => Ok(line.to_owned()),
        (true, None) => Err(format!("{said}\nit did not say how often it ran")),
        (false, _) => Err(said),
    }
}

/// libFuzzer's last line: `Done 123 runs in 11 second(s)`.
fn runs(said: &str) -> Option<&str> {
    said.lines().rev().find(|line| line.starts_with("Done ") && line.contains(" runs in "))
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words.first().copied().unwrap_or_default());
    command.args(words.get(1..).unwrap_or_default());
    command
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long each target runs: its seeds, then what comes of them.
const SECONDS: u32 = 10;
const AT_ONCE: usize = 2;

/// What `cargo +nightly` comes to, also where this was started by another cargo.
const NIGHTLY: [&str; 4] = ["rustup", "run", "nightly", "cargo"];
const INSTALL_NIGHTLY: [&str; 6] = ["rustup", "toolchain", "install", "nightly", "--profile", "minimal"];
const INSTALL_CARGO_FUZZ: [&str; 6] = ["cargo", "install", "cargo-fuzz", "--locked", "--version", "0.13.2"];

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Barrier;

    use super::{Found, Outcome, each, plan, runs, targets};

    const ALL: Found = Found { rustup: true, nightly: true, cargo_fuzz: true };

    fn check(found: Found, install: bool, expected: Result<&[&str], &str>) {
        let planned = plan(found, install);
        let lines = planned.map(|all| all.iter().map(|words| words.join(" ")).collect::<Vec<_>>());
        match (lines, expected) {
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (lines, expected) => {
                let expected = expected.map(|lines| lines.iter().map(|&line| line.to_owned()).collect());
                assert_eq!(lines, expected.map_err(str::to_owned));
            }
        }
    }

    #[test]
    fn what_is_missing_is_installed_or_named_and_never_passed_over() {
        let no_program = Found { cargo_fuzz: false, ..ALL };
        let no_nightly = Found { nightly: false, ..no_program };
        check(ALL, true, Ok(&[]));
        check(ALL, false, Ok(&[]));
        check(no_program, true, Ok(&["cargo install cargo-fuzz --locked --version 0.13.2"]));
        check(
            no_nightly,
            true,
            Ok(&[
                "rustup toolchain install nightly --profile minimal",
                "cargo install cargo-fuzz --locked --version 0.13.2",
            ]),
        );
        check(no_program, false, Err("cargo install cargo-fuzz"));
        check(no_nightly, false, Err("rustup toolchain install nightly"));
        check(Found::default(), true, Err("install rustup"));
    }

    #[test]
    fn every_target_is_found_has_seeds_and_is_chosen_by_its_name() {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let manifest = std::fs::read_to_string(top.join("fuzz/Cargo.toml")).expect("a manifest");
        let manifest: toml::Table = manifest.parse().expect("a table");
        let mut binaries: Vec<&str> = manifest["bin"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|bin| bin["name"].as_str().expect("a name"))
            .collect();
        binaries.sort_unstable();
        let all = targets(top, &[]).expect("targets");
        assert_eq!(all, binaries);
        for target in &all {
            let seeds = top.join("fuzz/seeds").join(target).read_dir().expect("seeds");
            assert!(seeds.count() > 0, "{target}");
        }
        let chosen = |filters: &[&str]| {
            targets(top, &filters.iter().map(|&filter| filter.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(chosen(&["cookie", "forw"]).expect("targets"), ["cookie_parse", "forwarded"]);
        assert_eq!(chosen(&["no such target"]).expect("targets"), [""; 0]);
    }

    #[test]
    fn targets_run_two_at_once_and_each_counts() {
        let names = ["a", "b", "bad", "c"].map(str::to_owned);
        let two = Barrier::new(2);
        let outcome = each(&names, |name| {
            two.wait();
            if name == "bad" { Err("found".to_owned()) } else { Ok("Done".to_owned()) }
        });
        assert_eq!(outcome, Outcome { passed: 3, failed: 1, skipped: 0 });
    }

    #[test]
    fn the_number_of_runs_is_in_the_last_line() {
        let said = "#1 INITED\nDone 12 runs in 11 second(s)\n";
        assert_eq!(runs(said), Some("Done 12 runs in 11 second(s)"));
        assert_eq!(runs("#1 INITED\n==1== ERROR: libFuzzer: deadly signal\n"), None);
    }
}
