//! Drives one HTTP/2 connection: the engine, the timers, the two-step `GOAWAY` of a drain (RFC 9113).

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use hyper::server::conn::http2::{Builder, Connection};
use hyper_util::rt::TokioIo;

use crate::application::Application;
use crate::close::{self, Manner};
use crate::connection::{Shared, after, earlier};
use crate::deadline::DeadlineTimer;
use crate::exchange::Exchange;
use crate::h2_frames::{FrameMeter, Goodbye};
use crate::in_place::Streams;
use crate::limits::Limits;
use crate::link::Fault;
use crate::tally::count;
use crate::wire::Wire;

/// How long a peer may take to answer the end of an idle connection.
const GOODBYE: Duration = Duration::from_secs(5);

/// Serves requests until the connection ends.
pub(crate) async fn serve<S>(shared: Arc<Shared>, service: S)
where
    S: Application,
{
    let io = TokioIo::new(Wire(Arc::clone(&shared)));
    let exchange = Exchange::new(service, Arc::clone(&shared));
    let streams = Streams::default();
    let engine = builder(&shared.context.limits, streams.clone()).serve_connection(io, exchange);
    let mut driver = Driver {
        engine,
        timer: DeadlineTimer::default(),
        shared: Arc::clone(&shared),
        leaving: None,
        streams,
    };
    let end = poll_fn(|cx| driver.poll(cx)).await;
    drop(driver);
    finish(&shared, end).await;
}

fn builder(limits: &Limits, streams: Streams) -> Builder<Streams> {
    let mut builder = Builder::new(streams);
    builder
        .max_concurrent_streams(limits.h2_max_streams)
        .max_header_list_size(u32::try_from(limits.max_head_bytes).unwrap_or(u32::MAX))
        // The connection's window is larger than a stream's, so that one upload does not stop the others.
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(256 * 1024);
    builder
}

/// Why a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The engine is done, with both sides informed.
    Engine,
    /// The transport or the peer's protocol failed.
    Failed,
    /// A limit of time.
    Silent,
    /// The peer's frames used up a budget, or were wrong where the engine does not look.
    Told(Goodbye),
    /// The drain's deadline.
    Cut,
}

struct Driver<E> {
    engine: E,
    timer: DeadlineTimer,
    shared: Arc<Shared>,
    /// Since when the peer knows that the connection ends.
    leaving: Option<Instant>,
    streams: Streams,
}

/// The engine, as far as the driver needs it. One implementation; it keeps the bounds in one place.
trait Engine: Future<Output = Result<(), hyper::Error>> + Unpin {
    /// `GOAWAY` with the highest id, a round trip, `GOAWAY` with the last one (RFC 9113 §6.8).
    fn say_goodbye(&mut self);
}

impl<S> Engine for Connection<TokioIo<Wire>, Exchange<S>, Streams>
where
    S: Application,
{
    fn say_goodbye(&mut self) {
        Pin::new(self).graceful_shutdown();
    }
}

impl<E: Engine> Driver<E> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.shared.driver.register(cx.waker());
        if self.leaving.is_none() && self.shared.context.drain.is_draining() {
            self.leave();
        }
        self.shared.link().begin_turn();
        let mut done = Pin::new(&mut self.engine).poll(cx);
        // Their answers leave in this turn.
        if self.streams.run() && done.is_pending() {
            done = Pin::new(&mut self.engine).poll(cx);
            if !self.streams.is_empty() {
                cx.waker().wake_by_ref();
            }
        }
        let mut link = self.shared.link();
        let flushed = link.poll_end_turn(cx);
        if link.is_cut() {
            return Poll::Ready(End::Cut);
        }
        if let Some(Fault::Frames(goodbye)) = link.fault {
            return Poll::Ready(End::Told(goodbye));
        }
        match (done, flushed) {
            (Poll::Ready(Ok(())), _) => return Poll::Ready(End::Engine),
            (Poll::Ready(Err(_)), _) | (_, Poll::Ready(Err(_))) => return Poll::Ready(End::Failed),
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
