//! The JSON of express-session's records, as `connect-redis` and `connect-pg-simple` keep it.
//!
//! In: stored text, changes. Out: records, and text as Node would have written it: values are never read nor
//! formatted anew, keys keep their order, and the `cookie` object stays where it was. Knows no store.

use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::record::{Attributes, Change, Json, MaxAge, Record, Values};
use crate::store::{StoreError, Update};
use crate::time::Timestamp;

/// The `cookie` object of a record that was read, or of one that is to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    /// The keys that stood before `cookie`.
    before: Vec<Arc<str>>,
    /// The JSON of what the object holds, by its place in [`COOKIE_KEYS`]. Without `expires`.
    attributes: [Option<Json>; COOKIE_KEYS.len()],
    /// `expires` as it was read: a date that may lag behind, since a touch does not rewrite the record.
    pub(crate) expires: Option<Timestamp>,
    /// Node wrote `expires: false`.
    expires_is_false: bool,
    /// Keys that are no text (half of a pair of surrogates), as they stand in the JSON, by the name that
    /// they have here.
    odd_keys: Vec<(Arc<str>, Box<str>)>,
}

/// A record to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Written {
    /// The JSON.
    pub(crate) text: String,
    /// The expiry in it; `None` for sessions that have none, for which the store has a default.
    pub(crate) expires: Option<Timestamp>,
}

/// What became of an update of one key.
#[derive(Debug)]
pub(crate) enum Edited {
    /// The record to store, and the key's new value.
    Done(Written, Option<Json>),
    /// [`Update::make`] refused.
    Refused(Arc<str>),
}

/// Reads a record. `user_key`: under which key handlers keep who is logged in; it counts if it is text.
///
/// `Ok(None)`: there is no session in it, as Node sees it (`null`, or nothing). The record's `expires` is the
/// one in the text, or [`Timestamp::MAX`]; the store knows better.
///
/// # Errors
/// Why it is no record of a session. Node would answer 500 or never; here the session counts as missing, and
/// whoever stores says why in the log.
pub(crate) fn decode(text: &str, user_key: &str) -> Result<Option<(Record, Stored)>, String> {
    if text.is_empty() || text.trim() == "null" {
        return Ok(None);
    }
    let Members(members) =
        serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))?;
    let mut stored = Stored::default();
    let mut values = Values::default();
    let mut cookie = None;
    let keys: Vec<Option<Arc<str>>> = members.iter().map(|(raw, _)| key_text(raw)).collect();
    for ((raw, json), text) in members.into_iter().zip(&keys) {
        let key = text.clone().unwrap_or_else(|| stored.odd_key(raw, &keys));
        if &*key == COOKIE {
            if cookie.is_none() {
                stored.before = values.iter().map(|(key, _)| key.into()).collect();
            }
            cookie = Some(json);
        } else if values.find(&key).is_some() {
            values.set(&key, json);
        } else {
            values.push(key, json);
        }
    }
    let cookie = cookie.ok_or("there is no \"cookie\" in it")?;
    let max_age = stored.read_cookie(&cookie)?;
    let user =
        values.find(user_key).and_then(|json| serde_json::from_str::<String>(json).ok()).map(Arc::from);
    let expires = stored.expires.unwrap_or(Timestamp::MAX);
    Ok(Some((Record { version: 0, created: None, seen: None, expires, max_age, user, values }, stored)))
}

/// Writes a record as Node does. `expires` is written if the session has an age; else there is none.
pub(crate) fn encode(record: &Record, stored: &Stored, expires: Timestamp) -> String {
    let mut numbered: Vec<(u32, &str, &Json)> = Vec::new();
    let mut named = Vec::new();
    for (key, json) in record.values.iter() {
        match integer(key) {
            Some(integer) => numbered.push((integer, key, json)),
            None => named.push((key, json)),
        }
    }
    numbered.sort_unstable_by_key(|&(integer, ..)| integer);
    let is_before = |key: &str| stored.before.iter().any(|before| **before == *key);
    let place = named.iter().position(|(key, _)| !is_before(key)).unwrap_or(named.len());
    let mut text = String::with_capacity(256);
    text.push('{');
    for (_, key, json) in numbered {
        push_member(&mut text, key, json);
    }
    for (key, json) in &named[..place] {
        stored.push_value(&mut text, key, json);
    }
    push_member(&mut text, COOKIE, &stored.cookie_object(expires));
    for (key, json) in &named[place..] {
        stored.push_value(&mut text, key, json);
    }
    text.push('}');
    text
}

