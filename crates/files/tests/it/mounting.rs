//! Holds `Files` inside an axum router: as its fallback, and nested under a prefix.

use axum::{Router, body::Body};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use tower::ServiceExt;

use crate::site::Site;

async fn ask(app: Router, method: Method, target: &str, headers: &[(&str, &str)]) -> Response<Vec<u8>> {
    let request = Request::builder().method(method).uri(target);
    let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    let response = app.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    Response::from_parts(parts, body.collect().await.unwrap().to_bytes().to_vec())
}

#[tokio::test]
async fn serves_what_no_route_takes() {
    let site = Site::new();
    let app =
        Router::new().route("/api", axum::routing::get(|| async { "api" })).fallback_service(site.files());
    assert_eq!(ask(app.clone(), Method::GET, "/api", &[]).await.body(), b"api");
    assert_eq!(ask(app.clone(), Method::GET, "/hello.txt", &[]).await.body(), b"hello, world");
    assert_eq!(ask(app, Method::GET, "/missing", &[]).await.status(), 404);
}

#[tokio::test]
async fn a_nested_folder_redirects_under_its_prefix() {
    let site = Site::new();
    let app = Router::new().nest_service("/static", site.files());
    assert_eq!(ask(app.clone(), Method::GET, "/static/docs/", &[]).await.body(), b"<h1>docs</h1>");
    let response = ask(app, Method::GET, "/static/docs?q=1", &[]).await;
    assert_eq!(response.status(), 301);
    // Resolved against /static/docs this is /static/docs/?q=1 (RFC 3986 §5.2).
    assert_eq!(response.headers()["location"], "./docs/?q=1");
}

#[tokio::test]
async fn head_keeps_the_length_and_answers_without_a_body_get_none() {
    let site = Site::new();
    let app = Router::new().fallback_service(site.files());
    let head = ask(app.clone(), Method::HEAD, "/hello.txt", &[]).await;
    assert_eq!(head.headers()["content-length"], "12");
    assert!(head.body().is_empty());
    let fresh = ask(app.clone(), Method::GET, "/hello.txt", &[("if-none-match", "*")]).await;
    assert_eq!(fresh.status(), 304);
    assert_eq!(fresh.headers().get("content-length"), None);
    let options = ask(app, Method::OPTIONS, "/hello.txt", &[]).await;
    assert_eq!(options.status(), 204);
    assert_eq!(options.headers().get("content-length"), None);
}
