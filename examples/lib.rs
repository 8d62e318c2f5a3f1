//! One lesson a file; each is a program of its own: `cargo run --example hello`.
//!
//! Read them in this order: `hello`, `html_file`, `rest`, `cookies`, `signed_cookies`, `login`, `basic_auth`,
//! `https`, `http2`, `existing_app`, `graceful_stop`, `cluster`, `redis_sessions`, `express_sessions`. The last
//! two need `--features redis`. Every one takes the flags of narae (`-- --help` shows them).

#![forbid(unsafe_code)]
