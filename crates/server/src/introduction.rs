//! A connection's introduction by a proxy: the header of the PROXY protocol, read off the socket before TLS.
//!
//! In: a socket of which nothing was read. Out: who its peer is, and the socket with the header taken off and
//! not one byte more. Grammar is `proxy_protocol`'s; the limit of time is the caller's.

use std::io;

use tokio::io::AsyncReadExt;

use crate::proxy_protocol::{Fault, MAX_HEADER_BYTES, Origin, Parsed, parse};
use crate::socket::{Peer, Socket};

/// Why there is no introduction.
#[derive(Debug)]
pub(crate) enum Failure {
    Header(Fault),
    /// The socket failed, or ended before the header did.
    Socket(io::Error),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Header(fault) => fault.fmt(f),
            Self::Socket(error) => error.fmt(f),
        }
    }
}

/// Takes the header off `socket` and says who the peer is; `socket_peer` if the header does not say.
///
/// The bytes are looked at first and taken when the header is whole: what follows is for TLS.
pub(crate) async fn take(socket: &mut Socket, socket_peer: Peer) -> Result<Peer, Failure> {
    let mut bytes = vec![0; MAX_HEADER_BYTES];
    let mut seen = 0;
    let header = loop {
        seen = socket.look(&mut bytes, seen).await.map_err(Failure::Socket)?;
        match parse(bytes.get(..seen).unwrap_or_default()) {
            Parsed::Header(header) => break header,
            Parsed::Malformed(fault) => return Err(Failure::Header(fault)),
            Parsed::More => {}
        }
    };
    let header_bytes = bytes.get_mut(..header.length).unwrap_or_default();
    socket.read_exact(header_bytes).await.map_err(Failure::Socket)?;
    Ok(match header.origin {
        Origin::Socket => socket_peer,
        Origin::Tcp { source, .. } => Peer::Tcp(source),
        Origin::Unix => Peer::Unix,
    })
}
