//! Holds what is neither a file nor a folder: it is never read, and never waited for.

use std::{os::unix::net::UnixListener, sync::mpsc, thread, time::Duration};

use http::StatusCode;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tokio::runtime::Builder;

use crate::site::Site;

#[test]
fn a_fifo_is_not_found_and_does_not_wait_for_a_writer() {
    let site = Site::new();
    mknodat(CWD, site.root().join("fifo"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    site.link("link-to-fifo", "fifo");
    let (answered, answers) = mpsc::channel();
    // A thread of its own: an open that waits for a writer must fail this test, not hang it.
    thread::spawn(move || {
        let runtime = Builder::new_current_thread().build().unwrap();
        for target in ["/fifo", "/fifo/", "/link-to-fifo"] {
            answered.send((target, runtime.block_on(site.get(target)).status)).unwrap();
        }
    });
    for _ in 0..3 {
        let (target, status) = answers.recv_timeout(Duration::from_secs(20)).unwrap();
        assert_eq!(status, StatusCode::NOT_FOUND, "{target}");
    }
}

#[tokio::test]
async fn a_socket_is_not_found() {
    let site = Site::new();
    let _listener = UnixListener::bind(site.root().join("socket")).unwrap();
    assert_eq!(site.get("/socket").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_device_is_not_found() {
    let root = narae_files::Files::open("/dev").unwrap();
    for target in ["/zero", "/null"] {
        let answer = crate::site::check(root.clone(), crate::site::get(target)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{target}");
    }
}
