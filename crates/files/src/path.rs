//! Turns a request path into a path beneath the root, or refuses it (RFC 3986 §2.1, §3.3).
//!
//! In: the raw path of the target, as the peer sent it. Out: names joined by single slashes, none of them empty,
//! `.` or `..`, none with a slash, backslash or NUL inside.
//! Owns percent-decoding and the dotfile policy; must not know the file system: whether a clean path leaves the
//! root through a link is for `folder`.

use crate::refusal::Refusal;

/// What to do with names that begin with a dot, such as `.env` or `.git`, in any place of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Dotfiles {
    /// Answers `404`, as if they did not exist. The default.
    #[default]
    Ignore,
    /// Answers `403`, whether they exist or not.
    Deny,
    /// Treats them as any other name. `.` and `..` stay refused.
    Allow,
}

/// A decoded path beneath the root.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FilePath {
    bytes: Vec<u8>,
    // 0 <= last <= bytes.len(): where the last name begins.
    last: usize,
    folder: bool,
}

impl FilePath {
    pub(crate) fn parse(raw: &[u8], dotfiles: Dotfiles) -> Result<Self, Refusal> {
        if raw.len() > MAX_PATH_BYTES {
            return Err(Refusal::PathTooLong);
        }
        let rest = raw.strip_prefix(b"/").ok_or(Refusal::NotFound)?;
        let mut path = Self { bytes: Vec::with_capacity(rest.len()), last: 0, folder: true };
        for segment in rest.split(|byte| *byte == b'/') {
            path.folder = segment.is_empty();
            if path.folder {
                continue;
            }
            if !path.bytes.is_empty() {
                path.bytes.push(b'/');
            }
            path.last = path.bytes.len();
            decode_onto(segment, &mut path.bytes)?;
            check_name(path.last_name(), dotfiles)?;
        }
        Ok(path)
    }

    /// The names, joined by `/`, without a slash at either end. Empty for the root itself.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The last name; empty for the root itself.
    pub(crate) fn last_name(&self) -> &[u8] {
        self.bytes.get(self.last..).unwrap_or_default()
    }

    /// Whether the peer asked for a folder: the path is `/` or ends with a slash.
    pub(crate) fn is_folder(&self) -> bool {
        self.folder
    }

    /// Whether the last name has an extension: a dot that is not its first byte.
    pub(crate) fn has_extension(&self) -> bool {
        self.last_name().iter().rposition(|byte| *byte == b'.').is_some_and(|dot| dot > 0)
    }

    /// The path of the file `index` in this folder.
    pub(crate) fn with_index(&self, index: &str) -> Vec<u8> {
        let slash: &[u8] = if self.bytes.is_empty() { b"" } else { b"/" };
        [&self.bytes, slash, index.as_bytes()].concat()
    }

    /// The path of the file with `extension` added to its name.
    pub(crate) fn with_extension(&self, extension: &str) -> Vec<u8> {
        [&self.bytes, &b"."[..], extension.as_bytes()].concat()
    }
}

/// The path beneath the root that a request path leads to, and whether a folder was asked for. `None`: refused.
/// For the fuzz targets (`fuzz/`); not part of the public interface.
pub fn beneath(raw: &[u8], dotfiles: Dotfiles) -> Option<(Vec<u8>, bool)> {
    let path = FilePath::parse(raw, dotfiles).ok()?;
    Some((path.bytes, path.folder))
}

/// A path beneath the root that the application named, without slashes at its ends. `None` if it can be none.
pub(crate) fn beneath_root(path: &str) -> Option<&str> {
    let path = path.trim_matches('/');
    path.split('/').all(is_file_name).then_some(path)
}

/// Whether `name` can be the name of one file: not empty, not `.` or `..`, without a slash or NUL.
pub(crate) fn is_file_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

