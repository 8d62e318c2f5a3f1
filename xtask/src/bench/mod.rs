//! `cargo xtask bench`: narae beside its peers, in one command.
//!
//! In: works, peers, options. Out: a report, JSON and a plot in `bench/results`.
//! `options` reads the words, `needs` says what the chosen peers take; this gets
//! and builds it, and hands over to `bench/suite`, which measures.

mod needs;
mod options;

use std::path::Path;
use std::process::Command;

use crate::install;
use options::{Options, Parsed};

/// Runs `cargo xtask bench` with these words.
///
/// # Errors
/// What is missing, or what failed. Empty if the suite has said it.
pub(crate) fn run(top: &Path, words: &[String]) -> Result<(), String> {
    let options = match options::parse(words)? {
        Parsed::Help => {
            println!("{}", options::help());
            return Ok(());
        }
        Parsed::Run(options) => options,
    };
    install::get("The benchmarks need", &needs::missing(&options), options.install)?;
    let still = needs::missing(&options);
    if !still.is_empty() {
        let names: Vec<&str> = still.iter().map(|need| need.name).collect();
        return Err(format!("installed, but still not usable: {}", names.join(", ")));
    }
    if options.build {
        build(top, &options)?;
    }
    let mut suite = Command::new("python3");
    suite.arg(top.join("bench/suite")).args(options.suite_words());
    let line = format!("cargo xtask bench {}", words.join(" "));
    suite.args(["--command", line.trim_end()]);
    match suite.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => Err(String::new()),
        Err(error) => Err(format!("python3: {error}")),
    }
}

/// Builds narae's side and the load clients, the chosen Rust peers, and gets the npm packages of the chosen ones.
fn build(top: &Path, options: &Options) -> Result<(), String> {
    let narae = [
        ["--package", "narae-bench-app", "--features", "stores"].as_slice(),
        &["--package", "narae-load"],
        &["--package", "narae-cli", "--bin", "narae"],
    ];
    for words in narae {
        run_in(top, "cargo", &[&["build", "--release", "--locked"], words].concat())?;
    }
    let bins = needs::rust_bins(options);
    if !bins.is_empty() {
        let mut words = vec!["build", "--release", "--locked"];
        words.extend(bins.iter().flat_map(|bin| ["--bin", bin]));
        if options.allocator == "mimalloc" {
            words.extend(["--features", "mimalloc"]);
        }
        run_in(&top.join("bench/peers"), "cargo", &words)?;
    }
    let node = top.join("bench/node");
    if needs::wants_npm(options) && is_older(&node) {
        run_in(&node, "npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"])?;
    }
    Ok(())
}

/// Whether what npm installed in `folder` is older than the lock, or not there.
fn is_older(folder: &Path) -> bool {
    let changed = |name: &str| folder.join(name).metadata().and_then(|data| data.modified()).ok();
    changed("node_modules/.package-lock.json") < changed("package-lock.json")
}

fn run_in(folder: &Path, program: &str, words: &[&str]) -> Result<(), String> {
    let line = format!("{program} {}", words.join(" "));
    println!("+ {line}");
    match Command::new(program).args(words).current_dir(folder).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{line}: {status}")),
        Err(error) => Err(format!("{line}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    /// The arithmetic, the report, the plot and the targets, which are written in Python.
    #[test]
    fn the_suite_passes_its_own_tests() {
        let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/suite");
        let words = ["-B", "-m", "unittest", "discover", "-s", "tests", "-t", "."];
        let output = Command::new("python3").args(words).current_dir(suite).output().expect("python3");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{told}");
        assert!(!told.contains("Ran 0 tests"), "{told}");
    }
}
