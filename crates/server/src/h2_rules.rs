//! What an HTTP/2 request must be before a handler sees it, where the engine does not look (RFC 9113 §8.2, §8.3.1).
//!
//! In: a parsed request head. Out: nothing, or the [`Refusal`], which is the answer that a malformed request may get
//! (§8.1.1); and a request as one over HTTP/1.1 would be. Pure; never sees sockets, frames or bodies.

use http::header::{COOKIE, HeaderValue};
use http::{HeaderMap, Request, Uri};

use crate::answer::Refusal;

/// Checks the path and the values, and makes one `Cookie` of all crumbs.
pub(crate) fn settle<B>(request: &mut Request<B>) -> Result<(), Refusal> {
    check_path(request.uri())?;
    check_values(request.headers())?;
    join_cookies(request.headers_mut());
    Ok(())
}

/// §8.3.1: `:path` is a path and a query, never a query alone. The engine's URI would take that for one of `/`.
fn check_path(uri: &Uri) -> Result<(), Refusal> {
    match uri.path_and_query() {
        Some(target) if target.as_str().starts_with('?') => Err(Refusal::Target),
        _ => Ok(()),
    }
}

/// §8.2.1: a value neither begins nor ends with a space or a tab, which HTTP/1.1 would have taken away.
fn check_values(headers: &HeaderMap) -> Result<(), Refusal> {
    let is_space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let is_padded =
        |value: &HeaderValue| is_space(value.as_bytes().first()) || is_space(value.as_bytes().last());
    if headers.values().any(is_padded) { Err(Refusal::FieldValue) } else { Ok(()) }
}

/// §8.2.3: clients may send a cookie in crumbs, so that more of it can be compressed. An application sees one field.
fn join_cookies(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    if let (Some(_), Some(_)) = (crumbs.next(), crumbs.next()) {
        let all: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
        let is_sensitive = headers.get_all(COOKIE).iter().any(HeaderValue::is_sensitive);
        // Values with a separator between are a value.
        if let Ok(mut whole) = HeaderValue::from_bytes(&all.join(&b"; "[..])) {
            whole.set_sensitive(is_sensitive);
            headers.insert(COOKIE, whole);
        }
    }
}
