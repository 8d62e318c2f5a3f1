//! Hello by hyper alone, HTTP/1 on one thread: no router, no limits, no timers.
//!
//! Answers to pipelined requests are gathered (`pipeline_flush`), which hyper leaves off by default.

#![forbid(unsafe_code)]

use std::convert::Infallible;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::runtime::Builder;

fn main() -> std::io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = peers::listen().await;
        loop {
            let (socket, _) = listener.accept().await?;
            let engine = http1::Builder::new()
                .pipeline_flush(true)
                .serve_connection(TokioIo::new(socket), service_fn(hello));
            tokio::spawn(async move {
                // How a peer leaves is its own affair.
                let _ = engine.await;
            });
        }
    })
}

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(peers::HELLO.as_bytes())));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(peers::TEXT));
    Ok(response)
}
