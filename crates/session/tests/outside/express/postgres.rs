//! Sessions shared with Express through `connect-pg-simple`.

use std::sync::Arc;
use std::time::Duration;

use narae_session::store::Postgres;
use serde_json::{Value, json};
use tokio_postgres::Client;

use super::client::{Jar, Peer};
use super::journeys;
use super::narae::{Settings, serve};
use super::node::Express;
use crate::postgres::server::Server;

/// A database, Express, and narae, and a connection to look into the table. Express makes the table.
async fn trio(
    name: &str,
    node: &[(&str, &str)],
    settings: &Settings,
) -> (Arc<Server>, Express, Peer, Client) {
    let server = Server::shared();
    let url = server.database(name).await;
    let client = server.connect(name).await;
    let express = Express::start(&[&[("STORE", "pg"), ("DATABASE_URL", &url)], node].concat());
    // connect-pg-simple makes its table with its first session.
    express.peer.post("/login", &mut Jar::default(), &json!({ "user": "first" })).await;
    let narae = serve(store(&url), settings).await;
    (server, express, narae, client)
}

fn store(url: &str) -> Postgres {
    Postgres::new(url).expect("an address").express_compatible()
}

#[tokio::test]
async fn a_login_begun_on_one_side_continues_on_the_other() {
    let (_server, express, narae, _) = trio("interop_login", &[], &Settings::default()).await;
    journeys::a_login_continues(express.peer, narae).await;
    journeys::a_login_continues(narae, express.peer).await;
}

#[tokio::test]
async fn a_login_continues_where_browsers_forget_the_cookie() {
    let settings = Settings { persistent: false, ..Settings::default() };
    let (_server, express, narae, client) = trio("interop_browser", &[("MAX_AGE", "none")], &settings).await;
    journeys::a_login_continues(express.peer, narae).await;
    journeys::a_login_continues(narae, express.peer).await;
    for (first, second) in [(express.peer, narae), (narae, express.peer)] {
        let jar = &mut Jar::default();
        let login = first.post("/login", jar, &json!({ "user": "day" })).await;
        second.get("/me", jar).await;
        let (_, left) = row(&client, &login.json["sid"]).await.expect("a row");
        assert!((86_390..=86_401).contains(&left), "a day, as connect-pg-simple has it: {left}");
        assert!(!login.set_cookies[0].contains("Expires"), "{login:?}");
    }
}

#[tokio::test]
async fn tampered_cookies_are_nobody_on_both_sides() {
    let (_server, express, narae, _) = trio("interop_tampered", &[], &Settings::default()).await;
    journeys::a_tampered_cookie_is_nobody(express.peer, narae).await;
    journeys::a_tampered_cookie_is_nobody(narae, express.peer).await;
}

#[tokio::test]
async fn both_sides_write_the_same_row() {
    let (_server, express, narae, client) = trio("interop_rows", &[], &Settings::default()).await;
    let mut written = Vec::new();
    for peer in [express.peer, narae] {
        let login = peer.post("/login", &mut Jar::default(), &json!({ "user": "twin" })).await;
        let (text, left) = row(&client, &login.json["sid"]).await.expect("a row");
        let json: Value = serde_json::from_str(&text).expect("JSON");
        let expires = json["cookie"]["expires"].as_str().expect("a date").to_owned();
        assert!((3590..=3601).contains(&left), "{left}");
        written.push(text.replace(&expires, "EXPIRES"));
    }
    assert_eq!(written[0], written[1]);
}

#[tokio::test]
async fn a_secret_is_rotated_without_a_logout() {
    let today = Settings { secrets: vec!["new", "old"], ..Settings::default() };
    let secrets = [("SESSION_SECRETS", "old")];
    let (server, express, _, _) = trio("interop_secrets", &secrets, &Settings::default()).await;
    let url = server.url("interop_secrets");
    let express_today =
        Express::start(&[("STORE", "pg"), ("DATABASE_URL", &url), ("SESSION_SECRETS", "new,old")]);
    let yesterday = Settings { secrets: vec!["old"], ..today.clone() };
    let narae_yesterday = serve(store(&url), &yesterday).await;
    let narae_today = serve(store(&url), &today).await;
    for yesterday in [express.peer, narae_yesterday] {
        for today in [express_today.peer, narae_today] {
            journeys::an_old_secret_is_good(yesterday, today).await;
        }
    }
}

