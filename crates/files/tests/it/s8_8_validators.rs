//! Holds `ETag` and `Last-Modified` against RFC 9110 §8.8.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use crate::site::Site;

#[tokio::test]
async fn an_old_file_has_a_strong_tag_and_its_date() {
    let site = Site::new();
    let answer = site.get("/nums.txt").await;
    assert_eq!(answer.header("etag"), Some(r#""a-2ebc98a1-1dcd6500""#));
    assert_eq!(answer.header("last-modified"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
    assert_eq!(answer.header("accept-ranges"), Some("bytes"));
}

#[tokio::test]
async fn the_tag_changes_with_the_length_and_with_every_nanosecond() {
    let site = Site::new();
    let before = site.get("/nums.txt").await;
    let path = site.file("nums.txt", b"012345678");
    let shorter = site.get("/nums.txt").await;
    let file = fs::File::options().write(true).open(path).unwrap();
    let next = SystemTime::UNIX_EPOCH + crate::site::CHANGED + Duration::from_nanos(1);
    file.set_modified(next).unwrap();
    let later = site.get("/nums.txt").await;
    assert_ne!(before.header("etag"), shorter.header("etag"));
    assert_ne!(shorter.header("etag"), later.header("etag"));
    assert_eq!(shorter.header("last-modified"), later.header("last-modified"));
}

#[tokio::test]
async fn a_file_that_was_just_written_has_a_weak_tag() {
    let site = Site::new();
    let path = site.root().join("fresh.txt");
    // The writing and the request must fall into one second; one that was stopped in between tries again.
    for _ in 0..10 {
        fs::write(&path, b"x").unwrap();
        let written = SystemTime::now();
        let answer = site.get("/fresh.txt").await;
        if written.elapsed().is_ok_and(|elapsed| elapsed < Duration::from_millis(500)) {
            assert!(answer.header("etag").unwrap().starts_with("W/\""));
            return;
        }
    }
    panic!("no request was answered within half a second");
}

#[tokio::test]
async fn dates_that_http_cannot_write_are_left_out() {
    let site = Site::new();
    let path = site.file("ancient.txt", b"x");
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH - Duration::from_secs(1000)).unwrap();
    let answer = site.get("/ancient.txt").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("last-modified"), None);
    assert!(answer.header("etag").is_some());
}

#[tokio::test]
async fn a_date_in_the_future_is_not_sent() {
    let site = Site::new();
    let path = site.file("future.txt", b"x");
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(1_000_000)).unwrap();
    let before = SystemTime::now() - Duration::from_secs(1);
    let answer = site.get("/future.txt").await;
    let date = httpdate::parse_http_date(answer.header("last-modified").unwrap()).unwrap();
    assert!(before <= date && date <= SystemTime::now());
}
