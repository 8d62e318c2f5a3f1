//! Clusters as operators know them: real processes, real signals, and a client that counts what is lost.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "../program.rs"]
#[allow(dead_code, reason = "each test binary uses a part of it")]
mod program;

mod built;
mod client;
mod home;

mod control;
mod crash;
mod descriptors;
mod first_process;
#[cfg(feature = "outside-programs")]
mod foreign;
mod hang;
mod privileges;
mod recycle;
mod reload;
mod reload_refused;
mod reload_under_load;
mod service_manager;
mod sessions;
mod start;
mod streams;
mod supervisor_killed;
mod supervisor_upgraded;
