//! Holds what answers where no file is: extensions, a single page, a page for `404`.

use http::{Method, StatusCode};

use crate::site::{Site, check, get, request};

fn site() -> Site {
    let site = Site::new();
    site.file("about.html", b"about");
    site.file("both.html", b"file");
    site.file("both/index.html", b"folder");
    site.file("only.htm", b"htm");
    site.file("404.html", b"<h1>not here</h1>");
    site
}

#[tokio::test]
async fn an_extension_is_added_where_the_name_has_none_and_leads_nowhere() {
    let files = site_files().extensions(["html", ".htm"]);
    let check = async |target: &str, status: u16, body: &[u8]| {
        let answer = check(files.1.clone(), get(target)).await;
        assert_eq!(answer.status.as_u16(), status, "{target}");
        if status == 200 {
            assert_eq!(answer.body, body, "{target}");
        }
    };
    check("/about", 200, b"about").await;
    check("/only", 200, b"htm").await;
    check("/about.html", 200, b"about").await;
    check("/both", 301, b"").await;
    check("/both/", 200, b"folder").await;
    check("/about/", 404, b"").await;
    check("/about.x", 404, b"").await;
    check("/about.", 404, b"").await;
    check("/none", 404, b"").await;
    check("/docs/page", 200, b"<p>page</p>").await;
}

#[tokio::test]
async fn the_extension_decides_the_type() {
    let files = site_files().extensions(["html"]);
    let answer = check(files.1, get("/about")).await;
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
}

#[tokio::test]
async fn a_single_page_answers_for_its_routes_and_not_for_files_that_are_gone() {
    let files = site_files().single_page("index.html");
    let check = async |target: &str, expected: Option<&[u8]>| {
        let answer = check(files.1.clone(), get(target)).await;
        assert_eq!(answer.status == StatusCode::OK, expected.is_some(), "{target}: {}", answer.status);
        if let Some(expected) = expected {
            assert_eq!(answer.body, expected, "{target}");
        }
    };
    check("/users/7", Some(b"<h1>home</h1>")).await;
    check("/users/", Some(b"<h1>home</h1>")).await;
    check("/a.b/users", Some(b"<h1>home</h1>")).await;
    check("/hello.txt", Some(b"hello, world")).await;
    check("/docs/", Some(b"<h1>docs</h1>")).await;
    check("/gone.js", None).await;
    check("/assets/gone.css", None).await;
    check("/.env", None).await;
    check("/../users", None).await;
    check("/%zz", None).await;
}

#[tokio::test]
async fn the_single_page_is_validated_like_any_file() {
    let files = site_files().single_page("/index.html");
    let answer = check(files.1.clone(), get("/users/7")).await;
    let tag = answer.header("etag").unwrap();
    let again = check(files.1.clone(), get("/users/8").header("if-none-match", tag)).await;
    assert_eq!(again.status, StatusCode::NOT_MODIFIED);
    let head = check(files.1, request(Method::HEAD, "/users/7")).await;
    assert_eq!((head.status, head.header("content-length")), (StatusCode::OK, Some("13")));
}

#[tokio::test]
async fn a_page_says_that_nothing_is_here() {
    let files = site_files().not_found("404.html");
    for target in ["/gone", "/gone.js", "/.env", "/a/../b", "/gone/"] {
        let answer = check(files.1.clone(), get(target)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{target}");
        assert_eq!(answer.body, b"<h1>not here</h1>", "{target}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"), "{target}");
        for absent in ["etag", "last-modified", "accept-ranges", "cache-control"] {
            assert_eq!(answer.header(absent), None, "{target} {absent}");
        }
    }
    let conditional = get("/gone").header("if-none-match", "*").header("range", "bytes=0-1");
    assert_eq!(check(files.1.clone(), conditional).await.status, StatusCode::NOT_FOUND);
    assert_eq!(check(files.1.clone(), get("/%zz")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(check(files.1, get("/404.html")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_page_that_is_missing_or_cannot_be_changes_nothing() {
    let site = site();
    for files in [
        site.files().not_found("none.html").single_page("none.html"),
        site.files().not_found("../outside/secret.txt").single_page("../outside/secret.txt"),
        site.files().not_found("").single_page("docs"),
    ] {
        let answer = check(files, get("/gone")).await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::NOT_FOUND, &b"404 Not Found\n"[..]));
    }
}

#[tokio::test]
async fn the_first_index_that_is_there_answers() {
    let site = site();
    let files = site.files().index_files(["home.html", "index.html"]);
    assert_eq!(check(files.clone(), get("/docs/")).await.body, b"<h1>docs</h1>");
    site.file("docs/home.html", b"home");
    assert_eq!(check(files, get("/docs/")).await.body, b"home");
}

#[tokio::test]
async fn without_redirects_a_folder_without_its_slash_is_not_found() {
    let files = site_files().redirect(false);
    assert_eq!(check(files.1.clone(), get("/docs")).await.status, StatusCode::NOT_FOUND);
    assert_eq!(check(files.1, get("/docs/")).await.status, StatusCode::OK);
}

/// A site and its files, kept together: the site is removed when it goes out of scope.
struct SiteFiles(#[allow(dead_code, reason = "held for its folder")] Site, narae_files::Files);

fn site_files() -> SiteFiles {
    let site = site();
    let files = site.files();
    SiteFiles(site, files)
}

impl SiteFiles {
    fn extensions<const N: usize>(self, extensions: [&str; N]) -> Self {
        Self(self.0, self.1.extensions(extensions))
    }

    fn single_page(self, page: &str) -> Self {
        Self(self.0, self.1.single_page(page))
    }

    fn not_found(self, page: &str) -> Self {
        Self(self.0, self.1.not_found(page))
    }

    fn redirect(self, redirect: bool) -> Self {
        Self(self.0, self.1.redirect(redirect))
    }
}
