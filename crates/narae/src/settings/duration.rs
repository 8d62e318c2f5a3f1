//! Durations as text: `250ms`, `15s`, `5m`, `1h`.
//!
//! In: text of an operator. Out: a `Duration`, or what is wrong with the text. One number and one unit, so
//! that there is one way to write each value; crates for human durations also take years, sums and blanks,
//! which no setting here needs.

use std::time::Duration;

/// Reads a number with a unit: `ms`, `s`, `m` or `h`. A bare `0` needs no unit.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let fail = || format!("{text:?} is no duration: write a number and a unit, as in 250ms, 15s, 5m or 1h");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(fail)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| fail())?;
    let factor = match unit {
        "ms" => return Ok(Duration::from_millis(number)),
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err(fail()),
    };
    // More than a century is a slip, and would overflow the clock.
    let seconds =
        number.checked_mul(factor).filter(|seconds| *seconds <= 100 * 365 * 86_400).ok_or_else(fail)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_number_and_a_unit() {
        for (text, milliseconds) in
            [("0", 0), ("0s", 0), ("250ms", 250), ("15s", 15_000), ("5m", 300_000), ("2h", 7_200_000)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
    }

    #[test]
    fn says_how_to_write_what_it_cannot_read() {
        for text in ["", "5", "s", "-5s", "1.5s", "5 s", "5S", "5min", "99999999999999999999s", "9999999999h"]
        {
            let error = parse(text).unwrap_err();
            assert!(error.contains("15s"), "{text}: {error}");
        }
    }
}
