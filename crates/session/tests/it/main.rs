//! Sessions as a handler and a browser see them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod behaviour;
mod browser;
mod concurrency;
mod cookies;
mod decisions;
mod failure;
mod ids;
mod races;
mod spy;
