//! What becomes of replies that are lost on the way, in a cluster, whose commands are sent again by themselves.

use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use narae_session::store::{Committed, Redis, Store, StoreError, Updated};
use narae_session::{Change, Id, Timestamp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::server::{Server, wait_until};
use super::{increment, login, set, soon};

/// A cluster of one node behind a proxy.
struct Lossy {
    server: Arc<Server>,
    url: String,
    losses: Losses,
}

/// Which reply is lost.
#[derive(Clone, Default)]
struct Losses {
    /// How many scripts are let pass before one whose reply is lost; below 0: all.
    after: Arc<AtomicI64>,
    /// What happens when a reply is lost.
    then: Arc<Mutex<Option<Then>>>,
}

type Then = Box<dyn FnOnce() + Send>;

impl Lossy {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let announced = port.to_string();
        let server = Arc::new(Server::with(&[
            "--cluster-enabled",
            "yes",
            "--cluster-config-file",
            "{folder}/nodes.conf",
            "--cluster-port",
            "{bus}",
            "--cluster-announce-ip",
            "127.0.0.1",
            "--cluster-announce-port",
            &announced,
        ]));
        server.ask::<()>("CLUSTER ADDSLOTSRANGE 0 16383");
        wait_until("the cluster is whole", || {
            server.ask::<String>("CLUSTER INFO").contains("cluster_state:ok")
        });
        let losses = Losses::default();
        losses.after.store(-1, Ordering::SeqCst);
        tokio::spawn(serve(listener, server.port, losses.clone()));
        Self { server, url: format!("redis://127.0.0.1:{port}"), losses }
    }

    fn store(&self) -> Redis {
        Redis::cluster([&*self.url]).unwrap()
    }

    /// Loses the reply of a script, after so many others.
    fn lose(&self, after: i64) {
        self.losses.after.store(after, Ordering::SeqCst);
    }

    /// Whether it happened.
    fn has_lost(&self) -> bool {
        self.losses.after.load(Ordering::SeqCst) < 0
    }
}

async fn serve(listener: TcpListener, to: u16, losses: Losses) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let is_over = Arc::new(AtomicBool::new(false));
        let (losses, over) = (losses.clone(), Arc::clone(&is_over));
        let after = Arc::clone(&losses.after);
        tokio::spawn(async move {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                let is_script = buffer[..read].windows(7).any(|word| word == b"EVALSHA");
                if is_script && after.load(Ordering::SeqCst) >= 0 && after.fetch_sub(1, Ordering::SeqCst) == 0
                {
                    over.store(true, Ordering::SeqCst);
                }
                if to_server.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
            }
        });
        tokio::spawn(async move {
            let mut buffer = vec![0; 1 << 16];
            while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                if is_over.load(Ordering::SeqCst) {
                    if let Some(then) = losses.then.lock().unwrap().take() {
                        then();
                    }
                    return;
                }
                if to_client.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
            }
        });
    }
}