/// The record of a new session.
///
/// # Errors
/// [`StoreError::Misuse`] if a key is express-session's own.
pub(crate) fn create(change: &Change, user_key: &str) -> Result<Written, StoreError> {
    let max_age = change.max_age.unwrap_or_default();
    let stored = Stored::new(&change.attributes, max_age);
    let record = Record {
        version: 0,
        created: None,
        seen: None,
        expires: change.expires,
        max_age,
        user: None,
        values: Values::default(),
    };
    apply(change, record, stored, user_key)
}

/// What a change makes of a record that was read.
///
/// # Errors
/// [`StoreError::Misuse`] if a key is express-session's own.
pub(crate) fn apply(
    change: &Change,
    mut record: Record,
    mut stored: Stored,
    user_key: &str,
) -> Result<Written, StoreError> {
    if change.edits.iter().any(|(key, json)| &**key == COOKIE && json.is_some()) {
        return Err(StoreError::Misuse(
            "the key \"cookie\" of an express-compatible session belongs to express-session: use another"
                .into(),
        ));
    }
    // Here who is logged in is one of the values, but it is not the handlers' to clear.
    let user = if change.clear { record.values.remove(user_key) } else { None };
    change.apply(&mut record);
    let is_named = change.edits.iter().any(|(key, _)| **key == *user_key);
    if let Some(user) = user.filter(|_| !is_named) {
        record.values.set(user_key, user);
    }
    match &change.user {
        Some(Some(user)) => {
            let json = serde_json::to_string(&**user).unwrap_or_default();
            record.values.set(user_key, json.into());
        }
        Some(None) => drop(record.values.remove(user_key)),
        None => {}
    }
    if let Some(max_age) = change.max_age {
        stored.set_max_age(max_age, &change.attributes);
    }
    let text = encode(&record, &stored, change.expires);
    Ok(Written { text, expires: stored.has_age().then_some(change.expires) })
}

/// What an update of one key makes of a record that was read.
///
/// # Errors
/// As for [`apply`].
pub(crate) fn edit(
    update: &Update,
    record: Record,
    stored: Stored,
    user_key: &str,
) -> Result<Edited, StoreError> {
    let json = match (update.make)(record.values.find(&update.key).map(|json| &**json)) {
        Ok(json) => json,
        Err(why) => return Ok(Edited::Refused(why)),
    };
    let mut change = Change::nothing(update.now, update.expires);
    change.edits.push((Arc::clone(&update.key), json.clone()));
    Ok(Edited::Done(apply(&change, record, stored, user_key)?, json))
}

impl Stored {
    /// What a new record has.
    fn new(attributes: &Attributes, max_age: MaxAge) -> Self {
        let mut stored = Self::default();
        let text = |text: &str| Json::from(serde_json::to_string(text).unwrap_or_default());
        for (key, json) in COOKIE_KEYS.iter().zip(&mut stored.attributes) {
            *json = match *key {
                "partitioned" => attributes.partitioned.then(|| "true".into()),
                "secure" => attributes.secure.then(|| "true".into()),
                "httpOnly" => Some(attributes.http_only.to_string().into()),
                "domain" => attributes.domain.as_deref().map(text),
                "path" => Some(text(&attributes.path)),
                "sameSite" => attributes.same_site.map(text),
                _ => None,
            };
        }
        stored.set_max_age(max_age, attributes);
        stored
    }

    fn set_max_age(&mut self, max_age: MaxAge, attributes: &Attributes) {
        let milliseconds = match max_age {
            MaxAge::Configured => attributes.max_age,
            MaxAge::BrowserSession => None,
            MaxAge::Milliseconds(milliseconds) => Some(milliseconds),
        };
        self.expires_is_false = false;
        self.attributes[ORIGINAL_MAX_AGE] =
            Some(milliseconds.map_or_else(|| "null".into(), |number| number.to_string().into()));
    }

