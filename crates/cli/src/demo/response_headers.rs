//! Headers that every response of the demo carries.
//!
//! In: finished responses. Out: the same, with what tells browsers to be
//! strict. Owns the policy; never sees requests.

use axum::http::header::{self, HeaderName, HeaderValue};
use axum::response::Response;

/// Everything comes from this site and nothing is inline, so a name such as
/// `<script>` could not run even if a page forgot to escape it.
const POLICY: [(HeaderName, HeaderValue); 3] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; \
             frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
];

/// Adds the policy. What says nothing about caches is not for them.
pub(super) fn protect(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in POLICY {
        headers.insert(name, value);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}
