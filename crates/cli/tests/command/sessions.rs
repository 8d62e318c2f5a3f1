//! `narae sessions`, on a store that this test writes and keeps open, as a server does.

use std::path::Path;
use std::process::Output;
use std::sync::Arc;

use ::narae::session::store::{Embedded, Store};
use ::narae::session::{Change, Handle, Id, Json, Timestamp};

use crate::narae::narae;

/// A store in the place where `narae sessions` looks by itself.
fn store(home: &Path) -> Embedded {
    Embedded::open(home.join("data/sessions")).unwrap().sweep_interval(None)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Keeps a session that ends `seconds` from now; a negative number, before.
fn create(store: &Embedded, user: Option<&str>, seconds: i64, values: &[(&str, &str)]) -> Handle {
    let now = Timestamp::now();
    let expires = Timestamp(now.0.checked_add_signed(seconds * 1000).unwrap());
    let edits = values.iter().map(|&(key, json)| (Arc::from(key), Some(Json::from(json)))).collect();
    let change = Change { user: Some(user.map(Arc::from)), edits, ..Change::nothing(now, expires) };
    let id = Id::random();
    let handle = id.handle();
    block_on(store.create(id, change)).unwrap();
    handle
}

fn run(home: &Path, arguments: &[&str]) -> Output {
    narae(home).arg("sessions").args(arguments).output().unwrap()
}

#[track_caller]
fn out(home: &Path, arguments: &[&str]) -> String {
    let output = run(home, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn fails(home: &Path, arguments: &[&str], code: i32, wants: &[&str]) {
    let output = run(home, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
    for want in wants {
        assert!(said.contains(want), "{arguments:?} did not say {want:?} but: {said}");
    }
}

#[test]
fn sessions_are_counted_listed_and_shown() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path());
    let anna = create(&store, Some("anna"), 60, &[("cart", "[1,\"열\"]"), ("b\"c", "1.50")]);
    let bert = create(&store, Some("bert\u{1b}[2J"), 60, &[]);
    let nobody = create(&store, None, 60, &[("secret", "\"hidden\"")]);
    let expired = create(&store, Some("anna"), -1, &[]);
    assert_eq!(out(home.path(), &["count"]), "3\n");
    let list = out(home.path(), &["list"]);
    for handle in [anna, bert, nobody] {
        assert!(list.contains(&handle.to_string()), "{list}");
    }
    assert!(!list.contains(&expired.to_string()) && !list.contains("hidden"), "{list}");
    assert!(!list.contains('\u{1b}'), "a user's name cannot command a terminal: {list}");
    assert_eq!(out(home.path(), &["list", "--limit", "2"]).lines().count(), 3, "a head and two");
    let of_anna = out(home.path(), &["list", "--user", "anna", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(of_anna.trim_end()).unwrap();
    assert_eq!(listed["handle"], anna.to_string());
    assert_eq!(listed.get("values"), None);
    let shown = out(home.path(), &["show", &anna.to_string()]);
    assert!(shown.contains("{\"cart\":[1,\"열\"],\"b\\\"c\":1.50}"), "{shown}");
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["user"], &shown["version"]), (&"anna".into(), &1.into()));
    fails(home.path(), &["show", &expired.to_string()], 1, &[&expired.to_string()]);
}

#[test]
fn a_revoked_session_is_gone_for_the_server() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path());
    let [first, second] = [0, 1].map(|_| create(&store, Some("anna"), 60, &[]));
    let other = create(&store, Some("bert"), 60, &[]);
    out(home.path(), &["revoke", &first.to_string()]);
    assert_eq!(block_on(store.find(first, Timestamp::now())).unwrap(), None);
    assert!(block_on(store.find(second, Timestamp::now())).unwrap().is_some());
    assert_eq!(out(home.path(), &["revoke", "--user", "anna"]), "1 session of anna ended\n");
    assert_eq!(block_on(store.find(second, Timestamp::now())).unwrap(), None);
    assert!(block_on(store.find(other, Timestamp::now())).unwrap().is_some());
    fails(home.path(), &["revoke", &first.to_string()], 1, &[&first.to_string()]);
    fails(home.path(), &["revoke", "--user", "anna"], 1, &["anna"]);
    assert_eq!(store.contradictions().unwrap(), [""; 0]);
}

