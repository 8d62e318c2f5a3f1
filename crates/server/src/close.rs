//! Ends a connection so that the peer can read the last answer (RFC 9112 §9.6).
//!
//! Closing a socket that still holds unread bytes makes the system send RST, which can destroy the answer
//! on its way. So the server ends its own side first, then reads and throws away, for a bounded time.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use crate::connection::Shared;

/// Silence after which a lingering close ends earlier.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);

/// How to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Nothing is owed to the peer.
    AtOnce,
    /// The peer does not take what it asked for, or must see that it is not whole.
    Reset,
    /// The peer may still be sending: read to its end, at most this long.
    ReadToEnd(Duration),
}

/// Sends what waits, ends the server's side, reads the peer's rest if it is owed, and gives up the socket.
pub(crate) async fn close(shared: &Arc<Shared>, manner: Manner) {
    part(shared, manner).await;
    shared.release();
}

async fn part(shared: &Arc<Shared>, manner: Manner) {
    if manner == Manner::Reset {
        shared.link().reset();
        return;
    }
    let limits = &shared.context.limits;
    let said = timeout(limits.write_stall, poll_fn(|cx| shared.link().poll_shutdown(cx))).await;
    let Manner::ReadToEnd(longest) = manner else { return };
    if !matches!(said, Ok(Ok(()))) || shared.link().is_read_closed() {
        return;
    }
    let longest = match shared.context.drain.deadline() {
        Some(deadline) => longest.min(deadline.saturating_duration_since(std::time::Instant::now())),
        None => longest,
    };
    let end = Instant::now() + longest;
    loop {
        let read = poll_fn(|cx| {
            // On the stack of one poll, not in the task: lingering connections are many at bad times.
            let mut scratch = [0; 8 * 1024];
            let mut link = shared.link();
            let mut has_read = false;
            loop {
                match link.poll_discard(cx, &mut scratch) {
                    Poll::Ready(Ok(0) | Err(_)) => return Poll::Ready(false),
                    Poll::Ready(Ok(_)) if tokio::task::coop::has_budget_remaining() => has_read = true,
                    Poll::Ready(Ok(_)) => return Poll::Ready(true),
                    // Silence begins anew, however little has come.
                    Poll::Pending if has_read => return Poll::Ready(true),
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        match timeout_at(end.min(Instant::now() + SILENCE), read).await {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
    }
}
