//! Sessions shared with Express through `connect-redis`.

use std::time::Duration;

use narae_session::store::Redis;
use serde_json::{Value, json};

use super::client::{Jar, Peer};
use super::journeys;
use super::narae::{Settings, serve};
use super::node::Express;
use crate::redis::server::{Server, wait_until};

/// A server, Express, and narae.
async fn trio(node: &[(&str, &str)], settings: &Settings) -> (Server, Express, Peer) {
    let server = Server::start();
    let express = Express::start(&[&[("STORE", "redis"), ("REDIS_URL", &server.url())], node].concat());
    let narae = serve(store(&server), settings).await;
    (server, express, narae)
}

fn store(server: &Server) -> Redis {
    Redis::new(server.url()).expect("an address").express_compatible()
}

#[tokio::test]
async fn a_login_begun_on_one_side_continues_on_the_other() {
    let (_server, express, narae) = trio(&[], &Settings::default()).await;
    journeys::a_login_continues(express.peer, narae).await;
    journeys::a_login_continues(narae, express.peer).await;
}

#[tokio::test]
async fn a_login_continues_where_browsers_forget_the_cookie() {
    let settings = Settings { persistent: false, ..Settings::default() };
    let (server, express, narae) = trio(&[("MAX_AGE", "none")], &settings).await;
    journeys::a_login_continues(express.peer, narae).await;
    journeys::a_login_continues(narae, express.peer).await;
    for (first, second) in [(express.peer, narae), (narae, express.peer)] {
        let jar = &mut Jar::default();
        let login = first.post("/login", jar, &json!({ "user": "day" })).await;
        second.get("/me", jar).await;
        let key = format!("sess:{}", login.json["sid"].as_str().expect("an id"));
        let lifetime: u64 = server.ask(&format!("TTL {key}"));
        assert!((86_390..=86_400).contains(&lifetime), "a day, as connect-redis has it: {lifetime}");
        assert!(!login.set_cookies[0].contains("Expires"), "{login:?}");
    }
}

#[tokio::test]
async fn tampered_cookies_are_nobody_on_both_sides() {
    let (_server, express, narae) = trio(&[], &Settings::default()).await;
    journeys::a_tampered_cookie_is_nobody(express.peer, narae).await;
    journeys::a_tampered_cookie_is_nobody(narae, express.peer).await;
}

#[tokio::test]
async fn cookies_of_every_kind_are_read_on_both_sides() {
    let (_server, express, narae) = trio(&[], &Settings::default()).await;
    journeys::cookies_are_read_alike(express.peer, narae).await;
    journeys::cookies_are_read_alike(narae, express.peer).await;
}

#[tokio::test]
async fn both_sides_write_the_same_record_and_the_same_cookie() {
    let (server, express, narae) = trio(&[], &Settings::default()).await;
    let mut written = Vec::new();
    for peer in [express.peer, narae] {
        let login = peer.post("/login", &mut Jar::default(), &json!({ "user": "twin" })).await;
        let id = login.json["sid"].as_str().expect("an id");
        let text: String = server.ask(&format!("GET sess:{id}"));
        let json: Value = serde_json::from_str(&text).expect("JSON");
        let expires = json["cookie"]["expires"].as_str().expect("a date").to_owned();
        let (_, attributes) = login.set_cookies[0].split_once("; ").expect("attributes");
        let without_date = |part: &str| {
            part.split_once('=')
                .filter(|(name, _)| *name == "Expires")
                .map_or(part.to_owned(), |(name, _)| name.to_owned())
        };
        let attributes: Vec<String> = attributes.split("; ").map(without_date).collect();
        // Node counts back from the expiry, and may be a millisecond late.
        let age = json["cookie"]["originalMaxAge"].as_u64().expect("an age");
        assert!((3_599_000..=3_600_000).contains(&age), "{age}");
        let text = text.replace(&expires, "EXPIRES").replace(&format!("Age\":{age}"), "Age\":AGE");
        written.push((text, attributes));
    }
    assert_eq!(written[0], written[1]);
}

#[tokio::test]
async fn a_secret_is_rotated_without_a_logout() {
    let today = Settings { secrets: vec!["new", "old"], ..Settings::default() };
    let server = Server::start();
    let start = |secrets: &'static str| {
        Express::start(&[("STORE", "redis"), ("REDIS_URL", &server.url()), ("SESSION_SECRETS", secrets)])
    };
    let (express_yesterday, express_today) = (start("old"), start("new,old"));
    let narae_yesterday = serve(store(&server), &Settings { secrets: vec!["old"], ..today.clone() }).await;
    let narae_today = serve(store(&server), &today).await;
    for yesterday in [express_yesterday.peer, narae_yesterday] {
        for today in [express_today.peer, narae_today] {
            journeys::an_old_secret_is_good(yesterday, today).await;
        }
    }
}

