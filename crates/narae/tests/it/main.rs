//! narae from outside: real servers on ports of their own, asked over plain sockets.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod access_log;
mod applications;
mod client;
mod cookies;
mod failures;
mod hostile_paths;
mod messages;
mod proxies;
mod run;
mod serve_static;
mod settings;
mod site;
mod wire;