/// Decodes one segment exactly once: what looks like an escape afterwards is part of the name.
fn decode_onto(segment: &[u8], out: &mut Vec<u8>) -> Result<(), Refusal> {
    let mut bytes = segment.iter().copied();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' {
            let high = bytes.next().and_then(hex_digit).ok_or(Refusal::BadPath)?;
            let low = bytes.next().and_then(hex_digit).ok_or(Refusal::BadPath)?;
            high << 4 | low
        } else {
            byte
        };
        match byte {
            0 => return Err(Refusal::BadPath),
            // An escaped slash is data, not a separator (RFC 3986 §2.2), and no name can hold one. A backslash
            // separates on other systems; refusing it keeps every proxy in front of this of one mind.
            b'/' | b'\\' => return Err(Refusal::NotFound),
            _ => out.push(byte),
        }
    }
    Ok(())
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

fn check_name(name: &[u8], dotfiles: Dotfiles) -> Result<(), Refusal> {
    if name.len() > MAX_NAME_BYTES || matches!(name, b"." | b"..") {
        return Err(Refusal::NotFound);
    }
    if has_overlong_utf8(name) {
        return Err(Refusal::BadPath);
    }
    match (name.first(), dotfiles) {
        (Some(b'.'), Dotfiles::Ignore) => Err(Refusal::NotFound),
        (Some(b'.'), Dotfiles::Deny) => Err(Refusal::Forbidden),
        _ => Ok(()),
    }
}

/// Whether `name` spells a character with more bytes than it needs (RFC 3629 §3).
///
/// Other bytes that are not UTF-8 pass: on Linux they are honest file names.
fn has_overlong_utf8(name: &[u8]) -> bool {
    name.windows(2)
        .any(|pair| matches!(pair, [0xC0 | 0xC1, 0x80..=0xBF] | [0xE0, 0x80..=0x9F] | [0xF0, 0x80..=0x8F]))
}

