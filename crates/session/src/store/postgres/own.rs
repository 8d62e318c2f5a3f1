//! [`Own`]: narae's own table. One statement for a change, so that nothing is lost between two requests.
//!
//! In: ids and changes. Out: rows, by the id's handle: whoever reads the table can open no session. Owns the
//! statements and how a record stands in a row.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::de::{Deserializer as _, MapAccess, Visitor};
use tokio_postgres::Row;

use super::super::turns::Turns;
use super::super::{Committed, Listed, Update, Updated};
use super::fault::Fault;
use super::names::Names;
use super::pool::{Lease, Pools};
use crate::id::{Handle, Id};
use crate::record::{Change, MaxAge, Record, Values};
use crate::time::Timestamp;

/// The statements on one table.
pub(super) struct Own {
    load: String,
    create: String,
    commit: String,
    renew: String,
    lock_key: String,
    write_key: String,
    touch: String,
    destroy: String,
    sessions_of: String,
    destroy_all_of: String,
    revoke: String,
    count: String,
    sweep: String,
    turns: Turns,
    longest_turn: Duration,
}

impl Own {
    pub(super) fn new(names: &Names, longest_turn: Duration) -> Self {
        let sql = |text: &str| text.replace("$table", &names.table);
        Self {
            load: sql(&format!("SELECT {COLUMNS} FROM $table WHERE handle = $1 AND expires > $2")),
            create: sql(CREATE),
            commit: sql(&CHANGE.replace("$renamed", "")),
            renew: sql(&CHANGE.replace("$renamed", "handle = $12, ")),
            lock_key: sql("SELECT data->>$3 FROM $table WHERE handle = $1 AND expires > $2 FOR UPDATE"),
            write_key: sql(WRITE_KEY),
            touch: sql("UPDATE $table SET expires = GREATEST(expires, $3), seen = GREATEST(seen, $2)
                 WHERE handle = $1 AND expires > $2"),
            destroy: sql("DELETE FROM $table WHERE handle = $1"),
            sessions_of: sql(&format!(
                "SELECT {COLUMNS}, handle FROM $table WHERE user_id = $1 AND expires > $2
                 ORDER BY created DESC, handle"
            )),
            destroy_all_of: sql("DELETE FROM $table WHERE user_id = $1 AND handle IS DISTINCT FROM $2"),
            revoke: sql("DELETE FROM $table WHERE user_id = $1 AND handle = $2"),
            count: sql("SELECT count(*) FROM $table WHERE expires > $1"),
            sweep: sql(SWEEP),
            turns: Turns::default(),
            longest_turn,
        }
    }

    pub(super) async fn load(
        &self,
        lease: &mut Lease,
        id: &Id,
        now: Timestamp,
    ) -> Result<Option<Record>, Fault> {
        let rows = lease.query(&self.load, &[&bytes(&id.handle()), &column(now)]).await?;
        rows.first().map(record).transpose()
    }

    pub(super) async fn create(
        &self,
        lease: &mut Lease,
        id: &Id,
        change: Change,
    ) -> Result<Committed, Fault> {
        let net = Net::of(&change)?;
        let record = change.into_record();
        lease
            .execute(
                &self.create,
                &[
                    &bytes(&id.handle()),
                    &record.user.as_deref(),
                    &record.created.map(column),
                    &record.seen.map(column),
                    &column(record.expires),
                    &age_column(record.max_age),
                    &net.set,
                ],
            )
            .await?;
        Ok(Committed::Done(None))
    }

    /// Makes the change; with `to`, under a new id.
    pub(super) async fn change(
        &self,
        lease: &mut Lease,
        id: &Id,
        to: Option<&Id>,
        change: &Change,
    ) -> Result<Committed, Fault> {
        let net = Net::of(change)?;
        let (handle, to) = (id.handle(), to.map(Id::handle));
        let user = change.user.as_ref().and_then(|user| user.as_deref());
        let (handle, now) = (bytes(&handle), column(change.now));
        let (max_age, created) = (change.max_age.and_then(age_column), change.created.map(column));
        let expires = column(change.expires);
        let has = (change.user.is_some(), change.max_age.is_some());
        let to = to.as_ref().map(bytes);
        let mut parameters: Vec<&(dyn tokio_postgres::types::ToSql + Sync)> = vec![
            &handle,
            &now,
            &change.clear,
            &net.removed,
            &net.set,
            &has.0,
            &user,
            &has.1,
            &max_age,
            &created,
            &expires,
        ];
        let sql = match &to {
            Some(to) => {
                parameters.push(to);
                &self.renew
            }
            None => &self.commit,
        };
        Ok(match lease.execute(sql, &parameters).await? {
            0 => Committed::Gone,
            _ => Committed::Done(None),
        })
    }

    /// Reads the key under the row's lock and writes it within one transaction. Measured against writing only
    /// if the key is still what was read, 64 writers at once: 1.2 times as fast with `fsync` off, 3 times with.
    pub(super) async fn update(
        &self,
        pools: &Arc<Pools>,
        id: &Id,
        update: &Update,
    ) -> Result<Updated, Fault> {
        refuse_nul(&update.key)?;
        let handle = id.handle();
        let _turn = self.turns.take(handle, self.longest_turn).await;
        let mut lease = pools.lease().await?;
        let (handle, now, key) = (bytes(&handle), column(update.now), &*update.key);
        let rows = lease.begin(&self.lock_key, &[&handle, &now, &key]).await?;
        let Some(row) = rows.first() else {
            lease.roll_back().await?;
            return Ok(Updated::Gone);
        };
        let new = match (update.make)(row.try_get(0)?) {
            Ok(new) => new,
            Err(why) => {
                lease.roll_back().await?;
                return Ok(Updated::Refused(why));
            }
        };
        let expires = column(update.expires);
        lease.commit(&self.write_key, &[&handle, &now, &key, &new.as_deref(), &expires]).await?;
        Ok(Updated::Done(new, None))
    }

    pub(super) async fn touch(
        &self,
        lease: &mut Lease,
        id: &Id,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<bool, Fault> {
        let handle = id.handle();
        let touched = lease.execute(&self.touch, &[&bytes(&handle), &column(now), &column(expires)]).await?;
        Ok(touched > 0)
    }

    pub(super) async fn destroy(&self, lease: &mut Lease, id: &Id) -> Result<bool, Fault> {
        Ok(lease.execute(&self.destroy, &[&bytes(&id.handle())]).await? > 0)
    }

    pub(super) async fn sessions_of(
        &self,
        lease: &mut Lease,
        user: &str,
        now: Timestamp,
    ) -> Result<Vec<Listed>, Fault> {
        if user.contains('\0') {
            return Ok(Vec::new());
        }
        let rows = lease.query(&self.sessions_of, &[&user, &column(now)]).await?;
        let listed = rows.iter().map(|row| {
            let handle = Handle::from_bytes(row.try_get("handle")?)
                .ok_or_else(|| Fault::Unreadable("a handle has 16 bytes".into()))?;
            Ok(Listed { handle, record: record(row)? })
        });
        listed.collect()
    }

    pub(super) async fn destroy_all_of(
        &self,
        lease: &mut Lease,
        user: &str,
        except: Option<Handle>,
    ) -> Result<u64, Fault> {
        if user.contains('\0') {
            return Ok(0);
        }
        lease.execute(&self.destroy_all_of, &[&user, &except.as_ref().map(bytes)]).await
    }

    pub(super) async fn revoke(&self, lease: &mut Lease, user: &str, handle: Handle) -> Result<bool, Fault> {
        if user.contains('\0') {
            return Ok(false);
        }
        Ok(lease.execute(&self.revoke, &[&user, &bytes(&handle)]).await? > 0)
    }

    pub(super) async fn count(&self, lease: &mut Lease, now: Timestamp) -> Result<u64, Fault> {
        lease.count(&self.count, &[&column(now)]).await
    }

    pub(super) async fn sweep(&self, lease: &mut Lease, now: Timestamp) -> Result<u64, Fault> {
        lease.execute(&self.sweep, &[&column(now), &super::SWEPT_AT_ONCE]).await
    }
}

/// What a change comes to for each key.
struct Net {
    removed: Vec<String>,
    /// A JSON object from keys to their JSON as text.
    set: String,
}

impl Net {
    fn of(change: &Change) -> Result<Self, Fault> {
        if let Some(Some(user)) = &change.user {
            refuse_nul(user)?;
        }
        let mut last: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        for (key, json) in &change.edits {
            refuse_nul(key)?;
            last.insert(key, json.as_deref());
        }
        let removed = last.iter().filter(|(_, json)| json.is_none()).map(|(key, _)| (*key).to_owned());
        let set: BTreeMap<&str, &str> =
            last.iter().filter_map(|(key, json)| Some((*key, (*json)?))).collect();
        let set = serde_json::to_string(&set).map_err(|error| Fault::Misuse(error.to_string()))?;
        Ok(Self { removed: removed.collect(), set })
    }
}

/// PostgreSQL's text has every character but this one.
fn refuse_nul(text: &str) -> Result<(), Fault> {
    match text.contains('\0') {
        true => Err(Fault::Misuse("keys of sessions and names of users must not hold U+0000".into())),
        false => Ok(()),
    }
}

fn record(row: &Row) -> Result<Record, Fault> {
    let time = |name: &str| row.try_get::<_, i64>(name).map(|time| Timestamp(time.unsigned_abs()));
    let version: i64 = row.try_get("version")?;
    let max_age: Option<i64> = row.try_get("max_age")?;
    let user: Option<&str> = row.try_get("user_id")?;
    Ok(Record {
        version: version.unsigned_abs(),
        created: Some(time("created")?),
        seen: Some(time("seen")?),
        expires: time("expires")?,
        max_age: match max_age {
            None => MaxAge::Configured,
            Some(age) => u64::try_from(age).map_or(MaxAge::BrowserSession, MaxAge::Milliseconds),
        },
        user: user.map(Arc::from),
        values: values(row.try_get("data")?)?,
    })
}

/// Reads an object from keys to JSON as text.
fn values(data: &str) -> Result<Values, Fault> {
    struct Entries;
    impl<'de> Visitor<'de> for Entries {
        type Value = Values;
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object from keys to JSON as text")
        }
        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
            let mut values = Values::default();
            while let Some((key, json)) = map.next_entry::<String, String>()? {
                values.push(key.into(), json.into());
            }
            Ok(values)
        }
    }
    serde_json::Deserializer::from_str(data)
        .deserialize_map(Entries)
        .map_err(|error| Fault::Unreadable(format!("the data of a session: {error}")))
}

