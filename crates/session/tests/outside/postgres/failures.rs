//! Servers that are down, slow or refuse: an error that says where, and never an empty session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use narae_session::store::{Committed, Store, StoreError};
use narae_session::{Change, Id, Timestamp};

use super::server::{PASSWORD, Server};
use super::{edits, increment, load, store, value};

#[tokio::test]
async fn a_crash_under_load_loses_nothing_that_was_acknowledged() {
    let server = Server::start(&[]);
    let store = Arc::new(store(&server.url("postgres")));
    let before = Id::random();
    store.create(before.clone(), edits(&[("a", Some("1"))])).await.expect("a session");
    let is_over = Arc::new(AtomicBool::new(false));
    let (failed, written) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut writing = tokio::task::JoinSet::new();
    for task in 0..16 {
        let (store, before) = (Arc::clone(&store), before.clone());
        let (is_over, failed, written) = (is_over.clone(), failed.clone(), written.clone());
        writing.spawn(async move {
            let id = Id::random();
            let mut acknowledged = Vec::new();
            for round in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    break;
                }
                let key = format!("{task} {round}");
                let change = edits(&[(&key, Some("true"))]);
                let kept = match acknowledged.is_empty() {
                    true => store.create(id.clone(), change).await,
                    false => store.commit(id.clone(), change).await,
                };
                match kept {
                    Ok(Committed::Done(None)) => acknowledged.push(key),
                    Ok(other) => panic!("{other:?}"),
                    Err(StoreError::Unavailable(..)) => _ = failed.fetch_add(1, Ordering::Relaxed),
                    Err(error) => panic!("{error}"),
                }
                match store.load(&before, Timestamp::now()).await {
                    Ok(record) => assert!(record.is_some(), "an empty session"),
                    Err(StoreError::Unavailable(..)) => _ = failed.fetch_add(1, Ordering::Relaxed),
                    Err(error) => panic!("{error}"),
                }
                written.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            (id, acknowledged)
        });
    }
    let reaches = async |counter: &AtomicU64, goal: u64| {
        while counter.load(Ordering::Relaxed) < goal {
            tokio::task::yield_now().await;
        }
    };
    reaches(&written, 500).await;
    server.stop("immediate");
    reaches(&failed, 64).await;
    server.resume();
    let goal = written.load(Ordering::Relaxed) + 500;
    reaches(&written, goal).await;
    is_over.store(true, Ordering::Relaxed);
    for (id, acknowledged) in writing.join_all().await {
        let record = load(&*store, &id).await.expect("a session that was acknowledged");
        assert!(!acknowledged.is_empty());
        for key in acknowledged {
            assert!(record.values.find(&key).is_some(), "{key} is lost");
        }
    }
}

