//! The behaviour of `narae-cookie`, from outside.
//!
//! `node` compares it with what Node's packages did (the files in `vectors/`), `hostile` gives it what no
//! friendly peer or caller does.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod hostile;
mod node;
mod prefixes;
