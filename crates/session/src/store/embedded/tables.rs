//! [`Tables`]: the databases in an environment, and how a session stands in them.
//!
//! In: records by handle. Out: the same. Owns the layout:
//!
//! | database | key | value |
//! |---|---|---|
//! | `sessions` | handle | bucket (u64, big-endian), then the record's [binary form](crate::codec) |
//! | `by_user` | user, see [`user_key`] | handles |
//! | `by_expiry` | bucket (u64, big-endian) | handles |
//! | `meta` | name | `schema`: u32, `swept`: u64 (when sweeping was last begun), big-endian |
//!
//! Every session has exactly one entry in `by_expiry`, in the bucket that its own value names. That bucket is
//! never later than its expiry, but may be earlier: who moves an expiry into the future leaves the entry, and
//! the sweep that meets it moves it.

use aws_lc_rs::digest;
use heed::types::Bytes;
use heed::{CommitOrAbort, Database, DatabaseFlags, DatabaseOpener, Env, RoTxn, RwTxn, WithTls};

use super::super::StoreError;
use super::fault::Fault;
use crate::codec::{self, CodecError};
use crate::id::Handle;
use crate::record::Record;
use crate::time::Timestamp;

type Table = Database<'static, Bytes, Bytes>;

/// The databases.
#[derive(Clone, Copy)]
pub(super) struct Tables {
    pub(super) sessions: Table,
    pub(super) by_user: Table,
    pub(super) by_expiry: Table,
    pub(super) meta: Table,
    max_session_bytes: usize,
}

/// What `sessions` keeps under a handle.
#[derive(Clone, Copy)]
pub(super) struct Stored<'t> {
    pub(super) bucket: u64,
    pub(super) record: &'t [u8],
}

/// What the indexes say of a session, for who changes it.
pub(super) struct Indexed {
    pub(super) bucket: u64,
    pub(super) user: Option<Vec<u8>>,
}

impl Tables {
    pub(super) const COUNT: u32 = 4;

    /// Opens them, or makes those that are missing. Waits for writers only if some are.
    pub(super) fn open(env: &Env<WithTls>, max_session_bytes: usize) -> Result<Self, Fault> {
        let [sessions, by_user, by_expiry, meta] = match Self::open_existing(env)? {
            Some(tables) => tables,
            None => Self::make(env)?,
        };
        let tables = Self { sessions, by_user, by_expiry, meta, max_session_bytes };
        let txn = env.read_txn()?;
        let schema = tables.meta.get(&txn, SCHEMA_KEY)?.and_then(|bytes| bytes.first_chunk().copied());
        match schema.map(u32::from_be_bytes) {
            Some(SCHEMA) => Ok(tables),
            Some(other) => Err(Fault::Work(StoreError::Misuse(format!(
                "the session store in {} has schema {other}, and this version of narae knows schema {SCHEMA}: \
                 use the version that wrote it, or name another folder",
                env.path().display()
            )))),
            None => Err(Fault::Work(StoreError::Unreadable(format!(
                "the files in {} are no session store: they name no schema",
                env.path().display()
            )))),
        }
    }

    fn open_existing(env: &Env<WithTls>) -> heed::Result<Option<[Table; 4]>> {
        let opened = env.open_databases_and_commit(env.read_txn()?, |opener, txn| {
            let mut found = Vec::new();
            for (name, flags) in NAMES {
                let mut options = opener.database_options().types::<Bytes, Bytes>();
                found.extend(options.name(name).flags(flags).open(txn)?);
            }
            Ok::<_, heed::Error>(match <[_; 4]>::try_from(found) {
                Ok(found) => CommitOrAbort::Commit(found),
                Err(_) => CommitOrAbort::Abort(()),
            })
        })?;
        Ok(opened.commit())
    }

    fn make(env: &Env<WithTls>) -> heed::Result<[Table; 4]> {
        let made = env.create_databases_and_commit(env.write_txn()?, |opener, txn| {
            let made = [
                make(opener, txn, NAMES[0])?,
                make(opener, txn, NAMES[1])?,
                make(opener, txn, NAMES[2])?,
                make(opener, txn, NAMES[3])?,
            ];
            if made[3].get(txn, SCHEMA_KEY)?.is_none() {
                made[3].put(txn, SCHEMA_KEY, &SCHEMA.to_be_bytes())?;
            }
            Ok::<_, heed::Error>(CommitOrAbort::<_, heed::Error>::Commit(made))
        })?;
        Result::from(made)
    }

