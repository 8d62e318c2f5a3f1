//! Whether a page of this very site sent a request: what changes something is asked for by no other.
//!
//! In: heads of requests. Out: yes, or a refusal. Knows no cookies: that those stay away from requests of
//! other sites (`SameSite=Lax`) is a second lock on the same door.

use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{StatusCode, header};

use super::problem::Problem;

/// Lets a form pass that a page of this site sent.
pub(super) fn check_form(head: &Parts) -> Result<(), Problem> {
    if from_this_site(head) == Some(true) { Ok(()) } else { Err(another_site()) }
}

/// Lets a program's request pass: JSON, and not on behalf of another site's page.
pub(super) fn check_json(head: &Parts) -> Result<(), Problem> {
    // A page of another site cannot send this type without being asked for its permission first.
    let content_type = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if !content_type.is_some_and(|value| value.starts_with("application/json")) {
        let detail = "the request must be JSON: send \"Content-Type: application/json\"";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    if from_this_site(head) == Some(false) { Err(another_site()) } else { Ok(()) }
}

/// Whom the client asked: `:authority` in HTTP/2, `Host` in HTTP/1.
pub(super) fn authority(head: &Parts) -> Option<Authority> {
    let named = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse().ok());
    head.uri.authority().cloned().or(named)
}

fn another_site() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "this can be done only from a page of this site")
}

/// `None`: no browser that says where it comes from sent the request.
fn from_this_site(head: &Parts) -> Option<bool> {
    if let Some(site) = head.headers.get("sec-fetch-site") {
        return Some(site == "same-origin");
    }
    let origin = head.headers.get(header::ORIGIN)?.to_str().ok()?;
    let asked = authority(head)?;
    Some(origin.split_once("://").is_some_and(|(_, from)| from == asked.as_str()))
}
