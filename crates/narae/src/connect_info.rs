//! Tells axum's `ConnectInfo<SocketAddr>` who the peer is, for applications that were written for
//! `axum::serve`.
//!
//! In: a [`Connection`], once in its life. Out: one request extension more, if the peer has an Internet
//! address. New code asks the [`Connection`], or behind a proxy [`Client`](crate::Client): this is always the peer,
//! which may be a proxy.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::http::Extensions;
use narae_server::Connection;

/// Adds what axum expects of a server to the extensions of a connection's requests.
pub(crate) fn describe(connection: &Connection, extensions: &mut Extensions) {
    if let Some(address) = connection.peer().address() {
        extensions.insert(ConnectInfo::<SocketAddr>(address));
    }
}
