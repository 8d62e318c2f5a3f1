//! [`Record`]: what a store keeps for a session, and [`Change`]: what one request does to it.
//!
//! In: JSON texts by key. Out: the same, after changes. A change names the keys that a request wrote and no
//! others, so two requests at the same time both win. Knows no store and no cookie.

use std::sync::Arc;

use crate::time::Timestamp;

/// JSON text that is known to be sound: only [`serde_json`] made it, or a store that kept it.
pub type Json = Arc<str>;

/// What a session holds: keys and their JSON, in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Values(Vec<(Arc<str>, Json)>);

impl Values {
    /// The JSON of `key`.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<&Json> {
        self.0.iter().find(|(found, _)| **found == *key).map(|(_, json)| json)
    }

    /// Gives `key` a value: in its place if it is there, else at the end.
    pub fn set(&mut self, key: &str, json: Json) {
        match self.0.iter_mut().find(|(found, _)| **found == *key) {
            Some((_, old)) => *old = json,
            None => self.0.push((key.into(), json)),
        }
    }

    /// Adds `key` at the end; the caller knows that it is not there.
    pub(crate) fn push(&mut self, key: Arc<str>, json: Json) {
        self.0.push((key, json));
    }

    /// Takes `key` out. `None` if it was not there.
    pub fn remove(&mut self, key: &str) -> Option<Json> {
        let at = self.0.iter().position(|(found, _)| **found == *key)?;
        Some(self.0.remove(at).1)
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Keys and their JSON, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(key, json)| (&**key, json))
    }

    /// How many keys there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<K: Into<Arc<str>>, J: Into<Json>> FromIterator<(K, J)> for Values {
    fn from_iter<I: IntoIterator<Item = (K, J)>>(entries: I) -> Self {
        let mut values = Self::default();
        for (key, json) in entries {
            values.set(&key.into(), json.into());
        }
        values
    }
}

/// What a store keeps for one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Grows with every commit. Stores that cannot count keep 0.
    pub version: u64,
    /// When the session began, or its user logged in. Stores that cannot keep it give `None`.
    pub created: Option<Timestamp>,
    /// When it was last used, as precisely as touches are written. `None` as for `created`.
    pub seen: Option<Timestamp>,
    /// From when on the store must not give it out any more.
    pub expires: Timestamp,
    /// How long it lives without a request, and whether the browser keeps it when it is closed.
    pub max_age: MaxAge,
    /// Who is logged in.
    pub user: Option<Arc<str>>,
    /// What handlers wrote.
    pub values: Values,
}

/// How long a session lives without a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MaxAge {
    /// As the settings say today.
    #[default]
    Configured,
    /// As the settings say, but the browser forgets it when it is closed (express: `originalMaxAge: null`).
    BrowserSession,
    /// So many milliseconds; the browser keeps it (express: `originalMaxAge`).
    Milliseconds(u64),
}

/// What one request does to a session. Keys that it does not name stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Takes every key out first, also those that the request never saw.
    pub clear: bool,
    /// Keys and what becomes of them: a value, or `None` to take them out.
    pub edits: Vec<(Arc<str>, Option<Json>)>,
    /// Who is logged in from now on; `None`: as before. `Some(None)`: nobody.
    pub user: Option<Option<Arc<str>>>,
    /// The new lifetime; `None`: as before.
    pub max_age: Option<MaxAge>,
    /// When the session's life begins anew, with a login; `None`: as before.
    pub created: Option<Timestamp>,
    /// The time of the request.
    pub now: Timestamp,
    /// The new moment of expiry. It only moves forward, unless `max_age` or `created` is said too: see
    /// [`expiry_after`](Change::expiry_after).
    pub expires: Timestamp,
    /// What express-compatible stores write into the record's `cookie`, if it has none yet.
    pub attributes: Arc<Attributes>,
}

impl Change {
    /// A change that moves the expiry and nothing else.
    #[must_use]
    pub fn nothing(now: Timestamp, expires: Timestamp) -> Self {
        Self {
            clear: false,
            edits: Vec::new(),
            user: None,
            max_age: None,
            created: None,
            now,
            expires,
            attributes: Arc::default(),
        }
    }

    /// Makes the change on a record.
    pub fn apply(&self, record: &mut Record) {
        if self.clear {
            record.values.clear();
        }
        for (key, json) in &self.edits {
            match json {
                Some(json) => record.values.set(key, Arc::clone(json)),
                None => drop(record.values.remove(key)),
            }
        }
        if let Some(user) = &self.user {
            record.user.clone_from(user);
        }
        if let Some(max_age) = self.max_age {
            record.max_age = max_age;
        }
        if self.created.is_some() {
            record.created = self.created;
        }
        record.seen = record.seen.max(Some(self.now));
        record.expires = self.expiry_after(record.expires);
        record.version += 1;
    }

    /// The expiry that a session has after the change, which had `old` before. A request that says nothing of
    /// the session's lifetime does not take back what another one gave it meanwhile.
    #[must_use]
    pub fn expiry_after(&self, old: Timestamp) -> Timestamp {
        if self.max_age.is_some() || self.created.is_some() { self.expires } else { old.max(self.expires) }
    }

    /// What a new session begins with.
    #[must_use]
    pub fn into_record(self) -> Record {
        let mut record = Record {
            version: 0,
            created: Some(self.now),
            seen: Some(self.now),
            expires: Timestamp(0),
            max_age: MaxAge::Configured,
            user: None,
            values: Values::default(),
        };
        self.apply(&mut record);
        record
    }
}

/// The cookie's attributes, as express-session keeps them in a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `originalMaxAge`: milliseconds, or `None` for a cookie that the browser forgets when it is closed.
    pub max_age: Option<u64>,
    /// `secure`.
    pub secure: bool,
    /// `httpOnly`.
    pub http_only: bool,
    /// `domain`.
    pub domain: Option<String>,
    /// `path`.
    pub path: String,
    /// `sameSite`: `strict`, `lax`, `none`, or `None` where the attribute is not sent.
    pub same_site: Option<&'static str>,
    /// `partitioned`.
    pub partitioned: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(edits: &[(&str, Option<&str>)]) -> Change {
        let edits = edits.iter().map(|(key, json)| ((*key).into(), json.map(Into::into))).collect();
        Change { edits, ..Change::nothing(Timestamp(5), Timestamp(50)) }
    }

    #[test]
    fn a_change_leaves_alone_what_it_does_not_name() {
        let mut record = change(&[("a", Some("1")), ("b", Some("2"))]).into_record();
        change(&[("b", None), ("c", Some("3"))]).apply(&mut record);
        let expected: Values = [("a", "1"), ("c", "3")].into_iter().collect();
        assert_eq!((record.values, record.version), (expected, 2));
    }

    #[test]
    fn clearing_comes_before_the_edits() {
        let mut record = change(&[("a", Some("1"))]).into_record();
        Change { clear: true, ..change(&[("b", Some("2"))]) }.apply(&mut record);
        assert_eq!(record.values, [("b", "2")].into_iter().collect());
    }

    #[test]
    fn an_old_request_does_not_turn_back_when_the_session_was_seen() {
        let mut record = change(&[]).into_record();
        Change::nothing(Timestamp(3), Timestamp(40)).apply(&mut record);
        assert_eq!(record.seen, Some(Timestamp(5)));
    }
}
