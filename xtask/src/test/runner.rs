//! Runs the tests: all targets, then the examples in the documentation.
//!
//! In: the programs that the tests drive, and filters. Out: the runners'
//! output as it comes, and their summed outcome. Prefers `cargo nextest`, which
//! gives every test a process of its own; does with `cargo test`.

use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use super::needs::Programs;
use super::outcome::Outcome;

/// A runner and how it sums up.
#[derive(Clone, Debug)]
struct Job {
    arguments: Vec<String>,
    summary: fn(&str) -> Option<Outcome>,
}

/// Runs everything; also says whether all runners succeeded.
///
/// # Errors
/// If a runner cannot be started.
pub(super) fn run(top: &Path, programs: &Programs, filters: &[String]) -> Result<(Outcome, bool), String> {
    let nextest = cargo(top).args(["nextest", "--version"]).output();
    let has_nextest = nextest.is_ok_and(|output| output.status.success());
    if !has_nextest {
        println!("cargo-nextest is not installed: using cargo test, which is slower and isolates less");
    }
    let mut outcome = Outcome::default();
    let mut succeeded = true;
    for job in jobs(has_nextest, filters, io::stderr().is_terminal()) {
        println!("+ cargo {}", job.arguments.join(" "));
        let mut command = cargo(top);
        command
            .args(&job.arguments)
            .env("NARAE_CHROMIUM", &programs.chromium)
            .env("NARAE_NODE", &programs.node)
            .env("NARAE_PYTHON", &programs.python);
        let (counted, success) = stream(&mut command, job.summary, io::stdout(), io::stderr())
            .map_err(|error| format!("cargo {}: {error}", job.arguments.join(" ")))?;
        outcome += counted;
        succeeded &= success;
    }
    Ok((outcome, succeeded))
}

fn cargo(top: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(top);
    command
}

/// The runners to start, one after the other; a failure does not stop the next.
fn jobs(has_nextest: bool, filters: &[String], color: bool) -> [Job; 2] {
    let color = if color { "--color=always" } else { "--color=never" };
    let words = |words: &[&str], separator: &[&str]| -> Vec<String> {
        let separator = if filters.is_empty() { &[] } else { separator };
        let words = [words, &[color, "--no-fail-fast"], separator].concat();
        words.into_iter().map(str::to_owned).chain(filters.iter().cloned()).collect()
    };
    let all = ["--workspace", "--features", FEATURES];
    let targets = if has_nextest {
        Job {
            // A filter may name an example in the documentation only.
            arguments: words(&[&["nextest", "run"][..], &all].concat(), &["--no-tests=pass", "--"]),
            summary: Outcome::of_nextest,
        }
    } else {
        Job {
            arguments: words(&[&["test", "--tests"][..], &all].concat(), &["--"]),
            summary: Outcome::of_libtest,
        }
    };
    let examples = Job {
        arguments: words(&[&["test", "--doc"][..], &all].concat(), &["--"]),
        summary: Outcome::of_libtest,
    };
    [targets, examples]
}

/// Runs `command`, passing on both outputs line by line and reading summaries in them.
fn stream(
    command: &mut Command,
    summary: fn(&str) -> Option<Outcome>,
    out: impl Write,
    err: impl Write + Send,
) -> io::Result<(Outcome, bool)> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let outcome = thread::scope(|scope| {
        let errors = scope.spawn(|| pass_on(stderr, err, summary));
        let mut outcome = pass_on(stdout, out, summary);
        outcome += errors.join().unwrap_or_default();
        outcome
    });
    Ok((outcome, child.wait()?.success()))
}

/// Copies `from` to `to` by lines, whatever bytes they are, and sums up.
fn pass_on(
    from: Option<impl Read>,
    mut to: impl Write,
    summary: impl Fn(&str) -> Option<Outcome>,
) -> Outcome {
    let mut outcome = Outcome::default();
    let Some(from) = from else { return outcome };
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while from.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        // A reader of ours that left must not keep the tests from ending.
        let _ = to.write_all(&line).and_then(|()| to.flush());
        if let Some(counted) = summary(&String::from_utf8_lossy(&line)) {
            outcome += counted;
        }
        line.clear();
    }
    outcome
}