#[tokio::test]
async fn an_idle_connection_that_died_is_replaced_unnoticed() {
    let server = Server::shared();
    let url = server.database("idle").await;
    let store = store(&url);
    let id = Id::random();
    store.create(id.clone(), edits(&[("a", Some("1"))])).await.expect("a session");
    let client = server.connect("idle").await;
    let sql = "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'narae'
        AND datname = 'idle'";
    client.query(sql, &[]).await.expect("the end of them");
    assert_eq!(value(&store, &id, "a").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_server_that_is_down_is_named_without_the_password() {
    let store = store(&format!("postgres://tester:{PASSWORD}@127.0.0.1:1/shop"));
    let error = store.load(&Id::random(), Timestamp::now()).await.expect_err("nobody is there").to_string();
    assert!(error.contains("PostgreSQL at 127.0.0.1:1, database shop: "), "{error}");
    assert!(error.contains("refused"), "{error}");
    assert!(!error.contains(PASSWORD) && !format!("{store:?}").contains(PASSWORD), "{error} {store:?}");
}

#[tokio::test]
async fn a_wrong_password_is_an_error_that_does_not_show_it() {
    let server = Server::shared();
    let store = store(&format!("postgres://tester:wrong-one@127.0.0.1:{}/postgres", server.port));
    let error = store.load(&Id::random(), Timestamp::now()).await.expect_err("refused").to_string();
    assert!(error.contains("password authentication failed") && error.contains("28P01"), "{error}");
    assert!(!error.contains("wrong-one"), "{error}");
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_not_repeated() {
    for url in ["", "postgres://u:se@cret@h:x/d", "postgres://u@h/d?secret=1", "secret", "postgres:///d"] {
        match narae_session::store::Postgres::new(url) {
            Err(StoreError::Misuse(why)) => assert!(!why.contains("cret"), "{why}"),
            other => panic!("{url}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_an_error_within_the_limit() {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let brief = Duration::from_millis(100);
    let store = store(&format!("postgres://u@127.0.0.1:{port}/d")).connect_timeout(brief);
    let error = store.load(&Id::random(), Timestamp::now()).await.expect_err("silence").to_string();
    assert!(error.ends_with("database d: no connection within 100ms"), "{error}");
    let store = store.response_timeout(brief / 2);
    let error = store.load(&Id::random(), Timestamp::now()).await.expect_err("silence").to_string();
    assert!(
        error.ends_with("no answer within 50ms") || error.ends_with("no connection within 100ms"),
        "{error}"
    );
}

#[tokio::test]
async fn a_row_that_another_holds_is_an_error_and_works_when_it_is_free() {
    let server = Server::shared();
    let url = server.database("held").await;
    let store = store(&url).response_timeout(Duration::from_millis(300)).pool_size(2);
    let id = Id::random();
    store.create(id.clone(), edits(&[("a", Some("1"))])).await.expect("a session");
    let mut client = server.connect("held").await;
    let holding = client.transaction().await.expect("a transaction");
    holding.query("SELECT 1 FROM narae_sessions FOR UPDATE", &[]).await.expect("a row");
    for _ in 0..4 {
        let refused = store.commit(id.clone(), edits(&[("a", Some("2"))])).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(..))), "{refused:?}");
    }
    assert_eq!(value(&store, &id, "a").await.as_deref(), Some("1"));
    holding.rollback().await.expect("the end");
    let committed = store.commit(id.clone(), edits(&[("a", Some("3"))])).await.expect("an answer");
    assert_eq!(committed, Committed::Done(None));
    assert_eq!(value(&store, &id, "a").await.as_deref(), Some("3"));
}

/// A `COMMIT` that waits for a standby is ended by no `statement_timeout`.
#[tokio::test]
async fn commits_that_hang_do_not_pile_up_on_the_server() {
    let server = Server::start(&[]);
    let client = server.connect("postgres").await;
    let store =
        Arc::new(store(&server.url("postgres")).response_timeout(Duration::from_millis(200)).pool_size(2));
    let create = || {
        let store = Arc::clone(&store);
        async move { store.create(Id::random(), edits(&[("a", Some("1"))])).await }
    };
    while create().await.is_err() {}
    client.batch_execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'").await.expect("a setting");
    client.query("SELECT pg_reload_conf()", &[]).await.expect("a signal");
    while create().await.is_ok() {}
    for _ in 0..12 {
        for created in [create(), create(), create()].into_iter().map(tokio::spawn) {
            created.await.expect("no panic").expect_err("nobody confirms it");
        }
        let sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'narae'";
        let count: i64 = client.query_one(sql, &[]).await.expect("a row").get(0);
        assert!(count <= 2, "{count} connections");
    }
    client.batch_execute("ALTER SYSTEM RESET synchronous_standby_names").await.expect("a setting");
    client.query("SELECT pg_reload_conf()", &[]).await.expect("a signal");
    while create().await.is_err() {}
}

#[tokio::test]
async fn a_row_that_another_holds_stops_no_stranger() {
    let server = Server::shared();
    let url = server.database("strangers").await;
    let store = Arc::new(super::patient(&url));
    let held = Id::random();
    let stranger = std::iter::repeat_with(Id::random)
        .find(|id| id.handle().as_bytes()[0] == held.handle().as_bytes()[0])
        .expect("one of 256");
    for id in [&held, &stranger] {
        store.create(id.clone(), edits(&[])).await.expect("a session");
    }
    let mut client = server.connect("strangers").await;
    let holding = client.transaction().await.expect("a transaction");
    let sql = "SELECT 1 FROM narae_sessions WHERE handle = $1 FOR UPDATE";
    holding.query(sql, &[&held.handle().as_bytes().as_slice()]).await.expect("a row");
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let (store, held) = (Arc::clone(&store), held.clone());
            tokio::spawn(async move { store.update(held, increment("n")).await })
        })
        .collect();
    let watcher = server.connect("strangers").await;
    let sql = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'strangers'";
    while watcher.query(sql, &[]).await.expect("rows").is_empty() {}
    store.update(stranger.clone(), increment("n")).await.expect("its row is free");
    assert!(waiting.iter().all(|waiting| !waiting.is_finished()));
    holding.rollback().await.expect("the end");
    for waiting in waiting {
        waiting.await.expect("no panic").expect("the row is free");
    }
    assert_eq!(value(&*store, &held, "n").await.as_deref(), Some("3"));
}

#[tokio::test]
async fn a_host_that_says_nothing_leaves_time_for_the_next() {
    let server = Server::shared();
    server.database("hosts").await;
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let hosts = format!("127.0.0.1:{port},127.0.0.1:1,127.0.0.1:{}", server.port);
    let store = super::patient(&format!("postgres://tester:{PASSWORD}@{hosts}/hosts"))
        .connect_timeout(Duration::from_secs(3));
    let id = Id::random();
    store.create(id.clone(), edits(&[("a", Some("1"))])).await.expect("a session");
    assert_eq!(value(&store, &id, "a").await.as_deref(), Some("1"));
}

#[tokio::test]
async fn limits_without_an_end_are_limits() {
    let server = Server::shared();
    let url = server.database("endless").await;
    let endless = || {
        store(&url)
            .response_timeout(Duration::MAX)
            .connect_timeout(Duration::MAX)
            .sweep_interval(Some(Duration::MAX))
            .ttl(Duration::MAX)
    };
    for store in [endless(), endless().express_compatible().create_table_if_missing(true)] {
        let id = Id::random();
        let max_age = Some(narae_session::MaxAge::BrowserSession);
        let change = Change { max_age, expires: Timestamp(u64::MAX), ..edits(&[]) };
        store.create(id.clone(), change).await.expect("a session");
        store.update(id.clone(), increment("n")).await.expect("an answer");
        assert!(store.touch(id.clone(), Timestamp::now(), Timestamp(u64::MAX)).await.expect("an answer"));
        assert_eq!(value(&store, &id, "n").await.as_deref(), Some("1"));
    }
}
