//! Sessions and cookies shared with a real Express application, through each store that both know.
//!
//! `node` starts the application, `narae` is the same one with this crate, `client` is the browser, and
//! `journeys` is what visitors do, whichever side they begin on.

mod client;
mod journeys;
mod narae;
mod node;
mod postgres;
mod redis;
