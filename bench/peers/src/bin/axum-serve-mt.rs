//! axum by `axum::serve` on tokio's multi-thread runtime, as `#[tokio::main]` makes it, with one worker.
//!
//! The main thread accepts, the worker serves.

#![forbid(unsafe_code)]

use tokio::runtime::Builder;

fn main() -> std::io::Result<()> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async { axum::serve(peers::listen().await, peers::router()).await })
}
