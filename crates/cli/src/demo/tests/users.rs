//! Each verb on `/api/users`, and each way to get it wrong.

use super::*;

#[tokio::test]
async fn a_new_file_starts_with_three_users_newest_first() {
    let site = Site::new();
    let answer = site.get("/api/users").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/json");
    let users = answer.json();
    let ids: Vec<_> = users.as_array().unwrap().iter().map(|user| user["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [3, 2, 1]);
    assert_eq!(users[0]["name"], "김나래");
    assert_eq!(users[2]["email"], Value::Null);
}

#[tokio::test]
async fn post_creates_a_user_and_says_where() {
    let site = Site::new();
    let body =
        r#"{"name": "  Nuri ", "email": "nuri@example.com", "role": "pilot", "note": "hi", "starred": true}"#;
    let answer = site.json("POST", "/api/users", body).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(answer.header("location"), "/api/users/4");
    assert_eq!(answer.header("etag"), "\"1\"");
    let user = answer.json();
    assert_eq!(user["name"], "Nuri");
    assert_eq!(user["role"], "pilot");
    assert_eq!(user["starred"], true);
    assert_eq!(user["created_at"], user["updated_at"]);
    let time = user["created_at"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z') && &time[10..11] == "T", "{time}");
    assert_eq!(site.get("/api/users/4").await.json(), user);
}

#[tokio::test]
async fn post_needs_no_more_than_a_name() {
    let user = Site::new().json("POST", "/api/users", r#"{"name": "Nuri"}"#).await.json();
    assert_eq!(user["email"], Value::Null);
    assert_eq!(user["role"], "passenger");
    assert_eq!(user["note"], "");
    assert_eq!(user["starred"], false);
}

#[tokio::test]
async fn get_answers_304_to_a_client_that_has_the_version() {
    let site = Site::new();
    for (sent, status) in
        [("\"1\"", 304), ("W/\"1\"", 304), ("\"0\", \"1\"", 304), ("*", 304), ("\"2\"", 200)]
    {
        let answer = site.send(request("GET", "/api/users/1", &[("if-none-match", sent)], "")).await;
        assert_eq!(answer.status, status, "{sent}");
        assert_eq!(answer.header("etag"), "\"1\"");
        assert_eq!(answer.body.is_empty(), status == 304);
    }
}

#[tokio::test]
async fn put_replaces_the_whole_user() {
    let site = Site::new();
    let answer = site.json("PUT", "/api/users/2", r#"{"name": "Ada", "role": "pilot"}"#).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("etag"), "\"2\"");
    let user = answer.json();
    assert_eq!(user["email"], Value::Null, "what PUT leaves out is gone");
    assert_eq!(user["note"], "");
    assert_eq!(user["version"], 2);
    assert_eq!(site.get("/api/users/2").await.json(), user);
}

#[tokio::test]
async fn put_accepts_what_get_returned_and_changes_nothing() {
    let site = Site::new();
    let before = site.get("/api/users/2").await;
    let answer = site.json("PUT", "/api/users/2", before.text()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json(), before.json(), "the same content keeps its version");
}

#[tokio::test]
async fn patch_changes_only_the_fields_it_names() {
    let site = Site::new();
    let before = site.get("/api/users/2").await.json();
    let user = site.json("PATCH", "/api/users/2", r#"{"starred": true}"#).await.json();
    assert_eq!(user["starred"], true);
    for field in ["id", "name", "email", "role", "note", "created_at"] {
        assert_eq!(user[field], before[field], "{field}");
    }
}

#[tokio::test]
async fn patch_takes_a_field_back_to_its_default_by_null() {
    let site = Site::new();
    let patch = r#"{"email": null, "role": null, "note": null}"#;
    let headers = [("content-type", "application/merge-patch+json")];
    let user = site.send(request("PATCH", "/api/users/2", &headers, patch)).await.json();
    assert_eq!(
        (&user["email"], &user["role"], &user["note"]),
        (&Value::Null, &"passenger".into(), &"".into())
    );
    let problem = site.json("PATCH", "/api/users/2", r#"{"name": null}"#).await;
    let problem = problem.problem(StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["errors"]["name"], "is required");
}

#[tokio::test]
async fn delete_answers_204_once_and_404_afterwards() {
    let site = Site::new();
    let answer = site.send(request("DELETE", "/api/users/3", &[], "")).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(answer.body.is_empty());
    site.send(request("DELETE", "/api/users/3", &[], "")).await.problem(StatusCode::NOT_FOUND);
    let created = site.json("POST", "/api/users", r#"{"name": "Nuri"}"#).await;
    assert_eq!(created.json()["id"], 4, "an id is never given twice");
}

#[tokio::test]
async fn unknown_ids_are_404_for_every_verb() {
    let site = Site::new();
    for id in ["99", "0", "-1", "abc", "99999999999999999999", "%ff", "1%00"] {
        for method in ["GET", "PUT", "PATCH", "DELETE"] {
            let answer = site.json(method, &format!("/api/users/{id}"), r#"{"name": "x"}"#).await;
            answer.problem(StatusCode::NOT_FOUND);
        }
    }
}

#[tokio::test]
async fn a_body_that_is_not_json_is_400() {
    let site = Site::new();
    for body in ["", "{", "{\"name\": }", "\u{0}", "{\"name\": \"\u{1}\"}"] {
        site.json("POST", "/api/users", body).await.problem(StatusCode::BAD_REQUEST);
    }
    let deep = "[".repeat(10_000);
    site.json("PUT", "/api/users/1", &deep).await.problem(StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_body_that_is_not_declared_as_json_is_415() {
    let site = Site::new();
    for headers in
        [&[][..], &[("content-type", "text/plain")], &[("content-type", "application/x-www-form-urlencoded")]]
    {
        for (method, path) in [("POST", "/api/users"), ("PUT", "/api/users/1"), ("PATCH", "/api/users/1")] {
            let answer = site.send(request(method, path, headers, r#"{"name": "Nuri"}"#)).await;
            answer.problem(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            assert!(answer.header("accept-patch").contains("application/merge-patch+json"));
        }
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_413() {
    let site = Site::new();
    let body = format!("{{\"name\": \"{}\"}}", "x".repeat(20_000));
    site.json("POST", "/api/users", &body).await.problem(StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn each_wrong_field_is_named() {
    let site = Site::new();
    let cases = [
        ("{}", "name"),
        (r#"{"name": "  "}"#, "name"),
        (r#"{"name": 7}"#, "name"),
        (r#"{"name": "a\nb"}"#, "name"),
        (r#"{"name": "a", "email": "nobody"}"#, "email"),
        (r#"{"name": "a", "email": "a@b@c"}"#, "email"),
        (r#"{"name": "a", "email": "@b"}"#, "email"),
        (r#"{"name": "a", "email": "a b@c"}"#, "email"),
        (r#"{"name": "a", "role": "captain"}"#, "role"),
        (r#"{"name": "a", "role": []}"#, "role"),
        (r#"{"name": "a", "note": "\u0007"}"#, "note"),
        (r#"{"name": "a", "starred": "yes"}"#, "starred"),
        (r#"{"name": "a", "nmae": "b"}"#, "nmae"),
    ];
    for (body, field) in cases {
        let problem = site.json("POST", "/api/users", body).await.problem(StatusCode::UNPROCESSABLE_ENTITY);
        let errors = problem["errors"].as_object().unwrap();
        assert!(errors.len() == 1 && errors.contains_key(field), "{body}: {problem}");
        assert_eq!(problem["type"], "/about#invalid-user");
    }
    let all = site.json("PUT", "/api/users/1", r#"{"email": 1, "role": 1, "note": 1, "starred": 1}"#).await;
    assert_eq!(all.problem(StatusCode::UNPROCESSABLE_ENTITY)["errors"].as_object().unwrap().len(), 5);
    for body in ["[]", "null", "\"text\""] {
        site.json("POST", "/api/users", body).await.problem(StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(site.get("/api/users").await.json().as_array().unwrap().len(), 3, "nothing was stored");
}

#[tokio::test]
async fn lengths_are_counted_in_characters() {
    let site = Site::new();
    for (field, most) in [("name", 80), ("note", 280)] {
        for (length, status) in [(most, StatusCode::CREATED), (most + 1, StatusCode::UNPROCESSABLE_ENTITY)] {
            let mut user = serde_json::json!({ "name": "a" });
            user[field] = "날".repeat(length).into();
            let answer = site.json("POST", "/api/users", &user.to_string()).await;
            assert_eq!(answer.status, status, "{field} {length}");
        }
    }
}

#[tokio::test]
async fn names_come_back_exactly_whatever_they_hold() {
    let site = Site::new();
    let names = [
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "Robert'); DROP TABLE users;--",
        "안녕 나래",
        "👩‍🚀 🇰🇷",
        "مرحبا",
        "{{main}} %s ${x}",
    ];
    for name in names {
        let body = serde_json::json!({ "name": name, "note": format!("{name}\n{name}") }).to_string();
        let created = site.json("POST", "/api/users", &body).await;
        assert_eq!(created.status, StatusCode::CREATED, "{name}");
        let read = site.get(created.header("location")).await;
        assert_eq!(read.json()["name"], name);
        assert_eq!(read.header("content-type"), "application/json");
        assert_eq!(read.header("x-content-type-options"), "nosniff");
    }
    assert_eq!(site.get("/api/users").await.json().as_array().unwrap().len(), 3 + names.len());
}

#[tokio::test]
async fn the_search_looks_at_every_text_in_any_case() {
    let site = Site::new();
    site.json("POST", "/api/users", r#"{"name": "Émile", "note": "100%_"}"#).await;
    let cases = [
        ("ADA", &[2][..]),
        ("example.com", &[3, 2]),
        ("navigator", &[1]),
        ("%EB%82%A0%EA%B0%9C", &[3]), // 날개
        ("%C3%A9mile", &[4]),         // émile
        ("%25_", &[4]),
        ("%25", &[4]),
        ("+swift+", &[2]),
        ("nobody", &[]),
        ("", &[4, 3, 2, 1]),
    ];
    for (search, ids) in cases {
        let users = site.get(&format!("/api/users?q={search}")).await.json();
        let found: Vec<_> =
            users.as_array().unwrap().iter().map(|user| user["id"].as_i64().unwrap()).collect();
        assert_eq!(found, ids, "{search}");
    }
}

#[tokio::test]
async fn a_long_list_links_to_its_next_page() {
    let site = Site::new();
    for number in 0..7 {
        site.json("POST", "/api/users", &format!("{{\"name\": \"pilot {number}\"}}")).await;
    }
    let mut path = "/api/users?q=pilot&limit=3".to_owned();
    let mut seen = Vec::new();
    let pages = loop {
        let answer = site.get(&path).await;
        seen.extend(answer.json().as_array().unwrap().iter().map(|user| user["id"].as_i64().unwrap()));
        match answer.header("link").strip_suffix(">; rel=\"next\"") {
            Some(link) => path = link.trim_start_matches('<').to_owned(),
            None => break seen.len(),
        }
    };
    assert_eq!(pages, 8);
    assert_eq!(seen, [10, 9, 8, 7, 6, 5, 4, 3], "seven pilots by name and one by role");
}

#[tokio::test]
async fn a_listing_that_makes_no_sense_is_400() {
    let site = Site::new();
    for query in ["limit=many", "limit=-1", "before=x", "q=a&q=b"] {
        site.get(&format!("/api/users?{query}")).await.problem(StatusCode::BAD_REQUEST);
    }
    assert_eq!(site.get("/api/users?limit=0").await.json().as_array().unwrap().len(), 1);
}
