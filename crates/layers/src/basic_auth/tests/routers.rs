//! The layer around routers of axum, and the requests that reach what is inside.

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::routing::{get, post};
use http::header::AUTHORIZATION;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::{auth, request, spacious};

/// Status and body of the answer to a request for `path`, with credentials or without.
async fn ask(router: &Router, method: Method, path: &str, credentials: &[&str]) -> (StatusCode, String) {
    let (mut head, ()) = request(credentials).into_parts();
    (head.method, head.uri) = (method, path.parse().unwrap());
    let request = Request::from_parts(head, Body::from("sent"));
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a_layer_on_a_router_protects_all_of_it() {
    let router = Router::new()
        .route("/", get(|| async { "inside" }))
        .route("/echo", post(|body: String| async { body }))
        .layer(auth(&spacious(), &[("alice", "secret")]));
    for path in ["/", "/nothing"] {
        let (status, body) = ask(&router, Method::GET, path, &[]).await;
        assert_eq!((status.as_u16(), body.as_str()), (401, "401 Unauthorized\n"), "{path}");
    }
    let alice = &["alice:secret"];
    assert_eq!(ask(&router, Method::GET, "/", alice).await.1, "inside");
    assert_eq!(ask(&router, Method::GET, "/nothing", alice).await.0, StatusCode::NOT_FOUND);
    let (status, body) = ask(&router, Method::HEAD, "/", &[]).await;
    assert_eq!((status.as_u16(), body.as_str()), (401, ""));
}

#[tokio::test]
async fn the_request_arrives_as_it_was_sent_whether_it_waited_or_not() {
    let router = Router::new()
        .route(
            "/",
            post(|headers: HeaderMap, body: String| async move {
                format!("{body} {}", headers[AUTHORIZATION].to_str().unwrap())
            }),
        )
        .layer(auth(&spacious(), &[("alice", "secret")]));
    for _ in 0..2 {
        let (status, body) = ask(&router, Method::POST, "/", &["alice:secret"]).await;
        assert_eq!((status.as_u16(), body.as_str()), (200, "sent Basic YWxpY2U6c2VjcmV0"));
    }
}

#[tokio::test]
async fn a_nested_router_has_users_of_its_own() {
    let queue = spacious();
    let private = Router::new()
        .route("/", get(|| async { "for alice" }))
        .route("/deep/er", get(|| async { "deeper" }))
        .layer(auth(&queue, &[("alice", "secret")]));
    let other = Router::new()
        .route("/", get(|| async { "for bert" }))
        .fallback(|| async { "also for bert" })
        .layer(auth(&queue, &[("bert", "geheim")]));
    let router =
        Router::new().route("/", get(|| async { "for all" })).nest("/private", private).nest("/other", other);
    let (alice, bert) = (&["alice:secret"][..], &["bert:geheim"][..]);
    for (path, credentials, status, body) in [
        ("/", &[][..], 200, "for all"),
        ("/private", &[], 401, "401 Unauthorized\n"),
        ("/private", alice, 200, "for alice"),
        ("/private", bert, 401, "401 Unauthorized\n"),
        ("/private/deep/er", &[], 401, "401 Unauthorized\n"),
        ("/private/deep/er", alice, 200, "deeper"),
        ("/other", alice, 401, "401 Unauthorized\n"),
        ("/other", bert, 200, "for bert"),
        ("/nothing", &[], 404, ""),
        // It is the outer router that has no such path, and that one is not protected.
        ("/private/nothing", &[], 404, ""),
        ("/other/nothing", &[], 401, "401 Unauthorized\n"),
        ("/other/nothing", bert, 200, "also for bert"),
    ] {
        let (found, text) = ask(&router, Method::GET, path, credentials).await;
        assert_eq!((found.as_u16(), text.as_str()), (status, body), "{path} {credentials:?}");
    }
}

#[tokio::test]
async fn a_service_that_is_no_router_can_be_protected() {
    let inside = tower::service_fn(|_: Request<Body>| async {
        Ok::<_, std::convert::Infallible>(axum::http::Response::new(Body::from("inside")))
    });
    let layer = auth(&spacious(), &[("alice", "secret")]);
    let router = Router::new().nest_service("/s", tower::Layer::layer(&layer, inside));
    assert_eq!(ask(&router, Method::GET, "/s", &[]).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(&router, Method::GET, "/s/x", &["alice:secret"]).await.1, "inside");
}
