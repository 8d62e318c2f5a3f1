//! Holds bodies against RFC 9110 §6.4 and §8.6: exactly the announced bytes, or an error.

use std::{fs, io::ErrorKind};

use http::StatusCode;
use http_body::Body as _;
use rustix::fs::{Advice, fadvise};
use tower::ServiceExt;

use crate::site::{Site, get, next_chunk};

/// More than is ever kept in memory, and no multiple of a chunk.
const LARGE: usize = 1_500_000;

fn pattern(len: usize) -> Vec<u8> {
    (0..251).cycle().take(len).collect()
}

#[tokio::test]
async fn files_of_every_size_arrive_whole() {
    let site = Site::new();
    for len in [0, 1, 1024, 65_535, 65_536, 65_537, 131_072, 131_073, 1_000_000, LARGE] {
        let content = pattern(len);
        site.file("sized.bin", &content);
        let answer = site.get("/sized.bin").await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.header("content-length"), Some(&*len.to_string()));
        assert!(answer.body == content, "{len}");
    }
}

#[tokio::test]
async fn files_that_are_not_in_memory_arrive_whole() {
    let site = Site::new();
    for len in [1000, 65_536, 1_000_000, LARGE] {
        let content = pattern(len);
        let path = site.file("cold.bin", &content);
        let file = fs::File::open(path).unwrap();
        file.sync_all().unwrap();
        fadvise(&file, 0, None, Advice::DontNeed).unwrap();
        let answer = site.get("/cold.bin").await;
        assert!(answer.body == content, "{len}");
    }
}

#[tokio::test]
async fn a_file_that_shrinks_while_it_is_sent_breaks_the_body() {
    let site = Site::new();
    let path = site.file("shrinks.bin", &pattern(LARGE));
    let mut body = site.files().oneshot(get("/shrinks.bin").body(()).unwrap()).await.unwrap().into_body();
    let first = next_chunk(&mut body).await.unwrap().unwrap();
    fs::File::options().write(true).open(path).unwrap().set_len(300_000).unwrap();

    let error = loop {
        match next_chunk(&mut body).await.unwrap() {
            Ok(chunk) => assert!(!chunk.is_empty()),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    assert!(!first.is_empty() && body.is_end_stream());
    assert!(next_chunk(&mut body).await.is_none());
}

#[tokio::test]
async fn a_file_that_grows_while_it_is_sent_keeps_its_announced_length() {
    let site = Site::new();
    let path = site.file("grows.bin", &pattern(LARGE));
    let mut body = site.files().oneshot(get("/grows.bin").body(()).unwrap()).await.unwrap().into_body();
    let mut received = next_chunk(&mut body).await.unwrap().unwrap().to_vec();
    fs::File::options().write(true).open(path).unwrap().set_len(LARGE as u64 + 900_000).unwrap();
    while let Some(chunk) = next_chunk(&mut body).await {
        received.extend(chunk.unwrap());
        assert_eq!(body.size_hint().exact(), Some((LARGE - received.len()) as u64));
    }
    assert!(received == pattern(LARGE));
}

#[tokio::test]
async fn a_file_that_is_replaced_while_it_is_sent_arrives_as_it_was() {
    let site = Site::new();
    let path = site.file("replaced.bin", &pattern(LARGE));
    let mut body = site.files().oneshot(get("/replaced.bin").body(()).unwrap()).await.unwrap().into_body();
    let mut received = next_chunk(&mut body).await.unwrap().unwrap().to_vec();
    let new = site.file("new.bin", b"something else");
    fs::rename(new, path).unwrap();
    while let Some(chunk) = next_chunk(&mut body).await {
        received.extend(chunk.unwrap());
    }
    assert!(received == pattern(LARGE));
}

#[tokio::test]
async fn a_large_file_that_is_rewritten_while_it_is_sent_breaks_the_body() {
    let site = Site::new();
    let path = site.file("rewritten.bin", &pattern(LARGE));
    let mut body = site.files().oneshot(get("/rewritten.bin").body(()).unwrap()).await.unwrap().into_body();
    next_chunk(&mut body).await.unwrap().unwrap();
    fs::write(path, vec![0; LARGE]).unwrap();
    let error = next_chunk(&mut body).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(body.is_end_stream());
}

#[tokio::test]
async fn a_large_file_that_is_rewritten_longer_is_no_log_that_grew() {
    let site = Site::new();
    let path = site.file("rewritten.bin", &pattern(LARGE));
    let mut body = site.files().oneshot(get("/rewritten.bin").body(()).unwrap()).await.unwrap().into_body();
    next_chunk(&mut body).await.unwrap().unwrap();
    fs::write(path, vec![0; LARGE + 100_000]).unwrap();
    let error = next_chunk(&mut body).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
}

#[tokio::test]
async fn a_large_file_that_is_removed_while_it_is_sent_arrives_whole() {
    let site = Site::new();
    let path = site.file("removed.bin", &pattern(LARGE));
    let mut body = site.files().oneshot(get("/removed.bin").body(()).unwrap()).await.unwrap().into_body();
    let mut received = next_chunk(&mut body).await.unwrap().unwrap().to_vec();
    fs::remove_file(path).unwrap();
    while let Some(chunk) = next_chunk(&mut body).await {
        received.extend(chunk.unwrap());
    }
    assert!(received == pattern(LARGE));
}

#[tokio::test]
async fn sizes_above_two_and_four_gibibytes_are_sent_in_parts() {
    let site = Site::new();
    let path = site.file("sparse.bin", b"begin");
    let file = fs::File::options().write(true).open(&path).unwrap();
    let len = (5 << 30) + 7;
    file.set_len(len).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"end", len - 3).unwrap();
    let head =
        crate::site::check(site.files(), crate::site::request(http::Method::HEAD, "/sparse.bin")).await;
    assert_eq!(head.header("content-length"), Some("5368709127"));
    let answer = site.get_with("/sparse.bin", &[("range", "bytes=-5")]).await;
    assert_eq!(answer.body, b"\0\0end");
    assert_eq!(answer.header("content-range"), Some("bytes 5368709122-5368709126/5368709127"));
    let answer =
        site.get_with("/sparse.bin", &[("range", "bytes=2147483647-2147483650,4294967295-4294967297")]).await;
    assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
}

#[test]
fn without_a_runtime_the_work_is_done_in_place() {
    let site = Site::new();
    let content = pattern(LARGE);
    let path = site.file("plain.bin", &content);
    let file = fs::File::open(path).unwrap();
    file.sync_all().unwrap();
    fadvise(&file, 0, None, Advice::DontNeed).unwrap();
    let mut waiting = std::pin::pin!(site.get("/plain.bin"));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(answer) = waiting.as_mut().poll(&mut cx) else {
        panic!("nothing will wake it")
    };
    assert!(answer.body == content);
}
