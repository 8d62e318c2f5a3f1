//! What happens when the server is away: errors, never an empty session, and afterwards everything is there.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use narae_session::store::{Committed, Redis, Store, StoreError};
use narae_session::{Change, Id, Timestamp};

use super::server::Server;
use super::{set, soon};

/// What one client was told.
#[derive(Default)]
struct Told {
    acknowledged: AtomicU64,
    errors: AtomicU64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_freezes_crashes_and_comes_back_costs_errors_and_nothing_else() {
    let mut server = Server::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let limit = Duration::from_millis(300);
    let store = Redis::new(server.url()).unwrap().response_timeout(limit).connect_timeout(limit);
    let store = Arc::new(store);
    let told = Arc::new(Told::default());
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (store, told, stop) = (Arc::clone(&store), Arc::clone(&told), Arc::clone(&stop));
        writers.spawn(async move { write(&store, &told, &stop, limit).await });
    }
    until_grown(&told.acknowledged, 500).await;
    server.freeze();
    until_grown(&told.errors, 32).await;
    server.thaw();
    until_grown(&told.acknowledged, 500).await;
    server.freeze();
    until_grown(&told.errors, 32).await;
    server.kill();
    until_grown(&told.errors, 500).await;
    server.run();
    until_grown(&told.acknowledged, 500).await;
    server.kill();
    until_grown(&told.errors, 500).await;
    server.run();
    until_grown(&told.acknowledged, 500).await;
    stop.store(true, Ordering::Relaxed);
    let now = Timestamp::now();
    for (id, (key, least, most)) in writers.join_all().await.into_iter().flatten() {
        let record = store.load(&id, now).await.unwrap().expect("an acknowledged session is there");
        let found: u64 = record.values.find(&key).expect("an acknowledged key is there").parse().unwrap();
        assert!((least..=most).contains(&found), "acknowledged {least}, asked for {most}, found {found}");
    }
}

/// Creates sessions and counts in them until told to stop. Gives the key of each, the last count that was
/// acknowledged, and the last one asked for.
async fn write(
    store: &Redis,
    told: &Told,
    stop: &AtomicBool,
    limit: Duration,
) -> HashMap<Id, (String, u64, u64)> {
    let mut written = HashMap::new();
    while !stop.load(Ordering::Relaxed) {
        let (id, now) = (Id::random(), Timestamp::now());
        let key = format!("key {}", written.len());
        if store.create(id.clone(), set(&key, "0", now)).await.is_err() {
            told.errors.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            continue;
        }
        let (mut acknowledged, mut asked) = (0, 0);
        while asked < 20 {
            asked += 1;
            let began = Instant::now();
            match store.commit(id.clone(), set(&key, &asked.to_string(), now)).await {
                Ok(Committed::Done(_)) => {
                    acknowledged = asked;
                    told.acknowledged.fetch_add(1, Ordering::Relaxed);
                }
                Ok(Committed::Gone) => panic!("a session that was acknowledged is gone"),
                Err(StoreError::Unavailable(..)) => {
                    told.errors.fetch_add(1, Ordering::Relaxed);
                    assert!(began.elapsed() < limit * 20, "an error that takes long is no error");
                }
                Err(error) => panic!("{error}"),
            }
            match store.load(&id, now).await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("a session that was acknowledged is not found"),
                Err(_) => drop(told.errors.fetch_add(1, Ordering::Relaxed)),
            }
        }
        written.insert(id, (key, acknowledged, asked));
    }
    written
}

/// Waits until there are so many more.
async fn until_grown(count: &AtomicU64, by: u64) {
    let (from, deadline) = (count.load(Ordering::Relaxed), Instant::now() + Duration::from_secs(60));
    while count.load(Ordering::Relaxed) < from + by {
        assert!(Instant::now() < deadline, "nothing happens any more");
        // tidy: sleep ok: lets the writers run
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_server_that_was_never_there_is_an_error_that_names_it_and_is_used_once_it_is() {
    let mut server = Server::start();
    server.kill();
    let store = Redis::new(server.url()).unwrap();
    let (id, now) = (Id::random(), Timestamp::now());
    let error = store.load(&id, now).await.unwrap_err().to_string();
    assert!(error.contains(&format!("127.0.0.1:{}", server.port)), "{error}");
    assert!(!error.contains(id.as_str()), "{error}");
    server.run();
    assert_eq!(store.load(&id, now).await.unwrap(), None);
}

#[tokio::test]
async fn a_connection_that_the_server_closed_while_idle_costs_no_error() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap();
    let (id, now) = (Id::random(), Timestamp::now());
    store.create(id.clone(), Change::nothing(now, soon(now))).await.unwrap();
    for _ in 0..5 {
        server.ask::<i64>("CLIENT KILL TYPE normal SKIPME yes");
        // The end of the connection arrives in another task.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        assert_eq!(store.commit(id.clone(), set("a", "1", now)).await.unwrap(), Committed::Done(None));
    }
}

#[tokio::test]
async fn a_server_without_memory_is_full_and_says_so() {
    let server = Server::with(&["--maxmemory", "1mb"]);
    let store = Redis::new(server.url()).unwrap();
    let now = Timestamp::now();
    let big = format!("\"{}\"", "x".repeat(100_000));
    for _ in 0..100 {
        match store.create(Id::random(), set("big", &big, now)).await {
            Ok(_) => {}
            Err(StoreError::Full(what)) => {
                assert!(what.contains(&server.port.to_string()), "{what}");
                return;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("10 MB fit into 1 MB");
}

#[tokio::test]
async fn a_hash_that_is_no_session_is_an_error_and_not_an_empty_session() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap();
    let (id, now) = (Id::random(), Timestamp::now());
    server.ask::<i64>(&format!("HSET narae:{} foreign 1", id.handle()));
    assert!(matches!(store.load(&id, now).await, Err(StoreError::Unreadable(_))));
    let text = Id::random();
    super::ask::<()>(&mut server.connect(), &format!("SET narae:{} x", text.handle()));
    assert!(store.load(&text, now).await.is_err());
}
