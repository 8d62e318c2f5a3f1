//! Hello by narae-server with an axum router, on one event loop, with every default limit.

#![forbid(unsafe_code)]

use std::num::NonZeroUsize;

use narae_server::{Listener, Server};

fn main() -> Result<(), narae_server::Error> {
    let address = peers::address();
    let server =
        Server::builder().listen(Listener::tcp(&address.to_string())?).workers(NonZeroUsize::MIN).build()?;
    let running = server.start(|| async { Ok::<_, std::io::Error>(peers::router()) })?;
    peers::ready(address);
    running.wait();
    Ok(())
}
