//! Many checks at once: what waits, what is turned away, and what the event loop does meanwhile.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::future::join_all;
use http::StatusCode;

use super::super::queue::Queue;
use super::super::{BasicAuth, Credential};
use super::{ask, auth, hold, request, send, spacious, text};

const OK: StatusCode = StatusCode::OK;
const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;
const BUSY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn beyond_the_queue_the_answer_is_503_with_a_time_to_come_back() {
    let queue = Arc::new(Queue::new(1, 1));
    let layer = auth(&queue, &[("alice", "secret")]);
    let (held, _) = hold(&queue).await;
    let mut waiting = pin!(ask(&layer, "alice:first"));
    assert!(poll_once(waiting.as_mut()).is_pending(), "it waits");
    for credentials in ["alice:second", "alice:secret"] {
        let response = send(&layer, request(&[credentials])).await;
        assert_eq!(response.status(), BUSY);
        assert_eq!(response.headers()["retry-after"], "3");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(!response.headers().contains_key("www-authenticate"), "a browser would ask again");
        assert_eq!(text(response).await, "503 Service Unavailable\n");
    }
    // What needs no hash is answered as ever.
    assert_eq!(send(&layer, request(&[])).await.status(), UNAUTHORIZED);
    drop(held);
    assert_eq!(waiting.await, UNAUTHORIZED);
    assert_eq!(ask(&layer, "alice:secret").await, OK);
}

#[tokio::test]
async fn who_leaves_while_waiting_leaves_a_free_place() {
    let queue = Arc::new(Queue::new(1, 1));
    let layer = auth(&queue, &[("alice", "secret")]);
    let (held, working) = hold(&queue).await;
    {
        let mut waiting = pin!(ask(&layer, "alice:first"));
        assert!(poll_once(waiting.as_mut()).is_pending());
        assert_eq!(layer.door().under_way(), 1);
    }
    assert_eq!(layer.door().under_way(), 0);
    let mut waiting = pin!(ask(&layer, "alice:secret"));
    assert!(poll_once(waiting.as_mut()).is_pending(), "the place is free");
    drop(held);
    working.await.unwrap().unwrap();
    assert_eq!(waiting.await, OK);
}

#[tokio::test]
async fn who_leaves_during_the_work_frees_no_place_before_its_end() {
    let queue = Arc::new(Queue::new(1, 0));
    let (held, working) = hold(&queue).await;
    working.abort();
    assert!(working.await.unwrap_err().is_cancelled());
    assert!(queue.run(|| ()).await.is_err(), "the work goes on");
    drop(held);
    while queue.run(|| ()).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn requests_with_the_same_credentials_share_a_check() {
    // One place: as checks of their own, all but one would be turned away.
    let queue = Arc::new(Queue::new(1, 0));
    let layer = auth(&queue, &[("alice", "secret")]);
    for (credentials, status) in [("alice:wrong", UNAUTHORIZED), ("alice:secret", OK)] {
        let answers = join_all((0..100).map(|_| ask(&layer, credentials))).await;
        assert_eq!(answers, [status; 100], "{credentials}");
        assert_eq!(layer.door().under_way(), 0);
    }
}

#[tokio::test]
async fn if_the_request_that_began_a_check_leaves_another_goes_on() {
    let queue = Arc::new(Queue::new(1, 1));
    let layer = auth(&queue, &[("alice", "secret")]);
    let (held, _) = hold(&queue).await;
    let mut second = pin!(ask(&layer, "alice:secret"));
    {
        let mut first = pin!(ask(&layer, "alice:secret"));
        assert!(poll_once(first.as_mut()).is_pending());
        assert!(poll_once(second.as_mut()).is_pending());
        assert_eq!(layer.door().under_way(), 1);
    }
    drop(held);
    assert_eq!(second.await, OK);
    assert_eq!(layer.door().under_way(), 0);
}

#[test]
fn a_crowd_on_several_event_loops_gets_its_answers_and_leaves_nothing_behind() {
    let layer = auth(&spacious(), &[("alice", "secret"), ("bert", "geheim")]);
    let event_loop = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let expected = [
                ("alice:secret", OK),
                ("bert:geheim", OK),
                ("alice:geheim", UNAUTHORIZED),
                ("c:x", UNAUTHORIZED),
            ];
            let crowd = expected.iter().cycle().take(100);
            join_all(crowd.map(async |(credentials, status)| {
                assert_eq!(ask(&layer, credentials).await, *status, "{credentials}");
            }))
            .await;
        });
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(event_loop);
        }
    });
    assert_eq!((layer.door().remembered(), layer.door().under_way()), (2, 0));
}

#[tokio::test]
async fn the_event_loop_turns_on_while_a_password_is_hashed() {
    let hash = Credential::hash_password("secret", 9).unwrap();
    let layer = BasicAuth::new([format!("alice:{hash}").parse().unwrap()]);
    let check = tokio::spawn({
        let layer = layer.clone();
        async move { ask(&layer, "alice:secret").await }
    });
    let mut turns = 0;
    while !check.is_finished() {
        turns += 1;
        tokio::task::yield_now().await;
    }
    assert_eq!(check.await.unwrap(), OK);
    // A loop that hashes by itself turns two or three times.
    assert!(turns > 100, "{turns}");
}