    /// The binary form of a record, with room for the bucket before it.
    pub(super) fn binary(&self, record: &Record) -> Result<Vec<u8>, Fault> {
        let mut bytes = vec![0; BUCKET_BYTES];
        codec::encode(record, &mut bytes);
        match bytes.len() - BUCKET_BYTES {
            size if size > self.max_session_bytes => {
                Err(Fault::Work(StoreError::TooBig(size, self.max_session_bytes)))
            }
            _ => Ok(bytes),
        }
    }

    /// What is kept for a session, expired or not.
    pub(super) fn find<'t>(&self, txn: &'t RoTxn<'_>, handle: Handle) -> Result<Option<Stored<'t>>, Fault> {
        let Some(bytes) = self.sessions.get(txn, handle.as_bytes())? else { return Ok(None) };
        Stored::parse(bytes).map(Some).map_err(|error| unreadable(handle, error))
    }

    /// What is kept for a session that has not expired at `now`.
    pub(super) fn live<'t>(
        &self,
        txn: &'t RoTxn<'_>,
        handle: Handle,
        now: Timestamp,
    ) -> Result<Option<Stored<'t>>, Fault> {
        let Some(stored) = self.find(txn, handle)? else { return Ok(None) };
        let header = codec::header(stored.record).map_err(|error| unreadable(handle, error))?;
        Ok((header.expires > now).then_some(stored))
    }

    /// What the indexes say of a session. One that cannot be read has no user that could be told.
    pub(super) fn indexed(&self, txn: &RoTxn<'_>, handle: Handle) -> heed::Result<Option<Indexed>> {
        let stored = self.sessions.get(txn, handle.as_bytes())?.and_then(|bytes| Stored::parse(bytes).ok());
        Ok(stored.map(|stored| stored.indexed()))
    }

    /// Keeps a session whose binary form is `bytes`, with room for the bucket before it ([`binary`](Tables::binary)
    /// makes it). `old`: what the indexes said of it before.
    pub(super) fn put(
        &self,
        txn: &mut RwTxn<'_>,
        handle: Handle,
        old: Option<&Indexed>,
        (record, mut bytes): (&Record, Vec<u8>),
    ) -> heed::Result<()> {
        let bucket = self.index_expiry(txn, handle, old.map(|old| old.bucket), record.expires)?;
        let user = record.user.as_deref().map(user_key);
        let old_user = old.and_then(|old| old.user.as_ref());
        if old_user != user.as_ref() {
            if let Some(key) = old_user {
                self.by_user.delete_one_duplicate(txn, key, handle.as_bytes())?;
            }
            if let Some(key) = &user {
                self.by_user.put(txn, key, handle.as_bytes())?;
            }
        }
        self.put_bytes(txn, handle, bucket, &mut bytes)
    }

    /// As [`put`](Tables::put), where only the expiry is new.
    pub(super) fn put_moved(
        &self,
        txn: &mut RwTxn<'_>,
        handle: Handle,
        old: u64,
        (expires, mut bytes): (Timestamp, Vec<u8>),
    ) -> heed::Result<()> {
        let bucket = self.index_expiry(txn, handle, Some(old), expires)?;
        self.put_bytes(txn, handle, bucket, &mut bytes)
    }

    /// Moves a session's entry to the bucket of its expiry.
    pub(super) fn put_index(
        &self,
        txn: &mut RwTxn<'_>,
        handle: Handle,
        expires: Timestamp,
        (old, mut bytes): (u64, Vec<u8>),
    ) -> heed::Result<()> {
        self.by_expiry.delete_one_duplicate(txn, &old.to_be_bytes(), handle.as_bytes())?;
        self.by_expiry.put(txn, &bucket_of(expires).to_be_bytes(), handle.as_bytes())?;
        self.put_bytes(txn, handle, bucket_of(expires), &mut bytes)
    }

    /// Takes a session out.
    pub(super) fn remove(&self, txn: &mut RwTxn<'_>, handle: Handle, old: &Indexed) -> heed::Result<()> {
        self.sessions.delete(txn, handle.as_bytes())?;
        self.by_expiry.delete_one_duplicate(txn, &old.bucket.to_be_bytes(), handle.as_bytes())?;
        if let Some(key) = &old.user {
            self.by_user.delete_one_duplicate(txn, key, handle.as_bytes())?;
        }
        Ok(())
    }

    /// The sessions that stand under `user`, in no order.
    pub(super) fn handles_of(&self, txn: &RoTxn<'_>, user: &str) -> heed::Result<Vec<Handle>> {
        let Some(found) = self.by_user.get_duplicates(txn, &user_key(user))? else { return Ok(Vec::new()) };
        found
            .map(|entry| entry.map(|(_, handle)| Handle::from_bytes(handle)))
            .filter_map(Result::transpose)
            .collect()
    }

    /// The bucket under which the session stands from now on.
    fn index_expiry(
        &self,
        txn: &mut RwTxn<'_>,
        handle: Handle,
        old: Option<u64>,
        expires: Timestamp,
    ) -> heed::Result<u64> {
        let bucket = bucket_of(expires);
        match old {
            Some(old) if old <= bucket => return Ok(old),
            Some(old) => {
                self.by_expiry.delete_one_duplicate(txn, &old.to_be_bytes(), handle.as_bytes())?;
            }
            None => {}
        }
        self.by_expiry.put(txn, &bucket.to_be_bytes(), handle.as_bytes())?;
        Ok(bucket)
    }

    fn put_bytes(
        &self,
        txn: &mut RwTxn<'_>,
        handle: Handle,
        bucket: u64,
        bytes: &mut [u8],
    ) -> heed::Result<()> {
        bytes[..BUCKET_BYTES].copy_from_slice(&bucket.to_be_bytes());
        self.sessions.put(txn, handle.as_bytes(), bytes)
    }
}

