//! Holds the promise that files in memory are answered without a blocking thread.
//!
//! The only blocking thread of the runtime is held by a task, so whatever needs one stays pending.

use std::{
    fs,
    io::IoSliceMut,
    pin::pin,
    sync::mpsc::{Receiver, Sender, channel},
    task::{Context, Poll, Waker},
};

use http::StatusCode;
use http_body::Body as _;
use narae_files::{Body, Files};
use rustix::{fs::statfs, io::ReadWriteFlags};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tower::Service;

use crate::site::{Site, collect, get};

/// A runtime whose one blocking thread is held until the sender speaks or is dropped.
fn runtime_without_threads() -> (Runtime, Sender<()>) {
    let runtime = Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
    let (release, held): (Sender<()>, Receiver<()>) = channel();
    runtime.spawn_blocking(move || held.recv().ok());
    (runtime, release)
}

/// A folder where the kernel can tell whether a read would wait, or where reads never do.
fn site_with_nowait_reads() -> Site {
    let places = [std::env::temp_dir(), env!("CARGO_TARGET_TMPDIR").into(), "/dev/shm".into()];
    let able = |dir: &TempDir| {
        const TMPFS: i64 = 0x0102_1994;
        let path = dir.path().join("probe");
        fs::write(&path, b"x").unwrap();
        let file = fs::File::open(&path).unwrap();
        let mut byte = [0];
        let bytes = &mut [IoSliceMut::new(&mut byte)];
        rustix::io::preadv2(file, bytes, 0, ReadWriteFlags::NOWAIT).is_ok()
            || statfs(&path).unwrap().f_type as i64 == TMPFS
    };
    let mut dirs = places.into_iter().filter_map(|place| TempDir::new_in(place).ok());
    Site::within(dirs.find(able).expect("neither RWF_NOWAIT nor tmpfs in any temporary folder"))
}

/// The answer, if it is there at the first poll. Memory pressure and renames elsewhere may spoil single tries.
fn at_once(files: &mut Files, target: &str) -> http::Response<Body> {
    for _ in 0..1000 {
        let answer = pin!(files.call(get(target).body(()).unwrap()));
        if let Poll::Ready(Ok(response)) = answer.poll(&mut Context::from_waker(Waker::noop())) {
            return response;
        }
    }
    panic!("{target} was never answered without a blocking thread");
}

#[test]
fn a_small_file_in_memory_needs_no_blocking_thread() {
    let site = site_with_nowait_reads();
    site.file("small.bin", &[5; 1024]);
    site.file("largest-small.bin", &[6; 65_536]);
    let (runtime, _release) = runtime_without_threads();
    let _entered = runtime.enter();
    let mut files = site.files();
    for (target, expected) in [("/small.bin", vec![5; 1024]), ("/largest-small.bin", vec![6; 65_536])] {
        fs::read(site.root().join(&target[1..])).unwrap();
        let response = at_once(&mut files, target);
        assert_eq!(response.status(), StatusCode::OK);
        let body = pin!(collect(response.into_body()));
        match body.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(body) => assert!(body.unwrap() == expected),
            Poll::Pending => panic!("the body of {target} was not complete"),
        }
    }
}

#[test]
fn folders_refusals_and_conditions_need_no_blocking_thread() {
    let site = site_with_nowait_reads();
    let (runtime, _release) = runtime_without_threads();
    let _entered = runtime.enter();
    let mut files = site.files();
    for (target, status) in [("/docs", 301), ("/docs/", 200), ("/%zz", 400), ("/.env", 404)] {
        assert_eq!(at_once(&mut files, target).status().as_u16(), status, "{target}");
    }
}

#[test]
fn a_large_file_in_memory_is_streamed_without_a_blocking_thread() {
    let site = site_with_nowait_reads();
    let path = site.file("large.bin", &[5; 2_000_000]);
    fs::read(path).unwrap();
    let (runtime, _release) = runtime_without_threads();
    let _entered = runtime.enter();
    let mut files = site.files();
    let complete = (0..1000).any(|_| {
        let body = pin!(collect(at_once(&mut files, "/large.bin").into_body()));
        let polled = body.poll(&mut Context::from_waker(Waker::noop()));
        matches!(polled, Poll::Ready(Ok(bytes)) if bytes == [5; 2_000_000])
    });
    assert!(complete, "the body was never complete without a blocking thread");
}

#[test]
fn what_is_not_in_memory_waits_on_a_blocking_thread_and_not_on_the_loop() {
    let site = site_with_nowait_reads();
    let (runtime, release) = runtime_without_threads();
    let _entered = runtime.enter();
    // The kernel has never looked for this name, so it would have to ask the file system.
    let mut answer = site.files().call(get("/never-looked-for").body(()).unwrap());
    let first = pin!(&mut answer).poll(&mut Context::from_waker(Waker::noop()));
    assert!(first.is_pending());
    release.send(()).unwrap();
    let response = runtime.block_on(answer).unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.body().size_hint().exact(), Some(14));
}
