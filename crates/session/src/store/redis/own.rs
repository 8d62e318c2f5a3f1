//! [`Own`]: narae's own form of sessions in Redis: one hash for each.
//!
//! In: ids and changes. Out: records. The name of a hash is the prefix and the session's handle, so ids are
//! never at rest; its fields are those in [`field`], and one for each key of the session. Each change is one
//! script. Where a session has a user, `users` is told first, so a live session is always in the index.

use std::sync::Arc;

use aws_lc_rs::rand;

use super::connections::Connections;
use super::locks::Locks;
use super::script::{CHANGE, CREATE, DESTROY, DESTROY_VERSION, REPLACE, TOUCH};
use super::users::{Indexed, Users};
use crate::id::{Handle, Id};
use crate::record::{Change, MaxAge, Record, Values};
use crate::store::{Committed, StoreError, Update, Updated};
use crate::time::Timestamp;

/// The fields of a hash beside the session's keys, which begin with `:`.
mod field {
    pub(super) const CREATED: &str = "c";
    pub(super) const SEEN: &str = "s";
    pub(super) const EXPIRES: &str = "e";
    pub(super) const MAX_AGE: &str = "m";
    pub(super) const USER: &str = "u";
    /// How often the session was changed.
    pub(super) const VERSION: &str = "n";
    /// Until when the user's index lives at least.
    pub(super) const INDEX: &str = "i";
    pub(super) const KEY: char = ':';
}

/// Operations on sessions in narae's own form.
#[derive(Clone, Copy)]
pub(super) struct Own<'a> {
    pub(super) connections: &'a Connections,
    pub(super) prefix: &'a str,
    pub(super) locks: &'a Locks,
}