#[tokio::test]
async fn reading_moves_the_lifetime_and_leaves_the_record() {
    let (_server, express, narae, client) = trio("interop_reading", &[], &Settings::default()).await;
    for (first, second) in [(express.peer, narae), (narae, express.peer)] {
        let jar = &mut Jar::default();
        let login = first.post("/login", jar, &json!({ "user": "reader" })).await;
        let (text, _) = row(&client, &login.json["sid"]).await.expect("a row");
        let sql = "UPDATE session SET expire = now() + interval '100 s' WHERE sid = $1";
        client.execute(sql, &[&login.json["sid"].as_str()]).await.expect("a row");
        second.get("/me", jar).await;
        let (after, left) = row(&client, &login.json["sid"]).await.expect("a row");
        assert!((3590..=3601).contains(&left), "{left}");
        assert_eq!(after, text);
    }
}

#[tokio::test]
async fn a_session_that_expired_is_gone_on_both_sides() {
    let settings = Settings { age: Duration::from_secs(1), ..Settings::default() };
    let (_server, express, narae, client) = trio("interop_expiry", &[("MAX_AGE", "1000")], &settings).await;
    for (first, second) in [(express.peer, narae), (narae, express.peer)] {
        let jar = &mut Jar::default();
        let login = first.post("/login", jar, &json!({ "user": "brief" })).await;
        assert!(login.set_cookies[0].contains("Expires="), "{login:?}");
        // Whole milliseconds, rounded, decide: one second more is beyond doubt.
        while row(&client, &login.json["sid"]).await.expect("a row").1 >= -1 {
            tokio::task::yield_now().await;
        }
        let me = second.get("/me", jar).await;
        assert_eq!(me.json["user"], Value::Null);
        assert_ne!(me.json["sid"], login.json["sid"], "the client does not choose its id");
    }
}

#[tokio::test]
async fn who_logs_out_during_a_slow_request_stays_logged_out() {
    let (_server, express, narae, _) = trio("interop_slow", &[], &Settings::default()).await;
    journeys::a_slow_request_brings_no_one_back(narae, narae).await;
    journeys::a_slow_request_brings_no_one_back(narae, express.peer).await;
}

/// Node's connections take the zone of the database. In the same one all is well; in another the sessions
/// that Express wrote are over before they began.
#[tokio::test]
async fn the_time_zone_of_node_is_needed_and_is_enough() {
    let server = Server::shared();
    let url = server.database("interop_zone").await;
    let client = server.connect("interop_zone").await;
    let sql = "ALTER DATABASE interop_zone SET TimeZone = 'America/New_York'";
    client.batch_execute(sql).await.expect("a zone");
    let express = Express::start(&[("STORE", "pg"), ("DATABASE_URL", &url)]);
    let jar = &mut Jar::default();
    express.peer.post("/login", jar, &json!({ "user": "zone" })).await;
    let settings = Settings::default();
    let narae = serve(store(&url).time_zone("America/New_York"), &settings).await;
    assert_eq!(narae.get("/me", &mut jar.clone()).await.json["user"]["name"], "zone");
    journeys::a_login_continues(express.peer, narae).await;
    journeys::a_login_continues(narae, express.peer).await;
    let elsewhere = serve(store(&url), &settings).await;
    assert_eq!(elsewhere.get("/me", &mut jar.clone()).await.json["user"], Value::Null);
}

/// The record, and how many seconds it lives.
async fn row(client: &Client, id: &Value) -> Option<(String, i32)> {
    let sql = "SELECT sess::text, floor(extract(epoch FROM expire::timestamptz - clock_timestamp()))::int
        FROM session WHERE sid = $1";
    let row = client.query_opt(sql, &[&id.as_str()]).await.expect("an answer")?;
    Some((row.get(0), row.get(1)))
}
