//! What a session is to a handler: values, ids, logins, endings.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use http::StatusCode;
use narae_session::store::Memory;
use narae_session::{Error, Handle, Session, Sessions, Timestamp};

use crate::browser::Browser;

fn sessions() -> Sessions {
    Sessions::new(Memory::new())
}

/// A site with one handler for each thing that a session can do.
fn site(sessions: Sessions) -> Browser {
    let router = Router::new()
        .route("/visit", get(visit))
        .route("/count", get(count))
        .route("/keys", get(|session: Session| async move { session.keys().join(",") }))
        .route("/set/{key}/{value}", get(set))
        .route("/login/{user}", get(login))
        .route("/whoami", get(whoami))
        .route("/renew", get(|session: Session| async move { session.renew() }))
        .route("/regenerate", get(|session: Session| async move { session.regenerate() }))
        .route("/clear", get(|session: Session| async move { session.clear() }))
        .route("/logout", get(|session: Session| async move { session.destroy().await }))
        .route("/devices", get(devices))
        .route("/revoke/{handle}", get(revoke))
        .route("/everywhere", get(everywhere))
        .route("/elsewhere", get(elsewhere))
        .route("/save", get(save_then_redirect))
        .route("/flash", get(show_flash))
        .route(
            "/remember",
            get(|session: Session| async move { session.remember_for(Duration::from_secs(86_400 * 30)) }),
        )
        .layer(sessions);
    Browser::new(router)
}

async fn visit(session: Session) -> Result<String, Error> {
    let visits = session.get::<u64>("visits")?.unwrap_or(0) + 1;
    session.insert("visits", &visits)?;
    Ok(format!("{visits}"))
}

async fn count(session: Session) -> Result<String, Error> {
    let count = session.update("count", |count: Option<u64>| count.unwrap_or(0) + 1).await?;
    Ok(count.to_string())
}

async fn set(session: Session, Path((key, value)): Path<(String, String)>) -> Result<(), Error> {
    session.insert(&key, &value)
}

async fn login(session: Session, Path(user): Path<String>) -> Result<String, Error> {
    session.login(&user)?;
    session.insert("device", &format!("device of {user}"))?;
    Ok(session.id().as_str().to_owned())
}

async fn whoami(session: Session) -> String {
    session.user().unwrap_or_else(|| "nobody".into())
}

async fn devices(session: Session) -> Result<String, Error> {
    let user = session.user().unwrap_or_default();
    let all = session.sessions_of(user).await?;
    let lines: Result<Vec<_>, Error> = all
        .into_iter()
        .map(|one| {
            Ok(format!(
                "{} {} {}",
                one.handle,
                one.is_current,
                one.get::<String>("device")?.unwrap_or_default()
            ))
        })
        .collect();
    Ok(lines?.join("\n"))
}

async fn revoke(session: Session, Path(handle): Path<String>) -> Result<String, Error> {
    let user = session.user().unwrap_or_default();
    Ok(session.revoke(user, Handle::parse(&handle).expect("a handle")).await?.to_string())
}

async fn everywhere(session: Session) -> Result<String, Error> {
    Ok(session.log_out_everywhere(session.user().unwrap_or_default()).await?.to_string())
}

async fn elsewhere(session: Session) -> Result<String, Error> {
    Ok(session.log_out_elsewhere(session.user().unwrap_or_default()).await?.to_string())
}

async fn save_then_redirect(
    session: Session,
    Query(words): Query<Vec<(String, String)>>,
) -> Result<impl IntoResponse, Error> {
    for (kind, text) in words {
        session.flash(kind, text)?;
    }
    Ok(Redirect::to("/flash"))
}

async fn show_flash(session: Session) -> Result<String, Error> {
    let all = session.take_flash()?;
    Ok(all.iter().map(|flash| format!("{}: {}", flash.kind, flash.text)).collect::<Vec<_>>().join("; "))
}

mod values {
    use super::*;

    #[tokio::test]
    async fn what_one_request_writes_the_next_one_reads() {
        let mut browser = site(sessions());
        for expected in ["1", "2", "3"] {
            assert_eq!(browser.get("/visit").await.text, expected);
        }
        assert_eq!(browser.another().get("/visit").await.text, "1", "another browser has another session");
    }

    #[tokio::test]
    async fn a_visitor_whom_nobody_remembers_gets_no_cookie() {
        let mut browser = site(sessions());
        let answer = browser.get("/whoami").await;
        assert_eq!((answer.set_cookies(), answer.text.as_str()), (vec![], "nobody"));
    }

