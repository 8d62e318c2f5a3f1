//! The date of `Expires`: IMF-fixdate (RFC 9110 §5.6.7), for every time there is.
//!
//! In: a `SystemTime`. Out: text, as JavaScript's `toUTCString` writes it. Formatters for HTTP dates panic
//! before 1970 and after 9999; an application may hold such a time.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

/// A time in UTC, in whole seconds, rounded down.
pub(crate) struct Date {
    seconds: i64,
}

impl Date {
    pub(crate) fn new(time: SystemTime) -> Self {
        let whole = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        let seconds = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => whole(after.as_secs()),
            Err(error) => {
                let before = error.duration();
                (-whole(before.as_secs())).saturating_sub(i64::from(before.subsec_nanos() > 0))
            }
        };
        Self { seconds }
    }

    /// Year, month (1 to 12) and day of the month, in the Gregorian calendar carried backwards.
    fn civil(&self) -> (i64, usize, i64) {
        // Years that begin in March put the leap day last; 719,468 days lie between 0000-03-01 and 1970.
        let days = self.seconds.div_euclid(86_400) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let months_from_march = (5 * day_of_year + 2) / 153; // 0..=11
        let day = day_of_year - (153 * months_from_march + 2) / 5 + 1;
        let month = if months_from_march < 10 { months_from_march + 3 } else { months_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        (year, usize::try_from(month).unwrap_or(1), day)
    }

    pub(crate) fn year(&self) -> i64 {
        self.civil().0
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        // 1970-01-01 was a Thursday.
        let weekday = (self.seconds.div_euclid(86_400) + 4).rem_euclid(7);
        let weekday = WEEKDAYS[usize::try_from(weekday).unwrap_or(0)];
        let second = self.seconds.rem_euclid(86_400);
        write!(f, "{weekday}, {day:02} {} ", MONTHS[month - 1])?;
        match year {
            0.. => write!(f, "{year:04}")?,
            _ => write!(f, "-{:04}", year.unsigned_abs())?,
        }
        write!(f, " {:02}:{:02}:{:02} GMT", second / 3_600, second / 60 % 60, second % 60)
    }
}

const WEEKDAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
