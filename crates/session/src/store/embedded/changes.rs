//! What requests do to sessions, each as a piece of work in a write transaction that others share.
//!
//! In: handles and changes. Out: what became of them. Every piece makes all its checks before its first
//! write, so that one that fails leaves nothing behind. May be repeated with the whole transaction.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use heed::{RoTxn, RwTxn};

use super::super::{Committed, Listed, StoreError, Update, Updated};
use super::fault::Fault;
use super::tables::{BUCKET_BYTES, Indexed, Stored, Tables, bucket_of, unreadable, user_key};
use crate::codec::{self, CodecError};
use crate::id::Handle;
use crate::record::{Change, Json, Record};
use crate::time::Timestamp;

pub(super) fn create(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    handle: Handle,
    change: &Change,
) -> Result<Committed, Fault> {
    let record = change.clone().into_record();
    let bytes = tables.binary(&record)?;
    let old = tables.indexed(txn, handle)?; // ids do not repeat; but the indexes must hold whatever comes
    tables.put(txn, handle, old.as_ref(), (&record, bytes))?;
    Ok(Committed::Done(None))
}

pub(super) fn commit(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    handle: Handle,
    change: &Change,
) -> Result<Committed, Fault> {
    let Some((old, mut record)) = live(tables, txn, handle, change.now)? else { return Ok(Committed::Gone) };
    change.apply(&mut record);
    let bytes = tables.binary(&record)?;
    tables.put(txn, handle, Some(&old), (&record, bytes))?;
    Ok(Committed::Done(None))
}

pub(super) fn renew(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    (from, to): (Handle, Handle),
    change: &Change,
) -> Result<Committed, Fault> {
    let Some((old, mut record)) = live(tables, txn, from, change.now)? else { return Ok(Committed::Gone) };
    change.apply(&mut record);
    let bytes = tables.binary(&record)?;
    tables.remove(txn, from, &old)?;
    let old = tables.indexed(txn, to)?;
    tables.put(txn, to, old.as_ref(), (&record, bytes))?;
    Ok(Committed::Done(None))
}

pub(super) fn update(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    handle: Handle,
    update: &Update,
) -> Result<Updated, Fault> {
    let Some((old, mut record)) = live(tables, txn, handle, update.now)? else { return Ok(Updated::Gone) };
    let json = match make(update, &record)? {
        Ok(json) => json,
        Err(why) => return Ok(Updated::Refused(why)),
    };
    let mut change = Change::nothing(update.now, update.expires);
    change.edits.push((Arc::clone(&update.key), json.clone()));
    change.apply(&mut record);
    let bytes = tables.binary(&record)?;
    tables.put(txn, handle, Some(&old), (&record, bytes))?;
    Ok(Updated::Done(json, None))
}

pub(super) fn touch(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    handle: Handle,
    (now, expires): (Timestamp, Timestamp),
) -> Result<bool, Fault> {
    let Some(stored) = tables.live(txn, handle, now)? else { return Ok(false) };
    let old = codec::header(stored.record).map_err(|error| unreadable(handle, error))?.expires;
    let expires = old.max(expires); // as `Change::expiry_after`
    let (bucket, mut bytes) = (stored.bucket, stored.to_bytes());
    codec::touch(&mut bytes[BUCKET_BYTES..], now, expires).map_err(|error| unreadable(handle, error))?;
    tables.put_moved(txn, handle, bucket, (expires, bytes))?;
    Ok(true)
}

pub(super) fn destroy(tables: &Tables, txn: &mut RwTxn<'_>, handle: Handle) -> Result<bool, Fault> {
    let Some(old) = tables.indexed(txn, handle)? else { return Ok(false) };
    tables.remove(txn, handle, &old)?;
    Ok(true)
}

pub(super) fn destroy_all_of(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    user: &str,
    except: Option<Handle>,
) -> Result<u64, Fault> {
    let mut ended = 0;
    for handle in tables.handles_of(txn, user)? {
        if Some(handle) != except && destroy(tables, txn, handle)? {
            ended += 1;
        }
    }
    Ok(ended)
}

pub(super) fn revoke(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    user: &str,
    handle: Handle,
) -> Result<bool, Fault> {
    let Some(old) = tables.indexed(txn, handle)? else { return Ok(false) };
    if old.user != Some(user_key(user)) {
        return Ok(false);
    }
    tables.remove(txn, handle, &old)?;
    Ok(true)
}

