//! What a client sees when a handler fails, and what the log keeps.

use std::io;
use std::sync::Arc;

use narae::Failure;
use narae::prelude::*;

use crate::messages;
use crate::site::Site;

const SECRET: &str = "password=hunter2";

fn router() -> Router {
    async fn fails() -> HandlerResult<Html<&'static str>> {
        Err(io::Error::other(SECRET))?;
        Ok(Html("never"))
    }
    async fn boom() -> &'static str {
        panic!("{SECRET}")
    }
    async fn own_page() -> Response {
        let mut response = (StatusCode::SERVICE_UNAVAILABLE, "my own words").into_response();
        response.extensions_mut().insert(Failure(Arc::new(io::Error::other(SECRET))));
        response
    }
    Router::new()
        .route("/", get(|| async { "fine" }))
        .route("/fails", get(fails))
        .route("/boom", get(boom))
        .route("/own", get(own_page))
        .route("/echo", post(|body: String| async { body }))
}

fn site() -> Site {
    Site::quiet(narae::app(router))
}

#[test]
fn an_error_becomes_a_page_without_it_and_a_message_with_it() {
    let site = site();
    let answer = site.client().get_with("/fails?token=abc", "x-request-id: error-1\r\n");
    assert_eq!(answer.status, 500);
    assert_eq!(answer.body, "Something went wrong.\nRequest id: error-1\n");
    assert_eq!(answer.header("x-request-id"), Some("error-1"));
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    let logged = messages::with("error-1");
    assert_eq!(logged.len(), 1, "{logged:?}");
    for part in ["ERROR", "handler failed", SECRET, "method=GET", "path=/fails"] {
        assert!(logged[0].contains(part), "{part}: {logged:?}");
    }
    assert!(!logged[0].contains("token"), "a query may hold secrets: {logged:?}");
}

#[test]
fn the_page_has_the_form_that_the_client_asks_for() {
    let site = site();
    for (accept, media, start) in [
        ("text/html", "text/html; charset=utf-8", "<!doctype html>"),
        ("application/json", "application/problem+json", "{\"type\":\"about:blank\""),
        ("*/*", "text/plain; charset=utf-8", "Something went wrong."),
    ] {
        let answer =
            site.client().get_with("/fails", &format!("accept: {accept}\r\nx-request-id: form-1\r\n"));
        assert_eq!(answer.header("content-type"), Some(media));
        assert!(answer.body.starts_with(start), "{}", answer.body);
        assert!(answer.body.contains("form-1") && !answer.body.contains(SECRET), "{}", answer.body);
    }
}

#[test]
fn a_panic_becomes_the_same_page_and_the_connection_lives() {
    let site = site();
    let mut client = site.client();
    let answer = client.get_with("/boom", "x-request-id: panic-1\r\naccept: text/html\r\n");
    assert_eq!(answer.status, 500);
    assert!(answer.body.contains("panic-1") && !answer.body.contains(SECRET), "{}", answer.body);
    assert_eq!(answer.header("connection"), None);
    assert_eq!(client.get("/").body, "fine");
    assert_eq!(site.running().counts().panics, 1);
    let logged = messages::with("panic-1");
    assert_eq!(logged.len(), 1, "{logged:?}");
    assert!(logged[0].contains("handler panicked") && logged[0].contains(SECRET), "{logged:?}");
}

#[test]
fn an_id_is_made_where_the_request_has_none_that_can_be_used() {
    let site = site();
    let mut client = site.client();
    let mut ids = Vec::new();
    for headers in ["", "x-request-id: <b>\r\n"] {
        let answer = client.get_with("/fails", headers);
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert!(answer.body.contains(&id) && !answer.body.contains('<'), "{}", answer.body);
        assert_eq!(messages::with(&format!("request_id={id} ")).len(), 1);
        ids.push(id);
    }
    assert_ne!(ids[0], ids[1]);
    assert_eq!(client.get("/").header("x-request-id"), None, "no failure, no id");
}

#[test]
fn an_applications_own_answer_is_kept_and_its_error_logged() {
    let site = site();
    let answer = site.client().get_with("/own", "x-request-id: own-1\r\n");
    assert_eq!((answer.status, &*answer.body), (503, "my own words"));
    assert_eq!(answer.header("x-request-id"), Some("own-1"));
    let logged = messages::with("own-1");
    assert!(logged.len() == 1 && logged[0].contains(SECRET), "{logged:?}");
}

#[test]
fn an_application_may_bring_its_own_page() {
    let app = narae::app(router).error_page(|context| {
        assert_ne!(context.headers().get("accept").unwrap(), "panic", "the page itself panics");
        let text = format!("{} {} {}", context.method(), context.uri(), context.id());
        (StatusCode::IM_A_TEAPOT, text).into_response()
    });
    let site = Site::quiet(app);
    let mut client = site.client();
    for path in ["/fails", "/boom?x"] {
        let answer = client.get_with(path, "accept: a/b\r\nx-request-id: page-1\r\n");
        assert_eq!((answer.status, answer.body), (418, format!("GET {path} page-1")));
    }
    let answer = client.get_with("/fails", "accept: panic\r\nx-request-id: page-2\r\n");
    assert_eq!((answer.status, &*answer.body), (500, "Something went wrong.\nRequest id: page-2\n"));
}

#[test]
fn a_limit_of_the_server_keeps_its_own_answer() {
    let site = Site::quiet(narae::app(router).limits(Limits::default().max_body_bytes(4)));
    let answer = site.client().send("POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello");
    assert_eq!(answer.status, 413);
}
