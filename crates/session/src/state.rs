//! [`State`]: one request's view of its session, and what it did to it.
//!
//! In: a record, or nothing, and the handler's calls. Out: the [`Change`] that the store should make. Pure:
//! no store, no clock, no cookie.

use std::sync::Arc;
use std::time::Duration;

use crate::decide::{Did, Saved};
use crate::id::Id;
use crate::record::{Attributes, Change, Json, MaxAge, Record, Values};
use crate::settings::Settings;
use crate::time::Timestamp;

#[derive(Debug)]
pub(crate) struct State {
    /// The current id; a new session gets one when somebody asks.
    pub(crate) id: Option<Id>,
    /// Under which id the store has it, if it has.
    pub(crate) stored: Option<Id>,
    /// It came by the cookie, under the first id.
    pub(crate) loaded: bool,
    pub(crate) renewed: bool,
    /// A login happened, so a session that ended meanwhile may begin again.
    logged_in: bool,
    pub(crate) seen: Option<Timestamp>,
    /// The expiry that the store has.
    pub(crate) expires: Timestamp,
    pub(crate) now_is: Content,
    first: Content,
    last_saved: Option<Content>,
    /// Keys that were set or taken out and are not saved, the latest last.
    written: Vec<Arc<str>>,
    marks: Marks,
    saved_marks: Marks,
    /// The request gave the session another lifetime.
    max_age_changed: bool,
    pub(crate) touch_asked: bool,
    pub(crate) ending: Ending,
    /// The store could not be read, so nothing is written.
    pub(crate) anonymous: bool,
    /// The head of the response is on its way.
    pub(crate) finished: bool,
    /// A store failed in the hands of the handler.
    pub(crate) failed: bool,
    /// The cookie's new value, from stores that keep sessions there.
    pub(crate) token: Option<Box<str>>,
}

/// What a session says: compared to find out whether it changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) values: Arc<Values>,
    pub(crate) user: Option<Arc<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    No,
    /// By this request.
    Destroyed,
    /// This request wants nothing kept.
    Discarded,
    /// By another request, as the store said.
    Gone,
}

/// What else a save writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marks {
    /// How often everything was taken out.
    clears: u32,
    pub(crate) max_age: MaxAge,
    pub(crate) created: Option<Timestamp>,
}

/// A write on its way to the store.
#[derive(Debug)]
pub(crate) struct Written {
    expires: Timestamp,
    /// What the session then says there.
    content: Content,
    marks: Marks,
}

/// What the store is asked to write.
#[derive(Debug)]
pub(crate) enum Writing {
    Create(Id, Change),
    Commit(Id, Change),
    /// From the first id to the second. If the first is gone, the last is created instead, where a login
    /// allows that.
    Renew(Id, Id, Change, Option<Change>),
}

impl State {
    /// A session that the store does not know.
    pub(crate) fn new() -> Self {
        Self {
            id: None,
            stored: None,
            loaded: false,
            renewed: false,
            logged_in: false,
            seen: None,
            expires: Timestamp(0),
            now_is: Content::default(),
            first: Content::default(),
            last_saved: None,
            written: Vec::new(),
            marks: Marks::default(),
            saved_marks: Marks::default(),
            max_age_changed: false,
            touch_asked: false,
            ending: Ending::No,
            anonymous: false,
            finished: false,
            failed: false,
            token: None,
        }
    }

    /// A session of nobody, of which nothing is kept: the store could not be read.
    pub(crate) fn anonymous() -> Self {
        Self { anonymous: true, ..Self::new() }
    }

    /// The session that the cookie named.
    pub(crate) fn loaded(id: Id, record: Record, resave: bool) -> Self {
        let content = Content { values: Arc::new(record.values), user: record.user };
        let marks = Marks { clears: 0, max_age: record.max_age, created: record.created };
        Self {
            stored: Some(id.clone()),
            id: Some(id),
            loaded: true,
            seen: record.seen,
            expires: record.expires,
            marks,
            saved_marks: marks,
            first: content.clone(),
            last_saved: (!resave).then(|| content.clone()),
            now_is: content,
            ..Self::new()
        }
    }

    pub(crate) const fn created(&self) -> Option<Timestamp> {
        self.marks.created
    }

    pub(crate) const fn max_age(&self) -> MaxAge {
        self.marks.max_age
    }

    pub(crate) fn id(&mut self, settings: &Settings) -> Id {
        self.id.get_or_insert_with(|| settings.new_id()).clone()
    }