fn count(record: &narae_session::Record) -> Option<&str> {
    record.values.find("count").map(|json| &**json)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_counts_once_though_its_reply_is_lost() {
    let lossy = Lossy::start().await;
    let store = lossy.store();
    let (id, now) = (Id::random(), Timestamp::now());
    store.create(id.clone(), login("anna", now)).await.unwrap();
    store.update(id.clone(), increment(now)).await.unwrap();
    lossy.lose(0);
    let updated = store.update(id.clone(), increment(now)).await.unwrap();
    assert_eq!(updated, Updated::Done(Some("2".into()), None));
    assert!(lossy.has_lost());
    assert_eq!(count(&store.load(&id, now).await.unwrap().unwrap()), Some("2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_counts_once_though_others_count_before_it_is_sent_again() {
    let lossy = Lossy::start().await;
    let store = lossy.store();
    let (id, now) = (Id::random(), Timestamp::now());
    store.create(id.clone(), Change::nothing(now, soon(now))).await.unwrap();
    store.update(id.clone(), increment(now)).await.unwrap();
    let (server, key) = (Arc::clone(&lossy.server), format!("narae:{}", id.handle()));
    *lossy.losses.then.lock().unwrap() = Some(Box::new(move || {
        // Fifteen others: as their scripts do it.
        let marks: String = server.ask(&format!("HGET {key} t"));
        let others: String = (0..15).map(|other| format!("{other:016x}00 ")).collect();
        let mut command = ::redis::cmd("HSET");
        command.arg(&key).arg(":count").arg(17).arg("t").arg(others + &marks[..18]);
        command.query::<i64>(&mut server.connect()).unwrap();
    }));
    lossy.lose(0);
    let updated = store.update(id.clone(), increment(now)).await.unwrap();
    assert_eq!(updated, Updated::Done(Some("2".into()), None));
    assert!(lossy.has_lost());
    assert_eq!(count(&store.load(&id, now).await.unwrap().unwrap()), Some("17"));
    for _ in 0..40 {
        store.update(id.clone(), increment(now)).await.unwrap();
    }
    let marks: String = lossy.server.ask(&format!("HGET narae:{} t", id.handle()));
    assert_eq!(marks.split(' ').count(), 16, "no more marks than that");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_id_is_good_though_a_reply_is_lost() {
    let lossy = Lossy::start().await;
    let store = lossy.store();
    let now = Timestamp::now();
    let mut old = Id::random();
    store
        .create(old.clone(), Change { edits: set("a", "1", now).edits, ..login("anna", now) })
        .await
        .unwrap();
    let warm = Id::random();
    store.renew(old.clone(), warm.clone(), Change::nothing(now, soon(now))).await.unwrap();
    old = warm;
    // The scripts of a new id, one after the other.
    for lost in 0..3 {
        let new = Id::random();
        lossy.lose(lost);
        let renewed = store.renew(old.clone(), new.clone(), Change::nothing(now, soon(now))).await.unwrap();
        assert_eq!(renewed, Committed::Done(None), "script {lost}");
        assert!(lossy.has_lost(), "script {lost}");
        assert_eq!(store.load(&old, now).await.unwrap(), None, "script {lost}: the old id is dead");
        assert!(!store.destroy(old).await.unwrap(), "what an id leaves behind is no session");
        let record = store.load(&new, now).await.unwrap().expect("the new id lives");
        assert_eq!(record.values.find("a").map(|json| &**json), Some("1"));
        old = new;
    }
    assert_eq!(store.sessions_of("anna", now).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shared_with_express_a_lost_reply_is_an_error_and_nothing_is_done_twice() {
    let lossy = Lossy::start().await;
    let store = lossy.store().express_compatible();
    let (id, now) = (Id::random(), Timestamp::now());
    store.create(id.clone(), Change::nothing(now, soon(now))).await.unwrap();
    store.update(id.clone(), increment(now)).await.unwrap();
    lossy.lose(0);
    let updated = store.update(id.clone(), increment(now)).await;
    assert!(matches!(updated, Err(StoreError::Unavailable(..))), "{updated:?}");
    assert!(lossy.has_lost());
    assert_eq!(count(&store.load(&id, now).await.unwrap().unwrap()), Some("2"));
    let warm = Id::random();
    store.renew(id, warm.clone(), Change::nothing(now, soon(now))).await.unwrap();
    let new = Id::random();
    lossy.lose(0);
    let renewed = store.renew(warm.clone(), new.clone(), Change::nothing(now, soon(now))).await;
    assert!(matches!(renewed, Err(StoreError::Unavailable(..))), "{renewed:?}");
    assert_eq!(store.load(&warm, now).await.unwrap(), None);
    assert_eq!(count(&store.load(&new, now).await.unwrap().expect("the session is not lost")), Some("2"));
    lossy.lose(0);
    let committed = store.commit(new.clone(), set("a", "1", now)).await.unwrap();
    assert_eq!(committed, Committed::Done(None), "setting a key twice does no harm");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_a_node_closed_while_idle_costs_no_error() {
    let lossy = Lossy::start().await;
    for express in [false, true] {
        let store = if express { lossy.store().express_compatible() } else { lossy.store() };
        let (id, now) = (Id::random(), Timestamp::now());
        store.create(id.clone(), Change::nothing(now, soon(now))).await.unwrap();
        for round in 1..=5 {
            lossy.server.ask::<i64>("CLIENT KILL TYPE normal SKIPME yes");
            // An update begins with a read, which is sent again.
            let updated = store.update(id.clone(), increment(now)).await.unwrap();
            assert_eq!(updated, Updated::Done(Some(round.to_string().into()), None));
        }
    }
}
