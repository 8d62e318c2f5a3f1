//! What is remembered of a password that was right, and what is not.

use std::sync::Arc;
use std::time::Instant;

use http::StatusCode;

use super::super::BasicAuth;
use super::super::queue::Queue;
use super::{ask, auth, hold, spacious, user};

const OK: StatusCode = StatusCode::OK;
const UNAUTHORIZED: StatusCode = StatusCode::UNAUTHORIZED;
const BUSY: StatusCode = StatusCode::SERVICE_UNAVAILABLE;

/// A queue whose only place can be taken: then nothing can be hashed any more.
fn narrow() -> Arc<Queue> {
    Arc::new(Queue::new(1, 0))
}

#[tokio::test]
async fn who_was_right_once_needs_no_hash_again() {
    let queue = narrow();
    let layer = auth(&queue, &[("alice", "secret"), ("bert", "geheim")]);
    assert_eq!(ask(&layer, "alice:secret").await, OK);
    let _held = hold(&queue).await;
    assert_eq!(ask(&layer, "alice:secret").await, OK);
    assert_eq!(ask(&layer.clone().realm("other"), "alice:secret").await, OK, "clones share it");
    for unknown in ["alice:Secret", "alice:geheim", "bert:geheim", "bert:secret", "carl:secret"] {
        assert_eq!(ask(&layer, unknown).await, BUSY, "{unknown} cannot be known");
    }
}

#[tokio::test]
async fn wrong_passwords_are_hashed_each_time() {
    let queue = narrow();
    let layer = auth(&queue, &[("alice", "secret")]);
    let wrong = ["alice:wrong", "carl:secret", "alice:"];
    for _ in 0..2 {
        for wrong in wrong {
            assert_eq!(ask(&layer, wrong).await, UNAUTHORIZED);
        }
    }
    assert_eq!((layer.door().remembered(), layer.door().under_way()), (0, 0));
    let _held = hold(&queue).await;
    for wrong in wrong {
        assert_eq!(ask(&layer, wrong).await, BUSY, "{wrong} was remembered");
    }
}

#[tokio::test]
async fn at_most_one_password_is_remembered_for_each_user() {
    let layer = auth(&spacious(), &[("alice", "secret"), ("bert", "geheim")]);
    for number in 0..50 {
        for text in ["alice:secret".to_owned(), format!("alice:{number}"), format!("{number}:secret")] {
            ask(&layer, &text).await;
        }
    }
    assert_eq!((layer.door().remembered(), layer.door().under_way()), (1, 0));
    ask(&layer, "bert:geheim").await;
    assert_eq!(layer.door().remembered(), 2);
}

#[tokio::test]
async fn a_changed_hash_is_not_passed_by_the_old_password() {
    let queue = spacious();
    let before = auth(&queue, &[("alice", "old"), ("bert", "same")]);
    assert_eq!(ask(&before, "alice:old").await, OK);
    let after = BasicAuth::with_queue([user("alice", "new"), user("bert", "same")], queue);
    assert_eq!(ask(&after, "alice:old").await, UNAUTHORIZED);
    assert_eq!(ask(&after, "alice:new").await, OK);
    assert_eq!(ask(&after, "alice:old").await, UNAUTHORIZED);
    assert_eq!(ask(&before, "alice:old").await, OK, "each layer has its own users");
}

#[tokio::test]
async fn a_remembered_password_costs_microseconds() {
    let layer = auth(&spacious(), &[("alice", "secret")]);
    let time = async || {
        let began = Instant::now();
        assert_eq!(ask(&layer, "alice:secret").await, OK);
        began.elapsed()
    };
    let hashed = time().await;
    let mut remembered = hashed;
    for _ in 0..100 {
        remembered = remembered.min(time().await);
    }
    // Even at the lowest cost, and with a request that is built in the test.
    assert!(remembered * 4 < hashed, "{remembered:?}, after {hashed:?}");
}
