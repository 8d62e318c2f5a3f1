//! axum by `axum::serve` on one thread: axum at its cheapest.

#![forbid(unsafe_code)]

use tokio::runtime::Builder;

fn main() -> std::io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { axum::serve(peers::listen().await, peers::router()).await })
}
