//! Holds redirects of folders against RFC 9110 §10.2.2 and §15.4.2.

use http::StatusCode;

use crate::site::{Site, check, get};

async fn redirects(site: &Site, target: &str, location: &str) {
    let answer = site.get(target).await;
    assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY, "{target}");
    assert_eq!(answer.header("location"), Some(location), "{target}");
    assert!(answer.body.is_empty(), "{target}");
}

#[tokio::test]
async fn a_folder_without_its_slash_redirects_and_keeps_the_query() {
    let site = Site::new();
    site.file("docs/inner/index.html", b"x");
    redirects(&site, "/docs", "./docs/").await;
    redirects(&site, "/docs?x=1&y=%20", "./docs/?x=1&y=%20").await;
    redirects(&site, "/docs?", "./docs/?").await;
    redirects(&site, "/docs/inner?a", "./inner/?a").await;
    redirects(&site, "/%64ocs", "./docs/").await;
}

#[tokio::test]
async fn a_folder_without_an_index_still_redirects() {
    let site = Site::new();
    site.file("bare/file.txt", b"x");
    redirects(&site, "/bare", "./bare/").await;
    assert_eq!(site.get("/bare/").await.status, StatusCode::NOT_FOUND);
    let answer = check(site.files().no_index(), get("/docs")).await;
    assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY);
}

#[tokio::test]
async fn no_folder_name_redirects_to_another_host_or_scheme() {
    let site = Site::new();
    for name in ["javascript:alert(1)", "evil.com", "a\r\nb", "a?b", "한", "http:"] {
        site.file(format!("{name}/index.html"), b"x");
    }
    redirects(&site, "/javascript:alert(1)", "./javascript%3Aalert%281%29/").await;
    redirects(&site, "//evil.com", "./evil.com/").await;
    redirects(&site, "///evil.com?//evil.com", "./evil.com/?//evil.com").await;
    redirects(&site, "/a%0D%0Ab", "./a%0D%0Ab/").await;
    redirects(&site, "/a%3Fb", "./a%3Fb/").await;
    redirects(&site, "/%ED%95%9C", "./%ED%95%9C/").await;
    redirects(&site, "/http:", "./http%3A/").await;
    for target in ["//evil.com/%2e%2e", "/\\evil.com", "//evil.com/..", "/%5cevil.com", "/http://evil.com"] {
        assert_eq!(site.get(target).await.status, StatusCode::NOT_FOUND, "{target}");
    }
}

#[tokio::test]
async fn conditions_and_ranges_do_not_change_a_redirect() {
    let site = Site::new();
    for header in [("range", "bytes=0-1"), ("if-none-match", "*"), ("if-match", "\"x\"")] {
        let answer = site.get_with("/docs", &[header]).await;
        assert_eq!(answer.status, StatusCode::MOVED_PERMANENTLY, "{header:?}");
    }
}
