//! [`Own`]: narae's own form of sessions in Redis: one hash for each.
//!
//! In: ids and changes. Out: records. The name of a hash is the prefix and the session's handle, so ids are
//! never at rest; its fields are those in [`field`], and one for each key of the session. Each change is one
//! script. Where a session has a user, `users` is told first, so a live session is always in the index.

use std::sync::Arc;

use aws_lc_rs::rand;

use super::connections::{Connections, Twice};
use super::pause;
use super::script::{CHANGE, CREATE, DESTROY, LEAVE, REPLACE, TOUCH};
use super::users::{Indexed, Users};
use crate::id::{Handle, Id};
use crate::record::{Change, MaxAge, Record, Values};
use crate::store::turns::Turns;
use crate::store::{Committed, StoreError, Update, Updated};
use crate::time::Timestamp;

/// The fields of a hash beside the session's keys, which begin with `:`.
mod field {
    pub(super) const CREATED: &str = "c";
    pub(super) const SEEN: &str = "s";
    pub(super) const EXPIRES: &str = "e";
    pub(super) const MAX_AGE: &str = "m";
    pub(super) use super::USER;
    /// How often the session was changed.
    pub(super) const VERSION: &str = "n";
    /// Until when the user's index lives at least.
    pub(super) const INDEX: &str = "i";
    /// Where the session is now: this is what it left behind when it moved, in a cluster. It has no other field.
    pub(super) const GONE_TO: &str = "g";
    pub(super) const KEY: char = ':';
}

/// The field of the session's user.
pub(super) const USER: &str = "u";

/// Operations on sessions in narae's own form.
#[derive(Clone, Copy)]
pub(super) struct Own<'a> {
    pub(super) connections: &'a Connections,
    pub(super) prefix: &'a str,
    pub(super) turns: &'a Turns,
}

/// The record, also one that has expired and that the server has not removed yet.
pub(super) async fn read(
    connections: &Connections,
    prefix: &str,
    handle: Handle,
) -> Result<Option<Record>, StoreError> {
    let mut command = redis::cmd("HGETALL");
    command.arg(format!("{prefix}{handle}"));
    let fields: Vec<(Vec<u8>, Vec<u8>)> = connections.query(&command).await?;
    if fields.is_empty() || fields.iter().any(|(name, _)| name == field::GONE_TO.as_bytes()) {
        return Ok(None);
    }
    let record = decode(fields);
    record
        .map(Some)
        .ok_or_else(|| StoreError::Unreadable(format!("the hash of {handle} is not one of narae's sessions")))
}

