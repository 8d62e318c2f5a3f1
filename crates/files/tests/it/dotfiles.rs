//! Holds the dotfile policies: what names that begin with a dot are answered with.

use http::StatusCode;
use narae_files::Dotfiles;

use crate::site::{Site, check, get};

async fn answers(policy: Option<Dotfiles>, expected: [(&str, u16); 7]) {
    let site = Site::new();
    site.file(".env", b"x");
    site.file(".well-known/security.txt", b"x");
    site.file("docs/.hidden/page.html", b"x");
    site.file("a.b/.c", b"x");
    for (target, status) in expected {
        let files = match policy {
            Some(policy) => site.files().dotfiles(policy),
            None => site.files(),
        };
        let answer = check(files, get(target)).await;
        assert_eq!(answer.status.as_u16(), status, "{target} with {policy:?}");
    }
}

#[tokio::test]
async fn dotfiles_do_not_exist_by_default() {
    let expected = [
        ("/.env", 404),
        ("/.well-known/security.txt", 404),
        ("/.well-known", 404),
        ("/docs/.hidden/page.html", 404),
        ("/a.b/%2ec", 404),
        ("/.missing", 404),
        ("/..", 404),
    ];
    answers(None, expected).await;
    answers(Some(Dotfiles::Ignore), expected).await;
}

#[tokio::test]
async fn deny_forbids_them_whether_they_exist_or_not() {
    let expected = [
        ("/.env", 403),
        ("/.well-known/security.txt", 403),
        ("/.well-known", 403),
        ("/docs/.hidden/page.html", 403),
        ("/a.b/%2ec", 403),
        ("/.missing", 403),
        ("/..", 404),
    ];
    answers(Some(Dotfiles::Deny), expected).await;
}

#[tokio::test]
async fn allow_serves_them() {
    let expected = [
        ("/.env", 200),
        ("/.well-known/security.txt", 200),
        ("/.well-known", 301),
        ("/docs/.hidden/page.html", 200),
        ("/a.b/%2ec", 200),
        ("/.missing", 404),
        ("/..", 404),
    ];
    answers(Some(Dotfiles::Allow), expected).await;
}

#[tokio::test]
async fn the_policy_does_not_apply_to_the_index() {
    let site = Site::new();
    site.file(".home.html", b"home");
    let answer = check(site.files().index(".home.html"), get("/")).await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"home"[..]));
}

#[tokio::test]
async fn the_index_can_be_named_or_turned_off() {
    let site = Site::new();
    let named = check(site.files().index("page.html"), get("/docs/")).await;
    assert_eq!(named.body, b"<p>page</p>");
    for files in
        [site.files().no_index(), site.files().index(""), site.files().index("../outside/secret.txt")]
    {
        assert_eq!(check(files.clone(), get("/docs/")).await.status, StatusCode::NOT_FOUND);
        assert_eq!(check(files, get("/")).await.status, StatusCode::NOT_FOUND);
    }
    site.file("folder/index.html/x", b"x");
    assert_eq!(site.get("/folder/").await.status, StatusCode::NOT_FOUND);
}