#[test]
fn every_session_is_exported() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path());
    let mut expected: Vec<String> =
        (0..1203).map(|number| create(&store, None, 60, &[("n", &number.to_string())]).to_string()).collect();
    expected.sort_unstable();
    let export = out(home.path(), &["export"]);
    let lines = export.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let found: Vec<String> = lines
        .inspect(|line| assert!(line["values"]["n"].is_u64()))
        .map(|line| line["handle"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn expired_sessions_are_swept() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path());
    for number in 0..620 {
        create(&store, None, if number % 2 == 0 { 60 } else { -60 }, &[]);
    }
    assert_eq!(out(home.path(), &["sweep"]), "310 expired sessions forgotten\n");
    assert_eq!(out(home.path(), &["sweep"]), "0 expired sessions forgotten\n");
    assert_eq!(out(home.path(), &["count"]), "310\n");
}

#[test]
fn a_folder_without_a_store_is_2_and_stays_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    for arguments in [&["count"][..], &["list"], &["export"], &["sweep"], &["revoke", "--user", "a"]] {
        fails(home.path(), arguments, 2, &["data/sessions", "Embedded::open"]);
    }
    let empty = home.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    fails(home.path(), &["count", "--data", "empty"], 2, &["empty"]);
    assert_eq!(std::fs::read_dir(&empty).unwrap().count(), 0);
    assert!(!home.path().join("data").exists());
}

#[test]
fn a_store_elsewhere_is_named_with_data() {
    let home = tempfile::tempdir().unwrap();
    let store = Embedded::open(home.path().join("elsewhere")).unwrap();
    create(&store, None, 60, &[]);
    assert_eq!(out(home.path(), &["--data", "elsewhere", "count"]), "1\n");
    assert_eq!(out(home.path(), &["count", "--data", "elsewhere"]), "1\n");
}

#[test]
fn what_is_no_handle_is_2() {
    let home = tempfile::tempdir().unwrap();
    fails(home.path(), &["show", "nonsense"], 2, &["32 hexadecimal digits"]);
    fails(home.path(), &["revoke"], 2, &["--user"]);
}

#[test]
fn a_list_that_nobody_reads_to_its_end_is_no_failure() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path());
    let long = format!("\"{}\"", "x".repeat(10_000));
    for _ in 0..50 {
        create(&store, None, 60, &[("long", &long)]);
    }
    let mut command = narae(home.path());
    let mut child =
        command.args(["sessions", "export"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

#[test]
fn an_output_that_cannot_be_written_is_1() {
    let full = Path::new("/dev/full");
    if !full.exists() {
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path());
    let handle = create(&store, Some("anna"), 60, &[]).to_string();
    for arguments in [
        &["count"][..],
        &["list"],
        &["list", "--user", "anna", "--json"],
        &["show", &handle],
        &["export"],
        &["sweep"],
    ] {
        let out = std::fs::OpenOptions::new().write(true).open(full).unwrap();
        let output = narae(home.path()).arg("sessions").args(arguments).stdout(out).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("the output cannot be written"), "{arguments:?}: {said}");
    }
}

#[test]
fn nothing_that_a_session_holds_commands_a_terminal() {
    let home = tempfile::tempdir().unwrap();
    let store = store(home.path());
    let user = "a\u{9b}2J\u{202e}\u{7f}";
    let value = "열\u{9d}0;title\u{9c}\u{2066}";
    let handle = create(&store, Some(user), 60, &[("key\u{85}", &format!("\"{value}\""))]).to_string();
    for arguments in [&["show", &handle][..], &["export"]] {
        let shown = out(home.path(), arguments);
        let is_bad = |character: char| character.is_control() || "\u{202e}\u{2066}".contains(character);
        assert!(!shown.trim_end_matches('\n').contains(is_bad), "{shown:?}");
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!((&shown["user"], &shown["values"]["key\u{85}"]), (&user.into(), &value.into()));
    }
    assert!(!out(home.path(), &["list"]).contains('\u{9b}'));
}

#[test]
fn the_commands_are_taught() {
    let home = tempfile::tempdir().unwrap();
    let help = out(home.path(), &["--help"]);
    for want in ["count", "list", "show", "revoke", "export", "sweep", "--data", "data/sessions"] {
        assert!(help.contains(want), "{want} is not in:\n{help}");
    }
}
