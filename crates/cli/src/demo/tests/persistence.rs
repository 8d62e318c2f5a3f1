//! What is in the file stays in the file, also with several at it.

use std::fs;
use std::thread;

use rusqlite::Connection;

use super::*;

#[tokio::test]
async fn users_survive_a_restart() {
    let site = Site::new();
    site.json("PATCH", "/api/users/1", r#"{"name": "여전히"}"#).await;
    site.send(request("DELETE", "/api/users/2", &[], "")).await;
    let before = site.get("/api/users").await.json();
    drop(site.router);
    let reopened = router(&site.folder, INSPECT, Arc::new(Alone));
    let after = send(&reopened, request("GET", "/api/users", &[], "")).await.json();
    assert_eq!(after, before, "nothing is lost, and the first users do not come back");
}

#[tokio::test]
async fn an_emptied_board_stays_empty() {
    let site = Site::new();
    for id in 1..=3 {
        site.send(request("DELETE", &format!("/api/users/{id}"), &[], "")).await;
    }
    let answer = send(&site.twin(), request("GET", "/api/users", &[], "")).await;
    assert_eq!(answer.text(), "[]");
}

#[tokio::test]
async fn one_store_sees_what_another_wrote() {
    let site = Site::new();
    let twin = site.twin();
    for number in 0..10 {
        let path = site.json("POST", "/api/users", &format!("{{\"name\": \"n{number}\"}}")).await;
        let seen = send(&twin, request("GET", path.header("location"), &[], "")).await;
        assert_eq!(seen.json()["name"], format!("n{number}"));
    }
}

#[tokio::test]
async fn two_stores_write_at_once_and_lose_nothing() {
    let site = Site::new();
    let twin = site.twin();
    let mut writes = tokio::task::JoinSet::new();
    for number in 0..100 {
        let router = if number % 2 == 0 { site.router.clone() } else { twin.clone() };
        writes.spawn(async move {
            let body = format!("{{\"name\": \"n{number}\"}}");
            let headers = [("content-type", "application/json")];
            send(&router, request("POST", "/api/users", &headers, &body)).await.status
        });
    }
    for status in writes.join_all().await {
        assert_eq!(status, StatusCode::CREATED);
    }
    let users = site.get("/api/users?limit=500").await.json();
    assert_eq!(users.as_array().unwrap().len(), 103);
}

#[test]
fn many_that_open_a_new_file_at_once_create_it_once() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("demo.db");
        thread::scope(|scope| {
            let opened: Vec<_> = (0..8).map(|_| scope.spawn(|| Store::open(&path))).collect();
            for store in opened {
                store.join().unwrap().unwrap();
            }
        });
        let connection = Connection::open(&path).unwrap();
        let count: i64 = connection.query_row("SELECT count(*) FROM users", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 3);
    }
}

#[test]
fn the_file_has_a_write_ahead_log() {
    let site = Site::new();
    let connection = Connection::open(site.folder.path().join("demo.db")).unwrap();
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

/// Opens `path` and returns why that failed.
fn refusal(path: &std::path::Path) -> String {
    let message = Store::open(path).err().expect("the file is refused").to_string();
    assert!(message.contains(&path.display().to_string()), "{message}");
    message
}

#[test]
fn a_file_that_cannot_be_opened_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    for path in [folder.path().join("missing/demo.db"), folder.path().to_owned()] {
        let message = refusal(&path);
        assert!(message.contains("check that its folder exists"), "{message}");
    }
}

#[test]
fn a_file_of_another_program_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("letter.txt");
    fs::write(&text, "Dear Nuri, ".repeat(100)).unwrap();
    let before = fs::read(&text).unwrap();
    refusal(&text);
    assert_eq!(fs::read(&text).unwrap(), before);

    let other = folder.path().join("other.db");
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    let before = fs::read(&other).unwrap();
    assert!(refusal(&other).contains("another program"));
    assert_eq!(fs::read(&other).unwrap(), before);
}

#[test]
fn a_file_of_a_later_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.db");
    drop(Store::open(&path).unwrap());
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let message = refusal(&path);
    assert!(message.contains("99") && message.contains("update narae"), "{message}");
}
