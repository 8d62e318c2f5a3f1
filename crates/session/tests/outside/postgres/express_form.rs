//! The table of connect-pg-simple, against rows that it wrote (`express/pg_session_samples.json`).

use std::sync::Arc;
use std::time::Duration;

use narae_session::store::{Committed, Postgres, Store, StoreError, contract};
use narae_session::{Attributes, Change, Id, MaxAge, Timestamp};
use serde_json::Value;
use tokio_postgres::Client;

use super::server::Server;
use super::{count_at_once, edits, increment, load, patient, value};

fn express(url: &str) -> Postgres {
    patient(url).express_compatible().create_table_if_missing(true)
}

fn samples() -> Value {
    serde_json::from_str(include_str!("../express/pg_session_samples.json")).expect("the samples are JSON")
}

#[tokio::test]
async fn keeps_the_contract() {
    let server = Server::shared();
    let url = server.database("express_contract").await;
    contract::check(Arc::new(express(&url))).await;
}

#[tokio::test]
async fn the_table_is_as_connect_pg_simple_makes_it() {
    let server = Server::shared();
    let url = server.database("express_table").await;
    let refused = patient(&url).express_compatible().load(&Id::random(), Timestamp::now()).await;
    let why = refused.expect_err("nobody made the table").to_string();
    assert!(why.contains("relation \"session\" does not exist"), "{why}");
    let mut starting = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let store = express(&url);
        starting.spawn(async move { load(&store, &Id::random()).await });
    }
    starting.join_all().await;
    let client = server.connect("express_table").await;
    let sql = "SELECT column_name::text, data_type::text, datetime_precision::int, is_nullable::text
        FROM information_schema.columns WHERE table_name = 'session' ORDER BY ordinal_position";
    let columns: Vec<_> = client.query(sql, &[]).await.expect("rows").iter().map(column).collect();
    let expected: Vec<_> =
        samples()["table_columns"].as_array().expect("a list").iter().map(described).collect();
    assert_eq!(columns, expected);
    let sql = "SELECT indexdef FROM pg_indexes WHERE tablename = 'session' ORDER BY indexname";
    let indexes: Vec<String> =
        client.query(sql, &[]).await.expect("rows").iter().map(|row| row.get(0)).collect();
    let samples = samples();
    let expected: Vec<_> =
        samples["indexes"].as_array().expect("a list").iter().map(|i| &i["indexdef"]).collect();
    let expected: Vec<_> = expected.into_iter().filter(|index| !index.to_string().contains("s2.")).collect();
    assert_eq!(
        indexes.iter().map(|index| Value::from(&**index)).collect::<Vec<_>>().iter().collect::<Vec<_>>(),
        expected
    );
}

fn column(row: &tokio_postgres::Row) -> (String, String, Option<i32>, String) {
    (row.get(0), row.get(1), row.get(2), row.get(3))
}

fn described(sample: &Value) -> (String, String, Option<i32>, String) {
    let text = |key: &str| sample[key].as_str().expect("a text").to_owned();
    let precision = sample["datetime_precision"].as_i64().and_then(|precision| i32::try_from(precision).ok());
    (text("column_name"), text("data_type"), precision, text("is_nullable"))
}

