//! What one event loop does with its parked connections: resumes those whose peer speaks, closes those whose
//! time is over, gives them to a successor in a drain.
//!
//! In: rows of the [`Lot`](crate::lot::Lot). Out: HTTP/1 connections with their first bytes, or ends. One task
//! for all of them.

use std::convert::Infallible;
use std::future::pending;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, Interest};
use tokio::time::{sleep_until, timeout};

use crate::application::Application;
use crate::arrival;
use crate::connection::Context;
use crate::drain::Stage;
use crate::handed::Handed;
use crate::lot::Row;
use crate::socket::Accepted;
use crate::tally::count;

/// Longest time between two looks for connections whose time is over, while there are any.
const SWEEP: Duration = Duration::from_secs(1);

/// How long the peer of a connection that ends may take to end its own side.
const GOODBYE: Duration = Duration::from_secs(1);

/// Bytes of the read that resumes a connection.
const FIRST_READ: usize = 4 * 1024;

/// Looks after the parked connections of a loop, as long as it runs.
pub(crate) async fn keep<S>(context: Arc<Context>, service: S) -> std::io::Result<Infallible>
where
    S: Application,
{
    // Deprecated for types whose descriptor may change; a borrowed one does not, and this crate has no unsafe code.
    #[allow(deprecated, reason = "the successor is an unsafe function")]
    let ready = AsyncFd::with_interest(context.lot.as_fd(), Interest::READABLE)?;
    let mut stages = context.drain.stages();
    let mut sweep_at = None;
    loop {
        let due = async {
            match sweep_at {
                Some(at) => sleep_until(Instant::into(at)).await,
                None => pending().await,
            }
        };
        tokio::select! {
            guard = ready.readable() => {
                let mut guard = guard?;
                let (rows, is_more) = context.lot.take_ready();
                if !is_more {
                    guard.clear_ready();
                }
                for row in rows {
                    resume(row, &context, &service);
                }
            }
            () = context.lot.stirred.notified() => sweep_at = sweep(&context),
            () = due => sweep_at = sweep(&context),
            // The sender lives as long as the server.
            _ = stages.changed() => sweep_at = sweep(&context),
        }
    }
}

/// Parks a connection that has just become idle, or gives it to a successor.
pub(crate) fn park(row: Row, context: &Arc<Context>) {
    let row = match give(row, context) {
        Ok(()) => return,
        Err(row) => row,
    };
    match context.lot.park(row) {
        // In a drain the sweep must learn of it; otherwise it comes often enough.
        Ok(()) if context.drain.is_draining() => context.lot.stirred.notify_one(),
        Ok(()) => {}
        // The system cannot watch it: an idle connection may be closed at any time (RFC 9112 §9.5).
        Err(row) => say_goodbye(row, context),
    }
}

/// Sends a connection to the successor of a drain that has one.
fn give(row: Row, context: &Context) -> Result<(), Row> {
    if !context.drain.hands_over() {
        return Err(row);
    }
    let Row { socket, peer, listener, since, admission } = row;
    let handed = Handed { socket, peer, listener, fresh: false, idle: since.elapsed() };
    match hand_over(handed, context) {
        Ok(()) => {
            drop(admission);
            Ok(())
        }
        Err(handed) => Err(Row { socket: handed.socket, peer, listener, since, admission }),
    }
}

/// As [`Drain::hand_over`](crate::drain::Drain::hand_over), and counts it.
pub(crate) fn hand_over(handed: Handed, context: &Context) -> Result<(), Handed> {
    context.drain.hand_over(handed)?;
    count(context.tally.handed_over());
    Ok(())
}

/// Ends or gives away what is due, and says when to look again.
fn sweep(context: &Arc<Context>) -> Option<Instant> {
    let drain = &context.drain;
    if drain.stage() == Stage::Cut {
        drop(context.lot.take_all());
        return None;
    }
    if drain.hands_over() {
        for row in context.lot.take_all() {
            // The successor may be gone in the middle; then the rest is parked again.
            park(row, context);
        }
    }
    let now = Instant::now();
    let limit = context.limits.keep_alive_idle;
    let linger = drain.linger_until();
    // Near the start of the clock nothing is as old as that.
    let (due, longest) = match (linger, now.checked_sub(limit)) {
        (Some(end), _) if end <= now => (context.lot.take_all(), None),
        (_, before) => context.lot.take_older(before.unwrap_or_else(|| now - now.elapsed())),
    };
    for row in due {
        say_goodbye(row, context);
    }
    let next = (longest? + limit).min(now + SWEEP);
    Some(linger.map_or(next, |end| end.min(next)))
}

/// Reads what a peer said, and serves it; ends the connection if the peer left.
fn resume<S>(row: Row, context: &Arc<Context>, service: &S)
where
    S: Application,
{
    let mut buffer = [0; FIRST_READ];
    match rustix::net::recv(&row.socket, &mut buffer, RecvFlags::DONTWAIT) {
        // The peer has left: nothing is owed to it.
        Ok((0, _)) => {}
        Ok((length, _)) => {
            let before = BytesMut::from(buffer.get(..length).unwrap_or_default());
            arrival::resume(row, before, context, service);
        }
        Err(Errno::AGAIN | Errno::INTR) => park(row, context),
        // It was reset.
        Err(_) => {}
    }
}

/// Ends the server's side and waits shortly for the peer's, so that a request under way is not answered by
/// a reset.
fn say_goodbye(row: Row, context: &Context) {
    // An error means that the peer was faster.
    let _ = rustix::net::shutdown(&row.socket, rustix::net::Shutdown::Write);
    let left = context.drain.deadline().map(|end| end.saturating_duration_since(Instant::now()));
    let longest = left.map_or(GOODBYE, |left| left.min(GOODBYE));
    let endpoint = context.endpoints.get(row.listener).map(Arc::clone);
    tokio::spawn(async move {
        let Row { socket, admission, .. } = row;
        let socket = endpoint.and_then(|endpoint| Accepted::Bare(socket).register(&endpoint.local).ok());
        if let Some(mut socket) = socket {
            let read = async {
                let mut rest = [0; 256];
                while matches!(socket.read(&mut rest).await, Ok(length) if length > 0) {}
            };
            // The time is over, or the peer has ended too.
            let _ = timeout(longest, read).await;
        }
        drop(admission);
    });
}
