//! The command line of `cargo xtask`.
//!
//! In: words. Out: the command that they name, run at the top of the
//! workspace; or a message that says which words would do.

use std::path::{Path, PathBuf};

use crate::{bench, test, tidy};

/// A command and what it was told.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Help,
    Tidy,
    Test { install: bool, filters: Vec<String> },
    Bench(Vec<String>),
}

/// Runs the command that `words` name.
///
/// # Errors
/// What to print before failing; empty if all is said.
pub(crate) fn run(words: impl Iterator<Item = String>) -> Result<(), String> {
    match parse(words)? {
        Command::Help => {
            println!("{HELP}");
            Ok(())
        }
        Command::Tidy => tidy::run(&top()?),
        Command::Bench(words) => bench::run(&top()?, &words),
        Command::Test { install, filters } => test::run(&top()?, install, &filters),
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Command, String> {
    let Some(name) = words.next() else { return Ok(Command::Help) };
    match name.as_str() {
        "help" | "-h" | "--help" => Ok(Command::Help),
        "tidy" => match words.next() {
            None => Ok(Command::Tidy),
            Some(word) => Err(format!("tidy takes no arguments, but got {word:?}\n\n{HELP}")),
        },
        "bench" => Ok(Command::Bench(words.collect())),
        "test" => {
            let (options, filters): (Vec<_>, Vec<_>) = words.partition(|word| word.starts_with('-'));
            if options.iter().any(|option| option == "-h" || option == "--help") {
                return Ok(Command::Help);
            }
            match options.iter().find(|option| *option != "--no-install") {
                None => Ok(Command::Test { install: options.is_empty(), filters }),
                Some(option) => Err(format!("test has no option {option:?}\n\n{HELP}")),
            }
        }
        _ => Err(format!("there is no command {name:?}\n\n{HELP}")),
    }
}

/// The folder of the workspace: the first above the current one with an `xtask` in it.
fn top() -> Result<PathBuf, String> {
    let here = std::env::current_dir().map_err(|error| format!("cannot tell the current folder: {error}"))?;
    here.ancestors()
        .find(|folder| folder.join("xtask/Cargo.toml").is_file())
        .map(Path::to_owned)
        .ok_or_else(|| format!("{} is not inside the workspace: go there first", here.display()))
}

const HELP: &str = "\
Development commands of the narae workspace

Usage: cargo xtask <command>

  tidy                             Check the rules that the compiler does not know:
                                   floors, file headers and lengths, forbidden words
  test [--no-install] [FILTER…]    Install what the tests need, then run all tests,
                                   or those whose name contains a FILTER.
                                   --no-install: say what is missing and stop
  bench [WORK…] [--peers A,B]      Measure narae beside its peers; writes a report,
        [--rounds N] [--quick]     JSON and a plot. bench --help tells all
  help                             Print this";

#[cfg(test)]
mod tests {
    use super::{Command, parse};

    fn check(words: &str, expected: Result<Command, &str>) {
        let parsed = parse(words.split_whitespace().map(str::to_owned));
        match (parsed, expected) {
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (parsed, expected) => assert_eq!(parsed, expected.map_err(str::to_owned), "{words:?}"),
        }
    }

    fn test(install: bool, filters: &[&str]) -> Command {
        Command::Test { install, filters: filters.iter().map(|&filter| filter.to_owned()).collect() }
    }

    #[test]
    fn no_word_or_a_call_for_help_is_help() {
        for words in ["", "help", "--help", "-h", "test --help"] {
            check(words, Ok(Command::Help));
        }
    }

    #[test]
    fn test_takes_filters_and_one_option() {
        check("test", Ok(test(true, &[])));
        check("test router", Ok(test(true, &["router"])));
        check("test a --no-install b", Ok(test(false, &["a", "b"])));
    }

    #[test]
    fn bench_reads_its_words_itself() {
        let words = ["hello", "--quick"].map(str::to_owned).to_vec();
        check("bench hello --quick", Ok(Command::Bench(words)));
        check("bench --help", Ok(Command::Bench(vec!["--help".to_owned()])));
    }

    #[test]
    fn what_is_not_understood_is_named_and_help_is_shown() {
        check("tody", Err("there is no command \"tody\""));
        check("test --noinstall", Err("no option \"--noinstall\""));
        check("tidy crates", Err("tidy takes no arguments, but got \"crates\""));
        check("tody", Err("Usage:"));
    }
}
