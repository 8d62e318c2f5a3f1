//! One slot of an HTTP/1.1 load: a connection that is opened again whenever it has ended.
//!
//! In: planned requests, from the queue. Out: counts. Owns when the connection
//! rests, and when it is opened ahead of a request.

use std::sync::Arc;

use tokio::time::Instant;

use crate::fault::{Class, Fault, Phase};
use crate::http1::{Http1, Idle};
use crate::load::Context;
use crate::random::Random;
use crate::request::Request;
use crate::schedule::Planned;

/// Serves requests until the queue has ended.
pub(crate) async fn run(context: Arc<Context>, number: usize) {
    let random = Random::part(context.load.seed, number as u64);
    let mut slot = Slot {
        context,
        number,
        random,
        connection: None,
        opened: 0,
        served: 0,
        silent_since: Instant::now(),
    };
    slot.open_ahead().await;
    slot.serve().await;
}

struct Slot {
    context: Arc<Context>,
    number: usize,
    random: Random,
    connection: Option<Http1>,
    /// Connections opened so far.
    opened: u64,
    /// Requests sent on this connection; 0 in the text of a failure means that it could not be opened.
    served: u64,
    silent_since: Instant,
}

enum Event {
    Idle(Idle),
    Rested,
    Due(Option<Planned>),
}

impl Slot {
    async fn serve(&mut self) {
        let context = Arc::clone(&self.context);
        let mut stopped = context.stopped.clone();
        let mut rest = None;
        loop {
            let event = tokio::select! {
                idle = watch(&mut self.connection) => Event::Idle(idle),
                () = tokio::time::sleep_until(rest.unwrap_or(self.silent_since)), if rest.is_some() => Event::Rested,
                _ = stopped.wait_for(|stopped| *stopped), if rest.is_some() => Event::Rested,
                planned = context.queue.next(), if rest.is_none() => Event::Due(planned),
            };
            match event {
                Event::Idle(idle) => {
                    self.ended_idle(&idle);
                    self.open_ahead().await;
                }
                Event::Rested => {
                    rest = None;
                    context.rests.end();
                }
                Event::Due(None) => return,
                Event::Due(Some(planned)) => {
                    self.request(&planned).await;
                    if !*context.stopped.borrow() {
                        rest = context.rests.begin(&mut self.random);
                    }
                }
            }
        }
    }

    /// Opens the next connection before it is needed, or leaves that to the next request: either may come to be.
    async fn open_ahead(&mut self) {
        if *self.context.stopped.borrow() || !self.random.chance(0.5) {
            return;
        }
        let opened =
            tokio::time::timeout(self.context.load.timeout, self.open()).await.unwrap_or_else(|_| {
                Err(Fault::new(Class::Refused, Phase::Connect, "no connection within the time limit"))
            });
        match opened {
            Ok(connection) => self.connection = Some(connection),
            Err(fault) => self.context.counts.refused_ahead(self.number, &fault),
        }
    }

    async fn open(&mut self) -> Result<Http1, Fault> {
        let connection = Http1::new(self.context.dialer.open().await?);
        if self.opened > 0 {
            self.context.counts.reconnected();
        }
        self.opened += 1;
        self.served = 0;
        self.silent_since = Instant::now();
        Ok(connection)
    }

    fn ended_idle(&mut self, idle: &Idle) {
        self.connection = None;
        match idle {
            Idle::Closed => self.context.counts.closed_idle(),
            Idle::Unsolicited(bytes) => self.context.counts.unsolicited(self.number, bytes),
        }
    }

    async fn request(&mut self, planned: &Planned) {
        let context = Arc::clone(&self.context);
        let Some(work) = context.load.works.get(planned.work) else { return };
        let silence = self.silent_since.elapsed();
        let limit = context.load.timeout;
        let result = if planned.at.elapsed() > limit {
            Err(Fault::new(Class::TimedOut, Phase::Queue, "never sent"))
        } else {
            let request = Request::new(work, planned.seed);
            tokio::time::timeout(limit, self.exchange(&request)).await.unwrap_or_else(|_| {
                Err(Fault::new(Class::TimedOut, Phase::Exchange, format!("no whole answer within {limit:?}")))
            })
        };
        self.silent_since = Instant::now();
        context.counts.end(planned.at, result, self.number, || {
            let Self { served, .. } = self;
            format!(
                "{} {}, request {served} of its connection, after {silence:.3?} of silence",
                work.method, work.path
            )
        });
    }

    /// Takes the connection away first: whatever ends early, it is not used again.
    async fn exchange(&mut self, request: &Request) -> Result<(), Fault> {
        let mut connection = self.connection.take();
        if let Some(open) = &mut connection
            && let Err(idle) = open.check().await
        {
            connection = None;
            self.ended_idle(&idle);
        }
        let connection = match connection {
            Some(connection) => connection,
            None => {
                self.served = 0;
                self.open().await?
            }
        };
        self.served += 1;
        let (answer, connection) = connection.exchange(request, self.context.dialer.authority()).await?;
        self.connection = connection;
        request.judge(&answer)
    }
}

async fn watch(connection: &mut Option<Http1>) -> Idle {
    match connection {
        Some(connection) => connection.idle().await,
        None => std::future::pending().await,
    }
}
