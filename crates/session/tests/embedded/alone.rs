//! One process with the store for itself.

use std::sync::Arc;
use std::time::Duration;

use narae_session::store::{Durability, Embedded, Store, StoreError, Update, Updated, contract};
use narae_session::{Change, Handle, Id, Json, Timestamp};

use crate::child::{in_an_hour, increment, pair, store};

#[tokio::test]
async fn passes_the_contract() {
    for durability in [Durability::Full, Durability::Normal, Durability::Off] {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Embedded::open(folder.path()).unwrap().durability(durability));
        contract::check(Arc::<Embedded>::clone(&store)).await;
        assert_eq!(store.contradictions().unwrap(), [""; 0]);
    }
}

#[tokio::test]
async fn passes_the_contract_while_it_grows() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(store(folder.path()));
    contract::check(Arc::<Embedded>::clone(&store)).await;
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
    assert!(store.size().unwrap().0 > 64 * 1024, "it has grown");
}

#[tokio::test]
async fn two_stores_of_one_folder_share_it() {
    let folder = tempfile::tempdir().unwrap();
    let stores = [store(folder.path()), store(folder.path().join("."))];
    let id = Id::random();
    stores[0].create(id.clone(), pair(1)).await.unwrap();
    assert!(stores[1].load(&id, Timestamp::now()).await.unwrap().is_some());
    stores[1].destroy(id.clone()).await.unwrap();
    assert_eq!(stores[0].load(&id, Timestamp::now()).await.unwrap(), None);
}

#[tokio::test]
async fn what_was_kept_is_there_when_the_folder_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let id = Id::random();
    for times in 1..20 {
        let store = store(folder.path());
        store.create(Id::random(), pair(1)).await.unwrap();
        if times == 1 {
            store.create(id.clone(), pair(1)).await.unwrap();
        }
        let updated = store.update(id.clone(), increment()).await.unwrap();
        assert_eq!(updated, Updated::Done(Some(times.to_string().into()), None));
    }
}

#[tokio::test]
async fn an_update_that_panics_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let id = Id::random();
    store.create(id.clone(), pair(1)).await.unwrap();
    let bad = || Update { make: Arc::new(|_| panic!("on purpose")), ..increment() };
    let (first, panicked, last) = tokio::join!(
        store.update(id.clone(), increment()),
        store.update(id.clone(), bad()),
        store.update(id.clone(), increment()),
    );
    let error = panicked.unwrap_err().to_string();
    assert!(error.contains("\"count\"") && !error.contains("on purpose"), "{error}");
    assert_eq!(first.unwrap(), Updated::Done(Some("1".into()), None));
    assert_eq!(last.unwrap(), Updated::Done(Some("2".into()), None));
}

#[tokio::test]
async fn a_write_is_done_although_no_one_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let id = Id::random();
    store.create(id.clone(), pair(1)).await.unwrap();
    for _ in 0..50 {
        let mut update = store.update(id.clone(), increment());
        std::future::poll_fn(|context| {
            let _ = update.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    }
    let updated = store.update(id, increment()).await.unwrap();
    assert_eq!(updated, Updated::Done(Some("51".into()), None));
}

#[tokio::test]
async fn a_session_beyond_all_bounds_is_refused_and_the_others_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let huge: Json = format!("\"{}\"", "x".repeat(1 << 20)).into();
    let change = Change {
        edits: vec![("huge".into(), Some(huge))],
        ..Change::nothing(Timestamp::now(), in_an_hour())
    };
    let (huge, other) = tokio::join!(store.create(Id::random(), change), store.create(Id::random(), pair(1)));
    assert!(matches!(huge, Err(StoreError::TooBig(size, limit)) if size > limit), "{huge:?}");
    assert!(other.is_ok());
}

#[tokio::test]
async fn users_of_any_length_have_their_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let users = [String::new(), "a".repeat(510), "a".repeat(511), "a".repeat(512), "나래".repeat(10_000)];
    let now = Timestamp::now();
    for user in &users {
        let change = Change { user: Some(Some(user.as_str().into())), ..pair(1) };
        store.create(Id::random(), change).await.unwrap();
    }
    for user in &users {
        let listed = store.sessions_of(user, now).await.unwrap();
        assert_eq!(listed.len(), 1, "{} bytes", user.len());
        assert_eq!(listed[0].record.user.as_deref(), Some(user.as_str()));
        assert_eq!(store.destroy_all_of(user, None).await.unwrap(), 1);
    }
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
}

#[tokio::test]
async fn pages_hold_every_session_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut expected: Vec<Handle> = Vec::new();
    for number in 0..25 {
        let id = Id::random();
        expected.push(id.handle());
        store.create(id, pair(number)).await.unwrap();
    }
    expected.sort_unstable();
    let (mut found, mut last) = (Vec::new(), None);
    loop {
        let page = store.page(last, 7, Timestamp::now()).await.unwrap();
        let Some(listed) = page.last() else { break };
        assert!(page.len() <= 7);
        last = Some(listed.handle);
        found.extend(page.into_iter().map(|listed| listed.handle));
    }
    assert_eq!(found, expected);
    assert!(store.find(expected[0], Timestamp::now()).await.unwrap().is_some());
    assert!(store.end(expected[0]).await.unwrap());
    assert!(!store.end(expected[0]).await.unwrap());
}

#[test]
fn each_runtime_may_come_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let store: Arc<dyn Store> = Arc::new(store(folder.path()));
    let id = Id::random();
    for expected in 1..10 {
        let (store, id) = (Arc::clone(&store), id.clone());
        let thread = std::thread::spawn(move || {
            tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
                if expected == 1 {
                    store.create(id.clone(), pair(0)).await.unwrap();
                }
                let updated = store.update(id, increment()).await.unwrap();
                assert_eq!(updated, Updated::Done(Some(expected.to_string().into()), None));
            });
        });
        thread.join().unwrap();
    }
}

#[tokio::test]
async fn a_write_that_is_not_kept_in_time_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).write_timeout(Duration::from_millis(50));
    let (id, blocked) = (Id::random(), std::sync::mpsc::channel::<()>());
    store.create(id.clone(), pair(1)).await.unwrap();
    let until_told = std::sync::Mutex::new(blocked.1);
    let wait = move |_: Option<&str>| {
        let _ = until_told.lock().unwrap().recv();
        Ok(None)
    };
    let update = Update { make: Arc::new(wait), ..increment() };
    let error = store.update(id, update).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(..)), "{error:?}");
    assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
}
