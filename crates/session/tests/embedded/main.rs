//! The embedded store: its contract, several processes on one folder, crashes, growth, and a full disk.
//!
//! A test that needs another process runs this program again as a [`child`].

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod alone;
mod bounds;
mod child;
mod crashes;
mod folder;
mod full;
mod processes;
mod sweeping;