impl Own<'_> {
    pub(super) fn users(&self) -> Users<'_> {
        Users { connections: self.connections, prefix: self.prefix }
    }

    pub(super) async fn load(&self, handle: Handle, now: Timestamp) -> Result<Option<Record>, StoreError> {
        let record = self.read(handle).await?;
        Ok(record.filter(|record| record.expires > now))
    }

    /// The record, also one that has expired and that the server has not removed yet.
    pub(super) async fn read(&self, handle: Handle) -> Result<Option<Record>, StoreError> {
        let mut command = redis::cmd("HGETALL");
        command.arg(self.key(handle));
        let fields: Vec<(String, String)> = self.connections.query(&command).await?;
        if fields.is_empty() {
            return Ok(None);
        }
        let record = decode(fields);
        record.map(Some).ok_or_else(|| {
            StoreError::Unreadable(format!("the hash of {handle} is not one of narae's sessions"))
        })
    }

    pub(super) async fn create(&self, id: &Id, change: Change) -> Result<Committed, StoreError> {
        let handle = id.handle();
        let (now, record) = (change.now, change.into_record());
        self.write(handle, &record, now).await?;
        Ok(Committed::Done(None))
    }

    /// Writes a record that has no hash yet.
    async fn write(&self, handle: Handle, record: &Record, now: Timestamp) -> Result<(), StoreError> {
        let mut arguments = vec![lifetime(now, record.expires)];
        let mut push = |name: String, value: String| arguments.extend([name, value]);
        if let Some(user) = &record.user {
            let indexed = self.users().add(user, handle, now, record.expires).await?;
            push(field::USER.into(), user.to_string());
            push(field::INDEX.into(), indexed.until());
        }
        for (name, time) in [(field::CREATED, record.created), (field::SEEN, record.seen)] {
            if let Some(time) = time {
                push(name.into(), time.0.to_string());
            }
        }
        push(field::EXPIRES.into(), record.expires.0.to_string());
        push(field::MAX_AGE.into(), max_age_text(record.max_age));
        push(field::VERSION.into(), record.version.to_string());
        for (key, json) in record.values.iter() {
            push(field_of(key), json.to_string());
        }
        self.connections.run::<i64>(&CREATE, &[self.key(handle).as_bytes()], &arguments).await?;
        Ok(())
    }

    pub(super) async fn commit(&self, id: &Id, change: &Change) -> Result<Committed, StoreError> {
        self.change(id.handle(), None, change).await
    }

    pub(super) async fn renew(&self, from: &Id, to: &Id, change: &Change) -> Result<Committed, StoreError> {
        if self.connections.is_cluster() {
            self.move_between_nodes(from.handle(), to.handle(), change).await
        } else {
            self.change(from.handle(), Some(to.handle()), change).await
        }
    }

    async fn change(
        &self,
        from: Handle,
        to: Option<Handle>,
        change: &Change,
    ) -> Result<Committed, StoreError> {
        let member = to.unwrap_or(from);
        let mut indexed = match &change.user {
            Some(Some(user)) => self.users().add(user, member, change.now, change.expires).await?,
            _ => Indexed::default(),
        };
        for _ in 0..ATTEMPTS {
            let arguments = change_arguments(change, &indexed);
            let (old_key, new_key) = (self.key(from), to.map(|to| self.key(to)));
            let mut keys = vec![old_key.as_bytes()];
            keys.extend(new_key.as_ref().map(String::as_bytes));
            let (outcome, user): (i64, String) = self.connections.run(&CHANGE, &keys, &arguments).await?;
            match outcome {
                0 => return Ok(Committed::Gone),
                1 => {
                    if let Some(before) = user.strip_prefix('+') {
                        let left = change.user.as_ref().is_some_and(|now| now.as_deref() != Some(before));
                        if to.is_some() || left {
                            self.users().remove(before, from).await;
                        }
                    }
                    return Ok(Committed::Done(None));
                }
                _ => indexed = self.users().add(&user, member, change.now, change.expires).await?,
            }
        }
        Err(self.restless())
    }

    /// Renews where the two hashes may be on different nodes: the new one is there before the old one goes.
    ///
    /// If the process ends in between, both are there: the browser knows the old id only, and the new one
    /// expires unused. The old one goes only as it was read: whatever is committed to it meanwhile is carried
    /// over, and what ended it ends the new one.
    async fn move_between_nodes(
        &self,
        from: Handle,
        to: Handle,
        change: &Change,
    ) -> Result<Committed, StoreError> {
        let mut has_new = false;
        let mut outcome = Err(self.restless());
        for _ in 0..ATTEMPTS {
            let Some(old) = self.load(from, change.now).await? else {
                outcome = Ok(Committed::Gone);
                break;
            };
            let mut record = old.clone();
            change.apply(&mut record);
            has_new = true;
            self.write(to, &record, change.now).await?;
            let (key, arguments) = (self.key(from), [old.version.to_string()]);
            if self.connections.run::<i64>(&DESTROY_VERSION, &[key.as_bytes()], &arguments).await? == 1 {
                if let Some(user) = &old.user {
                    self.users().remove(user, from).await;
                }
                return Ok(Committed::Done(None));
            }
        }
        if has_new {
            self.destroy(to).await?;
        }
        outcome
    }

    pub(super) async fn update(&self, id: &Id, update: &Update) -> Result<Updated, StoreError> {
        let handle = id.handle();
        let (key, name) = (self.key(handle), field_of(&update.key));
        let _turn = self.locks.turn(handle, self.connections.response_timeout()).await;
        // A cluster's client sends a command again if it lost the reply: then the mark tells that it is done.
        let mark = if self.connections.is_cluster() { new_mark() } else { String::new() };
        let mut indexed = Indexed::default();
        let mut found = self.read_field(handle, &name, update.now).await?;
        for attempt in 0.. {
            let Some(old) = found else { return Ok(Updated::Gone) };
            let json = match (update.make)(old.strip_prefix('+')) {
                Ok(json) => json,
                Err(why) => return Ok(Updated::Refused(why)),
            };
            let new = json.as_ref().map_or_else(|| "-".to_owned(), |json| format!("+{json}"));
            let mark = if mark.is_empty() { String::new() } else { format!("{mark}{attempt}") };
            let reply = loop {
                let mut arguments = times(update.now, update.expires).to_vec();
                arguments.extend([indexed.until(), indexed.user()]);
                arguments.extend([&name, &old, &new, &mark].map(String::clone));
                let reply: (i64, String) =
                    self.connections.run(&REPLACE, &[key.as_bytes()], &arguments).await?;
                if reply.0 != 2 {
                    break reply;
                }
                indexed = self.users().add(&reply.1, handle, update.now, update.expires).await?;
            };
            match reply {
                (0, _) => return Ok(Updated::Gone),
                (1, _) => return Ok(Updated::Done(json, None)),
                (_, current) => found = Some(current),
            }
        }
        Err(self.restless())
    }

    /// The JSON in a field (`+` before it), or `-` if it has none. `None`: there is no such session.
    async fn read_field(
        &self,
        handle: Handle,
        name: &str,
        now: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let mut command = redis::cmd("HMGET");
        command.arg(self.key(handle)).arg(field::EXPIRES).arg(name);
        let (expires, json): (Option<u64>, Option<String>) = self.connections.query(&command).await?;
        let is_live = expires.is_some_and(|expires| expires > now.0);
        Ok(is_live.then(|| json.map_or_else(|| "-".to_owned(), |json| format!("+{json}"))))
    }

    pub(super) async fn touch(
        &self,
        id: &Id,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<bool, StoreError> {
        let handle = id.handle();
        let key = self.key(handle);
        let mut indexed = Indexed::default();
        for _ in 0..ATTEMPTS {
            let mut arguments = times(now, expires).to_vec();
            arguments.extend([indexed.until(), indexed.user()]);
            let (outcome, user): (i64, String) =
                self.connections.run(&TOUCH, &[key.as_bytes()], &arguments).await?;
            match outcome {
                0 => return Ok(false),
                1 => return Ok(true),
                _ => indexed = self.users().add(&user, handle, now, expires).await?,
            }
        }
        Err(self.restless())
    }

    pub(super) async fn destroy(&self, handle: Handle) -> Result<bool, StoreError> {
        let key = self.key(handle);
        let (outcome, user): (i64, String) =
            self.connections.run(&DESTROY, &[key.as_bytes()], NOTHING).await?;
        if let Some(user) = user.strip_prefix('+') {
            self.users().remove(user, handle).await;
        }
        Ok(outcome == 1)
    }

    pub(super) fn key(&self, handle: Handle) -> String {
        format!("{}{handle}", self.prefix)
    }

    fn restless(&self) -> StoreError {
        StoreError::Unavailable(format!("{:?}: a session changed all the time", self.connections), None)
    }
}

