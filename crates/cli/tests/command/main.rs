//! The `narae` program as a person runs it: what it says, what it serves, how it ends.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "../narae.rs"]
mod narae;
#[path = "../program.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod program;

mod demo;
mod exit_codes;
mod hash_password;
mod inherited;
mod serve;
mod serve_site;
mod sessions;
