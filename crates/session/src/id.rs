//! [`Id`]: the secret that a browser keeps, and [`Handle`]: what may be shown in its place.
//!
//! In: random bytes, or the text of a cookie. Out: text for cookies, digests for stores. Never logged: the
//! debug form shows the handle.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::{digest, rand};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A session's id: 24 random bytes as 32 characters of URL-safe base64, as express-session makes them.
///
/// Whoever knows it is the user, so it is a secret: stores that narae defines keep its [digest](Id::handle).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Id(Arc<str>);

impl Id {
    /// Makes a new one from the system's random numbers.
    ///
    /// # Panics
    /// If the system has no random numbers, without which no session is safe.
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; RANDOM_BYTES];
        rand::fill(&mut bytes).expect("the system gives random numbers");
        Self::from_bytes(&bytes)
    }

    /// Writes `bytes` as express-session does.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; RANDOM_BYTES]) -> Self {
        let mut text = [0; 32];
        let length = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text).unwrap_or(0);
        Self(String::from_utf8_lossy(&text[..length]).into())
    }

    /// Takes the text of a cookie. `None` if it is empty, longer than 4096 bytes or holds a control
    /// character: no store is asked for such.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let sound = !text.is_empty() && text.len() <= MAX_BYTES && !text.chars().any(char::is_control);
        sound.then(|| Self(text.into()))
    }

    /// The id as text, for the cookie.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 16 bytes of the id's SHA-256: names the session in stores and lists, but opens none.
    #[must_use]
    pub fn handle(&self) -> Handle {
        let digest = digest::digest(&digest::SHA256, self.0.as_bytes());
        let mut bytes = [0; Handle::BYTES];
        bytes.copy_from_slice(&digest.as_ref()[..Handle::BYTES]);
        Handle(bytes)
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Id(of {})", self.handle())
    }
}

/// Names a session without giving it away: the digest of its [`Id`]. Written in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle([u8; Handle::BYTES]);

impl Handle {
    /// How many bytes a handle has.
    pub const BYTES: usize = 16;

    /// The bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// Takes bytes that [`as_bytes`](Handle::as_bytes) gave.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Reads 32 hexadecimal digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 2 * Self::BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        let mut bytes = [0; Self::BYTES];
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Handle({self})")
    }
}

/// How many random bytes an id has.
pub const RANDOM_BYTES: usize = 24;

/// A session that is kept in its cookie has its content as id.
const MAX_BYTES: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_32_characters_that_need_no_encoding_and_never_repeat() {
        let ids: std::collections::HashSet<_> = (0..1000).map(|_| Id::random()).collect();
        assert_eq!(ids.len(), 1000);
        for id in ids {
            assert_eq!(id.as_str().len(), 32);
            assert!(id.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'));
        }
    }

    #[test]
    fn text_that_no_store_should_see_is_no_id() {
        let too_long = "a".repeat(MAX_BYTES + 1);
        for text in ["", "a\0b", "a\nb", "\u{7f}", &too_long] {
            assert_eq!(Id::parse(text), None, "{text:?}");
        }
        assert_eq!(Id::parse("한글 id").as_ref().map(Id::as_str), Some("한글 id"));
    }

    #[test]
    fn a_handle_is_read_as_it_is_written() {
        let handle = Id::random().handle();
        assert_eq!(Handle::parse(&handle.to_string()), Some(handle));
        for text in ["", "00", &"g".repeat(32), &"é".repeat(16), &"+1".repeat(16)] {
            assert_eq!(Handle::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn the_debug_form_hides_the_id() {
        let id = Id::random();
        assert!(!format!("{id:?}").contains(id.as_str()));
    }
}