fn decode(fields: Vec<(String, String)>) -> Option<Record> {
    let mut record = Record {
        version: 0,
        created: None,
        seen: None,
        expires: Timestamp(0),
        max_age: MaxAge::Configured,
        user: None,
        values: Values::default(),
    };
    let mut has_expiry = false;
    let mut entries = Vec::new();
    for (name, value) in fields {
        if let Some(key) = name.strip_prefix(field::KEY) {
            entries.push((Arc::from(key), value));
            continue;
        }
        let time = || value.parse().ok().map(Timestamp);
        match &*name {
            field::CREATED => record.created = Some(time()?),
            field::SEEN => record.seen = Some(time()?),
            field::EXPIRES => {
                record.expires = time()?;
                has_expiry = true;
            }
            field::MAX_AGE => {
                record.max_age = match &*value {
                    "c" => MaxAge::Configured,
                    "b" => MaxAge::BrowserSession,
                    number => MaxAge::Milliseconds(number.parse().ok()?),
                };
            }
            field::USER => record.user = Some(value.into()),
            field::VERSION => record.version = value.parse().ok()?,
            _ => {}
        }
    }
    // The server keeps the fields of a big hash in no order.
    entries.sort_unstable_by(|(one, _): &(Arc<str>, String), (other, _)| one.cmp(other));
    entries.into_iter().for_each(|(key, json)| record.values.push(key, json.into()));
    has_expiry.then_some(record)
}

fn change_arguments(change: &Change, indexed: &Indexed) -> Vec<String> {
    let [now, expires, lifetime] = times(change.now, change.expires);
    let user = match &change.user {
        None => String::new(),
        Some(None) => "-".into(),
        Some(Some(user)) => format!("+{user}"),
    };
    // The last edit of a key counts.
    let edits: Values = change
        .edits
        .iter()
        .map(|(key, json)| (Arc::clone(key), json.as_ref().map_or_else(|| Arc::from(""), Arc::clone)))
        .collect();
    let (sets, removals): (Vec<_>, Vec<_>) = edits.iter().partition(|(_, json)| !json.is_empty());
    let mut arguments = vec![
        now,
        expires,
        lifetime,
        u8::from(change.clear).to_string(),
        user,
        change.max_age.map(max_age_text).unwrap_or_default(),
        change.created.map(|created| created.0.to_string()).unwrap_or_default(),
        indexed.until(),
        indexed.user(),
        sets.len().to_string(),
    ];
    for (key, json) in sets {
        arguments.extend([field_of(key), json.to_string()]);
    }
    arguments.extend(removals.into_iter().map(|(key, _)| field_of(key)));
    arguments
}

fn times(now: Timestamp, expires: Timestamp) -> [String; 3] {
    [now.0.to_string(), expires.0.to_string(), lifetime(now, expires)]
}

/// Milliseconds until the expiry, one at least: the server counts them on its own clock.
fn lifetime(now: Timestamp, expires: Timestamp) -> String {
    expires.0.saturating_sub(now.0).clamp(1, Timestamp::MAX.0 / 2).to_string()
}

fn max_age_text(max_age: MaxAge) -> String {
    match max_age {
        MaxAge::Configured => "c".into(),
        MaxAge::BrowserSession => "b".into(),
        MaxAge::Milliseconds(milliseconds) => milliseconds.to_string(),
    }
}

fn field_of(key: &str) -> String {
    format!("{}{key}", field::KEY)
}

/// Random text that names one writer.
fn new_mark() -> String {
    let mut bytes = [0; 8];
    // Without random numbers the mark is one that none made: a repeated command then counts as another writer.
    if rand::fill(&mut bytes).is_err() {
        return String::new();
    }
    format!("{:016x}.", u64::from_le_bytes(bytes))
}

/// How often a change that another writer was faster than is tried.
const ATTEMPTS: usize = 32;

/// For scripts that take keys alone.
const NOTHING: &[&str] = &[];
