//! The store's bounds: what is beyond them is an error that says so, and all else goes on.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use narae_session::store::{Durability, Embedded, Store, StoreError, Update};
use narae_session::{Change, Id, Json, Timestamp};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::child::{in_an_hour, increment, pair, store};

/// An update that waits, and its writer with it, until the sender is dropped. The receiver hears that it has
/// begun.
fn blocking() -> (Sender<()>, UnboundedReceiver<()>, Update) {
    let (until, told) = channel::<()>();
    let (begins, begun) = unbounded_channel();
    let told = std::sync::Mutex::new(told);
    let wait = move |_: Option<&str>| {
        let _ = begins.send(());
        let _ = told.lock().unwrap().recv();
        Ok(None)
    };
    (until, begun, Update { make: Arc::new(wait), ..increment() })
}

/// Polls once, which asks for the work, and waits for nothing.
async fn begin<T>(pending: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    std::future::poll_fn(|context| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *pending).poll(context) {
            std::task::Poll::Ready(done) => Some(done),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

fn long(bytes: usize) -> Change {
    let long: Json = format!("\"{}\"", "x".repeat(bytes)).into();
    Change { edits: vec![("long".into(), Some(long))], ..Change::nothing(Timestamp::now(), in_an_hour()) }
}

#[tokio::test]
async fn more_writes_than_may_wait_are_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).sweep_interval(None);
    let id = Id::random();
    store.create(id.clone(), pair(1)).await.unwrap();
    let (until, mut begun, update) = blocking();
    let mut blocked = store.update(id.clone(), update);
    assert!(begin(&mut blocked).await.is_none());
    begun.recv().await.unwrap();
    let mut refused = None;
    for _ in 0..17_000 {
        if let Some(answer) = begin(&mut store.touch(id.clone(), Timestamp::now(), in_an_hour())).await {
            refused = Some(answer);
            break;
        }
    }
    let error = refused.expect("no more wait than may").unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(..)), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("cannot keep up") && said.contains(folder.path().to_str().unwrap()), "{said}");
    drop(until);
    blocked.await.unwrap();
    while store.create(Id::random(), pair(1)).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_write_that_was_given_up_before_it_was_begun_is_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).sweep_interval(None);
    let impatient = Embedded::open(folder.path()).unwrap().write_timeout(Duration::from_millis(20));
    let [id, late] = [Id::random(), Id::random()];
    store.create(id.clone(), pair(1)).await.unwrap();
    let (until, mut begun, update) = blocking();
    let mut blocked = store.update(id, update);
    assert!(begin(&mut blocked).await.is_none());
    begun.recv().await.unwrap();
    assert!(impatient.create(late.clone(), pair(1)).await.is_err());
    drop(until);
    blocked.await.unwrap();
    store.create(Id::random(), pair(1)).await.unwrap();
    assert_eq!(store.load(&late, Timestamp::now()).await.unwrap(), None);
}

#[tokio::test]
async fn a_session_that_grows_too_large_stays_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).max_session_bytes(10_000);
    let id = Id::random();
    store.create(id.clone(), long(9000)).await.unwrap();
    let more = Change { edits: vec![("more".into(), long(2000).edits.remove(0).1)], ..long(0) };
    let error = store.commit(id.clone(), more).await.unwrap_err();
    assert!(matches!(error, StoreError::TooBig(size, 10_000) if size > 10_000), "{error:?}");
    let record = store.load(&id, Timestamp::now()).await.unwrap().unwrap();
    assert_eq!((record.version, record.values.len()), (1, 1));
}