    #[tokio::test]
    async fn a_value_of_another_type_is_an_error_that_names_the_key() {
        let handler = |session: Session| async move {
            session.insert("age", "old").unwrap();
            session.get::<u64>("age").unwrap_err().to_string()
        };
        let mut browser = Browser::new(Router::new().route("/", get(handler)).layer(sessions()));
        let text = browser.get("/").await.text;
        assert!(text.contains("\"age\"") && text.contains("no u64") && !text.contains("old"), "{text}");
    }

    #[tokio::test]
    async fn keys_and_users_that_no_store_should_see_are_refused() {
        let handler = |session: Session| async move {
            let long = "k".repeat(256);
            for name in ["", "a\0b", &long] {
                assert!(matches!(session.insert(name, &1), Err(Error::Key(_))), "{name:?}");
                assert!(matches!(session.login(name), Err(Error::User(_))), "{name:?}");
                let updated = session.update(name, |old: Option<u8>| old.unwrap_or(0)).await;
                assert!(matches!(updated, Err(Error::Key(_))), "{name:?}");
            }
        };
        let mut browser = Browser::new(Router::new().route("/", get(handler)).layer(sessions()));
        assert_eq!(browser.get("/").await.status, StatusCode::OK);
    }

    #[tokio::test]
    async fn an_update_is_kept_when_it_returns_and_keeps_what_was_written_before_it() {
        let handler = |session: Session| async move {
            session.insert("before", &1)?;
            session.update("count", |count: Option<u64>| count.unwrap_or(0) + 1).await?;
            session.insert("after", &1)?;
            session.discard();
            Ok::<_, Error>(())
        };
        let router = Router::new()
            .route("/", get(handler))
            .route("/keys", get(|session: Session| async move { session.keys().join(",") }))
            .layer(sessions().save_uninitialized(true));
        let mut browser = Browser::new(router);
        browser.get("/keys").await;
        browser.get("/").await;
        assert_eq!(browser.get("/keys").await.text, "before,count");
    }

    #[tokio::test]
    async fn an_update_of_a_value_of_another_type_changes_nothing() {
        let mut browser = site(sessions());
        browser.get("/set/count/many").await;
        assert_eq!(browser.get("/count").await.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(browser.get("/keys").await.text, "count");
    }

    #[tokio::test]
    async fn clearing_leaves_who_is_logged_in() {
        let mut browser = site(sessions());
        browser.get("/login/anna").await;
        browser.get("/clear").await;
        assert_eq!(browser.get("/keys").await.text, "");
        assert_eq!(browser.get("/whoami").await.text, "anna");
    }

    #[tokio::test]
    async fn flash_messages_are_shown_once_on_the_page_after_the_redirect() {
        let mut browser = site(sessions());
        let answer = browser.get("/save?info=saved&info=twice&error=oh%20no").await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(browser.get("/flash").await.text, "error: oh no; info: saved; info: twice");
        assert_eq!(browser.get("/flash").await.text, "");
    }
}

mod fixation {
    use super::*;

    #[tokio::test]
    async fn a_login_gives_a_new_id_and_the_planted_one_is_dead() {
        let mut victim = site(sessions());
        victim.get("/visit").await;
        let planted = victim.cookies.clone();
        victim.get("/login/anna").await;
        assert_ne!(victim.cookies, planted);
        let mut attacker = victim.another();
        attacker.cookies = planted;
        assert_eq!(attacker.get("/whoami").await.text, "nobody");
        assert_eq!(victim.get("/whoami").await.text, "anna");
        assert_eq!(victim.get("/visit").await.text, "2", "the values came along");
    }

    #[tokio::test]
    async fn an_id_that_the_client_chose_is_never_used() {
        let mut browser = site(sessions());
        let chosen = "A".repeat(32);
        browser.cookies.insert("sid".into(), chosen.clone());
        browser.get("/visit").await;
        assert_ne!(browser.cookies["sid"], chosen);
    }

    #[tokio::test]
    async fn renewing_keeps_the_values_and_kills_the_old_id() {
        let mut browser = site(sessions());
        browser.get("/visit").await;
        let mut old = browser.clone();
        browser.get("/renew").await;
        assert_ne!(old.cookies, browser.cookies);
        assert_eq!(browser.get("/visit").await.text, "2");
        assert_eq!(old.get("/visit").await.text, "1");
    }

    #[tokio::test]
    async fn regenerating_begins_anew() {
        let mut browser = site(sessions());
        browser.get("/login/anna").await;
        browser.get("/regenerate").await;
        assert_eq!(
            (browser.get("/whoami").await.text, browser.get("/keys").await.text),
            ("nobody".into(), String::new())
        );
    }
}

mod endings {
    use super::*;

