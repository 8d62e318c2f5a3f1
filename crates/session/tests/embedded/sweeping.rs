//! Expired sessions are forgotten, and those that live longer than their index says are not.

use std::time::Duration;

use narae_session::store::Store as _;
use narae_session::{Change, Id, MaxAge, Timestamp};

use crate::child::{pair, store};

fn at(seconds: u64) -> Timestamp {
    Timestamp(1_000_000_000_000).after(Duration::from_secs(seconds))
}

fn expiring(number: u64, expires: Timestamp) -> Change {
    Change { now: at(0), expires, ..pair(number) }
}

#[tokio::test]
async fn a_sweep_forgets_what_has_expired_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).sweep_interval(None);
    for number in 0..1300 {
        store.create(Id::random(), expiring(number, at(100 + number % 2 * 1000))).await.unwrap();
    }
    assert_eq!(store.count(at(0)).await.unwrap(), 1300);
    assert_eq!(store.sweep(at(99)).await.unwrap(), 0);
    assert_eq!(store.count(at(100)).await.unwrap(), 650, "the expired ones count no more");
    let mut steps = Vec::new();
    while let forgotten @ 1.. = store.sweep(at(100)).await.unwrap() {
        steps.push(forgotten);
    }
    assert_eq!(steps, [500, 150], "a bounded number at a time");
    assert_eq!(store.count(at(100)).await.unwrap(), 650);
    assert_eq!(store.page(None, 2000, at(0)).await.unwrap().len(), 650);
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_session_that_was_touched_outlives_its_first_expiry() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).sweep_interval(None);
    let ids: Vec<Id> = (0..700).map(|_| Id::random()).collect();
    for (number, id) in (0..).zip(&ids) {
        store.create(id.clone(), expiring(number, at(100))).await.unwrap();
        assert!(store.touch(id.clone(), at(50), at(5000)).await.unwrap());
    }
    let over = Id::random();
    store.create(over.clone(), expiring(0, at(200))).await.unwrap();
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
    assert_eq!(store.count(at(300)).await.unwrap(), 700);
    assert_eq!(store.sweep(at(300)).await.unwrap(), 1, "it is found behind those that live");
    assert_eq!(store.count(at(300)).await.unwrap(), 700);
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
    let mut forgotten = 0;
    while let some @ 1.. = store.sweep(at(5000)).await.unwrap() {
        forgotten += some;
    }
    assert_eq!((forgotten, store.count(at(0)).await.unwrap()), (700, 0));
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
}

#[tokio::test]
async fn an_expiry_that_came_nearer_is_swept_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path()).sweep_interval(None);
    let ids = [Id::random(), Id::random()];
    for id in &ids {
        store.create(id.clone(), expiring(1, at(100_000))).await.unwrap();
    }
    for (id, expires) in ids.into_iter().zip([at(50), at(60)]) {
        let max_age = Some(MaxAge::Configured); // its lifetime is said anew
        store.commit(id, Change { now: at(1), max_age, ..expiring(1, expires) }).await.unwrap();
    }
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
    assert_eq!(store.count(at(55)).await.unwrap(), 1);
    assert_eq!(store.sweep(at(60)).await.unwrap(), 2);
}

#[tokio::test]
async fn expired_sessions_are_forgotten_without_being_asked() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let now = Timestamp::now();
    for number in 0..1200 {
        let expires = now.after(Duration::from_millis(1));
        store.create(Id::random(), Change { now, expires, ..pair(number) }).await.unwrap();
    }
    let long_ago = Timestamp(0);
    while !store.page(None, 1, long_ago).await.unwrap().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
}
