//! [`Users`]: the index of sessions by user: a sorted set for each user.
//!
//! In: users and names of sessions. Out: the user's live sessions. The index is on another node than the
//! sessions, so it is written before a session gets its user and cleaned after it lost him: what it names may
//! be dead, or not his yet, and is checked; what lives is in it. A set outlives the sessions in it.

use std::collections::HashSet;

use futures_util::future::join_all;

use super::connections::{Connections, Twice};
use super::own;
use super::script::{DESTROY_OF, INDEX, UNINDEX};
use crate::id::Handle;
use crate::store::{Listed, StoreError};
use crate::time::Timestamp;

/// The index.
#[derive(Clone, Copy)]
pub(super) struct Users<'a> {
    pub(super) connections: &'a Connections,
    pub(super) prefix: &'a str,
}

/// That a session is in a user's index, and until when that lives.
#[derive(Clone, Debug, Default)]
pub(super) struct Indexed(Option<(String, Timestamp)>);

impl Indexed {
    /// Until when, as scripts take it.
    pub(super) fn until(&self) -> String {
        self.0.as_ref().map(|(_, until)| until.0.to_string()).unwrap_or_default()
    }

    /// The user, as scripts take it.
    pub(super) fn user(&self) -> String {
        self.0.as_ref().map(|(user, _)| format!("+{user}")).unwrap_or_default()
    }
}

impl Users<'_> {
    /// Adds a session that will have this user. The index then lives twice as long as the session, so that
    /// most touches of the session need not extend it.
    pub(super) async fn add(
        &self,
        user: &str,
        handle: Handle,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<Indexed, StoreError> {
        let until = expires.after(expires.since(now));
        let arguments = [handle.to_string(), until.since(now).as_millis().max(1).to_string()];
        let key = self.key(user);
        let there: i64 = self.connections.run(&INDEX, &[key.as_bytes()], &arguments, Twice::Harmless).await?;
        if there > CLEAN_FROM {
            // The next one cleans what this one could not.
            if let Err(error) = self.clean_some(user).await {
                tracing::debug!(%error, "dead sessions stay in a user's index");
            }
        }
        Ok(Indexed(Some((user.to_owned(), until))))
    }

    /// Takes a session out. If that fails it stays until a list finds it dead.
    pub(super) async fn remove(&self, user: &str, handle: Handle) {
        let mut command = redis::cmd("ZREM");
        command.arg(self.key(user)).arg(handle.to_string());
        if let Err(error) = self.connections.query::<i64>(&command).await {
            tracing::debug!(%error, "a dead session stays in a user's index");
        }
    }

    /// The sessions of `user` that live at `now`, the youngest first, at most [`MOST`].
    pub(super) async fn list(&self, user: &str, now: Timestamp) -> Result<Vec<Listed>, StoreError> {
        let mut listed = Vec::new();
        for some in self.members(user).await?.chunks(AT_ONCE) {
            let read = some.iter().map(|&handle| own::read(self.connections, self.prefix, handle));
            for (&handle, record) in some.iter().zip(join_all(read).await) {
                match record {
                    Ok(Some(record)) if record.user.as_deref() == Some(user) => {
                        listed.push(Listed { handle, record });
                    }
                    Ok(_) => self.forget(user, handle).await?,
                    // It is nobody's session, and hides none of the others.
                    Err(StoreError::Unreadable(why)) => tracing::debug!(%why, "not listed"),
                    Err(error) => return Err(error),
                }
            }
        }
        listed.retain(|listed| listed.record.expires > now);
        listed.sort_by_key(|listed| std::cmp::Reverse(listed.record.created));
        listed.truncate(MOST);
        Ok(listed)
    }

    /// Ends the sessions of `user` but one, and says how many.
    ///
    /// A session that changes its id meanwhile has its new name in the index before it has it itself. So the
    /// index is read again until a whole pass over it ended nothing and found no name that the pass before did
    /// not find. What failed is reported when all the others are gone.
    pub(super) async fn destroy_all(&self, user: &str, except: Option<Handle>) -> Result<u64, StoreError> {
        let (mut ended, mut before) = (0, HashSet::new());
        loop {
            let mut members = self.members(user).await?;
            members.retain(|&handle| Some(handle) != except);
            let (mut ended_now, mut failed) = (0, None);
            for some in members.chunks(AT_ONCE) {
                for outcome in join_all(some.iter().map(|&handle| self.destroy(user, handle))).await {
                    match outcome {
                        Ok(has_ended) => ended_now += u64::from(has_ended),
                        Err(error) => failed = failed.or(Some(error)),
                    }
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
            ended += ended_now;
            let is_known = members.iter().all(|handle| before.contains(handle));
            if ended_now == 0 && is_known {
                return Ok(ended);
            }
            before = members.into_iter().collect();
        }
    }

    /// Ends a session if it is one of `user`.
    pub(super) async fn destroy(&self, user: &str, handle: Handle) -> Result<bool, StoreError> {
        let key = format!("{}{handle}", self.prefix);
        let ended: i64 =
            self.connections.run(&DESTROY_OF, &[key.as_bytes()], &[user], Twice::Harmless).await?;
        if ended == 1 {
            self.remove(user, handle).await;
        }
        Ok(ended == 1)
    }

    /// Checks a few members, so that an index that no one lists does not grow without end.
    async fn clean_some(&self, user: &str) -> Result<(), StoreError> {
        let mut command = redis::cmd("ZRANDMEMBER");
        command.arg(self.key(user)).arg(CLEAN_FROM);
        let members = handles(&self.connections.query::<Vec<String>>(&command).await?);
        let owners = members.iter().map(|handle| async move {
            let mut command = redis::cmd("HGET");
            command.arg(format!("{}{handle}", self.prefix)).arg(own::USER);
            self.connections.query::<Option<Vec<u8>>>(&command).await
        });
        for (&handle, owner) in members.iter().zip(join_all(owners).await) {
            if owner?.as_deref() != Some(user.as_bytes()) {
                self.forget(user, handle).await?;
            }
        }
        Ok(())
    }

    async fn members(&self, user: &str) -> Result<Vec<Handle>, StoreError> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(self.key(user)).arg(0).arg(-1);
        Ok(handles(&self.connections.query::<Vec<String>>(&command).await?))
    }

    /// Takes out a member that is no session of `user`, unless it may be about to become one.
    async fn forget(&self, user: &str, handle: Handle) -> Result<(), StoreError> {
        let (key, arguments) = (self.key(user), [handle.to_string(), GRACE.to_string()]);
        self.connections.run::<i64>(&UNINDEX, &[key.as_bytes()], &arguments, Twice::Harmless).await?;
        Ok(())
    }

    fn key(&self, user: &str) -> String {
        format!("{}user:{user}", self.prefix)
    }
}

fn handles(names: &[String]) -> Vec<Handle> {
    names.iter().filter_map(|name| Handle::parse(name)).collect()
}

/// How many sessions a list has at most.
const MOST: usize = 1000;

/// How many sessions are asked for at once.
const AT_ONCE: usize = 64;

/// From how many sessions on an index is cleaned when one is added, and how many are looked at.
const CLEAN_FROM: i64 = 16;

/// How long a member may be without its session, in ms: a login takes less.
const GRACE: u64 = 60_000;
