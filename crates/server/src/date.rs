//! The `Date` of a response (RFC 9110 §6.6.1), written once a second and event loop.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use httpdate::HttpDate;

/// `Sun, 06 Nov 1994 08:49:37 GMT`
const LENGTH: usize = 29;

struct Date {
    text: String,
    /// The second that it is of.
    second: u64,
}

thread_local! {
    static DATE: RefCell<Date> = const { RefCell::new(Date { text: String::new(), second: 0 }) };
}

/// The time of one turn of an event loop, read when it is asked for first.
#[derive(Debug, Default)]
pub(crate) struct Clock(Option<SystemTime>);

impl Clock {
    /// Adds the date.
    pub(crate) fn write_date(&mut self, out: &mut Vec<u8>) {
        let now = *self.0.get_or_insert_with(SystemTime::now);
        let second = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        DATE.with_borrow_mut(|date| {
            if date.text.len() != LENGTH || date.second != second {
                date.text = HttpDate::from(now).to_string();
                date.second = second;
            }
            out.extend_from_slice(date.text.as_bytes());
        });
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
            Clock::default().write_date(&mut out);
            let date = httpdate::parse_http_date(std::str::from_utf8(&out).unwrap()).unwrap();
            assert!(date >= before && date <= SystemTime::now(), "{date:?}");
        }
    }
}
