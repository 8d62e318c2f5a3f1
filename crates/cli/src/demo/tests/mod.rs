//! The demo through its front door: requests in, responses out.
//!
//! [`Site`] is the one place that touches the API; the tests beside it say what
//! must come back.

mod account;
mod conflicts;
mod methods;
mod pages;
mod persistence;
mod users;
mod workers;

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

use narae::Failure;

use super::{Cluster, Inspect, Place, Served, Store, sessions};

/// The demo on a database of its own.
struct Site {
    router: Router,
    /// Removed with the site.
    folder: tempfile::TempDir,
}

/// A response, read to its end.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    /// What the log would be told.
    failure: Option<Failure>,
}

const INSPECT: Inspect = |head| Served {
    protocol: format!("{:?}", head.version),
    tls: Some("TLS 1.3 <&>".to_owned()),
    client: "192.0.2.7:4711".to_owned(),
    pid: 4242,
    worker: 1,
};

/// No cluster.
struct Alone;

impl Cluster for Alone {
    fn place(&self) -> Option<Place> {
        None
    }

    fn status(&self) -> Result<narae::cluster::Status, String> {
        Err("there is no supervisor".to_owned())
    }

    fn kill(&self, pid: i32) -> std::io::Result<()> {
        panic!("nobody is to be killed, {pid} least of all")
    }
}

impl Site {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { router: router(&folder, INSPECT, Arc::new(Alone)), folder }
    }

    /// A site that a cluster serves, asked by `inspect`'s client.
    fn in_cluster(inspect: Inspect, cluster: Arc<dyn Cluster>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { router: router(&folder, inspect, cluster), folder }
    }

    /// Another process on the same files, as far as SQLite can tell.
    fn twin(&self) -> Router {
        router(&self.folder, INSPECT, Arc::new(Alone))
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        send(&self.router, request).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(request("GET", path, &[], "")).await
    }

    async fn browse(&self, path: &str) -> Answer {
        self.send(request("GET", path, &[("accept", "text/html,*/*;q=0.8")], "")).await
    }

    async fn json(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send(request(method, path, &[("content-type", "application/json")], body)).await
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that this is a problem document with `status`, and returns it.
    fn problem(&self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{:?}", self.body);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let document = self.json();
        assert_eq!(document["status"], status.as_u16());
        assert_eq!(document["title"], status.canonical_reason().unwrap());
        assert!(document["type"].is_string() && document["detail"].is_string(), "{document}");
        document
    }
}

/// The demo on the files in `folder`.
fn router(folder: &tempfile::TempDir, inspect: Inspect, cluster: Arc<dyn Cluster>) -> Router {
    let store = Store::open(&folder.path().join("demo.db")).unwrap();
    let sessions = sessions(&folder.path().join("sessions")).unwrap();
    super::router(store, sessions, inspect, cluster)
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Request<Body> {
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.header(header::HOST, "localhost").body(Body::from(body.to_owned())).unwrap()
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let failure = head.extensions.get::<Failure>().cloned();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: head.status, headers: head.headers, body, failure }
}
