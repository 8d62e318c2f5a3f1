//! A store that fails: 503, and nobody is logged out or in by it.

use axum::Router;
use axum::routing::get;
use http::StatusCode;
use http::header::RETRY_AFTER;
use narae_session::{Error, OnStoreError, Session, Sessions};

use crate::browser::{Answer, Browser};
use crate::spy::Spy;

fn site(sessions: Sessions) -> Browser {
    let visit = |session: Session| async move {
        session.insert("visits", &(session.get::<u64>("visits")?.unwrap_or(0) + 1))?;
        Ok::<_, Error>("done")
    };
    let whoami = |session: Session| async move { session.user().unwrap_or_else(|| "nobody".into()) };
    let login = |session: Session| async move { session.login("anna") };
    let saved = |session: Session| async move {
        session.insert("a", &1)?;
        session.save().await
    };
    let kept_going = |session: Session| async move {
        session.insert("b", &1).unwrap();
        if session.save().await.is_err() { "without" } else { "with" }
    };
    let logout = |session: Session| async move { session.destroy().await };
    let router = Router::new()
        .route("/visit", get(visit))
        .route("/whoami", get(whoami))
        .route("/login", get(login))
        .route("/saved", get(saved))
        .route("/kept_going", get(kept_going))
        .route("/logout", get(logout))
        .layer(sessions);
    Browser::new(router)
}

fn is_unavailable(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
    assert_eq!(answer.headers[RETRY_AFTER], "1");
    assert_eq!(answer.set_cookies(), Vec::<&str>::new());
}

#[tokio::test]
async fn a_read_that_fails_is_503_and_the_login_survives() {
    let spy = Spy::new();
    let sessions = Sessions::new(spy.clone());
    let mut browser = site(sessions.clone());
    browser.get("/login").await;
    spy.fail(&["get"]);
    is_unavailable(&browser.get("/whoami").await);
    assert_eq!(browser.another().get("/whoami").await.text, "nobody", "who has no cookie needs no store");
    spy.fail(&[]);
    assert_eq!(browser.get("/whoami").await.text, "anna");
    assert_eq!(sessions.counts().failures, 1);
}

#[tokio::test]
async fn a_write_that_fails_is_503_whatever_the_handler_answered() {
    let spy = Spy::new();
    let mut browser = site(Sessions::new(spy.clone()));
    spy.fail(&["set"]);
    for path in ["/visit", "/login", "/saved"] {
        is_unavailable(&browser.get(path).await);
    }
    assert_eq!(
        browser.get("/kept_going").await.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "the end tries again"
    );
    spy.fail(&[]);
    assert_eq!(browser.get("/visit").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_logout_that_fails_is_told() {
    let spy = Spy::new();
    let mut browser = site(Sessions::new(spy.clone()));
    browser.get("/login").await;
    spy.fail(&["destroy"]);
    is_unavailable(&browser.get("/logout").await);
    spy.fail(&[]);
    assert_eq!(browser.get("/whoami").await.text, "anna", "so it is not logged out");
}

#[tokio::test]
async fn a_touch_that_fails_costs_the_request_nothing() {
    let spy = Spy::new();
    let mut browser = site(Sessions::new(spy.clone()).touch_after(std::time::Duration::ZERO));
    browser.get("/login").await;
    spy.fail(&["touch"]);
    assert_eq!(browser.get("/whoami").await.text, "anna");
}

/// A store that cannot say when a session began has no absolute timeout, not one of twelve hours from now.
#[tokio::test]
async fn a_store_without_beginnings_lets_a_session_live_as_long_as_it_is_used() {
    let mut spy = Spy::new();
    spy.abilities.created = false;
    let days = std::time::Duration::from_secs(3 * 86_400);
    let mut browser = site(Sessions::new(spy).persistent(true).idle_timeout(days));
    let answer = browser.get("/login").await;
    let line = answer.set_cookies()[0].to_owned();
    let expires = line.split("Expires=").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    let left =
        httpdate::parse_http_date(expires).unwrap().duration_since(std::time::SystemTime::now()).unwrap();
    assert!(left > days - std::time::Duration::from_secs(60), "{line}");
}

#[tokio::test]
async fn who_asks_for_it_serves_strangers_while_the_store_is_away() {
    let spy = Spy::new();
    let mut browser = site(Sessions::new(spy.clone()).on_store_error(OnStoreError::Anonymous));
    browser.get("/login").await;
    let cookies = browser.cookies.clone();
    spy.fail(&["get", "set", "destroy"]);
    assert_eq!(browser.get("/whoami").await.text, "nobody");
    let answer = browser.get("/visit").await;
    assert_eq!((answer.status, answer.set_cookies().len()), (StatusCode::OK, 0), "nothing is kept");
    assert_eq!(browser.cookies, cookies, "and the cookie stays");
    spy.fail(&[]);
    assert_eq!(browser.get("/whoami").await.text, "anna");
}
