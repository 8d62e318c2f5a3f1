//! Who sent a request that came through proxies: `Forwarded` (RFC 7239) and `X-Forwarded-*`.
//!
//! In: the peer, the request's header fields, and who is trusted. Out: [`Forwarded`], what trusted proxies
//! say. Pure; changes no header.
//!
//! Each proxy adds itself at the right. So the fields are read from the right, and only as far as the proxies
//! are trusted: what is left of the first untrusted address may have been written by anyone.

mod element;
#[cfg(test)]
mod tests;
mod x_forwarded;

use std::net::IpAddr;

use http::header::{FORWARDED, HeaderMap};
use http::uri::{Authority, Scheme};

use crate::socket::Peer;
use crate::trusted::{ProxyHeaders, TrustedProxies};
use element::Element;

/// What trusted proxies say of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forwarded {
    /// The client: the first untrusted address from the right, or the leftmost one if all are trusted. A node
    /// that cannot be read, is hidden or unknown ends the search; then it is the last address before. `None`:
    /// a Unix socket.
    pub address: Option<IpAddr>,
    /// `http` or `https`. Of `Forwarded`: what the trusted proxy nearest to the client says; of
    /// `X-Forwarded-Proto`: the last value.
    pub scheme: Option<Scheme>,
    /// The host that the client asked for, as the same proxy writes it; of `X-Forwarded-Host` the last value.
    pub host: Option<Authority>,
}

impl Forwarded {
    /// Reads what `headers` say, as far as it can be believed. If `peer` is not trusted, nothing is.
    ///
    /// Either `Forwarded` or `X-Forwarded-For`, `-Proto` and `-Host` are looked at, never both: as
    /// [`TrustedProxies::headers`] says.
    pub fn read(proxies: &TrustedProxies, peer: Peer, headers: &HeaderMap) -> Self {
        let address = peer.address().map(|address| address.ip().to_canonical());
        let mut told = Self { address, scheme: None, host: None };
        if proxies.trusts(peer) {
            let is_forwarded = match proxies.told_in() {
                // Most proxies write X-Forwarded-For and let a client's Forwarded pass.
                ProxyHeaders::Auto => {
                    headers.contains_key(FORWARDED) && !headers.contains_key(x_forwarded::FOR)
                }
                ProxyHeaders::Forwarded => true,
                ProxyHeaders::XForwarded => false,
            };
            if is_forwarded {
                told.follow_forwarded(proxies, headers);
            } else {
                told.follow_x_forwarded(proxies, headers);
            }
        }
        told
    }

    fn follow_forwarded(&mut self, proxies: &TrustedProxies, headers: &HeaderMap) {
        for line in headers.get_all(FORWARDED).iter().rev() {
            let mut rest = Some(line.as_bytes());
            while let Some(list) = rest {
                let (before, element) = element::split_last(list);
                rest = before;
                // Empty elements of a list mean nothing (RFC 9110 §5.6.1).
                if element.is_empty() {
                    continue;
                }
                // Every proxy from here to the right is trusted.
                let Some(element) = Element::parse(element) else { return };
                self.scheme = element.scheme.or(self.scheme.take());
                self.host = element.host.or(self.host.take());
                if !self.step(element.node, proxies) {
                    return;
                }
            }
        }
    }

    fn follow_x_forwarded(&mut self, proxies: &TrustedProxies, headers: &HeaderMap) {
        self.scheme = x_forwarded::scheme(headers);
        self.host = x_forwarded::host(headers);
        for node in x_forwarded::nodes(headers) {
            if !self.step(node, proxies) {
                return;
            }
        }
    }

    /// Goes on to the left, to `node`. Whether what is left of it can be believed.
    fn step(&mut self, node: Node, proxies: &TrustedProxies) -> bool {
        match node {
            Node::Address(address) => {
                self.address = Some(address);
                proxies.trusts_address(address)
            }
            Node::Unix => proxies.trusts(Peer::Unix),
            Node::Hidden => false,
        }
    }
}

/// Who a proxy got a request from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    Address(IpAddr),
    /// A Unix socket of its machine, as nginx writes it: `unix:`.
    Unix,
    /// Not said, `unknown`, an obfuscated name, or nothing that can be read.
    Hidden,
}

impl Node {
    /// `nodename [ ":" node-port ]` (RFC 7239 §6), and an IPv6 address without brackets, as it stands in
    /// `X-Forwarded-For`.
    fn parse(text: &[u8]) -> Self {
        Self::read(text).unwrap_or(Self::Hidden)
    }

    fn read(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        if text == "unix:" {
            return Some(Self::Unix);
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical()));
        }
        let (address, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']')?;
                (IpAddr::V6(address.parse().ok()?), port)
            }
            None => {
                let (address, _) = text.split_once(':')?;
                (IpAddr::V4(address.parse().ok()?), text.get(address.len()..)?)
            }
        };
        (port.is_empty() || is_port(port.strip_prefix(':')?)).then_some(Self::Address(address.to_canonical()))
    }
}

/// `node-port` (RFC 7239 §6): up to five digits, or an obfuscated name.
fn is_port(text: &str) -> bool {
    match text.strip_prefix('_') {
        Some(name) => {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        }
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

/// A scheme as proxies write it; some call a WebSocket's by its own name.
fn scheme(text: &[u8]) -> Option<Scheme> {
    let is = |names: [&str; 2]| names.iter().any(|name| text.eq_ignore_ascii_case(name.as_bytes()));
    match () {
        () if is(["https", "wss"]) => Some(Scheme::HTTPS),
        () if is(["http", "ws"]) => Some(Scheme::HTTP),
        () => None,
    }
}

/// A host with or without port, as in `Host` (RFC 9110 §7.2).
fn host(text: &[u8]) -> Option<Authority> {
    // A comma is two hosts glued together.
    let is_one = !text.iter().any(|byte| matches!(byte, b'@' | b','));
    Authority::try_from(text).ok().filter(|_| is_one)
}
