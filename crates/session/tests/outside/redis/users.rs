//! The index of sessions by user.

use std::time::Duration;

use narae_session::store::{Committed, Redis, Store};
use narae_session::{Change, Id, Timestamp};

use super::server::Server;
use super::{login, set, soon};

#[tokio::test]
async fn a_list_forgets_the_dead_but_not_those_that_are_about_to_live() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap();
    let now = Timestamp::now();
    let ids = [Id::random(), Id::random()];
    for id in &ids {
        store.create(id.clone(), login("anna", now)).await.unwrap();
    }
    // As if it had expired: the index is not told.
    server.ask::<i64>(&format!("DEL narae:{}", ids[0].handle()));
    assert_eq!(store.sessions_of("anna", now).await.unwrap().len(), 1);
    assert_eq!(server.ask::<u64>("ZCARD narae:user:anna"), 2, "it may be about to be written");
    // As if it had been added two minutes ago, on the server's clock.
    server.ask::<f64>(&format!("ZINCRBY narae:user:anna -120000 {}", ids[0].handle()));
    assert_eq!(store.sessions_of("anna", now).await.unwrap().len(), 1);
    let left: Vec<String> = server.ask("ZRANGE narae:user:anna 0 -1");
    assert_eq!(left, [ids[1].handle().to_string()]);
}

#[tokio::test]
async fn an_index_lives_as_long_as_the_sessions_in_it() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap();
    let (id, now) = (Id::random(), Timestamp::now());
    let minute = Duration::from_secs(60);
    store.create(id.clone(), Change { expires: now.after(minute), ..login("anna", now) }).await.unwrap();
    let lives = || {
        let [session, index] = [format!("narae:{}", id.handle()), "narae:user:anna".into()]
            .map(|key: String| server.ask::<i64>(&format!("PTTL {key}")));
        (session, index)
    };
    assert!(lives().0 <= lives().1, "{:?}", lives());
    let far = now.after(Duration::from_secs(86_400));
    assert!(store.touch(id.clone(), now, far).await.unwrap());
    let (session, index) = lives();
    assert!(session > 80_000_000 && session <= index, "after a touch: {session} {index}");
    let farther = now.after(Duration::from_secs(500_000));
    let change = Change { expires: farther, ..set("a", "1", now) };
    store.commit(id.clone(), change).await.unwrap();
    let (session, index) = lives();
    assert!(session > 490_000_000 && session <= index, "after a change: {session} {index}");
    let new = Id::random();
    let change = Change::nothing(now, now.after(Duration::from_secs(5_000_000)));
    store.renew(id.clone(), new.clone(), change).await.unwrap();
    let index: i64 = server.ask("PTTL narae:user:anna");
    assert!(index > 4_900_000_000, "after a new id: {index}");
    let left: Vec<String> = server.ask("ZRANGE narae:user:anna 0 -1");
    assert_eq!(left, [new.handle().to_string()]);
}

#[tokio::test]
async fn an_index_that_no_one_lists_stays_small() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap();
    let now = Timestamp::now();
    for _ in 0..300 {
        let id = Id::random();
        store.create(id.clone(), login("robot", now)).await.unwrap();
        server.ask::<i64>(&format!("DEL narae:{}", id.handle()));
        server.ask::<f64>(&format!("ZINCRBY narae:user:robot -120000 {}", id.handle()));
    }
    let left: u64 = server.ask("ZCARD narae:user:robot");
    assert!(left < 150, "{left}");
}

#[tokio::test]
async fn logging_out_everywhere_ends_sessions_that_are_written_at_the_same_time() {
    let server = Server::start();
    let store = std::sync::Arc::new(Redis::new(server.url()).unwrap());
    let now = Timestamp::now();
    let ids: Vec<Id> = (0..200).map(|_| Id::random()).collect();
    for id in &ids {
        store.create(id.clone(), login("anna", now)).await.unwrap();
    }
    let mut writers = tokio::task::JoinSet::new();
    for id in ids.clone() {
        let store = std::sync::Arc::clone(&store);
        writers.spawn(async move {
            for _ in 0..5 {
                store.commit(id.clone(), set("a", "1", now)).await.unwrap();
                store.touch(id.clone(), now, soon(now)).await.unwrap();
            }
        });
    }
    assert_eq!(store.destroy_all_of("anna", None).await.unwrap(), 200);
    writers.join_all().await;
    assert_eq!(server.ask::<u64>("DBSIZE"), 0, "no commit brings a session back");
}

#[tokio::test]
async fn clocks_that_disagree_take_no_session_out_of_the_index() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap();
    let (now, id) = (Timestamp::now(), Id::random());
    // One worker is ten minutes behind; another one lists before the session is there.
    let behind = Timestamp(now.0 - 600_000);
    store.create(id.clone(), login("anna", behind)).await.unwrap();
    let hash: Vec<String> = server.ask(&format!("HGETALL narae:{}", id.handle()));
    server.ask::<i64>(&format!("DEL narae:{}", id.handle()));
    assert_eq!(store.sessions_of("anna", now).await.unwrap().len(), 0);
    let mut command = ::redis::cmd("HSET");
    command.arg(format!("narae:{}", id.handle())).arg(hash);
    command.query::<i64>(&mut server.connect()).unwrap();
    assert_eq!(store.sessions_of("anna", now).await.unwrap().len(), 1, "it was about to be written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logging_out_everywhere_ends_a_session_that_changes_its_id_all_the_time() {
    let server = Server::start();
    let store = || std::sync::Arc::new(Redis::new(server.url()).unwrap());
    let (one, other, now) = (store(), store(), Timestamp::now());
    for round in 0..200 {
        let (user, first) = (format!("user {round}"), Id::random());
        one.create(first.clone(), login(&user, now)).await.unwrap();
        let (renewed, has_begun) = tokio::sync::oneshot::channel();
        let other = std::sync::Arc::clone(&other);
        let renewing = tokio::spawn(async move {
            let (mut id, mut renewed) = (first, Some(renewed));
            for _ in 0..200 {
                let new = Id::random();
                let change = Change::nothing(now, soon(now));
                match other.renew(id.clone(), new.clone(), change).await.unwrap() {
                    Committed::Done(_) => id = new,
                    Committed::Gone => return None,
                }
                renewed.take().map(|renewed| renewed.send(()));
            }
            Some(id)
        });
        let _ = has_begun.await;
        one.destroy_all_of(&user, None).await.unwrap();
        if let Some(id) = renewing.await.unwrap() {
            assert_eq!(one.load(&id, now).await.unwrap(), None, "round {round}");
        }
    }
}
