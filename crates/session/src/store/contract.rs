//! What every store must do, as code: [`check`] runs it against a store.
//!
//! In: a store that is empty or holds foreign sessions. Out: nothing, or a panic that says which rule is
//! broken. For the tests of stores, those of this crate and yours.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Committed, Store, Update, Updated};
use crate::id::{Handle, Id};
use crate::record::{Change, Json, MaxAge, Values};
use crate::time::Timestamp;

/// Checks every rule of [`Store`] that the store's [abilities](Store::abilities) cover. Needs a tokio runtime
/// with timers, some seconds, and a store that no one else writes to.
///
/// # Panics
/// If a rule is broken, with the rule.
pub async fn check(store: Arc<dyn Store>) {
    assert!(!store.abilities().in_cookie, "a store that keeps no state has no contract to keep");
    records_come_back_as_they_were_written(&*store).await;
    values_of_every_shape_survive(&*store).await;
    an_unknown_id_finds_nothing_and_changes_nothing(&*store).await;
    a_change_touches_only_what_it_names(&*store).await;
    clearing_takes_out_what_the_request_never_saw(&*store).await;
    a_destroyed_session_stays_destroyed(&*store).await;
    a_renewed_session_has_one_id(&*store).await;
    an_update_sees_what_is_there(&*store).await;
    a_touch_moves_the_expiry_alone(&*store).await;
    if store.abilities().created {
        an_expiry_moves_forward_only(&*store).await;
    }
    an_expired_session_is_gone(&*store).await;
    different_keys_written_at_once_all_win(&store).await;
    updates_at_once_lose_no_count(&store).await;
    if store.abilities().users {
        sessions_are_found_by_user(&*store).await;
        a_user_logs_out_everywhere(&*store).await;
        a_session_is_revoked_by_its_own_user_alone(&*store).await;
        who_logs_out_leaves_the_list(&*store).await;
    }
    live_sessions_are_counted(&*store).await;
}

async fn records_come_back_as_they_were_written(store: &dyn Store) {
    let rule = "records come back as they were written";
    let (id, now) = (Id::random(), Timestamp::now());
    let user = store.abilities().users.then(|| Arc::from("유저-1"));
    let change = Change {
        user: user.clone().map(Some),
        max_age: Some(MaxAge::Milliseconds(3_600_000)),
        ..edits(now, &[("name", Some("\"tobi\"")), ("views", Some("3"))])
    };
    create(store, &id, change).await;
    let record = store.load(&id, now).await.expect(rule).expect(rule);
    assert_eq!(sorted(&record.values), [("name", "\"tobi\""), ("views", "3")], "{rule}");
    assert_eq!(record.max_age, MaxAge::Milliseconds(3_600_000), "{rule}");
    if store.abilities().users {
        assert_eq!(record.user, user, "{rule}");
    }
    if store.abilities().created {
        assert_eq!(record.created, Some(now), "{rule}");
        assert_eq!((record.seen, record.expires), (Some(now), soon(now)), "{rule}");
    }
}

async fn values_of_every_shape_survive(store: &dyn Store) {
    let rule = "values of every shape survive";
    let (id, now) = (Id::random(), Timestamp::now());
    let long = format!("\"{}\"", "나래".repeat(20_000));
    let shapes = [
        "null",
        "true",
        "0",
        "-1.5",
        "1e300",
        "18446744073709551615",
        "12345678901234567890123",
        "[]",
        "{}",
        "[[],{}]",
        r#"{"b":1,"a":[{"c":null}]}"#,
        r#""""#,
        r#""\u0000\n\"\\ 한글 😀 \ud83d\ude00""#,
        &long,
    ];
    let keys: Vec<String> = (0..shapes.len()).map(|at| format!("key {at} 'é\" 열쇠")).collect();
    let wanted: Vec<_> = keys.iter().map(String::as_str).zip(shapes).collect();
    let changes: Vec<_> = wanted.iter().map(|&(key, json)| (key, Some(json))).collect();
    create(store, &id, edits(now, &changes)).await;
    let record = store.load(&id, now).await.expect(rule).expect(rule);
    for (key, json) in wanted {
        let found = record.values.find(key).unwrap_or_else(|| panic!("{rule}: {key} is missing"));
        assert!(is_same(found, json), "{rule}: {json} came back as {found}");
    }
}

