//! [`Alone`]: one connection at a time, served in the caller's own event loop. For the fuzz targets (`fuzz/`).
//!
//! In: one end of a socket pair, a service. Out: whatever a server with a Unix listener would say, with every
//! limit and rule, and without a thread, a listener or an accept. Not part of the public interface.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use crate::application::Application;
use crate::connection::Context;
use crate::drain::Drain;
use crate::error::Result;
use crate::limits::Limits;
use crate::listen::Local;
use crate::lot::Lot;
use crate::seat::{Arrival, Endpoint, Seat, State};
use crate::socket::{Accepted, Peer};
use crate::tally::{Tally, count};
use crate::trusted::TrustedProxies;
use crate::{arrival, parking};

/// An event loop's state, with no event loop. Its counters are never given back: make it once.
pub struct Alone {
    context: Arc<Context>,
    seat: Arc<Seat>,
    endpoint: Arc<Endpoint>,
}

impl Alone {
    /// # Errors
    ///
    /// As [`Builder::build`](crate::Builder::build) for the limits; or the system has no descriptor left.
    pub fn new(limits: Limits) -> Result<Self> {
        limits.check()?;
        let tally = Tally::of_its_own();
        let drain = Drain::new(vec![tally]);
        let seat = Arc::new(Seat::new(tally, Arc::default(), drain.clone()));
        let local = Local::Unix(PathBuf::new());
        let endpoint = Arc::new(Endpoint { index: 0, local, tls: None, proxy_protocol: false });
        let context = Arc::new(Context {
            limits: limits.capped(),
            tally,
            drain,
            thread: 0,
            describe: None,
            find_file: None,
            lot: Lot::new(tally)?,
            endpoints: Arc::from([Arc::clone(&endpoint)]),
            trusted: TrustedProxies::default(),
        });
        Ok(Self { context, seat, endpoint })
    }

    /// Serves `socket`, which must not block, until its connection is over.
    pub async fn serve<S>(&self, socket: UnixStream, service: S)
    where
        S: Application,
    {
        // `Admission` takes it back.
        count(self.seat.tally.open());
        let (socket, endpoint) = (Accepted::Bare(socket.into()), Arc::clone(&self.endpoint));
        let arrival = Arrival { socket, peer: Peer::Unix, endpoint, permit: None, state: State::Fresh };
        arrival::begin(arrival, &self.context, &self.seat, &service);
        let ended = async {
            while self.seat.load() > 0 {
                self.seat.released.notified().await;
            }
        };
        tokio::select! {
            () = ended => {}
            Err(error) = parking::keep(Arc::clone(&self.context), service) => {
                tracing::error!(%error, "parked connections are not watched");
            }
        }
    }
}