    pub(crate) fn set(&mut self, key: &str, json: Json) {
        if self.now_is.values.find(key).is_some_and(|old| *old == json) {
            return;
        }
        Arc::make_mut(&mut self.now_is.values).set(key, json);
        self.note(key);
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Json> {
        self.now_is.values.find(key)?;
        let json = Arc::make_mut(&mut self.now_is.values).remove(key);
        self.note(key);
        json
    }

    /// Empties the session. Whoever is logged in stays so.
    pub(crate) fn clear(&mut self) {
        self.now_is.values = Arc::default();
        self.written.clear();
        self.marks.clears += 1;
    }

    /// Takes a new id; the old one dies with the next save.
    pub(crate) fn renew(&mut self, settings: &Settings) {
        self.id = Some(settings.new_id());
        self.renewed = true;
    }

    /// Begins a life of the configured length.
    pub(crate) fn begin_anew(&mut self, now: Timestamp) {
        self.set_max_age(MaxAge::Configured);
        self.marks.created = Some(now);
    }

    pub(crate) fn log_in(&mut self, user: Arc<str>, now: Timestamp, settings: &Settings) {
        self.renew(settings);
        self.begin_anew(now);
        self.now_is.user = Some(user);
        self.logged_in = true;
    }

    pub(crate) fn set_max_age(&mut self, max_age: MaxAge) {
        self.max_age_changed |= self.marks.max_age != max_age;
        self.marks.max_age = max_age;
    }

    /// Whether the store still knows it by another id.
    pub(crate) fn is_moving(&self) -> bool {
        self.stored.is_some() && self.stored != self.id
    }

    /// Whether the store knows it by its id of now.
    pub(crate) fn is_settled(&self) -> bool {
        self.stored.is_some() && self.stored == self.id
    }

    /// Whether nothing happened that the store must hear of.
    pub(crate) fn is_clean(&self) -> bool {
        self.is_settled() && !self.has_unsaved()
    }

    fn has_unsaved(&self) -> bool {
        self.last_saved.as_ref().unwrap_or(&self.first) != &self.now_is || self.marks != self.saved_marks
    }

    pub(crate) fn did(&self, settings: &Settings) -> Did {
        Did {
            presented: self.loaded && !self.renewed,
            modified: self.renewed || self.now_is != self.first || self.max_age_changed,
            saved: match &self.last_saved {
                None => Saved::Never,
                Some(saved) if *saved == self.now_is && !self.renewed && self.marks == self.saved_marks => {
                    Saved::This
                }
                Some(_) => Saved::Other,
            },
            persistent: settings.is_persistent(self.marks.max_age),
        }
    }

    /// How long it lives from `now` on.
    pub(crate) fn expiry(&self, settings: &Settings, now: Timestamp) -> Timestamp {
        settings.expiry(self.marks.max_age, self.marks.created.or(Some(now)), now)
    }

    /// Whether a touch is worth a write.
    pub(crate) fn is_touch_due(&self, until: Timestamp, after: Duration) -> bool {
        self.touch_asked || after.is_zero() || until.since(self.expires) >= after
    }

    /// What the store should write now, expiring at `expires`.
    pub(crate) fn writing(
        &mut self,
        settings: &Settings,
        now: Timestamp,
        attributes: &Arc<Attributes>,
    ) -> (Writing, Written) {
        let expires = self.expiry(settings, now);
        let content = self.now_is.clone();
        let id = self.id(settings);
        let everything = |state: &Self| Change {
            clear: false,
            edits: state
                .now_is
                .values
                .iter()
                .map(|(key, json)| (key.into(), Some(Arc::clone(json))))
                .collect(),
            user: state.now_is.user.clone().map(Some),
            max_age: (state.marks.max_age != MaxAge::Configured).then_some(state.marks.max_age),
            created: state.marks.created,
            now,
            expires,
            attributes: Arc::clone(attributes),
        };
        let Some(stored) = self.stored.clone() else {
            let writing = Writing::Create(id, everything(self));
            return (writing, Written { expires, content, marks: self.marks });
        };
        let saved_user = &self.last_saved.as_ref().unwrap_or(&self.first).user;
        let change = Change {
            clear: self.marks.clears != self.saved_marks.clears,
            edits: self.edits(),
            user: (*saved_user != self.now_is.user).then(|| self.now_is.user.clone()),
            max_age: (self.marks.max_age != self.saved_marks.max_age).then_some(self.marks.max_age),
            created: self.marks.created.filter(|_| self.marks.created != self.saved_marks.created),
            now,
            expires,
            attributes: Arc::clone(attributes),
        };
        let writing = if stored == id {
            Writing::Commit(id, change)
        } else {
            let instead = self.logged_in.then(|| everything(self));
            Writing::Renew(stored, id, change, instead)
        };
        (writing, Written { expires, content, marks: self.marks })
    }

    /// Notes that the store has made the change that [`writing`](State::writing) gave.
    /// What the request did meanwhile is still unsaved.
    pub(crate) fn saved(&mut self, id: Id, written: Written) {
        let Written { content, expires, marks } = written;
        let values = &self.now_is.values;
        self.written.retain(|key| values.find(key) != content.values.find(key));
        self.stored = Some(id);
        self.logged_in = false;
        self.last_saved = Some(content);
        self.saved_marks = marks;
        self.expires = expires;
    }

    /// Notes a value that the store has already.
    pub(crate) fn updated(&mut self, key: &str, json: Option<&Json>, expires: Timestamp) {
        let saved = self.last_saved.get_or_insert_with(|| self.first.clone());
        for content in [&mut self.now_is, saved] {
            let values = Arc::make_mut(&mut content.values);
            match json {
                Some(json) => values.set(key, Arc::clone(json)),
                None => drop(values.remove(key)),
            }
        }
        self.expires = expires;
    }

    /// Takes what the store has in place of what the request did.
    pub(crate) fn reloaded(&mut self, record: Record) {
        self.now_is = Content { values: Arc::new(record.values), user: record.user };
        if let Some(saved) = &mut self.last_saved {
            saved.clone_from(&self.now_is);
        }
        self.expires = record.expires;
        self.written.clear();
        self.marks = Marks { clears: self.marks.clears, max_age: record.max_age, created: record.created };
        self.saved_marks = self.marks;
        self.max_age_changed = false;
    }

    fn note(&mut self, key: &str) {
        self.written.retain(|written| **written != *key);
        self.written.push(key.into());
    }

    /// What became of the keys that were written, in the order in which they stand.
    fn edits(&self) -> Vec<(Arc<str>, Option<Json>)> {
        let edit = |key: &Arc<str>| (Arc::clone(key), self.now_is.values.find(key).cloned());
        self.written.iter().map(edit).collect()
    }
}
