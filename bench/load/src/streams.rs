//! One slot of an HTTP/2 load: a connection with several concurrent requests,
//! opened again whenever it has ended.
//!
//! In: planned requests, from the queue. Out: counts. Owns the one retry of a
//! request that the server has promised not to have begun.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::fault::{Class, Fault, Phase};
use crate::http2::{Http2, Unanswered};
use crate::load::Context;
use crate::random::Random;
use crate::request::{Answer, Request};
use crate::schedule::Planned;

/// How many connections in a row may end before a request could be sent on one.
const MOST_UNSENT: u32 = 5;

/// Serves requests until the queue has ended and each has its answer.
pub(crate) async fn run(context: Arc<Context>, number: usize) {
    let slot = Arc::new(Slot { url: url(&context), context, number, open: Mutex::default() });
    serve(&slot).await;
    if let Some(connection) = &slot.open.lock().await.connection {
        connection.excuse();
    }
}

struct Slot {
    context: Arc<Context>,
    number: usize,
    /// Scheme and authority.
    url: String,
    open: Mutex<Open>,
}

#[derive(Default)]
struct Open {
    connection: Option<Http2>,
    /// Connections opened so far.
    opened: u64,
    /// Requests given to this connection.
    served: u64,
    last_request: Option<Instant>,
}

async fn serve(slot: &Arc<Slot>) {
    let context = &slot.context;
    let mut random = Random::part(context.load.seed, slot.number as u64);
    let mut stopped = context.stopped.clone();
    let mut requests = JoinSet::new();
    let mut rest: Option<Instant> = None;
    loop {
        let free = requests.len() < context.load.streams.max(1);
        tokio::select! {
            Some(ended) = requests.join_next(), if !requests.is_empty() => {
                rethrow(ended);
                if rest.is_none() && !*context.stopped.borrow() {
                    rest = context.rests.begin(&mut random);
                }
            }
            () = tokio::time::sleep_until(rest.unwrap_or_else(Instant::now)), if rest.is_some() => {
                rest = None;
                context.rests.end();
            }
            _ = stopped.wait_for(|stopped| *stopped), if rest.is_some() => {
                rest = None;
                context.rests.end();
            }
            planned = context.queue.next(), if rest.is_none() && free => {
                let Some(planned) = planned else { break };
                let slot = Arc::clone(slot);
                requests.spawn(async move { slot.request(&planned).await });
            }
        }
    }
    while let Some(ended) = requests.join_next().await {
        rethrow(ended);
    }
}

fn rethrow(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

fn url(context: &Context) -> String {
    format!("{}://{}", context.dialer.scheme(), context.dialer.authority())
}

impl Slot {
    async fn request(&self, planned: &Planned) {
        let Some(work) = self.context.load.works.get(planned.work) else { return };
        let limit = self.context.load.timeout;
        let mut place = (0, Duration::ZERO);
        let result = if planned.at.elapsed() > limit {
            Err(Fault::new(Class::TimedOut, Phase::Queue, "never sent"))
        } else {
            let request = Request::new(work, planned.seed);
            let answer =
                tokio::time::timeout(limit, self.answer(&request, &mut place)).await.unwrap_or_else(|_| {
                    Err(Fault::new(
                        Class::TimedOut,
                        Phase::Exchange,
                        format!("no whole answer within {limit:?}"),
                    ))
                });
            answer.and_then(|answer| request.judge(&answer))
        };
        self.context.counts.end(planned.at, result, self.number, || {
            let (served, silence) = place;
            format!(
                "{} {}, request {served} of its connection, after {silence:.3?} of silence",
                work.method, work.path
            )
        });
    }

    async fn answer(&self, request: &Request, place: &mut (u64, Duration)) -> Result<Answer, Fault> {
        let (mut unsent, mut retried) = (0, false);
        loop {
            let connection = self.connection(place).await?;
            let unanswered = match connection.clone().exchange(request, &self.url).await {
                Ok(answer) => return Ok(answer),
                Err(unanswered) => unanswered,
            };
            self.forget(&connection).await;
            match unanswered {
                Unanswered::Unsent => unsent += 1,
                Unanswered::NotBegun { by_goaway, .. } if !retried => {
                    retried = true;
                    if !by_goaway {
                        // The server goes on with this connection; we do not.
                        connection.excuse();
                    }
                    self.context.counts.retried_safely(by_goaway);
                }
                Unanswered::NotBegun { detail, .. } => {
                    return Err(Fault::new(
                        Class::Reset,
                        Phase::Waiting,
                        format!("{detail}, for the second time"),
                    ));
                }
                Unanswered::Fault(fault) => return Err(fault),
            }
            if unsent == MOST_UNSENT {
                let detail = format!("{MOST_UNSENT} connections ended before a request could be sent");
                return Err(Fault::new(Class::Reset, Phase::Handshake, detail));
            }
        }
    }

    /// The open connection, or a new one. Others wait meanwhile, and then share it.
    async fn connection(&self, place: &mut (u64, Duration)) -> Result<Http2, Fault> {
        let mut open = self.open.lock().await;
        let connection = match &open.connection {
            Some(connection) => connection.clone(),
            None => {
                let stream = self.context.dialer.open().await?;
                let connection = Http2::open(stream, Arc::clone(&self.context.counts)).await?;
                if open.opened > 0 {
                    self.context.counts.reconnected();
                }
                let opened = open.opened + 1;
                *open = Open { connection: Some(connection.clone()), opened, ..Open::default() };
                connection
            }
        };
        open.served += 1;
        *place = (open.served, open.last_request.map_or(Duration::ZERO, |last| last.elapsed()));
        open.last_request = Some(Instant::now());
        Ok(connection)
    }

    /// No longer gives new requests to `connection`; those that it has may end.
    async fn forget(&self, connection: &Http2) {
        let mut open = self.open.lock().await;
        if open.connection.as_ref().is_some_and(|current| current.is(connection)) {
            open.connection = None;
        }
    }
}
