//! Pages, their files, their headers, and the pages that errors become.

use super::*;
use crate::demo::{Audience, internal_error};

#[tokio::test]
async fn every_page_is_html_under_a_strict_policy() {
    let site = Site::new();
    for path in ["/", "/about", "/connection", "/workers", "/account", "/nowhere", "/fail"] {
        let answer = site.browse(path).await;
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{path}");
        let policy = answer.header("content-security-policy");
        assert!(
            policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"));
        assert_eq!(answer.header("x-content-type-options"), "nosniff");
        assert_eq!(answer.header("referrer-policy"), "same-origin");
        let page = answer.text();
        assert!(page.starts_with("<!doctype html>") && page.trim_end().ends_with("</html>"), "{path}");
        assert!(!page.contains("{{"), "{path} has an empty place");
        for inline in ["<style", "style=", "<script>", "onclick", "javascript:"] {
            assert!(!page.contains(inline), "{path} has {inline}, which its own policy forbids");
        }
    }
}

#[tokio::test]
async fn links_and_files_of_every_page_lead_somewhere() {
    let site = Site::new();
    for page in ["/", "/about", "/connection", "/workers", "/account", "/fail"] {
        let html = site.browse(page).await;
        let targets = html.text().split([' ', '>']).filter_map(|word| {
            let target = word.strip_prefix("href=\"").or_else(|| word.strip_prefix("src=\""))?;
            target.strip_suffix('"')
        });
        for target in targets.filter(|target| target.starts_with('/')) {
            // Two links lead into trouble on purpose, and one would panic here.
            if !["/nowhere", "/fail", "/boom"].contains(&target) {
                assert_eq!(site.get(target).await.status, StatusCode::OK, "{page} links to {target}");
            }
        }
    }
}

#[tokio::test]
async fn the_navigation_marks_the_current_page() {
    let site = Site::new();
    for path in ["/", "/about", "/connection", "/workers", "/account"] {
        let marked = format!("<a href=\"{path}\" aria-current=\"page\">");
        assert!(site.browse(path).await.text().contains(&marked), "{path}");
    }
    assert!(!site.browse("/nowhere").await.text().contains("aria-current"));
}

#[tokio::test]
async fn a_file_named_by_its_hash_is_kept_and_any_other_is_asked_for_again() {
    let site = Site::new();
    let types = [
        ("/style.css", "text/css; charset=utf-8"),
        ("/users.js", "text/javascript; charset=utf-8"),
        ("/logo.svg", "image/svg+xml"),
        ("/favicon.ico", "image/svg+xml"),
    ];
    for (path, content_type) in types {
        let answer = site.get(path).await;
        assert_eq!(answer.header("content-type"), content_type);
        assert_eq!(answer.header("cache-control"), "no-cache");
        let tag = answer.header("etag").to_owned();
        let hash = tag.trim_matches('"');
        let kept = site.get(&format!("{path}?v={hash}")).await;
        assert_eq!(kept.header("cache-control"), "public, max-age=31536000, immutable");
        assert_eq!(site.get(&format!("{path}?v=older")).await.header("cache-control"), "no-cache");
        let again = site.send(request("GET", path, &[("if-none-match", &tag)], "")).await;
        assert_eq!(again.status, StatusCode::NOT_MODIFIED);
        assert!(again.body.is_empty() && again.header("etag") == tag);
    }
}

#[tokio::test]
async fn scripts_import_only_files_that_exist() {
    let site = Site::new();
    let script = site.get("/users.js").await;
    for line in script.text().lines().filter(|line| line.starts_with("import ")) {
        let name = line.rsplit('\'').nth(1).unwrap().trim_start_matches("./");
        assert_eq!(site.get(&format!("/{name}")).await.status, StatusCode::OK, "{name}");
    }
}

#[tokio::test]
async fn the_connection_page_shows_what_the_server_knows() {
    let site = Site::new();
    let page = site.browse("/connection").await;
    for fact in ["HTTP/1.1", "TLS 1.3 &lt;&amp;&gt;", "192.0.2.7:4711", ">4242<", ">1<"] {
        assert!(page.text().contains(fact), "{fact}");
    }
    assert_eq!(page.header("cache-control"), "no-store");
    let served = site.get("/api/connection").await.json();
    assert_eq!(served["protocol"], "HTTP/1.1");
    assert_eq!(served["pid"], 4242);
    assert_eq!(served["worker"], 1);
}

#[tokio::test]
async fn browsers_get_error_pages_and_programs_get_documents() {
    let site = Site::new();
    let page = site.browse("/nowhere").await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(page.text().contains("This page has flown"));
    assert_eq!(page.header("vary"), "Accept");
    site.get("/nowhere").await.problem(StatusCode::NOT_FOUND);
    site.browse("/api/nothing").await.problem(StatusCode::NOT_FOUND);
    site.browse("/api").await.problem(StatusCode::NOT_FOUND);

    let refused = site.send(request("POST", "/about", &[("accept", "text/html")], "")).await;
    assert_eq!(refused.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(refused.header("allow"), "GET, HEAD, OPTIONS");
    assert!(refused.text().contains("<h1>Not that way</h1>"));
}

#[tokio::test]
async fn a_failure_reaches_the_log_and_never_the_client() {
    let site = Site::new();
    for answer in [site.browse("/fail").await, site.get("/fail").await] {
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        let secret = "asked to fail";
        assert!(answer.failure.as_ref().unwrap().0.to_string().contains(secret));
        assert!(!answer.text().contains(secret));
        assert_eq!(answer.header("cache-control"), "no-store");
    }
}

#[tokio::test]
async fn a_panic_can_be_answered_for_the_audience_that_asked() {
    for (path, accept, content_type) in [
        ("/boom", "text/html", "text/html; charset=utf-8"),
        ("/boom", "*/*", "application/problem+json"),
        ("/api/users", "text/html", "application/problem+json"),
    ] {
        let (head, _) = request("GET", path, &[("accept", accept)], "").into_parts();
        let response = internal_error(Audience::from_head(&head.uri, &head.headers));
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()["content-type"], content_type);
        assert!(response.headers().contains_key("content-security-policy"));
    }
}