    /// Takes what `json` holds, as far as Node would keep it.
    fn read_cookie(&mut self, json: &str) -> Result<MaxAge, String> {
        let Members(members) =
            serde_json::from_str(json).map_err(|_| "its \"cookie\" is not an object".to_owned())?;
        for (raw, json) in members {
            let key = key_text(raw).unwrap_or_default();
            match COOKIE_KEYS.iter().position(|known| *known == &*key) {
                Some(EXPIRES) => {
                    self.expires_is_false = &*json == "false";
                    self.expires = read_date(&json);
                }
                Some(place) => self.attributes[place] = Some(json),
                None => {}
            }
        }
        for (place, default) in DEFAULTS {
            self.attributes[place].get_or_insert_with(|| default.into());
        }
        let original = self.attributes[ORIGINAL_MAX_AGE].get_or_insert_with(|| "null".into());
        match &**original {
            "null" | "false" => Ok(MaxAge::BrowserSession),
            text => match text.parse::<f64>() {
                // Whole milliseconds do; a negative age is none.
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                Ok(number) => Ok(MaxAge::Milliseconds(number as u64)),
                Err(_) => Err("its cookie's \"originalMaxAge\" is not a number".into()),
            },
        }
    }

    /// A name for a key that is no text: one that none of `keys` has.
    fn odd_key(&mut self, raw: &str, keys: &[Option<Arc<str>>]) -> Arc<str> {
        if let Some((name, _)) = self.odd_keys.iter().find(|(_, known)| **known == *raw) {
            return Arc::clone(name);
        }
        let mut name = serde_json::from_str::<String>(&without_halves(raw)).unwrap_or_default();
        while keys
            .iter()
            .flatten()
            .chain(self.odd_keys.iter().map(|(name, _)| name))
            .any(|key| **key == *name)
        {
            name.push(char::REPLACEMENT_CHARACTER);
        }
        let name: Arc<str> = name.into();
        self.odd_keys.push((Arc::clone(&name), raw.into()));
        name
    }

    fn push_value(&self, text: &mut String, key: &str, json: &str) {
        match self.odd_keys.iter().find(|(name, _)| **name == *key) {
            Some((_, raw)) => push_raw_member(text, raw, json),
            None => push_member(text, key, json),
        }
    }

    /// Whether the session has an expiry that requests move.
    pub(crate) fn has_age(&self) -> bool {
        !matches!(self.attributes[ORIGINAL_MAX_AGE].as_deref(), None | Some("null" | "false"))
    }

    fn cookie_object(&self, expires: Timestamp) -> String {
        let mut text = String::from("{");
        for (place, key) in COOKIE_KEYS.iter().enumerate() {
            match &self.attributes[place] {
                _ if place == EXPIRES && self.has_age() => {
                    push_member(&mut text, key, &format!("\"{}\"", iso(expires)));
                }
                _ if place == EXPIRES => {
                    push_member(&mut text, key, if self.expires_is_false { "false" } else { "null" });
                }
                Some(json) => push_member(&mut text, key, json),
                None => {}
            }
        }
        text.push('}');
        text
    }
}

/// The members of an object in their order, keys and values as they are written.
struct Members<'de>(Vec<(&'de str, Json)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(key) = map.next_key::<&RawValue>()? {
                    members.push((key.get(), map.next_value::<&RawValue>()?.get().into()));
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

/// The key that stands as `raw` in the JSON. `None`: half of a pair of surrogates is in it, which JavaScript's
/// texts may hold, and no text here can.
fn key_text(raw: &str) -> Option<Arc<str>> {
    serde_json::from_str::<String>(raw).ok().map(Arc::from)
}

fn push_member(text: &mut String, key: &str, json: &str) {
    push_raw_member(text, &serde_json::to_string(key).unwrap_or_default(), json);
}

fn push_raw_member(text: &mut String, key: &str, json: &str) {
    if !text.ends_with('{') {
        text.push(',');
    }
    text.push_str(key);
    text.push(':');
    text.push_str(json);
}

/// JSON text with `\ufffd` in place of each half of a pair of surrogates.
fn without_halves(raw: &str) -> String {
    let unit = |at: usize| {
        let digits = raw.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut text, mut at) = (String::with_capacity(raw.len()), 0);
    while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
        let taken = match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                text.push_str("\\ufffd");
                at += 6;
                continue;
            }
            (Some(_), _) => 6,
            _ if rest.starts_with('\\') => 2,
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        text.push_str(raw.get(at..at + taken).unwrap_or_default());
        at += taken;
    }
    text
}

