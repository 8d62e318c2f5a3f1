//! The `narae` command.
#![forbid(unsafe_code)]
fn main() {}
