//! A disk that is full: every write fails with an error that names the folder, and what was there stays.

use std::process::Command;
use std::sync::Arc;

use narae_session::store::{Embedded, Store as _, StoreError};
use narae_session::{Change, Id, Json, Timestamp};

use crate::child::{Process, command, in_an_hour, pair, say};

/// Where a process may make file systems of its own, the disk is one of 1 MiB. Elsewhere the next test stands
/// for this one, since there a file ends in the same way.
#[test]
fn a_full_disk_is_an_error_that_names_the_folder() {
    let may = Command::new("unshare").args(["-rm", "true"]).output();
    if may.is_ok_and(|output| output.status.success()) {
        let script = "mount -t tmpfs -o size=1m none \"$NARAE_TEST_FOLDER\" && exec \"$0\" \"$@\"";
        run(&["unshare", "-rm", "sh", "-c", script], "disk");
    }
}

#[test]
fn a_file_that_may_not_grow_is_an_error_that_names_the_folder() {
    run(&["sh", "-c", "trap '' XFSZ; ulimit -f 1024; exec \"$0\" \"$@\""], "file");
}

fn run(wrapper: &[&str], kind: &str) {
    let folder = tempfile::tempdir().unwrap();
    let inner = command("fill", folder.path());
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