/// Refuses a name for the key of the user that express-session needs for itself.
///
/// # Errors
/// [`StoreError::Misuse`] with the name.
pub(crate) fn check_user_key(key: &str) -> Result<(), StoreError> {
    if key == COOKIE || DROPPED.contains(&key) {
        return Err(StoreError::Misuse(format!(
            "user_key({key:?}) cannot be: express-session keeps something of its own under that name; use another"
        )));
    }
    Ok(())
}

/// The number that JavaScript takes `key` for: such keys come first in an object, in order.
fn integer(key: &str) -> Option<u32> {
    let canonical = key == "0" || (key.starts_with(|first: char| matches!(first, '1'..='9')));
    let number = key.parse().ok().filter(|_| canonical && key.bytes().all(|byte| byte.is_ascii_digit()))?;
    (number < u32::MAX).then_some(number)
}

/// Reads a date as JavaScript's `Date` does, in the forms that occur.
fn read_date(json: &str) -> Option<Timestamp> {
    if let Ok(milliseconds) = json.parse::<u64>() {
        return Some(Timestamp(milliseconds));
    }
    let text: String = serde_json::from_str(json).ok()?;
    read_iso(&text).or_else(|| {
        let since = httpdate::parse_http_date(&text).ok()?.duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(Timestamp(crate::time::milliseconds(since)))
    })
}

/// Reads `2026-11-21T01:53:23.143Z`, with or without the fraction, years from 1970 on.
fn read_iso(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.trim_start_matches('+').splitn(3, '-').map(|part| part.parse::<u64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':').map(|part| part.parse::<u64>().ok());
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let is_sound = (1970..=275_760).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour <= 24
        && minute < 60
        && second < 60
        && !fraction.is_empty()
        && fraction.bytes().all(|byte| byte.is_ascii_digit());
    if !is_sound {
        return None;
    }
    let milliseconds: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let seconds = days_until(year, month, day)? * 86_400 + hour * 3600 + minute * 60 + second;
    Some(Timestamp(seconds * 1000 + milliseconds))
}

/// Days from 1970-01-01 until a date, in the Gregorian calendar.
fn days_until(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year / 400, year % 400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    (era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year).checked_sub(719_468)
}

