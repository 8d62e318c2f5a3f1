//! Tells axum's `ConnectInfo<SocketAddr>` who the peer is, for applications that were written for
//! `axum::serve`.
//!
//! In: requests with a [`Connection`]. Out: the same with one extension more, if the peer has an Internet
//! address. New code asks the [`Connection`].

use std::net::SocketAddr;
use std::task::{Context, Poll};

use axum::extract::{ConnectInfo, Request};
use narae_server::Connection;
use tower::Service;

/// A service whose requests say who asks, in axum's way.
#[derive(Clone)]
pub(crate) struct WithConnectInfo<S>(pub(crate) S);

impl<S: Service<Request>> Service<Request> for WithConnectInfo<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> S::Future {
        let address =
            request.extensions().get().and_then(|connection: &Connection| connection.peer().address());
        if let Some(address) = address {
            request.extensions_mut().insert(ConnectInfo::<SocketAddr>(address));
        }
        self.0.call(request)
    }
}
