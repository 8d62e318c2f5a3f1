//! A whole application as one function from a request to a response: the shape of Node's `createServer`.
//!
//! `cargo run --example function`, then `curl http://127.0.0.1:8080/any/path`.

#![forbid(unsafe_code)]

use narae::prelude::*;

async fn answer(request: Request) -> impl IntoResponse {
    format!("You asked for {} {}\n", request.method(), request.uri().path())
}

fn main() -> narae::Result {
    narae::app(answer).http("127.0.0.1:8080").run()
}
