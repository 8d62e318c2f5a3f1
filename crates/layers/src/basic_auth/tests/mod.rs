//! Tests of Basic authentication as a whole; those of single parts stand beside them.
//!
//! Here: what they have in common. Passwords are hashed at the lowest cost.

mod credentials;
mod load;
mod memory;
mod requests;
mod routers;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};

use super::queue::{Busy, Queue};
use super::{BasicAuth, Credential};

fn user(name: &str, password: &str) -> Credential {
    let hash = Credential::hash_password(password, 4).unwrap();
    format!("{name}:{hash}").parse().unwrap()
}

/// A layer with a queue of its own, for these names and passwords.
fn auth(queue: &Arc<Queue>, users: &[(&str, &str)]) -> BasicAuth {
    BasicAuth::with_queue(users.iter().map(|(name, password)| user(name, password)), Arc::clone(queue))
}

fn spacious() -> Arc<Queue> {
    Arc::new(Queue::new(2, 1000))
}

fn request(credentials: &[&str]) -> Request<()> {
    let mut request = Request::get("/").body(()).unwrap();
    for text in credentials {
        let value = format!("Basic {}", STANDARD.encode(text));
        request.headers_mut().append(AUTHORIZATION, value.parse().unwrap());
    }
    request
}

/// The answer to `request` of a service behind `layer` that answers `inside`.
async fn send(layer: &BasicAuth, request: Request<()>) -> Response<Full<Bytes>> {
    let inside = service_fn(|_: Request<()>| async {
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"inside"))))
    });
    layer.layer(inside).oneshot(request).await.unwrap()
}

/// The status for `credentials`, which are `name:password`.
async fn ask(layer: &BasicAuth, credentials: &str) -> StatusCode {
    send(layer, request(&[credentials])).await.status()
}

async fn text(response: Response<Full<Bytes>>) -> String {
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// Work that goes on until this is dropped.
struct Hold(#[allow(dead_code, reason = "its drop is what counts")] Sender<()>);

/// Takes a place of `queue` and returns when it is taken.
async fn hold(queue: &Arc<Queue>) -> (Hold, tokio::task::JoinHandle<Result<(), Busy>>) {
    let (hold, released) = channel();
    let (started, start) = tokio::sync::oneshot::channel();
    let queue = Arc::clone(queue);
    let working = tokio::spawn(async move {
        let work = move || {
            let _ = started.send(());
            let _ = released.recv();
        };
        queue.run(work).await
    });
    start.await.unwrap();
    (Hold(hold), working)
}
