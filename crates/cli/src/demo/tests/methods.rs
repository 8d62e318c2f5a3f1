//! `OPTIONS`, `HEAD` and `405` on every route (RFC 9110 §9.3.2, §9.3.7, §15.5.6).

use super::*;

/// Each kind of route, and what it answers to.
const ROUTES: [(&str, &str); 8] = [
    ("/", "GET, HEAD, OPTIONS"),
    ("/about", "GET, HEAD, OPTIONS"),
    ("/style.css", "GET, HEAD, OPTIONS"),
    ("/connection", "GET, HEAD, OPTIONS"),
    ("/api/connection", "GET, HEAD, OPTIONS"),
    ("/fail", "GET, HEAD, OPTIONS"),
    ("/api/users", "GET, HEAD, POST, OPTIONS"),
    ("/api/users/1", "GET, HEAD, PUT, PATCH, DELETE, OPTIONS"),
];

#[tokio::test]
async fn options_lists_the_methods_of_every_route() {
    let site = Site::new();
    for (path, allow) in ROUTES {
        let answer = site.send(request("OPTIONS", path, &[], "")).await;
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{path}");
        assert_eq!(answer.header("allow"), allow, "{path}");
        assert!(answer.body.is_empty());
        assert!(!answer.headers.contains_key("content-type"));
    }
}

#[tokio::test]
async fn the_routes_with_sessions_say_theirs_too() {
    let site = Site::new();
    for (path, allow) in [("/account", "GET, HEAD, OPTIONS"), ("/account/logout", "POST, OPTIONS")] {
        for (method, status) in [("OPTIONS", StatusCode::NO_CONTENT), ("PUT", StatusCode::METHOD_NOT_ALLOWED)]
        {
            let answer = site.send(request(method, path, &[], "")).await;
            assert_eq!((answer.status, answer.header("allow")), (status, allow), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn another_method_is_405_with_the_same_allow() {
    let site = Site::new();
    for (path, allow) in ROUTES {
        for method in ["TRACE", "PROPFIND"] {
            let answer = site.send(request(method, path, &[], "")).await;
            answer.problem(StatusCode::METHOD_NOT_ALLOWED);
            assert_eq!(answer.header("allow"), allow, "{path}");
        }
    }
    site.json("POST", "/api/users/1", "{}").await.problem(StatusCode::METHOD_NOT_ALLOWED);
    site.json("DELETE", "/api/users", "{}").await.problem(StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn options_of_an_unknown_address_is_404() {
    let site = Site::new();
    for path in ["/nowhere", "/api/nothing", "*"] {
        site.send(request("OPTIONS", path, &[], "")).await.problem(StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let site = Site::new();
    for path in ROUTES.map(|(path, _)| path).into_iter().chain(["/nowhere", "/api/users/99"]) {
        for accept in ["text/html", "*/*"] {
            let get = site.send(request("GET", path, &[("accept", accept)], "")).await;
            let head = site.send(request("HEAD", path, &[("accept", accept)], "")).await;
            assert_eq!(head.status, get.status, "{path}");
            assert_eq!(head.headers, get.headers, "{path}");
            assert_eq!(head.header("content-length"), get.body.len().to_string(), "{path}");
            assert!(head.body.is_empty() && !get.body.is_empty(), "{path}");
        }
    }
}
