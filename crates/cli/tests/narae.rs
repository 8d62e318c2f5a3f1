//! The `narae` program, with a home of its own and without settings from outside.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::program::Program;

pub fn narae(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_narae"));
    command.env_remove("XDG_STATE_HOME").env("HOME", home).env("NO_COLOR", "1").current_dir(home);
    // A name of its own for each test, whatever runs beside it.
    command.env("NARAE_RUNTIME_DIR", home.join("run"));
    command
}

/// Starts `narae` with `arguments` in `home`, its standard output thrown away.
pub fn start(home: &Path, arguments: &[&str]) -> Program {
    let mut command = narae(home);
    command.args(arguments).stdout(Stdio::null());
    Program::start(command)
}
