//! [`Warnings`]: how often a store says that a record is broken.
//!
//! In: a wish to warn. Out: whether it is time for it. Whoever sends a broken session's id must not fill the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// When there was a warning last.
#[derive(Default)]
pub(super) struct Warnings(Mutex<Option<Instant>>);

impl Warnings {
    /// Whether it is time for one; it counts as given then.
    pub(super) fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.is_none_or(|last| last.elapsed() >= BETWEEN_WARNINGS);
        if is_due {
            *last = Some(Instant::now());
        }
        is_due
    }
}

const BETWEEN_WARNINGS: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_followed_by_none_for_a_minute() {
        let warnings = Warnings::default();
        assert!(warnings.is_due());
        assert!(!warnings.is_due());
        let before = Instant::now().checked_sub(BETWEEN_WARNINGS).expect("the machine runs for a minute");
        *warnings.0.lock().expect("no panic") = Some(before);
        assert!(warnings.is_due() && !warnings.is_due());
    }
}
