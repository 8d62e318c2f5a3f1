//! A header block as a request's head, or as trailers (RFC 9113 §8.1, §8.2, §8.3).
//!
//! In: decoded fields. Out: a request, or that the message is malformed, or that it is more than is taken. What is wrong
//! with a host, a target or a method is told by [`rules`](crate::rules), as for HTTP/1.1. Pure; never sees frames.

use bytes::Bytes;
use http::header::{HeaderName, HeaderValue, TE};
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Uri, Version};

use super::hpack::Field;
use super::response_head::is_of_connection;
use crate::response::content_length;

/// What a block holds, as far as it was decoded.
#[derive(Default)]
pub(super) struct Fields {
    method: Option<Method>,
    scheme: Option<Bytes>,
    authority: Option<Bytes>,
    path: Option<Bytes>,
    headers: HeaderMap,
    has_control: bool,
    is_malformed: bool,
    /// Octets, as §6.5.2 counts them.
    size: usize,
}

/// What is wrong with a message (§8.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Fields {
    /// Takes a field. More than `most` octets are counted and thrown away.
    pub(super) fn take(&mut self, field: Field, size: usize, most: usize) {
        self.size = self.size.saturating_add(size);
        if self.size > most || self.is_malformed {
            return;
        }
        let is_fine = match field {
            Field::Method(method) => self.control().method.replace(method).is_none(),
            Field::Scheme(scheme) => self.control().scheme.replace(scheme).is_none(),
            Field::Authority(authority) => self.control().authority.replace(authority).is_none(),
            Field::Path(path) => self.control().path.replace(path).is_none(),
            Field::UnknownPseudo | Field::Invalid => false,
            Field::Header(name, value) => {
                is_allowed(&name, &value) && self.headers.try_append(name, value).is_ok()
            }
        };
        self.is_malformed |= !is_fine;
    }

    /// §8.3: control data comes before all fields.
    fn control(&mut self) -> &mut Self {
        self.has_control = true;
        self.is_malformed |= !self.headers.is_empty();
        self
    }

    pub(super) fn is_over(&self, most: usize) -> bool {
        self.size > most
    }

    /// The request, and the length that it says its content has.
    pub(super) fn into_request<B>(self, body: B) -> Result<(Request<B>, Option<u64>), Malformed> {
        let Self { method: Some(method), scheme, authority, path, headers, is_malformed: false, .. } = self
        else {
            return Err(Malformed);
        };
        let target = target(&method, scheme, authority, path).ok_or(Malformed)?;
        let length = content_length(&headers).map_or(Ok(None), |said| said.map(Some).ok_or(Malformed))?;
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = target;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = headers;
        Ok((request, length))
    }

    pub(super) fn into_trailers(self) -> Result<HeaderMap, Malformed> {
        if self.has_control || self.is_malformed { Err(Malformed) } else { Ok(self.headers) }
    }
}

/// §8.2.2
fn is_allowed(name: &HeaderName, value: &HeaderValue) -> bool {
    match *name {
        TE => value.as_bytes().eq_ignore_ascii_case(b"trailers"),
        _ => !is_of_connection(name),
    }
}

/// §8.3.1, and §8.5 for `CONNECT`.
fn target(
    method: &Method,
    scheme: Option<Bytes>,
    authority: Option<Bytes>,
    path: Option<Bytes>,
) -> Option<Uri> {
    let authority = match authority {
        Some(authority) => Some(Authority::from_maybe_shared(authority).ok()?),
        None => None,
    };
    let mut parts = Parts::default();
    if *method == Method::CONNECT {
        if scheme.is_some() || path.is_some() {
            return None;
        }
        parts.authority = Some(authority?);
        return Uri::from_parts(parts).ok();
    }
    let (scheme, path) = (scheme?, path?);
    let scheme = match &*scheme {
        b"https" => Scheme::HTTPS,
        b"http" => Scheme::HTTP,
        other => Scheme::try_from(other).ok()?,
    };
    // A fragment is no part of a path, and the type would take it away.
    if path.is_empty() || path.contains(&b'#') {
        return None;
    }
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(path).ok()?);
    if authority.is_some() {
        parts.scheme = Some(scheme);
        parts.authority = authority;
    }
    Uri::from_parts(parts).ok()
}
