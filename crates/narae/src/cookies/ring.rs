//! Where the extractors find the application's [`Secrets`].
//!
//! In: a request. Out: the ring, or a `500` whose log line says how to give one.

use axum::http::request::Parts;
use narae_cookie::Secrets;

use crate::HandlerError;

/// The ring in the request's extensions; `extractor` is who asks.
pub(super) fn of(request: &Parts, extractor: &str) -> Result<Secrets, HandlerError> {
    request.extensions.get::<Secrets>().cloned().ok_or_else(|| {
        HandlerError::from(format!(
            "{extractor} needs secrets and there are none: add \
             `.layer(Extension(narae::cookies::Secrets::new([\"…\"])?))` to the router, after its routes"
        ))
    })
}
