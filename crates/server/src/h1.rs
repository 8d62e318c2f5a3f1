//! Drives one HTTP/1 connection: the engine, the timers, the server's own last words (RFC 9112).
//!
//! One timer serves every limit of time, so that a request costs no timer of its own (`deadline`).

mod request_head;
mod response_head;
mod whole;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::Body as HttpBody;
use hyper::server::conn::http1::{Builder, Connection, UpgradeableConnection};
use hyper_util::rt::TokioIo;

use crate::answer::Refusal;
use crate::application::Application;
use crate::body::BodyStage;
use crate::close::{self, Manner};
use crate::connection::{Shared, earlier};
use crate::deadline::DeadlineTimer;
use crate::exchange::Exchange;
use crate::framing::Flaw;
use crate::limits::Limits;
use crate::link::{Fault, Leftover, Link, Phase};
use crate::seat::Admission;
use crate::socket::Transport;
use crate::tally::count;
use crate::wire::Wire;

use self::whole::{Next, Whole};

/// How long the rest of a body that nobody read may take to arrive.
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// What is left of a connection that rests between two requests.
pub(crate) struct Rest {
    pub(crate) transport: Transport,
    /// Bytes of the next request that the engine has read already.
    pub(crate) before: Bytes,
    /// Since when it rests.
    pub(crate) since: Instant,
    pub(crate) admission: Admission,
}

/// Serves requests until the connection ends, or rests for so long that it needs no engine.
pub(crate) async fn serve<S>(shared: Arc<Shared>, service: S) -> Option<Rest>
where
    S: Application,
{
    let exchange = Exchange::new(service, Arc::clone(&shared));
    let mut driver = Driver {
        engine: Some(Engine::None(Whole::new(exchange, Arc::clone(&shared)))),
        timer: DeadlineTimer::default(),
        shared: Arc::clone(&shared),
    };
    let end = poll_fn(|cx| driver.poll(cx)).await;
    if let End::Rests = end {
        let mut before = match driver.engine.take()? {
            Engine::None(whole) => whole.into_parts().1,
            Engine::Http(engine) => engine.into_parts().read_buf,
            Engine::Upgradeable(engine) => engine.into_parts()?.read_buf,
        };
        request_head::skip_empty_lines(&mut before);
        let since = shared.link().phase().1;
        let (transport, admission) = shared.take_out()?;
        return Some(Rest { transport, before, since, admission });
    }
    // The engine may still hold an unfinished answer; what follows goes after what was sent.
    drop(driver);
    finish(&shared, end).await;
    None
}

fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .half_close(true)
        .header_read_timeout(None)
        .max_header_size(limits.max_head_bytes)
        .max_buf_size(limits.max_head_bytes.max(64 * 1024));
    // The engine's own default is the same number, and cheaper than asking for it.
    if limits.max_header_count != 100 {
        builder.max_headers(limits.max_header_count);
    }
    builder
}

/// Why a connection ended.
#[derive(Debug)]
enum End {
    /// The engine is done; what it had to say is sent, or cannot be sent.
    Engine(Result<(), Failure>),
    /// The socket became the handler's.
    Upgraded,
    /// A limit or rule; the peer gets this answer, if no other is under way.
    Refused(Refusal),
    /// The peer is gone, or has ended its side and there has been nothing for it for too long.
    Gone,
    /// The peer takes nothing of its answer.
    Silent,
    /// The rest of an unread body does not come; its request is answered.
    Unread,
    /// Nothing was asked for, in the keep-alive time or in the linger of a drain.
    Idle,
    /// Nothing was asked for, for a while: the engine is not needed.
    Rests,
    /// The drain's deadline.
    Cut,
}

/// Why the engine could not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// A head that it has refused.
    Head,
    Other,
}

enum Engine<S>
where
    S: Application,
{
    /// None is needed so far.
    None(Whole<S>),
    Http(Connection<TokioIo<Wire>, Exchange<S>>),
    Upgradeable(UpgradeableConnection<TokioIo<Wire>, Exchange<S>>),
}

struct Driver<S>
where
    S: Application,
{
    engine: Option<Engine<S>>,
    timer: DeadlineTimer,
    shared: Arc<Shared>,
}

