//! Holds `Cache-Control` by path and by name (RFC 9111 §5.2).

use http::HeaderValue;
use narae_files::CacheRule;

use crate::site::{Site, check, get};

#[tokio::test]
async fn rules_go_by_path_and_name_and_the_rest_gets_the_rest() {
    let site = Site::new();
    site.file("assets/app.3f2a9c1b.js", b"x");
    site.file("assets/app.js", b"x");
    let rule = |pattern: &str, value: &str| CacheRule::new(pattern, value).unwrap();
    let files = site
        .files()
        .cache_rule(rule("*.html", "no-store"))
        .cache_rule(rule("/docs/**", "private"))
        .immutable_names(true)
        .cache_control(HeaderValue::from_static("max-age=60"));
    for (target, expected) in [
        ("/", "no-store"),
        ("/docs/page.html", "no-store"),
        ("/nums.txt", "max-age=60"),
        ("/assets/app.js", "max-age=60"),
        ("/assets/app.3f2a9c1b.js", "max-age=31536000, immutable"),
    ] {
        let answer = check(files.clone(), get(target)).await;
        assert_eq!(answer.header("cache-control"), Some(expected), "{target}");
        let tag = answer.header("etag").unwrap();
        let again = check(files.clone(), get(target).header("if-none-match", tag)).await;
        assert_eq!(again.header("cache-control"), Some(expected), "{target}, not modified");
    }
}