    #[tokio::test]
    async fn a_logout_ends_the_session_and_the_cookie() {
        let mut browser = site(sessions());
        browser.get("/login/anna").await;
        let mut copy = browser.clone();
        let answer = browser.get("/logout").await;
        assert!(
            answer.set_cookies()[0].contains("Max-Age=0") || answer.set_cookies()[0].contains("1970"),
            "{answer:?}"
        );
        assert!(browser.cookies.is_empty());
        assert_eq!(copy.get("/whoami").await.text, "nobody");
    }

    /// express-session brings the session back (its issue 935 and node_semantics' races).
    #[tokio::test]
    async fn a_logout_during_a_slow_request_is_final() {
        let (entered, mut entering) = tokio::sync::mpsc::channel(1);
        let (release, releasing) = tokio::sync::watch::channel(false);
        let slow = move |session: Session| {
            let (entered, mut releasing) = (entered.clone(), releasing.clone());
            async move {
                session.insert("late", &1).unwrap();
                entered.send(()).await.unwrap();
                releasing.wait_for(|released| *released).await.unwrap();
            }
        };
        let router = Router::new()
            .route("/slow", get(slow))
            .route("/login/{user}", get(login))
            .route("/whoami", get(whoami))
            .route("/logout", get(|session: Session| async move { session.destroy().await }))
            .layer(sessions());
        let mut browser = Browser::new(router);
        browser.get("/login/anna").await;
        let (mut tab, copy) = (browser.clone(), browser.clone());
        let slow = tokio::spawn(async move { tab.get("/slow").await });
        entering.recv().await.unwrap();
        browser.get("/logout").await;
        release.send(true).unwrap();
        let answer = slow.await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "the handler did its work");
        assert_eq!(copy.clone().get("/whoami").await.text, "nobody");
    }

    #[tokio::test]
    async fn what_is_written_after_the_head_is_an_error_and_not_lost_silently() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let handler = move |session: Session| async move {
            session.insert("a", &1).unwrap();
            sender.send(session).unwrap();
        };
        let mut browser = Browser::new(Router::new().route("/", get(handler)).layer(sessions()));
        browser.get("/").await;
        let session = receiver.recv().unwrap();
        assert!(matches!(session.insert("b", &1), Err(Error::TooLate)));
        assert!(matches!(session.save().await, Err(Error::TooLate)));
        let count = session.update("count", |count: Option<u64>| count.unwrap_or(0) + 1).await;
        assert_eq!(count.unwrap(), 1, "an update reaches the store at any time");
    }

    #[tokio::test]
    async fn a_destroyed_session_refuses_whatever_the_handler_does_next() {
        let handler = |session: Session| async move {
            session.insert("a", &1).unwrap();
            session.destroy().await.unwrap();
            assert!(matches!(session.insert("a", &1), Err(Error::Ended)));
            assert!(matches!(session.renew(), Err(Error::Ended)));
            assert!(matches!(session.save().await, Err(Error::Ended)));
            assert!(matches!(session.update("a", |a: Option<u8>| a.unwrap_or(0)).await, Err(Error::Ended)));
        };
        let mut browser = Browser::new(Router::new().route("/", get(handler)).layer(sessions()));
        assert_eq!(browser.get("/").await.set_cookies(), Vec::<&str>::new());
    }
}

mod devices {
    use super::*;

    #[tokio::test]
    async fn a_user_sees_their_devices_and_ends_one() {
        let mut phone = site(sessions());
        let (mut laptop, mut stranger) = (phone.another(), phone.another());
        phone.get("/login/anna").await;
        laptop.get("/login/anna").await;
        stranger.get("/login/bert").await;
        let list = laptop.get("/devices").await.text;
        let lines: Vec<_> = list.lines().collect();
        assert_eq!(lines.len(), 2, "{list}");
        assert!(lines.iter().filter(|line| line.contains("true")).count() == 1, "{list}");
        let other = lines.iter().find(|line| line.contains("false")).unwrap().split(' ').next().unwrap();
        assert_eq!(stranger.get(&format!("/revoke/{other}")).await.text, "false", "it is not theirs");
        assert_eq!(laptop.get(&format!("/revoke/{other}")).await.text, "true");
        assert_eq!(phone.get("/whoami").await.text, "nobody");
        assert_eq!(laptop.get("/whoami").await.text, "anna");
    }

