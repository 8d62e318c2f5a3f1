//! narae's own table.

use std::sync::Arc;

use narae_session::store::{Committed, Store, StoreError, contract};
use narae_session::{Change, Id, Timestamp};

use super::server::Server;
use super::{count_at_once, edits, increment, load, patient, store, value};

#[tokio::test]
async fn keeps_the_contract() {
    let server = Server::shared();
    let url = server.database("own_contract").await;
    contract::check(Arc::new(patient(&url))).await;
}

#[tokio::test]
async fn eight_starters_make_the_tables_once() {
    let server = Server::shared();
    let url = server.database("starters").await;
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = patient(&url);
        starting.spawn(async move {
            let id = Id::random();
            store.create(id.clone(), edits(&[("a", Some("1"))])).await.expect("a session");
            value(&store, &id, "a").await
        });
    }
    for found in starting.join_all().await {
        assert_eq!(found.as_deref(), Some("1"));
    }
    let client = server.connect("starters").await;
    let rows = client.query("SELECT table_name, version FROM narae_migrations", &[]).await.expect("rows");
    let rows: Vec<(String, i32)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    assert_eq!(rows, [("narae_sessions".to_owned(), 1)]);
}

/// It goes on when the requests that waited for it are errors, and needs none of them to end.
#[tokio::test]
async fn making_the_tables_may_take_longer_than_a_request() {
    let server = Server::shared();
    let url = server.database("patience").await;
    let mut client = server.connect("patience").await;
    let holding = client.transaction().await.expect("a transaction");
    holding.query("SELECT pg_advisory_xact_lock(x'6e61726165'::bigint)", &[]).await.expect("the lock");
    let store = store(&url).response_timeout(std::time::Duration::from_millis(100)).pool_size(2);
    for _ in 0..5 {
        let refused = store.load(&Id::random(), Timestamp::now()).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(..))), "{refused:?}");
    }
    let sql =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'patience' AND application_name = 'narae'";
    let connections: i64 = holding.query_one(sql, &[]).await.expect("a count").get(0);
    assert_eq!(connections, 1);
    holding.rollback().await.expect("the end");
    while client.query("SELECT FROM narae_sessions", &[]).await.is_err() {
        tokio::task::yield_now().await;
    }
    while store.load(&Id::random(), Timestamp::now()).await.is_err() {}
}

