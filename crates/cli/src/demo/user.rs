//! What a user is, and which users may exist.
//!
//! In: the fields of a JSON object, from `users`. Out: a checked [`Draft`], or
//! one message per wrong field. Owns every rule about a user's content; never
//! sees HTTP, SQL or clocks.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

/// A stored user, as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct User {
    /// Never reused, not even after a delete.
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) email: Option<String>,
    pub(crate) role: Role,
    pub(crate) note: String,
    pub(crate) starred: bool,
    /// Starts at 1 and grows with each change; it is the user's entity tag.
    pub(crate) version: i64,
    /// RFC 3339, UTC.
    pub(crate) created_at: String,
    /// RFC 3339, UTC.
    pub(crate) updated_at: String,
}

/// The part of a user that a client may write, already checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft {
    pub(crate) name: String,
    pub(crate) email: Option<String>,
    pub(crate) role: Role,
    pub(crate) note: String,
    pub(crate) starred: bool,
}

/// What a user does aboard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    Pilot,
    Navigator,
    Engineer,
    #[default]
    Passenger,
}

/// One message per wrong field; what is not named here was right.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct FieldErrors(BTreeMap<String, String>);

/// Longest name, in characters.
const MAX_NAME: usize = 80;
/// Longest note, in characters.
const MAX_NOTE: usize = 280;
/// Longest address that mail can carry, in bytes (RFC 5321 §4.5.3.1.3, less
/// the angle brackets).
const MAX_EMAIL: usize = 254;

const WRITABLE: [&str; 5] = ["name", "email", "role", "note", "starred"];
/// Accepted and ignored, so that what `GET` returned can be sent back by `PUT`.
const READ_ONLY: [&str; 4] = ["id", "version", "created_at", "updated_at"];

impl Draft {
    /// Checks a complete user: what `POST` and `PUT` send.
    ///
    /// `name` is required; each other field has a default.
    pub(crate) fn from_fields(fields: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut errors = FieldErrors::default();
        errors.reject_unknown(fields);
        let name = errors.keep("name", name(fields.get("name")));
        let email = errors.keep("email", email(fields.get("email")));
        let role = errors.keep("role", role(fields.get("role")));
        let note = errors.keep("note", note(fields.get("note")));
        let starred = errors.keep("starred", starred(fields.get("starred")));
        match (name, email, role, note, starred) {
            (Some(name), Some(email), Some(role), Some(note), Some(starred)) if errors.0.is_empty() => {
                Ok(Self { name, email, role, note, starred })
            }
            _ => Err(errors),
        }
    }

    /// Applies a JSON merge patch (RFC 7396) to `user`: what `PATCH` sends.
    ///
    /// A field that is absent stays, `null` takes it back to its default, and
    /// the result obeys the same rules as a complete user.
    pub(crate) fn patched(user: &User, patch: &Map<String, Value>) -> Result<Self, FieldErrors> {
        let mut fields = Self::from(user).into_fields();
        for (field, value) in patch {
            match value {
                Value::Null => fields.remove(field),
                value => fields.insert(field.clone(), value.clone()),
            };
        }
        Self::from_fields(&fields)
    }

    /// What the search looks at: every text of the user, in lower case.
    pub(crate) fn searchable(&self) -> String {
        let email = self.email.as_deref().unwrap_or_default();
        [&self.name, email, self.role.as_str(), &self.note].join("\n").to_lowercase()
    }

    fn into_fields(self) -> Map<String, Value> {
        let values = [
            self.name.into(),
            self.email.into(),
            self.role.as_str().into(),
            self.note.into(),
            self.starred.into(),
        ];
        WRITABLE.into_iter().map(String::from).zip(values).collect()
    }
}

impl From<&User> for Draft {
    fn from(user: &User) -> Self {
        Self {
            name: user.name.clone(),
            email: user.email.clone(),
            role: user.role,
            note: user.note.clone(),
            starred: user.starred,
        }
    }
}

impl Role {
    const ALL: [Self; 4] = [Self::Pilot, Self::Navigator, Self::Engineer, Self::Passenger];

    /// The name that the API and the database use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Pilot => "pilot",
            Self::Navigator => "navigator",
            Self::Engineer => "engineer",
            Self::Passenger => "passenger",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

impl FieldErrors {
    /// Notes the error of `field`, if it has one.
    fn keep<T>(&mut self, field: &str, checked: Result<T, String>) -> Option<T> {
        checked.map_err(|message| self.0.insert(field.to_owned(), message)).ok()
    }

    /// A misspelled field would otherwise be lost in silence.
    fn reject_unknown(&mut self, fields: &Map<String, Value>) {
        for field in fields.keys().map(String::as_str) {
            if !WRITABLE.contains(&field) && !READ_ONLY.contains(&field) {
                self.0.insert(field.to_owned(), "is not a field of a user".to_owned());
            }
        }
    }
}

fn name(value: Option<&Value>) -> Result<String, String> {
    let name = text(value)?.unwrap_or_default();
    match name.chars().count() {
        0 => Err("is required".to_owned()),
        length if length > MAX_NAME => Err(format!("has {length} characters; {MAX_NAME} is the most")),
        _ if name.contains(char::is_control) => Err("must be a single line of text".to_owned()),
        _ => Ok(name),
    }
}

/// Asks only for the shape `someone@somewhere`: whether an address works is
/// known once a mail to it was answered, and no sooner.
fn email(value: Option<&Value>) -> Result<Option<String>, String> {
    let Some(email) = text(value)?.filter(|email| !email.is_empty()) else {
        return Ok(None);
    };
    let parts: Vec<&str> = email.split('@').collect();
    let shaped = matches!(parts[..], [local, domain] if !local.is_empty() && !domain.is_empty());
    if !shaped || email.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("must look like someone@example.com".to_owned());
    }
    if email.len() > MAX_EMAIL {
        return Err(format!("has {} bytes; {MAX_EMAIL} is the most", email.len()));
    }
    Ok(Some(email))
}

fn role(value: Option<&Value>) -> Result<Role, String> {
    let Some(name) = text(value)? else {
        return Ok(Role::default());
    };
    Role::from_name(&name).ok_or_else(|| format!("must be one of {}", Role::ALL.map(Role::as_str).join(", ")))
}

fn note(value: Option<&Value>) -> Result<String, String> {
    let note = text(value)?.unwrap_or_default().replace("\r\n", "\n");
    match note.chars().count() {
        length if length > MAX_NOTE => Err(format!("has {length} characters; {MAX_NOTE} is the most")),
        _ if note.contains(|c: char| c.is_control() && c != '\n') => {
            Err("must not hold control characters".to_owned())
        }
        _ => Ok(note),
    }
}

fn starred(value: Option<&Value>) -> Result<bool, String> {
    match value {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(starred)) => Ok(*starred),
        Some(_) => Err("must be true or false".to_owned()),
    }
}

/// A trimmed text; absent and `null` mean the same.
fn text(value: Option<&Value>) -> Result<Option<String>, String> {
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
        Some(_) => Err("must be a text".to_owned()),
    }
}
