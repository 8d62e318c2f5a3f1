//! [`ExpressForm`]: sessions as `connect-redis` keeps them: one text for each.
//!
//! In: ids and changes. Out: records. The name is the prefix and the id itself. A change is made on the text
//! that was read and written if that is still there (compare and set), with the lifetime that Node gives it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::connections::Connections;
use super::locks::Locks;
use super::script::{EXPRESS_DESTROY, EXPRESS_REPLACE, EXPRESS_TOUCH};
use crate::express::{self, Edited, Stored, Written};
use crate::id::Id;
use crate::record::{Change, Record};
use crate::store::{Committed, StoreError, Update, Updated};
use crate::time::Timestamp;

/// Operations on sessions in the form of `connect-redis`.
#[derive(Clone, Copy)]
pub(super) struct ExpressForm<'a> {
    pub(super) connections: &'a Connections,
    pub(super) prefix: &'a str,
    pub(super) locks: &'a Locks,
    pub(super) ttl: Duration,
    pub(super) user_key: &'a str,
    pub(super) has_warned: &'a AtomicBool,
}

/// What a compare-and-set came to.
enum Replaced {
    Done,
    Gone,
    Lost,
}

impl ExpressForm<'_> {
    pub(super) async fn load(&self, id: &Id, now: Timestamp) -> Result<Option<Record>, StoreError> {
        let key = self.key(id);
        let mut both = redis::pipe();
        both.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
        let (text, lifetime): (Option<Vec<u8>>, i64) = self.connections.query_all(&both).await?;
        let Some((_, mut record, _)) = text.and_then(|text| self.decode(id, text)) else { return Ok(None) };
        record.expires = match u64::try_from(lifetime) {
            Ok(lifetime) => now.after(Duration::from_millis(lifetime)),
            Err(_) => Timestamp::MAX,
        };
        Ok(Some(record))
    }

    pub(super) async fn create(&self, id: &Id, change: &Change) -> Result<Committed, StoreError> {
        let written = express::create(change, self.user_key)?;
        let lifetime = self.lifetime(&written, change.now);
        let mut command = if lifetime > 0 { redis::cmd("SET") } else { redis::cmd("DEL") };
        command.arg(self.key(id));
        if lifetime > 0 {
            command.arg(written.text).arg("EX").arg(lifetime);
        }
        self.connections.query::<redis::Value>(&command).await?;
        Ok(Committed::Done(None))
    }

    pub(super) async fn commit(&self, id: &Id, change: &Change) -> Result<Committed, StoreError> {
        self.change(id, None, change).await
    }

    pub(super) async fn renew(&self, from: &Id, to: &Id, change: &Change) -> Result<Committed, StoreError> {
        self.change(from, Some(to), change).await
    }

    async fn change(&self, from: &Id, to: Option<&Id>, change: &Change) -> Result<Committed, StoreError> {
        let _turn = self.locks.turn(from.handle(), self.connections.response_timeout()).await;
        let patience = self.patience();
        loop {
            let Some((text, record, stored)) = self.read(from).await? else { return Ok(Committed::Gone) };
            let written = express::apply(change, record, stored, self.user_key)?;
            let replaced = match to {
                Some(to) if self.connections.is_cluster() => {
                    self.move_between_nodes(from, to, &text, &written, change.now).await?
                }
                _ => self.replace(from, to, &text, &written, change.now).await?,
            };
            match replaced {
                Replaced::Done => return Ok(Committed::Done(None)),
                Replaced::Gone => return Ok(Committed::Gone),
                Replaced::Lost => self.check(patience)?,
            }
        }
    }

    pub(super) async fn update(&self, id: &Id, update: &Update) -> Result<Updated, StoreError> {
        let _turn = self.locks.turn(id.handle(), self.connections.response_timeout()).await;
        let patience = self.patience();
        loop {
            let Some((text, record, stored)) = self.read(id).await? else { return Ok(Updated::Gone) };
            let (written, json) = match express::edit(update, record, stored, self.user_key)? {
                Edited::Done(written, json) => (written, json),
                Edited::Refused(why) => return Ok(Updated::Refused(why)),
            };
            match self.replace(id, None, &text, &written, update.now).await? {
                Replaced::Done => return Ok(Updated::Done(json, None)),
                Replaced::Gone => return Ok(Updated::Gone),
                Replaced::Lost => self.check(patience)?,
            }
        }
    }

    pub(super) async fn touch(
        &self,
        id: &Id,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<bool, StoreError> {
        let arguments = [seconds(expires.since(now)).to_string(), seconds(self.ttl).to_string()];
        let key = self.key(id);
        let touched: i64 = self.connections.run(&EXPRESS_TOUCH, &[key.as_bytes()], &arguments).await?;
        Ok(touched == 1)
    }

    pub(super) async fn destroy(&self, id: &Id) -> Result<bool, StoreError> {
        let mut command = redis::cmd("DEL");
        command.arg(self.key(id));
        Ok(self.connections.query::<i64>(&command).await? == 1)
    }

    async fn read(&self, id: &Id) -> Result<Option<(String, Record, Stored)>, StoreError> {
        let mut command = redis::cmd("GET");
        command.arg(self.key(id));
        let text: Option<Vec<u8>> = self.connections.query(&command).await?;
        Ok(text.and_then(|text| self.decode(id, text)))
    }

    /// The text, and what is in it. What is no session counts as missing.
    fn decode(&self, id: &Id, text: Vec<u8>) -> Option<(String, Record, Stored)> {
        let decoded = String::from_utf8(text).map_err(|error| error.to_string()).and_then(|text| {
            let decoded = express::decode(&text, self.user_key)?;
            Ok(decoded.map(|(record, stored)| (text, record, stored)))
        });
        decoded.unwrap_or_else(|why| {
            if !self.has_warned.swap(true, Ordering::Relaxed) {
                let session = id.handle();
                tracing::warn!(%session, %why, "a record in Redis is no session of Express: it counts as missing");
            }
            None
        })
    }

    async fn replace(
        &self,
        from: &Id,
        to: Option<&Id>,
        old: &str,
        new: &Written,
        now: Timestamp,
    ) -> Result<Replaced, StoreError> {
        let (from, to) = (self.key(from), to.map(|to| self.key(to)));
        let mut keys = vec![from.as_bytes()];
        keys.extend(to.as_ref().map(String::as_bytes));
        let lifetime = self.lifetime(new, now).to_string();
        let arguments = [old.as_bytes(), new.text.as_bytes(), lifetime.as_bytes()];
        Ok(Replaced::from(self.connections.run::<i64>(&EXPRESS_REPLACE, &keys, &arguments).await?))
    }

    /// Renews where the two records may be on different nodes: the new one is there before the old one goes, and
    /// goes itself if the old one is not what was read any more.
    async fn move_between_nodes(
        &self,
        from: &Id,
        to: &Id,
        old: &str,
        new: &Written,
        now: Timestamp,
    ) -> Result<Replaced, StoreError> {
        let lifetime = self.lifetime(new, now);
        if lifetime > 0 {
            let mut command = redis::cmd("SET");
            command.arg(self.key(to)).arg(&new.text).arg("EX").arg(lifetime);
            self.connections.query::<redis::Value>(&command).await?;
        }
        let key = self.key(from);
        let outcome: i64 = self.connections.run(&EXPRESS_DESTROY, &[key.as_bytes()], &[old]).await?;
        let outcome = Replaced::from(outcome);
        if !matches!(outcome, Replaced::Done) {
            self.destroy(to).await?;
        }
        Ok(outcome)
    }

    /// Seconds, as Node counts them; not above zero: the record goes at once.
    fn lifetime(&self, written: &Written, now: Timestamp) -> u64 {
        seconds(written.expires.map_or(self.ttl, |expires| expires.since(now)))
    }

    /// Until when a change is tried that other writers are faster than.
    fn patience(&self) -> Instant {
        Instant::now() + self.connections.response_timeout() * 5
    }

    fn check(&self, patience: Instant) -> Result<(), StoreError> {
        if Instant::now() < patience {
            return Ok(());
        }
        let what = format!("{:?}: other writers of the session were faster all the time", self.connections);
        Err(StoreError::Unavailable(what, None))
    }

    fn key(&self, id: &Id) -> String {
        format!("{}{}", self.prefix, id.as_str())
    }
}

impl From<i64> for Replaced {
    fn from(outcome: i64) -> Self {
        match outcome {
            0 => Self::Gone,
            1 => Self::Done,
            _ => Self::Lost,
        }
    }
}

/// Whole seconds, rounded up, as Node gives them.
fn seconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}
