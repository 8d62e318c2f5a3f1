//! Holds ranges against RFC 9110 §14. The grammar is tested beside the code.

use std::{fs, os::unix::fs::FileExt};

use http::{Method, StatusCode};
use http_body::Body as _;
use tower::ServiceExt;

use crate::site::{Site, check, get, next_chunk, request};

async fn part(target: &str, range: &str, content_range: &str, body: &[u8]) {
    let site = Site::new();
    let answer = site.get_with(target, &[("range", range)]).await;
    assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{range}");
    assert_eq!(answer.header("content-range"), Some(content_range), "{range}");
    assert_eq!(answer.body, body, "{range}");
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert!(answer.header("etag").is_some() && answer.header("last-modified").is_some());
}

#[tokio::test]
async fn s14_2_one_range_is_sent_as_a_part() {
    part("/nums.txt", "bytes=0-0", "bytes 0-0/10", b"0").await;
    part("/nums.txt", "bytes=0-9", "bytes 0-9/10", b"0123456789").await;
    part("/nums.txt", "bytes=5-", "bytes 5-9/10", b"56789").await;
    part("/nums.txt", "bytes=-3", "bytes 7-9/10", b"789").await;
    part("/nums.txt", "bytes=-99", "bytes 0-9/10", b"0123456789").await;
    part("/nums.txt", "Bytes=8-99", "bytes 8-9/10", b"89").await;
}

#[tokio::test]
async fn s14_2_several_ranges_and_broken_ones_get_the_whole_file() {
    let site = Site::new();
    for range in ["bytes=0-1,3-4", "bytes=5-2", "bytes=x", "lines=1-2", "bytes=0-1,", ""] {
        let answer = site.get_with("/nums.txt", &[("range", range)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{range}");
        assert_eq!(answer.body, b"0123456789", "{range}");
        assert_eq!(answer.header("content-range"), None, "{range}");
    }
}

#[tokio::test]
async fn s14_2_ranges_are_ignored_for_head() {
    let site = Site::new();
    for range in ["bytes=0-3", "bytes=99-"] {
        let answer = check(site.files(), request(Method::HEAD, "/nums.txt").header("range", range)).await;
        assert_eq!(answer.status, StatusCode::OK, "{range}");
        assert_eq!(answer.header("content-length"), Some("10"), "{range}");
    }
}

#[tokio::test]
async fn s15_5_17_an_unsatisfiable_range_tells_the_size() {
    let site = Site::new();
    for range in ["bytes=10-", "bytes=-0", "bytes=99999999999999999999-"] {
        let answer = site.get_with("/nums.txt", &[("range", range)]).await;
        assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE, "{range}");
        assert_eq!(answer.header("content-range"), Some("bytes */10"), "{range}");
    }
}

#[tokio::test]
async fn s14_1_2_an_empty_file_has_no_range_but_its_suffix() {
    let site = Site::new();
    site.file("empty.txt", b"");
    for (range, status) in [("bytes=0-", 416), ("bytes=0-0", 416), ("bytes=-0", 416), ("bytes=-1", 200)] {
        let answer = site.get_with("/empty.txt", &[("range", range)]).await;
        assert_eq!(answer.status.as_u16(), status, "{range}");
        let expected = (status == 416).then_some("bytes */0");
        assert_eq!(answer.header("content-range"), expected, "{range}");
    }
}

#[tokio::test]
async fn s14_2_a_long_part_is_streamed_from_any_place() {
    let site = Site::new();
    let content: Vec<u8> = (0..249).cycle().take(500_000).collect();
    site.file("long.bin", &content);
    for (start, last) in
        [(0, 499_999), (1, 400_000), (65_535, 131_072), (65_536, 262_143), (499_999, 499_999)]
    {
        let range = format!("bytes={start}-{last}");
        let answer = site.get_with("/long.bin", &[("range", &range)]).await;
        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert!(answer.body == content[start..=last], "{range}");
    }
}

#[tokio::test]
async fn s14_2_ranges_work_beyond_two_and_four_gibibytes() {
    const SIZE: u64 = 5 << 30;
    let site = Site::new();
    let sparse = fs::File::create(site.root().join("sparse.bin")).unwrap();
    sparse.set_len(SIZE).unwrap();
    sparse.write_all_at(b"two GiB!", (2 << 30) - 4).unwrap();
    sparse.write_all_at(b"four GiB", (4 << 30) - 4).unwrap();
    sparse.write_all_at(b"end.", SIZE - 4).unwrap();
    for (range, content_range, body) in [
        ("bytes=2147483644-2147483651", "bytes 2147483644-2147483651/5368709120", &b"two GiB!"[..]),
        ("bytes=4294967292-4294967299", "bytes 4294967292-4294967299/5368709120", b"four GiB"),
        ("bytes=5368709116-", "bytes 5368709116-5368709119/5368709120", b"end."),
        ("bytes=-4", "bytes 5368709116-5368709119/5368709120", b"end."),
    ] {
        let answer = site.get_with("/sparse.bin", &[("range", range)]).await;
        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(answer.header("content-range"), Some(content_range));
        assert_eq!(answer.body, body, "{range}");
    }

    let whole = site.files().oneshot(get("/sparse.bin").body(()).unwrap()).await.unwrap();
    assert_eq!(whole.headers()["content-length"], "5368709120");
    let mut body = whole.into_body();
    assert_eq!(body.size_hint().exact(), Some(SIZE));
    let chunk = next_chunk(&mut body).await.unwrap().unwrap();
    assert!(chunk.iter().all(|byte| *byte == 0));
    assert_eq!(body.size_hint().exact(), Some(SIZE - chunk.len() as u64));
}
