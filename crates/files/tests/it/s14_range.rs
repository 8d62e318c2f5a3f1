//! Holds ranges against RFC 9110 §14. The grammar is tested beside the code.

use std::{fs, os::unix::fs::FileExt};

use http::{Method, StatusCode};
use http_body::Body as _;
use tower::ServiceExt;

use crate::site::{Answer, Site, check, get, next_chunk, request};

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
async fn s14_2_broken_ranges_get_the_whole_file() {
    let site = Site::new();
    for range in ["bytes=5-2", "bytes=x", "lines=1-2", "bytes=0-1,5-2", "bytes=,", ""] {
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

/// The parts of a `multipart/byteranges` body: the fields and the bytes of each (RFC 2046 §5.1.1).
fn parts(answer: &Answer) -> Vec<(String, Vec<u8>)> {
    let content_type = answer.header("content-type").unwrap();
    let boundary = content_type.strip_prefix("multipart/byteranges; boundary=").unwrap();
    let body = [b"\r\n", &*answer.body].concat();
    let delimiter = format!("\r\n--{boundary}");
    let mut pieces = Vec::new();
    let mut rest = &*body;
    while let Some(at) = rest.windows(delimiter.len()).position(|window| window == delimiter.as_bytes()) {
        pieces.push(&rest[..at]);
        rest = &rest[at + delimiter.len()..];
    }
    assert_eq!(rest, b"--\r\n");
    assert!(pieces.remove(0).is_empty());
    let part = |piece: &&[u8]| {
        let piece = piece.strip_prefix(b"\r\n").unwrap();
        let end = piece.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        (String::from_utf8(piece[..end].to_vec()).unwrap(), piece[end + 4..].to_vec())
    };
    pieces.iter().map(part).collect()
}

#[tokio::test]
async fn s14_6_several_ranges_are_sent_as_parts() {
    let site = Site::new();
    let large: Vec<u8> = (0..251).cycle().take(3_000_000).collect();
    site.file("large.bin", &large);
    let fields =
        |media_type: &str, range: &str| format!("Content-Type: {media_type}\r\nContent-Range: {range}");
    let answer = site.get_with("/nums.txt", &[("range", "bytes=0-1, 4-5, -2")]).await;
    assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(answer.header("content-range"), None);
    assert_eq!(
        parts(&answer),
        [
            (fields("text/plain; charset=utf-8", "bytes 0-1/10"), b"01".to_vec()),
            (fields("text/plain; charset=utf-8", "bytes 4-5/10"), b"45".to_vec()),
            (fields("text/plain; charset=utf-8", "bytes 8-9/10"), b"89".to_vec()),
        ]
    );
    let range = "bytes=2500000-2999999,10-19,1000000-1999999";
    let answer = site.get_with("/large.bin", &[("range", range)]).await;
    let octets = "application/octet-stream";
    assert!(
        parts(&answer)
            == [
                (fields(octets, "bytes 2500000-2999999/3000000"), large[2_500_000..].to_vec()),
                (fields(octets, "bytes 10-19/3000000"), large[10..20].to_vec()),
                (fields(octets, "bytes 1000000-1999999/3000000"), large[1_000_000..2_000_000].to_vec()),
            ]
    );
}

#[tokio::test]
async fn s15_3_7_2_ranges_that_become_one_are_sent_as_one() {
    let site = Site::new();
    for range in ["bytes=0-1,2-3", "bytes=2-3,0-1", "bytes=0-2,1-3,99-", "bytes=0-3,"] {
        let answer = site.get_with("/nums.txt", &[("range", range)]).await;
        assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT, "{range}");
        assert_eq!(answer.header("content-range"), Some("bytes 0-3/10"), "{range}");
        assert_eq!(answer.body, b"0123", "{range}");
    }
}

#[tokio::test]
async fn s14_2_more_ranges_than_anybody_needs_get_the_whole_file() {
    let site = Site::new();
    site.file("large.txt", &[b'x'; 10_000]);
    let ranges: Vec<String> = (0..1000).map(|at| format!("{}-{}", at * 3, at * 3)).collect();
    let answer = site.get_with("/large.txt", &[("range", &format!("bytes={}", ranges.join(",")))]).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 10_000));
    // Overlapping ones cost no more than the file.
    let ranges = ["0-"; 32].join(",");
    let answer = site.get_with("/large.txt", &[("range", &format!("bytes={ranges}"))]).await;
    assert_eq!((answer.status, answer.body.len()), (StatusCode::PARTIAL_CONTENT, 10_000));
}

#[tokio::test]
async fn ranges_can_be_turned_off() {
    let site = Site::new();
    let answer = check(site.files().ranges(false), get("/nums.txt").header("range", "bytes=0-3")).await;
    assert_eq!((answer.status, answer.header("accept-ranges")), (StatusCode::OK, None));
}
