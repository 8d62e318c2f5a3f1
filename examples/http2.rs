//! HTTP/2: nothing to do. Over TLS a client chooses it (ALPN); over plain TCP it must know beforehand.
//!
//! ```text
//! curl -k https://localhost:8443/                          HTTP/2
//! curl -k --http1.1 https://localhost:8443/                HTTP/1.1, same port, same handler
//! curl --http2-prior-knowledge http://127.0.0.1:8080/      HTTP/2 without TLS
//! ```

#![forbid(unsafe_code)]

use narae::prelude::*;

async fn version(request: Request) -> String {
    format!("you speak {:?}\n", request.version())
}

fn main() -> narae::Result {
    narae::app(|| Router::new().route("/", get(version)))
        .http("127.0.0.1:8080")
        .https("127.0.0.1:8443", Tls::development())
        .run()
}
