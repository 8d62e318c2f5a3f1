//! Servers that are down, slow or refuse: an error that says where, and never an empty session.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use narae_session::store::{Committed, Store, StoreError};
use narae_session::{Id, Timestamp};

use super::server::{PASSWORD, Server};
use super::{edits, load, store, value};

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