/// Each login among the samples, written by the store, and then read and counted up as Node did.
#[tokio::test]
async fn rows_are_written_byte_for_byte_as_connect_pg_simple_writes_them() {
    let server = Server::shared();
    let url = server.database("express_rows").await;
    let client = server.connect("express_rows").await;
    let samples = samples();
    let steps = steps(&samples);
    let mut compared = 0;
    for &(name, step) in steps.iter().filter(|(_, step)| step["action"] == "login") {
        let ttl = Duration::from_secs(if name == "ttl 60" { 60 } else { 86_400 });
        let store = express(&url).ttl(ttl);
        let id = Id::random();
        let user = ("user", Some(r#"{"id":42,"name":"tobi"}"#));
        let change = as_node_did(&step["rows"][0], ttl, &[user, ("views", Some("1"))]);
        assert_eq!(store.create(id.clone(), change).await.expect("an answer"), Committed::Done(None));
        assert_eq!(row(&client, &id).await, expected(&step["rows"][0]), "{name}");
        compared += 1;
        let next = steps.iter().find(|(of, next)| *of == name && next["action"] == "view");
        if let Some((_, next)) =
            next.filter(|(_, next)| next["rows"].as_array().is_some_and(|rows| rows.len() == 1))
        {
            let change = as_node_did(&next["rows"][0], ttl, &[("views", Some("2"))]);
            assert_eq!(store.commit(id.clone(), change).await.expect("an answer"), Committed::Done(None));
            assert_eq!(row(&client, &id).await, expected(&next["rows"][0]), "{name}, counted up");
            compared += 1;
        }
    }
    assert!(compared >= 12, "{compared}");
}

/// Every step of every sample, with the sample's name.
fn steps(samples: &Value) -> Vec<(&str, &Value)> {
    let samples = samples["samples"].as_array().expect("a list").iter();
    samples
        .flat_map(|sample| {
            sample["steps"]
                .as_array()
                .expect("a list")
                .iter()
                .map(|step| (sample["name"].as_str().expect("a name"), step))
        })
        .collect()
}

/// A row that Node wrote, with every kind of value, keeps each byte when another key is written.
#[tokio::test]
async fn values_that_node_wrote_stay_as_they_are() {
    let server = Server::shared();
    let url = server.database("express_values").await;
    let store = express(&url);
    let id = Id::random();
    load(&store, &id).await;
    let client = server.connect("express_values").await;
    let samples = samples();
    let steps = steps(&samples);
    let step = steps.iter().find(|(_, step)| step["action"] == "types");
    let text = step.and_then(|(_, step)| step["rows"][0]["sess_text"].as_str()).expect("the sample");
    insert(&client, &id, text).await;
    let record = load(&store, &id).await.expect("a session");
    assert_eq!(record.values.find("big").map(|json| &**json), Some("9007199254740992"));
    assert_eq!(record.values.find("small").map(|json| &**json), Some("1e-7"));
    assert_eq!(record.values.find("cookie"), None);
    assert_eq!(record.max_age, MaxAge::BrowserSession);
    store.commit(id.clone(), edits(&[("last", Some("true"))])).await.expect("an answer");
    let body = text.strip_suffix('}').expect("an object");
    assert_eq!(row(&client, &id).await.0, format!("{body},\"last\":true}}"));
}

#[tokio::test]
async fn a_touch_moves_expire_and_leaves_the_record() {
    let server = Server::shared();
    let url = server.database("express_touch").await;
    let store = express(&url);
    let client = server.connect("express_touch").await;
    let now = Timestamp::now();
    let [aged, of_browser] = [MaxAge::Milliseconds(3_600_000), MaxAge::BrowserSession]
        .map(|max_age| (Id::random(), Change { max_age: Some(max_age), ..edits(&[("a", Some("1"))]) }));
    let then = now.after(Duration::from_secs(7200));
    for ((id, change), expected) in [(aged, then), (of_browser, now.after(Duration::from_secs(86_400)))] {
        store.create(id.clone(), change).await.expect("a session");
        let (before, _) = row(&client, &id).await;
        assert!(store.touch(id.clone(), now, then).await.expect("an answer"));
        let sql = "SELECT sess::text, extract(epoch FROM expire)::bigint FROM session WHERE sid = $1";
        let after = client.query_one(sql, &[&id.as_str()]).await.expect("a row");
        let seconds = i64::try_from(expected.0.div_ceil(1000)).expect("a time");
        assert_eq!((after.get(0), after.get(1)), (before, seconds));
    }
}

/// As `express::decode` sees an age, whatever else is in the record: also escapes that PostgreSQL refuses.
#[tokio::test]
async fn a_touch_knows_by_the_age_how_long_a_session_lives() {
    let server = Server::shared();
    let url = server.database("express_ages").await;
    let store = express(&url);
    load(&store, &Id::random()).await;
    let client = server.connect("express_ages").await;
    let now = Timestamp::now();
    let then = now.after(Duration::from_secs(7200));
    let day = now.after(Duration::from_secs(86_400));
    for (text, expected) in [
        (r#"{"cookie":{"originalMaxAge":1000}}"#, then),
        (r#"{"cookie":{"path":"/","originalMaxAge":0.5}}"#, then),
        (r#"{"1":{"cookie":{"originalMaxAge":null}},"cookie":{"originalMaxAge":1},"cookies":{}}"#, then),
        (r#"{"a":"\u0000 \ud800 \\\\u0000 \\","cookie":{"originalMaxAge":1},"\\":"\""}"#, then),
        (r#"{"cookie":{"originalMaxAge":null}}"#, day),
        (r#"{"cookie":{"originalMaxAge":false}}"#, day),
        (r#"{"a":"\u0000","cookie":{}}"#, day),
        (r#"{"cookie":{},"cart":{"cookie":{"originalMaxAge":1}},"originalMaxAge":1}"#, day),
    ] {
        let id = Id::random();
        insert(&client, &id, text).await;
        let before = load(&store, &id).await.unwrap_or_else(|| panic!("{text} is a session"));
        assert_eq!(before.max_age == MaxAge::BrowserSession, expected == day, "{text}");
        assert!(store.touch(id.clone(), now, then).await.expect(text));
        let expires = load(&store, &id).await.expect("a session").expires;
        assert_eq!(expires, Timestamp(expected.0.div_ceil(1000) * 1000), "{text}");
    }
}

#[tokio::test]
async fn a_session_without_end_is_a_session() {
    let server = Server::shared();
    let url = server.database("express_infinity").await;
    let store = express(&url);
    let id = Id::random();
    store.create(id.clone(), edits(&[("count", Some("1"))])).await.expect("a session");
    let client = server.connect("express_infinity").await;
    client.batch_execute("UPDATE session SET expire = 'infinity'").await.expect("an update");
    assert_eq!(load(&store, &id).await.map(|record| record.expires), Some(Timestamp::MAX));
    assert_eq!(
        (store.count(Timestamp::now()).await.ok(), store.sweep(Timestamp::MAX).await.ok()),
        (Some(1), Some(0))
    );
    store.update(id.clone(), increment("count")).await.expect("an answer");
    assert_eq!(value(&store, &id, "count").await.as_deref(), Some("2"));
    client.batch_execute("UPDATE session SET expire = '-infinity'").await.expect("an update");
    assert_eq!(load(&store, &id).await, None);
}

/// `expire` has no zone and means the local time of the connection that wrote it.
#[tokio::test]
async fn a_row_lives_as_long_as_node_says_in_its_time_zone_alone() {
    let server = Server::shared();
    let url = server.database("express_zones").await;
    load(&express(&url), &Id::random()).await;
    let client = server.connect("express_zones").await;
    let seen_by = async |zone: &str, id: &Id| load(&express(&url).time_zone(zone), id).await;
    for (zone, lives_in_utc) in [("UTC", true), ("Asia/Seoul", true), ("America/New_York", false)] {
        // As Node's connection in that zone writes it.
        let id = Id::random();
        client.batch_execute(&format!("SET TimeZone = '{zone}'")).await.expect("a zone");
        insert(&client, &id, r#"{"cookie":{"originalMaxAge":3600000,"expires":null},"a":1}"#).await;
        let record = seen_by(zone, &id).await.expect("it lives in its own zone");
        let remains = record.expires.since(Timestamp::now());
        assert!(remains > Duration::from_secs(3000) && remains < Duration::from_secs(4200), "{remains:?}");
        assert_eq!(seen_by("UTC", &id).await.is_some(), lives_in_utc, "{zone}");
        // And back: what the store writes, Node's connection reads.
        let id = Id::random();
        let store = express(&url).time_zone(zone);
        store.create(id.clone(), edits(&[("a", Some("1"))])).await.expect("a session");
        let sql = "SELECT extract(epoch FROM expire::timestamptz - now())::int FROM session WHERE sid = $1";
        let left: i32 = client.query_one(sql, &[&id.as_str()]).await.expect("a row").get(0);
        assert!((3000..=86_401).contains(&left), "{zone}: {left}");
    }
    let nowhere = express(&url).time_zone("Nowhere'; DROP TABLE session; --");
    let error = nowhere.load(&Id::random(), Timestamp::now()).await.expect_err("no zone").to_string();
    assert!(error.contains("invalid value for parameter \"TimeZone\""), "{error}");
    client.query("SELECT FROM session", &[]).await.expect("the table is there");
}

#[tokio::test]
async fn a_record_that_is_none_counts_as_missing() {
    let server = Server::shared();
    let url = server.database("express_foreign").await;
    let store = express(&url);
    load(&store, &Id::random()).await;
    let client = server.connect("express_foreign").await;
    for text in
        ["null", "1", "[]", "{}", r#"{"cookie":null}"#, r#"{"a":1}"#, r#"{"cookie":{"originalMaxAge":"1"}}"#]
    {
        let id = Id::random();
        insert(&client, &id, text).await;
        assert_eq!(load(&store, &id).await, None, "{text}");
        let committed = store.commit(id.clone(), edits(&[("a", Some("1"))])).await;
        assert_eq!(committed.expect("an answer"), Committed::Gone, "{text}");
    }
}

#[tokio::test]
async fn updates_at_once_by_two_stores_lose_no_count() {
    let server = Server::shared();
    let url = server.database("express_updates").await;
    let stores = [(); 2].map(|()| Arc::new(express(&url)));
    let id = Id::random();
    stores[0].create(id.clone(), edits(&[])).await.expect("a session");
    let started = std::time::Instant::now();
    count_at_once(stores.clone(), &id, 64, 50).await;
    println!("{:.0} updates of one session a second", 3200.0 / started.elapsed().as_secs_f64());
    assert_eq!(value(&*stores[1], &id, "count").await.as_deref(), Some("3200"));
}

#[tokio::test]
async fn what_the_form_cannot_do_is_refused() {
    let server = Server::shared();
    let url = server.database("express_refused").await;
    let store = express(&url);
    let listed = store.sessions_of("anna", Timestamp::now()).await;
    assert!(matches!(listed, Err(StoreError::Unsupported(_))), "{listed:?}");
    let id = Id::random();
    store.create(id.clone(), edits(&[("a", Some("1"))])).await.expect("a session");
    let committed = store.commit(id.clone(), edits(&[("cookie", Some("1"))])).await;
    assert!(matches!(committed, Err(StoreError::Misuse(_))), "{committed:?}");
    store.update(id.clone(), increment("count")).await.expect("the connection is sound");
    assert_eq!(value(&store, &id, "a").await.as_deref(), Some("1"));
}

#[test]
fn the_key_of_the_cookie_object_is_no_key_for_the_user() {
    let store = Postgres::new("postgres://u@127.0.0.1/d").expect("an address");
    let error = store.express_compatible().user_key("cookie").prepare(1).expect_err("refused").to_string();
    assert!(error.contains("user_key(\"cookie\")"), "{error}");
}

#[tokio::test]
async fn hostile_ids_and_names_are_data() {
    let server = Server::shared();
    let url = server.database("express_hostile").await;
    let client = server.connect("express_hostile").await;
    client.batch_execute("CREATE SCHEMA \"a\"\".b\"").await.expect("a schema");
    let store = express(&url).schema("a\".b").table("x\"; DROP TABLE session; --");
    let id = Id::parse("'; DELETE FROM session; -- $1 \\").expect("an id");
    store.create(id.clone(), edits(&[("'\"\\", Some("\"'\\\\\""))])).await.expect("a session");
    assert_eq!(value(&store, &id, "'\"\\").await.as_deref(), Some("\"'\\\\\""));
    assert!(store.destroy(id.clone()).await.expect("an answer"));
}

/// The change that makes a row like `row`: with its lifetime, its expiry, and at the time that its expiry shows.
fn as_node_did(row: &Value, ttl: Duration, changes: &[(&str, Option<&str>)]) -> Change {
    let session: Value = serde_json::from_str(row["sess_text"].as_str().expect("a text")).expect("JSON");
    let epoch = row["expire_epoch"].as_u64().expect("seconds") * 1000;
    let max_age = session["cookie"]["originalMaxAge"].as_u64();
    let (now, expires) = match session["cookie"]["expires"].as_str() {
        // The fraction is all that seconds do not tell.
        Some(text) => {
            let fraction: u64 = text[20..23].parse().expect("milliseconds");
            let expires = Timestamp(if fraction == 0 { epoch } else { epoch - 1000 + fraction });
            (Timestamp(expires.0 - max_age.unwrap_or(0)), expires)
        }
        None => {
            let now = Timestamp(epoch - u64::try_from(ttl.as_millis()).expect("a time"));
            (now, Timestamp::MAX)
        }
    };
    let attributes = Attributes { max_age, http_only: true, path: "/".into(), ..Attributes::default() };
    Change { now, expires, attributes: Arc::new(attributes), ..edits(changes) }
}

fn expected(row: &Value) -> (String, String) {
    let text = |key: &str| row[key].as_str().expect("a text").to_owned();
    (text("sess_text"), text("expire_text"))
}

async fn row(client: &Client, id: &Id) -> (String, String) {
    let sql = "SELECT sess::text, expire::text FROM session WHERE sid = $1";
    let row = client.query_one(sql, &[&id.as_str()]).await.expect("a row");
    (row.get(0), row.get(1))
}

/// As connect-pg-simple writes a row that lives for an hour.
async fn insert(client: &Client, id: &Id, text: &str) {
    let sql = "INSERT INTO session (sess, expire, sid)
        SELECT $1::text::json, to_timestamp(ceil(extract(epoch FROM now())) + 3600), $2";
    client.execute(sql, &[&text, &id.as_str()]).await.expect("a row");
}
