//! The Redis store against real servers: one, over TLS, with a password, over a socket, and a cluster.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod cluster;
mod express_form;
mod outage;
mod replies;
pub mod server;
mod users;

use std::sync::Arc;
use std::time::Duration;

use narae_session::store::{Committed, Redis, Store, StoreError, Update, Updated, contract};
use narae_session::{Change, Id, Json, MaxAge, Timestamp};
use server::{Cluster, Server, ask, with_tls};

#[tokio::test]
async fn the_contract_is_kept_on_one_server() {
    let server = Server::start();
    contract::check(Arc::new(Redis::new(server.url()).unwrap())).await;
}

#[tokio::test]
async fn the_contract_is_kept_in_the_form_of_express() {
    let server = Server::start();
    contract::check(Arc::new(Redis::new(server.url()).unwrap().express_compatible())).await;
}

#[tokio::test]
async fn the_contract_is_kept_over_tls_and_other_authorities_are_refused() {
    let (server, authority) = with_tls();
    let url = format!("rediss://localhost:{}", server.port);
    let store = Redis::new(&*url).unwrap().root_certificate(authority);
    store.prepare(1).unwrap();
    contract::check(Arc::new(store)).await;
    let stranger = Redis::new(url).unwrap();
    let error = stranger.load(&Id::random(), Timestamp::now()).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(..)), "{error}");
}

#[tokio::test]
async fn the_contract_is_kept_with_a_password_and_a_wrong_one_is_refused() {
    let server = Server::with(&["--requirepass", "open-sesame"]);
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}/3", server.port);
    contract::check(Arc::new(Redis::new(url("open-sesame")).unwrap())).await;
    let wrong = Redis::new(url("wrong-secret")).unwrap();
    let error = wrong.load(&Id::random(), Timestamp::now()).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains(&server.port.to_string()) && !shown.contains("wrong-secret"), "{shown}");
}

#[tokio::test]
async fn the_contract_is_kept_over_a_unix_socket() {
    let server = Server::with(&["--unixsocket", "{folder}/redis.sock"]);
    let url = format!("redis+unix://{}", server.folder.path().join("redis.sock").display());
    contract::check(Arc::new(Redis::new(url).unwrap())).await;
}

#[tokio::test]
async fn the_contract_is_kept_in_a_cluster_in_both_forms() {
    let cluster = Cluster::start(0);
    contract::check(Arc::new(Redis::cluster(cluster.urls()).unwrap())).await;
    contract::check(Arc::new(Redis::cluster(cluster.urls()).unwrap().express_compatible())).await;
}

#[tokio::test]
async fn nothing_at_rest_gives_an_id_away() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap().prefix("shop*:");
    let id = Id::random();
    store.create(id.clone(), login("anna", Timestamp::now())).await.unwrap();
    let keys: Vec<String> = server.ask("KEYS *");
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!(keys.contains(&format!("shop*:{}", id.handle())), "{keys:?}");
    let hash: Vec<String> = server.ask(&format!("HGETALL shop*:{}", id.handle()));
    assert!(!format!("{keys:?} {hash:?}").contains(id.as_str()));
    assert_eq!(store.count(Timestamp::now()).await.unwrap(), 1);
    let other = Redis::new(server.url()).unwrap().prefix("shop");
    assert_eq!(other.count(Timestamp::now()).await.unwrap(), 0, "prefixes are no patterns");
}

#[tokio::test]
async fn redis_itself_forgets_a_session_that_has_expired() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap();
    let (id, now) = (Id::random(), Timestamp::now());
    let key = format!("narae:{}", id.handle());
    store.create(id.clone(), login("anna", now)).await.unwrap();
    let lifetime: u64 = server.ask(&format!("PTTL {key}"));
    assert!(lifetime > 3_590_000 && lifetime <= 3_600_000, "{lifetime}");
    store.touch(id.clone(), now, now.after(Duration::from_secs(7200))).await.unwrap();
    let lifetime: u64 = server.ask(&format!("PTTL {key}"));
    assert!(lifetime > 3_600_000 && lifetime <= 7_200_000, "{lifetime}");
    let shorter = now.after(Duration::from_secs(600));
    store.commit(id.clone(), Change::nothing(now, shorter)).await.unwrap();
    let lifetime: u64 = server.ask(&format!("PTTL {key}"));
    assert!(lifetime > 3_600_000, "{lifetime}: nobody spoke of the lifetime");
    let age = Some(MaxAge::Milliseconds(600_000));
    store.commit(id.clone(), Change { max_age: age, ..Change::nothing(now, shorter) }).await.unwrap();
    let lifetime: u64 = server.ask(&format!("PTTL {key}"));
    assert!(lifetime > 60_000 && lifetime <= 600_000, "{lifetime}");
}

