//! `OPTIONS` and `Allow` for every route, without a line in any of them.
//!
//! In: requests on their way to the router, and its responses. Out: the same,
//! except for two answers. Owns nothing else; never sees handlers.
//!
//! The router already knows which methods a route has: it says so in the
//! `Allow` of each `405`. An `OPTIONS` request is one that no route handles, so
//! it too ends in a `405`, and all that is left is to call that a success
//! (RFC 9110 §9.3.7).

use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Turns the `405` to an `OPTIONS` request into `204`, and completes `Allow`.
pub(super) async fn answer_options(request: Request, next: Next) -> Response {
    let asked = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let allow = allowed(response.headers().get(header::ALLOW));
    if asked {
        return (StatusCode::NO_CONTENT, [(header::ALLOW, allow)]).into_response();
    }
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

/// The router's methods, and the one that is answered here.
fn allowed(routed: Option<&HeaderValue>) -> HeaderValue {
    let routed = routed.and_then(|methods| methods.to_str().ok()).unwrap_or_default();
    let mut methods: Vec<&str> = routed.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    methods.push("OPTIONS");
    HeaderValue::from_str(&methods.join(", ")).expect("made of a valid header value, commas and a constant")
}
