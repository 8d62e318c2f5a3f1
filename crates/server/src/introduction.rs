//! A connection's introduction by a proxy: the header of the PROXY protocol, read off the socket before TLS.
//!
//! In: a socket of which nothing was read. Out: who its peer is, and the socket with the header taken off and
//! not one byte more. Grammar is `proxy_protocol`'s; the limit of time is the caller's.

use std::io;

use rustix::net::{RecvFlags, recv};
use tokio::io::{AsyncReadExt, Interest};

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
    // Who has not spoken should keep no memory.
    socket.readable().await.map_err(Failure::Socket)?;
    let mut bytes = vec![0; MAX_HEADER_BYTES];
    let mut seen = 0;
    let header = loop {
        seen = look(socket, &mut bytes, seen).await.map_err(Failure::Socket)?;
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

/// Waits until more than `seen` bytes can be looked at; how many there are.
async fn look(socket: &Socket, bytes: &mut [u8], seen: usize) -> io::Result<usize> {
    loop {
        let has_ended = socket.ready_to_read().await?.is_read_closed();
        let looked = socket.try_io(Interest::READABLE, || match recv(socket, &mut *bytes, RecvFlags::PEEK) {
            // No news: the loop sleeps until the next bytes come.
            Ok((count, _)) if count == seen && !has_ended => Err(io::ErrorKind::WouldBlock.into()),
            Ok((count, _)) if count == seen => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok((count, _)) => Ok(count),
            Err(errno) => Err(errno.into()),
        });
        match looked {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            looked => return looked,
        }
    }
}
