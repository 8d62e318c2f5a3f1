//! The smallest server: one route, on every core.
//!
//! `cargo run --example hello`, then `curl http://127.0.0.1:8080/`.

#![forbid(unsafe_code)]

use narae::prelude::*;

fn main() -> narae::Result {
    narae::app(|| Router::new().route("/", get(|| async { "Hello, World!\n" }))).http("127.0.0.1:8080").run()
}
