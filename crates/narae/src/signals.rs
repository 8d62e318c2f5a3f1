//! Signals: stop, hurry, open the log anew.
//!
//! In: SIGTERM, SIGINT, SIGQUIT, SIGUSR1. Out: calls to a [`Stopper`] and a [`Sink`], from a thread of its
//! own. Must not know requests.

use std::io;
use std::thread;
use std::time::Duration;

use narae_layers::Sink;
use narae_server::{DrainSettings, Stopper};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Watches for signals until the process ends: SIGTERM and SIGQUIT stop the server gracefully, SIGINT and
/// any second one at once, the third one ends the process.
///
/// # Errors
///
/// The system has no thread or handler left.
pub(crate) fn watch(stopper: Stopper, drain: DrainSettings, log: Option<Sink>, say: bool) -> io::Result<()> {
    watch_with(log, move |fast| {
        if say && !fast {
            crate::run::say("stopping: requests under way are finished; again to stop at once\n");
        }
        stopper.stop(if fast {
            DrainSettings { linger: Duration::ZERO, deadline: Duration::ZERO }
        } else {
            drain
        });
    })
}

/// The same, with what to do for the first two: gracefully, or fast.
///
/// # Errors
///
/// The system has no thread or handler left.
pub(crate) fn watch_with(log: Option<Sink>, stop: impl Fn(bool) + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let mut signals = {
        // Handlers are registered with the runtime that is entered.
        let _entered = runtime.enter();
        Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            quit: signal(SignalKind::quit())?,
            reopen: signal(SignalKind::user_defined1())?,
        }
    };
    thread::Builder::new().name("narae-signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            let mut stops = 0;
            loop {
                let (number, fast) = match signals.next().await {
                    Wish::Stop(number) => (number, number == SignalKind::interrupt().as_raw_value()),
                    Wish::Reopen => {
                        reopen(log.as_ref());
                        continue;
                    }
                };
                stops += 1;
                match stops {
                    1 => stop(fast),
                    2 => stop(true),
                    _ => std::process::exit(128 + number),
                }
            }
        });
    })?;
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    quit: Signal,
    reopen: Signal,
}

enum Wish {
    /// By the signal of this number.
    Stop(i32),
    Reopen,
}

impl Signals {
    async fn next(&mut self) -> Wish {
        let stop = |kind: SignalKind| Wish::Stop(kind.as_raw_value());
        tokio::select! {
            _ = self.terminate.recv() => stop(SignalKind::terminate()),
            _ = self.interrupt.recv() => stop(SignalKind::interrupt()),
            _ = self.quit.recv() => stop(SignalKind::quit()),
            _ = self.reopen.recv() => Wish::Reopen,
        }
    }
}

/// Opens the access log's file anew, after it was moved.
pub(crate) fn reopen(log: Option<&Sink>) {
    let Some(log) = log else { return };
    if let Err(error) = log.reopen() {
        tracing::error!(%error, "the access log cannot be opened anew; lines still go to the old file");
    }
}
