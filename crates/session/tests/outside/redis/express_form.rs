//! Records in the form of `connect-redis`, byte by byte as Node writes them, with the lifetimes that it gives.

use std::sync::Arc;
use std::time::Duration;

use narae_session::store::{Committed, Redis, Store, Updated};
use narae_session::{Attributes, Change, Id, MaxAge, Timestamp};
use serde_json::Value;

use super::server::Server;
use super::{increment, set, soon};

fn samples() -> Value {
    serde_json::from_str(include_str!("../express/redis_session_samples.json")).unwrap()
}

#[tokio::test]
async fn what_node_wrote_stays_as_it_was_when_one_key_changes() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap().express_compatible();
    let mut connection = server.connect();
    let mut seen = 0;
    for sample in samples()["samples"].as_array().unwrap() {
        for step in sample["steps"].as_array().unwrap() {
            for record in step["records"].as_array().into_iter().flatten() {
                let (Some(text), Some(key)) = (record["value"].as_str(), record["key"].as_str()) else {
                    continue;
                };
                let Some(id) = key.strip_prefix("sess:").and_then(Id::parse) else { continue };
                let mut command = ::redis::cmd("SET");
                command.arg(key).arg(text);
                command.query::<()>(&mut connection).unwrap();
                let expires = serde_json::from_str::<Value>(text).unwrap()["cookie"]["expires"].clone();
                let now = Timestamp(1_795_222_000_000);
                let until = expires.as_str().map_or(soon(now), parse);
                for json in [Some("[1,{}]".into()), None] {
                    let change =
                        Change { edits: vec![("added".into(), json)], ..Change::nothing(now, until) };
                    assert_eq!(
                        store.commit(id.clone(), change).await.unwrap(),
                        Committed::Done(None),
                        "{text}"
                    );
                }
                let found: String = ::redis::cmd("GET").arg(key).query(&mut connection).unwrap();
                assert_eq!(found, text, "{}", sample["name"]);
                seen += 1;
            }
        }
    }
    assert!(seen > 30, "{seen}");
}

/// Milliseconds in the text of a date of November 2026.
fn parse(text: &str) -> Timestamp {
    let number = |range: std::ops::Range<usize>| text[range].parse::<u64>().unwrap();
    assert!(text.starts_with("2026-11-"), "{text}");
    let days = 20_758 + number(8..10) - 1;
    let seconds = ((days * 24 + number(11..13)) * 60 + number(14..16)) * 60 + number(17..19);
    Timestamp(seconds * 1000 + number(20..23))
}

#[tokio::test]
async fn lifetimes_are_those_that_node_gives() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap().express_compatible().ttl(Duration::from_secs(600));
    let now = Timestamp::now();
    let attributes = Arc::new(Attributes { http_only: true, path: "/".into(), ..Attributes::default() });
    for (max_age, expires_in, expected) in [
        (MaxAge::Milliseconds(1500), 1500, 2),
        (MaxAge::Milliseconds(2000), 2000, 2),
        (MaxAge::Milliseconds(1), 1, 1),
        (MaxAge::Milliseconds(3_600_000), 3_600_000, 3600),
        (MaxAge::BrowserSession, 1500, 600),
        (MaxAge::Configured, 1500, 600),
    ] {
        let id = Id::random();
        let change = Change {
            max_age: Some(max_age),
            attributes: Arc::clone(&attributes),
            ..Change::nothing(now, now.after(Duration::from_millis(expires_in)))
        };
        store.create(id.clone(), change.clone()).await.unwrap();
        let lifetime = || server.ask::<i64>(&format!("TTL sess:{}", id.as_str()));
        assert!((expected - 1..=expected).contains(&lifetime()), "{max_age:?}: {}", lifetime());
        let change = Change { max_age: None, ..change };
        if store.commit(id.clone(), change).await.unwrap() == Committed::Gone {
            continue;
        }
        assert!((expected - 1..=expected).contains(&lifetime()), "{max_age:?}: {}", lifetime());
        let text: String = server.ask(&format!("GET sess:{}", id.as_str()));
        assert!(store.touch(id.clone(), now, now.after(Duration::from_millis(expires_in))).await.unwrap());
        assert!((expected - 1..=expected).contains(&lifetime()), "{max_age:?}: {}", lifetime());
        assert_eq!(
            server.ask::<String>(&format!("GET sess:{}", id.as_str())),
            text,
            "a touch writes nothing"
        );
    }
    let id = Id::random();
    let over = Change { max_age: Some(MaxAge::Milliseconds(0)), ..Change::nothing(now, now) };
    store.create(id.clone(), over).await.unwrap();
    assert_eq!(server.ask::<i64>(&format!("EXISTS sess:{}", id.as_str())), 0, "no age at all: no record");
}

