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
    let (from, deadline) = (count.load(Ordering::Relaxed), Instant::now() + Duration::from_secs(45));
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

#[tokio::test]
async fn bytes_that_are_no_text_are_an_error_for_their_session_alone() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap();
    let now = Timestamp::now();
    let (sound, broken) = (Id::random(), Id::random());
    for id in [&sound, &broken] {
        store.create(id.clone(), super::login("anna", now)).await.unwrap();
    }
    let mut command = ::redis::cmd("HSET");
    command.arg(format!("narae:{}", broken.handle())).arg(":a").arg(&b"\xff"[..]);
    command.query::<i64>(&mut server.connect()).unwrap();
    let connections = || server.ask::<String>("CLIENT LIST").lines().map(id_of).collect::<Vec<_>>();
    let before = connections();
    for _ in 0..3 {
        assert!(matches!(store.load(&broken, now).await, Err(StoreError::Unreadable(_))));
        assert!(store.load(&sound, now).await.unwrap().is_some());
    }
    assert_eq!(store.sessions_of("anna", now).await.unwrap().len(), 1);
    assert!(connections().contains(&before[0]), "the connection is still in use");
    assert_eq!(store.destroy_all_of("anna", None).await.unwrap(), 2);
}

/// The first word of a line of `CLIENT LIST`.
fn id_of(line: &str) -> String {
    line.split(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_master_that_became_a_replica_is_not_asked_over_the_same_connection_again() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap();
    let (id, now) = (Id::random(), Timestamp::now());
    store.create(id.clone(), Change::nothing(now, soon(now))).await.unwrap();
    let connections = || server.ask::<String>("CLIENT LIST").lines().map(id_of).collect::<Vec<_>>();
    let first = connections()[0].clone();
    server.ask::<()>("REPLICAOF 127.0.0.1 1");
    let error = store.commit(id.clone(), set("a", "1", now)).await.unwrap_err();
    assert!(error.to_string().contains("READONLY"), "{error}");
    server.ask::<()>("REPLICAOF NO ONE");
    assert_eq!(store.commit(id.clone(), set("a", "1", now)).await.unwrap(), Committed::Done(None));
    super::server::wait_until("the old connection ends", || !connections().contains(&first));
}

#[tokio::test]
async fn errors_of_the_server_show_neither_ids_nor_values() {
    let server = Server::with(&["--rename-command", "EVALSHA", "", "--rename-command", "SET", ""]);
    for store in [Redis::new(server.url()).unwrap(), Redis::new(server.url()).unwrap().express_compatible()] {
        let (id, now) = (Id::random(), Timestamp::now());
        let created = store.create(id.clone(), set("a", "\"secret\"", now)).await.map(drop);
        let loaded = store.load(&id, now).await.map(drop);
        let committed = store.commit(id.clone(), set("a", "\"secret\"", now)).await.map(drop);
        let mut seen = 0;
        for error in [created, loaded, committed].into_iter().filter_map(Result::err) {
            let shown = format!("{error} {error:?}");
            assert!(shown.contains("unknown command"), "{shown}");
            assert!(!shown.contains(id.as_str()) && !shown.contains(&id.handle().to_string()), "{shown}");
            assert!(!shown.contains("secret"), "{shown}");
            seen += 1;
        }
        assert!(seen >= 2, "{seen}");
    }
}

#[tokio::test]
async fn a_server_that_is_silent_costs_the_time_limit_once_whatever_is_asked() {
    let server = Server::start();
    let limit = Duration::from_millis(300);
    for express in [false, true] {
        let store = Redis::new(server.url()).unwrap().response_timeout(limit);
        let store = Arc::new(if express { store.express_compatible() } else { store });
        let (id, now) = (Id::random(), Timestamp::now());
        store.create(id.clone(), Change::nothing(now, soon(now))).await.unwrap();
        server.freeze();
        let began = Instant::now();
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (store, id) = (Arc::clone(&store), id.clone());
            waiting.spawn(async move { store.update(id, super::increment(now)).await });
        }
        for outcome in waiting.join_all().await {
            assert!(matches!(outcome, Err(StoreError::Unavailable(..))), "{outcome:?}");
        }
        assert!(began.elapsed() < limit * 4, "not one after the other: {:?}", began.elapsed());
        server.thaw();
        assert!(store.load(&id, now).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn limits_without_end_are_no_fault() {
    let server = Server::start();
    let store =
        Redis::new(server.url()).unwrap().response_timeout(Duration::MAX).connect_timeout(Duration::MAX);
    let (id, now) = (Id::random(), Timestamp::now());
    for store in [&store, &Redis::new(server.url()).unwrap().express_compatible().ttl(Duration::MAX)] {
        let far = now.after(Duration::MAX);
        store.create(id.clone(), Change::nothing(now, far)).await.unwrap();
        assert!(store.touch(id.clone(), now, far).await.unwrap());
        store.update(id.clone(), super::increment(now)).await.unwrap();
        assert!(store.load(&id, now).await.unwrap().is_some());
    }
}