async fn an_unknown_id_finds_nothing_and_changes_nothing(store: &dyn Store) {
    let rule = "an unknown id finds nothing and changes nothing";
    let now = Timestamp::now();
    for id in [Id::random(), Id::parse("한글 ' \" ; DROP TABLE session --").expect("an id")] {
        assert_eq!(store.load(&id, now).await.expect(rule), None, "{rule}: load");
        let change = edits(now, &[("a", Some("1"))]);
        assert_eq!(store.commit(id.clone(), change.clone()).await.expect(rule), Committed::Gone, "{rule}");
        let renewed = store.renew(id.clone(), Id::random(), change).await.expect(rule);
        assert_eq!(renewed, Committed::Gone, "{rule}: renew");
        assert!(!store.touch(id.clone(), now, soon(now)).await.expect(rule), "{rule}: touch");
        assert!(!store.destroy(id.clone()).await.expect(rule), "{rule}: destroy");
        let updated = store.update(id.clone(), increment("a", now)).await.expect(rule);
        assert_eq!(updated, Updated::Gone, "{rule}: update");
        assert_eq!(store.load(&id, now).await.expect(rule), None, "{rule}: load after all that");
    }
}

async fn a_change_touches_only_what_it_names(store: &dyn Store) {
    let rule = "a change touches only what it names";
    let (id, now) = (Id::random(), Timestamp::now());
    create(store, &id, edits(now, &[("a", Some("1")), ("b", Some("2")), ("c", Some("3"))])).await;
    let change = edits(now, &[("b", None), ("c", Some("[4]")), ("d", Some("\"new\"")), ("e", None)]);
    commit(store, &id, change).await;
    assert_eq!(values(store, &id).await, [("a", "1"), ("c", "[4]"), ("d", "\"new\"")].map(owned), "{rule}");
}

async fn clearing_takes_out_what_the_request_never_saw(store: &dyn Store) {
    let rule = "clearing takes out what the request never saw";
    let (id, now) = (Id::random(), Timestamp::now());
    create(store, &id, edits(now, &[("a", Some("1"))])).await;
    commit(store, &id, edits(now, &[("unseen", Some("1"))])).await;
    commit(store, &id, Change { clear: true, ..edits(now, &[("b", Some("2"))]) }).await;
    assert_eq!(values(store, &id).await, [("b", "2")].map(owned), "{rule}");
}

async fn a_destroyed_session_stays_destroyed(store: &dyn Store) {
    let rule = "a destroyed session stays destroyed";
    let (id, now) = (Id::random(), Timestamp::now());
    create(store, &id, edits(now, &[("a", Some("1"))])).await;
    assert!(store.destroy(id.clone()).await.expect(rule), "{rule}: it was there");
    let change = edits(now, &[("a", Some("2"))]);
    assert_eq!(store.commit(id.clone(), change.clone()).await.expect(rule), Committed::Gone, "{rule}");
    let renewed = store.renew(id.clone(), Id::random(), change).await.expect(rule);
    assert_eq!(renewed, Committed::Gone, "{rule}: renew");
    assert!(!store.touch(id.clone(), now, soon(now)).await.expect(rule), "{rule}: touch");
    let updated = store.update(id.clone(), increment("a", now)).await.expect(rule);
    assert_eq!(updated, Updated::Gone, "{rule}: update");
    assert_eq!(store.load(&id, now).await.expect(rule), None, "{rule}: load");
    assert!(!store.destroy(id).await.expect(rule), "{rule}: a second time");
}

async fn a_renewed_session_has_one_id(store: &dyn Store) {
    let rule = "a renewed session has one id";
    let (old, new, now) = (Id::random(), Id::random(), Timestamp::now());
    create(store, &old, edits(now, &[("cart", Some("[1]"))])).await;
    commit(store, &old, edits(now, &[("unseen", Some("true"))])).await;
    let renewed =
        store.renew(old.clone(), new.clone(), edits(now, &[("user", Some("7"))])).await.expect(rule);
    assert!(matches!(renewed, Committed::Done(_)), "{rule}");
    assert_eq!(store.load(&old, now).await.expect(rule), None, "{rule}: the old one is dead");
    let expected = [("cart", "[1]"), ("unseen", "true"), ("user", "7")].map(owned);
    assert_eq!(values(store, &new).await, expected, "{rule}: nothing is left behind");
    let change = edits(now, &[("late", Some("1"))]);
    assert_eq!(store.commit(old, change).await.expect(rule), Committed::Gone, "{rule}: a late commit");
}

