//! What each configuration of serve-static is in narae.
//!
//! In: the name of a configuration. Out: a router whose options mean the same, or that there is none.

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use narae::prelude::*;
use narae::{Dotfiles, axum};

use super::tree::Tree;

pub enum Mapped {
    To(Router),
    /// There is no such option, or it is about something else than a folder.
    Nowhere,
}

pub fn map(config: &str, tree: &Tree) -> Mapped {
    let files =
        Files::open(tree.root()).unwrap().cache_control(HeaderValue::from_static("public, max-age=0"));
    let cached = |value: &'static str| files.clone().cache_control(HeaderValue::from_static(value));
    let files = match config {
        // What serve-static passes on, `Files` answers itself: that is `fallthrough: false`.
        "default" | "fallthrough_false" | "send_bare" | "express_root" => files,
        "dot_allow" => files.dotfiles(Dotfiles::Allow),
        "dot_deny" | "dot_deny_ft_false" => files.dotfiles(Dotfiles::Deny),
        "ext" => files.extensions(["html", "htm"]),
        // A lifetime is written as the field says it: what serve-static makes of a number is no matter here.
        "maxage_1d_immutable" => cached("public, max-age=86400, immutable"),
        "maxage_1500" => cached("public, max-age=1"),
        "maxage_10y" => cached("public, max-age=31536000"),
        "maxage_neg" | "maxage_bad" => files,
        "no_etag" => files.etag(false),
        "no_lastmod" => files.last_modified(false),
        "no_validators" => files.etag(false).last_modified(false),
        "no_ranges" => files.ranges(false),
        "no_cc" => files.no_cache_control(),
        "no_index" => files.no_index(),
        "index_list" => files.index_files(["missing.html", "home.html", "index.html"]),
        "no_redirect" | "no_redirect_ft_false" => files.redirect(false),
        "set_headers" => {
            return Mapped::To(Router::new().fallback_service(files).layer(from_fn(set_headers)));
        }
        "express_mounted" => return Mapped::To(Router::new().nest_service("/static", files)),
        "express_sendfile" | "send_start_end" => return Mapped::Nowhere,
        unknown => panic!("no such configuration: {unknown}"),
    };
    Mapped::To(Router::new().fallback_service(files))
}

/// `setHeaders`: what serve-static lets an application do to the answer for a file.
async fn set_headers(request: Request, next: Next) -> Response {
    let is_text = request.uri().path().ends_with(".txt");
    let mut response = next.run(request).await;
    let status = response.status();
    if is_text && (status.is_success() || status == StatusCode::NOT_MODIFIED) {
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status != StatusCode::NOT_MODIFIED {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/custom"));
        }
    }
    response
}
