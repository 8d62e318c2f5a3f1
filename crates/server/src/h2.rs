//! Drives one HTTP/2 connection: the engine, the timers, the two-step `GOAWAY` of a drain (RFC 9113).

mod engine;
pub(crate) mod frame;
mod hpack;
mod inbox;
mod receiving;
mod request_head;
mod response_head;
mod sending;
mod stream;
mod wakes;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::application::Application;
use crate::close::{self, Manner};
use crate::connection::{Shared, after, earlier};
use crate::deadline::DeadlineTimer;
use crate::exchange::Exchange;
use crate::h2_frames::{FrameMeter, Goodbye};
use crate::link::Fault;
use crate::tally::count;

use self::engine::Engine;
pub(crate) use self::inbox::Content;

/// How long a peer may take to answer the end of an idle connection.
const GOODBYE: Duration = Duration::from_secs(5);

/// Serves requests until the connection ends.
pub(crate) async fn serve<S>(shared: Arc<Shared>, service: S)
where
    S: Application,
{
    let exchange = Exchange::new(service, Arc::clone(&shared));
    let mut driver = Driver {
        engine: Engine::new(exchange, Arc::clone(&shared)),
        timer: DeadlineTimer::default(),
        shared: Arc::clone(&shared),
        leaving: None,
    };
    let end = poll_fn(|cx| driver.poll(cx)).await;
    drop(driver);
    finish(&shared, end).await;
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The engine is done, with both sides informed.
    Engine,
    /// The transport failed.
    Failed,
    /// A limit of time.
    Silent,
    /// The peer's frames used up a budget, or were wrong.
    Told(Goodbye),
    /// The drain's deadline.
    Cut,
}

struct Driver<S>
where
    S: Application,
{
    engine: Engine<S>,
    timer: DeadlineTimer,
    shared: Arc<Shared>,
    /// Since when the peer knows that the connection ends.
    leaving: Option<Instant>,
}

impl<S> Driver<S>
where
    S: Application,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.shared.driver.register(cx.waker());
        if self.leaving.is_none() && self.shared.context.drain.is_draining() {
            self.leave();
        }
        self.shared.link().begin_turn();
        let done = self.engine.poll(cx);
        let mut link = self.shared.link();
        let flushed = link.poll_end_turn(cx);
        if link.is_cut() {
            return Poll::Ready(End::Cut);
        }
        if let Some(Fault::Frames(goodbye)) = link.fault {
            return Poll::Ready(End::Told(goodbye));
        }
        match (done, flushed) {
            (Poll::Ready(engine::End::Told(goodbye)), _) => return Poll::Ready(End::Told(goodbye)),
            (Poll::Ready(engine::End::Done), _) => return Poll::Ready(End::Engine),
            (Poll::Ready(engine::End::Failed), _) | (_, Poll::Ready(Err(_))) => {
                return Poll::Ready(End::Failed);
            }
            (Poll::Pending, Poll::Ready(Ok(()))) if self.engine.has_more() => cx.waker().wake_by_ref(),
            // A peer that reads nothing before it has sent all must not be waited for.
            (Poll::Pending, Poll::Pending) if self.engine.has_input(link.unsent()) => {
                cx.waker().wake_by_ref();
            }
            _ => {}
        }
        drop(link);
        self.poll_deadline(cx)
    }

    fn leave(&mut self) {
        self.leaving = Some(Instant::now());
        self.engine.say_goodbye();
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let Some((deadline, limit)) = self.deadline() else { return Poll::Pending };
        ready!(self.timer.poll(deadline, cx));
        match limit {
            Limit::Idle => {
                self.leave();
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Limit::HeaderBlock => Poll::Ready(End::Told(Goodbye::calm("header block not complete in time"))),
            Limit::Stalled => Poll::Ready(End::Silent),
            Limit::Goodbye => Poll::Ready(End::Engine),
        }
    }

    fn deadline(&self) -> Option<(Instant, Limit)> {
        let limits = &self.shared.context.limits;
        let link = self.shared.link();
        let moved = link.meter().and_then(FrameMeter::data_sent);
        // A stream that is not asked for more stalls only if nothing at all reaches the peer: windows of
        // streams are the peer's to open in its own order.
        let unasked = link.requests.iter().filter_map(|request| request.unasked).min();
        let unasked = unasked.map(|since| moved.map_or(since, |moved| since.max(moved)));
        let stalled =
            earlier(after(link.blocked_since(), limits.write_stall), after(unasked, limits.write_stall));
        let block = link.meter().and_then(|meter| {
            if meter.awaits_preface() {
                Some(link.phase().1 + limits.first_byte)
            } else {
                after(meter.block_since(), limits.head_timeout)
            }
        });
        let idle = match (link.requests.is_empty(), self.leaving) {
            (false, _) => None,
            (true, None) => Some((link.phase().1 + limits.keep_alive_idle, Limit::Idle)),
            (true, Some(since)) => {
                // The last answer may still be on its way through the peer's window.
                let since = since.max(link.phase().1);
                let since = moved.map_or(since, |moved| since.max(moved));
                Some((since + GOODBYE, Limit::Goodbye))
            }
        };
        let candidates =
            [idle, stalled.map(|at| (at, Limit::Stalled)), block.map(|at| (at, Limit::HeaderBlock))];
        candidates.into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

#[derive(Clone, Copy)]
enum Limit {
    Idle,
    HeaderBlock,
    Stalled,
    Goodbye,
}

async fn finish(shared: &Arc<Shared>, end: End) {
    let manner = match end {
        End::Cut => Manner::AtOnce,
        End::Engine | End::Failed => Manner::ReadToEnd(Duration::from_secs(1)),
        End::Silent => {
            count(shared.context.tally.timeouts());
            Manner::Reset
        }
        End::Told(goodbye) => {
            count(shared.context.tally.refused());
            tracing::debug!(peer = %shared.peer, why = goodbye.why, "http/2 connection ended for the peer's fault");
            let mut link = shared.link();
            if let Some(frame) = link.meter().and_then(|meter| meter.goaway(goodbye)) {
                link.append(&frame);
            }
            Manner::ReadToEnd(Duration::from_secs(1))
        }
    };
    close::close(shared, manner).await;
}
