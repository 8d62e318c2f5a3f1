//! [`RequestId`]: joins what a client was told with what was logged. Made only when something failed.
//!
//! In: the request's `x-request-id`, if it has a sane one. Out: that, or an id of our own.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use axum::http::{HeaderName, HeaderValue};

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request that failed. In the extensions of its response.
///
/// The request's own `x-request-id` if a proxy set one (at most 64 letters, digits and `-_.:+=/@`), else
/// eight random digits of the process and a counter, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The id as text: only letters, digits and `-_.:+=/@`, safe in HTML and JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn of(header: Option<&HeaderValue>) -> Self {
        let given = header.and_then(|value| value.to_str().ok()).filter(|text| is_sane(text));
        given.map_or_else(Self::fresh, |text| Self(text.into()))
    }

    fn fresh() -> Self {
        static PREFIX: OnceLock<u64> = OnceLock::new();
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // The hasher's keys are random; this says nothing about them that could be used.
        let prefix = PREFIX.get_or_init(|| RandomState::new().hash_one(std::process::id()) >> 32);
        Self(format!("{prefix:08x}-{:x}", NEXT.fetch_add(1, Ordering::Relaxed)).into())
    }

    pub(super) fn to_header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_sane(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+=/@".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sane_id_is_kept_and_any_other_is_replaced() {
        let of = |text: &'static str| RequestId::of(Some(&HeaderValue::from_static(text))).to_string();
        assert_eq!(of("7f3-A_1.2"), "7f3-A_1.2");
        for text in
            ["", "<script>", "a b", "\"", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"]
        {
            let id = of(text);
            assert!(id != text && is_sane(&id), "{text}: {id}");
        }
    }

    #[test]
    fn fresh_ids_differ_and_begin_alike() {
        let (first, second) = (RequestId::of(None), RequestId::of(None));
        assert_ne!(first, second);
        assert_eq!(first.as_str().split('-').next(), second.as_str().split('-').next());
    }
}
