//! Serving an HTML file, and what happens when it cannot be read.
//!
//! `cargo run --example html_file`, then open http://127.0.0.1:8080/ in a browser. `/missing` shows the error
//! path: the client gets a plain 500 page with an id, the log gets the reason with the same id.
//!
//! For a whole folder there is `Files::new("folder")`; this is the lesson of doing it by hand.

#![forbid(unsafe_code)]

use narae::prelude::*;

/// Any error becomes a 500 by `?`. Its text goes to the log, never to the client.
async fn page(name: &str) -> Result<Html<String>, HandlerError> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("site").join(name);
    Ok(Html(tokio::fs::read_to_string(path).await?))
}

fn main() -> narae::Result {
    narae::app(|| {
        Router::new()
            .route("/", get(|| page("index.html")))
            .route("/missing", get(|| page("missing.html")))
            .fallback(|| async { (StatusCode::NOT_FOUND, Html("<h1>Not here</h1>")) })
    })
    .http("127.0.0.1:8080")
    .run()
}
