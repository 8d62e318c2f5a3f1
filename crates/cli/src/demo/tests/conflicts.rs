//! Two clients, one user: `If-Match` (RFC 9110 §13.1.1).

use super::*;

async fn change(site: &Site, method: &str, path: &str, tag: &str) -> Answer {
    let headers = [("content-type", "application/json"), ("if-match", tag)];
    site.send(request(method, path, &headers, r#"{"name": "mine"}"#)).await
}

#[tokio::test]
async fn a_change_goes_through_when_the_version_still_stands() {
    for method in ["PUT", "PATCH", "DELETE"] {
        for tag in ["\"1\"", "*", "\"7\", \"1\""] {
            let site = Site::new();
            assert!(change(&site, method, "/api/users/2", tag).await.status.is_success(), "{method} {tag}");
        }
    }
}

#[tokio::test]
async fn a_change_for_an_older_version_is_412_and_shows_the_newer_one() {
    let site = Site::new();
    site.json("PATCH", "/api/users/2", r#"{"note": "theirs"}"#).await;
    for method in ["PUT", "PATCH", "DELETE"] {
        let answer = change(&site, method, "/api/users/2", "\"1\"").await;
        let problem = answer.problem(StatusCode::PRECONDITION_FAILED);
        assert_eq!(problem["type"], "/about#stale-edit");
        assert_eq!(problem["current"]["note"], "theirs");
        assert_eq!(answer.header("etag"), "\"2\"");
    }
    assert_eq!(site.get("/api/users/2").await.json()["name"], "Ada Swift", "nothing was overwritten");
}

#[tokio::test]
async fn weak_and_broken_tags_never_match() {
    let site = Site::new();
    for tag in ["W/\"1\"", "1", "\"1", "\"1\" \"1\"", "\"one\"", "\"01\"", "\"+1\"", "\"\"", ""] {
        change(&site, "PUT", "/api/users/2", tag).await.problem(StatusCode::PRECONDITION_FAILED);
    }
}

#[tokio::test]
async fn a_missing_user_is_404_before_any_condition() {
    change(&Site::new(), "PUT", "/api/users/99", "\"1\"").await.problem(StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn of_two_writers_with_the_same_version_one_wins() {
    let site = Site::new();
    let twin = site.twin();
    let headers = [("content-type", "application/json"), ("if-match", "\"1\"")];
    for round in 1..=20 {
        let path = format!("/api/users/{}", round + 3);
        site.json("POST", "/api/users", r#"{"name": "new"}"#).await;
        let one = site.send(request("PUT", &path, &headers, r#"{"name": "one"}"#));
        let two = send(&twin, request("PUT", &path, &headers, r#"{"name": "two"}"#));
        let (one, two) = tokio::join!(one, two);
        let mut statuses = [one.status.as_u16(), two.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 412]);
        assert_eq!(site.get(&path).await.json()["version"], 2);
    }
}
