//! Makes the validators of a file: `ETag` and `Last-Modified` (RFC 9110 §8.8).
//!
//! In: length and modification time of the open file, its coding, and the time of the answer. Out: header values, and the
//! same facts in the form that `conditional` compares. Must not know requests or clocks.

use std::time::{Duration, SystemTime};

use http::HeaderValue;

use crate::{accept_encoding::Coding, open_file::Modified};

#[derive(Debug, Clone)]
pub(crate) struct Validators {
    // `"length-seconds-nanoseconds"` in hexadecimal, with its quotes; empty without a tag.
    opaque: String,
    is_weak: bool,
    last_modified: Option<u64>,
}

/// Which validators there are to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) etag: bool,
    pub(crate) last_modified: bool,
}

impl Validators {
    /// The tag is weak while the file is younger than a second: it may change again within the same tick of the
    /// file system's clock (RFC 9110 §8.8.1). A date in the future is replaced by the time of the answer
    /// (RFC 9110 §8.8.2.1); one that HTTP cannot write is left out.
    ///
    /// What was encoded has a tag of its own, as every representation must (RFC 9110 §8.8.3.3). Its length stands there
    /// too: another version of the library gives other bytes.
    pub(crate) fn new(
        len: u64,
        modified: Modified,
        encoded: Option<(Coding, u64)>,
        now: SystemTime,
        wanted: Wanted,
    ) -> Self {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let since_epoch =
            u64::try_from(modified.seconds).ok().map(|s| Duration::new(s, modified.nanoseconds));
        let encoded = encoded.map(|(coding, len)| format!("-{}-{len:x}", coding.name())).unwrap_or_default();
        let opaque = format!("\"{:x}-{:x}-{:x}{encoded}\"", len, modified.seconds, modified.nanoseconds);
        Self {
            opaque: if wanted.etag { opaque } else { String::new() },
            is_weak: since_epoch.is_some_and(|modified| modified.abs_diff(now) < Duration::from_secs(1)),
            last_modified: since_epoch
                .map(|modified| modified.min(now).as_secs())
                .filter(|seconds| wanted.last_modified && *seconds <= LAST_HTTP_SECOND),
        }
    }

    /// The opaque tag, quotes included, without the mark of a weak one. Empty, as no tag is, where there is none.
    pub(crate) fn opaque_tag(&self) -> &[u8] {
        self.opaque.as_bytes()
    }

    pub(crate) fn is_weak(&self) -> bool {
        self.is_weak
    }

    /// Whole seconds since 1970, never later than the answer.
    pub(crate) fn last_modified(&self) -> Option<u64> {
        self.last_modified
    }

    pub(crate) fn etag_header(&self) -> Option<HeaderValue> {
        if self.opaque.is_empty() {
            return None;
        }
        let weak = if self.is_weak { "W/" } else { "" };
        HeaderValue::try_from([weak, &self.opaque].concat()).ok()
    }

    pub(crate) fn last_modified_header(&self) -> Option<HeaderValue> {
        let date = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(self.last_modified?))?;
        HeaderValue::try_from(httpdate::fmt_http_date(date)).ok()
    }
}

// 9999-12-31T23:59:59Z: the date format has four digits for the year (RFC 9110 §5.6.7).
pub(crate) const LAST_HTTP_SECOND: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Wanted = Wanted { etag: true, last_modified: true };

    fn check(seconds: i64, nanoseconds: u32, etag: &str, last_modified: Option<&str>) {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let validators = Validators::new(500, Modified { seconds, nanoseconds }, None, now, ALL);
        assert_eq!(validators.etag_header().unwrap(), etag);
        let header = validators.last_modified_header();
        assert_eq!(header.as_ref().map(|value| value.to_str().unwrap()), last_modified);
    }

    #[test]
    fn an_old_file_has_a_strong_tag_with_nanoseconds() {
        check(784_111_777, 0, r#""1f4-2ebc98a1-0""#, Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        check(784_111_777, 999_999_999, r#""1f4-2ebc98a1-3b9ac9ff""#, Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        check(0, 0, r#""1f4-0-0""#, Some("Thu, 01 Jan 1970 00:00:00 GMT"));
    }

    #[test]
    fn the_tag_is_weak_within_a_second_of_the_change() {
        check(1_000_000_000, 0, r#"W/"1f4-3b9aca00-0""#, Some("Sun, 09 Sep 2001 01:46:40 GMT"));
        check(999_999_999, 1, r#"W/"1f4-3b9ac9ff-1""#, Some("Sun, 09 Sep 2001 01:46:39 GMT"));
        check(999_999_999, 0, r#""1f4-3b9ac9ff-0""#, Some("Sun, 09 Sep 2001 01:46:39 GMT"));
    }

    #[test]
    fn a_date_in_the_future_becomes_now() {
        check(4_000_000_000, 0, r#""1f4-ee6b2800-0""#, Some("Sun, 09 Sep 2001 01:46:40 GMT"));
        check(i64::MAX, 0, r#""1f4-7fffffffffffffff-0""#, Some("Sun, 09 Sep 2001 01:46:40 GMT"));
    }

    #[test]
    fn a_date_that_http_cannot_write_is_left_out() {
        check(-1, 5, r#""1f4-ffffffffffffffff-5""#, None);
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(LAST_HTTP_SECOND + 10);
        let modified = Modified { seconds: 253_402_300_800, nanoseconds: 0 };
        assert_eq!(Validators::new(1, modified, None, far, ALL).last_modified_header(), None);
    }

    #[test]
    fn each_coding_has_a_tag_of_its_own() {
        let modified = Modified { seconds: 16, nanoseconds: 1 };
        let tag =
            |coding| Validators::new(10, modified, coding, SystemTime::now(), ALL).etag_header().unwrap();
        assert_eq!(tag(None), r#""a-10-1""#);
        assert_eq!(tag(Some((Coding::Brotli, 31))), r#""a-10-1-br-1f""#);
        assert_eq!(tag(Some((Coding::Gzip, 32))), r#""a-10-1-gzip-20""#);
    }

    #[test]
    fn what_is_not_wanted_is_not_made() {
        let modified = Modified { seconds: 16, nanoseconds: 1 };
        let none = Wanted { etag: false, last_modified: false };
        let validators = Validators::new(10, modified, None, SystemTime::now(), none);
        assert_eq!((validators.etag_header(), validators.last_modified_header()), (None, None));
    }
}
