//! [`ExpressForm`]: the table of connect-pg-simple, shared with an Express application.
//!
//! In: ids and changes. Out: rows as Node writes them. A change reads the record under the row's lock and
//! writes it within one transaction, so this program loses nothing; Node, which writes whole records, may
//! still overwrite what happened while its handler ran.

use std::sync::Arc;
use std::time::Duration;

use super::super::turns::Turns;
use super::super::warnings::Warnings;
use super::super::{Committed, Update, Updated};
use super::fault::Fault;
use super::names::Names;
use super::pool::{Lease, Pools};
use crate::express::{self, Edited, Stored, Written};
use crate::id::Id;
use crate::record::{Change, Record};
use crate::time::Timestamp;

/// The statements on one table.
pub(super) struct ExpressForm {
    load: String,
    lock: String,
    create: String,
    write: String,
    renew: String,
    touch: String,
    destroy: String,
    count: String,
    sweep: String,
    ttl: Duration,
    user_key: String,
    turns: Turns,
    longest_turn: Duration,
    warnings: Warnings,
}

impl ExpressForm {
    pub(super) fn new(names: &Names, ttl: Duration, user_key: String, longest_turn: Duration) -> Self {
        let sql = |text: &str| text.replace("$table", &names.table);
        Self {
            load: sql(LOAD),
            lock: sql(&format!("{LOAD} FOR UPDATE")),
            create: sql(CREATE),
            write: sql("UPDATE $table SET sess = $2::text::json, expire = to_timestamp($3) WHERE sid = $1"),
            renew: sql(
                "UPDATE $table SET sess = $2::text::json, expire = to_timestamp($3), sid = $4 WHERE sid = $1",
            ),
            touch: sql(TOUCH),
            destroy: sql("DELETE FROM $table WHERE sid = $1"),
            count: sql("SELECT count(*) FROM $table WHERE expire >= to_timestamp($1)"),
            sweep: sql(SWEEP),
            ttl,
            user_key,
            turns: Turns::default(),
            longest_turn,
            warnings: Warnings::default(),
        }
    }

    pub(super) async fn load(
        &self,
        lease: &mut Lease,
        id: &Id,
        now: Timestamp,
    ) -> Result<Option<Record>, Fault> {
        let rows = lease.query(&self.load, &[&id.as_str(), &seconds(now)]).await?;
        Ok(self.read(id, &rows)?.map(|(record, _)| record))
    }

    pub(super) async fn create(
        &self,
        lease: &mut Lease,
        id: &Id,
        change: &Change,
    ) -> Result<Committed, Fault> {
        let written = express::create(change, &self.user_key).map_err(Fault::Store)?;
        let expire = self.expire(&written, change.now);
        lease.execute(&self.create, &[&id.as_str(), &written.text, &expire]).await?;
        Ok(Committed::Done(None))
    }

    /// Makes the change; with `to`, under a new id.
    pub(super) async fn change(
        &self,
        pools: &Arc<Pools>,
        id: &Id,
        to: Option<&Id>,
        change: &Change,
    ) -> Result<Committed, Fault> {
        let _turn = self.turns.take(id.handle(), self.longest_turn).await;
        let mut lease = pools.lease().await?;
        let Some((record, stored)) = self.lock(&mut lease, id, change.now).await? else {
            return Ok(Committed::Gone);
        };
        let written = match express::apply(change, record, stored, &self.user_key) {
            Ok(written) => written,
            Err(error) => {
                lease.roll_back().await?;
                return Err(Fault::Store(error));
            }
        };
        let expire = self.expire(&written, change.now);
        match to {
            Some(to) => {
                lease.commit(&self.renew, &[&id.as_str(), &written.text, &expire, &to.as_str()]).await?
            }
            None => lease.commit(&self.write, &[&id.as_str(), &written.text, &expire]).await?,
        };
        Ok(Committed::Done(None))
    }

    pub(super) async fn update(
        &self,
        pools: &Arc<Pools>,
        id: &Id,
        update: &Update,
    ) -> Result<Updated, Fault> {
        let _turn = self.turns.take(id.handle(), self.longest_turn).await;
        let mut lease = pools.lease().await?;
        let Some((record, stored)) = self.lock(&mut lease, id, update.now).await? else {
            return Ok(Updated::Gone);
        };
        match express::edit(update, record, stored, &self.user_key) {
            Ok(Edited::Done(written, json)) => {
                let expire = self.expire(&written, update.now);
                lease.commit(&self.write, &[&id.as_str(), &written.text, &expire]).await?;
                Ok(Updated::Done(json, None))
            }
            Ok(Edited::Refused(why)) => {
                lease.roll_back().await?;
                Ok(Updated::Refused(why))
            }
            Err(error) => {
                lease.roll_back().await?;
                Err(Fault::Store(error))
            }
        }
    }

