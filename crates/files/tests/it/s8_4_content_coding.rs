//! Holds content codings against RFC 9110 §8.4, §12.5.3 and §12.5.5: who gets which form, and what says so.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use http::{Method, StatusCode};
use narae_files::Files;

use crate::site::{Answer, CHANGED, Site, check, get, request};

fn text() -> Vec<u8> {
    (0..2000).flat_map(|number: u32| format!("line {number} of a text\n").into_bytes()).collect()
}

fn site() -> Site {
    let site = Site::new();
    site.file("app.js", &text());
    site.file("photo.png", &text());
    site
}

async fn accepting(files: &Files, target: &str, accepted: &str) -> Answer {
    check(files.clone(), get(target).header("accept-encoding", accepted)).await
}

fn decoded(answer: &Answer) -> Vec<u8> {
    use std::io::Read;
    let mut plain = Vec::new();
    match answer.header("content-encoding") {
        Some("br") => brotli::Decompressor::new(&*answer.body, 4096).read_to_end(&mut plain).map(drop),
        Some("zstd") => zstd::stream::copy_decode(&*answer.body, &mut plain),
        Some("gzip") => flate2::read::GzDecoder::new(&*answer.body).read_to_end(&mut plain).map(drop),
        _ => return answer.body.clone(),
    }
    .unwrap();
    plain
}

#[tokio::test]
async fn text_is_compressed_in_the_form_that_is_preferred() {
    let files = site().files_kept();
    for (accepted, coding) in [
        ("gzip, deflate, br, zstd", Some("br")),
        ("gzip, zstd", Some("zstd")),
        ("gzip", Some("gzip")),
        ("br;q=0.1, gzip", Some("gzip")),
        ("deflate", None),
        ("identity, gzip;q=0", None),
        ("", None),
    ] {
        // The second answer comes from memory.
        for _ in 0..2 {
            let answer = accepting(&files.1, "/app.js", accepted).await;
            assert_eq!(answer.status, StatusCode::OK, "{accepted}");
            assert_eq!(answer.header("content-encoding"), coding, "{accepted}");
            assert_eq!(answer.header("vary"), Some("Accept-Encoding"), "{accepted}");
            assert_eq!(answer.header("content-type"), Some("text/javascript; charset=utf-8"), "{accepted}");
            assert_eq!(decoded(&answer), text(), "{accepted}");
            assert_eq!(answer.body.len() < text().len() / 3, coding.is_some(), "{accepted}");
        }
    }
}

#[tokio::test]
async fn what_is_compressed_already_or_small_is_left_alone() {
    let (site, files) = site().files_kept();
    site.file("tiny.css", b"a{}");
    let answer = accepting(&files, "/photo.png", "gzip, br").await;
    assert_eq!((answer.header("content-encoding"), answer.header("vary")), (None, None));
    let answer = accepting(&files, "/tiny.css", "gzip, br").await;
    assert_eq!((answer.header("content-encoding"), answer.header("vary")), (None, Some("Accept-Encoding")));
}

#[tokio::test]
async fn what_does_not_become_smaller_is_sent_as_it_is() {
    let (site, files) = site().files_kept();
    let mut state = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take(5000)
    .collect();
    site.file("noise.txt", &noise);
    for _ in 0..2 {
        let answer = accepting(&files, "/noise.txt", "br").await;
        assert_eq!(answer.header("content-encoding"), None);
        assert_eq!(answer.body, noise);
    }
}

#[tokio::test]
async fn each_form_has_a_tag_of_its_own_and_all_of_them_validate() {
    let (_site, files) = site().files_kept();
    let mut tags = Vec::new();
    for accepted in ["", "br", "zstd", "gzip"] {
        let tag = accepting(&files, "/app.js", accepted).await.header("etag").unwrap().to_owned();
        assert!(tag.starts_with('"'), "{tag} is strong");
        let again = get("/app.js").header("accept-encoding", accepted).header("if-none-match", &tag);
        let answer = check(files.clone(), again).await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{accepted}");
        assert_eq!(answer.header("vary"), Some("Accept-Encoding"), "{accepted}");
        assert_eq!(answer.header("content-encoding"), None, "{accepted}");
        tags.push(tag);
    }
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), 4);
}

#[tokio::test]
async fn a_range_counts_the_bytes_of_the_form_that_is_sent() {
    let (_site, files) = site().files_kept();
    let whole = accepting(&files, "/app.js", "gzip").await;
    let tag = whole.header("etag").unwrap().to_owned();
    let part = get("/app.js").header("accept-encoding", "gzip").header("range", "bytes=10-19");
    let part = check(files.clone(), part.header("if-range", &tag)).await;
    assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.header("content-encoding"), Some("gzip"));
    assert_eq!(part.body, &whole.body[10..20]);
    // The tag of another form promises nothing about this one.
    let other = get("/app.js").header("range", "bytes=10-19").header("if-range", &tag);
    assert_eq!(check(files, other).await.status, StatusCode::OK);
}

#[tokio::test]
async fn head_says_what_get_would() {
    let (_site, files) = site().files_kept();
    let by_get = accepting(&files, "/app.js", "br").await;
    let by_head = check(files, request(Method::HEAD, "/app.js").header("accept-encoding", "br")).await;
    assert_eq!(by_head.headers, by_get.headers);
    assert!(by_head.body.is_empty());
}

