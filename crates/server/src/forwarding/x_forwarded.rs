//! `X-Forwarded-For`, `-Proto` and `-Host`: older than `Forwarded`, in wider use, and specified nowhere.
//!
//! In: header fields. Out: nodes from the right to the left, and what the nearest proxy says of scheme and
//! host. Pure.

use http::header::HeaderMap;
use http::uri::{Authority, Scheme};

use super::Node;

pub(super) const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";

/// Who the proxies got the request from, the nearest first.
pub(super) fn nodes(headers: &HeaderMap) -> impl Iterator<Item = Node> {
    values(headers, FOR).map(Node::parse)
}

/// The last value: the peer wrote it, or let it pass from a proxy that it trusts.
pub(super) fn scheme(headers: &HeaderMap) -> Option<Scheme> {
    values(headers, PROTO).next().and_then(super::scheme)
}

/// As for the scheme.
pub(super) fn host(headers: &HeaderMap) -> Option<Authority> {
    values(headers, HOST).next().and_then(super::host)
}

/// The values of a list, from the last to the first.
fn values<'a>(headers: &'a HeaderMap, name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter().rev();
    let values = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
    values.map(<[u8]>::trim_ascii).filter(|value| !value.is_empty())
}
