//! The `narae` command: serve a folder, run the demo site.
//!
//! In: the command line. Out: an exit code that says who must act. Holds commands only; what they do is
//! the library's.

#![forbid(unsafe_code)]

mod command;
mod demo;

use std::process::ExitCode;

use clap::Parser;

/// Measured: a sixth of an HTTP/2 answer's cost is memory management.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match command::Command::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("narae: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
