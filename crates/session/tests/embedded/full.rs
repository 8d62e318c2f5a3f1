//! A disk that is full: every write fails with an error that names the folder, and what was there stays.

use std::io::Write as _;
use std::process::Command;
use std::sync::{Arc, Barrier};

use narae_session::store::{Embedded, Store as _, StoreError};
use narae_session::{Change, Id, Json, Timestamp};

use crate::child::{Process, command, in_an_hour, pair, say};

/// Where a process may make file systems of its own, the disk is one of 1 MiB. Elsewhere the next test stands
/// for this one, since there a file ends in the same way.
#[test]
fn a_full_disk_is_an_error_that_names_the_folder() {
    if may_mount() {
        run("fill", &SMALL_DISK, "disk");
    }
}

/// LMDB's file of locks has its place on the disk before anyone reads: a page of it without a block would end
/// the process with a signal.
#[test]
fn on_a_full_disk_any_number_of_threads_read() {
    if may_mount() {
        run("read in many threads", &SMALL_DISK, "disk");
    }
}

#[test]
fn a_file_that_may_not_grow_is_an_error_that_names_the_folder() {
    run("fill", &["sh", "-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\""], "file");
}

/// A disk of 1 MiB for one process.
const SMALL_DISK: [&str; 5] = [
    "unshare",
    "-rm",
    "sh",
    "-c",
    "mount -t tmpfs -o size=1m none \"$NARAE_TEST_FOLDER\" && exec \"$0\" \"$@\"",
];

fn may_mount() -> bool {
    let may = Command::new("unshare").args(["-rm", "true"]).output();
    may.is_ok_and(|output| output.status.success())
}

fn run(role: &str, wrapper: &[&str], kind: &str) {
    let folder = tempfile::tempdir().unwrap();
    let inner = command(role, folder.path());
    let mut outer = Command::new(wrapper[0]);
    outer.args(&wrapper[1..]).arg(inner.get_program()).args(inner.get_args());
    outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut process = Process::spawn({
        outer.env("NARAE_TEST_KIND", kind);
        outer
    });
    assert!(process.next("filled").is_some(), "it says so at its end");
    process.succeed();
}

/// Runs in the other process.
pub async fn fill(store: &Embedded, kind: &str) {
    let folder = crate::child::variable("NARAE_TEST_FOLDER");
    let kept = Id::random();
    store.create(kept.clone(), pair(7)).await.unwrap();
    let long: Json = format!("\"{}\"", "x".repeat(20_000)).into();
    let create = async |id: Id| {
        let edits = vec![("long".into(), Some(Arc::clone(&long)))];
        store.create(id, Change { edits, ..Change::nothing(Timestamp::now(), in_an_hour()) }).await
    };
    let mut ids = Vec::new();
    let error = loop {
        let id = Id::random();
        match create(id.clone()).await {
            Ok(_) => ids.push(id),
            Err(error) => break error,
        }
        assert!(ids.len() < 1000, "it never became full");
    };
    assert!(error.to_string().contains(&folder), "{error}");
    if kind == "disk" {
        assert!(matches!(error, StoreError::Full(_)), "{error:?}");
    }
    let (first, second) = tokio::join!(create(Id::random()), create(Id::random()));
    assert!(first.is_err() && second.is_err(), "every one of a batch fails");
    for id in ids.iter().chain([&kept]) {
        assert!(store.load(id, Timestamp::now()).await.unwrap().is_some(), "what was kept stays");
    }
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
    // What ends makes room, though not at once: LMDB keeps the pages of the last two transactions.
    let mut refused = 0;
    for id in ids {
        if store.destroy(id).await.is_err() {
            refused += 1;
        }
    }
    store.create(Id::random(), pair(1)).await.expect("there is room again");
    create(Id::random()).await.expect("there is room again");
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
    say("filled", &format!("with {refused} refusals"));
}

/// Runs in the other process.
pub async fn read_in_many_threads(store: Embedded) {
    let folder = std::path::PathBuf::from(crate::child::variable("NARAE_TEST_FOLDER"));
    let id = Id::random();
    store.create(id.clone(), pair(7)).await.unwrap();
    let mut rest = std::fs::File::create(folder.join("rest")).unwrap();
    let page = [1; 4096];
    while rest.write_all(&page).is_ok() {}
    let store = Arc::new(store);
    let barrier = Arc::new(Barrier::new(300));
    let readers: Vec<_> = (0..300)
        .map(|_| {
            let (store, id, barrier) = (Arc::clone(&store), id.clone(), Arc::clone(&barrier));
            let read = move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let record = runtime.block_on(store.load(&id, Timestamp::now()));
                barrier.wait(); // all have their places at the same time
                record.unwrap().is_some()
            };
            std::thread::Builder::new().stack_size(256 * 1024).spawn(read).unwrap()
        })
        .collect();
    assert!(readers.into_iter().all(|reader| reader.join().unwrap()));
    say("filled", "");
}