impl<S> Driver<S>
where
    S: Application,
{
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        self.shared.driver.register(cx.waker());
        self.shared.link().begin_turn();
        let done = self.poll_engine(cx);
        let mut link = self.shared.link();
        let flushed = link.poll_end_turn(cx);
        if let Poll::Ready(end) = done {
            // Even a failed write is the end: the engine has nothing more to say. It is dropped without the
            // lock, since an answer inside it takes the lock to leave.
            drop(link);
            let was_upgraded = match self.engine.take() {
                Some(Engine::Upgradeable(engine)) => engine.into_parts().is_none(),
                _ => false,
            };
            if was_upgraded && self.shared.link().is_switching {
                self.shared.give_away();
                return Poll::Ready(End::Upgraded);
            }
            let link = self.shared.link();
            return match link.fault {
                Some(Fault::TargetTooLong) => Poll::Ready(End::Refused(Refusal::TargetTooLong)),
                Some(Fault::Flaw(Flaw::Head(refusal))) => Poll::Ready(End::Refused(refusal)),
                // The handler's answer to its broken body is the last one.
                Some(Fault::Flaw(Flaw::Body)) => Poll::Ready(End::Engine(Ok(()))),
                _ if link.is_cut() => Poll::Ready(End::Cut),
                _ => Poll::Ready(end),
            };
        }
        if link.is_cut() {
            return Poll::Ready(End::Cut);
        }
        if let Poll::Ready(Err(_)) = flushed {
            return Poll::Ready(End::Gone);
        }
        if link.upgrading.is_some() && matches!(self.engine, Some(Engine::Http(_))) {
            drop(link);
            self.allow_upgrade();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(leftover) = &mut link.leftover
            && let Some(stage) = discard(leftover, cx)
        {
            leftover.state.set(stage);
            link.leftover = None;
            link.body_ended();
        }
        if link.phase().0 == Phase::Busy && link.poll_gone(cx) {
            return Poll::Ready(End::Gone);
        }
        let deadline = deadline(&self.shared, &link);
        let idle_end = link.phase().1 + self.shared.context.limits.keep_alive_idle;
        drop(link);
        match deadline {
            // To a successor it goes in this turn, before the peer can have had the answer and asked again.
            Some((_, End::Rests)) if self.shared.context.drain.is_draining() => Poll::Ready(End::Rests),
            Some((at, end)) => self.timer.poll(at, cx).map(|()| match end {
                // It rested elsewhere until its time was over.
                End::Rests if Instant::now() >= idle_end => End::Idle,
                end => end,
            }),
            None => Poll::Pending,
        }
    }

    /// How the engine ends the connection.
    fn poll_engine(&mut self, cx: &mut Context<'_>) -> Poll<End> {
        let engine = match &mut self.engine {
            Some(Engine::None(whole)) => match ready!(whole.poll(cx)) {
                Ok(Next::Closed) => return Poll::Ready(End::Engine(Ok(()))),
                Ok(Next::Engine) => self.call_engine(),
                Err(_) => return Poll::Ready(End::Engine(Err(Failure::Other))),
            },
            engine => engine,
        };
        let result = match engine {
            Some(Engine::Http(engine)) => ready!(Pin::new(engine).poll(cx)),
            Some(Engine::Upgradeable(engine)) => ready!(Pin::new(engine).poll(cx)),
            Some(Engine::None(_)) | None => return Poll::Ready(End::Engine(Err(Failure::Other))),
        };
        Poll::Ready(match result {
            // It says nothing to another protocol's preface.
            Err(error) if error.is_parse_version_h2() => End::Refused(Refusal::Preface),
            Err(error) if error.is_parse() => End::Engine(Err(Failure::Head)),
            Err(_) => End::Engine(Err(Failure::Other)),
            Ok(()) => End::Engine(Ok(())),
        })
    }

    /// From here on, until the connection rests, the engine answers.
    fn call_engine(&mut self) -> &mut Option<Engine<S>> {
        if let Some(Engine::None(whole)) = self.engine.take() {
            let (exchange, bytes) = whole.into_parts();
            self.shared.link().put_back(bytes);
            let io = TokioIo::new(Wire(Arc::clone(&self.shared)));
            let engine = builder(&self.shared.context.limits).serve_connection(io, exchange);
            self.engine = Some(Engine::Http(engine));
        }
        &mut self.engine
    }

    /// Lets the engine hand the socket to a handler that answers `101`.
    fn allow_upgrade(&mut self) {
        self.engine = match self.engine.take() {
            Some(Engine::Http(engine)) => Some(Engine::Upgradeable(engine.with_upgrades())),
            other => other,
        };
    }
}

