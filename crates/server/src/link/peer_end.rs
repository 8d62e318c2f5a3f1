//! Whether the peer is still there while its answer is being made and nothing is read or written.
//!
//! In: what the system knows of the socket. Out: that the peer is gone, or since when it may be.

use std::task::Context;
use std::time::Instant;

use super::Link;
use crate::socket::PeerEnd;

impl Link {
    /// Whether the peer has left while its answer is being made, when the engine does not read. Its end alone is no
    /// leave: it may have nothing more to say, and wait.
    pub(crate) fn poll_gone(&mut self, cx: &mut Context<'_>) -> bool {
        match self.io.as_ref().map(|io| io.poll_end(cx)) {
            Some(PeerEnd::Both) => return true,
            Some(PeerEnd::Sending) if self.ended.is_none() => self.ended = Some(Instant::now()),
            _ => {}
        }
        false
    }

    /// Since when there has been nothing for a peer that has ended its side.
    pub(crate) fn ended_since(&self) -> Option<Instant> {
        self.ended
    }
}
