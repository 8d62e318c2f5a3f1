//! The session's cookie: name, attributes, signature.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use narae_session::store::Memory;
use narae_session::{Error, SameSite, Secure, Session, Sessions};

use crate::browser::Browser;

async fn visit(session: Session) -> Result<String, Error> {
    let visits = session.get::<u64>("visits")?.unwrap_or(0) + 1;
    session.insert("visits", &visits)?;
    Ok(visits.to_string())
}

fn site(sessions: Sessions) -> Browser {
    let peek = |session: Session| async move { format!("{:?}", session.get::<u64>("visits")) };
    Browser::new(Router::new().route("/", get(visit)).route("/peek", get(peek)).layer(sessions))
}

fn sessions() -> Sessions {
    Sessions::new(Memory::new())
}

/// The attributes of the one cookie that a first visit sets.
async fn check(sessions: Sessions, https: bool, name: &str, attributes: &str) {
    let mut browser = site(sessions);
    browser.https = https;
    let answer = browser.get("/").await;
    let lines = answer.set_cookies();
    assert_eq!(lines.len(), 1, "{answer:?}");
    let (pair, found) = lines[0].split_once("; ").unwrap();
    assert_eq!((pair.split('=').next().unwrap(), found), (name, attributes));
}

#[tokio::test]
async fn defaults_are_safe_and_the_name_says_so_where_tls_protects_it() {
    check(sessions(), false, "sid", "Path=/; HttpOnly; SameSite=Lax").await;
    check(sessions(), true, "__Host-sid", "Path=/; HttpOnly; Secure; SameSite=Lax").await;
    let under = sessions().cookie(|cookie| cookie.path("/app"));
    check(under, true, "__Secure-sid", "Path=/app; HttpOnly; Secure; SameSite=Lax").await;
    let domain = sessions().cookie(|cookie| cookie.domain("example.org"));
    check(domain, true, "__Secure-sid", "Domain=example.org; Path=/; HttpOnly; Secure; SameSite=Lax").await;
}

#[tokio::test]
async fn every_attribute_can_be_said() {
    let sessions = sessions().cookie_name("connect.sid").cookie(|cookie| {
        cookie
            .http_only(false)
            .secure(Secure::Always)
            .same_site(SameSite::Strict)
            .partitioned(true)
            .priority(narae_session::Priority::High)
    });
    check(sessions, true, "connect.sid", "Path=/; Secure; Partitioned; Priority=High; SameSite=Strict").await;
    let express = self::sessions().cookie_name("connect.sid").cookie(|cookie| cookie.same_site(None));
    check(express, false, "connect.sid", "Path=/; HttpOnly").await;
}

#[tokio::test]
async fn a_persistent_cookie_says_its_end_twice_and_rolls() {
    let sessions = sessions().persistent(true).rolling(true).idle_timeout(Duration::from_secs(600));
    let mut browser = site(sessions.touch_after(Duration::ZERO));
    for path in ["/", "/peek"] {
        let answer = browser.get(path).await;
        let line = answer.set_cookies()[0].to_owned();
        assert!(line.contains("; Max-Age=600; ") && line.contains("; Expires="), "{line}");
    }
}

#[tokio::test]
async fn a_cookie_that_must_be_secure_is_not_sent_without_tls() {
    let sessions = sessions().cookie(|cookie| cookie.secure(Secure::Always));
    let answer = site(sessions).get("/").await;
    assert_eq!((answer.set_cookies(), answer.text.as_str()), (vec![], "1"));
}

#[tokio::test]
async fn a_proxy_is_believed_only_if_the_program_says_so() {
    for (trust, name) in [(true, "__Host-sid"), (false, "sid")] {
        let mut browser = site(sessions().trust_proxy(trust));
        browser.fields.push(("x-forwarded-proto", " HTTPS , http".into()));
        browser.get("/").await;
        assert!(browser.cookies.contains_key(name), "{:?}", browser.cookies);
    }
}

mod signed {
    use super::*;

    #[tokio::test]
    async fn one_changed_character_makes_it_nobody() {
        let mut browser = site(sessions().secrets(["secret"]));
        browser.get("/").await;
        let genuine = browser.cookies["sid"].clone();
        assert_eq!(browser.get("/peek").await.text, "Ok(Some(1))");
        for at in 0..genuine.len() {
            let mut forged = genuine.clone().into_bytes();
            forged[at] = if forged[at] == b'x' { b'y' } else { b'x' };
            browser.cookies.insert("sid".into(), String::from_utf8(forged).unwrap());
            assert_eq!(browser.get("/peek").await.text, "Ok(None)", "byte {at}");
        }
    }

    #[tokio::test]
    async fn an_old_secret_still_verifies_and_the_cookie_is_signed_anew() {
        let store = std::sync::Arc::new(Memory::new());
        let mut old = site(Sessions::new(store.clone()).secrets(["old"]));
        old.get("/").await;
        let mut new = site(Sessions::new(store.clone()).secrets(["new", "old"]));
        new.cookies.clone_from(&old.cookies);
        let answer = new.get("/peek").await;
        assert_eq!(answer.text, "Ok(Some(1))");
        assert_ne!(new.cookies, old.cookies, "signed with the newest secret");
        assert_eq!(new.get("/peek").await.set_cookies(), Vec::<&str>::new(), "once");
        let mut newest = site(Sessions::new(store).secrets(["new"]));
        newest.cookies.clone_from(&new.cookies);
        assert_eq!(newest.get("/peek").await.text, "Ok(Some(1))");
        newest.cookies.clone_from(&old.cookies);
        assert_eq!(newest.get("/peek").await.text, "Ok(None)", "the old secret is out");
    }

    #[tokio::test]
    async fn secrets_that_protect_nothing_are_refused_at_the_start() {
        let layer = sessions().secrets([""]);
        let mut browser = site(layer);
        let error = narae_session::prepare(1).unwrap_err().to_string();
        assert!(error.contains("secret"), "{error}");
        assert_eq!(browser.get("/").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
}

#[tokio::test]
async fn a_cookie_that_browsers_would_drop_is_refused() {
    for sessions in [
        sessions().cookie_name("__Host-sid").cookie(|cookie| cookie.secure(Secure::Never)),
        sessions().cookie_name("a b"),
        sessions().cookie(|cookie| cookie.domain("exa mple")),
        sessions().cookie(|cookie| cookie.same_site(SameSite::None).secure(Secure::Never)),
        sessions().idle_timeout(Duration::ZERO),
    ] {
        assert_eq!(site(sessions).get("/").await.status, StatusCode::INTERNAL_SERVER_ERROR);
    }
}

#[tokio::test]
async fn garbage_in_the_cookie_is_nobody() {
    let mut browser = site(sessions().secrets(["secret"]));
    for garbage in ["s%3A", "s%3Aabc", "%00", "\"", "s%3A.%2B", "=", "s:x.y", "%F0%9F"] {
        browser.cookies.insert("sid".into(), garbage.into());
        assert_eq!(browser.get("/peek").await.text, "Ok(None)", "{garbage}");
    }
}

#[tokio::test]
async fn a_handler_without_the_layer_says_what_is_missing() {
    let mut browser = Browser::new(Router::new().route("/", get(visit)));
    let answer = browser.get("/").await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(narae_session::NoSessions.to_string().contains("router.layer(sessions)"));
}
