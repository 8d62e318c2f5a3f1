//! HTTPS with a certificate for development, beside plain HTTP that leads there.
//!
//! `cargo run --example https`, then open https://localhost:8443/. The browser asks once whether you trust
//! the certificate, because nobody vouches for it. With one from an authority:
//! `cargo run --example https -- --cert cert.pem --key key.pem`.

#![forbid(unsafe_code)]

use narae::prelude::*;

async fn page(connection: Extension<Connection>) -> String {
    match connection.tls() {
        Some(tls) => format!("encrypted with {} ({})\n", tls.version, tls.cipher),
        None => "not encrypted: try https\n".to_owned(),
    }
}

fn main() -> narae::Result {
    narae::app(|| Router::new().route("/", get(page)))
        .http("127.0.0.1:8080")
        .https("127.0.0.1:8443", Tls::development())
        .run()
}
