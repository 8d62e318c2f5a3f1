//! Several processes on one folder, all of them well.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use narae_session::store::Store as _;
use narae_session::{Id, Timestamp};

use crate::child::{Process, command, count, grow, pair, store};

#[tokio::test]
async fn two_processes_that_count_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let id = Id::random();
    store.create(id.clone(), pair(0)).await.unwrap();
    let child = Process::start("count", folder.path(), &[("NARAE_TEST_ID", id.as_str())]);
    count(&store, &id, 10_000).await;
    let child = std::thread::spawn(|| child.succeed());
    child.join().unwrap();
    let record = store.load(&id, Timestamp::now()).await.unwrap().unwrap();
    assert_eq!(record.values.find("count").map(|json| &**json), Some("20000"));
    assert_eq!(record.version, 20_001);
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
}

#[tokio::test]
async fn the_map_grows_in_two_processes_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(store(folder.path()));
    store.prepare(2).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let (store, done) = (Arc::clone(&store), Arc::clone(&done));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let id = Id::parse("child 0").unwrap();
                let mut reads = 0_u64;
                while !done.load(Ordering::Relaxed) {
                    runtime.block_on(store.load(&id, Timestamp::now())).unwrap();
                    reads += 1;
                }
                reads
            })
        })
        .collect();
    let child = Process::start("grow", folder.path(), &[]);
    grow(&store, "parent", 300).await;
    child.succeed();
    for name in ["parent", "child"] {
        for place in 0..300 {
            let id = Id::parse(&format!("{name} {place}")).unwrap();
            let record = store.load(&id, Timestamp::now()).await.unwrap().expect("it was acknowledged");
            assert_eq!(record.values.find("long").unwrap().len(), 8194);
        }
    }
    done.store(true, Ordering::Relaxed);
    assert!(readers.into_iter().all(|reader| reader.join().unwrap() > 0));
    assert!(store.size().unwrap().0 >= 4 << 20);
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
}

#[tokio::test]
async fn who_only_reads_follows_a_map_that_others_grow() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).sweep_interval(None);
    assert_eq!(store.load(&Id::random(), Timestamp::now()).await.unwrap(), None);
    let before = store.size().unwrap().0;
    Process::start("grow", folder.path(), &[]).succeed();
    let id = Id::parse("child 299").unwrap();
    assert!(store.load(&id, Timestamp::now()).await.unwrap().is_some());
    assert!(store.size().unwrap().0 > before);
}

#[tokio::test]
async fn a_process_that_stops_while_it_writes_keeps_no_reader_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(store(folder.path()).sweep_interval(None));
    let mut known = Id::random();
    store.create(known.clone(), pair(1)).await.unwrap();
    for round in 0..5 {
        // The map is too small here from now on, and its writer waits.
        Process::start("grow", folder.path(), &[("NARAE_TEST_NAME", &format!("round {round}"))]).succeed();
        let mut stopped = Process::start("block", folder.path(), &[]);
        stopped.next("writing").unwrap();
        let next = Id::random();
        let waiting = {
            let (store, next) = (Arc::clone(&store), next.clone());
            tokio::spawn(async move { store.create(next, pair(1)).await })
        };
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        let (answer, read) = std::sync::mpsc::channel();
        let reader = {
            let (store, known) = (Arc::clone(&store), known.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                answer.send(runtime.block_on(store.load(&known, Timestamp::now()))).unwrap();
            })
        };
        let read = read.recv_timeout(std::time::Duration::from_secs(20));
        stopped.kill();
        assert!(read.expect("it does not wait").unwrap().is_some());
        reader.join().unwrap();
        waiting.await.unwrap().unwrap();
        known = next;
    }
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
}

/// Where a process may make namespaces of its own.
#[test]
fn a_process_of_another_container_with_the_same_number_is_told_so() {
    let wrapper = ["unshare", "-rpf", "--kill-child"];
    let may = Command::new(wrapper[0]).args(&wrapper[1..]).arg("true").output();
    if !may.is_ok_and(|output| output.status.success()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let [mut first, mut second] = ["read", "try"].map(|role| {
        let inner = command(role, folder.path());
        let mut outer = Command::new(wrapper[0]);
        outer.args(&wrapper[1..]).arg(inner.get_program()).args(inner.get_args());
        outer.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let mut process = Process::spawn(outer);
        let said = process.next(if role == "read" { "read" } else { "error" });
        (process, said.expect("it says so"))
    });
    assert!(second.1.contains("PID namespace") && second.1.contains(folder.path().to_str().unwrap()));
    second.0.kill();
    first.0.kill();
}