async fn an_update_sees_what_is_there(store: &dyn Store) {
    let rule = "an update sees what is there";
    let (id, now) = (Id::random(), Timestamp::now());
    create(store, &id, edits(now, &[("other", Some("1"))])).await;
    for expected in ["1", "2"] {
        let updated = store.update(id.clone(), increment("count", now)).await.expect(rule);
        assert_eq!(updated, Updated::Done(Some(expected.into()), None), "{rule}");
    }
    let refusing = Update { make: Arc::new(|_| Err("not that".into())), ..increment("count", now) };
    let updated = store.update(id.clone(), refusing).await.expect(rule);
    assert_eq!(updated, Updated::Refused("not that".into()), "{rule}: a refusal");
    assert_eq!(values(store, &id).await, [("count", "2"), ("other", "1")].map(owned), "{rule}");
    let removing = Update { make: Arc::new(|_| Ok(None)), ..increment("count", now) };
    store.update(id.clone(), removing).await.expect(rule);
    assert_eq!(values(store, &id).await, [("other", "1")].map(owned), "{rule}: taken out");
}

async fn a_touch_moves_the_expiry_alone(store: &dyn Store) {
    let rule = "a touch moves the expiry alone";
    let (id, now) = (Id::random(), Timestamp::now());
    create(store, &id, edits(now, &[("a", Some("1"))])).await;
    let (later, then) = (now.after(Duration::from_secs(10)), now.after(Duration::from_secs(7200)));
    assert!(store.touch(id.clone(), later, then).await.expect(rule), "{rule}");
    let record = store.load(&id, now).await.expect(rule).expect(rule);
    assert_eq!(sorted(&record.values), [("a", "1")], "{rule}");
    if store.abilities().created {
        assert_eq!((record.created, record.seen), (Some(now), Some(later)), "{rule}");
        assert_eq!(record.expires, then, "{rule}");
        let after_the_first = now.after(Duration::from_secs(3601));
        assert!(store.load(&id, after_the_first).await.expect(rule).is_some(), "{rule}");
    }
}

async fn an_expiry_moves_forward_only(store: &dyn Store) {
    let rule = "an expiry moves forward only, unless the lifetime is said anew";
    let (id, now) = (Id::random(), Timestamp::now());
    let month = now.after(Duration::from_secs(30 * 86_400));
    create(store, &id, edits(now, &[("a", Some("1"))])).await;
    let remembered = Some(MaxAge::Milliseconds(30 * 86_400_000));
    commit(store, &id, Change { max_age: remembered, expires: month, ..edits(now, &[]) }).await;
    // What requests do that read the session before.
    commit(store, &id, edits(now, &[("b", Some("2"))])).await;
    assert!(store.touch(id.clone(), now, soon(now)).await.expect(rule), "{rule}");
    store.update(id.clone(), increment("count", now)).await.expect(rule);
    let record = store.load(&id, now).await.expect(rule).expect(rule);
    assert_eq!((record.expires, record.max_age), (month, MaxAge::Milliseconds(30 * 86_400_000)), "{rule}");
    let in_a_day = now.after(Duration::from_secs(86_400));
    assert!(store.load(&id, in_a_day).await.expect(rule).is_some(), "{rule}");
    commit(store, &id, Change { max_age: Some(MaxAge::Configured), ..edits(now, &[]) }).await;
    let record = store.load(&id, now).await.expect(rule).expect(rule);
    assert_eq!(record.expires, soon(now), "{rule}: it is");
}

async fn an_expired_session_is_gone(store: &dyn Store) {
    let rule = "an expired session is gone";
    let (id, now) = (Id::random(), Timestamp::now());
    let brief = now.after(Duration::from_millis(300));
    let max_age = Some(MaxAge::Milliseconds(300));
    create(store, &id, Change { expires: brief, max_age, ..edits(now, &[("a", Some("1"))]) }).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while store.load(&id, Timestamp::now()).await.expect(rule).is_some() {
        assert!(Instant::now() < deadline, "{rule}: it still lives");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let now = Timestamp::now();
    let change = edits(now, &[("a", Some("2"))]);
    assert_eq!(store.commit(id.clone(), change.clone()).await.expect(rule), Committed::Gone, "{rule}");
    let renewed = store.renew(id.clone(), Id::random(), change).await.expect(rule);
    assert_eq!(renewed, Committed::Gone, "{rule}: renew");
    assert!(!store.touch(id.clone(), now, soon(now)).await.expect(rule), "{rule}: touch");
    let updated = store.update(id.clone(), increment("a", now)).await.expect(rule);
    assert_eq!(updated, Updated::Gone, "{rule}: update");
    while store.sweep(Timestamp::now()).await.expect(rule) > 0 {}
    assert_eq!(store.load(&id, Timestamp::now()).await.expect(rule), None, "{rule}: after the sweep");
}

async fn different_keys_written_at_once_all_win(store: &Arc<dyn Store>) {
    let rule = "different keys written at once all win";
    let (id, now) = (Id::random(), Timestamp::now());
    create(&**store, &id, edits(now, &[])).await;
    let keys: Vec<String> = (0..32).map(|at| format!("key{at:02}")).collect();
    let mut writers = tokio::task::JoinSet::new();
    for key in keys.clone() {
        let (store, id) = (Arc::clone(store), id.clone());
        writers.spawn(async move { commit(&*store, &id, edits(now, &[(&key, Some("1"))])).await });
    }
    writers.join_all().await;
    let found = values(&**store, &id).await;
    assert_eq!(found.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), keys, "{rule}");
}

