//! The users over REST: one resource, and what each verb does to it.
//!
//! In: requests below `/api/users`. Out: JSON. Owns the verbs and their status
//! codes; what a valid user is belongs to `user`, where it lives to `store`.
//!
//! | verb | `/api/users` | `/api/users/{id}` |
//! |---|---|---|
//! | `GET` | lists | shows |
//! | `POST` | creates | |
//! | `PUT` | | replaces |
//! | `PATCH` | | changes some fields |
//! | `DELETE` | | deletes |
//!
//! `HEAD` is answered by the router, `OPTIONS` and `405` by `methods`.

use axum::extract::{DefaultBodyLimit, OriginalUri, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::extract::{Fields, UserId};
use super::problem::Problem;
use super::store::{Expected, Listing, Outcome};
use super::user::{Draft, User};
use super::{App, entity_tag};

/// Longest body in bytes. The longest valid user needs about 5 KiB, fully
/// escaped; a longer body gets `413`.
const MAX_BODY: usize = 16 * 1024;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/api/users", get(list).post(create))
        .route("/api/users/{id}", get(show).put(replace).patch(patch).delete(delete))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}

/// `GET /api/users`: newest first, `Link` to the next page (RFC 8288).
async fn list(
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    mut listing: Listing,
) -> Result<Response, Problem> {
    let page = listing.limit;
    listing.limit += 1; // one more than shown tells whether there is more
    let mut users = app.store.list(listing).await?;
    let more = users.len() > page;
    users.truncate(page);
    let next = users.last().filter(|_| more).map(|last| last.id);
    let mut response = Json(users).into_response();
    if let Some(before) = next {
        response.headers_mut().insert(header::LINK, link_to_next(uri.query(), before, page)?);
    }
    Ok(response)
}

/// `POST /api/users`: `201`, and where the new user lives.
async fn create(State(app): State<App>, Fields(fields): Fields) -> Result<Response, Problem> {
    let draft = Draft::from_fields(&fields).map_err(Problem::invalid)?;
    let user = app.store.create(draft).await?;
    let location = format!("/api/users/{}", user.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], shown(user)).into_response())
}

/// `GET /api/users/{id}`: the user, or `304` if the client already has it.
async fn show(State(app): State<App>, UserId(id): UserId, headers: HeaderMap) -> Result<Response, Problem> {
    let user = app.store.find(id).await?.ok_or_else(Problem::no_such_user)?;
    let mut response = if entity_tag::client_has(&headers, &user.version.to_string()) {
        let tag = [(header::ETAG, entity_tag::of_version(user.version))];
        (StatusCode::NOT_MODIFIED, tag).into_response()
    } else {
        shown(user)
    };
    // A copy may be kept, but has to be checked before it is used.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    Ok(response)
}

/// `PUT /api/users/{id}`: the body is the whole user; what it leaves out goes
/// back to its default. Sent twice, it does the same as sent once.
async fn replace(
    State(app): State<App>,
    UserId(id): UserId,
    expected: Expected,
    Fields(fields): Fields,
) -> Result<Response, Problem> {
    let draft = Draft::from_fields(&fields).map_err(Problem::invalid)?;
    let outcome = app.store.change(id, expected, move |_| Ok(draft)).await?;
    settle(outcome).map(shown)
}

/// `PATCH /api/users/{id}`: the body holds only what changes (RFC 7396).
async fn patch(
    State(app): State<App>,
    UserId(id): UserId,
    expected: Expected,
    Fields(fields): Fields,
) -> Result<Response, Problem> {
    let outcome = app.store.change(id, expected, move |user| Draft::patched(user, &fields)).await?;
    settle(outcome).map(shown)
}

/// `DELETE /api/users/{id}`: `204`, since there is nothing left to show.
async fn delete(
    State(app): State<App>,
    UserId(id): UserId,
    expected: Expected,
) -> Result<StatusCode, Problem> {
    settle(app.store.delete(id, expected).await?)?;
    Ok(StatusCode::NO_CONTENT)
}

/// A user with the entity tag that a later `If-Match` sends back.
fn shown(user: User) -> Response {
    ([(header::ETAG, entity_tag::of_version(user.version))], Json(user)).into_response()
}

/// What became of a change, in status codes.
fn settle<T>(outcome: Outcome<T>) -> Result<T, Problem> {
    match outcome {
        Outcome::Done(value) => Ok(value),
        Outcome::Missing => Err(Problem::no_such_user()),
        Outcome::Stale(current) => Err(Problem::stale(current)),
        Outcome::Invalid(errors) => Err(Problem::invalid(errors)),
    }
}

/// The same question again, from where this answer ended.
fn link_to_next(query: Option<&str>, before: i64, limit: usize) -> Result<HeaderValue, Problem> {
    let search = query.unwrap_or_default().split('&').find(|pair| pair.starts_with("q="));
    // A ">" would end the link too early.
    let search = search.map(|pair| format!("{}&", pair.replace('>', "%3E"))).unwrap_or_default();
    let link = format!("</api/users?{search}before={before}&limit={limit}>; rel=\"next\"");
    HeaderValue::from_str(&link).map_err(Problem::from_error)
}