#[tokio::test]
async fn scripts_that_the_server_forgot_are_sent_again() {
    let server = Server::start();
    for store in [Redis::new(server.url()).unwrap(), Redis::new(server.url()).unwrap().express_compatible()] {
        let (id, now) = (Id::random(), Timestamp::now());
        for round in 1..=3 {
            if round == 1 {
                store.create(id.clone(), Change::nothing(now, soon(now))).await.unwrap();
            }
            server.ask::<()>("SCRIPT FLUSH");
            let updated = store.update(id.clone(), increment(now)).await.unwrap();
            assert_eq!(updated, Updated::Done(Some(Json::from(round.to_string())), None));
            assert!(store.touch(id.clone(), now, soon(now)).await.unwrap());
        }
    }
}

/// Two stores on one server, as two processes have them, and an empty session in it.
async fn two_with_a_session(server: &Server, express: bool) -> ([Arc<Redis>; 2], Id, Timestamp) {
    let store = || {
        let store = Redis::new(server.url()).unwrap();
        Arc::new(if express { store.express_compatible() } else { store })
    };
    let (stores, id, now) = ([store(), store()], Id::random(), Timestamp::now());
    stores[0].create(id.clone(), Change::nothing(now, soon(now))).await.unwrap();
    (stores, id, now)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn updates_from_two_stores_at_once_lose_no_count() {
    let server = Server::start();
    for express in [false, true] {
        let (stores, id, now) = two_with_a_session(&server, express).await;
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..64 {
            let (store, id) = (Arc::clone(&stores[task % 2]), id.clone());
            let share = UPDATES / 64 + usize::from(task < UPDATES % 64);
            tasks.spawn(async move {
                for _ in 0..share {
                    let updated = store.update(id.clone(), increment(now)).await.unwrap();
                    assert!(matches!(updated, Updated::Done(..)), "{updated:?}");
                }
            });
        }
        tasks.join_all().await;
        let record = stores[1].load(&id, now).await.unwrap().unwrap();
        assert_eq!(record.values.find("count").map(|json| &**json), Some(&*UPDATES.to_string()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_written_at_once_by_two_stores_all_win() {
    let server = Server::start();
    for express in [false, true] {
        let (stores, id, now) = two_with_a_session(&server, express).await;
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..64 {
            let (store, id) = (Arc::clone(&stores[task % 2]), id.clone());
            tasks.spawn(async move {
                for round in 0..10 {
                    let key = format!("{task} {round}");
                    let done = store.commit(id.clone(), set(&key, "1", now)).await.unwrap();
                    assert_eq!(done, Committed::Done(None));
                }
            });
        }
        tasks.join_all().await;
        assert_eq!(stores[1].load(&id, now).await.unwrap().unwrap().values.len(), 640);
    }
}

#[test]
fn one_store_serves_two_runtimes_and_outlives_one() {
    let server = Server::start();
    let store = Arc::new(Redis::new(server.url()).unwrap());
    let (id, now) = (Id::random(), Timestamp::now());
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    first.block_on(store.create(id.clone(), Change::nothing(now, soon(now)))).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (store, id) = (Arc::clone(&store), id.clone());
            std::thread::spawn(move || {
                let runtime = runtime();
                for _ in 0..100 {
                    runtime.block_on(store.update(id.clone(), increment(now))).unwrap();
                }
            })
        })
        .collect();
    // The first runtime does not run meanwhile: a connection of its would answer no one.
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let record = first.block_on(store.load(&id, now)).unwrap().unwrap();
    assert_eq!(record.values.find("count").map(|json| &**json), Some("400"));
    drop(first);
    assert!(runtime().block_on(store.load(&id, now)).unwrap().is_some());
}

#[tokio::test]
async fn a_request_that_is_dropped_half_way_disturbs_no_other() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap();
    let (id, now) = (Id::random(), Timestamp::now());
    store.create(id.clone(), set("a", "\"mine\"", now)).await.unwrap();
    for polls in 1..20 {
        let mut dropped = store.load(&id, now);
        for _ in 0..polls {
            let polled =
                std::future::poll_fn(|context| std::task::Poll::Ready(dropped.as_mut().poll(context)));
            if polled.await.is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(dropped);
        let other = Id::random();
        assert_eq!(store.load(&other, now).await.unwrap(), None, "no one gets another's reply");
        assert!(store.load(&id, now).await.unwrap().is_some());
    }
}

fn soon(now: Timestamp) -> Timestamp {
    now.after(Duration::from_secs(3600))
}

fn set(key: &str, json: &str, now: Timestamp) -> Change {
    Change { edits: vec![(key.into(), Some(json.into()))], ..Change::nothing(now, soon(now)) }
}

fn login(user: &str, now: Timestamp) -> Change {
    Change { user: Some(Some(user.into())), created: Some(now), ..Change::nothing(now, soon(now)) }
}

/// Counts in the key `count`.
fn increment(now: Timestamp) -> Update {
    let make = |old: Option<&str>| {
        let old: u64 = old.map_or(Ok(0), str::parse).map_err(|_| Arc::from("no number"))?;
        Ok(Some(Json::from((old + 1).to_string())))
    };
    Update { key: "count".into(), make: Arc::new(make), now, expires: soon(now) }
}

const UPDATES: usize = 20_000;
