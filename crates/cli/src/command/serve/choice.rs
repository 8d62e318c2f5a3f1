//! What can be chosen for a site, each in the form in which it is written: on the command line and in the file alike.
//!
//! In: texts of an operator. Out: checked values, or what is wrong with the text. Must not know where a text stood.

use std::path::PathBuf;
use std::str::FromStr;

use axum::http::{HeaderName, HeaderValue, Uri, header};
use narae::{CacheRule, Credential, Dotfiles};
use serde::Deserialize;

/// Everything that can be chosen. `None`: nothing is said.
#[derive(Debug, Default)]
pub(super) struct Choices {
    pub(super) folder: Option<PathBuf>,
    pub(super) index: Option<Vec<String>>,
    pub(super) dotfiles: Option<Hidden>,
    pub(super) spa: Option<String>,
    pub(super) listing: Option<bool>,
    pub(super) not_found: Option<String>,
    pub(super) extensions: Option<Vec<String>>,
    pub(super) cache: Option<Vec<CacheChoice>>,
    pub(super) immutable: Option<bool>,
    pub(super) compress: Option<Compression>,
    pub(super) memory: Option<narae::Size>,
    pub(super) headers: Option<Vec<Field>>,
    pub(super) cors: Option<Vec<Origin>>,
    pub(super) auth: Option<Vec<Credential>>,
}

impl Choices {
    /// These over `lower` ones.
    pub(super) fn over(self, lower: Self) -> Self {
        Self {
            folder: self.folder.or(lower.folder),
            index: self.index.or(lower.index),
            dotfiles: self.dotfiles.or(lower.dotfiles),
            spa: self.spa.or(lower.spa),
            listing: self.listing.or(lower.listing),
            not_found: self.not_found.or(lower.not_found),
            extensions: self.extensions.or(lower.extensions),
            cache: self.cache.or(lower.cache),
            immutable: self.immutable.or(lower.immutable),
            compress: self.compress.or(lower.compress),
            memory: self.memory.or(lower.memory),
            headers: self.headers.or(lower.headers),
            cors: self.cors.or(lower.cors),
            auth: self.auth.or(lower.auth),
        }
    }
}

/// Which files are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Compression {
    /// Those that have a compressed file beside them, and all others that become smaller
    On,
    /// None
    Off,
    /// Those that have a compressed file beside them: app.js.br, app.js.zst, app.js.gz
    Siblings,
}

/// What becomes of names that begin with a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Hidden {
    Ignore,
    Deny,
    Allow,
}

impl From<Hidden> for Dotfiles {
    fn from(hidden: Hidden) -> Self {
        match hidden {
            Hidden::Ignore => Self::Ignore,
            Hidden::Deny => Self::Deny,
            Hidden::Allow => Self::Allow,
        }
    }
}

/// `Cache-Control` for some files, or for all others.
#[derive(Clone, Debug)]
pub(super) enum CacheChoice {
    Matching(CacheRule),
    Rest(HeaderValue),
}

impl FromStr for CacheChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((pattern, value)) = text.split_once(": ") {
            return CacheRule::new(pattern.trim(), value)
                .map(Self::Matching)
                .map_err(|error| error.to_string());
        }
        // The rule of a pattern that matches everything checks the value.
        CacheRule::new("*", text).map_err(|error| error.to_string())?;
        if text.contains(['*', '/']) {
            return Err(format!("{text:?} looks like a pattern without a value: write \"{text}: no-cache\""));
        }
        HeaderValue::from_str(text.trim()).map(Self::Rest).map_err(|error| error.to_string())
    }
}

/// A header field for every answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: HeaderName,
    pub(super) value: HeaderValue,
}

impl FromStr for Field {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').ok_or_else(|| {
            format!("{text:?} is no field: write \"Name: value\", as in \"X-Frame-Options: DENY\"")
        })?;
        let name = HeaderName::from_str(name.trim()).map_err(|_| {
            format!("{name:?} is no field name: letters, digits and dashes are (RFC 9110 §5.1)")
        })?;
        if FRAMING.contains(&name) {
            return Err(format!(
                "{name} is the server's: it says what this very answer is or how it is sent"
            ));
        }
        if name == header::CACHE_CONTROL {
            return Err("cache-control depends on the file: use --cache, or cache in narae.toml".to_owned());
        }
        let value = HeaderValue::from_str(value.trim()).map_err(|_| {
            format!("{value:?} is no field value: it holds a control character (RFC 9110 §5.5)")
        })?;
        Ok(Self { name, value })
    }
}

/// Fields that belong to a single answer or connection.
const FRAMING: [HeaderName; 12] = [
    header::ACCEPT_RANGES,
    header::CONNECTION,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::DATE,
    header::ETAG,
    header::LAST_MODIFIED,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Whose pages may read the files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Any,
    One(HeaderValue),
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let wrong = || {
            format!(
                "{text:?} is no origin: write scheme and host as browsers do, \"https://app.example\", or \"*\""
            )
        };
        // A browser sends no path, not even a slash (RFC 6454 §6.1).
        let uri: Uri = text.parse().map_err(|_| wrong())?;
        let is_origin = matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.authority().is_some_and(|authority| !authority.as_str().contains('@'))
            && text.split("//").nth(1).is_some_and(|rest| !rest.contains(['/', '?', '#']))
            && !text.contains(|character: char| character.is_ascii_uppercase());
        match HeaderValue::from_str(text) {
            Ok(value) if is_origin => Ok(Self::One(value)),
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cache_choice_is_a_value_or_a_pattern_and_a_value() {
        assert!(
            matches!("max-age=60, public".parse(), Ok(CacheChoice::Rest(value)) if value == "max-age=60, public")
        );
        assert!(matches!("*.html: no-cache".parse(), Ok(CacheChoice::Matching(_))));
        assert!(matches!("assets/**: max-age=60".parse(), Ok(CacheChoice::Matching(_))));
        for (text, part) in [
            ("*.html", "*.html: no-cache"),
            ("a[: no-cache", "a["),
            ("", "Cache-Control"),
            ("*: ", "Cache-Control"),
        ] {
            let error = text.parse::<CacheChoice>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn a_field_is_a_name_and_a_value() {
        let field: Field = "X-Frame-Options: DENY".parse().unwrap();
        assert_eq!((field.name.as_str(), field.value.to_str().unwrap()), ("x-frame-options", "DENY"));
        assert_eq!("X-Empty:".parse::<Field>().unwrap().value, "");
        assert_eq!("X-Url: http://a".parse::<Field>().unwrap().value, "http://a");
        for (text, part) in [
            ("X-Frame-Options", "Name: value"),
            ("a b: c", "field name"),
            (": c", "field name"),
            ("A: b\nc", "control character"),
            ("Content-Length: 5", "the server's"),
            ("transfer-encoding: chunked", "the server's"),
            ("ETag: \"a\"", "the server's"),
            ("Cache-Control: private", "--cache"),
        ] {
            let error = text.parse::<Field>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        assert_eq!("*".parse(), Ok(Origin::Any));
        for text in ["https://app.example", "http://localhost:3000", "http://[::1]:80"] {
            assert_eq!(text.parse(), Ok(Origin::One(HeaderValue::from_static(text))), "{text}");
        }
        for text in [
            "app.example",
            "https://app.example/",
            "https://a/b",
            "ftp://a",
            "https://",
            "https://u@a",
            "https://A",
            "",
            "null",
            "https://a?b",
        ] {
            assert!(
                text.parse::<Origin>().is_err_and(|error| error.contains("https://app.example")),
                "{text}"
            );
        }
    }
}