#[tokio::test]
async fn a_table_of_a_later_version_is_refused() {
    let server = Server::shared();
    let url = server.database("later").await;
    load(&store(&url), &Id::random()).await;
    let client = server.connect("later").await;
    client.batch_execute("UPDATE narae_migrations SET version = 7").await.expect("an update");
    match store(&url).load(&Id::random(), Timestamp::now()).await {
        Err(StoreError::Misuse(why)) => assert!(why.contains("version 7"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_missing_table_is_named_where_it_may_not_be_made() {
    let server = Server::shared();
    let url = server.database("missing").await;
    let store = store(&url).table("shop").create_table_if_missing(false);
    match store.load(&Id::random(), Timestamp::now()).await {
        Err(StoreError::Misuse(why)) => assert!(why.contains("\"shop\" has version 0"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn twenty_thousand_updates_at_once_are_twenty_thousand() {
    let server = Server::shared();
    let url = server.database("updates").await;
    let stores = [(); 2].map(|()| Arc::new(patient(&url)));
    let id = Id::random();
    stores[0].create(id.clone(), edits(&[])).await.expect("a session");
    let started = std::time::Instant::now();
    count_at_once(stores.clone(), &id, 64, 20_000 / 64).await;
    println!("{:.0} updates of one session a second", 20_000.0 / started.elapsed().as_secs_f64());
    count_at_once(stores.clone(), &id, 1, 20_000 % 64).await;
    assert_eq!(value(&*stores[1], &id, "count").await.as_deref(), Some("20000"));
    assert_eq!(load(&*stores[0], &id).await.map(|record| record.version), Some(20_001));
}

#[tokio::test]
async fn different_keys_written_at_once_by_two_stores_all_win() {
    let server = Server::shared();
    let url = server.database("keys").await;
    let stores = [(); 2].map(|()| Arc::new(patient(&url)));
    let id = Id::random();
    stores[0].create(id.clone(), edits(&[])).await.expect("a session");
    let mut writing = tokio::task::JoinSet::new();
    for task in 0..64 {
        let (store, id) = (Arc::clone(&stores[task % 2]), id.clone());
        writing.spawn(async move {
            for round in 0..16 {
                let change = edits(&[(&format!("key {task} {round}"), Some("1"))]);
                let committed = store.commit(id.clone(), change).await.expect("an answer");
                assert_eq!(committed, Committed::Done(None));
            }
        });
    }
    writing.join_all().await;
    assert_eq!(load(&*stores[1], &id).await.map(|record| record.values.len()), Some(64 * 16));
}

#[tokio::test]
async fn requests_that_end_half_way_leave_sound_connections() {
    let server = Server::shared();
    let url = server.database("cancelled").await;
    let store = Arc::new(patient(&url).pool_size(2));
    let id = Id::random();
    store.create(id.clone(), edits(&[("count", Some("0"))])).await.expect("a session");
    let mut acknowledged = 0;
    for turns in 0..200 {
        let (store, id) = (Arc::clone(&store), id.clone());
        let mut update = Box::pin(async move { store.update(id, increment("count")).await });
        // Polled so often, then dropped.
        for _ in 0..turns % 20 {
            let polled =
                std::future::poll_fn(|context| std::task::Poll::Ready(update.as_mut().poll(context)));
            if let std::task::Poll::Ready(updated) = polled.await {
                updated.expect("an answer");
                acknowledged += 1;
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    let counted: u64 =
        value(&*store, &id, "count").await.and_then(|text| text.parse().ok()).expect("a number");
    assert!((acknowledged..=200).contains(&counted), "{acknowledged} were acknowledged, {counted} counted");
    count_at_once([Arc::clone(&store), store.clone()], &id, 4, 10).await;
    let after: u64 = value(&*store, &id, "count").await.and_then(|text| text.parse().ok()).expect("a number");
    assert!((counted + 40..=240).contains(&after), "{counted} became {after}");
}

#[tokio::test]
async fn hostile_names_and_texts_are_data() {
    let server = Server::shared();
    let url = server.database("hostile").await;
    let name = "s\"; DROP TABLE narae_migrations; --";
    let text = "x'); DELETE FROM narae_migrations; --\\ $1 \"";
    let store = patient(&url).table(name);
    let id = Id::parse(text).expect("an id");
    let change = Change { user: Some(Some(text.into())), ..edits(&[(text, Some("\"'; --\""))]) };
    store.create(id.clone(), change.clone()).await.expect("a session");
    assert_eq!(store.commit(id.clone(), change).await.expect("an answer"), Committed::Done(None));
    store.update(id.clone(), increment("n")).await.expect("an answer");
    assert_eq!(value(&store, &id, text).await.as_deref(), Some("\"'; --\""));
    let listed = store.sessions_of(text, Timestamp::now()).await.expect("a list");
    assert_eq!(listed.iter().map(|listed| listed.handle).collect::<Vec<_>>(), [id.handle()]);
    let client = server.connect("hostile").await;
    let row = client.query_one("SELECT table_name FROM narae_migrations", &[]).await.expect("one row");
    assert_eq!(row.get::<_, String>(0), name);
}

#[tokio::test]
async fn what_no_column_can_hold_is_an_error_and_no_half_session() {
    let server = Server::shared();
    let url = server.database("nul").await;
    let store = store(&url);
    let id = Id::random();
    let nul = Change { user: Some(Some("a\0b".into())), ..edits(&[("a", Some("1"))]) };
    assert!(matches!(store.create(id.clone(), nul).await, Err(StoreError::Misuse(_))));
    let created = store.create(id.clone(), edits(&[("a\0b", Some("1"))])).await;
    assert!(matches!(created, Err(StoreError::Misuse(_))), "{created:?}");
    assert_eq!(load(&store, &id).await, None);
    assert_eq!(store.sessions_of("a\0b", Timestamp::now()).await.expect("a list"), []);
}

#[tokio::test]
async fn whoever_reads_the_table_can_open_no_session() {
    let server = Server::shared();
    let url = server.database("hashed").await;
    let store = store(&url);
    let id = Id::random();
    store.create(id.clone(), edits(&[("a", Some("1"))])).await.expect("a session");
    let client = server.connect("hashed").await;
    let row = client.query_one("SELECT s::text, handle FROM narae_sessions s", &[]).await.expect("one row");
    assert!(!row.get::<_, String>(0).contains(id.as_str()));
    assert_eq!(row.get::<_, &[u8]>(1), id.handle().as_bytes());
}

#[tokio::test]
async fn sweeping_takes_what_has_expired_and_passes_what_others_hold() {
    let server = Server::shared();
    let url = server.database("swept").await;
    let store = patient(&url);
    let now = Timestamp::now();
    for _ in 0..3 {
        let change = Change { expires: Timestamp(now.0 - 1), ..edits(&[]) };
        store.create(Id::random(), change).await.expect("a session");
    }
    let living = Id::random();
    store.create(living.clone(), edits(&[])).await.expect("a session");
    let mut client = server.connect("swept").await;
    let holding = client.transaction().await.expect("a transaction");
    let sql = "SELECT handle FROM narae_sessions WHERE expires < $1 LIMIT 1 FOR UPDATE";
    holding.query(sql, &[&i64::try_from(now.0).expect("a time")]).await.expect("a row");
    assert_eq!(store.sweep(now).await.expect("an answer"), 2);
    holding.rollback().await.expect("the end");
    assert_eq!(store.sweep(now).await.expect("an answer"), 1);
    assert_eq!(store.sweep(now).await.expect("an answer"), 0);
    assert!(load(&store, &living).await.is_some());
}

#[tokio::test]
async fn expired_sessions_are_swept_by_themselves() {
    let server = Server::shared();
    let url = server.database("sweeper").await;
    let store = patient(&url).sweep_interval(Some(std::time::Duration::from_millis(20)));
    let change = Change { expires: Timestamp(Timestamp::now().0 - 1), ..edits(&[]) };
    store.create(Id::random(), change).await.expect("a session");
    let client = server.connect("sweeper").await;
    loop {
        let row = client.query_one("SELECT count(*) FROM narae_sessions", &[]).await.expect("a count");
        if row.get::<_, i64>(0) == 0 {
            break;
        }
    }
}

#[tokio::test]
async fn each_runtime_has_connections_of_its_own_and_takes_them_with_it() {
    let server = Server::shared();
    let url = server.database("runtimes").await;
    let store = Arc::new(patient(&url));
    let id = Id::random();
    store.create(id.clone(), edits(&[])).await.expect("a session");
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (store, id) = (Arc::clone(&store), id.clone());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(count_at_once([store.clone(), store], &id, 8, 10));
            })
        })
        .collect();
    tokio::task::spawn_blocking(|| threads.into_iter().for_each(|thread| thread.join().expect("no panic")))
        .await
        .expect("no panic");
    assert_eq!(value(&*store, &id, "count").await.as_deref(), Some("240"));
    let client = server.connect("runtimes").await;
    let sql =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'runtimes' AND application_name = 'narae'";
    loop {
        let row = client.query_one(sql, &[]).await.expect("a count");
        if row.get::<_, i64>(0) == 1 {
            break;
        }
    }
    assert_eq!(value(&*store, &id, "count").await.as_deref(), Some("240"));
}
