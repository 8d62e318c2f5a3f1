//! Holds methods against RFC 9110 §9.3 and §15.5.6.

use http::{Method, StatusCode};

use crate::site::{Site, check, get, request};

#[tokio::test]
async fn head_has_the_headers_of_get_and_no_body() {
    let site = Site::new();
    site.file("big.bin", &[7; 300_000]);
    site.file("empty.txt", b"");
    for target in ["/hello.txt", "/big.bin", "/empty.txt", "/", "/docs/", "/docs?q", "/missing", "/%zz"] {
        let with_body = check(site.files(), get(target)).await;
        let head = check(site.files(), request(Method::HEAD, target)).await;
        assert_eq!(head.status, with_body.status, "{target}");
        assert_eq!(head.headers, with_body.headers, "{target}");
        assert!(head.body.is_empty(), "{target}");
    }
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let site = Site::new();
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for target in ["/hello.txt", "/missing", "/docs", "/%zz"] {
            let answer = check(site.files(), request(method.clone(), target)).await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {target}");
            assert_eq!(answer.header("allow"), Some("GET, HEAD"), "{method} {target}");
        }
    }
}

#[tokio::test]
async fn options_names_the_methods() {
    let site = Site::new();
    let answer = check(site.files(), request(Method::OPTIONS, "/hello.txt")).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.header("allow"), Some("GET, HEAD"));
}

#[tokio::test]
async fn refusals_have_a_short_text() {
    let site = Site::new();
    let answer = site.get("/missing").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.body, b"404 Not Found\n");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}
