//! Holds paths against RFC 3986 §2.1 and §3.3: which name a path means, and that none means a file outside.

use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

use http::StatusCode;

use crate::site::{SECRET, Site, check, get};

async fn serves(site: &Site, target: &str, content: &[u8]) {
    let answer = site.get(target).await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, content), "{target}");
}

async fn refuses(site: &Site, target: &str, status: StatusCode) {
    assert_eq!(site.get(target).await.status, status, "{target}");
}

#[tokio::test]
async fn serves_files_and_the_index_of_folders() {
    let site = Site::new();
    serves(&site, "/hello.txt", b"hello, world").await;
    serves(&site, "/", b"<h1>home</h1>").await;
    serves(&site, "/?x", b"<h1>home</h1>").await;
    serves(&site, "/docs/", b"<h1>docs</h1>").await;
    serves(&site, "/docs/page.html", b"<p>page</p>").await;
    serves(&site, "/hello.txt?query=/../..", b"hello, world").await;
}

#[tokio::test]
async fn empty_segments_collapse() {
    let site = Site::new();
    serves(&site, "//", b"<h1>home</h1>").await;
    serves(&site, "///hello.txt", b"hello, world").await;
    serves(&site, "//docs//", b"<h1>docs</h1>").await;
    serves(&site, "/docs//page.html", b"<p>page</p>").await;
}

#[tokio::test]
async fn unusual_names_are_served_by_their_escapes() {
    let site = Site::new();
    for (name, target) in [
        ("with space.txt", "/with%20space.txt"),
        ("a%b.txt", "/a%25b.txt"),
        ("%2e%2e", "/%252e%252e"),
        ("plus+name.txt", "/plus+name.txt"),
        ("semi;name.txt", "/semi;name.txt"),
        ("quote'name.txt", "/quote'name.txt"),
        ("a?b#c.txt", "/a%3Fb%23c.txt"),
        ("a:b.txt", "/a:b.txt"),
        ("~tilde.txt", "/%7Etilde.txt"),
        ("a..b.txt", "/a..b.txt"),
        ("line\nbreak", "/line%0Abreak"),
        ("한글.txt", "/%ED%95%9C%EA%B8%80.txt"),
        ("é.txt", "/%c3%a9.txt"),
        ("*", "/*"),
    ] {
        site.file(name, name.as_bytes());
        serves(&site, target, name.as_bytes()).await;
    }
}

#[tokio::test]
async fn names_that_are_not_utf8_are_served_as_bytes() {
    let site = Site::new();
    site.file(OsStr::from_bytes(b"caf\xE9.txt"), b"latin-1");
    serves(&site, "/caf%E9.txt", b"latin-1").await;
    refuses(&site, "/caf%C3%A9.txt", StatusCode::NOT_FOUND).await;
}

#[tokio::test]
async fn a_file_with_a_trailing_slash_is_not_found() {
    let site = Site::new();
    refuses(&site, "/hello.txt/", StatusCode::NOT_FOUND).await;
    let answer = check(site.files().no_index(), get("/hello.txt/")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn broken_escapes_and_nul_are_bad_requests() {
    let site = Site::new();
    for target in ["/%", "/%zz", "/hello.txt%0", "/hello.txt%00", "/%c0%ae%c0%ae/x"] {
        refuses(&site, target, StatusCode::BAD_REQUEST).await;
    }
}

#[tokio::test]
async fn very_long_paths_are_refused() {
    let site = Site::new();
    refuses(&site, &format!("/{}", "a".repeat(255)), StatusCode::NOT_FOUND).await;
    refuses(&site, &format!("/{}", "a".repeat(256)), StatusCode::NOT_FOUND).await;
    refuses(&site, &"/a".repeat(2048), StatusCode::NOT_FOUND).await;
    refuses(&site, &format!("{}/", "/a".repeat(2047)), StatusCode::NOT_FOUND).await;
    refuses(&site, &"/a".repeat(2049), StatusCode::URI_TOO_LONG).await;
    refuses(&site, &"/".repeat(60_000), StatusCode::URI_TOO_LONG).await;
}

#[tokio::test]
async fn no_hostile_path_is_answered_with_a_file_or_a_redirect() {
    let site = Site::new();
    site.file(".env", SECRET);
    site.file(".git/config", SECRET);
    site.file("docs/.git/config", SECRET);
    site.link("out.txt", "../outside/secret.txt");
    site.link("outdir", "../outside");
    site.link("absolute.txt", site.outside().join("secret.txt"));
    site.link("absolute-dir", site.outside());
    site.link("back-in.txt", "../root/hello.txt");
    site.link("loop", "loop");
    site.link("broken", "nowhere");
    site.link("filesystem", "/");
    site.link("docs/deep-out.txt", "../../outside/secret.txt");
    let corpus: Vec<&str> = include_str!("hostile_paths.txt").lines().collect();
    assert!(corpus.len() >= 100);
    for target in corpus {
        let answer = site.get(target).await;
        assert!(matches!(answer.status.as_u16(), 400 | 404), "{target}: {}", answer.status);
        assert_eq!(answer.header("location"), None, "{target}");
    }
}

#[tokio::test]
async fn a_target_without_a_path_is_not_found() {
    let site = Site::new();
    let answer = check(site.files(), http::Request::get("*")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    let answer = check(site.files(), http::Request::get("example.com:80")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}
