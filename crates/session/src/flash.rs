//! Flash messages: words that the next page shows once.
//!
//! In: kind and text, before a redirect. Out: both, to the page that asks first. Kept under the key `flash`
//! in the form of Express's connect-flash: texts by kind.

use std::collections::BTreeMap;

use crate::error::Error;
use crate::session::Session;

/// A message for the next page.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flash {
    /// What kind of message: `info`, `error`, as you like.
    pub kind: String,
    /// What it says.
    pub text: String,
}

impl Session {
    /// Leaves a message for the next page that asks: "saved", after a redirect. Of each kind the newest 16 are
    /// kept.
    ///
    /// # Errors
    /// As [`insert`](Session::insert).
    pub fn flash(&self, kind: impl Into<String>, text: impl Into<String>) -> Result<(), Error> {
        let mut all = self.get::<Texts>(KEY)?.unwrap_or_default();
        let texts = all.entry(kind.into()).or_default();
        texts.push(text.into());
        // Whoever never looks must not make the session grow.
        texts.drain(..texts.len().saturating_sub(MOST));
        self.insert(KEY, &all)
    }

    /// Takes all messages; they are shown once. By kind, in the order in which they were left.
    ///
    /// # Errors
    /// As [`remove`](Session::remove).
    pub fn take_flash(&self) -> Result<Vec<Flash>, Error> {
        let all = if self.keys().iter().any(|key| key == KEY) { self.remove::<Texts>(KEY)? } else { None };
        let flat = all
            .unwrap_or_default()
            .into_iter()
            .flat_map(|(kind, texts)| texts.into_iter().map(move |text| Flash { kind: kind.clone(), text }));
        Ok(flat.collect())
    }
}

type Texts = BTreeMap<String, Vec<String>>;

const KEY: &str = "flash";

/// Messages of one kind.
const MOST: usize = 16;
