//! Holds conditional requests against RFC 9110 §13. Each field's grammar is tested beside the code.

use http::{HeaderValue, Method, StatusCode};

use crate::site::{Site, check, get, request};

const ETAG: &str = r#""a-2ebc98a1-1dcd6500""#;
const WEAK: &str = r#"W/"a-2ebc98a1-1dcd6500""#;
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const EXACT: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

async fn answers(headers: &[(&str, &str)], status: u16) {
    let site = Site::new();
    let answer = site.get_with("/nums.txt", headers).await;
    assert_eq!(answer.status.as_u16(), status, "{headers:?}");
    let head = headers
        .iter()
        .fold(request(Method::HEAD, "/nums.txt"), |request, (name, value)| request.header(*name, *value));
    let head = check(site.files(), head).await;
    assert_eq!(head.status.as_u16(), if status == 206 { 200 } else { status }, "HEAD {headers:?}");
}

#[tokio::test]
async fn s13_1_1_if_match() {
    answers(&[("if-match", ETAG)], 200).await;
    answers(&[("if-match", "*")], 200).await;
    answers(&[("if-match", WEAK)], 412).await;
    answers(&[("if-match", "\"x\"")], 412).await;
}

#[tokio::test]
async fn s13_1_2_if_none_match() {
    answers(&[("if-none-match", ETAG)], 304).await;
    answers(&[("if-none-match", WEAK)], 304).await;
    answers(&[("if-none-match", "*")], 304).await;
    answers(&[("if-none-match", "\"x\"")], 200).await;
}

#[tokio::test]
async fn s13_1_3_if_modified_since() {
    answers(&[("if-modified-since", EXACT)], 304).await;
    answers(&[("if-modified-since", AFTER)], 304).await;
    answers(&[("if-modified-since", BEFORE)], 200).await;
    answers(&[("if-modified-since", "yesterday")], 200).await;
}

#[tokio::test]
async fn s13_1_4_if_unmodified_since() {
    answers(&[("if-unmodified-since", EXACT)], 200).await;
    answers(&[("if-unmodified-since", BEFORE)], 412).await;
    answers(&[("if-unmodified-since", "yesterday")], 200).await;
}

#[tokio::test]
async fn s13_1_5_if_range() {
    let range = ("range", "bytes=0-3");
    answers(&[range, ("if-range", ETAG)], 206).await;
    answers(&[range, ("if-range", EXACT)], 206).await;
    answers(&[range, ("if-range", WEAK)], 200).await;
    answers(&[range, ("if-range", AFTER)], 200).await;
    answers(&[range, ("if-range", "\"x\"")], 200).await;
    answers(&[("range", "bytes=99-"), ("if-range", "\"x\"")], 200).await;
    answers(&[("if-range", ETAG)], 200).await;
}

#[tokio::test]
async fn s13_2_2_the_order_is_failed_then_not_modified_then_range() {
    answers(&[("if-match", ETAG), ("if-unmodified-since", BEFORE)], 200).await;
    answers(&[("if-none-match", "\"x\""), ("if-modified-since", AFTER)], 200).await;
    answers(&[("if-match", "\"x\""), ("if-none-match", ETAG)], 412).await;
    answers(&[("if-match", ETAG), ("if-none-match", ETAG)], 304).await;
    answers(&[("range", "bytes=0-3"), ("if-none-match", ETAG)], 304).await;
    answers(&[("range", "bytes=0-3"), ("if-match", "\"x\"")], 412).await;
    answers(&[("range", "bytes=0-3"), ("if-match", ETAG)], 206).await;
}

#[tokio::test]
async fn s13_2_1_conditions_do_not_turn_a_missing_file_into_something_else() {
    let site = Site::new();
    for header in [("if-none-match", "*"), ("if-match", "*"), ("if-unmodified-since", BEFORE)] {
        assert_eq!(site.get_with("/missing", &[header]).await.status, StatusCode::NOT_FOUND, "{header:?}");
    }
}

#[tokio::test]
async fn s15_4_5_not_modified_keeps_what_a_cache_needs() {
    let site = Site::new();
    let files = site.files().cache_control(HeaderValue::from_static("max-age=60"));
    let answer = check(files, get("/nums.txt").header("if-none-match", ETAG)).await;
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
    let mut names: Vec<_> = answer.headers.keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "etag", "last-modified", "vary"]);
}

#[tokio::test]
async fn cache_control_asks_for_a_check_by_default_and_is_only_on_files() {
    let site = Site::new();
    assert_eq!(site.get("/nums.txt").await.header("cache-control"), Some("no-cache"));
    let files = site.files().no_cache_control();
    assert_eq!(check(files, get("/nums.txt")).await.header("cache-control"), None);
    let files = site.files().cache_control(HeaderValue::from_static("max-age=60"));
    for (target, expected) in [("/nums.txt", Some("max-age=60")), ("/docs", None), ("/missing", None)] {
        let answer = check(files.clone(), get(target)).await;
        assert_eq!(answer.header("cache-control"), expected, "{target}");
    }
}
