//! The `Date` of a response (RFC 9110 §6.6.1), written once a second and event loop.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use httpdate::HttpDate;

struct Date {
    value: HeaderValue,
    /// The second that it is of.
    second: u64,
}

thread_local! {
    static DATE: RefCell<Date> = const { RefCell::new(Date { value: HeaderValue::from_static(""), second: 0 }) };
}

/// The time of one turn of an event loop, read when it is asked for first.
#[derive(Debug, Default)]
pub(crate) struct Clock(Option<SystemTime>);

impl Clock {
    /// The date.
    pub(crate) fn date(&mut self) -> HeaderValue {
        self.with_date(HeaderValue::clone)
    }

    /// Adds the date.
    pub(crate) fn write_date(&mut self, out: &mut Vec<u8>) {
        self.with_date(|value| out.extend_from_slice(value.as_bytes()));
    }

    fn with_date<T>(&mut self, use_it: impl FnOnce(&HeaderValue) -> T) -> T {
        let now = *self.0.get_or_insert_with(SystemTime::now);
        let second = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        DATE.with_borrow_mut(|date| {
            if (date.second != second || date.value.is_empty())
                && let Ok(value) = HeaderValue::try_from(HttpDate::from(now).to_string())
            {
                *date = Date { value, second };
            }
            use_it(&date.value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_that_of_now() {
        for _ in 0..2 {
            let before = SystemTime::now() - Duration::from_secs(1);
            let mut out = Vec::new();
            let mut clock = Clock::default();
            clock.write_date(&mut out);
            assert_eq!(clock.date().as_bytes(), out);
            let date = httpdate::parse_http_date(std::str::from_utf8(&out).unwrap()).unwrap();
            assert!(date >= before && date <= SystemTime::now(), "{date:?}");
        }
    }
}
