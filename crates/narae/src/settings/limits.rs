//! The `[limits]` table: every limit of [`Limits`], each optional, with durations and sizes as text.
//!
//! In: the table as serde reads it. Out: [`Limits`] with the given ones replaced. Whether a limit can work
//! is checked by the server, once.

use std::fmt;
use std::time::Duration;

use narae_server::{Budget, Limits};
use serde::de::{Deserialize, Deserializer, Error, Visitor};

use super::duration;
use super::size::Size;

/// A duration written as text: `"15s"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DurationText(pub(crate) Duration);

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = DurationText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration in quotes, as \"250ms\", \"15s\", \"5m\" or \"1h\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<DurationText, E> {
                duration::parse(text).map(DurationText).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Text)
    }
}

impl Size {
    pub(crate) fn bytes(self) -> u64 {
        self.0
    }
}

impl TryFrom<Size> for usize {
    type Error = std::num::TryFromIntError;

    fn try_from(size: Size) -> Result<Self, Self::Error> {
        size.0.try_into()
    }
}

/// The limits that the file sets.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitsGiven {
    first_byte: Option<DurationText>,
    head_timeout: Option<DurationText>,
    max_head_bytes: Option<Size>,
    max_header_count: Option<usize>,
    max_target_bytes: Option<Size>,
    max_body_bytes: Option<Size>,
    body_timeout: Option<DurationText>,
    keep_alive_idle: Option<DurationText>,
    park_after: Option<DurationText>,
    write_stall: Option<DurationText>,
    h2_max_streams: Option<u32>,
    h2_budgets: Option<BudgetsGiven>,
    max_connections: Option<usize>,
    lingering_close: Option<DurationText>,
}

/// `[limits.h2_budgets]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetsGiven {
    resets: Option<BudgetGiven>,
    pings: Option<BudgetGiven>,
    settings: Option<BudgetGiven>,
    empty: Option<BudgetGiven>,
    continuations: Option<u32>,
}

/// `{ burst = 200, per_second = 50 }`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct BudgetGiven {
    burst: u32,
    per_second: u32,
}

impl LimitsGiven {
    /// `limits` with the given ones replaced.
    pub(crate) fn apply(self, mut limits: Limits) -> Limits {
        let set = |to: &mut Duration, given: Option<DurationText>| *to = given.map_or(*to, |given| given.0);
        // A size beyond the address space has the effect of the largest one.
        let bytes = |to: &mut usize, given: Option<Size>| {
            *to = given.map_or(*to, |given| given.try_into().unwrap_or(usize::MAX));
        };
        set(&mut limits.first_byte, self.first_byte);
        set(&mut limits.head_timeout, self.head_timeout);
        bytes(&mut limits.max_head_bytes, self.max_head_bytes);
        limits.max_header_count = self.max_header_count.unwrap_or(limits.max_header_count);
        bytes(&mut limits.max_target_bytes, self.max_target_bytes);
        limits.max_body_bytes = self.max_body_bytes.map_or(limits.max_body_bytes, |given| given.0);
        set(&mut limits.body_timeout, self.body_timeout);
        set(&mut limits.keep_alive_idle, self.keep_alive_idle);
        if let Some(time) = self.park_after {
            limits.park_after = Some(time.0).filter(|time| !time.is_zero());
        }
        set(&mut limits.write_stall, self.write_stall);
        limits.h2_max_streams = self.h2_max_streams.unwrap_or(limits.h2_max_streams);
        if let Some(given) = self.h2_budgets {
            let budgets = &mut limits.h2_budgets;
            let set = |to: &mut Budget, given: Option<BudgetGiven>| {
                *to = given.map_or(*to, |given| Budget::new(given.burst, given.per_second));
            };
            set(&mut budgets.resets, given.resets);
            set(&mut budgets.pings, given.pings);
            set(&mut budgets.settings, given.settings);
            set(&mut budgets.empty, given.empty);
            budgets.continuations = given.continuations.unwrap_or(budgets.continuations);
        }
        limits.max_connections = self.max_connections.or(limits.max_connections);
        set(&mut limits.lingering_close, self.lingering_close);
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every limit, none at its default. One that is missing here fails the test below.
    const ALL: &str = r#"
        first_byte = "1s"
        head_timeout = "2s"
        max_head_bytes = "3KiB"
        max_header_count = 4
        max_target_bytes = 5
        max_body_bytes = "6MiB"
        body_timeout = "7m"
        keep_alive_idle = "8s"
        park_after = "2s"
        write_stall = "9s"
        h2_max_streams = 10
        max_connections = 11
        lingering_close = "12s"
        [h2_budgets]
        resets = { burst = 13, per_second = 14 }
        pings = { burst = 15, per_second = 16 }
        settings = { burst = 17, per_second = 18 }
        empty = { burst = 19, per_second = 20 }
        continuations = 21
    "#;

    #[test]
    fn every_limit_can_be_set() {
        let given: LimitsGiven = toml::from_str(ALL).unwrap();
        let limits = given.apply(Limits::default());
        let fields = |limits: &Limits| -> Vec<String> {
            format!("{limits:#?}").lines().map(|line| line.trim().to_owned()).collect()
        };
        let (before, after) = (fields(&Limits::default()), fields(&limits));
        for line in before.iter().filter(|line| line.contains(": ") && !line.ends_with(['{', '('])) {
            assert!(!after.contains(line), "not set: {line}");
        }
        assert_eq!(limits.park_after, Some(Duration::from_secs(2)));
        assert_eq!(limits.max_head_bytes, 3072);
        assert_eq!(limits.body_timeout, Duration::from_secs(420));
        assert_eq!(limits.max_body_bytes, 6 * 1024 * 1024);
        assert_eq!(limits.h2_budgets.empty, Budget::new(19, 20));
    }

    #[test]
    fn what_is_not_given_stays() {
        let given: LimitsGiven = toml::from_str("head_timeout = \"1s\"").unwrap();
        let limits = given.apply(Limits::default().max_body_bytes(1));
        assert_eq!((limits.head_timeout, limits.max_body_bytes), (Duration::from_secs(1), 1));
    }

    #[test]
    fn a_duration_without_quotes_is_explained() {
        let error = toml::from_str::<LimitsGiven>("head_timeout = 15").unwrap_err();
        assert!(error.message().contains("\"15s\""), "{error}");
    }
}
