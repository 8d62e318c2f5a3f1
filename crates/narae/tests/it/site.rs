//! A running application that is stopped with the test.

use std::net::SocketAddr;

use narae::{App, Log, Report, Running};

use crate::client::{Answer, Client};

pub struct Site(Option<Running>);

impl Site {
    /// `app` on a port of its own, with one event loop and no access log.
    pub fn quiet(app: App) -> Self {
        Self::start(app.http("127.0.0.1:0").workers(1).access_log(Log::off()))
    }

    pub fn start(app: App) -> Self {
        crate::messages::capture();
        Self(Some(app.start().unwrap()))
    }

    pub fn running(&self) -> &Running {
        self.0.as_ref().unwrap()
    }

    pub fn address(&self) -> SocketAddr {
        self.running().addresses()[0]
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address())
    }

    pub fn get(&self, path: &str) -> Answer {
        self.client().get(path)
    }

    /// Stops gracefully, and waits until all logs are written.
    pub fn stop(mut self) -> Report {
        self.0.take().unwrap().stop_now()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(running) = self.0.take() {
            running.stop_now();
        }
    }
}
