//! A lesson that runs, and what a browser keeps of its answers.
//!
//! In: a lesson's name and the rest of its command. Out: the running program and its home.

use std::process::{Command, Stdio};

use crate::program::Program;

/// Starts the example `name`, with what `add` puts into its command; cargo puts it beside the tests' folder.
pub fn start(name: &str, add: impl FnOnce(&mut Command) -> &mut Command) -> (Program, tempfile::TempDir) {
    let tests = std::env::current_exe().unwrap();
    let path = tests.parent().unwrap().parent().unwrap().join("examples").join(name);
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new(&path);
    command
        .env_remove("XDG_STATE_HOME")
        .env("HOME", home.path())
        .env("NO_COLOR", "1")
        // Names of its own, whatever runs beside it.
        .env("NARAE_RUNTIME_DIR", home.path().join("run"))
        .current_dir(home.path())
        .stdout(Stdio::null());
    add(&mut command);
    (Program::start(command), home)
}

/// What a browser sends back of an answer's only `Set-Cookie` line.
pub fn cookie_of(answer: &str) -> &str {
    let (_, line) = answer.split_once("set-cookie: ").unwrap_or_else(|| panic!("no cookie: {answer}"));
    line.split(';').next().unwrap()
}
