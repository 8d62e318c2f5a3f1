//! [`Outcome`]: how many tests passed, failed, or did not run.
//!
//! In: lines that `cargo nextest` and `cargo test` print. Out: sums. A line
//! that is no summary counts nothing.

use std::fmt;
use std::ops::AddAssign;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) passed: u64,
    pub(super) failed: u64,
    pub(super) skipped: u64,
}

impl Outcome {
    /// What a line of nextest says:
    /// `Summary [ 0.3s] 9 tests run: 7 passed (1 slow), 1 failed, 1 timed out, 2 skipped`.
    pub(super) fn of_nextest(line: &str) -> Option<Self> {
        let line = plain(line);
        let rest = line.trim_start().strip_prefix("Summary")?.trim_start().strip_prefix('[')?;
        let (_, counts) = rest.split_once(" run: ").filter(|(before, _)| before.contains(" test"))?;
        let mut outcome = Self::default();
        for count in without_parentheses(counts).split(',') {
            let (number, what) = count.trim().split_once(' ')?;
            outcome.count(number, what)?;
        }
        Some(outcome)
    }

    /// What a line of libtest says:
    /// `test result: ok. 7 passed; 1 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.1s`.
    pub(super) fn of_libtest(line: &str) -> Option<Self> {
        let line = plain(line);
        let (_, counts) = line.trim_start().strip_prefix("test result: ")?.split_once(". ")?;
        let mut outcome = Self::default();
        for count in counts.split(';') {
            let (number, what) = count.trim().split_once(' ')?;
            if number != "finished" {
                outcome.count(number, what)?;
            }
        }
        Some(outcome)
    }

    fn count(&mut self, number: &str, what: &str) -> Option<()> {
        let number: u64 = number.parse().ok()?;
        match what.trim() {
            "passed" => self.passed += number,
            "skipped" | "ignored" | "filtered out" => self.skipped += number,
            "measured" => {}
            // "failed", "timed out", "exec failed", and what future versions think of.
            _ => self.failed += number,
        }
        Some(())
    }
}

impl AddAssign for Outcome {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// `text` without the escape sequences of colours.
fn plain(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_ascii_alphabetic()).map_or(part.len(), |at| at + 1);
        plain.push_str(&part[end..]);
    }
    plain
}

fn without_parentheses(text: &str) -> String {
    let mut depth = 0usize;
    let mut kept = String::new();
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if depth == 0 => kept.push(c),
            _ => {}
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    fn outcome(passed: u64, failed: u64, skipped: u64) -> Option<Outcome> {
        Some(Outcome { passed, failed, skipped })
    }

    #[test]
    fn reads_the_summary_of_nextest() {
        for (line, expected) in [
            ("     Summary [   0.276s] 68 tests run: 68 passed, 0 skipped", outcome(68, 0, 0)),
            ("     Summary [   0.276s] 1 test run: 1 passed, 3 skipped\n", outcome(1, 0, 3)),
            (
                "Summary [ 61.0s] 12 tests run: 9 passed (1 slow, 1 flaky, 2 leaky), 1 failed, 2 timed out, 4 skipped",
                outcome(9, 3, 4),
            ),
            ("Summary [ 1.0s] 5/9 tests run: 4 passed, 1 exec failed, 0 skipped", outcome(4, 1, 0)),
            (
                "\u{1b}[31;1m  Summary\u{1b}[0m [ 0.0s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m1\u{1b}[0m \
                 \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m1\u{1b}[0m \u{1b}[31;1mfailed\u{1b}[0m",
                outcome(1, 1, 0),
            ),
            ("        PASS [   0.005s] xtask tidy::tests::a_good_tree", None),
            ("Summary of a test: 3 passed", None),
            ("", None),
        ] {
            assert_eq!(Outcome::of_nextest(line), expected, "{line:?}");
        }
    }

    #[test]
    fn reads_the_results_of_libtest() {
        for (line, expected) in [
            (
                "test result: ok. 67 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.09s",
                outcome(67, 0, 3),
            ),
            (
                "test result: \u{1b}[31mFAILED\u{1b}(B\u{1b}[m. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.09s",
                outcome(1, 2, 0),
            ),
            ("test a::b ... ok", None),
            ("test result: ok", None),
        ] {
            assert_eq!(Outcome::of_libtest(line), expected, "{line:?}");
        }
    }

    #[test]
    fn is_written_as_one_line() {
        assert_eq!(outcome(3, 0, 0).unwrap().to_string(), "3 passed, 0 failed");
        assert_eq!(outcome(3, 1, 2).unwrap().to_string(), "3 passed, 1 failed, 2 skipped");
    }
}
