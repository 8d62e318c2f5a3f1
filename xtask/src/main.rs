//! Development commands of the narae workspace: `cargo xtask <command>`.
//!
//! In: the command line. Out: an exit code, 0 only if everything is as it
//! should be. `tidy` checks the rules that the compiler does not know, `test`
//! gets what the tests need and runs them, `bench` measures narae beside its
//! peers. Imports no crate of the workspace.
#![forbid(unsafe_code)]

mod bench;
mod command;
mod install;
mod test;
mod tidy;

use std::process::ExitCode;

fn main() -> ExitCode {
    match command::run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            if !message.is_empty() {
                eprintln!("{message}");
            }
            ExitCode::FAILURE
        }
    }
}
