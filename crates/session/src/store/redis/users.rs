//! [`Users`]: the index of sessions by user: a sorted set for each user.
//!
//! In: users and names of sessions. Out: the user's live sessions. The index is on another node than the
//! sessions, so it is written before a session gets its user and cleaned after it lost him: what it names may
//! be dead, or not his yet, and is checked; what lives is in it. A set outlives the sessions in it.

use futures_util::future::join_all;

use super::connections::Connections;
use super::locks::Locks;
use super::own::Own;
use super::script::{DESTROY_OF, INDEX, UNINDEX};
use crate::id::Handle;
use crate::record::Record;
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
        let arguments =
            [now.0.to_string(), handle.to_string(), until.since(now).as_millis().max(1).to_string()];
        let there: i64 = self.connections.run(&INDEX, &[self.key(user).as_bytes()], &arguments).await?;
        if there > CLEAN_FROM {
            // The next one cleans what this one could not.
            if let Err(error) = self.clean_some(user, now).await {
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

    /// The sessions of `user` that live at `now`, the youngest first.
    pub(super) async fn list(&self, user: &str, now: Timestamp) -> Result<Vec<Listed>, StoreError> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(self.key(user)).arg(0).arg(-1).arg("WITHSCORES");
        let members = self.members(&command).await?;
        let mut listed = self.check(user, &members, now).await?;
        listed.retain(|listed| listed.record.expires > now);
        listed.sort_by_key(|listed| std::cmp::Reverse(listed.record.created));
        Ok(listed)
    }

    /// Ends the sessions of `user` but one, and says how many.
    pub(super) async fn destroy_all(&self, user: &str, except: Option<Handle>) -> Result<u64, StoreError> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(self.key(user)).arg(0).arg(-1);
        let members: Vec<String> = self.connections.query(&command).await?;
        let members: Vec<Handle> = members.iter().filter_map(|name| Handle::parse(name)).collect();
        let mut ended = 0;
        for some in members.chunks(AT_ONCE) {
            let some = some.iter().filter(|&&handle| Some(handle) != except);
            for outcome in join_all(some.map(|&handle| self.destroy(user, handle))).await {
                ended += u64::from(outcome?);
            }
        }
        Ok(ended)
    }

    /// Ends a session if it is one of `user`.
    pub(super) async fn destroy(&self, user: &str, handle: Handle) -> Result<bool, StoreError> {
        let key = format!("{}{handle}", self.prefix);
        let ended: i64 = self.connections.run(&DESTROY_OF, &[key.as_bytes()], &[user]).await?;
        if ended == 1 {
            self.remove(user, handle).await;
        }
        Ok(ended == 1)
    }

    /// Checks a few members, so that an index that no one lists does not grow without end.
    async fn clean_some(&self, user: &str, now: Timestamp) -> Result<(), StoreError> {
        let mut command = redis::cmd("ZRANDMEMBER");
        command.arg(self.key(user)).arg(CLEAN_FROM).arg("WITHSCORES");
        let members = self.members(&command).await?;
        self.check(user, &members, now).await.map(drop)
    }

    async fn members(&self, command: &redis::Cmd) -> Result<Vec<(Handle, f64)>, StoreError> {
        let members: Vec<(String, f64)> = self.connections.query(command).await?;
        Ok(members.into_iter().filter_map(|(name, added)| Some((Handle::parse(&name)?, added))).collect())
    }

    /// The members that are sessions of `user`. Others go, unless they may be about to become his.
    async fn check(
        &self,
        user: &str,
        members: &[(Handle, f64)],
        now: Timestamp,
    ) -> Result<Vec<Listed>, StoreError> {
        let locks = Locks::default();
        let own = Own { connections: self.connections, prefix: self.prefix, locks: &locks };
        let mut listed = Vec::new();
        for some in members.chunks(AT_ONCE) {
            let read = join_all(some.iter().map(|&(handle, _)| own.read(handle))).await;
            for (&(handle, added), record) in some.iter().zip(read) {
                match record? {
                    Some(record) if is_of(&record, user) => listed.push(Listed { handle, record }),
                    #[expect(clippy::cast_precision_loss)]
                    _ if added + GRACE < now.0 as f64 => {
                        let (key, arguments) = (self.key(user), [handle.to_string(), added.to_string()]);
                        self.connections.run::<i64>(&UNINDEX, &[key.as_bytes()], &arguments).await?;
                    }
                    _ => {}
                }
            }
        }
        Ok(listed)
    }

    fn key(&self, user: &str) -> String {
        format!("{}user:{user}", self.prefix)
    }
}

fn is_of(record: &Record, user: &str) -> bool {
    record.user.as_deref() == Some(user)
}

/// How many sessions are asked for at once.
const AT_ONCE: usize = 64;

/// From how many sessions on an index is cleaned when one is added, and how many are looked at.
const CLEAN_FROM: i64 = 16;

/// How long a member may be without its session, in ms: a login takes less.
const GRACE: f64 = 60_000.0;
