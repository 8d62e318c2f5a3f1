//! How a connection is described on its way between two workers: one line of JSON beside the descriptor.

use std::os::fd::OwnedFd;
use std::time::Duration;

use narae_server::{Handed, Peer};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct About {
    /// `None`: a Unix socket.
    peer: Option<std::net::SocketAddr>,
    listener: usize,
    fresh: bool,
    idle_ms: u64,
}

/// What to write beside the descriptor.
pub(super) fn about(connection: &Handed) -> String {
    let about = About {
        peer: connection.peer.address(),
        listener: connection.listener,
        fresh: connection.fresh,
        idle_ms: u64::try_from(connection.idle.as_millis()).unwrap_or(u64::MAX),
    };
    // A struct of plain values can always be written.
    serde_json::to_string(&about).unwrap_or_default()
}

/// The connection that arrived. `None`: what stands beside it is not understood.
pub(super) fn arrived(socket: OwnedFd, about: &str) -> Option<Handed> {
    let about: About = serde_json::from_str(about).ok()?;
    Some(Handed {
        socket,
        peer: about.peer.map_or(Peer::Unix, Peer::Tcp),
        listener: about.listener,
        fresh: about.fresh,
        idle: Duration::from_millis(about.idle_ms),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_arrives_as_it_left() {
        for peer in [Peer::Unix, Peer::Tcp("[::1]:80".parse().unwrap())] {
            let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
            let idle = Duration::from_millis(1500);
            let left = Handed { socket: socket.into(), peer, listener: 2, fresh: false, idle };
            let text = about(&left);
            let arrived = arrived(left.socket, &text).unwrap();
            assert_eq!((arrived.peer, arrived.listener, arrived.fresh, arrived.idle), (peer, 2, false, idle));
        }
    }

    #[test]
    fn nonsense_is_no_connection() {
        let (socket, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        assert!(arrived(socket.into(), "{\"peer\":7}").is_none());
    }
}