    /// As connect-pg-simple: moves `expire` and leaves the record, so its own `expires` lags behind.
    pub(super) async fn touch(
        &self,
        lease: &mut Lease,
        id: &Id,
        now: Timestamp,
        expires: Timestamp,
    ) -> Result<bool, Fault> {
        let [aged, ageless, now] = [expires, now.after(self.ttl), now].map(seconds);
        Ok(lease.execute(&self.touch, &[&id.as_str(), &aged, &ageless, &now]).await? > 0)
    }

    pub(super) async fn destroy(&self, lease: &mut Lease, id: &Id) -> Result<bool, Fault> {
        Ok(lease.execute(&self.destroy, &[&id.as_str()]).await? > 0)
    }

    pub(super) async fn count(&self, lease: &mut Lease, now: Timestamp) -> Result<u64, Fault> {
        lease.count(&self.count, &[&seconds(now)]).await
    }

    pub(super) async fn sweep(&self, lease: &mut Lease, now: Timestamp) -> Result<u64, Fault> {
        lease.execute(&self.sweep, &[&seconds(now), &super::SWEPT_AT_ONCE]).await
    }

    /// Begins a transaction with the record, which nobody else can change until it ends. `None`: there is no
    /// such session, and no transaction.
    async fn lock(
        &self,
        lease: &mut Lease,
        id: &Id,
        now: Timestamp,
    ) -> Result<Option<(Record, Stored)>, Fault> {
        let rows = lease.begin(&self.lock, &[&id.as_str(), &seconds(now)]).await?;
        let found = self.read(id, &rows)?;
        if found.is_none() {
            lease.roll_back().await?;
        }
        Ok(found)
    }

    /// What the row holds. A record that is none counts as missing: Node would fail for ever.
    fn read(&self, id: &Id, rows: &[tokio_postgres::Row]) -> Result<Option<(Record, Stored)>, Fault> {
        let Some(row) = rows.first() else { return Ok(None) };
        match express::decode(row.try_get("sess")?, &self.user_key) {
            Ok(Some((mut record, stored))) => {
                let expire: Option<i64> = row.try_get("expire")?;
                record.expires =
                    expire.map_or(Timestamp::MAX, |time| Timestamp(u64::try_from(time).unwrap_or(0)));
                Ok(Some((record, stored)))
            }
            Ok(None) => Ok(None),
            Err(why) => {
                if self.warnings.is_due() {
                    tracing::warn!(
                        session = %id.handle(),
                        "a stored session counts as missing, and perhaps others do within a minute: {why}"
                    );
                }
                Ok(None)
            }
        }
    }

    fn expire(&self, written: &Written, now: Timestamp) -> f64 {
        seconds(written.expires.unwrap_or_else(|| now.after(self.ttl)))
    }
}

/// Whole seconds, rounded up, for `to_timestamp`: exact, since they are far below 2^53.
#[expect(clippy::cast_precision_loss)]
fn seconds(time: Timestamp) -> f64 {
    time.min(Timestamp::MAX).0.div_ceil(1000) as f64
}

/// `infinity` has no number of seconds: `expire` is null then.
const LOAD: &str = "SELECT sess::text AS sess, CASE WHEN isfinite(expire)
        THEN floor(extract(epoch FROM expire::timestamptz) * 1000)::bigint END AS expire
    FROM $table WHERE sid = $1 AND expire >= to_timestamp($2)";

const CREATE: &str = "INSERT INTO $table (sid, sess, expire) VALUES ($1, $2::text::json, to_timestamp($3))
    ON CONFLICT (sid) DO UPDATE SET sess = EXCLUDED.sess, expire = EXCLUDED.expire";

/// Until the first time if the session has an age, until the second if it has none, which is what `null`, `false`
/// and nothing mean. Escapes are taken out before anything is looked up: PostgreSQL's operators refuse a whole
/// record in which there is a `\u0000` or half a surrogate pair.
const TOUCH: &str = r"UPDATE $table SET expire = to_timestamp(CASE WHEN COALESCE(
        regexp_replace(sess::text, '\\\\|\\u[0-9a-fA-F]{4}', '_', 'g')::json->'cookie'->>'originalMaxAge',
        'false') = 'false' THEN $3::float8 ELSE $2::float8 END)
    WHERE sid = $1 AND expire >= to_timestamp($4)";

const SWEEP: &str = "DELETE FROM $table WHERE sid = ANY (ARRAY(
    SELECT sid FROM $table WHERE expire < to_timestamp($1) LIMIT $2 FOR UPDATE SKIP LOCKED))";