impl<'t> Stored<'t> {
    pub(super) fn parse(bytes: &'t [u8]) -> Result<Self, CodecError> {
        let (bucket, record) = bytes.split_first_chunk().ok_or(CodecError::Truncated)?;
        Ok(Self { bucket: u64::from_be_bytes(*bucket), record })
    }

    pub(super) fn decode(&self, handle: Handle) -> Result<Record, Fault> {
        codec::decode(self.record).map_err(|error| unreadable(handle, error))
    }

    pub(super) fn indexed(&self) -> Indexed {
        let user = codec::user(self.record).ok().flatten().map(user_key);
        Indexed { bucket: self.bucket, user }
    }

    /// The bytes as they stand in the database, to be changed.
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BUCKET_BYTES + self.record.len());
        bytes.extend_from_slice(&self.bucket.to_be_bytes());
        bytes.extend_from_slice(self.record);
        bytes
    }
}

fn make<'e>(
    opener: &DatabaseOpener<'e, WithTls>,
    txn: &mut RwTxn<'e>,
    (name, flags): (&'static str, DatabaseFlags),
) -> heed::Result<Database<'e, Bytes, Bytes>> {
    let mut options = opener.database_options().types::<Bytes, Bytes>();
    options.name(name).flags(flags).create(txn)
}

/// The bucket of a moment: the sessions of some seconds share one.
pub(super) const fn bucket_of(time: Timestamp) -> u64 {
    time.0 / BUCKET_MILLISECONDS
}

/// LMDB's keys have 1 to 511 bytes. So a user's name follows a 0; in place of a longer one, its SHA-256
/// follows a 1.
pub(super) fn user_key(user: &str) -> Vec<u8> {
    let is_short = user.len() < MAX_KEY_BYTES;
    let mut key = vec![u8::from(!is_short)];
    if is_short {
        key.extend_from_slice(user.as_bytes());
    } else {
        key.extend_from_slice(digest::digest(&digest::SHA256, user.as_bytes()).as_ref());
    }
    key
}

pub(super) fn unreadable(handle: Handle, error: CodecError) -> Fault {
    Fault::Work(StoreError::Unreadable(format!("session {handle}: {error}")))
}

/// Where the bytes of a record begin.
pub(super) const BUCKET_BYTES: usize = 8;

/// The key of `meta` for when sweeping was last begun.
pub(super) const SWEPT_KEY: &[u8] = b"swept";

const SCHEMA_KEY: &[u8] = b"schema";
const SCHEMA: u32 = 1;
const NAMES: [(&str, DatabaseFlags); 4] = [
    ("sessions", DatabaseFlags::empty()),
    ("by_user", DatabaseFlags::DUP_SORT.union(DatabaseFlags::DUP_FIXED)),
    ("by_expiry", DatabaseFlags::DUP_SORT.union(DatabaseFlags::DUP_FIXED)),
    ("meta", DatabaseFlags::empty()),
];
const MAX_KEY_BYTES: usize = 511;
const BUCKET_MILLISECONDS: u64 = 10_000;
