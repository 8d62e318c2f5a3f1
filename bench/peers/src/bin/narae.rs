//! Hello by narae with an axum router, as an application has it: one event loop, every default limit on, the
//! access log off.

#![forbid(unsafe_code)]

fn main() -> narae::Result {
    let address = peers::address();
    let running = narae::app(peers::router())
        .workers(0)
        .threads(1)
        .access_log(narae::Log::off())
        .http(address.to_string())
        .start()?;
    peers::ready(address);
    running.wait();
    Ok(())
}
