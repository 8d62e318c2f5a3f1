//! Chooses the `Cache-Control` of a file from its path (RFC 9111 §5.2).
//!
//! In: rules of the application, and a clean path. Out: a header value, or none. Owns the patterns and what counts
//! as a name with a hash of its content; must not know the file system.

use glob::{MatchOptions, Pattern};
use http::HeaderValue;

use crate::error::{Error, OptionFault};

/// A `Cache-Control` for the files whose path matches a pattern.
///
/// In a pattern `*` stands for anything but a slash, `**` for any number of folders, `?` for one character and
/// `[a-z]` for one of several. A pattern without a slash is matched with the name alone, one with a slash with the
/// whole path beneath the root; a slash at its beginning is allowed and changes nothing else.
///
/// ```
/// use narae_files::{CacheRule, Files};
///
/// # fn main() -> Result<(), narae_files::Error> {
/// let files = Files::new("public")
///     .cache_rule(CacheRule::new("*.html", "no-cache")?)
///     .cache_rule(CacheRule::new("assets/**", "max-age=31536000, immutable")?);
/// # drop(files);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CacheRule {
    pattern: Pattern,
    whole_path: bool,
    value: HeaderValue,
}

impl CacheRule {
    /// `value` for the files that match `pattern`.
    ///
    /// # Errors
    ///
    /// [`Error::Option`] when the pattern is malformed or the value cannot be a header's.
    pub fn new(pattern: &str, value: &str) -> Result<Self, Error> {
        let whole_path = pattern.contains('/');
        let parsed = Pattern::new(pattern.strip_prefix('/').unwrap_or(pattern)).map_err(|error| {
            OptionFault::Pattern { pattern: pattern.to_owned(), reason: error.msg.to_owned() }
        })?;
        let value = HeaderValue::try_from(value.trim())
            .ok()
            .filter(|value| !value.is_empty())
            .ok_or_else(|| OptionFault::CacheControl(value.to_owned()))?;
        Ok(Self { pattern: parsed, whole_path, value })
    }

    fn matches(&self, path: &str) -> bool {
        let subject = if self.whole_path { path } else { name_of(path) };
        self.pattern.matches_with(subject, MATCHING)
    }
}

/// What is said about caching, and to which files.
#[derive(Debug, Clone)]
pub(crate) struct CachePolicy {
    pub(crate) rules: Vec<CacheRule>,
    pub(crate) immutable_names: bool,
    pub(crate) otherwise: Option<HeaderValue>,
}

impl CachePolicy {
    /// The first rule that matches, then the name, then what holds otherwise.
    pub(crate) fn value_for(&self, path: &[u8]) -> Option<HeaderValue> {
        let path = String::from_utf8_lossy(path);
        if let Some(rule) = self.rules.iter().find(|rule| rule.matches(&path)) {
            return Some(rule.value.clone());
        }
        if self.immutable_names && has_content_hash(name_of(&path)) {
            return Some(IMMUTABLE);
        }
        self.otherwise.clone()
    }
}

impl Default for CachePolicy {
    fn default() -> Self {
        Self { rules: Vec::new(), immutable_names: false, otherwise: Some(NO_CACHE) }
    }
}

fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a build tool has put a hash of the content into the name: `app.3f2a9c1b.js`, `index-BfX2k9dQ.css`.
///
/// Every part of the name after a dot or dash counts, but the first and the extension: eight hexadecimal digits or more with a letter
/// and a digit among them, or eight to thirty-two letters, digits, `_` with a capital, a small letter and a digit.
/// Dates and words do not have that form.
fn has_content_hash(name: &str) -> bool {
    let Some((stem, _extension)) = name.rsplit_once('.') else { return false };
    // `app.3f2a9c1b.js.map`, `app.3f2a9c1b.chunk.js`: the hash stands earlier.
    stem.split(['.', '-']).skip(1).any(is_hash)
}

fn is_hash(part: &str) -> bool {
    let any = |of: fn(&u8) -> bool| part.bytes().any(|byte| of(&byte));
    let all = |of: fn(&u8) -> bool| part.bytes().all(|byte| of(&byte));
    let is_hex = all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if part.len() < 8 || part.len() > 64 || !any(u8::is_ascii_digit) {
        return false;
    }
    if is_hex {
        return any(u8::is_ascii_lowercase);
    }
    let is_base64 = all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_');
    part.len() <= 32 && is_base64 && any(u8::is_ascii_uppercase) && any(u8::is_ascii_lowercase)
}

const MATCHING: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
const IMMUTABLE: HeaderValue = HeaderValue::from_static("max-age=31536000, immutable");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_without_a_slash_is_for_names_and_one_with_a_slash_for_paths() {
        let check = |pattern: &str, path: &str, expected: bool| {
            let rule = CacheRule::new(pattern, "no-cache").unwrap();
            assert_eq!(rule.matches(path), expected, "{pattern} with {path}");
        };
        check("*.html", "index.html", true);
        check("*.html", "a/b/index.html", true);
        check("*.html", "index.htm", false);
        check("assets/*", "assets/a.js", true);
        check("/assets/*", "assets/a.js", true);
        check("assets/*", "assets/sub/a.js", false);
        check("assets/**", "assets/sub/a.js", true);
        check("assets/**/*.js", "assets/a.js", true);
        check("assets/**/*.js", "assets/x/y/a.js", true);
        check("assets/**/*.js", "other/a.js", false);
        check("/index.html", "index.html", true);
        check("/index.html", "docs/index.html", false);
        check("?.txt", "한.txt", true);
        check("[ab].txt", "b.txt", true);
        check("*", ".hidden", true);
    }

    #[test]
    fn what_cannot_be_a_rule_is_an_error_that_names_it() {
        let check = |pattern: &str, value: &str, part: &str| {
            let error = CacheRule::new(pattern, value).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        };
        check("a[", "no-cache", "a[");
        check("a**b", "no-cache", "a**b");
        check("*", "no\ncache", "no\\ncache");
        check("*", " ", "\" \"");
    }

    #[test]
    fn the_first_rule_wins_then_the_name_then_the_rest() {
        let policy = CachePolicy {
            rules: vec![
                CacheRule::new("*.js", "max-age=1").unwrap(),
                CacheRule::new("app.*", "max-age=2").unwrap(),
            ],
            immutable_names: true,
            ..CachePolicy::default()
        };
        let check =
            |path: &str, expected: &str| assert_eq!(policy.value_for(path.as_bytes()).unwrap(), expected);
        check("app.js", "max-age=1");
        check("app.css", "max-age=2");
        check("x/main.0a1b2c3d.css", "max-age=31536000, immutable");
        check("main.css", "no-cache");
    }

    #[test]
    fn hashes_are_told_from_dates_and_words() {
        for name in [
            "app.3f2a9c1b.js",
            "app.3f2a9c1b.js.map",
            "main.8e0d62a10c6f8d4e.chunk.js",
            "index-BfX2k9dQ.js",
            "vendor-a1B2_c3D.css",
            "logo.d41d8cd98f00b204e9800998ecf8427e.svg",
        ] {
            assert!(has_content_hash(name), "{name}");
        }
        for name in [
            "app.js",
            "report-20240131.pdf",
            "jquery-3.7.1.min.js",
            "deadbeef.js",
            "a-deadbeef.js",
            "3f2a9c1b",
            "3f2a9c1b.js",
            "my-LongName.js",
            "photo-IMG_1234.jpg",
            "release-candidate1.js",
            "x.3f2a9c.js",
            ".3f2a9c1bjs",
        ] {
            assert!(!has_content_hash(name), "{name}");
        }
    }
}