#[tokio::test]
async fn reading_moves_the_lifetime_and_leaves_the_record() {
    let (server, express, narae) = trio(&[], &Settings::default()).await;
    for (first, second) in [(express.peer, narae), (narae, express.peer)] {
        let jar = &mut Jar::default();
        let login = first.post("/login", jar, &json!({ "user": "reader" })).await;
        let key = format!("sess:{}", login.json["sid"].as_str().expect("an id"));
        let text: String = server.ask(&format!("GET {key}"));
        server.ask::<i64>(&format!("EXPIRE {key} 100"));
        second.get("/me", jar).await;
        let lifetime: u64 = server.ask(&format!("TTL {key}"));
        assert!((3590..=3600).contains(&lifetime), "{lifetime}");
        assert_eq!(server.ask::<String>(&format!("GET {key}")), text);
    }
}

#[tokio::test]
async fn a_session_that_expired_is_gone_on_both_sides() {
    let settings = Settings { age: Duration::from_secs(1), ..Settings::default() };
    let (server, express, narae) = trio(&[("MAX_AGE", "1000")], &settings).await;
    for (first, second) in [(express.peer, narae), (narae, express.peer)] {
        let jar = &mut Jar::default();
        let login = first.post("/login", jar, &json!({ "user": "brief" })).await;
        assert!(login.set_cookies[0].contains("Expires="), "{login:?}");
        let key = format!("sess:{}", login.json["sid"].as_str().expect("an id"));
        wait_until("Redis forgets it", || server.ask::<i64>(&format!("EXISTS {key}")) == 0);
        let me = second.get("/me", jar).await;
        assert_eq!(me.json["user"], Value::Null);
        assert_ne!(me.json["sid"], login.json["sid"], "the client does not choose its id");
    }
}

#[tokio::test]
async fn rolling_sends_the_cookie_every_time_on_both_sides() {
    let settings = Settings { rolling: true, ..Settings::default() };
    let (_server, express, narae) = trio(&[("ROLLING", "1")], &settings).await;
    for (first, second) in [(express.peer, narae), (narae, express.peer)] {
        let jar = &mut Jar::default();
        first.post("/login", jar, &json!({ "user": "rolling" })).await;
        let before = jar.clone();
        let me = second.get("/me", jar).await;
        assert_eq!(me.set_cookies.len(), 1, "{me:?}");
        assert!(me.set_cookies[0].contains("Expires="), "{me:?}");
        assert_eq!(jar.0, before.0, "it is the same cookie, signed alike");
    }
}

#[tokio::test]
async fn who_logs_out_during_a_slow_request_stays_logged_out() {
    let (_server, express, narae) = trio(&[], &Settings::default()).await;
    journeys::a_slow_request_brings_no_one_back(narae, narae).await;
    journeys::a_slow_request_brings_no_one_back(narae, express.peer).await;
}

#[tokio::test]
async fn express_itself_brings_back_who_logged_out() {
    // Not narae's wish: what it saves its users from. If Express mends it, this test may go.
    let (_server, express, narae) = trio(&[], &Settings::default()).await;
    let slow = express.peer;
    let jar = &mut Jar::default();
    slow.post("/login", jar, &json!({ "user": "ghost" })).await;
    let mut other = jar.clone();
    let running = tokio::spawn(async move { slow.post("/slow", &mut other, &Value::Null).await });
    slow.post("/slow/begun", &mut Jar::default(), &Value::Null).await;
    narae.post("/logout", &mut jar.clone(), &Value::Null).await;
    assert_eq!(narae.get("/me", &mut jar.clone()).await.json["user"], Value::Null);
    slow.post("/slow/go", &mut Jar::default(), &Value::Null).await;
    running.await.expect("an answer");
    assert_eq!(narae.get("/me", &mut jar.clone()).await.json["user"]["name"], "ghost");
}

#[tokio::test]
async fn views_counted_by_two_servers_at_once_are_all_there() {
    let server = Server::start();
    let settings = Settings::default();
    let servers = [serve(store(&server), &settings).await, serve(store(&server), &settings).await];
    let jar = &mut Jar::default();
    servers[0].post("/login", jar, &json!({ "user": "counted" })).await;
    let mut visitors = tokio::task::JoinSet::new();
    for visitor in 0..32 {
        let (peer, mut jar) = (servers[visitor % 2], jar.clone());
        visitors.spawn(async move {
            for _ in 0..50 {
                assert_eq!(peer.post("/views", &mut jar, &Value::Null).await.status, 200);
            }
        });
    }
    visitors.join_all().await;
    assert_eq!(servers[1].get("/me", jar).await.json["views"], 1600);
}