/// When the connection ends if nothing moves, and how.
fn deadline(shared: &Shared, link: &Link) -> Option<(Instant, End)> {
    let limits = &shared.context.limits;
    let (phase, since) = link.phase();
    let linger = shared.context.drain.linger_until();
    if let Some(since) = link.blocked_since() {
        return Some((since + limits.write_stall, End::Silent));
    }
    match phase {
        Phase::Idle => {
            let end = earlier(linger, Some(since + limits.keep_alive_idle))?;
            match rests_at(shared, link, since) {
                // To a successor it goes whenever it is free, also when the linger is over: its answer did not say
                // that the connection ends.
                Some(at) if at < end || shared.context.drain.is_draining() => Some((at, End::Rests)),
                _ => Some((end, End::Idle)),
            }
        }
        Phase::Head => Some((since + limits.head_timeout, End::Refused(Refusal::HeadTimeout))),
        Phase::Busy => link.ended_since().map(|since| (since + limits.write_stall, End::Gone)),
        Phase::Tail if link.leftover.is_some() => Some((since + DISCARD_TIME, End::Unread)),
        Phase::Tail => Some((since + limits.keep_alive_idle, End::Unread)),
    }
}

/// When an idle connection leaves its engine.
fn rests_at(shared: &Shared, link: &Link, since: Instant) -> Option<Instant> {
    let drain = &shared.context.drain;
    let after = match drain.is_draining() {
        false => shared.context.limits.park_after?,
        true if shared.tls.is_none() && drain.hands_over() => Duration::ZERO,
        true => return None,
    };
    link.is_at_rest().then(|| since + after)
}

/// Throws away what has arrived. How it ended, if it has.
fn discard(leftover: &mut Leftover, cx: &mut Context<'_>) -> Option<BodyStage> {
    loop {
        match Pin::new(&mut leftover.body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len);
                match leftover.budget.checked_sub(length) {
                    Some(left) => leftover.budget = left,
                    None => return Some(BodyStage::Unwanted),
                }
            }
            Poll::Ready(None) => return Some(BodyStage::Whole),
            Poll::Ready(Some(Err(_))) => return Some(BodyStage::Broken),
            Poll::Pending => return None,
        }
    }
}

/// The server's last words on a connection, and its close.
async fn finish(shared: &Arc<Shared>, end: End) {
    let tally = &shared.context.tally;
    let manner = match end {
        End::Upgraded | End::Rests => return,
        End::Cut | End::Gone if shared.link().close_delimited => Manner::Reset,
        End::Cut | End::Gone => Manner::AtOnce,
        End::Unread => Manner::ReadToEnd(shared.context.limits.lingering_close),
        End::Silent => {
            count(tally.timeouts());
            Manner::Reset
        }
        End::Idle => Manner::ReadToEnd(Duration::from_secs(1)),
        // No answer of ours goes into the middle of another.
        End::Refused(_) if shared.link().engine_holds => Manner::Reset,
        End::Refused(refusal) => {
            if matches!(refusal, Refusal::HeadTimeout) {
                count(tally.timeouts());
            }
            count(tally.refused());
            shared.link().append(&refusal.bytes());
            Manner::ReadToEnd(shared.context.limits.lingering_close)
        }
        End::Engine(Ok(())) if shared.link().is_read_closed() => Manner::AtOnce,
        // The engine answered a malformed head, or a response said that it is the last.
        End::Engine(Ok(())) => Manner::ReadToEnd(shared.context.limits.lingering_close),
        End::Engine(Err(Failure::Head)) => {
            count(tally.refused());
            Manner::ReadToEnd(shared.context.limits.lingering_close)
        }
        End::Engine(Err(Failure::Other)) if shared.link().close_delimited => Manner::Reset,
        End::Engine(Err(Failure::Other)) => Manner::AtOnce,
    };
    close::close(shared, manner).await;
}
