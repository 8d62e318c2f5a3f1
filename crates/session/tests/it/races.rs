//! Requests and futures that cross each other: nobody is logged out by it, or in, and no write is lost.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{MethodRouter, get};
use http::StatusCode;
use narae_session::store::Memory;
use narae_session::{Error, OnStoreError, Session, Sessions};
use tokio::sync::Semaphore;

use crate::browser::Browser;
use crate::spy::Spy;

/// `/` is what is tested.
fn site(sessions: Sessions, tested: MethodRouter) -> Browser {
    let values = |session: Session| async move {
        let value = |key: &String| format!("{key}={}", session.get::<u64>(key).unwrap().unwrap_or(0));
        let mut all: Vec<_> = session.keys().iter().map(value).collect();
        all.sort();
        all.join(" ")
    };
    let router = Router::new()
        .route("/", tested)
        .route("/begin", get(|session: Session| async move { session.insert("begun", &1) }))
        .route("/login", get(|session: Session| async move { session.login("anna") }))
        .route("/user", get(|session: Session| async move { session.user().unwrap_or_default() }))
        .route("/values", get(values))
        .route(
            "/out",
            get(|session: Session| async move { session.log_out_everywhere("anna").await.map(drop) }),
        )
        .layer(sessions);
    Browser::new(router)
}

async fn add(session: &Session, key: &str) -> Result<u64, Error> {
    session.update(key, |count: Option<u64>| count.unwrap_or(0) + 1).await
}

mod side_by_side_in_one_request {
    use super::*;

    #[tokio::test]
    async fn updates_after_a_renewal_are_all_kept_under_the_new_id() {
        let handler = |session: Session| async move {
            session.renew()?;
            let (one, two) = tokio::join!(add(&session, "one"), add(&session, "two"));
            Ok::<_, Error>(format!("{} {}", one?, two?))
        };
        let mut browser = site(Sessions::new(Spy::slow()), get(handler));
        browser.get("/begin").await;
        assert_eq!(browser.get("/").await.text, "1 1");
        assert_eq!(browser.get("/values").await.text, "begun=1 one=1 two=1");
    }

    #[tokio::test]
    async fn updates_of_a_new_session_and_of_a_login_count_every_one() {
        for logs_in in [false, true] {
            let handler = move |session: Session| async move {
                if logs_in {
                    session.login("anna")?;
                }
                let counts = tokio::join!(add(&session, "n"), add(&session, "n"), add(&session, "n"));
                let mut counts = [counts.0?, counts.1?, counts.2?];
                counts.sort_unstable();
                Ok::<_, Error>(format!("{counts:?}"))
            };
            let mut browser = site(Sessions::new(Spy::slow()), get(handler));
            assert_eq!(browser.get("/").await.text, "[1, 2, 3]");
            assert_eq!(browser.get("/values").await.text, "n=3");
        }
    }

    #[tokio::test]
    async fn a_session_that_is_destroyed_while_it_is_renewed_is_dead_under_both_ids() {
        let handler = |session: Session| async move {
            session.login("bert")?;
            let saving = tokio::spawn({
                let session = session.clone();
                async move { session.save().await }
            });
            tokio::task::yield_now().await;
            session.destroy().await?;
            let _ = saving.await;
            session.sessions_of("bert").await.map(|all| all.len().to_string())
        };
        let mut browser = site(Sessions::new(Spy::slow()), get(handler));
        browser.get("/begin").await;
        assert_eq!(browser.get("/").await.text, "0");
        assert_eq!(browser.get("/user").await.text, "");
    }
}

mod futures_dropped_half_way {
    use super::*;

    async fn drop_a_save_half_way(session: &Session) {
        tokio::select! {
            biased;
            _ = session.save() => panic!("it takes longer"),
            () = tokio::task::yield_now() => {}
        }
    }

    #[tokio::test]
    async fn a_save_after_a_renewal_does_not_leave_the_browser_with_a_dead_id() {
        let handler = |session: Session| async move {
            session.login("anna").unwrap();
            session.insert("kept", &1).unwrap();
            drop_a_save_half_way(&session).await;
        };
        let mut browser = site(Sessions::new(Spy::slow()), get(handler));
        browser.get("/begin").await;
        assert_eq!(browser.get("/").await.status, StatusCode::OK);
        assert_eq!(browser.get("/user").await.text, "anna");
        assert_eq!(browser.get("/values").await.text, "begun=1 kept=1");
    }

    #[tokio::test]
    async fn what_a_dropped_save_did_not_keep_is_kept_at_the_end() {
        let handler = |session: Session| async move {
            session.insert("kept", &1).unwrap();
            drop_a_save_half_way(&session).await;
        };
        let mut browser = site(Sessions::new(Spy::slow()), get(handler));
        browser.get("/begin").await;
        browser.get("/").await;
        assert_eq!(browser.get("/values").await.text, "begun=1 kept=1");
    }
}

mod a_login_meanwhile {
    use super::*;

    /// A request of another tab that waits in its handler while the user logs in.
    async fn answers_late(sessions: Sessions, writes: bool) -> Browser {
        let (entered, release) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let handler = {
            let (entered, release) = (Arc::clone(&entered), Arc::clone(&release));
            move |session: Session| async move {
                entered.add_permits(1);
                drop(release.acquire().await);
                if writes { session.insert("late", &1) } else { Ok(()) }
            }
        };
        let mut browser = site(sessions, get(handler));
        browser.get("/begin").await;
        let mut tab = browser.clone();
        let late = tokio::spawn(async move { tab.get("/").await });
        drop(entered.acquire().await);
        browser.get("/login").await;
        release.add_permits(1);
        let answer = late.await.unwrap();
        assert_eq!((answer.status, answer.set_cookies()), (StatusCode::OK, vec![]));
        browser
    }

