//! Holds `Content-Type` against RFC 9110 §8.3.

use crate::site::Site;

async fn check(name: &str, expected: &str) {
    let site = Site::new();
    site.file(name, b"x");
    let answer = site.get(&format!("/{name}")).await;
    assert_eq!(answer.header("content-type"), Some(expected), "{name}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{name}");
}

#[tokio::test]
async fn the_extension_decides() {
    check("a.html", "text/html; charset=utf-8").await;
    check("a.JS", "text/javascript; charset=utf-8").await;
    check("a.json", "application/json; charset=utf-8").await;
    check("a.svg", "image/svg+xml").await;
    check("a.png", "image/png").await;
    check("noext", "application/octet-stream").await;
    check("a.html/b", "application/octet-stream").await;
}

#[tokio::test]
async fn an_index_has_its_own_type_and_not_the_type_of_its_folder() {
    let site = Site::new();
    site.file("looks.png/index.html", b"x");
    let answer = site.get("/looks.png/").await;
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
}
