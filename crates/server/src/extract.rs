//! What a handler can ask for by its arguments: [`Connection`] and [`Shutdown`].
//!
//! In: a request's extensions. Out: what the server put there. Knows no routes.

use std::convert::Infallible;

use axum_core::extract::FromRequestParts;
use http::StatusCode;
use http::request::Parts;

use crate::connection::Connection;
use crate::drain::{Drain, Shutdown};

impl<S: Sync> FromRequestParts<S> for Connection {
    /// `500`: the request did not come over a connection of this server.
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let missing = (StatusCode::INTERNAL_SERVER_ERROR, "the request came over no connection\n");
        parts.extensions.get::<Self>().cloned().ok_or(missing)
    }
}

/// Outside of a server, as in a test of the router alone, the token never fires.
impl<S: Sync> FromRequestParts<S> for Shutdown {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let connection = parts.extensions.get::<Connection>();
        Ok(connection.map_or_else(|| Drain::new(Vec::new()).token(0), Connection::shutdown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn outside_of_a_server_nothing_shuts_down() {
        let mut parts = http::Request::new(()).into_parts().0;
        let Ok(shutdown) = Shutdown::from_request_parts(&mut parts, &()).await;
        assert!(!shutdown.is_draining());
        let Err((status, _)) = Connection::from_request_parts(&mut parts, &()).await else {
            panic!("there is no connection");
        };
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    }
}
