//! Whether the indexes and the sessions of an embedded store say the same.
//!
//! In: a read transaction. Out: every contradiction as a sentence. For tests, and for who doubts a disk.

use std::collections::HashSet;

use heed::RoTxn;

use super::fault::Fault;
use super::tables::{Stored, Tables, bucket_of, user_key};
use crate::codec;
use crate::id::Handle;

/// Reads everything and gives what contradicts.
pub(super) fn contradictions(tables: &Tables, txn: &RoTxn<'_>) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    let (mut users, mut buckets) = (HashSet::new(), HashSet::new());
    for entry in tables.sessions.iter(txn)? {
        let (key, bytes) = entry?;
        let Some(handle) = Handle::from_bytes(key) else {
            found.push(format!("a session's key has {} bytes", key.len()));
            continue;
        };
        let read = Stored::parse(bytes).and_then(|stored| Ok((stored, codec::decode(stored.record)?)));
        let (stored, record) = match read {
            Ok(read) => read,
            Err(error) => {
                found.push(format!("session {handle} cannot be read: {error}"));
                continue;
            }
        };
        if bucket_of(record.expires) < stored.bucket {
            found.push(format!("session {handle} expires before its bucket"));
        }
        buckets.insert((stored.bucket.to_be_bytes().to_vec(), handle));
        users.extend(record.user.map(|user| (user_key(&user), handle)));
    }
    for (name, table, expected) in
        [("by_user", tables.by_user, users), ("by_expiry", tables.by_expiry, buckets)]
    {
        let mut missing = expected;
        for entry in table.iter(txn)? {
            let (key, handle) = entry?;
            let known =
                Handle::from_bytes(handle).is_some_and(|handle| missing.remove(&(key.to_vec(), handle)));
            if !known {
                found.push(format!("{name} has an entry for which there is no session"));
            }
        }
        found.extend(missing.iter().map(|(_, handle)| format!("{name} lacks session {handle}")));
    }
    Ok(found)
}
