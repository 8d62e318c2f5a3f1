//! Holds what is kept in memory: never longer than said, never a state that the file did not have.

use std::{
    fs,
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use http::StatusCode;

use crate::site::{CHANGED, Site, check, get};

#[tokio::test]
async fn a_file_in_memory_is_sent_without_a_look_at_it_until_its_time_is_over() {
    let site = Site::new();
    let files = site.files().revalidate_after(Duration::from_secs(3600));
    assert_eq!(check(files.clone(), get("/hello.txt")).await.body, b"hello, world");
    site.file("hello.txt", b"changed");
    assert_eq!(check(files.clone(), get("/hello.txt")).await.body, b"hello, world");
    fs::remove_file(site.root().join("hello.txt")).unwrap();
    assert_eq!(check(files.clone(), get("/hello.txt")).await.body, b"hello, world");
    // Other options: nothing that was kept under the old ones is sent.
    let files = files.etag(false);
    assert_eq!(check(files, get("/hello.txt")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_change_is_seen_in_the_end() {
    let site = Site::new();
    let files = site.files();
    assert_eq!(check(files.clone(), get("/hello.txt")).await.body, b"hello, world");
    let changed = Instant::now();
    site.file("hello.txt", b"HELLO, world");
    let deadline = changed + Duration::from_secs(30);
    while check(files.clone(), get("/hello.txt")).await.body != b"HELLO, world" {
        assert!(Instant::now() < deadline, "the old state is still sent");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn every_kind_of_change_is_seen_when_it_is_looked_for() {
    let site = Site::new();
    let files = site.files().revalidate_after(Duration::ZERO);
    let body = async || check(files.clone(), get("/hello.txt")).await.body;
    assert_eq!(body().await, b"hello, world");
    // The same length and the same date, by another file at its place.
    let other = site.file("other.txt", b"HELLO, world");
    fs::rename(other, site.root().join("hello.txt")).unwrap();
    assert_eq!(body().await, b"HELLO, world");
    // The same length and the same date, written in place.
    site.file("hello.txt", b"Hello, World");
    assert_eq!(body().await, b"Hello, World");
    fs::remove_file(site.root().join("hello.txt")).unwrap();
    assert_eq!(check(files.clone(), get("/hello.txt")).await.status, StatusCode::NOT_FOUND);
    site.file("hello.txt", b"again");
    assert_eq!(body().await, b"again");
    fs::remove_file(site.root().join("hello.txt")).unwrap();
    fs::create_dir(site.root().join("hello.txt")).unwrap();
    assert_eq!(check(files.clone(), get("/hello.txt")).await.status, StatusCode::MOVED_PERMANENTLY);
}

#[tokio::test]
async fn the_tag_becomes_strong_when_the_file_is_old_enough() {
    let site = Site::new();
    let path = site.root().join("fresh.txt");
    fs::write(&path, b"x").unwrap();
    let files = site.files().revalidate_after(Duration::ZERO);
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let tag = check(files.clone(), get("/fresh.txt")).await.header("etag").unwrap().to_owned();
        if !tag.starts_with("W/") {
            return;
        }
        assert!(Instant::now() < deadline, "still weak");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_file_that_appears_where_none_was_is_found_at_once() {
    let site = Site::new();
    let files = site.files();
    assert_eq!(check(files.clone(), get("/late.txt")).await.status, StatusCode::NOT_FOUND);
    site.file("late.txt", b"late");
    assert_eq!(check(files, get("/late.txt")).await.body, b"late");
}

#[tokio::test]
async fn a_file_that_is_replaced_all_the_time_is_always_sent_in_one_of_its_states() {
    let site = Site::new();
    const LEN: usize = 200_000;
    let path = site.file("busy.bin", &[b'a'; LEN]);
    let files = site.files().revalidate_after(Duration::ZERO);
    let stop = Arc::new(AtomicBool::new(false));
    let writer = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let beside = path.with_extension("new");
            for letter in (b'a'..=b'z').cycle() {
                // Of different lengths, so that a mixture of two would show there too.
                fs::write(&beside, vec![letter; LEN + usize::from(letter)]).unwrap();
                fs::rename(&beside, &path).unwrap();
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        }
    });
    for _ in 0..300 {
        let answer = check(files.clone(), get("/busy.bin")).await;
        assert_eq!(answer.status, StatusCode::OK);
        let first = answer.body[0];
        assert!(answer.body.iter().all(|byte| *byte == first), "a mixture was sent");
        let expected = [LEN, LEN + usize::from(first)];
        assert!(expected.contains(&answer.body.len()), "{} of {first}", answer.body.len());
    }
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
}

#[tokio::test]
async fn a_log_that_grows_is_sent_as_long_as_it_was() {
    let site = Site::new();
    let path = site.file("growing.log", &[b'x'; 100_000]);
    let files = site.files().revalidate_after(Duration::ZERO);
    let writer = std::thread::spawn(move || {
        let mut file = fs::File::options().append(true).open(path).unwrap();
        for _ in 0..20_000 {
            file.write_all(&[b'x'; 50]).unwrap();
        }
    });
    while !writer.is_finished() {
        let answer = check(files.clone(), get("/growing.log")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.body.len() >= 100_000 && answer.body.iter().all(|byte| *byte == b'x'));
    }
    writer.join().unwrap();
}

#[tokio::test]
async fn memory_can_be_small_or_none() {
    let site = Site::new();
    let content = vec![7; 300_000];
    site.file("middle.bin", &content);
    for bytes in [0, 1, 4096, 1 << 20] {
        let files = site.files().memory(bytes);
        for _ in 0..3 {
            for (target, expected) in [("/hello.txt", &b"hello, world"[..]), ("/middle.bin", &content)] {
                assert!(check(files.clone(), get(target)).await.body == expected, "{target} with {bytes}");
            }
        }
    }
}

#[tokio::test]
async fn a_conditional_request_is_answered_from_memory_too() {
    let site = Site::new();
    let files = site.files().revalidate_after(Duration::from_secs(3600));
    let tag = check(files.clone(), get("/nums.txt")).await.header("etag").unwrap().to_owned();
    fs::remove_file(site.root().join("nums.txt")).unwrap();
    let answer = check(files.clone(), get("/nums.txt").header("if-none-match", tag)).await;
    assert_eq!(answer.status, StatusCode::NOT_MODIFIED);
    let answer = check(files, get("/nums.txt").header("range", "bytes=2-4,7-")).await;
    assert_eq!(answer.status, StatusCode::PARTIAL_CONTENT);
}

#[tokio::test]
async fn a_date_that_was_set_back_does_not_hide_a_change() {
    let site = Site::new();
    let files = site.files().revalidate_after(Duration::ZERO);
    let before = check(files.clone(), get("/hello.txt")).await;
    let path = site.root().join("hello.txt");
    fs::write(&path, b"HELLO, WORLD").unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + CHANGED).unwrap();
    let after = check(files, get("/hello.txt")).await;
    assert_eq!(after.body, b"HELLO, WORLD");
    assert_eq!(before.header("last-modified"), after.header("last-modified"));
}
