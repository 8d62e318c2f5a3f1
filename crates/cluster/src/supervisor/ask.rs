//! Operators at the control socket: who they are, what they want, what they are told.

use std::collections::BTreeMap;
use std::io;

use crate::channel::{Channel, Received};
use crate::message::{self, Reply, Request};
use crate::plan::{Asker, Command, Event};
use crate::worker::PAUSE;

use super::{Supervisor, now};

/// Operators who were let in.
#[derive(Default)]
pub(super) struct Asks {
    open: BTreeMap<Asker, Channel>,
    next: Asker,
}

impl Asks {
    pub(super) fn waiting(&self) -> impl Iterator<Item = (Asker, &Channel)> {
        self.open.iter().map(|(asker, channel)| (*asker, channel))
    }

    /// Tells an operator something. One who does not listen any more is forgotten.
    pub(super) fn tell(&mut self, asker: Asker, reply: &Reply) {
        let Some(channel) = self.open.get(&asker) else { return };
        let told = message::write(reply).and_then(|packet| channel.send_now(&packet, &[]));
        if told.is_err() {
            self.open.remove(&asker);
        }
    }

    /// Tells everyone who still waits.
    pub(super) fn tell_all(&mut self, reply: &Reply) {
        let askers: Vec<Asker> = self.open.keys().copied().collect();
        for asker in askers {
            self.tell(asker, reply);
        }
    }

    /// Says the last word.
    pub(super) fn finish(&mut self, asker: Asker, reply: &Reply) {
        self.tell(asker, reply);
        self.open.remove(&asker);
    }
}

impl Supervisor {
    /// Lets an operator in: this user, or root.
    pub(super) fn let_in(&mut self) {
        let channel = match self.control.accept() {
            Ok(channel) => channel,
            Err(error) => {
                // Who asks waits in the queue. Until a descriptor is free again there is nothing to wait for but time.
                if error.kind() != io::ErrorKind::WouldBlock {
                    self.deaf_until = now() + PAUSE;
                }
                return;
            }
        };
        let own = rustix::process::geteuid();
        let is_allowed = channel.peer().is_ok_and(|peer| peer.uid == own || peer.uid.is_root());
        if !is_allowed {
            return;
        }
        self.asks.next += 1;
        self.asks.open.insert(self.asks.next, channel);
    }

    pub(super) fn hear_asker(&mut self, asker: Asker) {
        let Some(channel) = self.asks.open.get(&asker) else { return };
        let request = match channel.try_recv() {
            Ok(Received::Packet(packet, _)) => message::read(&packet).unwrap_or(Request::Unknown),
            Ok(Received::Nothing) => return,
            Ok(Received::End) | Err(_) => {
                self.asks.open.remove(&asker);
                return;
            }
        };
        let command = match request {
            Request::Status => {
                let status = self.status();
                self.asks.finish(asker, &Reply::Status(status));
                return;
            }
            Request::Reload => Command::Reload,
            Request::Restart => Command::Restart,
            Request::Scale { workers } => {
                let most = (self.page.lanes() / self.cluster.threads.max(1)).saturating_sub(1);
                if workers > most {
                    let reason = format!("{workers} workers are too many: there is room for {most}");
                    self.asks.finish(asker, &Reply::Failed { reason });
                    return;
                }
                Command::Scale(workers)
            }
            Request::Stop { fast } => Command::Stop { fast },
            Request::ReopenLogs => Command::Reopen,
            Request::Upgrade => Command::Upgrade,
            Request::Unknown => {
                let reason = "this supervisor does not know the request: it may be older than the command";
                self.asks.finish(asker, &Reply::Failed { reason: reason.to_owned() });
                return;
            }
        };
        self.happen(Event::Command { command, asker: Some(asker) });
    }
}