    #[tokio::test]
    async fn log_out_everywhere_ends_this_session_too_and_others_stay() {
        let mut phone = site(sessions());
        let (mut laptop, mut stranger) = (phone.another(), phone.another());
        phone.get("/login/anna").await;
        laptop.get("/login/anna").await;
        stranger.get("/login/bert").await;
        assert_eq!(laptop.get("/everywhere").await.text, "2");
        assert!(laptop.cookies.is_empty(), "its cookie is cleared");
        for (browser, user) in [(&mut phone, "nobody"), (&mut laptop, "nobody"), (&mut stranger, "bert")] {
            assert_eq!(browser.get("/whoami").await.text, user);
        }
    }

    #[tokio::test]
    async fn log_out_elsewhere_leaves_this_one() {
        let mut phone = site(sessions());
        let mut laptop = phone.another();
        phone.get("/login/anna").await;
        laptop.get("/login/anna").await;
        assert_eq!(laptop.get("/elsewhere").await.text, "1");
        assert_eq!(
            (phone.get("/whoami").await.text, laptop.get("/whoami").await.text),
            ("nobody".into(), "anna".into())
        );
    }
}

mod size {
    use super::*;

    #[tokio::test]
    async fn a_session_that_is_too_big_for_its_cookie_is_the_programs_fault_and_not_a_failure_that_passes() {
        let store = narae_session::store::InCookie::new(["secret"]).unwrap();
        let handler = |session: Session| async move { session.insert("big", &"x".repeat(5000)) };
        let mut browser = Browser::new(Router::new().route("/", get(handler)).layer(Sessions::new(store)));
        let answer = browser.get("/").await;
        assert_eq!((answer.status, answer.set_cookies()), (StatusCode::INTERNAL_SERVER_ERROR, vec![]));
    }
}

mod time {
    use super::*;

    static NOW: AtomicU64 = AtomicU64::new(1_000_000_000_000);

    fn clock() -> Timestamp {
        Timestamp(NOW.load(Ordering::SeqCst))
    }

    fn pass(duration: Duration) {
        NOW.fetch_add(u64::try_from(duration.as_millis()).unwrap(), Ordering::SeqCst);
    }

    // One test, because the clock is one.
    #[tokio::test]
    async fn sessions_end_when_nobody_uses_them_and_at_the_latest_at_the_absolute_timeout() {
        let minute = Duration::from_secs(60);
        let mut browser = site(
            sessions()
                .clock(clock)
                .idle_timeout(10 * minute)
                .absolute_timeout(60 * minute)
                .touch_after(minute),
        );
        browser.get("/login/anna").await;
        pass(9 * minute);
        assert_eq!(browser.get("/whoami").await.text, "anna", "a read moves the end");
        pass(9 * minute);
        assert_eq!(browser.get("/whoami").await.text, "anna");
        pass(10 * minute);
        assert_eq!(browser.get("/whoami").await.text, "nobody", "ten minutes without a request");

        browser.get("/login/anna").await;
        for _ in 0..11 {
            pass(5 * minute);
            assert_eq!(browser.get("/whoami").await.text, "anna");
        }
        pass(5 * minute);
        assert_eq!(browser.get("/whoami").await.text, "nobody", "an hour, however much it was used");

        browser.get("/login/anna").await;
        pass(5 * minute);
        let mut other = browser.clone();
        other.get("/visit").await;
        pass(5 * minute);
        browser.get("/login/anna").await;
        for _ in 0..11 {
            pass(5 * minute);
            assert_eq!(browser.get("/whoami").await.text, "anna", "a login begins anew");
        }

        let mut remembered =
            site(sessions().clock(clock).idle_timeout(10 * minute).absolute_timeout(60 * minute));
        remembered.get("/login/anna").await;
        let answer = remembered.get("/remember").await;
        assert!(answer.set_cookies()[0].contains("Max-Age=2592000"), "{answer:?}");
        pass(24 * 60 * minute);
        assert_eq!(remembered.get("/whoami").await.text, "anna", "a day later");
        pass(29 * 24 * 60 * minute);
        assert_eq!(remembered.get("/whoami").await.text, "nobody", "a month after the login");
        remembered.get("/login/anna").await;
        remembered.get("/remember").await;
        let answer = remembered.get("/login/anna").await;
        assert!(!answer.set_cookies()[0].contains("Max-Age"), "a new login is not remembered: {answer:?}");
        remembered.get("/remember").await;
        let answer = remembered.get("/regenerate").await;
        assert!(!answer.set_cookies()[0].contains("Max-Age"), "nor is nobody: {answer:?}");
    }
}