#[tokio::test]
async fn a_store_at_its_limit_is_read_and_emptied_and_has_room_again() {
    let folder = tempfile::tempdir().unwrap();
    let limit = 4 << 20;
    let open = || store(folder.path()).sweep_interval(None).max_size(limit);
    let store = open();
    let mut ids = Vec::new();
    let error = loop {
        let id = Id::random();
        match store.create(id.clone(), long(ids.len() % 7 * 700)).await {
            Ok(_) => ids.push(id),
            Err(error) => break error,
        }
        assert!(ids.len() < 100_000, "it never became full");
    };
    assert!(matches!(error, StoreError::Full(_)), "{error:?}");
    let said = error.to_string();
    assert!(said.contains("max_size") && said.contains(folder.path().to_str().unwrap()), "{said}");
    let (address_space, file) = store.size().unwrap();
    assert!(address_space <= limit && file <= limit as u64, "{address_space}, {file}");
    // Until nothing fits, not even the smallest.
    while store.create(Id::random(), pair(1)).await.is_ok() {}
    drop(store);
    let store = open();
    for id in &ids {
        assert!(store.load(id, Timestamp::now()).await.unwrap().is_some());
    }
    for id in ids.drain(..ids.len() / 2) {
        assert!(store.destroy(id).await.unwrap(), "what makes room is never refused");
    }
    store.create(Id::random(), long(4000)).await.expect("there is room again");
    let mut forgotten = 0;
    while let some @ 1.. = store.sweep(in_an_hour().after(Duration::from_secs(60))).await.unwrap() {
        forgotten += some;
    }
    assert!(forgotten > 0);
    assert!(store.size().unwrap().1 <= (limit + limit / 8 + (1 << 20)) as u64);
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_full_store_is_swept_in_whole_steps() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).sweep_interval(None).max_size(1 << 20);
    let mut kept = 0_u64;
    while store.create(Id::random(), pair(kept)).await.is_ok() {
        kept += 1;
    }
    assert!(kept > 500, "{kept}");
    let mut forgotten = 0;
    while let some @ 1.. = store.sweep(in_an_hour().after(Duration::from_secs(60))).await.unwrap() {
        forgotten += some;
    }
    assert_eq!(forgotten, kept);
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
}

#[test]
fn one_reader_too_many_is_told_of_max_readers() {
    let folder = tempfile::tempdir().unwrap();
    // The thread that opens it has the first place, the writer another.
    let store = Arc::new(Embedded::open(folder.path()).unwrap().max_readers(4).durability(Durability::Off));
    store.prepare(1).unwrap();
    let (results, read) = channel();
    let (done, until) = channel::<()>();
    let until = Arc::new(std::sync::Mutex::new(until));
    let readers: Vec<_> = (0..6)
        .map(|_| {
            let (store, results, until) = (Arc::clone(&store), results.clone(), Arc::clone(&until));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let result = runtime.block_on(store.load(&Id::random(), Timestamp::now()));
                results.send(result.map(drop)).unwrap();
                let _ = until.lock().unwrap().recv(); // it keeps its place until it ends
            })
        })
        .collect();
    let results: Vec<_> = read.iter().take(6).collect();
    drop(done);
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    let error = results.into_iter().find_map(Result::err).expect("there are fewer places than readers");
    assert!(matches!(error, StoreError::Unavailable(..)), "{error:?}");
    assert!(error.to_string().contains("max_readers"), "{error}");
}

#[tokio::test]
async fn a_user_with_very_many_sessions_has_the_newest_listed() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let now = Timestamp::now();
    let created = |number: u64| Timestamp(now.0 - 10_000 + number);
    for number in 0..1100 {
        let change =
            Change { created: Some(created(number)), user: Some(Some("ada".into())), ..pair(number) };
        store.create(Id::random(), change).await.unwrap();
    }
    let listed = store.sessions_of("ada", now).await.unwrap();
    let times: Vec<_> = listed.iter().map(|listed| listed.record.created).collect();
    let expected: Vec<_> = (100..1100).rev().map(|number| Some(created(number))).collect();
    assert_eq!(times, expected);
    assert_eq!(store.destroy_all_of("ada", None).await.unwrap(), 1100);
}
