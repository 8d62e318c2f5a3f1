//! Holds the listing of folders: who gets which form, and that it shows no more than requests can reach.

use std::fs;

use http::{Method, StatusCode};
use narae_files::{Dotfiles, Files};
use serde_json::Value;

use crate::site::{Answer, Site, check, get, request};

fn site() -> (Site, Files) {
    let site = Site::new();
    site.file("docs/notes/b.txt", b"12345");
    site.file("docs/notes/A.txt", b"1");
    site.file("docs/notes/.hidden", b"x");
    site.file("docs/notes/sub/x.txt", b"x");
    site.link("docs/notes/inside.txt", "../../hello.txt");
    site.link("docs/notes/folder", "../../docs");
    site.link("docs/notes/outside.txt", "../../../outside/secret.txt");
    site.link("docs/notes/outside", "../../../outside");
    site.link("docs/notes/dangling", "nowhere");
    let files = site.files().listing(true);
    (site, files)
}

async fn json(files: Files, target: &str) -> (Answer, Vec<String>) {
    let answer = check(files, get(target).header("accept", "application/json")).await;
    let names = serde_json::from_slice::<Value>(&answer.body)
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["name"].as_str().unwrap().to_owned())
        .collect();
    (answer, names)
}

#[tokio::test]
async fn a_folder_without_an_index_is_listed_when_asked_for() {
    let (site, files) = site();
    assert_eq!(site.get("/docs/notes/").await.status, StatusCode::NOT_FOUND);
    let answer = check(files.clone(), get("/docs/notes/")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.header("vary"), Some("Accept"));
    assert!(answer.header("content-security-policy").unwrap().starts_with("default-src 'none'"));
    let page = String::from_utf8(answer.body).unwrap();
    for part in ["./A.txt", "./b.txt", "./sub/", "./inside.txt", "./folder/"] {
        assert!(page.contains(&format!("href=\"{part}\"")), "{part} in {page}");
    }
    // An index answers for its folder as before, and a folder without its slash redirects.
    assert_eq!(check(files.clone(), get("/docs/")).await.body, b"<h1>docs</h1>");
    let answer = check(files, get("/docs/notes?sort=size")).await;
    assert_eq!(answer.header("location"), Some("./notes/?sort=size"));
}

#[tokio::test]
async fn programs_get_json() {
    let (_site, files) = site();
    let (answer, names) = json(files.clone(), "/docs/notes/").await;
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    assert_eq!(names, ["folder", "sub", "A.txt", "b.txt", "inside.txt"]);
    let entries: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(entries[0]["type"], "directory");
    assert_eq!(entries[3]["size"], 5);
    assert_eq!(entries[3]["mtime"], "Sun, 06 Nov 1994 08:49:37 GMT");
    assert_eq!(entries[4]["size"], 12);
    assert_eq!(json(files, "/docs/notes/?sort=size&order=desc").await.1[2], "inside.txt");
}

#[tokio::test]
async fn nothing_is_listed_that_a_request_could_not_reach() {
    let (site, files) = site();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        site.root().join("docs/notes/fifo"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o666),
        0,
    )
    .unwrap();
    fs::write(site.root().join("docs/notes/back\\slash"), b"x").unwrap();
    let (_, names) = json(files.clone(), "/docs/notes/").await;
    for hidden in [".hidden", "outside.txt", "outside", "dangling", "fifo", "back\\slash"] {
        assert!(!names.iter().any(|name| name == hidden), "{hidden}");
    }
    for name in &names {
        let status = check(files.clone(), get(&format!("/docs/notes/{name}"))).await.status;
        assert!(matches!(status.as_u16(), 200 | 301), "{name}: {status}");
    }
    let (_, names) = json(files.dotfiles(Dotfiles::Allow), "/docs/notes/").await;
    assert!(names.iter().any(|name| name == ".hidden"));
}

#[tokio::test]
async fn the_root_and_an_empty_folder_are_listed() {
    let (site, files) = site();
    fs::create_dir(site.root().join("empty")).unwrap();
    let files = files.no_index();
    let (_, names) = json(files.clone(), "/").await;
    assert_eq!(names, ["docs", "empty", "hello.txt", "index.html", "nums.txt"]);
    assert!(json(files.clone(), "/empty/").await.1.is_empty());
    let page = check(files.clone(), get("/")).await.body;
    assert!(!String::from_utf8(page).unwrap().contains("Parent folder"));
    for target in ["/missing/", "/hello.txt/", "/.git/", "/docs/notes/outside/"] {
        assert_eq!(check(files.clone(), get(target)).await.status, StatusCode::NOT_FOUND, "{target}");
    }
}

#[tokio::test]
async fn head_has_the_fields_of_get() {
    let (_site, files) = site();
    let by_get = check(files.clone(), get("/docs/notes/")).await;
    let by_head = check(files, request(Method::HEAD, "/docs/notes/")).await;
    assert_eq!(by_get.headers, by_head.headers);
}

#[tokio::test]
async fn a_large_folder_is_cut_and_says_so() {
    let (site, files) = site();
    let folder = site.root().join("large");
    fs::create_dir(&folder).unwrap();
    for number in 0..10_050 {
        fs::File::create(folder.join(format!("{number:05}"))).unwrap();
    }
    assert_eq!(json(files.clone(), "/large/").await.1.len(), 10_000);
    let page = String::from_utf8(check(files, get("/large/")).await.body).unwrap();
    assert!(page.contains("10050 entries, of which 50 are not shown"), "{}", &page[page.len() - 200..]);
}