/// What no package has by itself: tests that need programs from outside, and the stores that they use.
const FEATURES: &str = "narae/compression,narae-bench-app/stores,narae-cli/outside-programs,narae-examples/outside-programs,\
    narae-session/outside-programs,narae-session/postgres,narae-session/redis";

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::Path;
    use std::process::Command;

    use toml::{Table, Value};

    use super::{FEATURES, Outcome, jobs, pass_on, stream};

    fn check(has_nextest: bool, filters: &[&str], expected: [&str; 2]) {
        let filters: Vec<String> = filters.iter().map(|&filter| filter.to_owned()).collect();
        let expected = expected.map(|line| line.replace("FEATURES", FEATURES));
        assert_eq!(jobs(has_nextest, &filters, false).map(|job| job.arguments.join(" ")), expected);
    }

    #[test]
    fn every_target_and_every_example_is_run() {
        check(
            true,
            &[],
            [
                "nextest run --workspace --features FEATURES --color=never --no-fail-fast",
                "test --doc --workspace --features FEATURES --color=never --no-fail-fast",
            ],
        );
        check(
            false,
            &[],
            [
                "test --tests --workspace --features FEATURES --color=never --no-fail-fast",
                "test --doc --workspace --features FEATURES --color=never --no-fail-fast",
            ],
        );
    }

    /// Each package's features, as the `Cargo.toml`s of the workspace have them.
    fn features_of_the_workspace() -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let read = |folder: &Path| -> Option<Table> {
            std::fs::read_to_string(folder.join("Cargo.toml")).ok()?.parse().ok()
        };
        let workspace = read(top).expect("the workspace's manifest");
        let members = workspace["workspace"]["members"].as_array().expect("a list");
        let folders = members.iter().flat_map(|member| {
            let member = member.as_str().expect("a path");
            match member.strip_suffix("/*") {
                Some(parent) => {
                    let entries = top.join(parent).read_dir().expect("a folder");
                    entries.map(|entry| entry.expect("an entry").path()).collect()
                }
                None => vec![top.join(member)],
            }
        });
        let named = |manifest: Table| {
            let name = manifest["package"]["name"].as_str().expect("a name").to_owned();
            let features = manifest.get("features").cloned().map(Value::try_into);
            (name, features.transpose().expect("features").unwrap_or_default())
        };
        folders.filter_map(|folder| read(&folder)).map(named).collect()
    }

    #[test]
    fn every_feature_of_every_package_is_on() {
        let known = features_of_the_workspace();
        let has =
            |package: &str, feature: &str| known.get(package).is_some_and(|all| all.contains_key(feature));
        let mut on = BTreeSet::new();
        let mut reached: Vec<(String, String)> =
            known.keys().map(|name| (name.clone(), "default".into())).collect();
        for feature in FEATURES.split(',') {
            let (package, feature) = feature.split_once('/').expect("package/feature");
            assert!(has(package, feature), "{package} has no feature {feature}");
            reached.push((package.into(), feature.into()));
        }
        while let Some((package, feature)) = reached.pop() {
            if !on.insert((package.clone(), feature.clone())) {
                continue;
            }
            let implied = known.get(&package).and_then(|all| all.get(&feature)).into_iter().flatten();
            reached.extend(implied.map(|implied| match implied.split_once('/') {
                Some((other, feature)) => (other.to_owned(), feature.to_owned()),
                None => (package.clone(), implied.clone()),
            }));
        }
        for (package, features) in &known {
            for feature in features.keys() {
                assert!(
                    on.contains(&(package.clone(), feature.clone())),
                    "{package}/{feature} is tested nowhere"
                );
            }
        }
    }

    #[test]
    fn filters_go_to_both_runners() {
        check(
            true,
            &["router", "cookie"],
            [
                "nextest run --workspace --features FEATURES --color=never --no-fail-fast \
                 --no-tests=pass -- router cookie",
                "test --doc --workspace --features FEATURES --color=never --no-fail-fast -- router cookie",
            ],
        );
    }

    #[test]
    fn output_is_passed_on_as_it_is_and_every_summary_counts() {
        let text = b"a \xff\ntest result: ok. 2 passed; 0 failed\nb\ntest result: FAILED. 1 passed; 1 failed\nno end";
        let mut copied = Vec::new();
        let outcome = pass_on(Some(&text[..]), &mut copied, Outcome::of_libtest);
        assert_eq!(copied, text);
        assert_eq!(outcome, Outcome { passed: 3, failed: 1, skipped: 0 });
    }

    #[test]
    fn summaries_are_read_from_both_outputs_and_failure_is_told() {
        let script = "echo 'test result: ok. 1 passed'; echo 'test result: ok. 2 passed' >&2; exit 3";
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let (outcome, success) = stream(&mut command, Outcome::of_libtest, &mut out, &mut err).unwrap();
        assert_eq!(
            (out.as_slice(), err.as_slice()),
            (&b"test result: ok. 1 passed\n"[..], &b"test result: ok. 2 passed\n"[..])
        );
        assert_eq!((outcome.passed, success), (3, false));
    }
}
