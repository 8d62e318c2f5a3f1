//! A cluster whose slots move and whose masters die.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use narae_session::store::{Committed, Redis, Store, Updated};
use narae_session::{Change, Id, Timestamp};

use super::server::{Cluster, Server, wait_until};
use super::{increment, login, set, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_that_moves_under_load_loses_nothing() {
    let cluster = Cluster::start(0);
    let store = Arc::new(Redis::cluster(cluster.urls()).unwrap().prefix("{one slot}"));
    let now = Timestamp::now();
    let slot: u16 = ::redis::cmd("CLUSTER")
        .arg("KEYSLOT")
        .arg("{one slot}")
        .query(&mut cluster.nodes[0].connect())
        .unwrap();
    let ids: Vec<Id> = (0..32).map(|_| Id::random()).collect();
    for id in &ids {
        store.create(id.clone(), login("anna", now)).await.unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for id in ids.clone() {
        let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
        writers.spawn(async move {
            let mut count = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                // While its key moves a session may be refused; what was acknowledged counts.
                match store.update(id.clone(), increment(now)).await {
                    Ok(Updated::Done(..)) => count += 1,
                    Ok(other) => panic!("{other:?}"),
                    Err(_) => tokio::task::yield_now().await,
                }
            }
            (id, count)
        });
    }
    let moving = tokio::task::spawn_blocking(move || {
        let from = cluster.holder(slot);
        let to = cluster.nodes[..3].iter().find(|node| node.port != from.port).unwrap();
        let (from_id, to_id) = (from.ask::<String>("CLUSTER MYID"), to.ask::<String>("CLUSTER MYID"));
        to.ask::<()>(&format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}"));
        from.ask::<()>(&format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}"));
        loop {
            let mut connection = from.connect();
            let keys: Vec<String> =
                ::redis::cmd("CLUSTER").arg("GETKEYSINSLOT").arg(slot).arg(4).query(&mut connection).unwrap();
            if keys.is_empty() {
                break;
            }
            let mut command = ::redis::cmd("MIGRATE");
            command.arg("127.0.0.1").arg(to.port).arg("").arg(0).arg(5000).arg("KEYS").arg(keys);
            command.query::<String>(&mut connection).unwrap();
        }
        for node in
            [to, from, cluster.nodes[..3].iter().find(|n| n.port != to.port && n.port != from.port).unwrap()]
        {
            node.ask::<()>(&format!("CLUSTER SETSLOT {slot} NODE {to_id}"));
        }
        cluster
    });
    let cluster = moving.await.unwrap();
    stop.store(true, Ordering::Relaxed);
    for (id, count) in writers.join_all().await {
        let record = store.load(&id, now).await.unwrap().expect("it is there");
        let found: u64 = record.values.find("count").map_or(Ok(0), |json| json.parse()).unwrap();
        assert!(found >= count, "acknowledged {count}, found {found}");
    }
    assert_eq!(store.sessions_of("anna", now).await.unwrap().len(), 32);
    assert_eq!(store.count(now).await.unwrap(), 32);
    drop(cluster);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_that_dies_is_replaced_by_its_replica() {
    let mut cluster = Cluster::start(1);
    let limit = Duration::from_millis(500);
    let store = Redis::cluster(cluster.urls()).unwrap().response_timeout(limit).connect_timeout(limit);
    let now = Timestamp::now();
    let ids: Vec<Id> = (0..60).map(|_| Id::random()).collect();
    for id in &ids {
        store.create(id.clone(), login("anna", now)).await.unwrap();
    }
    // What the replica has not seen would be lost with its master.
    let offset = |node: &Server, name: &str| -> u64 {
        let info: String = node.ask("INFO replication");
        let offset = info.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        offset.trim().parse().unwrap()
    };
    let written = offset(&cluster.nodes[0], "master_repl_offset:");
    let replica = cluster.nodes.last().unwrap();
    wait_until("the replica has seen all", || offset(replica, "slave_repl_offset:") >= written);
    cluster.nodes[0].kill();
    let replica = cluster.nodes.last().unwrap();
    let (cluster_is_whole, mut failed) =
        (|| replica.ask::<String>("CLUSTER INFO").contains("cluster_state:ok"), 0);
    for id in &ids {
        match store.commit(id.clone(), set("a", "1", now)).await {
            Ok(done) => assert_eq!(done, Committed::Done(None)),
            Err(_) => failed += 1,
        }
    }
    assert!(failed > 0, "a third of them was on the dead master");
    wait_until("the replica takes over", || {
        replica.ask::<String>("INFO replication").contains("role:master")
    });
    wait_until("the cluster is whole", cluster_is_whole);
    // The nodes tell each other, then the client.
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while store.load(&ids[0], now).await.is_err() || store.count(now).await.is_err() {
        assert!(std::time::Instant::now() < deadline, "the store does not recover");
        tokio::task::yield_now().await;
    }
    for id in &ids {
        loop {
            match store.commit(id.clone(), set("b", "2", now)).await {
                Ok(done) => break assert_eq!(done, Committed::Done(None)),
                Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
            }
        }
        let record = store.load(id, now).await.unwrap().expect("it is there");
        assert_eq!(record.values.find("b").map(|json| &**json), Some("2"));
    }
    assert_eq!(store.count(now).await.unwrap(), 60);
    assert_eq!(store.sessions_of("anna", now).await.unwrap().len(), 60);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_old_id_is_dead_after_a_new_one_whatever_is_committed_meanwhile() {
    let cluster = Cluster::start(0);
    let store = Arc::new(Redis::cluster(cluster.urls()).unwrap());
    let now = Timestamp::now();
    for round in 0..50 {
        let (old, new) = (Id::random(), Id::random());
        store.create(old.clone(), login("anna", now)).await.unwrap();
        let mut writers = tokio::task::JoinSet::new();
        for writer in 0..8 {
            let (store, old) = (Arc::clone(&store), old.clone());
            writers.spawn(async move {
                let key = format!("key {writer}");
                (key.clone(), store.commit(old, set(&key, "1", now)).await.unwrap())
            });
        }
        let renewed = store.renew(old.clone(), new.clone(), Change::nothing(now, soon(now))).await.unwrap();
        assert_eq!(renewed, Committed::Done(None), "round {round}");
        assert_eq!(store.load(&old, now).await.unwrap(), None, "round {round}: the old id is dead");
        let written = writers.join_all().await;
        assert_eq!(store.load(&old, now).await.unwrap(), None, "round {round}: and stays dead");
        let record = store.load(&new, now).await.unwrap().expect("the new id lives");
        for (key, outcome) in written {
            let is_done = outcome == Committed::Done(None);
            assert_eq!(record.values.find(&key).is_some(), is_done, "round {round}: {key} {outcome:?}");
        }
    }
    assert_eq!(store.sessions_of("anna", now).await.unwrap().len(), 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_logs_out_while_the_id_changes_is_logged_out() {
    let cluster = Cluster::start(0);
    let store = Arc::new(Redis::cluster(cluster.urls()).unwrap());
    let now = Timestamp::now();
    for _ in 0..100 {
        let (old, new) = (Id::random(), Id::random());
        store.create(old.clone(), login("anna", now)).await.unwrap();
        let ending = {
            let (store, old) = (Arc::clone(&store), old.clone());
            tokio::spawn(async move { store.destroy(old).await.unwrap() })
        };
        let renewed = store.renew(old.clone(), new.clone(), Change::nothing(now, soon(now))).await.unwrap();
        let has_ended = ending.await.unwrap();
        let lives = store.load(&new, now).await.unwrap().is_some();
        assert_eq!(lives, !has_ended, "one of both was first: {renewed:?}");
        assert_eq!(lives, renewed == Committed::Done(None));
    }
}
