//! [`ExpressForm`]: sessions as `connect-redis` keeps them: one text for each.
//!
//! In: ids and changes. Out: records. The name is the prefix and the id itself. A change is made on the text
//! that was read and written if that is still there (compare and set), with the lifetime that Node gives it.

use std::time::Duration;

use super::connections::{Connections, Twice};
use super::pause;
use super::script::{EXPRESS_DESTROY, EXPRESS_READ, EXPRESS_REPLACE};
use crate::express::{self, Edited, Stored, Written};
use crate::id::Id;
use crate::record::{Change, Record};
use crate::store::turns::Turns;
use crate::store::warnings::Warnings;
use crate::store::{Committed, StoreError, Update, Updated};
use crate::time::Timestamp;

/// Operations on sessions in the form of `connect-redis`.
#[derive(Clone, Copy)]
pub(super) struct ExpressForm<'a> {
    pub(super) connections: &'a Connections,
    pub(super) prefix: &'a str,
    pub(super) turns: &'a Turns,
    pub(super) ttl: Duration,
    pub(super) user_key: &'a str,
    pub(super) warnings: &'a Warnings,
}

/// What a compare-and-set came to.
enum Replaced {
    Done,
    Gone,
    /// Another text is there: this one, if it is known.
    Lost(Option<Vec<u8>>),
}

impl ExpressForm<'_> {
    pub(super) async fn load(&self, id: &Id, now: Timestamp) -> Result<Option<Record>, StoreError> {
        let key = self.key(id);
        let none: [&str; 0] = [];
        let (text, lifetime): (Option<Vec<u8>>, i64) =
            self.connections.run(&EXPRESS_READ, &[key.as_bytes()], &none, Twice::Harmless).await?;
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
        let _turn = self.turns.take(from.handle(), self.connections.response_timeout() / 2).await;
        let mut found = self.read(from).await?;
        for attempt in 0.. {
            let Some((text, record, stored)) = found else { return Ok(Committed::Gone) };
            let written = express::apply(change, record, stored, self.user_key)?;
            let replaced = match to {
                Some(to) if self.connections.is_cluster() => {
                    self.move_between_nodes(from, to, &text, &written, change.now).await?
                }
                // Done twice, it finds itself, and makes the same change on it.
                None => self.replace(from, None, &text, &written, change.now, Twice::Harmless).await?,
                _ => self.replace(from, to, &text, &written, change.now, Twice::Harmful).await?,
            };
            match replaced {
                Replaced::Done => return Ok(Committed::Done(None)),
                Replaced::Gone => return Ok(Committed::Gone),
                Replaced::Lost(other) => found = self.after(from, other, attempt).await?,
            }
        }
        Err(self.connections.too_slow())
    }

    pub(super) async fn update(&self, id: &Id, update: &Update) -> Result<Updated, StoreError> {
        let _turn = self.turns.take(id.handle(), self.connections.response_timeout() / 2).await;
        let mut found = self.read(id).await?;
        for attempt in 0.. {
            let Some((text, record, stored)) = found else { return Ok(Updated::Gone) };
            let (written, json) = match express::edit(update, record, stored, self.user_key)? {
                Edited::Done(written, json) => (written, json),
                Edited::Refused(why) => return Ok(Updated::Refused(why)),
            };
            // A record of Express has no place for a mark, so whose reply was lost is told so.
            match self.replace(id, None, &text, &written, update.now, Twice::Harmful).await? {
                Replaced::Done => return Ok(Updated::Done(json, None)),
                Replaced::Gone => return Ok(Updated::Gone),
                Replaced::Lost(other) => found = self.after(id, other, attempt).await?,
            }
        }
        Err(self.connections.too_slow())
    }

    /// Moves the lifetime of what is there as Node does: by the age that the record has.
    pub(super) async fn touch(
        &self,
        id: &Id,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<bool, StoreError> {
        let Some((_, _, stored)) = self.read(id).await? else { return Ok(false) };
        let lifetime = if stored.has_age() { expires.since(now) } else { self.ttl };
        let mut command = redis::cmd("EXPIRE");
        command.arg(self.key(id)).arg(seconds(lifetime));
        Ok(self.connections.query::<i64>(&command).await? == 1)
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

    /// What is there after another writer was faster. Whoever comes too late knows what is there, and is the first
    /// to write next: so of two servers that write all the time both get on.
    async fn after(
        &self,
        id: &Id,
        text: Option<Vec<u8>>,
        attempt: u32,
    ) -> Result<Option<(String, Record, Stored)>, StoreError> {
        let has_waited = pause(attempt).await;
        match text {
            Some(text) if !has_waited => Ok(self.decode(id, text)),
            _ => self.read(id).await,
        }
    }

    /// The text, and what is in it. What is no session counts as missing.
    fn decode(&self, id: &Id, text: Vec<u8>) -> Option<(String, Record, Stored)> {
        let decoded = String::from_utf8(text).map_err(|error| error.to_string()).and_then(|text| {
            let decoded = express::decode(&text, self.user_key)?;
            Ok(decoded.map(|(record, stored)| (text, record, stored)))
        });
        decoded.unwrap_or_else(|why| {
            if self.warnings.is_due() {
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
        twice: Twice,
    ) -> Result<Replaced, StoreError> {
        let (from, to) = (self.key(from), to.map(|to| self.key(to)));
        let mut keys = vec![from.as_bytes()];
        keys.extend(to.as_ref().map(String::as_bytes));
        let lifetime = self.lifetime(new, now).to_string();
        let arguments = [old.as_bytes(), new.text.as_bytes(), lifetime.as_bytes()];
        let (outcome, found): (i64, Option<Vec<u8>>) =
            self.connections.run(&EXPRESS_REPLACE, &keys, &arguments, twice).await?;
        Ok(match outcome {
            0 => Replaced::Gone,
            1 => Replaced::Done,
            _ => Replaced::Lost(found),
        })
    }

    /// Renews where the two records may be on different nodes: the new one is there before the old one goes, and
    /// goes itself if the old one is not what was read any more. Where it is not known whether the old one
    /// went, that is an error, and the new one stays.
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
        let outcome: i64 =
            self.connections.run(&EXPRESS_DESTROY, &[key.as_bytes()], &[old], Twice::Harmful).await?;
        if outcome == 1 {
            return Ok(Replaced::Done);
        }
        self.destroy(to).await?;
        Ok(if outcome == 0 { Replaced::Gone } else { Replaced::Lost(None) })
    }

    /// Seconds, as Node counts them; not above zero: the record goes at once.
    fn lifetime(&self, written: &Written, now: Timestamp) -> u64 {
        seconds(written.expires.map_or(self.ttl, |expires| expires.since(now)))
    }

    fn key(&self, id: &Id) -> String {
        format!("{}{}", self.prefix, id.as_str())
    }
}

/// Whole seconds, rounded up, as Node gives them; no more than a date of JavaScript can be away.
fn seconds(duration: Duration) -> u64 {
    let seconds = u64::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
    seconds.min(Timestamp::MAX.0 / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_whole_seconds_rounded_up_and_have_a_limit() {
        let given = [0, 1, 1000, 1001, 60_000].map(Duration::from_millis).map(seconds);
        assert_eq!(given, [0, 1, 1, 2, 60]);
        assert_eq!(seconds(Duration::MAX), 8_640_000_000_000);
    }
}