#[tokio::test]
async fn foreign_records_never_fail_a_request() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap().express_compatible();
    let (id, now) = (Id::parse("ForeignForeignForeignForeign0123").unwrap(), Timestamp::now());
    let mut connection = server.connect();
    for case in samples()["foreign_records"].as_array().unwrap() {
        let (name, text) = (&case["name"], case["stored"].as_str().unwrap());
        let mut command = ::redis::cmd("SET");
        command.arg("sess:ForeignForeignForeignForeign0123").arg(text);
        command.query::<()>(&mut connection).unwrap();
        let record = store.load(&id, now).await.unwrap();
        let updated = store.update(id.clone(), increment(now)).await.unwrap();
        assert_eq!(record.is_some(), matches!(updated, Updated::Done(..)), "{name}");
        let is_node_fine =
            case["step"]["session_seen_by_handler"]["views"].is_u64() && name != "originalMaxAge string";
        assert_eq!(record.is_some(), is_node_fine, "{name}");
        if record.is_none() {
            let found: String = ::redis::cmd("GET")
                .arg("sess:ForeignForeignForeignForeign0123")
                .query(&mut connection)
                .unwrap();
            assert_eq!(found, text, "{name}: what is not understood is left alone");
        }
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_no_session() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap().express_compatible();
    let (id, now) = (Id::random(), Timestamp::now());
    let mut command = ::redis::cmd("SET");
    command.arg(format!("sess:{}", id.as_str())).arg(&b"{\"cookie\":{},\"a\":\"\xff\"}"[..]);
    command.query::<()>(&mut server.connect()).unwrap();
    assert_eq!(store.load(&id, now).await.unwrap(), None);
    assert_eq!(store.commit(id, set("a", "1", now)).await.unwrap(), Committed::Gone);
}

#[tokio::test]
async fn the_user_is_under_a_key_of_choice() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap().express_compatible().user_key("uid");
    let (id, now) = (Id::random(), Timestamp::now());
    let change = Change { user: Some(Some("anna".into())), ..set("user", "{\"name\":1}", now) };
    store.create(id.clone(), change).await.unwrap();
    let record = store.load(&id, now).await.unwrap().unwrap();
    assert_eq!(record.user.as_deref(), Some("anna"));
    assert_eq!(record.values.find("uid").map(|json| &**json), Some("\"anna\""));
    store.commit(id.clone(), Change { user: Some(None), ..Change::nothing(now, soon(now)) }).await.unwrap();
    let record = store.load(&id, now).await.unwrap().unwrap();
    assert_eq!((record.user, record.values.len()), (None, 1));
}

#[tokio::test]
async fn a_touch_is_not_misled_by_what_visitors_wrote_nor_by_the_order_of_keys() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap().express_compatible().ttl(Duration::from_secs(600));
    let (id, now) = (Id::parse("TouchedTouchedTouchedTouched0123").unwrap(), Timestamp::now());
    let soon = now.after(Duration::from_secs(60));
    for (text, expected) in [
        (r#"{"cart":{"cookie":{"originalMaxAge":null}},"cookie":{"originalMaxAge":60000,"path":"/"}}"#, 60),
        (r#"{"cookie":{"path":"/","originalMaxAge":60000},"a":"\"cookie\":{\"originalMaxAge\":null"}"#, 60),
        (r#"{"cookie":{"expires":null,"originalMaxAge":null,"path":"/"}}"#, 600),
        (r#"{"cookie":{"expires":false,"originalMaxAge":false,"path":"/"}}"#, 600),
        (r#"{"cookie":{"expires":"2026-11-21T01:53:23.143Z","path":"/"}}"#, 600),
        (r#"{ "cookie" : { } }"#, 600),
    ] {
        let mut command = ::redis::cmd("SET");
        command.arg("sess:TouchedTouchedTouchedTouched0123").arg(text).arg("EX").arg(5000);
        command.query::<()>(&mut server.connect()).unwrap();
        assert!(store.touch(id.clone(), now, soon).await.unwrap(), "{text}");
        let lifetime: i64 = server.ask("TTL sess:TouchedTouchedTouchedTouched0123");
        assert!((expected - 5..=expected).contains(&lifetime), "{text}: {lifetime}");
    }
}

#[tokio::test]
async fn a_key_that_is_no_text_loses_neither_the_session_nor_itself() {
    let server = Server::start();
    let store = Redis::new(server.url()).unwrap().express_compatible();
    let (id, now) = (Id::parse("SurrogateSurrogateSurrogate01234").unwrap(), Timestamp::now());
    let text =
        r#"{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"\ud83d":1,"a":1}"#;
    let mut command = ::redis::cmd("SET");
    command.arg("sess:SurrogateSurrogateSurrogate01234").arg(text);
    command.query::<()>(&mut server.connect()).unwrap();
    assert!(store.load(&id, now).await.unwrap().is_some());
    assert_eq!(store.commit(id, set("a", "2", now)).await.unwrap(), Committed::Done(None));
    let found: String = server.ask("GET sess:SurrogateSurrogateSurrogate01234");
    assert_eq!(found, text.replace("\"a\":1", "\"a\":2"));
}
