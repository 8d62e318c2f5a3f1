//! What visitors do, on two servers that share their sessions. Each journey holds whichever of them is Express.

use serde_json::{Value, json};

use super::client::{Jar, Peer};

/// Logs in here, goes on there, and back.
pub(crate) async fn a_login_continues(here: Peer, there: Peer) {
    let jar = &mut Jar::default();
    let login = here.post("/login", jar, &json!({ "user": "유저-1" })).await;
    assert_eq!((login.status, login.set_cookies.len()), (200, 1), "{login:?}");
    let id = login.json["sid"].as_str().expect("an id").to_owned();
    assert!(
        id.len() == 32 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'),
        "{id}"
    );
    let me = there.get("/me", jar).await;
    assert_eq!((&me.json["sid"], &me.json["user"]["name"]), (&json!(id), &json!("유저-1")), "{me:?}");
    assert_eq!(me.json["user"]["note"], "안녕 \"quoted\" \\ 😀");
    assert_eq!(me.set_cookies.len(), 0, "reading sends no cookie: {me:?}");
    for (count, server) in (1..).zip([there, here, there, there, here, here, there]) {
        let views = server.post("/views", jar, &Value::Null).await;
        assert_eq!((&views.json["views"], &views.json["sid"]), (&json!(count), &json!(id)), "{views:?}");
    }
    let cart = json!({
        "items": [{ "id": 1, "qty": 2.5 }, { "id": 2, "qty": null }], "coupon": "", "deep": { "a": [[], {}], "t": true }
    });
    there.post("/cart", jar, &cart).await;
    assert_eq!(here.get("/me", jar).await.json["cart"], cart, "empty lists stay lists");
    let old = &mut jar.clone();
    let second = there.post("/login", jar, &json!({ "user": "second" })).await;
    assert_ne!(second.json["sid"], json!(id), "a login changes the id");
    assert_eq!(here.get("/me", old).await.json["user"], Value::Null, "the old id is dead");
    let me = here.get("/me", jar).await;
    assert_eq!((&me.json["user"]["name"], &me.json["cart"]), (&json!("second"), &Value::Null), "{me:?}");
    let kept = &mut jar.clone();
    assert_eq!(here.post("/logout", jar, &Value::Null).await.status, 200);
    for jar in [jar, kept] {
        assert_eq!(there.get("/me", jar).await.json["user"], Value::Null, "logged out everywhere");
    }
}

/// A cookie that someone changed is nobody's.
pub(crate) async fn a_tampered_cookie_is_nobody(here: Peer, there: Peer) {
    let jar = &mut Jar::default();
    here.post("/login", jar, &json!({ "user": "z" })).await;
    for value in jar.0.values_mut() {
        // The last character of a signature has unused bits: the one before has not.
        let at = value.len() - 2;
        let other = if value.as_bytes()[at] == b'A' { "B" } else { "A" };
        value.replace_range(at..=at, other);
    }
    assert_eq!(there.get("/me", jar).await.json["user"], Value::Null);
}

/// Plain, JSON, signed, and tampered cookies.
pub(crate) async fn cookies_are_read_alike(here: Peer, there: Peer) {
    let jar = &mut Jar::default();
    here.post("/cookies", jar, &Value::Null).await;
    let expected = json!({
        "cookies": { "plain": "a b;c,\"d\" 안녕", "json": { "n": 1, "list": ["x", "한"] } },
        "signed": { "signed": "value.with.dots", "signedjson": { "ok": true } },
    });
    assert_eq!(there.get("/cookies", jar).await.json, expected);
    let signed = jar.0.get_mut("signed").expect("a cookie");
    *signed = signed.replace("value", "VALUE");
    assert_eq!(there.get("/cookies", jar).await.json["signed"]["signed"], json!(false));
}

/// Whoever logs out while a slow request of his runs stays logged out.
pub(crate) async fn a_slow_request_brings_no_one_back(slow: Peer, logout: Peer) {
    let jar = &mut Jar::default();
    slow.post("/login", jar, &json!({ "user": "gone" })).await;
    let mut other = jar.clone();
    let running = tokio::spawn(async move { slow.post("/slow", &mut other, &Value::Null).await });
    slow.post("/slow/begun", &mut Jar::default(), &Value::Null).await;
    assert_eq!(logout.post("/logout", &mut jar.clone(), &Value::Null).await.status, 200);
    slow.post("/slow/go", &mut Jar::default(), &Value::Null).await;
    running.await.expect("an answer");
    for server in [slow, logout] {
        assert_eq!(server.get("/me", &mut jar.clone()).await.json["user"], Value::Null);
    }
}

/// A cookie that was signed with the secret of yesterday is good on a server that has a new one too.
pub(crate) async fn an_old_secret_is_good(yesterday: Peer, today: Peer) {
    let jar = &mut Jar::default();
    yesterday.post("/login", jar, &json!({ "user": "old" })).await;
    assert_eq!(today.get("/me", jar).await.json["user"]["name"], "old");
    let jar = &mut Jar::default();
    today.post("/login", jar, &json!({ "user": "new" })).await;
    assert_eq!(yesterday.get("/me", jar).await.json["user"], Value::Null, "it does not know the new secret");
}