// Linux: PATH_MAX is 4096 with the closing NUL; the leading slash makes room for it.
const MAX_PATH_BYTES: usize = 4096;
// Linux: NAME_MAX.
const MAX_NAME_BYTES: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    fn check(raw: &str, expected: Result<(&[u8], bool), Refusal>) {
        let parsed = FilePath::parse(raw.as_bytes(), Dotfiles::Ignore);
        let parsed = parsed.as_ref().map(|path| (path.as_bytes(), path.is_folder()));
        assert_eq!(parsed, expected.as_ref().map(|pair| *pair), "{raw}");
    }

    #[test]
    fn names_are_joined_and_a_trailing_slash_means_folder() {
        check("/", Ok((b"", true)));
        check("/a.txt", Ok((b"a.txt", false)));
        check("/a/b/", Ok((b"a/b", true)));
        check("//a//b", Ok((b"a/b", false)));
        check("/a//", Ok((b"a", true)));
    }

    #[test]
    fn escapes_are_decoded_exactly_once() {
        check("/a%20b", Ok((b"a b", false)));
        check("/a%2525", Ok((b"a%25", false)));
        check("/%252e%252e", Ok((b"%2e%2e", false)));
        check("/%ed%95%9c", Ok(("한".as_bytes(), false)));
        check("/%E9t%E9", Ok((b"\xE9t\xE9", false)));
        check("/a+b", Ok((b"a+b", false)));
    }

    #[test]
    fn broken_escapes_nul_and_overlong_utf8_are_bad_requests() {
        for raw in ["/%", "/%2", "/%zz", "/a%2", "/%+1", "/%00", "/a%00.png", "/%c0%ae", "/%C1%9C"] {
            check(raw, Err(Refusal::BadPath));
        }
        for raw in ["/%e0%80%af", "/%e0%9f%bf", "/%f0%80%80%af", "/%f0%8f%bf%bf"] {
            check(raw, Err(Refusal::BadPath));
        }
    }

    #[test]
    fn separators_in_disguise_and_dot_names_are_not_found() {
        for raw in ["", "*", "a", "/..", "/.", "/a/..", "/a/./b", "/%2e%2e", "/.%2E/x", "/%2e"] {
            check(raw, Err(Refusal::NotFound));
        }
        for raw in ["/a%2fb", "/%2F", "/..%2fx", "/a\\b", "/%5c", "/..%5Cx", "/...", "/.git/config"] {
            check(raw, Err(Refusal::NotFound));
        }
    }

    #[test]
    fn dot_dot_stays_refused_where_dotfiles_are_allowed() {
        for raw in ["/..", "/.", "/a/%2e%2e/b"] {
            assert_eq!(FilePath::parse(raw.as_bytes(), Dotfiles::Allow), Err(Refusal::NotFound), "{raw}");
            assert_eq!(FilePath::parse(raw.as_bytes(), Dotfiles::Deny), Err(Refusal::NotFound), "{raw}");
        }
        assert!(FilePath::parse(b"/.well-known/x", Dotfiles::Allow).is_ok());
        assert_eq!(FilePath::parse(b"/a/%2egit", Dotfiles::Deny), Err(Refusal::Forbidden));
    }

    #[test]
    fn lengths_are_limited_after_decoding_a_name_and_before_decoding_a_path() {
        check(&format!("/{}", "a".repeat(256)), Err(Refusal::NotFound));
        let widest = format!("/{}", "%61".repeat(255));
        assert!(FilePath::parse(widest.as_bytes(), Dotfiles::Ignore).is_ok());
        let longest = "/a".repeat(MAX_PATH_BYTES / 2);
        assert!(FilePath::parse(longest.as_bytes(), Dotfiles::Ignore).is_ok());
        check(&format!("{longest}/"), Err(Refusal::PathTooLong));
    }

    #[test]
    fn the_last_name_is_known_and_an_index_replaces_it() {
        let path = FilePath::parse(b"/a/b%20c", Dotfiles::Ignore).unwrap();
        assert_eq!(path.last_name(), b"b c");
        let with_index =
            |raw: &[u8]| FilePath::parse(raw, Dotfiles::Ignore).unwrap().with_index("index.html");
        assert_eq!(with_index(b"/a/"), b"a/index.html");
        assert_eq!(with_index(b"/"), b"index.html");
    }

    #[test]
    fn an_extension_begins_at_a_dot_that_is_not_the_first_byte() {
        let check = |raw: &str, expected: bool| {
            let path = FilePath::parse(raw.as_bytes(), Dotfiles::Allow).unwrap();
            assert_eq!(path.has_extension(), expected, "{raw}");
        };
        check("/a.b/about", false);
        check("/about", false);
        check("/.hidden", false);
        check("/a.", true);
        check("/a.html", true);
        check("/", false);
        assert_eq!(FilePath::parse(b"/a/b", Dotfiles::Ignore).unwrap().with_extension("html"), b"a/b.html");
    }

    #[test]
    fn a_page_of_the_application_lies_beneath_the_root() {
        assert_eq!(beneath_root("/errors/404.html"), Some("errors/404.html"));
        assert_eq!(beneath_root("404.html"), Some("404.html"));
        for path in ["", "/", "../x", "a//b", "a/./b", "a\0"] {
            assert_eq!(beneath_root(path), None, "{path:?}");
        }
    }

    #[test]
    fn no_sequence_of_bytes_panics_or_yields_an_unclean_name() {
        let alphabet = [b'/', b'.', b'%', b'2', b'f', b'e', b'5', b'c', b'0', b'\\', 0xC0, 0xAF];
        let mut digits = [0_usize; 5];
        for number in 0..alphabet.len().pow(5) {
            let mut rest = number;
            for digit in &mut digits {
                *digit = rest % alphabet.len();
                rest /= alphabet.len();
            }
            let mut raw = vec![b'/'];
            raw.extend(digits.map(|digit| alphabet[digit]));
            for dotfiles in [Dotfiles::Ignore, Dotfiles::Allow] {
                let Ok(path) = FilePath::parse(&raw, dotfiles) else { continue };
                let clean = |name: &[u8]| {
                    !matches!(name, b"" | b"." | b"..") && !name.contains(&0) && !name.contains(&b'\\')
                };
                let mut names = path.as_bytes().split(|byte| *byte == b'/');
                assert!(path.as_bytes().is_empty() || names.all(clean), "{raw:?}");
            }
        }
    }
}