async fn updates_at_once_lose_no_count(store: &Arc<dyn Store>) {
    let rule = "updates at once lose no count";
    let (id, now) = (Id::random(), Timestamp::now());
    create(&**store, &id, edits(now, &[])).await;
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (store, id) = (Arc::clone(store), id.clone());
        writers.spawn(async move {
            for _ in 0..8 {
                let updated = store.update(id.clone(), increment("count", now)).await.expect(rule);
                assert!(matches!(updated, Updated::Done(Some(_), _)), "{rule}: {updated:?}");
            }
        });
    }
    writers.join_all().await;
    assert_eq!(values(&**store, &id).await, [("count", "128")].map(owned), "{rule}");
}

async fn sessions_are_found_by_user(store: &dyn Store) {
    let rule = "sessions are found by user";
    let user = format!("anna {}", Id::random().as_str());
    let now = Timestamp::now();
    let mut expected = Vec::new();
    for place in 0..3 {
        let id = Id::random();
        let at = now.after(Duration::from_millis(place));
        let device = place.to_string();
        login(store, &id, &user, Change { now: at, ..edits(at, &[("device", Some(&device))]) }).await;
        expected.insert(0, (id.handle(), device));
    }
    login(store, &Id::random(), "someone else", edits(now, &[])).await;
    let listed = store.sessions_of(&user, now).await.expect(rule);
    let device = |values: &Values| values.find("device").map(ToString::to_string).unwrap_or_default();
    let found: Vec<_> = listed.iter().map(|listed| (listed.handle, device(&listed.record.values))).collect();
    assert_eq!(found, expected, "{rule}, the youngest first");
    assert!(listed.iter().all(|listed| listed.record.user.as_deref() == Some(&*user)), "{rule}");
    let in_a_day = now.after(Duration::from_secs(86_400));
    assert_eq!(store.sessions_of(&user, in_a_day).await.expect(rule), [], "{rule}: expired ones are not");
    assert_eq!(store.sessions_of("nobody", now).await.expect(rule), [], "{rule}");
}

async fn a_user_logs_out_everywhere(store: &dyn Store) {
    let rule = "a user logs out everywhere";
    let user = format!("bert {}", Id::random().as_str());
    let now = Timestamp::now();
    let ids: Vec<Id> = (0..3).map(|_| Id::random()).collect();
    for id in &ids {
        login(store, id, &user, edits(now, &[])).await;
    }
    let stranger = Id::random();
    login(store, &stranger, &format!("{user}, not"), edits(now, &[])).await;
    assert_eq!(store.destroy_all_of(&user, Some(ids[0].handle())).await.expect(rule), 2, "{rule}");
    assert!(store.load(&ids[0], now).await.expect(rule).is_some(), "{rule}, but here");
    for id in &ids[1..] {
        assert_eq!(store.load(id, now).await.expect(rule), None, "{rule}");
        let change = edits(now, &[("a", Some("1"))]);
        assert_eq!(store.commit(id.clone(), change).await.expect(rule), Committed::Gone, "{rule}");
    }
    assert_eq!(store.destroy_all_of(&user, None).await.expect(rule), 1, "{rule}: the last one");
    assert_eq!(store.load(&ids[0], now).await.expect(rule), None, "{rule}: the last one");
    assert!(store.load(&stranger, now).await.expect(rule).is_some(), "{rule}, others stay");
}

async fn a_session_is_revoked_by_its_own_user_alone(store: &dyn Store) {
    let rule = "a session is revoked by its own user alone";
    let user = format!("cora {}", Id::random().as_str());
    let (id, now) = (Id::random(), Timestamp::now());
    login(store, &id, &user, edits(now, &[])).await;
    assert!(!store.revoke("somebody else", id.handle()).await.expect(rule), "{rule}");
    assert!(store.load(&id, now).await.expect(rule).is_some(), "{rule}");
    assert!(store.revoke(&user, id.handle()).await.expect(rule), "{rule}");
    assert_eq!(store.load(&id, now).await.expect(rule), None, "{rule}");
    assert!(!store.revoke(&user, id.handle()).await.expect(rule), "{rule}: a second time");
    let unknown = Handle::from_bytes(&[7; Handle::BYTES]).expect("a handle");
    assert!(!store.revoke(&user, unknown).await.expect(rule), "{rule}: an unknown one");
}

