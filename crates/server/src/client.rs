//! [`Client`]: who a request is from, through all trusted proxies.
//!
//! In: a request's extensions, where `exchange` leaves what trusted proxies say. Out: an extractor for
//! handlers, and the address for a log. Decides nothing: that is `forwarding`'s.

use std::convert::Infallible;
use std::net::IpAddr;

use axum_core::extract::FromRequestParts;
use http::Extensions;
use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, Scheme};

use crate::connection::Connection;
use crate::forwarding::Forwarded;

/// Who sent the request, and how they reached the site: an extractor for handlers.
///
/// Without trusted proxies ([`Builder::trusted_proxies`](crate::Builder::trusted_proxies)) it says what
/// [`Connection`] says. With them, and a peer that is one of them, it says what they say in `Forwarded`
/// (RFC 7239) or `X-Forwarded-For`, `-Proto` and `-Host`. What an untrusted peer says is never believed; its
/// header fields stay in the request, so a handler should not read them itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    address: Option<IpAddr>,
    scheme: Scheme,
    host: Option<String>,
}

impl Client {
    /// The client's address. `None`: it came over a Unix socket, and no trusted proxy says more; or the request
    /// came over no connection, as in a test of the router alone.
    pub fn address(&self) -> Option<IpAddr> {
        self.address
    }

    /// `http` or `https`, as the client spoke to the first trusted proxy, or to this server.
    pub fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    /// Whether the client came over TLS.
    pub fn is_secure(&self) -> bool {
        self.scheme == Scheme::HTTPS
    }

    /// The host that the client asked for, with the port if it wrote one: `example.com:8443`. `None`: a request
    /// of HTTP/1.0 without `Host`.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The client's address by the request's extensions, without the rest: for logs.
    pub fn address_of(extensions: &Extensions) -> Option<IpAddr> {
        match extensions.get::<Forwarded>() {
            Some(told) => told.address,
            None => Some(extensions.get::<Connection>()?.peer().address()?.ip().to_canonical()),
        }
    }

    fn of(parts: &Parts) -> Self {
        let told = parts.extensions.get::<Forwarded>().and_then(|told| told.host.as_ref());
        let host = told.or(parts.uri.authority()).map(Authority::as_str);
        let host = host.or_else(|| parts.headers.get(HOST)?.to_str().ok());
        Self {
            address: Self::address_of(&parts.extensions),
            scheme: parts.extensions.get::<Scheme>().cloned().unwrap_or(Scheme::HTTP),
            host: host.map(str::to_owned),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}
