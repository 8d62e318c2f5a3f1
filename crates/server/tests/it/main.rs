//! The server over real sockets: raw bytes in, expected bytes out, over plain and TLS.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod client;
mod site;
mod under_attack;

mod h2_frames;

mod accept;
mod alone;
mod big_and_broken;
mod conformance;
mod drain;
mod hand_over;
mod honest_peers;
mod in_file;
mod limits;
mod listeners;
mod observe;
mod parking;
mod protocols;
mod proxies;
mod rfc9112;
mod rfc9113;
mod slow_and_many;
mod tls;
mod workers;