async fn who_logs_out_leaves_the_list(store: &dyn Store) {
    let rule = "who logs out, or becomes someone else, leaves the list";
    let user = format!("dora {}", Id::random().as_str());
    let now = Timestamp::now();
    let [first, second, renewed] = [Id::random(), Id::random(), Id::random()];
    login(store, &first, &user, edits(now, &[])).await;
    login(store, &second, &user, edits(now, &[])).await;
    commit(store, &first, Change { user: Some(None), ..edits(now, &[]) }).await;
    let found = store.sessions_of(&user, now).await.expect(rule);
    assert_eq!(found.iter().map(|listed| listed.handle).collect::<Vec<_>>(), [second.handle()], "{rule}");
    let change = Change { user: Some(Some("emma".into())), ..edits(now, &[]) };
    store.renew(second, renewed.clone(), change).await.expect(rule);
    assert_eq!(store.sessions_of(&user, now).await.expect(rule), [], "{rule}");
    let emma = store.sessions_of("emma", now).await.expect(rule);
    assert!(emma.iter().any(|listed| listed.handle == renewed.handle()), "{rule}");
    assert_eq!(store.destroy_all_of(&user, None).await.expect(rule), 0, "{rule}");
    assert!(store.load(&first, now).await.expect(rule).is_some(), "{rule}: the session itself stays");
}

async fn live_sessions_are_counted(store: &dyn Store) {
    let rule = "live sessions are counted";
    let now = Timestamp::now();
    let before = store.count(now).await.expect(rule);
    let ids: Vec<Id> = (0..3).map(|_| Id::random()).collect();
    for id in &ids {
        create(store, id, edits(now, &[])).await;
    }
    assert_eq!(store.count(now).await.expect(rule), before + 3, "{rule}");
    store.destroy(ids[0].clone()).await.expect(rule);
    assert_eq!(store.count(now).await.expect(rule), before + 2, "{rule}");
}

fn soon(now: Timestamp) -> Timestamp {
    now.after(Duration::from_secs(3600))
}

fn edits(now: Timestamp, edits: &[(&str, Option<&str>)]) -> Change {
    let edits = edits.iter().map(|(key, json)| ((*key).into(), json.map(Into::into))).collect();
    Change { edits, ..Change::nothing(now, soon(now)) }
}

fn increment(key: &str, now: Timestamp) -> Update {
    let make = |old: Option<&str>| {
        let old: u64 = old.map_or(Ok(0), str::parse).map_err(|_| Arc::from("no number"))?;
        Ok(Some(Json::from((old + 1).to_string())))
    };
    Update { key: key.into(), make: Arc::new(make), now, expires: soon(now) }
}

async fn create(store: &dyn Store, id: &Id, change: Change) {
    let created = store.create(id.clone(), change).await.expect("a new session is kept");
    assert_eq!(created, Committed::Done(None), "a new session is kept");
}

async fn login(store: &dyn Store, id: &Id, user: &str, change: Change) {
    create(store, id, Change { user: Some(Some(user.into())), ..change }).await;
}

async fn commit(store: &dyn Store, id: &Id, change: Change) {
    let committed = store.commit(id.clone(), change).await.expect("a change is kept");
    assert_eq!(committed, Committed::Done(None), "a change to a live session is kept");
}

async fn values(store: &dyn Store, id: &Id) -> Vec<(String, String)> {
    let record = store.load(id, Timestamp::now()).await.expect("a live session is read");
    let record = record.expect("a live session is there");
    sorted(&record.values).into_iter().map(owned).collect()
}

fn sorted(values: &Values) -> Vec<(&str, &str)> {
    let mut sorted: Vec<_> = values.iter().map(|(key, json)| (key, &**json)).collect();
    sorted.sort_unstable();
    sorted
}

fn owned((key, json): (&str, &str)) -> (String, String) {
    (key.to_owned(), json.to_owned())
}

/// Whether two JSON texts say the same; numbers must be the same text.
fn is_same(found: &str, expected: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    found == expected
        || (parse(found) == parse(expected) && !expected.starts_with(|first: char| first.is_ascii_digit()))
}