fn bytes(handle: &Handle) -> &[u8] {
    handle.as_bytes()
}

fn column(time: Timestamp) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

fn age_column(age: MaxAge) -> Option<i64> {
    match age {
        MaxAge::Configured => None,
        MaxAge::BrowserSession => Some(-1),
        MaxAge::Milliseconds(milliseconds) => Some(i64::try_from(milliseconds).unwrap_or(i64::MAX)),
    }
}

const COLUMNS: &str = "version, created, seen, expires, max_age, user_id, data::text AS data";

const CREATE: &str = "INSERT INTO $table (handle, user_id, created, seen, expires, max_age, data, version)
    VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, 1)
    ON CONFLICT (handle) DO UPDATE SET user_id = EXCLUDED.user_id, created = EXCLUDED.created,
    seen = EXCLUDED.seen, expires = EXCLUDED.expires, max_age = EXCLUDED.max_age, data = EXCLUDED.data,
    version = EXCLUDED.version";

/// PostgreSQL reads the row again when another statement has changed it meanwhile, so the change is made on
/// what is there. The expiry is as [`Change::expiry_after`] says.
const CHANGE: &str = "UPDATE $table SET $renamed
    data = (CASE WHEN $3 THEN '{}'::jsonb ELSE data - $4::text[] END) || $5::text::jsonb,
    user_id = CASE WHEN $6 THEN $7 ELSE user_id END,
    max_age = CASE WHEN $8 THEN $9 ELSE max_age END,
    created = COALESCE($10, created), seen = GREATEST(seen, $2),
    expires = CASE WHEN $8 OR $10 IS NOT NULL THEN $11 ELSE GREATEST(expires, $11) END, version = version + 1
    WHERE handle = $1 AND expires > $2";

const WRITE_KEY: &str = "UPDATE $table SET
    data = CASE WHEN $4::text IS NULL THEN data - $3::text
           ELSE data || jsonb_build_object($3::text, $4::text) END,
    seen = GREATEST(seen, $2), expires = GREATEST(expires, $5), version = version + 1
    WHERE handle = $1";

const SWEEP: &str = "DELETE FROM $table WHERE handle = ANY (ARRAY(
    SELECT handle FROM $table WHERE expires <= $1 LIMIT $2 FOR UPDATE SKIP LOCKED))";