#[tokio::test]
async fn a_compressed_sibling_answers_for_its_original() {
    let (site, files) = site().files_kept();
    site.file("app.js.gz", b"made beforehand");
    let check = async |accepted: &str, coding: Option<&str>, length: usize| {
        let answer = accepting(&files, "/app.js", accepted).await;
        assert_eq!(answer.header("content-encoding"), coding, "{accepted}");
        assert_eq!(answer.header("content-type"), Some("text/javascript; charset=utf-8"), "{accepted}");
        assert_eq!(answer.body.len(), length, "{accepted}");
    };
    check("gzip", Some("gzip"), 15).await;
    // It goes before what would have to be compressed.
    check("br, gzip", Some("gzip"), 15).await;
    check("", None, text().len()).await;
    site.file("app.js.br", b"better");
    let again = files.clone().revalidate_after(Duration::ZERO);
    assert_eq!(accepting(&again, "/app.js", "br, gzip").await.body, b"better");
}

#[tokio::test]
async fn a_sibling_that_is_older_than_its_original_is_not_used() {
    let (site, files) = site().files_kept();
    let path = site.file("app.js.br", b"from long ago");
    let old = SystemTime::UNIX_EPOCH + CHANGED - Duration::from_secs(3);
    fs::File::options().write(true).open(path).unwrap().set_modified(old).unwrap();
    let answer = accepting(&files, "/app.js", "br").await;
    assert_eq!(decoded(&answer), text());
}

#[tokio::test]
async fn a_sibling_needs_its_original_and_is_a_file_of_its_own_too() {
    let (site, files) = site().files_kept();
    site.file("gone.js.br", b"sibling");
    assert_eq!(accepting(&files, "/gone.js", "br").await.status, StatusCode::NOT_FOUND);
    let answer = accepting(&files, "/gone.js.br", "br").await;
    assert_eq!((answer.body, answer.headers.get("content-encoding")), (b"sibling".to_vec(), None));
}

#[tokio::test]
async fn a_sibling_that_leaves_the_root_or_is_no_file_is_not_used() {
    let (site, files) = site().files_kept();
    site.link("app.js.br", "../outside/secret.txt");
    fs::create_dir(site.root().join("app.js.gz")).unwrap();
    for accepted in ["br", "gzip"] {
        assert_eq!(decoded(&accepting(&files, "/app.js", accepted).await), text(), "{accepted}");
    }
}

#[tokio::test]
async fn compression_and_siblings_can_be_turned_off() {
    let site = site();
    site.file("app.js.gz", b"made beforehand");
    let files = site.files().compression(false);
    assert_eq!(accepting(&files, "/app.js", "gzip").await.body, b"made beforehand");
    assert_eq!(accepting(&files, "/app.js", "br").await.header("content-encoding"), None);
    let files = site.files().precompressed(false);
    assert_eq!(decoded(&accepting(&files, "/app.js", "gzip").await), text());
    let files = site.files().precompressed(false).compression(false);
    let answer = accepting(&files, "/app.js", "gzip").await;
    assert_eq!((answer.header("content-encoding"), answer.header("vary")), (None, None));
    // Without memory nothing is compressed: each request would do it again.
    let files = site.files().precompressed(false).memory(0);
    assert_eq!(accepting(&files, "/app.js", "gzip").await.header("content-encoding"), None);
}

#[tokio::test]
async fn a_changed_file_is_compressed_anew() {
    let (site, files) = site().files_kept();
    let files = files.revalidate_after(Duration::ZERO);
    let before = accepting(&files, "/app.js", "br").await;
    site.file("app.js", &text()[1000..]);
    let after = accepting(&files, "/app.js", "br").await;
    assert_eq!(decoded(&after), &text()[1000..]);
    assert_ne!(before.header("etag"), after.header("etag"));
}

#[tokio::test]
async fn several_ranges_of_a_coded_form_get_the_whole() {
    let (_site, files) = site().files_kept();
    let several = |accepted: &'static str| {
        let request = get("/app.js").header("accept-encoding", accepted).header("range", "bytes=0-1,5-6");
        check(files.clone(), request)
    };
    let answer = several("br").await;
    assert_eq!((answer.status, answer.header("content-encoding")), (StatusCode::OK, Some("br")));
    assert_eq!(decoded(&answer), text());
    assert_eq!(several("").await.status, StatusCode::PARTIAL_CONTENT);
}

#[tokio::test]
async fn all_who_get_one_form_get_one_copy_of_it() {
    let (_site, files) = site().files_kept();
    let first = accepting(&files, "/app.js", "br").await;
    // The files are gone: only what is kept can answer.
    let files = files.revalidate_after(Duration::from_secs(3600));
    let again = accepting(&files, "/app.js", "br").await;
    assert_eq!(first.body, again.body);
    for accepted in ["br, gzip", "br, gzip, zstd", "br, zstd", "gzip;q=0.1, br"] {
        assert_eq!(accepting(&files, "/app.js", accepted).await.body, first.body, "{accepted}");
    }
}

#[tokio::test]
async fn many_who_ask_at_once_are_all_answered() {
    let (_site, files) = site().files_kept();
    let asked: Vec<_> = (0..200)
        .map(|_| {
            let files = files.clone();
            tokio::spawn(async move { accepting(&files, "/app.js", "br").await })
        })
        .collect();
    // Some wait for the one who compresses; when many wait already, the rest get the plain file.
    for answer in asked {
        assert_eq!(decoded(&answer.await.unwrap()), text());
    }
    assert_eq!(accepting(&files, "/app.js", "br").await.header("content-encoding"), Some("br"));
}
