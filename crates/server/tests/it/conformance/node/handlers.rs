//! The handlers that Node's answers came from, as far as a handler here can do the same.

use std::convert::Infallible;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Version};
use axum::response::IntoResponse;
use axum::routing::any;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::json;

use crate::conformance::pieces;

pub fn routes() -> Router {
    Router::new()
        .route("/last", any(|| async { "last" }))
        .route("/end", any(|| async { "hi" }))
        .route("/end-empty", any(|| async {}))
        .route("/write-end", any(|| async { pieces(&["a", "bc"]) }))
        .route("/write-empty-end", any(|| async { pieces(&["x"]) }))
        .route("/flush", any(|| async { pieces(&["late"]) }))
        .route("/cl", any(|| async { "hello" }))
        .route("/te", any(|| async { pieces(&["x"]) }))
        .route("/204", any(|| async { StatusCode::NO_CONTENT }))
        .route("/204-cl", any(|| async { StatusCode::NO_CONTENT }))
        .route("/304", any(|| async { StatusCode::NOT_MODIFIED }))
        .route("/reason-prop", any(|| async { (StatusCode::from_u16(299).unwrap(), "x") }))
        .route("/status-unknown", any(|| async { (StatusCode::from_u16(599).unwrap(), "x") }))
        .route("/headers", any(|| async { "x" }))
        .route("/array-headers", any(|| async { pieces(&["x"]) }))
        .route("/own-date", any(|| async { ([("date", "my date")], "x") }))
        .route("/own-keepalive", any(|| async { ([("keep-alive", "timeout=99")], "x") }))
        .route("/shouldKeepAlive", any(|| async { ([("connection", "close")], "x") }))
        .route("/trailers", any(trailers))
        .route("/trailers-cl", any(|| async { "b" }))
        .route("/latin1-header", any(|| async { "x" }))
        .route("/echo", any(echo))
        .fallback(echo)
}

async fn trailers() -> impl IntoResponse {
    let mut fields = HeaderMap::new();
    fields.insert("x-t", "tv".parse().unwrap());
    let frames = [Frame::data(Bytes::from("a")), Frame::data(Bytes::from("b")), Frame::trailers(fields)];
    let body = StreamBody::new(futures_util::stream::iter(frames.map(Ok::<_, Infallible>)));
    ([("trailer", "X-T")], Body::new(body))
}

/// What arrived, as JSON; 400 for a broken body.
async fn echo(request: Request) -> Result<String, StatusCode> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| StatusCode::BAD_REQUEST)?.to_bytes();
    let version = if head.version == Version::HTTP_10 { "1.0" } else { "1.1" };
    let body = String::from_utf8_lossy(&body);
    Ok(json!({"method": head.method.as_str(), "url": head.uri.to_string(), "v": version, "body": body})
        .to_string())
}
