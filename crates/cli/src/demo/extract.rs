//! What handlers take from a request, with refusals the API can be proud of.
//!
//! In: requests. Out: checked values for `users`, or a [`Problem`]. Owns the
//! reading of paths, queries, headers and bodies; never sees the store.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::entity_tag::{self, Condition};
use super::problem::Problem;
use super::store::{Expected, Listing};

/// The `{id}` of a path. What is not a number names no user: `404`.
pub(super) struct UserId(pub(super) i64);

/// The JSON object in a request's body.
pub(super) struct Fields(pub(super) Map<String, Value>);

/// Users in one answer, unless `limit` says otherwise.
pub(super) const DEFAULT_LIMIT: usize = 100;
/// Most users in one answer.
pub(super) const MAX_LIMIT: usize = 500;

impl<S: Send + Sync> FromRequestParts<S> for UserId {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Path::<i64>::from_request_parts(head, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(_) => Err(Problem::no_such_user()),
        }
    }
}

/// `If-Match`, when the client sends it, makes a change conditional
/// (RFC 9110 §13.1.1).
impl<S: Send + Sync> FromRequestParts<S> for Expected {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Problem> {
        Ok(match entity_tag::condition(&head.headers, header::IF_MATCH) {
            None | Some(Condition::Any) => Self::Any,
            // Strong comparison: a weak tag never matches.
            Some(Condition::OneOf(tags)) => {
                let strong = tags.iter().filter(|tag| !tag.weak);
                Self::OneOf(strong.filter_map(|tag| version(&tag.opaque)).collect())
            }
        })
    }
}

/// The version whose tag is exactly `opaque`: "1" is one, "01" and "+1" are not.
fn version(opaque: &str) -> Option<i64> {
    opaque.parse().ok().filter(|version: &i64| version.to_string() == opaque)
}

/// `?q=…&before=…&limit=…`, each of them optional.
impl<S: Send + Sync> FromRequestParts<S> for Listing {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Self, Problem> {
        #[derive(Deserialize)]
        struct Raw {
            q: Option<String>,
            before: Option<i64>,
            limit: Option<usize>,
        }
        let Query(raw) = Query::<Raw>::from_request_parts(head, state)
            .await
            .map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, rejection.body_text()))?;
        Ok(Self {
            search: raw.q.unwrap_or_default(),
            before: raw.before.unwrap_or(i64::MAX),
            limit: raw.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT),
        })
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        // In two steps, so that a broken document is not mistaken for one of the
        // wrong kind.
        match Json::from_request(request, state).await {
            Ok(Json(Value::Object(fields))) => Ok(Self(fields)),
            Ok(_) => Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the body must be a JSON object")),
            Err(rejection) => Err(refuse(&rejection)),
        }
    }
}

/// A body can be unreadable in several ways, and each has its own status code.
fn refuse(rejection: &JsonRejection) -> Problem {
    let detail = match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            "the body must be JSON: send \"Content-Type: application/json\"".to_owned()
        }
        rejection => rejection.body_text(),
    };
    Problem::new(rejection.status(), detail)
}
