//! When the store is asked and the cookie sent: every combination that express-session was observed in.
//!
//! `DIFFERENT` lists where narae differs on purpose, with the reason; a row that is listed and does not
//! differ fails too.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::Request;
use http::header::{COOKIE, SET_COOKIE};
use narae_session::store::{Abilities, Store};
use narae_session::{Change, Id, MaxAge, Secure, Session, Sessions, Timestamp};
use serde::Deserialize;
use tower::ServiceExt as _;

use crate::spy::Spy;

const DIFFERENT: [(&str, &str); 14] = [
    (
        "secure_over_http_existing_modified",
        "the cookie gets the attributes of today's settings, not those of its record",
    ),
    (
        "existing_cookie_maxage_changed",
        "a changed lifetime is written: Node moves the expiry once and forgets it",
    ),
    ("destroyed_new", "a session that was never kept is not destroyed"),
    ("regenerated_new", "a session that was never kept is not destroyed"),
    ("new_session_set_null", "a session that was never kept is not destroyed"),
    ("destroyed", "a destroyed session is not destroyed a second time by `unset`"),
    (
        "new_modified_after_headers_sent",
        "a write after the head is an error, not a record whose cookie nobody has",
    ),
    ("existing_modified_after_headers_sent", "a write after the head is an error; `update` is for that"),
    ("store_get_error", "503 with Retry-After, not 500"),
    ("store_set_error", "503, not 200: the handler's work was not kept"),
    ("store_disconnected", "every request has a session, or 503"),
    ("path_mismatch", "browsers decide by path which cookies they send; the server always has a session"),
    ("samesite_auto_http", "SameSite=None for every TLS request would give up the protection against CSRF"),
    (
        "samesite_auto_https_proxy",
        "SameSite=None for every TLS request would give up the protection against CSRF",
    ),
];