/// The live sessions of `user`, the youngest first, at most [`MAX_LISTED`]. Those that cannot be read are left
/// out: the others can be looked at and ended all the same.
pub(super) fn sessions_of(
    tables: &Tables,
    txn: &RoTxn<'_>,
    user: &str,
    now: Timestamp,
) -> Result<Vec<Listed>, Fault> {
    let mut found = Vec::new();
    for handle in tables.handles_of(txn, user)? {
        let Some(bytes) = tables.sessions.get(txn, handle.as_bytes())? else { continue };
        let read = Stored::parse(bytes).and_then(|stored| Ok((codec::header(stored.record)?, stored)));
        match read {
            Ok((header, stored)) if header.expires > now => found.push((header.created, handle, stored)),
            Ok(_) => {}
            Err(error) => skip(handle, error),
        }
    }
    found.sort_by_key(|&(created, ..)| std::cmp::Reverse(created));
    found.truncate(MAX_LISTED);
    let decode = |(_, handle, stored): (_, Handle, Stored<'_>)| match codec::decode(stored.record) {
        Ok(record) => Some(Listed { handle, record }),
        Err(error) => {
            skip(handle, error);
            None
        }
    };
    Ok(found.into_iter().filter_map(decode).collect())
}

fn skip(handle: Handle, error: CodecError) {
    tracing::warn!(%handle, %error, "a session that cannot be read is left out of a list");
}

/// What one step of a sweep did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Swept {
    /// Sessions that were forgotten.
    pub(super) forgotten: u64,
    /// Whether another step would do more.
    pub(super) more: bool,
}

/// Looks at the first entries whose bucket has come, at most `limit`: forgets the sessions that have expired
/// at `now`, and moves the entries of those that live longer.
pub(super) fn sweep(
    tables: &Tables,
    txn: &mut RwTxn<'_>,
    now: Timestamp,
    limit: usize,
) -> Result<Swept, Fault> {
    let entries = due(tables, txn, now, limit)?;
    let (mut forgotten, mut moved) = (0, 0_u64);
    for &(bucket, handle) in &entries {
        let stored = tables.sessions.get(txn, handle.as_bytes())?.and_then(|bytes| Stored::parse(bytes).ok());
        let header = stored.map(|stored| (stored, codec::header(stored.record)));
        match header {
            Some((stored, Ok(header))) if stored.bucket == bucket && header.expires > now => {
                if bucket_of(header.expires) > bucket {
                    let bytes = stored.to_bytes();
                    tables.put_index(txn, handle, header.expires, (bucket, bytes))?;
                    moved += 1;
                }
            }
            Some((stored, _)) if stored.bucket == bucket => {
                let old = stored.indexed();
                tables.remove(txn, handle, &old)?;
                forgotten += 1;
            }
            _ => {
                tables.by_expiry.delete_one_duplicate(txn, &bucket.to_be_bytes(), handle.as_bytes())?;
                moved += 1;
            }
        }
    }
    Ok(Swept { forgotten, more: entries.len() == limit && forgotten + moved > 0 })
}

/// How many sessions have expired at `now` and are still there.
pub(super) fn count_expired(tables: &Tables, txn: &RoTxn<'_>, now: Timestamp) -> Result<u64, Fault> {
    let mut expired = 0;
    for (_, handle) in due(tables, txn, now, usize::MAX)? {
        if tables.find(txn, handle)?.is_some() && tables.live(txn, handle, now)?.is_none() {
            expired += 1;
        }
    }
    Ok(expired)
}

/// What the trait promises.
const MAX_LISTED: usize = 1000;

fn due(tables: &Tables, txn: &RoTxn<'_>, now: Timestamp, limit: usize) -> heed::Result<Vec<(u64, Handle)>> {
    let last = bucket_of(now).to_be_bytes();
    let parse = |(bucket, handle): (&[u8], &[u8])| {
        Some((u64::from_be_bytes(*bucket.first_chunk()?), Handle::from_bytes(handle)?))
    };
    let until = (Bound::Unbounded, Bound::Included(&last[..]));
    let found = tables.by_expiry.range(txn, &until)?.take(limit);
    found.map(|entry| entry.map(parse)).filter_map(Result::transpose).collect()
}

fn live(
    tables: &Tables,
    txn: &RoTxn<'_>,
    handle: Handle,
    now: Timestamp,
) -> Result<Option<(Indexed, Record)>, Fault> {
    let Some(stored) = tables.live(txn, handle, now)? else { return Ok(None) };
    Ok(Some((stored.indexed(), stored.decode(handle)?)))
}

/// Calls the program's function; a panic in it is its own fault, and no other's.
fn make(update: &Update, record: &Record) -> Result<Result<Option<Json>, Arc<str>>, Fault> {
    let old = record.values.find(&update.key).map(|json| &**json);
    // What the panic says stays out of the error, which is logged: values may be in it.
    catch_unwind(AssertUnwindSafe(|| (update.make)(old))).map_err(|_| {
        Fault::Work(StoreError::Misuse(format!("the update of the key {:?} panicked", update.key)))
    })
}
