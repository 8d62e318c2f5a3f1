//! Holds bodies against RFC 9110 §6.4 and §8.6: exactly the announced bytes, or an error.

use std::{fs, io::ErrorKind};

use http::StatusCode;
use http_body::Body as _;
use rustix::fs::{Advice, fadvise};
use tower::ServiceExt;

use crate::site::{Site, get, next_chunk};

fn pattern(len: usize) -> Vec<u8> {
    (0..251).cycle().take(len).collect()
}

#[tokio::test]
async fn files_of_every_size_arrive_whole() {
    let site = Site::new();
    for len in [0, 1, 1024, 65_535, 65_536, 65_537, 131_072, 131_073, 1_000_000] {
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
    for len in [1000, 65_536, 1_000_000] {
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
    let path = site.file("shrinks.bin", &pattern(1_000_000));
    let mut body = site.files().oneshot(get("/shrinks.bin").body(()).unwrap()).await.unwrap().into_body();
    let first = next_chunk(&mut body).await.unwrap().unwrap();
    fs::File::options().write(true).open(path).unwrap().set_len(100_000).unwrap();

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
    let path = site.file("grows.bin", &pattern(200_000));
    let mut body = site.files().oneshot(get("/grows.bin").body(()).unwrap()).await.unwrap().into_body();
    let mut received = next_chunk(&mut body).await.unwrap().unwrap().to_vec();
    fs::File::options().write(true).open(path).unwrap().set_len(900_000).unwrap();
    while let Some(chunk) = next_chunk(&mut body).await {
        received.extend(chunk.unwrap());
        assert_eq!(body.size_hint().exact(), Some(200_000 - received.len() as u64));
    }
    assert!(received == pattern(200_000));
}

#[tokio::test]
async fn a_file_that_is_replaced_while_it_is_sent_arrives_as_it_was() {
    let site = Site::new();
    let path = site.file("replaced.bin", &pattern(200_000));
    let mut body = site.files().oneshot(get("/replaced.bin").body(()).unwrap()).await.unwrap().into_body();
    let mut received = next_chunk(&mut body).await.unwrap().unwrap().to_vec();
    let new = site.file("new.bin", b"something else");
    fs::rename(new, path).unwrap();
    while let Some(chunk) = next_chunk(&mut body).await {
        received.extend(chunk.unwrap());
    }
    assert!(received == pattern(200_000));
}

#[test]
fn without_a_runtime_the_work_is_done_in_place() {
    let site = Site::new();
    let content = pattern(300_000);
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