#[derive(Deserialize)]
struct Vectors {
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    scenario: String,
    resave: bool,
    save_uninitialized: bool,
    rolling: bool,
    max_age: Option<u64>,
    #[serde(rename = "store_touch")]
    store_touch: bool,
    unset: String,
    #[serde(rename = "set_cookie")]
    set_cookie: bool,
    cookie: Option<Cookie>,
    #[serde(rename = "store_calls")]
    store_calls: Vec<String>,
    #[serde(rename = "has_session")]
    has_session: Option<bool>,
    #[serde(rename = "session_is_fresh")]
    session_is_fresh: Option<bool>,
    status: u16,
    #[serde(rename = "remaining_ids")]
    remaining_ids: Vec<String>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Cookie {
    sid: String,
    signed_with: usize,
    attrs: Vec<String>,
    count: usize,
}

/// What can be observed of a request.
#[derive(Debug, PartialEq, Eq)]
struct Observed {
    store_calls: Vec<String>,
    cookie: Option<Cookie>,
    has_session: Option<bool>,
    session_is_fresh: Option<bool>,
    status: u16,
    remaining_ids: Vec<String>,
}

#[tokio::test]
async fn the_store_and_the_cookie_are_used_as_express_session_does() {
    let vectors: Vectors = serde_json::from_str(include_str!("vectors/session_decisions.json")).unwrap();
    assert!(vectors.rows.len() > 1000, "the rows are there");
    let different: BTreeMap<_, _> = DIFFERENT.into_iter().collect();
    let mut differed: BTreeMap<&str, u32> = BTreeMap::new();
    let mut failures = Vec::new();
    let mut agreed = 0;
    for row in &vectors.rows {
        let observed = observe(row).await;
        let expected = Observed {
            store_calls: row.store_calls.clone(),
            cookie: row.cookie.as_ref().map(|cookie| Cookie {
                attrs: cookie.attrs.clone(),
                sid: cookie.sid.clone(),
                ..*cookie
            }),
            has_session: row.has_session,
            session_is_fresh: row.session_is_fresh,
            status: row.status,
            remaining_ids: row.remaining_ids.clone(),
        };
        assert_eq!(row.set_cookie, row.cookie.is_some());
        match (observed == expected, different.get_key_value(&*row.scenario)) {
            (true, _) => agreed += 1,
            (false, Some((scenario, _))) => *differed.entry(scenario).or_default() += 1,
            (false, None) => failures.push(format!(
                "{} resave={} saveUninitialized={} rolling={} maxAge={:?} touch={} unset={}:\n  node  {expected:?}\n  narae {observed:?}",
                row.scenario, row.resave, row.save_uninitialized, row.rolling, row.max_age, row.store_touch, row.unset,
            )),
        }
    }
    assert!(
        failures.is_empty(),
        "{} rows differ:\n{}",
        failures.len(),
        failures[..failures.len().min(12)].join("\n")
    );
    for (scenario, reason) in DIFFERENT {
        assert!(differed.contains_key(scenario), "{scenario} is listed ({reason}) and does not differ");
    }
    assert!(agreed > 900, "only {agreed} rows agree; {differed:?}");
}

const NEW: &str = "new-secret";
const OLD: &str = "old-secret";

async fn observe(row: &Row) -> Observed {
    let is = |word: &str| row.scenario.contains(word);
    let mut spy = Spy::new();
    spy.abilities = {
        let mut abilities = Abilities::default();
        abilities.express = true;
        abilities.created = false;
        abilities.touch = row.store_touch;
        abilities
    };
    let presented = Id::random();
    let comes_with_cookie = !(row.scenario.starts_with("new_")
        || row.scenario.ends_with("_new")
        || is("_new_modified")
        || is("secure_trusted")
        || is("secure_untrusted")
        || is("secure_unset")
        || is("samesite_auto"));
    if comes_with_cookie && !is("missing_in_store") {
        let now = Timestamp::now();
        let expires = now.after(Duration::from_secs(60));
        let max_age = row.max_age.map_or(MaxAge::BrowserSession, MaxAge::Milliseconds);
        let edits = [("views", "3"), ("cart", r#"{"items":[1,2]}"#)];
        let edits = edits.map(|(key, json)| (key.into(), Some(json.into()))).to_vec();
        let change = Change { edits, max_age: Some(max_age), ..Change::nothing(now, expires) };
        spy.create(presented.clone(), change).await.unwrap();
        spy.take();
    }
    if is("enoent") {
        spy.lose_everything_read();
    } else if is("store_get_error") || is("store_disconnected") {
        spy.fail(&["get"]);
    } else if is("store_set_error") {
        spy.fail(&["set"]);
    }
    let idle = Duration::from_millis(row.max_age.unwrap_or(86_400_000));
    let sessions = Sessions::new(spy.clone())
        .secrets([NEW, OLD])
        .cookie_name("connect.sid")
        .resave(row.resave)
        .save_uninitialized(row.save_uninitialized)
        .rolling(row.rolling)
        .idle_timeout(idle)
        .persistent(row.max_age.is_some())
        .trust_proxy(is("trusted_proxy") && !is("untrusted"))
        .cookie(|cookie| {
            let secure = match () {
                () if is("secure_auto") => Secure::Auto,
                () if is("secure") => Secure::Always,
                () => Secure::Never,
            };
            cookie.same_site(None).secure(secure)
        });
    let (scenario, unset) = (row.scenario.clone(), row.unset.clone());
    let (found, finding) = std::sync::mpsc::channel();
    let handler = move |session: Session| async move {
        found.send(session.is_new()).unwrap();
        act(&scenario, &unset, &session).await;
    };
    let router: Router = Router::new().route("/", get(handler)).layer(sessions);
    let mut request = Request::get("/");
    if comes_with_cookie {
        let secret = if is("old_secret") { OLD } else { NEW };
        let signed = narae_cookie::Secrets::new([secret]).unwrap().sign_cookie(presented.as_str());
        let value = match () {
            () if is("tampered") => {
                let (kept, last) = signed.split_at(signed.len() - 1);
                format!("{kept}{}", if last == "A" { "Q" } else { "A" })
            }
            () if is("unsigned") => presented.as_str().to_owned(),
            () => signed,
        };
        let line = narae_cookie::SetCookie::new("connect.sid", &value).unwrap().to_header().unwrap();
        request = request.header(COOKIE, line.split(';').next().unwrap());
    }
    if is("https") {
        request = request.header("x-forwarded-proto", if is("https_list") { "https, http" } else { "https" });
    }
    let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let is_fresh = finding.try_recv().ok();
    let mut names: Vec<(Id, String)> = vec![(presented.clone(), "presented".into())];
    let mut name = |id: &Id| match names.iter().find(|(known, _)| known == id) {
        Some((_, name)) => name.clone(),
        None => {
            let name = format!("new{}", names.len());
            names.push((id.clone(), name.clone()));
            name
        }
    };
    let store_calls = spy.take().iter().map(|(call, id)| format!("{call}:{}", name(id))).collect();
    let lines: Vec<_> = response.headers().get_all(SET_COOKIE).into_iter().collect();
    let cookie = lines.first().map(|line| cookie(line.to_str().unwrap(), lines.len(), &mut name));
    let mut remaining_ids = Vec::new();
    for (id, name) in &names {
        if spy.holds(id).await {
            remaining_ids.push(name.clone());
        }
    }
    Observed {
        store_calls,
        cookie,
        has_session: is_fresh.map(|_| true),
        session_is_fresh: is_fresh,
        status: response.status().as_u16(),
        remaining_ids,
    }
}

fn cookie(line: &str, count: usize, name: &mut impl FnMut(&Id) -> String) -> Cookie {
    let secrets = [NEW, OLD].map(|secret| narae_cookie::Secrets::new([secret]).unwrap());
    let (pair, attributes) = line.split_once("; ").unwrap();
    let value = narae_cookie::find([pair.as_bytes()], "connect.sid").unwrap();
    let signed_with = secrets.iter().position(|secret| secret.verify_cookie(&value).is_some()).unwrap();
    let sid = secrets[signed_with].verify_cookie(&value).unwrap().value;
    let without_time = |attribute: &str| match attribute.split_once('=') {
        Some(("Expires", _)) => "Expires".to_owned(),
        _ => attribute.to_owned(),
    };
    Cookie {
        sid: name(&Id::parse(sid).unwrap()),
        signed_with,
        attrs: attributes.split("; ").map(without_time).collect(),
        count,
    }
}

/// Does what the handler of the scenario did on Node.
async fn act(scenario: &str, unset: &str, session: &Session) {
    let views = || session.get::<u64>("views").unwrap().unwrap_or(0);
    let modify = || session.insert("views", &(views() + 1)).unwrap();
    match scenario {
        "existing_modified_nested" => {
            session.insert("cart", &serde_json::json!({"items": [1, 2, 3]})).unwrap();
        }
        "existing_modified_then_reverted" => {
            modify();
            session.insert("views", &3).unwrap();
        }
        "existing_key_order_changed" => {
            let views: Option<u64> = session.remove("views").unwrap();
            session.insert("views", &views).unwrap();
        }
        "existing_cookie_maxage_changed" => session.remember_for(Duration::from_secs(5)).unwrap(),
        "existing_explicit_touch" => session.touch(),
        "existing_explicit_save_unmodified" | "new_explicit_save_unmodified" => session.save().await.unwrap(),
        "existing_explicit_save_modified" | "new_explicit_save_modified" => {
            modify();
            session.save().await.unwrap();
        }
        "existing_save_then_modified_again" => {
            modify();
            session.save().await.unwrap();
            modify();
        }
        "existing_reload" => session.reload().await.unwrap(),
        "existing_modified_then_reload" => {
            modify();
            session.reload().await.unwrap();
        }
        "destroyed" | "destroyed_new" => session.destroy().await.unwrap(),
        "destroyed_after_modification" => {
            modify();
            session.destroy().await.unwrap();
        }
        "regenerated" | "regenerated_new" => session.regenerate().unwrap(),
        "regenerated_modified" => {
            session.regenerate().unwrap();
            modify();
        }
        "regenerated_then_save" => {
            session.regenerate().unwrap();
            session.save().await.unwrap();
        }
        "session_set_null" | "session_deleted" | "new_session_set_null" if unset == "destroy" => {
            session.destroy().await.unwrap();
        }
        "session_set_null" | "session_deleted" | "new_session_set_null" => session.discard(),
        "store_set_error" => modify(),
        // The head is sent when the handler is done, so nothing can be written after it.
        name if name.ends_with("after_headers_sent") => {}
        name if name.starts_with("secure_") || name.starts_with("samesite_") => modify(),
        name if name.ends_with("modified") && !name.ends_with("unmodified") => modify(),
        _ => {}
    }
}
