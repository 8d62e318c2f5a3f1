//! REST: one resource, and what each method means for it (RFC 9110 §9.3).
//!
//! ```text
//! curl http://127.0.0.1:8080/users                                        list
//! curl --json '{"name":"Ada"}' http://127.0.0.1:8080/users                create: 201 and Location
//! curl http://127.0.0.1:8080/users/1                                      read
//! curl -X PUT --json '{"name":"Ada L."}' http://127.0.0.1:8080/users/1    replace
//! curl -X DELETE http://127.0.0.1:8080/users/1                            delete: 204
//! curl -i -X PATCH http://127.0.0.1:8080/users/1                          405, and Allow says what there is
//! ```

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use narae::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct User {
    name: String,
}

/// Users by number. A real application keeps them in a database; the demo site shows that.
#[derive(Clone, Default)]
struct Users(Arc<Mutex<BTreeMap<u32, User>>>);

impl Users {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<u32, User>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn list(State(users): State<Users>) -> Json<BTreeMap<u32, User>> {
    Json(users.with(|users| users.clone()))
}

async fn create(State(users): State<Users>, Json(user): Json<User>) -> impl IntoResponse {
    let id = users.with(|users| {
        let id = users.last_key_value().map_or(1, |(last, _)| last + 1);
        users.insert(id, user.clone());
        id
    });
    (StatusCode::CREATED, [("location", format!("/users/{id}"))], Json(user))
}

async fn read(State(users): State<Users>, Path(id): Path<u32>) -> Result<Json<User>, StatusCode> {
    users.with(|users| users.get(&id).cloned()).map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn replace(
    State(users): State<Users>,
    Path(id): Path<u32>,
    Json(user): Json<User>,
) -> Result<Json<User>, StatusCode> {
    users
        .with(|users| users.get_mut(&id).map(|old| *old = user.clone()))
        .map(|()| Json(user))
        .ok_or(StatusCode::NOT_FOUND)
}

async fn delete_one(State(users): State<Users>, Path(id): Path<u32>) -> StatusCode {
    match users.with(|users| users.remove(&id)) {
        Some(_) => StatusCode::NO_CONTENT,
        None => StatusCode::NOT_FOUND,
    }
}

fn main() -> narae::Result {
    narae::app(|| {
        Router::new()
            .route("/users", get(list).post(create))
            .route("/users/{id}", get(read).put(replace).delete(delete_one))
            .with_state(Users::default())
    })
    // These users live in the memory of one process, so one process serves them all.
    .workers(1)
    .http("127.0.0.1:8080")
    .run()
}