impl Own<'_> {
    pub(super) fn users(&self) -> Users<'_> {
        Users { connections: self.connections, prefix: self.prefix }
    }

    pub(super) async fn load(&self, handle: Handle, now: Timestamp) -> Result<Option<Record>, StoreError> {
        let record = self.read(handle).await?;
        Ok(record.filter(|record| record.expires > now))
    }

    async fn read(&self, handle: Handle) -> Result<Option<Record>, StoreError> {
        read(self.connections, self.prefix, handle).await
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
        self.connections
            .run::<i64>(&CREATE, &[self.key(handle).as_bytes()], &arguments, Twice::Harmless)
            .await?;
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
            let (outcome, user, until): Reply =
                self.connections.run(&CHANGE, &keys, &arguments, Twice::Harmless).await?;
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
                _ => indexed = self.users().add(&user, member, change.now, moment(&until)).await?,
            }
        }
        Err(self.restless())
    }

    /// Renews where the two hashes may be on different nodes: the new one is there before the old one goes.
    ///
    /// If the process ends in between, both are there: the browser knows the old id only, and the new one
    /// expires unused. The old one goes only as it was read: whatever is committed to it meanwhile is carried
    /// over, and what ended it ends the new one. For a while it says where the session went, so that a command
    /// that is sent again since its reply was lost finds that it is done.
    async fn move_between_nodes(
        &self,
        from: Handle,
        to: Handle,
        change: &Change,
    ) -> Result<Committed, StoreError> {
        let mut has_new = false;
        let mut outcome = Err(self.restless());
        let memory = (self.connections.response_timeout() * 2).as_millis().to_string();
        for attempt in 0..ATTEMPTS {
            let Some(old) = self.load(from, change.now).await? else {
                outcome = Ok(Committed::Gone);
                break;
            };
            let mut record = old.clone();
            change.apply(&mut record);
            has_new = true;
            self.write(to, &record, change.now).await?;
            let (key, arguments) =
                (self.key(from), [old.version.to_string(), to.to_string(), memory.clone()]);
            let left: i64 =
                self.connections.run(&LEAVE, &[key.as_bytes()], &arguments, Twice::Harmless).await?;
            if left == 1 {
                if let Some(user) = &old.user {
                    self.users().remove(user, from).await;
                }
                return Ok(Committed::Done(None));
            }
            pause(attempt).await;
        }
        if has_new {
            self.destroy(to).await?;
        }
        outcome
    }

    pub(super) async fn update(&self, id: &Id, update: &Update) -> Result<Updated, StoreError> {
        let handle = id.handle();
        let (key, name) = (self.key(handle), field_of(&update.key));
        let _turn = self.turns.take(handle, self.connections.response_timeout() / 2).await;
        // In a cluster a command is sent again if its reply was lost: then the mark tells that it is done.
        let mark = if self.connections.is_cluster() { new_mark() } else { String::new() };
        let mut indexed = Indexed::default();
        let mut found = self.read_field(handle, &name, update.now).await?;
        for attempt in 0..ATTEMPTS {
            let Some(old) = found else { return Ok(Updated::Gone) };
            let json = match (update.make)(old.strip_prefix('+')) {
                Ok(json) => json,
                Err(why) => return Ok(Updated::Refused(why)),
            };
            let new = json.as_ref().map_or_else(|| "-".to_owned(), |json| format!("+{json}"));
            let mark = if mark.is_empty() { String::new() } else { format!("{mark}{attempt:02}") };
            let mut reply = (2, String::new(), String::new());
            for _ in 0..ATTEMPTS {
                let mut arguments = times(update.now, update.expires).to_vec();
                arguments.extend([indexed.until(), indexed.user()]);
                arguments.extend([&name, &old, &new, &mark].map(String::clone));
                let keys = [key.as_bytes()];
                reply = self.connections.run(&REPLACE, &keys, &arguments, Twice::Harmless).await?;
                if reply.0 != 2 {
                    break;
                }
                indexed = self.users().add(&reply.1, handle, update.now, moment(&reply.2)).await?;
            }
            match reply {
                (0, ..) => return Ok(Updated::Gone),
                (1, ..) => return Ok(Updated::Done(json, None)),
                (3, current, _) => found = Some(current),
                _ => break,
            }
            if pause(attempt).await {
                found = self.read_field(handle, &name, update.now).await?;
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
            let (outcome, user, until): Reply =
                self.connections.run(&TOUCH, &[key.as_bytes()], &arguments, Twice::Harmless).await?;
            match outcome {
                0 => return Ok(false),
                1 => return Ok(true),
                _ => indexed = self.users().add(&user, handle, now, moment(&until)).await?,
            }
        }
        Err(self.restless())
    }

    pub(super) async fn destroy(&self, handle: Handle) -> Result<bool, StoreError> {
        let key = self.key(handle);
        let (outcome, user): (i64, String) =
            self.connections.run(&DESTROY, &[key.as_bytes()], NOTHING, Twice::Harmless).await?;
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

/// What scripts that change a session give: what became of it, and whose index must live until when.
type Reply = (i64, String, String);

/// An expiry that a script gave.
fn moment(text: &str) -> Timestamp {
    text.parse().map_or(Timestamp::MAX, Timestamp)
}

fn decode(fields: Vec<(Vec<u8>, Vec<u8>)>) -> Option<Record> {
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
        let (name, value) = (String::from_utf8(name).ok()?, String::from_utf8(value).ok()?);
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

/// Random text of 16 letters that names one writer; the number of its attempt makes it a mark.
fn new_mark() -> String {
    let mut bytes = [0; 8];
    // Without random numbers the mark is one that none made: a repeated command then counts as another writer.
    if rand::fill(&mut bytes).is_err() {
        return String::new();
    }
    format!("{:016x}", u64::from_le_bytes(bytes))
}

/// How often a change that another writer was faster than is tried; the limit of time comes first as a rule.
const ATTEMPTS: u32 = 100;

/// For scripts that take keys alone.
const NOTHING: &[&str] = &[];
