//! Holds symbolic links: followed beneath the root, refused as soon as one step leaves it.

use http::StatusCode;

use crate::site::Site;

#[tokio::test]
async fn links_beneath_the_root_are_followed() {
    let site = Site::new();
    site.link("link.txt", "hello.txt");
    site.link("chain.txt", "link.txt");
    site.link("dirlink", "docs");
    site.link("docs/up.txt", "../hello.txt");
    site.link("around.txt", "docs/../hello.txt");
    for target in ["/link.txt", "/chain.txt", "/docs/up.txt", "/around.txt", "/dirlink/up.txt"] {
        assert_eq!(site.get(target).await.body, b"hello, world", "{target}");
    }
    assert_eq!(site.get("/dirlink/").await.body, b"<h1>docs</h1>");
    assert_eq!(site.get("/dirlink/page.html").await.body, b"<p>page</p>");
    assert_eq!(site.get("/dirlink").await.header("location"), Some("./dirlink/"));
}

#[tokio::test]
async fn links_that_leave_the_root_are_not_found() {
    let site = Site::new();
    site.link("out.txt", "../outside/secret.txt");
    site.link("outdir", "../outside");
    site.link("to-out.txt", "out.txt");
    site.link("back-in.txt", "../root/hello.txt");
    site.link("docs/out.txt", "../../outside/secret.txt");
    for target in [
        "/out.txt",
        "/outdir",
        "/outdir/",
        "/outdir/secret.txt",
        "/to-out.txt",
        "/back-in.txt",
        "/docs/out.txt",
    ] {
        assert_eq!(site.get(target).await.status, StatusCode::NOT_FOUND, "{target}");
    }
}

#[tokio::test]
async fn absolute_links_are_not_found_wherever_they_lead() {
    let site = Site::new();
    site.link("secret.txt", site.outside().join("secret.txt"));
    site.link("outdir", site.outside());
    site.link("hello-again.txt", site.root().join("hello.txt"));
    site.link("self", "/proc/self/root");
    for target in ["/secret.txt", "/outdir/secret.txt", "/hello-again.txt", "/self/etc/passwd"] {
        assert_eq!(site.get(target).await.status, StatusCode::NOT_FOUND, "{target}");
    }
}

#[tokio::test]
async fn broken_and_cyclic_links_are_not_found() {
    let site = Site::new();
    site.link("broken", "nowhere");
    site.link("cycle", "cycle");
    site.link("one", "two");
    site.link("two", "one");
    for target in ["/broken", "/cycle", "/one", "/two/x"] {
        assert_eq!(site.get(target).await.status, StatusCode::NOT_FOUND, "{target}");
    }
}

#[tokio::test]
async fn a_folder_swapped_for_a_link_while_serving_leads_nowhere() {
    let site = Site::new();
    let files = site.files();
    std::fs::rename(site.root().join("docs"), site.root().join("old")).unwrap();
    site.link("docs", "../outside");
    let answer = crate::site::check(files, crate::site::get("/docs/secret.txt")).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}