/// As JavaScript's `toISOString` writes it.
fn iso(time: Timestamp) -> String {
    let (seconds, milliseconds) = (time.0 / 1000, time.0 % 1000);
    let (days, second) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_place = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_place + 2) / 5 + 1;
    let month = if month_place < 10 { month_place + 3 } else { month_place - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let year = if year > 9999 { format!("+{year:06}") } else { format!("{year:04}") };
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

const COOKIE: &str = "cookie";

/// Names of express-session's own methods: it drops them from a record that it reads.
const DROPPED: [&str; 8] = ["id", "req", "save", "touch", "reload", "destroy", "regenerate", "resetMaxAge"];

/// The keys of the `cookie` object, in Node's order.
const COOKIE_KEYS: [&str; 9] = [
    "originalMaxAge",
    "partitioned",
    "priority",
    "expires",
    "secure",
    "httpOnly",
    "domain",
    "path",
    "sameSite",
];
const ORIGINAL_MAX_AGE: usize = 0;
const EXPIRES: usize = 3;

/// What Node takes where a record has nothing: `httpOnly` and `path`.
const DEFAULTS: [(usize, &str); 2] = [(5, "true"), (7, "\"/\"")];

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// What `decode` made of `text` is written again with the expiry that is in it.
    fn rewritten(text: &str) -> String {
        let (record, stored) = decode(text, "user").unwrap().unwrap();
        encode(&record, &stored, stored.expires.unwrap_or_default())
    }

    fn vectors(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn every_record_that_node_wrote_is_written_again_as_it_was() {
        let mut seen = 0;
        for (file, records, field) in [
            (include_str!("../tests/outside/express/redis_session_samples.json"), "records", "value"),
            (include_str!("../tests/outside/express/pg_session_samples.json"), "rows", "sess_text"),
        ] {
            for sample in vectors(file)["samples"].as_array().unwrap() {
                for step in sample["steps"].as_array().unwrap() {
                    for record in step[records].as_array().into_iter().flatten() {
                        let Some(text) = record[field].as_str() else { continue };
                        assert_eq!(rewritten(text), text, "{}", sample["name"]);
                        seen += 1;
                    }
                }
            }
        }
        assert!(seen > 40, "{seen}");
    }

    #[test]
    fn foreign_records_are_read_where_node_reads_them_and_missing_elsewhere() {
        let file = include_str!("../tests/outside/express/redis_session_samples.json");
        for case in vectors(file)["foreign_records"].as_array().unwrap() {
            let (name, text) = (case["name"].as_str().unwrap(), case["stored"].as_str().unwrap());
            let views = &case["step"]["session_seen_by_handler"]["views"];
            let hangs = name == "originalMaxAge string";
            match decode(text, "user") {
                Ok(Some((record, _))) => {
                    assert_eq!(record.values.find("views").unwrap().as_ref(), views.to_string(), "{name}");
                }
                Ok(None) => assert!(name == "null record" || name == "empty string", "{name}"),
                Err(why) => assert!(views.is_null() || hangs, "{name}: {why}"),
            }
        }
    }

    #[test]
    fn foreign_records_are_written_as_node_writes_them() {
        let file = include_str!("../tests/outside/express/redis_session_samples.json");
        let mut seen = 0;
        for case in vectors(file)["foreign_records"].as_array().unwrap() {
            let name = case["name"].as_str().unwrap();
            // Node drops names of its own methods when it reads; here they stay.
            let Ok(Some((record, stored))) = decode(case["stored"].as_str().unwrap(), "user") else {
                continue;
            };
            if name == "method name collision" || name == "__proto__ key" {
                continue;
            }
            let text = case["step"]["records"][0]["value"].as_str().unwrap();
            let views = vectors(text)["views"].to_string();
            let (_, written) = decode(text, "user").unwrap().unwrap();
            let mut change = Change::nothing(Timestamp(1), written.expires.unwrap_or_default());
            change.edits.push(("views".into(), Some(views.into())));
            // The age is always a number or null, also where Node leaves it out.
            let text = if text.contains("originalMaxAge") {
                text.to_owned()
            } else {
                text.replace("\"cookie\":{", "\"cookie\":{\"originalMaxAge\":null,\"expires\":null,")
            };
            assert_eq!(apply(&change, record, stored, "user").unwrap().text, text, "{name}");
            seen += 1;
        }
        assert!(seen > 8, "{seen}");
    }

    #[test]
    fn a_new_record_looks_as_node_writes_it() {
        let attributes = Attributes { http_only: true, path: "/".into(), ..Attributes::default() };
        let mut change = Change::nothing(Timestamp(1), Timestamp(1_795_226_003_143));
        change.attributes = Arc::new(attributes.clone());
        change.edits = [("b", "1"), ("10", "2"), ("2", "3"), ("01", "4")]
            .map(|(key, json)| (key.into(), Some(json.into())))
            .to_vec();
        change.user = Some(Some("유저".into()));
        let expected = r#"{"2":3,"10":2,"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"b":1,"01":4,"who":"유저"}"#;
        let written = create(&change, "who").unwrap();
        assert_eq!((&*written.text, written.expires), (expected, None));
        change.attributes = Arc::new(Attributes {
            max_age: Some(60_000),
            secure: true,
            domain: Some("example.com".into()),
            same_site: Some("strict"),
            partitioned: true,
            ..attributes
        });
        change.edits.clear();
        change.user = None;
        let expected = r#"{"cookie":{"originalMaxAge":60000,"partitioned":true,"expires":"2026-11-21T01:53:23.143Z","secure":true,"httpOnly":true,"domain":"example.com","path":"/","sameSite":"strict"}}"#;
        let written = create(&change, "who").unwrap();
        assert_eq!((&*written.text, written.expires), (expected, Some(change.expires)));
    }

    #[test]
    fn changes_of_the_age_and_the_user_are_written() {
        let text = r#"{"a":1,"cookie":{"originalMaxAge":5,"expires":null,"httpOnly":true,"path":"/"},"user":"tobi","b":2}"#;
        let (record, stored) = decode(text, "user").unwrap().unwrap();
        assert_eq!((record.user.as_deref(), record.max_age), (Some("tobi"), MaxAge::Milliseconds(5)));
        let mut change = Change::nothing(Timestamp(1), Timestamp(0));
        change.user = Some(None);
        change.max_age = Some(MaxAge::BrowserSession);
        change.edits.push(("a".into(), None));
        let written = apply(&change, record, stored, "user").unwrap();
        let expected =
            r#"{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"b":2}"#;
        assert_eq!((&*written.text, written.expires), (expected, None));
    }

    #[test]
    fn the_key_of_the_cookie_object_is_refused() {
        let mut change = Change::nothing(Timestamp(1), Timestamp(2));
        change.edits.push(("cookie".into(), Some("1".into())));
        assert!(matches!(create(&change, "user"), Err(StoreError::Misuse(_))));
    }

    #[test]
    fn keys_that_are_no_text_stay_as_they_are() {
        let record = concat!(
            r#"{"\\ud83d":1,"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"#,
            r#""\ud83d":1,"a":"\ud83d","�":2,"x\udc00\ud800y":[3],"😀":4}"#
        );
        assert_eq!(rewritten(record), record);
        let (read, stored) = decode(record, "user").unwrap().unwrap();
        assert_eq!(read.values.len(), 6);
        let mut change = Change::nothing(Timestamp(1), Timestamp(2));
        change.edits.push(("b".into(), Some("2".into())));
        let written = apply(&change, read, stored, "user").unwrap().text;
        assert_eq!(written, format!("{},\"b\":2}}", &record[..record.len() - 1]));
    }

    #[test]
    fn clearing_leaves_who_is_logged_in() {
        let text = r#"{"cookie":{"originalMaxAge":null,"expires":null,"httpOnly":true,"path":"/"},"user":"tobi","a":1}"#;
        let clear = Change { clear: true, ..Change::nothing(Timestamp(1), Timestamp(2)) };
        let written = |change: &Change| {
            let (record, stored) = decode(text, "user").unwrap().unwrap();
            apply(change, record, stored, "user").unwrap().text
        };
        assert_eq!(written(&clear), text.replace(",\"a\":1", ""));
        let empty = text.replace(",\"user\":\"tobi\",\"a\":1", "");
        assert_eq!(written(&Change { user: Some(None), ..clear.clone() }), empty);
        assert_eq!(written(&Change { edits: vec![("user".into(), None)], ..clear }), empty);
    }

    #[test]
    fn dates_are_written_and_read_as_javascript_does() {
        for (time, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_001, "2000-02-29T00:00:00.001Z"),
            (1_795_226_003_143, "2026-11-21T01:53:23.143Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (Timestamp::MAX.0, "+275760-09-13T00:00:00.000Z"),
        ] {
            assert_eq!((iso(Timestamp(time)), read_iso(text)), (text.to_owned(), Some(Timestamp(time))));
        }
        assert_eq!(read_date("\"Thu, 01 Jan 1970 00:00:05 GMT\""), Some(Timestamp(5000)));
        assert_eq!(read_date("4070908800000"), Some(Timestamp(4_070_908_800_000)));
        assert_eq!(read_date("\"1970-01-01T00:00:01Z\""), Some(Timestamp(1000)));
        for text in ["\"garbage\"", "null", "false", "\"1969-12-31T00:00:00Z\"", "\"1970-00-01T00:00:00Z\""] {
            assert_eq!(read_date(text), None, "{text}");
        }
    }
}
