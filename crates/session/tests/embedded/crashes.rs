//! Processes that end in the middle of their work.

use narae_session::store::{Committed, Store as _};
use narae_session::{Id, Timestamp};

use crate::child::{Process, number, pair, store};

#[tokio::test]
async fn what_a_killed_process_acknowledged_is_there_and_nothing_is_half_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut watching = Some(store(folder.path()));
    let mut acknowledged = Vec::new();
    for round in 0..50_u32 {
        let mut writers = [0, 1].map(|_| Process::start("write", folder.path(), &[]));
        for writer in &mut writers {
            for _ in 0..round * 7 % 40 {
                acknowledged.push(writer.next("kept").unwrap());
            }
        }
        for writer in &mut writers {
            writer.kill();
            while let Some(line) = writer.next("kept") {
                acknowledged.push(line);
            }
        }
        if round % 5 == 4 {
            watching = None; // the last one closes the files
        }
        let store = watching.get_or_insert_with(|| store(folder.path()));
        check(store, &acknowledged).await;
        store.create(Id::random(), pair(0)).await.unwrap();
    }
    assert!(acknowledged.len() > 1000, "{}", acknowledged.len());
}

async fn check(store: &narae_session::store::Embedded, acknowledged: &[String]) {
    for line in acknowledged {
        let (id, expected) = line.rsplit_once(' ').unwrap();
        let record = store.load(&Id::parse(id).unwrap(), Timestamp::now()).await.unwrap();
        let record = record.unwrap_or_else(|| panic!("{line} was acknowledged and is lost"));
        assert_eq!(number(&record).map(|number| number.to_string()).as_deref(), Some(expected));
    }
    let mut last = None;
    loop {
        let page = store.page(last, 1000, Timestamp::now()).await.unwrap();
        assert!(page.iter().all(|listed| number(&listed.record).is_some()), "a session is half there");
        let Some(listed) = page.last() else { break };
        last = Some(listed.handle);
    }
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_process_killed_while_it_holds_the_lock_blocks_no_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    store.create(Id::random(), pair(0)).await.unwrap();
    for _ in 0..5 {
        let mut writer = Process::start("block", folder.path(), &[]);
        writer.next("writing").unwrap();
        let waiting = store.create(Id::random(), pair(1));
        let kill = async { writer.kill() };
        let (created, ()) = tokio::join!(waiting, kill);
        assert_eq!(created.unwrap(), Committed::Done(None));
        let half = store.load(&Id::parse("half").unwrap(), Timestamp::now()).await.unwrap();
        assert!(half.is_none_or(|record| number(&record) == Some(1)));
        assert_eq!(store.contradictions().unwrap(), [""; 0]);
    }
}

#[tokio::test]
async fn the_places_of_dead_readers_are_freed() {
    let folder = tempfile::tempdir().unwrap();
    // Nothing but this test frees them: it neither opens nor sweeps.
    let store = store(folder.path()).sweep_interval(None);
    store.create(Id::random(), pair(0)).await.unwrap();
    assert_eq!(store.clear_stale_readers().unwrap(), 0);
    let mut readers = [0, 1, 2].map(|_| Process::start("read", folder.path(), &[]));
    for reader in &mut readers {
        reader.next("read").unwrap();
    }
    assert_eq!(store.clear_stale_readers().unwrap(), 0, "they live");
    readers.iter_mut().for_each(Process::kill);
    assert!(store.clear_stale_readers().unwrap() >= 3);
    assert_eq!(store.clear_stale_readers().unwrap(), 0);
}
