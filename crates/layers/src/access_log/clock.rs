//! Writes times of day: UTC, in the three forms of morgan's `:date`.
//!
//! In: a `SystemTime`; out: text. Reads no clock. The form that most log lines
//! carry changes once a second, so [`DateCache`] keeps the last one.

use std::time::{SystemTime, UNIX_EPOCH};

/// The form of a `:date` token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DateForm {
    /// `01/Jun/2024:07:08:09 +0000`, the common log format's.
    Clf,
    /// `2024-06-01T07:08:09.123Z` (RFC 3339).
    Iso,
    /// `Sat, 01 Jun 2024 07:08:09 GMT` (RFC 9110 §5.6.7).
    Web,
}

/// Writes dates and remembers the last `clf` one.
pub(super) struct DateCache {
    second: u64, // of `clf`; u64::MAX: none yet
    clf: Vec<u8>,
}

impl Default for DateCache {
    fn default() -> Self {
        Self { second: u64::MAX, clf: Vec::new() }
    }
}

impl DateCache {
    /// Appends `now` to `line`. Times before 1970 count as 1970.
    pub(super) fn push(&mut self, line: &mut Vec<u8>, now: SystemTime, form: DateForm) {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = since.as_secs();
        match form {
            DateForm::Clf => {
                if self.second != second {
                    self.clf.clear();
                    push_clf(&mut self.clf, &Civil::from_unix(second));
                    self.second = second;
                }
                line.extend_from_slice(&self.clf);
            }
            DateForm::Iso => push_iso(line, &Civil::from_unix(second), since.subsec_millis()),
            DateForm::Web => push_web(line, &Civil::from_unix(second)),
        }
    }
}

/// A second of UTC, taken apart.
struct Civil {
    year: u64,
    month: u64,   // 1..=12
    day: u64,     // 1..=31
    weekday: u64, // 0..=6, 0 is Sunday
    second: u64,  // of the day
}

impl Civil {
    /// Days to a date in the proleptic Gregorian calendar: the year is counted
    /// from March, so that the leap day is its last, in eras of 400 years.
    fn from_unix(second: u64) -> Self {
        let days = second / 86_400;
        let from_march_of_year_0 = days + 719_468;
        let era = from_march_of_year_0 / 146_097;
        let day_of_era = from_march_of_year_0 % 146_097;
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        Self {
            year: era * 400 + year_of_era + u64::from(month <= 2),
            month,
            day: day_of_year - (153 * month_from_march + 2) / 5 + 1,
            weekday: (days + 4) % 7,
            second: second % 86_400,
        }
    }

    fn month_name(&self) -> &'static [u8] {
        name(b"JanFebMarAprMayJunJulAugSepOctNovDec", self.month - 1)
    }

    fn weekday_name(&self) -> &'static [u8] {
        name(b"SunMonTueWedThuFriSat", self.weekday)
    }
}

/// The name at `place` among names of three letters.
fn name(names: &'static [u8], place: u64) -> &'static [u8] {
    names.chunks_exact(3).zip(0..).find(|&(_, n)| n == place).map_or(b"???", |(name, _)| name)
}

fn push_clf(line: &mut Vec<u8>, civil: &Civil) {
    push_digits(line, civil.day, 2);
    line.push(b'/');
    line.extend_from_slice(civil.month_name());
    line.push(b'/');
    push_digits(line, civil.year, 4);
    line.push(b':');
    push_time(line, civil);
    line.extend_from_slice(b" +0000");
}

fn push_iso(line: &mut Vec<u8>, civil: &Civil, millis: u32) {
    push_digits(line, civil.year, 4);
    line.push(b'-');
    push_digits(line, civil.month, 2);
    line.push(b'-');
    push_digits(line, civil.day, 2);
    line.push(b'T');
    push_time(line, civil);
    line.push(b'.');
    push_digits(line, u64::from(millis), 3);
    line.push(b'Z');
}

fn push_web(line: &mut Vec<u8>, civil: &Civil) {
    line.extend_from_slice(civil.weekday_name());
    line.extend_from_slice(b", ");
    push_digits(line, civil.day, 2);
    line.push(b' ');
    line.extend_from_slice(civil.month_name());
    line.push(b' ');
    push_digits(line, civil.year, 4);
    line.push(b' ');
    push_time(line, civil);
    line.extend_from_slice(b" GMT");
}

fn push_time(line: &mut Vec<u8>, civil: &Civil) {
    push_digits(line, civil.second / 3_600, 2);
    line.push(b':');
    push_digits(line, civil.second / 60 % 60, 2);
    line.push(b':');
    push_digits(line, civil.second % 60, 2);
}

/// Appends `number` in decimal, with leading zeros up to `width` digits.
pub(super) fn push_digits(line: &mut Vec<u8>, mut number: u64, width: usize) {
    let mut digits = [b'0'; 20]; // u64::MAX has 20 digits
    let mut start = digits.len();
    while number > 0 || digits.len() - start < width.min(digits.len()) {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
    }
    line.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{DateCache, DateForm, push_digits};

    fn check(millis: u64, form: DateForm, expected: &str) {
        let mut line = Vec::new();
        DateCache::default().push(&mut line, UNIX_EPOCH + Duration::from_millis(millis), form);
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }

    #[test]
    fn writes_the_three_forms() {
        check(1_717_225_689_123, DateForm::Clf, "01/Jun/2024:07:08:09 +0000");
        check(1_717_225_689_123, DateForm::Iso, "2024-06-01T07:08:09.123Z");
        check(1_717_225_689_123, DateForm::Web, "Sat, 01 Jun 2024 07:08:09 GMT");
    }

    #[test]
    fn knows_leap_days_and_century_rules() {
        check(0, DateForm::Iso, "1970-01-01T00:00:00.000Z");
        check(951_782_400_000, DateForm::Iso, "2000-02-29T00:00:00.000Z");
        check(4_107_542_400_000, DateForm::Iso, "2100-03-01T00:00:00.000Z");
        check(253_402_300_799_999, DateForm::Iso, "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn agrees_with_another_implementation_over_a_century_and_a_half() {
        for step in 0..60_000u64 {
            let time = UNIX_EPOCH + Duration::from_secs(step * 86_399);
            let mut line = Vec::new();
            DateCache::default().push(&mut line, time, DateForm::Web);
            assert_eq!(String::from_utf8(line).unwrap(), httpdate::fmt_http_date(time));
        }
    }

    #[test]
    fn a_cached_date_is_replaced_when_the_second_changes() {
        let mut cache = DateCache::default();
        let mut line = Vec::new();
        for millis in [999, 1_000, 1_999, 2_000, 0] {
            cache.push(&mut line, UNIX_EPOCH + Duration::from_millis(millis), DateForm::Clf);
            line.push(b'\n');
        }
        let text = String::from_utf8(line).unwrap();
        let seconds: Vec<&str> = text.lines().map(|date| &date[18..20]).collect();
        assert_eq!(seconds, ["00", "01", "01", "02", "00"]);
    }

    #[test]
    fn numbers_have_at_least_the_width_asked_for() {
        for (number, width, expected) in
            [(0, 1, "0"), (7, 3, "007"), (1234, 2, "1234"), (u64::MAX, 1, "18446744073709551615")]
        {
            let mut line = Vec::new();
            push_digits(&mut line, number, width);
            assert_eq!(line, expected.as_bytes());
        }
    }
}