    #[tokio::test]
    async fn keeps_its_cookie_although_a_slow_request_wrote_to_the_old_session() {
        let mut browser = answers_late(Sessions::new(Memory::new()), true).await;
        assert_eq!(browser.get("/user").await.text, "anna");
    }

    #[tokio::test]
    async fn keeps_its_cookie_although_cookies_roll() {
        let sessions = Sessions::new(Memory::new()).persistent(true).rolling(true);
        let mut browser = answers_late(sessions.clone(), false).await;
        assert_eq!(browser.get("/user").await.text, "anna");
        answers_late(sessions.touch_after(Duration::ZERO), false).await;
    }
}

mod endings {
    use super::*;

    #[tokio::test]
    async fn who_was_logged_out_everywhere_does_not_come_back_by_a_renewal() {
        let (entered, release) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let handler = {
            let (entered, release) = (Arc::clone(&entered), Arc::clone(&release));
            move |session: Session| async move {
                session.login("anna")?;
                session.save().await?;
                entered.add_permits(1);
                drop(release.acquire().await);
                session.renew()
            }
        };
        let mut browser = site(Sessions::new(Memory::new()), get(handler));
        let mut slow = browser.clone();
        let slow = tokio::spawn(async move {
            slow.get("/").await;
            slow
        });
        drop(entered.acquire().await);
        browser.get("/out").await;
        release.add_permits(1);
        assert_eq!(slow.await.unwrap().get("/user").await.text, "");
    }

    #[tokio::test]
    async fn a_login_begins_a_new_session_where_the_old_one_has_ended_meanwhile() {
        let store = Arc::new(Memory::new());
        let sessions = Sessions::new(Arc::clone(&store));
        let ends = |session: Session| async move {
            let id = session.id();
            narae_session::store::Store::destroy(&*store, id).await.unwrap();
            assert!(matches!(add(&session, "attempts").await, Err(Error::Ended)));
            assert!(matches!(session.insert("a", &1), Err(Error::Ended)));
            session.login("anna")
        };
        let mut browser = site(sessions, get(ends));
        browser.get("/begin").await;
        assert_eq!(browser.get("/").await.status, StatusCode::OK);
        assert_eq!(browser.get("/user").await.text, "anna");
        assert_eq!(browser.get("/values").await.text, "", "nothing of the old one comes along");
    }

    #[tokio::test]
    async fn an_update_after_the_head_makes_no_session_whose_cookie_nobody_has() {
        let spy = Spy::new();
        let (sender, receiver) = std::sync::mpsc::channel();
        let handler = move |session: Session| async move { sender.send(session).unwrap() };
        let mut browser = site(Sessions::new(spy.clone()), get(handler));
        browser.get("/").await;
        let session = receiver.recv().unwrap();
        assert!(matches!(add(&session, "n").await, Err(Error::TooLate)));
        assert_eq!(spy.take(), []);
    }
}

mod failures {
    use super::*;

    #[tokio::test]
    async fn a_failure_after_a_renewal_logs_nobody_out() {
        let spy = Spy::new();
        let handler = |session: Session| async move {
            session.login("anna")?;
            session.save().await?;
            add(&session, "n").await.map(drop)
        };
        let mut browser = site(Sessions::new(spy.clone()), get(handler));
        browser.get("/begin").await;
        spy.fail(&["update"]);
        assert_eq!(browser.get("/").await.status, StatusCode::SERVICE_UNAVAILABLE);
        spy.fail(&[]);
        assert_eq!(browser.get("/user").await.text, "anna");
    }

    #[tokio::test]
    async fn a_store_that_cannot_be_opened_is_tried_again() {
        let spy = Spy::new();
        let mut browser = site(
            Sessions::new(spy.clone()),
            get(|session: Session| async move { add(&session, "n").await.map(drop) }),
        );
        spy.fail(&["prepare"]);
        assert_eq!(browser.get("/").await.status, StatusCode::SERVICE_UNAVAILABLE);
        spy.fail(&[]);
        assert_eq!(browser.get("/").await.status, StatusCode::OK);
    }

    #[tokio::test]
    async fn strangers_are_counted_too_where_the_program_serves_them_without_a_store() {
        let spy = Spy::new();
        let handler = |session: Session| async move { add(&session, "n").await.map(|n| n.to_string()) };
        let sessions = Sessions::new(spy.clone()).on_store_error(OnStoreError::Anonymous);
        let mut browser = site(sessions, get(handler));
        browser.get("/begin").await;
        spy.fail(&["get", "set", "update"]);
        assert_eq!(browser.get("/").await.text, "1");
    }
}

#[tokio::test]
async fn a_cookie_ends_no_later_than_its_session() {
    let handler = |session: Session| async move { session.insert("a", &1) };
    let sessions = Sessions::new(Memory::new()).persistent(true).idle_timeout(Duration::from_secs(3600));
    let answer =
        site(sessions.clone().absolute_timeout(Duration::from_secs(500)), get(handler)).get("/").await;
    assert!(answer.set_cookies()[0].contains("Max-Age=500;"), "{answer:?}");
    let for_ever = sessions.absolute_timeout(None).idle_timeout(Duration::MAX);
    let answer = site(for_ever, get(handler)).get("/").await;
    assert!(answer.set_cookies()[0].contains("Max-Age=34560000;"), "400 days, and not none: {answer:?}");
}
